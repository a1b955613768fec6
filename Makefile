# To begin, run `make demo` and `make test`.

GO     ?= go
PREFIX ?= /usr/local

# Programs are static: they need no libraries of the system, and start faster. Tests and checks use the same flags, so
# that each package is compiled once.
export CGO_ENABLED := 0
export GOFLAGS := $(filter-out -trimpath,$(shell $(GO) env GOFLAGS)) -trimpath

# The programs say which commit they were built from: in version, and the managers in what they answer.
COMMIT  := $(shell git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)
LDFLAGS := -X dkvrun/runtime/wire.commit=$(COMMIT)

# Tests mostly wait for processes, so more of them run in parallel than there are processors.
TEST := DKVRUN_TEST_PROGRAMS=$(CURDIR)/bin/test $(GO) test -parallel 6

.PHONY: build programs test crash matrix race bench check gen demo install packages packages-test clean

build: ## both programs into bin/
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/dkvrun ./cmd/dkvmanager

programs: build ## the programs that tests start, built once for all tests
	@mkdir -p bin/test
	@ln -f bin/dkvrun bin/dkvmanager bin/test/
	$(GO) build -o bin/test/ ./tests/fakemanager go.etcd.io/etcd/etcdctl/v3
	$(GO) build -ldflags '$(LDFLAGS)' -tags failpoints -o bin/test/dkvmanager-failpoints ./cmd/dkvmanager

demo: build ## creates, uses and removes a store on three throw-away managers of this machine
	bin/dkvrun --local=3 scripts/demo.lua

test: programs ## unit tests, command line transcripts, end to end on loopback
	$(TEST) $$($(GO) list ./... | grep -v /tests/crash)
	@$(MAKE) --no-print-directory crash

matrix: crash ## the same crashes, and 3,000 seeds of the simulation instead of 500
	$(TEST) -count=1 ./cmd/dkvmanager/internal/twophase -run 'TestSim_RandomRuns$$' -seeds 3000

crash: programs ## crashes at every point of an operation, with real processes; prints the number of cases
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; $(TEST) -count=1 -v ./tests/crash >$$log 2>&1 || { cat $$log; exit 1; }; \
	grep -E '^(crash matrix|killed runners|ok)' $$log

race: programs ## the same under the race detector
	CGO_ENABLED=1 $(TEST) -race ./...

bench: build ## measurements, most of them ratios; writes bench.json
	$(GO) run ./tests/bench --out bench.json

gen: ## the files that are rendered from declarations
	$(GO) generate ./...

check: ## format, vet, staticcheck, generated files current; the tests keep the import rules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w needed: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@before=$$(git status --porcelain; git diff | cksum); $(MAKE) --no-print-directory gen; \
	after=$$(git status --porcelain; git diff | cksum); \
	test "$$before" = "$$after" || { echo "generated files are not current: run make gen and commit"; git status --porcelain; exit 1; }

install: build ## into $(PREFIX)/bin; the unit and an example of /etc/dkvmanager.toml into $(PREFIX)/lib and share
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/dkvmanager
	install -m 0755 bin/dkvrun bin/dkvmanager $(DESTDIR)$(PREFIX)/bin
	sed 's|/usr/local/bin|$(PREFIX)/bin|' cmd/dkvmanager/dkvmanager.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/dkvmanager.service
	install -m 0644 cmd/dkvmanager/dkvmanager.toml $(DESTDIR)$(PREFIX)/share/dkvmanager

NFPM  := $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
STAGE := bin/stage

packages: ## deb and rpm of both programs, with the unit, into bin/
	rm -rf $(STAGE) && $(MAKE) --no-print-directory install DESTDIR=$(STAGE) PREFIX=/usr
	for format in deb rpm; do STAGE=$(STAGE) ARCH=$$($(GO) env GOARCH) VERSION=$$(bin/dkvmanager version | cut -d' ' -f2) \
		$(NFPM) package --config cmd/packages/nfpm.yaml --packager $$format --target bin/ || exit 1; done

packages-test: packages ## installs, upgrades and removes the deb in a copy of this system's files; needs root
	sh cmd/packages/test.sh bin/dkv_*.deb

clean:
	rm -rf bin bench.json
