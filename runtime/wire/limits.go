package wire

import (
	"bytes"
	"errors"
)

// maxElements is more elements than an answer about one store has, whatever the number of its managers.
const maxElements = 1 << 18

var errElements = errors.New("more elements than any answer has")

// CheckElements refuses an answer before it is decoded that has more elements, counted by its commas, than
// any answer about one store. An element takes up to a hundred times the bytes in memory that it has in
// the answer.
func CheckElements(answer []byte) error {
	if bytes.Count(answer, []byte(",")) > maxElements {
		return errElements
	}
	return nil
}
