package rewrite

// loopLocals stand for what a loop keeps in registers, beside its variables.
var loopLocals = []string{"(loop)", "(loop)", "(loop)"}
