package wire

import (
	"bytes"
	"errors"
)

// maxElements is above the number of elements of any valid answer about one store, whatever its number of managers.
const maxElements = 1 << 18

var errElements = errors.New("more elements than any answer has")

// CheckElements refuses an answer with more elements than any valid answer about one store has. It counts commas,
// before the answer is decoded: decoded, an element can take a hundred times the memory that it takes in the answer.
func CheckElements(answer []byte) error {
	if bytes.Count(answer, []byte(",")) > maxElements {
		return errElements
	}
	return nil
}
