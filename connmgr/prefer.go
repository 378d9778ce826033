package connmgr

import "slices"

// preferPath moves the adapter of Options.Prefer to the front, if the device may be
// reached over it: paths has only adapters that hear the device, if any does. It stays
// where it is while it has no free slot, repeated dials by it have failed, or avoid names
// it.
func (m *Manager) preferPath(paths []path, avoid string, o *Options) {
	i := slices.IndexFunc(paths, func(p path) bool { return o.Prefer != "" && p.adapter.name == o.Prefer })
	if i < 0 || paths[i].fails || o.Prefer == avoid || !m.slots.Room(o.Prefer) {
		return
	}
	p := paths[i]
	copy(paths[1:], paths[:i])
	paths[0] = p
}
