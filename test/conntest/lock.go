//go:build kernel || peers

package conntest

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// User is the smp.Delegate of this side.
type User struct {
	io    smp.IOCapability
	shown chan string
	keys  chan smp.Passkey
	ended chan error
}

// NewUser returns a User that confirms every number.
func NewUser(io smp.IOCapability) *User {
	return &User{io, make(chan string, 1), make(chan smp.Passkey, 1), make(chan error, 1)}
}

// IO implements smp.Delegate.
func (u *User) IO() smp.IOCapability { return u.io }

// Display implements smp.Delegate.
func (u *User) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	u.shown <- p.String()
	return nil
}

// Confirm implements smp.Delegate.
func (u *User) Confirm(_ context.Context, _ hci.Addr, p smp.Passkey) (bool, error) {
	u.shown <- p.String()
	return true, nil
}

// Enter implements smp.Delegate.
func (u *User) Enter(ctx context.Context, _ hci.Addr) (smp.Passkey, error) {
	select {
	case p := <-u.keys:
		return p, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Ended implements smp.Delegate.
func (u *User) Ended(_ hci.Addr, err error) { u.ended <- err }

// Shown waits for the next number that the User is shown.
func (u *User) Shown(t *testing.T) string {
	t.Helper()
	return await(t, u.shown)
}

// Type types a passkey.
func (u *User) Type(t *testing.T, key string) {
	t.Helper()
	p, err := smp.ParsePasskey(key)
	if err != nil {
		t.Fatal(err)
	}
	u.keys <- p
}

// Paired waits for the end of the pairing and checks that it has succeeded.
func (u *User) Paired(t *testing.T) {
	t.Helper()
	if err := await(t, u.ended); err != nil {
		t.Errorf("the pairing ended with %v", err)
	}
}

// await receives from ch within Limit.
func await[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-Within(t).Done():
		t.Fatal("nothing happens")
	}
	return v
}

// Lock is a device with a characteristic that requires an encrypted link.
type Lock struct {
	Service, Guarded gatt.UUID
	Value            []byte
	SMP              *smp.Config
}

// Open runs the device on an adapter until the end of the test.
func (k *Lock) Open(t *testing.T, adapter string) *host.Host {
	t.Helper()
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{
		UUID: k.Service, Characteristics: []gatt.CharDef{{
			UUID: k.Guarded, Properties: gatt.PropRead, Value: k.Value,
			Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	tr, err := hcisock.Open(Within(t), adapter, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(Within(t), tr, &host.Config{Server: srv, SMP: k.SMP})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	Advertise(t, h)
	return h
}

// Advertise starts or restarts the advertising of a host.
func Advertise(t *testing.T, h *host.Host) {
	t.Helper()
	fields := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, Name: "moor-device"}
	data, err := fields.Append(nil, 31)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Advertise(Within(t), &controller.AdvertiseOptions{Data: data}); err != nil {
		t.Fatal(err)
	}
}

// ChangeAddress changes the private address of a host.
func ChangeAddress(t *testing.T, h *host.Host) {
	t.Helper()
	before, err := h.Controller().OwnAddress(Within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Controller().UsePrivateAddresses(Within(t), func() hci.MAC { return h.SMP().NewAddress().MAC }, time.Hour); err != nil {
		t.Fatal(err)
	}
	if after, err := h.Controller().OwnAddress(Within(t)); err != nil || after == before || !after.IsResolvable() {
		t.Fatalf("the address is %v after %v, %v", after, before, err)
	}
}
