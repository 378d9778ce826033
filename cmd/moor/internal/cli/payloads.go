package cli

import (
	"context"

	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/payload"
)

// shownReadings is the number of readings of a payload that a line has room for.
const shownReadings = 4

// keyFlags are the keys of devices that encrypt their payloads.
type keyFlags struct {
	keys  payload.Keys
	files []string
}

// keyFile is a flag that names a file with keys, and may be repeated.
type keyFile struct{ flags *keyFlags }

// UnmarshalText adds one.
func (f keyFile) UnmarshalText(b []byte) error {
	f.flags.files = append(f.flags.files, string(b))
	return nil
}

func (f *keyFlags) addFlags(c *command) {
	c.flag("key", "decrypt the broadcasts of a device with its key, `ADDR=HEX`; every user of the machine can read a command line, so that --key-file is better", &f.keys)
	c.flag("key-file", "decrypt broadcasts with the keys in `FILE`, one ADDR=HEX a line", keyFile{f})
}

// readKeys adds the keys in the files, and returns all.
func (a *app) readKeys(ctx context.Context, f *keyFlags) (*payload.Keys, error) {
	for _, name := range f.files {
		content, err := a.readSecret(ctx, name)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			return nil, usagef("--key-file: %w", err)
		}
		if err := f.keys.UnmarshalText(content); err != nil {
			return nil, usagef("--key-file: %s: %w", name, err)
		}
	}
	return &f.keys, nil
}

// payloadTexts describes payloads in a few words each: their identity, or their first
// readings.
func payloadTexts(frames []payload.Frame) (texts []string) {
	for _, f := range frames {
		if f.ID != nil {
			texts = append(texts, f.ID.String())
		}
		for i, r := range f.Readings {
			if i == shownReadings {
				texts = append(texts, "…")
				break
			}
			texts = append(texts, text.Clean(r.String()))
		}
		if f.Problem != "" {
			texts = append(texts, string(f.Format)+" with "+string(f.Problem))
		}
	}
	return texts
}
