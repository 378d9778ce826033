//go:build !linux

package lab

import "errors"

var errOnlyLinux = errors.New("only Linux has it")

func openVHCI() (door, error) {
	return nil, &ListenError{Place{Kind: PlaceVHCI}, errOnlyLinux, "attach the controller to tcp:127.0.0.1:9001 instead"}
}

func openPTY() (door, error) {
	return nil, &ListenError{Place{Kind: PlacePTY}, errOnlyLinux, "attach the controller to tcp:127.0.0.1:9001 instead"}
}
