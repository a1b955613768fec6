package rewrite

// What the tests in package rewrite_test, which run scripts in a host, expect of refusals.
const (
	TooManyLookups  = tooManyLookups
	TooManyItems    = tooManyItems
	TooLong         = tooLong
	TooManyValues   = tooManyValues
	MaxInstructions = maxInstructions
)
