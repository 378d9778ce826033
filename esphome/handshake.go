package esphome

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flynn/noise"
)

// Identity is how a server names itself before anything is encrypted.
type Identity struct {
	// Name is the name of the server: lower-case letters, digits and hyphens, at most 31
	// octets.
	Name string
	// MAC is its address in 12 lower-case hexadecimal digits.
	MAC string
}

// Texts that reject a handshake. Clients take the first of them for a wrong key.
const (
	rejectKey       = "Handshake MAC failure"
	rejectPlain     = "Bad indicator byte"
	rejectEmpty     = "Empty handshake message"
	rejectIndicator = "Bad handshake error byte"
)

// ErrWrongKey is the error of a handshake with another key than the other end's.
var ErrWrongKey = errors.New("esphome: the two ends have different keys")

// prologueText begins the prologue of the handshake. The hello of the client follows it.
const prologueText = "NoiseAPIInit"

// maxHandshake is the longest body of a frame of the handshake, in octets.
const maxHandshake = 128

// newHandshake returns the state of Noise_NNpsk0_25519_ChaChaPoly_SHA256.
func newHandshake(key Key, hello []byte, initiator bool) (*noise.HandshakeState, error) {
	prologue := binary.BigEndian.AppendUint16([]byte(prologueText), uint16(len(hello))) //nolint:gosec // at most maxHandshake
	return noise.NewHandshakeState(noise.Config{
		CipherSuite:  noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256),
		Pattern:      noise.HandshakeNN,
		Initiator:    initiator,
		Prologue:     append(prologue, hello...),
		PresharedKey: key[:],
	})
}

// acceptNoise answers the handshake of a client. The server says its name before it looks
// at the key: a client may come to learn the name alone.
func acceptNoise(r *bufio.Reader, w io.Writer, key Key, id Identity) (framing, error) {
	hello, err := readNoiseBody(r, nil, maxHandshake)
	if errors.Is(err, ErrPeerPlain) {
		return nil, errors.Join(err, reject(w, rejectPlain))
	} else if err != nil {
		return nil, err
	}
	body := append([]byte{markNoise}, id.Name...)
	body = append(append(append(body, 0), id.MAC...), 0)
	if _, err := w.Write(appendNoiseBody(nil, body)); err != nil {
		return nil, err
	}
	first, err := readNoiseBody(r, nil, maxHandshake)
	switch {
	case err != nil:
		return nil, err
	case len(first) == 0:
		return nil, errors.Join(errors.New("esphome: empty message of the handshake"), reject(w, rejectEmpty))
	case first[0] != 0:
		return nil, errors.Join(fmt.Errorf("esphome: message of the handshake begins with %#02x: it begins with 0", first[0]), reject(w, rejectIndicator))
	}
	state, err := newHandshake(key, hello, false)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := state.ReadMessage(nil, first[1:]); err != nil {
		return nil, errors.Join(ErrWrongKey, reject(w, rejectKey))
	}
	second, receive, send, err := state.WriteMessage([]byte{0}, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(appendNoiseBody(nil, second)); err != nil {
		return nil, err
	}
	return &noiseFraming{send: send, receive: receive}, nil
}

// reject tells a client why the handshake ends.
func reject(w io.Writer, reason string) error {
	_, err := w.Write(appendNoiseBody(nil, append([]byte{1}, reason...)))
	return err
}

// connectNoise makes the handshake with a server, and returns how it names itself.
func connectNoise(r *bufio.Reader, w io.Writer, key Key) (framing, Identity, error) {
	state, err := newHandshake(key, nil, true)
	if err != nil {
		return nil, Identity{}, err
	}
	first, _, _, err := state.WriteMessage([]byte{0}, nil)
	if err != nil {
		return nil, Identity{}, err
	}
	if _, err := w.Write(appendNoiseBody(appendNoiseBody(nil, nil), first)); err != nil {
		return nil, Identity{}, err
	}
	hello, err := readNoiseBody(r, nil, maxHandshake)
	if err != nil {
		return nil, Identity{}, err
	}
	id, err := parseServerHello(hello)
	if err != nil {
		return nil, id, err
	}
	second, err := readNoiseBody(r, nil, maxHandshake)
	switch {
	case err != nil:
		return nil, id, err
	case len(second) == 0:
		return nil, id, errors.New("esphome: empty message of the handshake")
	case second[0] != 0 && string(second[1:]) == rejectKey:
		return nil, id, ErrWrongKey
	case second[0] != 0:
		return nil, id, fmt.Errorf("esphome: the server rejects the handshake: %q", second[1:])
	}
	_, send, receive, err := state.ReadMessage(nil, second[1:])
	if err != nil {
		return nil, id, ErrWrongKey
	}
	return &noiseFraming{send: send, receive: receive}, id, nil
}

// parseServerHello parses the protocol that a server chose, its name, and its MAC. Older
// servers leave out the last or both.
func parseServerHello(b []byte) (Identity, error) {
	if len(b) == 0 || b[0] != markNoise {
		return Identity{}, fmt.Errorf("esphome: the server chose the protocol % x: only 01 is known", b[:min(1, len(b))])
	}
	name, rest, _ := bytes.Cut(b[1:], []byte{0})
	mac, _, _ := bytes.Cut(rest, []byte{0})
	return Identity{Name: strings.ToValidUTF8(string(name), "?"), MAC: strings.ToValidUTF8(string(mac), "?")}, nil
}
