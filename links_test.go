package moor_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// linkList is the page with the external links of all pages.
const linkList = "docs/links.md"

// reportIntroduction is the beginning of docs/sim-report.md, whose links are resolved there.
const reportIntroduction = "test/simreport/introduction.md"

var (
	inline   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	external = regexp.MustCompile(`^https?://`)
	listed   = regexp.MustCompile(`(?m)^\| <(https?://[^>]+)> \| (\S+) \| `)
)

// page is a document: the targets of its links with their lines, and the anchors of its
// headings.
type page struct {
	links   map[int][]string
	anchors []string
}

// TestLinks resolves the relative links of all pages, with their anchors, and finds the
// external ones in docs/links.md.
func TestLinks(t *testing.T) {
	pages := map[string]*page{}
	for _, file := range trackedFiles(t) {
		if path.Ext(file) == ".md" && file != reportIntroduction {
			pages[file] = readPage(t, file)
		}
	}
	if len(pages) < 10 {
		t.Fatalf("found only %d pages", len(pages))
	}
	dates := listedLinks(t)
	used := map[string]bool{}
	for file, p := range pages {
		for line, targets := range p.links {
			for _, target := range targets {
				if external.MatchString(target) {
					if used[target] = true; dates[target] == "" {
						t.Errorf("%s:%d: %s is not in %s: look at it, and add it with the date", file, line, target, linkList)
					}
					continue
				}
				checkTarget(t, pages, file, line, target)
			}
		}
	}
	for link := range dates {
		if !used[link] {
			t.Errorf("%s has a row for %s, to which no page links: remove the row", linkList, link)
		}
	}
}

// checkTarget fails if the target of a relative link does not exist.
func checkTarget(t *testing.T, pages map[string]*page, file string, line int, target string) {
	t.Helper()
	name, anchor, hasAnchor := strings.Cut(target, "#")
	to := file
	if name != "" {
		to = path.Join(path.Dir(file), name)
		if _, err := os.Stat(to); err != nil {
			t.Errorf("%s:%d: %s leads to no file: %v", file, line, target, err)
			return
		}
	}
	if hasAnchor && (pages[to] == nil || !slices.Contains(pages[to].anchors, anchor)) {
		t.Errorf("%s:%d: %s: %s has no heading #%s", file, line, target, to, anchor)
	}
}

// listedLinks returns the dates of the links in docs/links.md.
func listedLinks(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(linkList)
	if err != nil {
		t.Fatal(err)
	}
	dates := map[string]string{}
	for _, m := range listed.FindAllStringSubmatch(string(text), -1) {
		if _, err := time.Parse(time.DateOnly, m[2]); err != nil {
			t.Errorf("%s: %s: %v", linkList, m[1], err)
		}
		dates[m[1]] = m[2]
	}
	return dates
}

// readPage returns the links and the anchors of a page, without its blocks of code.
func readPage(t *testing.T, file string) *page {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{links: map[int][]string{}}
	code := false
	for n, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if code {
			continue
		}
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			p.anchors = append(p.anchors, anchorOf(heading))
		}
		for _, m := range inline.FindAllStringSubmatch(line, -1) {
			p.links[n+1] = append(p.links[n+1], m[1])
		}
	}
	return p
}

// anchorOf returns the anchor that forges give a heading.
func anchorOf(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestAnchors: a page has the anchors of its headings, as forges make them.
func TestAnchors(t *testing.T) {
	p := readPage(t, "docs/boards.md")
	if !slices.Contains(p.anchors, "a-binary-for-the-board") || len(p.links) < 4 {
		t.Errorf("found the anchors %q and %d lines with links", p.anchors, len(p.links))
	}
	if got := anchorOf(" For other stacks: moor lab"); got != "for-other-stacks-moor-lab" {
		t.Errorf("anchor %q", got)
	}
}
