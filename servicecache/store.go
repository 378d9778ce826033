package servicecache

import (
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// store holds records by folder and name. Reading, listing and noting use need no
// lock; all other methods must be called under lock.
type store interface {
	readRecord(folder, name string) ([]byte, error) // fs.ErrNotExist if there is no such record
	noteUse(folder, name string, now time.Time)     // notes that a record was used
	lock() (unlock func(), err error)
	tryLock() (unlock func(), ok bool)
	writeRecord(folder, name string, b []byte) error // durable and atomic
	removeRecord(folder, name string) error          // nil if there is no such record
	setAside(folder, name string, keep int) error
	listRecords(folder string) ([]info, error)
	sweep() error // removes the temporary files of killed writers
	closeStore() error
}

// info is a record in the result of listRecords.
type info struct {
	name string
	size int64
	used time.Time
}

// memory is a store that ends with the program.
type memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile // guarded by mu
	gate  chan struct{}          // holds a token while it is locked
}

type memoryFile struct {
	b    []byte
	used time.Time
}

func newMemory() *memory {
	return &memory{files: map[string]*memoryFile{}, gate: make(chan struct{}, 1)}
}

func (m *memory) readRecord(folder, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[folder+"/"+name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return f.b, nil
}

func (m *memory) noteUse(folder, name string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[folder+"/"+name]; f != nil {
		f.used = now
	}
}

func (m *memory) lock() (func(), error) {
	m.gate <- struct{}{}
	return func() { <-m.gate }, nil
}

func (m *memory) tryLock() (func(), bool) {
	select {
	case m.gate <- struct{}{}:
		return func() { <-m.gate }, true
	default:
		return nil, false
	}
}

func (m *memory) writeRecord(folder, name string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[folder+"/"+name] = &memoryFile{b: slices.Clone(b), used: time.Now()}
	return nil
}

func (m *memory) removeRecord(folder, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, folder+"/"+name)
	return nil
}

func (m *memory) setAside(folder, name string, _ int) error { return m.removeRecord(folder, name) }

func (m *memory) listRecords(folder string) ([]info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []info
	for path, f := range m.files {
		if name, ok := strings.CutPrefix(path, folder+"/"); ok {
			list = append(list, info{name: name, size: int64(len(f.b)), used: f.used})
		}
	}
	return list, nil
}

func (*memory) sweep() error { return nil }

func (*memory) closeStore() error { return nil }
