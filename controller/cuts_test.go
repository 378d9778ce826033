package controller

import (
	"testing"

	"github.com/moor-ble/moor/hci"
)

// pieceOf returns a packet with a piece of an extended advertisement.
func pieceOf(from hci.Addr, incomplete bool, data string) []byte {
	r := hci.ExtAdvReport{Addr: from, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, Data: hci.AdvData(data)}
	if incomplete {
		r.Type = hci.ExtAdvIncomplete
	}
	return hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{r}})
}

// TestChainsOfTwoScans restarts a scan whose reports still wait for the loop, which has
// handled the answer to the restart before. The pieces from before and after are not put
// together.
func TestChainsOfTwoScans(t *testing.T) {
	h := newHarness(t, 1)
	h.c.info.Extended = true
	s := h.scanner(&ScanOptions{Duplicates: true})
	var a adverts
	a.init()
	read := func(packet []byte) { // as the reader does
		t.Helper()
		if restartsScan(packet) {
			a.noteRestart()
		}
		if isAdvertising(packet) {
			a.push(packet)
		} else {
			h.c.handlePacket(h.now, packet)
		}
	}
	answer := func(op hci.Opcode) {
		t.Helper()
		read(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: []byte{0}}))
	}
	answer(hci.OpLESetExtendedScanParameters)
	answer(hci.OpLESetExtendedScanEnable)
	read(pieceOf(peerA, true, "old, "))
	read(pieceOf(peerB, true, "old "))
	read(pieceOf(peerB, false, "and whole"))
	h.scanner(&ScanOptions{Duplicates: true}) // restarts the scan
	answer(hci.OpLESetExtendedScanEnable)
	answer(hci.OpLESetExtendedScanParameters)
	answer(hci.OpLESetExtendedScanEnable)
	read(pieceOf(peerA, true, "new and "))
	read(pieceOf(peerA, false, "whole"))
	for p := a.pop(); p != nil; p = a.pop() {
		h.c.cutChains(p.cuts)
		h.c.handlePacket(h.now, p.b[:p.n])
	}
	for _, want := range []string{"old and whole", "new and whole"} {
		if r := h.next(s); string(r.Data) != want {
			t.Errorf("got %q, want %q", r.Data, want)
		}
	}
	h.noReport(s, "there were two")
}

// TestManyDroppedChains drops pieces of more advertisements than are remembered. The
// memory is bounded, and no advertisement that was open is put together.
func TestManyDroppedChains(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	c := &h.c.scan.chains
	h.c.handlePacket(h.now, pieceOf(peerA, true, "x"))
	var cut cuts
	var dec hci.Decoder
	for n := range 2 * maxCuts {
		cut.noteDropped(&dec, pieceOf(numbered(n), true, "x"))
	}
	cut.noteDropped(&dec, pieceOf(peerA, true, "x"))
	if !cut.tooMany || len(cut.lost) != maxCuts {
		t.Errorf("%d advertisements are remembered, want %d", len(cut.lost), maxCuts)
	}
	c.cutChains(&cut)
	if len(c.open) != 0 || c.broken.Len() != maxBroken {
		t.Errorf("%d open and %d broken chains, want 0 and %d", len(c.open), c.broken.Len(), maxBroken)
	}
	h.c.handlePacket(h.now, pieceOf(peerA, false, "x"))
	h.noReport(s, "a piece is missing")
	h.c.handlePacket(h.now, pieceOf(peerA, false, "next"))
	if r := h.next(s); string(r.Data) != "next" {
		t.Errorf("got %q, want the next one", r.Data)
	}
}

// TestChainThatMadeRoom drops the rest of an advertisement that others have replaced.
func TestChainThatMadeRoom(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for n := range maxChains + 1 {
		h.c.handlePacket(h.now, pieceOf(numbered(n), true, "first "))
	}
	h.c.handlePacket(h.now, pieceOf(numbered(0), true, "second "))
	h.c.handlePacket(h.now, pieceOf(numbered(0), false, "third"))
	h.noReport(s, "the first piece is gone")
	h.c.handlePacket(h.now, pieceOf(numbered(1), false, "second"))
	if r := h.next(s); string(r.Data) != "first second" {
		t.Errorf("got %q", r.Data)
	}
}
