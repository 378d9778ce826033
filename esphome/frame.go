package esphome

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxPayload is the longest payload of a message, in octets. With Noise it is 20 octets
// less.
const MaxPayload = 65535

// First octets of a frame.
const (
	markPlain = 0x00
	markNoise = 0x01
)

// framing writes and reads frames. One goroutine may write while another reads.
type framing interface {
	// appendFrame appends the frame of a message to b.
	appendFrame(b []byte, id MessageID, payload []byte) ([]byte, error)
	// readFrame reads a frame. The payload is valid until the next call.
	readFrame(r *bufio.Reader) (MessageID, []byte, error)
}

// errPayload is the error for a payload that no frame holds.
func errPayload(n, most int) error {
	return fmt.Errorf("esphome: payload of %d octets: a frame holds %d", n, most)
}

// readChunk is how many octets are read before more memory is taken: a frame that is
// announced and does not come costs no more.
const readChunk = 4096

// readOctets reads n octets into buf, which grows as they arrive.
func readOctets(r *bufio.Reader, buf []byte, n int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		begin := len(buf)
		buf = append(buf, make([]byte, min(n-begin, readChunk))...)
		if _, err := io.ReadFull(r, buf[begin:]); err != nil {
			return nil, endWithin(err)
		}
	}
	return buf, nil
}

// endWithin is the error of a stream that ends within a frame.
func endWithin(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
