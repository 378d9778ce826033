package hci

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// The btsnoop file format: a header of 16 octets, then records of 24 octets
// and a packet each, all numbers big-endian.
const (
	snoopMagic       = "btsnoop\x00"
	snoopVersion     = 1
	snoopDatalinkH4  = 1002 // HCI UART: packets begin with the H4 octet
	snoopDatalinkMon = 2001 // the monitor of Linux, as btmon writes: see btsnoop_monitor.go
	snoopReceived    = 1 << 0
	snoopCommand     = 1 << 1 // command or event, as opposed to data
	snoopMaxIncluded = 1 << 17
	// snoopEpoch is the Unix epoch in microseconds since the year 0.
	snoopEpoch = 0x00DCDDB30F2F8000
)

// snoopHeader begins a file.
type snoopHeader struct {
	Magic             [8]byte
	Version, Datalink uint32
}

// snoopRecordHeader begins a record.
type snoopRecordHeader struct {
	Original, Included, Flags, Drops uint32
	Micros                           int64
}

// SnoopWriter writes a capture in btsnoop format, which btmon and Wireshark read. It
// must not be used by two goroutines at the same time.
type SnoopWriter struct {
	w       io.Writer
	buf     []byte
	started bool
	keys    bool // capture keys too
	mask    keyMask
}

// NewSnoop returns a SnoopWriter that writes to w. The first packet is preceded by
// the file header. Zeros replace keys: those of commands and events, and those that the
// two sides of a pairing distribute. Attribute values are captured.
func NewSnoop(w io.Writer) *SnoopWriter { return &SnoopWriter{w: w} }

// NewSnoopWithKeys is NewSnoop for a capture with all keys. With the file, the links of
// the captured bonds can be decrypted, and either side can be impersonated.
func NewSnoopWithKeys(w io.Writer) *SnoopWriter { return &SnoopWriter{w: w, keys: true} }

// Packet writes one whole H4 packet with the time t. sent means that it went to the
// controller. Packet calls Write once and returns its error.
func (s *SnoopWriter) Packet(t time.Time, sent bool, h4 []byte) error {
	s.buf = s.buf[:0]
	if !s.started {
		s.buf = append(s.buf, snoopMagic...)
		s.buf = binary.BigEndian.AppendUint32(s.buf, snoopVersion)
		s.buf = binary.BigEndian.AppendUint32(s.buf, snoopDatalinkH4)
	}
	var flags uint32
	if !sent {
		flags |= snoopReceived
	}
	if typ := packetTypeOf(h4); typ == PacketCommand || typ == PacketEvent {
		flags |= snoopCommand
	}
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(h4)))
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(h4)))
	s.buf = binary.BigEndian.AppendUint32(s.buf, flags)
	s.buf = binary.BigEndian.AppendUint32(s.buf, 0) // drops
	s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(t.UnixMicro()+snoopEpoch))
	header := len(s.buf)
	s.buf = append(s.buf, h4...)
	if !s.keys {
		s.mask.maskKeys(s.buf[header:], sent)
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return fmt.Errorf("hci: btsnoop: %w", err)
	}
	s.started = true
	return nil
}

// packetTypeOf returns the type octet of an H4 packet; 0 for an empty one.
func packetTypeOf(h4 []byte) PacketType {
	for _, v := range h4 {
		return PacketType(v)
	}
	return 0
}

// SnoopRecord is one packet of a capture.
type SnoopRecord struct {
	Time    time.Time // in UTC, with a resolution of 1 µs
	Sent    bool      // the packet went to the controller
	Packet  []byte    // with its H4 octet; owned by the receiver
	Missing uint32    // octets at the end of the packet that were not captured
	Drops   uint32    // packets that were not captured so far
	// Index is the index of the adapter, such as 1 for hci1, in a capture of btmon,
	// which captures all adapters; 0 in others.
	Index uint16
}

// ReadSnoop iterates over the packets of a capture: of one adapter, as SnoopWriter,
// hcidump and Android write it, or of btmon, whose other records are omitted. An error
// ends the iteration and is its last pair: r is not such a btsnoop file, a read fails, or
// the last record is incomplete. The latter unwraps to io.ErrUnexpectedEOF and is usual in
// a capture that was not closed properly.
func ReadSnoop(r io.Reader) iter.Seq2[SnoopRecord, error] {
	return func(yield func(SnoopRecord, error) bool) {
		datalink, err := readSnoopHeader(r)
		if err != nil {
			yield(SnoopRecord{}, fmt.Errorf("hci: btsnoop: %w", err))
			return
		}
		for n := 1; ; n++ {
			rec, flags, err := readSnoopRecord(r)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(SnoopRecord{}, fmt.Errorf("hci: btsnoop: record %d: %w", n, err))
				return
			}
			if datalink == snoopDatalinkMon && !rec.takeMonitorFlags(flags) {
				continue
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func readSnoopHeader(r io.Reader) (datalink uint32, err error) {
	var h snoopHeader
	if err := binary.Read(r, binary.BigEndian, &h); err != nil {
		return 0, fmt.Errorf("header: %w", noEOF(err))
	}
	switch {
	case string(h.Magic[:]) != snoopMagic:
		return 0, fmt.Errorf("not a btsnoop file: it begins with %q", h.Magic[:])
	case h.Version != snoopVersion:
		return 0, fmt.Errorf("version %d, only version %d is supported", h.Version, snoopVersion)
	case h.Datalink != snoopDatalinkH4 && h.Datalink != snoopDatalinkMon:
		return 0, fmt.Errorf("datalink %d, only %d (HCI UART) and %d (Linux monitor) are supported", h.Datalink, snoopDatalinkH4, snoopDatalinkMon)
	}
	return h.Datalink, nil
}

// readSnoopRecord returns io.EOF only at the end between two records.
func readSnoopRecord(r io.Reader) (rec SnoopRecord, flags uint32, err error) {
	var h snoopRecordHeader
	if err := binary.Read(r, binary.BigEndian, &h); err != nil {
		return SnoopRecord{}, 0, err
	}
	if h.Included > snoopMaxIncluded || h.Included > h.Original {
		return SnoopRecord{}, 0, fmt.Errorf("%d octets of a packet of %d, which cannot be an HCI packet", h.Included, h.Original)
	}
	// The buffer grows with the data, so that a false length costs no memory.
	var packet bytes.Buffer
	if _, err := io.CopyN(&packet, r, int64(h.Included)); err != nil {
		return SnoopRecord{}, 0, noEOF(err)
	}
	return SnoopRecord{
		Time: time.UnixMicro(h.Micros - snoopEpoch).UTC(), Sent: h.Flags&snoopReceived == 0,
		Packet: packet.Bytes(), Missing: h.Original - h.Included, Drops: h.Drops,
	}, h.Flags, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
