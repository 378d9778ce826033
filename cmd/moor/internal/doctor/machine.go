package doctor

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Machine describes the software that Bluetooth runs on.
type Machine struct {
	Kernel       string   // release and architecture
	Distribution string   // its name and version
	Modules      []string // drivers of Bluetooth with their parameters
	Log          []string // the last lines of the kernel's log about Bluetooth
}

// maxLogLines bounds Machine.Log.
const maxLogLines = 60

// addLog keeps the last lines that the Bluetooth subsystem has written. Other lines of
// the log, such as those of input devices, hold the names of peers.
func (m *Machine) addLog(lines []string) {
	for _, l := range lines {
		if strings.Contains(l, "Bluetooth: ") {
			m.Log = append(m.Log, strings.TrimSpace(l))
		}
	}
	m.Log = m.Log[max(0, len(m.Log)-maxLogLines):]
}

// distribution returns the name in a file as os-release(5) describes it; "" if it has none.
func distribution(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

// modules returns the loaded drivers of Bluetooth, each with its parameters.
func modules(dir string) (list []string) {
	for _, pattern := range []string{"bluetooth", "bt*", "hci_*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			continue
		}
		for _, module := range found {
			words := []string{filepath.Base(module)}
			params, _ := os.ReadDir(filepath.Join(module, "parameters"))
			for _, p := range params {
				words = append(words, p.Name()+"="+readAttr(filepath.Join(module, "parameters"), p.Name()))
			}
			list = append(list, strings.Join(words, " "))
		}
	}
	slices.Sort(list)
	return list
}

// readAttr returns a file of one line; "" if there is none.
func readAttr(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
