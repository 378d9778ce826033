package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// version is the version of a build in the notations of the package managers.
type version struct {
	tag      string // v1.2.3, or v0.0.0-untagged.DATE.gREVISION
	revision string // of git, whole
	deb, apk string
}

var versionTag = regexp.MustCompile(`^v([0-9]+\.[0-9]+\.[0-9]+)(?:-(alpha|beta|rc)\.?([0-9]+))?$`)

// readVersion returns the version of the tree and the time of its commit. A tree without
// a tag, or with changes, says so in its version. release stands for the tag if it is set;
// the tree must then have no changes.
func readVersion(ctx context.Context, release string) (version, time.Time, error) {
	head, err := git(ctx, "log", "-1", "--format=%H %ct")
	if err != nil {
		return version{}, time.Time{}, err
	}
	revision, seconds, _ := strings.Cut(head, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return version{}, time.Time{}, fmt.Errorf("time of the commit: %w", err)
	}
	when := time.Unix(unix, 0).UTC()
	changes, err := git(ctx, "status", "--porcelain")
	if err != nil {
		return version{}, time.Time{}, err
	}
	if release != "" && changes != "" {
		return version{}, time.Time{}, errors.New("the tree has changes: commit them, or build without -release")
	}
	if release != "" {
		v, err := taggedVersion(release)
		v.revision = revision
		return v, when, err
	}
	tag, err := git(ctx, "describe", "--tags", "--exact-match", "--match", "v*")
	if err == nil && changes == "" {
		v, err := taggedVersion(tag)
		v.revision = revision
		return v, when, err
	}
	return untaggedVersion(revision, when, changes != ""), when, nil
}

// taggedVersion returns the version of a tag.
func taggedVersion(tag string) (version, error) {
	m := versionTag.FindStringSubmatch(tag)
	if m == nil {
		return version{}, fmt.Errorf("the tag %q is no version: write v1.2.3 or v1.2.3-rc.1", tag)
	}
	v := version{tag: tag, deb: m[1] + "-1", apk: m[1] + "-r1"}
	if m[2] != "" {
		v.deb = m[1] + "~" + m[2] + m[3] + "-1"
		v.apk = m[1] + "_" + m[2] + m[3] + "-r1"
	}
	return v, nil
}

// untaggedVersion returns the version of a tree without a tag, which sorts before all tags.
func untaggedVersion(revision string, when time.Time, changed bool) version {
	date, short := when.Format("20060102150405"), "g"+revision[:12]
	if changed {
		short += ".changed"
	}
	return version{
		tag: "v0.0.0-untagged." + date + "." + short, revision: revision,
		deb: "0.0.0~untagged." + date + "." + short + "-1", apk: "0.0.0_git" + date + "-r1",
	}
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
