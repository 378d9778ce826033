//go:build !kernel

package goble_test

import (
	"testing"

	"github.com/go-ble/ble"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onKernel runs a program on adapters of the kernel: with the build tag kernel.
func onKernel(*testing.T, func(*testing.T, *radio, func() (ble.Device, error))) {}
