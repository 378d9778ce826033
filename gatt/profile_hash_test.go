package gatt_test

import (
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/internal/gatttest"
)

func TestProfileHashIsTheServers(t *testing.T) {
	srv, err := gatt.NewServer(gatttest.Reference())
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if got, ok := srv.Profile().Hash(); !ok || got != srv.Hash() {
		t.Errorf("computed %x, %v; the server has %x", got, ok, srv.Hash())
	}
	p := srv.Profile()
	p.Services[0].Characteristics[0].Properties ^= gatt.PropWrite
	if got, _ := p.Hash(); got == srv.Hash() {
		t.Error("another table has the same hash")
	}
}

func TestProfileHashNeedsExtendedProperties(t *testing.T) {
	srv, err := gatt.NewServer(gatttest.Sample())
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := srv.Profile()
	if _, ok := p.Hash(); ok {
		t.Fatal("the value of the extended properties is not in the profile, so the hash cannot be")
	}
}
