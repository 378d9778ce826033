package cli

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"
)

func runVersion(_ context.Context, a *app) error {
	v := struct {
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Modified bool   `json:"modified,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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
	if a.JSON {
		a.out.json(v)
		return nil
	}
	extra := []string{v.Go, v.Platform}
	if v.Revision != "" {
		revision := v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			revision += " with changes"
		}
		extra = append([]string{revision}, extra...)
	}
	a.out.printf("moor %s (%s)\n", v.Version, strings.Join(extra, ", "))
	return nil
}
