package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// jsonVersion is the output of version --json.
type jsonVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// stampedVersion and stampedRevision are set by the linker in packages, which are built
// without the information of git; see package packaging.
var stampedVersion, stampedRevision string

// newVersion returns the version of this program.
func newVersion() *jsonVersion {
	v := &jsonVersion{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if stampedVersion != "" {
		v.Version, v.Revision = stampedVersion, stampedRevision
	}
	return v
}

// String returns the version with the revision, the release of Go and the platform.
func (v *jsonVersion) String() string {
	extra := []string{v.Go, v.Platform}
	if v.Revision != "" {
		revision := v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			revision += " with changes"
		}
		extra = append([]string{revision}, extra...)
	}
	return fmt.Sprintf("moor %s (%s)", v.Version, strings.Join(extra, ", "))
}

func runVersion(_ context.Context, a *app) error {
	v := newVersion()
	if a.JSON {
		a.out.json(v)
		return nil
	}
	a.out.printf("%s\n", v)
	return nil
}
