//go:build minimal

package yamlfile

import "errors"

// ErrMinimal means that the program was built with the tag minimal.
var ErrMinimal = errors.New("this program was built without scenario files: build it without the tag minimal")

// Decode returns an error that wraps ErrMinimal.
func Decode(file string, _ []byte, _ any, _ Text) (*Document, error) {
	return nil, &Error{File: file, Err: ErrMinimal}
}
