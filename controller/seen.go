package controller

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

const (
	// maxFrames is the number of data fields of one advertiser that a seenSet
	// remembers. Beacons take turns between up to six.
	maxFrames = 8
	// frameTime is the time after which data that is not heard again no longer takes
	// part in such turns.
	frameTime = 5 * time.Second
)

// seenSet remembers what a Scanner has delivered of each advertiser, for at most
// maxAdvertisers of them.
type seenSet struct {
	seed maphash.Seed
	last recent[advertiser, delivered]
}

// delivered is what a Scanner has delivered of one advertiser.
type delivered struct{ data, response turns }

// noteReport reports whether r is to be delivered: its data or its scan response is
// new. A node of a mesh repeats its packets for the sake of nodes that miss them, and
// its packets are messages, so none of them is withheld.
func (s *seenSet) noteReport(r *Report) bool {
	if s.last.Len() == 0 {
		s.seed = maphash.MakeSeed()
	}
	d := s.last.use(advertiserOf(r))
	if s.last.Len() > maxAdvertisers {
		s.last.removeOldest()
	}
	news := d.data.noteFrame(maphash.Bytes(s.seed, r.Data), r.Time)
	news = d.response.noteFrame(maphash.Bytes(s.seed, r.Response), r.Time) || news
	return news || isMesh(r.Data)
}

func isMesh(d hci.AdvData) bool {
	for typ := range d.All() {
		switch typ {
		case hci.ADMeshProvisioning, hci.ADMeshMessage, hci.ADMeshBeacon:
			return true
		default:
		}
	}
	return false
}

// turns tells data that has changed from data that takes turns. A frame that was
// heard a moment ago is not new, though another one has been delivered since. Once
// only one of the frames is still heard, the data has settled, and the frame is
// delivered unless it was the last one delivered.
type turns struct {
	shown  uint64  // the hash of the frame delivered last
	frames []frame // heard within frameTime, the newest last
}

type frame struct {
	hash  uint64
	heard time.Time
}

// noteFrame notes that a frame was heard and reports whether it is to be delivered.
func (t *turns) noteFrame(hash uint64, now time.Time) bool {
	first := t.frames == nil
	t.frames = slices.DeleteFunc(t.frames, func(f frame) bool { return now.Sub(f.heard) >= frameTime })
	news := first || hash != t.shown && (!t.takesTurns(hash) || !t.takesTurns(t.shown))
	t.frames = slices.DeleteFunc(t.frames, func(f frame) bool { return f.hash == hash })
	if len(t.frames) == maxFrames {
		t.frames = slices.Delete(t.frames, 0, 1)
	}
	t.frames = append(t.frames, frame{hash, now})
	if news {
		t.shown = hash
	}
	return news
}

func (t *turns) takesTurns(hash uint64) bool {
	return slices.ContainsFunc(t.frames, func(f frame) bool { return f.hash == hash })
}
