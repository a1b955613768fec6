package rewrite

// Texts and limits of refusals, for the tests in package rewrite_test. Those tests run scripts in a host.
const (
	TooManyLookups   = tooManyLookups
	TooManyItems     = tooManyItems
	TooLong          = tooLong
	TooManyValues    = tooManyValues
	TooManyLocals    = tooManyLocals
	MaxLocals        = maxLocals
	TooManyBlocks    = tooManyBlocks
	TooManyOperators = tooManyOperators
	TooManyLabels    = tooManyLabels
	MaxLabels        = maxLabels
	MaxInstructions  = maxInstructions
)

// RunRaw runs a program as gopher-lua compiles it, without this package.
var RunRaw = runRaw
