# All targets need Go, make and git. Other tools are fetched at a pinned version into
# .cache (or $XDG_CACHE_HOME/moor). See CONTRIBUTING.md.

GO       ?= go
FUZZTIME ?= 5s
T        ?= 10m
BENCH    ?= .
COUNT    ?= 1

CACHE    := $(abspath $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/moor,.cache))
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(CACHE)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION)

export GOLANGCI_LINT_CACHE := $(CACHE)/golangci-lint

# The race detector needs a C compiler on Linux. Without one, the tests run without
# it and print a note.
RACE := $(if $(shell command -v $(firstword $(shell $(GO) env CC)) 2>/dev/null),-race)

# TAGS=minimal leaves out scenario files and the command lab.
BUILD_FLAGS := -trimpath -ldflags "-s -w" $(if $(TAGS),-tags $(TAGS))
CROSS := arm-5 arm-6 arm-7 arm64 mips-softfloat mipsle-softfloat riscv64 386 amd64

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary bin/moor; TAGS=minimal makes it smaller
	CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -o bin/moor ./cmd/moor

.PHONY: demo
demo: build ## build moor and run its main job on a simulated radio
	bin/moor demo

.PHONY: test
test: test-go test-fuzz ## unit and simulation tests with the race detector, then each fuzz target for FUZZTIME (5s)

.PHONY: test-go
test-go:
	@$(if $(RACE),,echo "make test: no C compiler ($$($(GO) env CC)), running without the race detector" >&2)
	$(GO) test $(RACE) -shuffle=on -timeout 30m ./...

.PHONY: test-fuzz
test-fuzz:
	GO="$(GO)" test/fuzz $(FUZZTIME)

.PHONY: fuzz
fuzz: ## run every fuzz target in turn, T (10m) each
	GO="$(GO)" test/fuzz $(T)

.PHONY: stress
stress: ## repeat every package's tests for T (10m) each, on 1, 2 and 8 threads at once
	GO="$(GO)" test/stress $(T)

.PHONY: bench
bench: ## run the benchmarks, then the figures; BENCH selects, COUNT=10 is ready for benchstat
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...
	$(if $(filter .,$(BENCH)),$(GO) test -tags figures -count $(COUNT) -v ./test/figures)

.PHONY: bench-peers
bench-peers: ## moor beside bleak on BlueZ (in QEMU) and beside Bumble: prints tables
	test/bench/run

.PHONY: lint
lint: $(GOLANGCI_LINT) ## formatting, module files, golangci-lint
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted >&2; exit 1; fi
	@# The first run fetches modules and may fail for the network; only that is retried.
	@test/again sh -c 'diff=$$($(GO) mod tidy -diff) || [ -n "$$diff" ]'
	$(GO) mod tidy -diff
	$(GOLANGCI_LINT) run --allow-serial-runners ./...
	$(GOLANGCI_LINT) run --allow-serial-runners --build-tags kernel,peers,figures ./goble/... ./hci/hcisock/... ./test/...

$(GOLANGCI_LINT):
	GOBIN=$(CACHE)/bin test/again $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(CACHE)/bin/golangci-lint $@

.PHONY: cross
cross: $(addprefix cross-,$(CROSS)) cross-darwin cross-windows ## build the binary for every Linux target into bin/; vet and compile the tests for macOS and Windows

# Package sim and all of the library but for adapters of the kernel work there.
.PHONY: cross-darwin cross-windows
cross-darwin cross-windows: cross-%:
	CGO_ENABLED=0 GOOS=$* GOARCH=arm64 $(GO) vet ./...
	CGO_ENABLED=0 GOOS=$* GOARCH=arm64 $(GO) test -exec /bin/true ./... >/dev/null

# cross-ARCH or cross-ARCH-VARIANT; VARIANT is GOARM or GOMIPS.
.PHONY: $(addprefix cross-,$(CROSS))
$(addprefix cross-,$(CROSS)): cross-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(firstword $(subst -, ,$*)) \
	  $(if $(filter arm-%,$*),GOARM=$(lastword $(subst -, ,$*))) $(if $(filter mips%,$*),GOMIPS=softfloat) \
	  $(GO) build $(BUILD_FLAGS) -o bin/moor-linux-$* ./cmd/moor

.PHONY: test-emulated
test-emulated: ## the tests of connmgr and of all below it on big-endian mips and 32-bit arm (QEMU)
	GO="$(GO)" test/emulated mips
	GO="$(GO)" test/emulated arm

.PHONY: test-kernel
test-kernel: build ## the binary and the user-channel tests on the kernels of Debian 12 and 13 (QEMU), against BlueZ
	test/kernel/run

.PHONY: test-peers
test-peers: build ## the binary against Bumble's GATT server, on Bumble's controllers and RootCanal's
	test/peers/run

.PHONY: proxy-pictures
proxy-pictures: build ## pictures of the page of moor proxy in Chromium: docs/proxy-desktop.png and proxy-phone.png
	MOOR_PICTURES=$(CURDIR)/docs test/peers/run -run '^TestProxyPage$$'

.PHONY: captures
captures: build ## make the captures in testdata again: simulated, with Bumble and RootCanal, and with BlueZ
	test/captures

.PHONY: sim-report
sim-report: ## compare connmgr with bleak-retry-connector and habluetooth in thousands of simulated worlds: docs/sim-report.*
	MOOR_SIM_REPORT=$(CURDIR)/docs $(GO) test -count=1 -run '^TestReport$$' -timeout 60m ./test/simreport -v

.PHONY: pictures
pictures: ## draw the pictures of the documents from runs on simulated air: docs/demo.svg, docs/policy.svg
	$(GO) test -count=1 ./test/pictures -update

.PHONY: mutations
mutations: ## break each behavior in docs/upstream-tests.md, and see its tests fail
	MOOR_MUTATIONS=1 $(GO) test -count=1 -run '^TestMutations' -timeout 120m ./test/mutations -v

.PHONY: packages
packages: ## build archives, .deb, .ipk, .apk, a container image, checksums and a list of components into dist/
	$(GO) run ./packaging -out dist

.PHONY: release
release: ## VERSION=v1.2.3: check everything, build its packages, and print the command that tags it
	packaging/release "$(VERSION)"

.PHONY: test-packages
test-packages: ## build packages in two places and compare; lintian, manifests, image, schema, workflows
	test/packages/run

.PHONY: clean
clean: ## remove the built binaries and packages; the cache stays
	rm -rf bin dist
