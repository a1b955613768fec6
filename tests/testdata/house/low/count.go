package low

func (c *counter) count() { c.n++ }
