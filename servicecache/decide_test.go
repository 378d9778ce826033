package servicecache_test

import (
	"slices"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/servicecache"
)

func TestDecide(t *testing.T) {
	hash := computed(t, entry(1))
	turned := hash
	slices.Reverse(turned[:])
	other := &servicecache.Hash{2}
	e := func(f func(*servicecache.Entry)) *servicecache.Entry {
		e := &servicecache.Entry{Profile: entry(1).Profile}
		f(e)
		return e
	}
	plain := e(func(*servicecache.Entry) {})
	bare := &servicecache.Entry{Profile: &gatt.Profile{}}
	nothing := computed(t, bare)
	empty := &servicecache.Entry{Profile: &gatt.Profile{}, Hash: &nothing}
	changing := e(func(e *servicecache.Entry) { e.HasServiceChanged = true })
	hashed := e(func(e *servicecache.Entry) { e.HasServiceChanged, e.Hash = true, &hash })
	reversed := e(func(e *servicecache.Entry) { e.Hash = &turned })
	told := e(func(e *servicecache.Entry) { e.HasServiceChanged, e.Bonded, e.Subscribed = true, true, true })
	toldHashed := e(func(e *servicecache.Entry) {
		e.HasServiceChanged, e.Bonded, e.Subscribed, e.Hash = true, true, true, &hash
	})
	bonded := e(func(e *servicecache.Entry) { e.HasServiceChanged, e.Bonded = true, true })
	stated := e(func(e *servicecache.Entry) { e.Hash = other })
	statedBonded := e(func(e *servicecache.Entry) { e.Hash, e.Bonded = other, true })
	for _, tt := range []struct {
		name string
		e    *servicecache.Entry
		p    servicecache.Peer
		want servicecache.Verdict
	}{
		{"a miss", nil, servicecache.Peer{}, servicecache.Rediscover},
		{"no table", &servicecache.Entry{}, servicecache.Peer{}, servicecache.Rediscover},
		{"no service", empty, servicecache.Peer{}, servicecache.Rediscover},
		{"no service, same hash", empty, servicecache.Peer{HashRead: true, Hash: &nothing}, servicecache.Rediscover},
		{"no service, no hash", bare, servicecache.Peer{}, servicecache.Rediscover},
		{"no service, proved", bare, servicecache.Peer{ProofRead: true, Proved: true}, servicecache.Rediscover},
		{"no Service Changed, no hash", plain, servicecache.Peer{}, servicecache.Prove},
		{"no Service Changed, no hash, bonded", plain, servicecache.Peer{Bonded: true}, servicecache.Prove},
		{"no Service Changed, no hash there either", plain, servicecache.Peer{HashRead: true}, servicecache.Prove},
		{"proved", plain, servicecache.Peer{ProofRead: true, Proved: true}, servicecache.Use},
		{"disproved", plain, servicecache.Peer{ProofRead: true}, servicecache.Rediscover},
		{"a hash where there was none", plain, servicecache.Peer{HashRead: true, Hash: &hash}, servicecache.Rediscover},
		{"a hash where there was none, proved", plain, servicecache.Peer{HashRead: true, Hash: &hash, ProofRead: true, Proved: true},
			servicecache.Rediscover},
		{"not bonded, no hash", changing, servicecache.Peer{}, servicecache.Rediscover},
		{"not bonded, no hash, proved", changing, servicecache.Peer{ProofRead: true, Proved: true}, servicecache.Rediscover},
		{"bonded now only, hash kept", hashed, servicecache.Peer{Bonded: true}, servicecache.Rediscover},
		{"bonded now only, same hash", hashed, servicecache.Peer{Bonded: true, HashRead: true, Hash: &hash}, servicecache.Rediscover},
		{"bonded now only", changing, servicecache.Peer{Bonded: true}, servicecache.Rediscover},
		{"not bonded, hash kept", hashed, servicecache.Peer{}, servicecache.ReadHash},
		{"not bonded, hash kept in reverse order", reversed, servicecache.Peer{}, servicecache.ReadHash},
		{"same hash", hashed, servicecache.Peer{HashRead: true, Hash: &hash}, servicecache.Use},
		{"same hash in reverse order", reversed, servicecache.Peer{HashRead: true, Hash: &turned}, servicecache.Use},
		{"the hash in another order", hashed, servicecache.Peer{HashRead: true, Hash: &turned}, servicecache.Rediscover},
		{"other hash", hashed, servicecache.Peer{HashRead: true, Hash: other}, servicecache.Rediscover},
		{"hash gone", hashed, servicecache.Peer{HashRead: true}, servicecache.Rediscover},
		{"a hash that is not the table's", stated, servicecache.Peer{}, servicecache.Rediscover},
		{"a hash that is not the table's, same", stated, servicecache.Peer{HashRead: true, Hash: other}, servicecache.Rediscover},
		{"a hash that is not the table's, bond gone", statedBonded, servicecache.Peer{}, servicecache.Rediscover},
		{"a hash that is not the table's, bonded", statedBonded, servicecache.Peer{Bonded: true}, servicecache.ReadHash},
		{"a hash that is not the table's, bonded, same", statedBonded, servicecache.Peer{Bonded: true, HashRead: true, Hash: other},
			servicecache.Use},
		{"bonded and told", told, servicecache.Peer{Bonded: true}, servicecache.Use},
		{"bonded and told, hash kept", toldHashed, servicecache.Peer{Bonded: true}, servicecache.Use},
		{"bonded and told, other hash", toldHashed, servicecache.Peer{Bonded: true, HashRead: true, Hash: other}, servicecache.Rediscover},
		{"bond gone", told, servicecache.Peer{}, servicecache.Rediscover},
		{"bond gone, hash kept", toldHashed, servicecache.Peer{}, servicecache.ReadHash},
		{"bonded but not subscribed", bonded, servicecache.Peer{Bonded: true}, servicecache.Rediscover},
	} {
		if got := servicecache.Decide(tt.e, tt.p); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := servicecache.Prove.String(); got != "prove" {
		t.Error(got)
	}
	if got := servicecache.Verdict(9).String(); got != "verdict 0x09" {
		t.Error(got)
	}
}
