package main

import (
	"fmt"
	"slices"
	"strings"
)

// target is a kind of machine, as make cross names it.
type target struct {
	name string
	arch string // GOARCH
	arm  string // GOARM
	deb  string // Debian's name; "" for no .deb
	// openWrt is a shell pattern of OpenWrt's names of processors.
	openWrt string
	// image is the variant of the platform in a container image; "-" for no image.
	image string
}

// targets are those of make cross. armhf is the build for ARMv6, which Raspberry Pi OS
// calls armhf, too.
var targets = []target{
	{name: "arm-5", arch: "arm", arm: "5", deb: "armel", openWrt: "arm_*", image: "v5"},
	{name: "arm-6", arch: "arm", arm: "6", deb: "armhf", openWrt: "arm_arm1176*_vfp|arm_mpcore_vfp|arm_cortex*_vfp*|arm_cortex*_neon*", image: "v6"},
	{name: "arm-7", arch: "arm", arm: "7", openWrt: "arm_cortex*_vfp*|arm_cortex*_neon*", image: "v7"},
	{name: "arm64", arch: "arm64", deb: "arm64", openWrt: "aarch64_*", image: "v8"},
	{name: "mips-softfloat", arch: "mips", openWrt: "mips_*", image: "-"},
	{name: "mipsle-softfloat", arch: "mipsle", deb: "mipsel", openWrt: "mipsel_*", image: "-"},
	{name: "riscv64", arch: "riscv64", deb: "riscv64", openWrt: "riscv64_*"},
	{name: "386", arch: "386", deb: "i386", openWrt: "i386_pentium4"},
	{name: "amd64", arch: "amd64", deb: "amd64", openWrt: "x86_64"},
}

// chosen returns the targets that names lists, or all.
func chosen(names string) ([]target, error) {
	if names == "" {
		return targets, nil
	}
	var list []target
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no target %q: see targets.go", name)
		}
		list = append(list, targets[i])
	}
	return list, nil
}

// env returns the variables for the compiler, with those that the settings of a machine could
// change.
func (t target) env() []string {
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + t.arch, "GOFLAGS=", "GOAMD64=v1", "GO386=sse2"}
	if t.arm != "" {
		env = append(env, "GOARM="+t.arm)
	}
	if strings.HasPrefix(t.arch, "mips") {
		env = append(env, "GOMIPS=softfloat")
	}
	return env
}
