# Two commands are enough for a start: `make demo` and `make test`.

GO     ?= go
PREFIX ?= /usr/local

.PHONY: build test matrix race bench check gen demo install clean

build: ## both programs into bin/, static: they run wherever the kernel does, and start sooner
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/dkvrun ./cmd/dkvmanager

demo: build ## the main job on three throw-away managers of this machine
	bin/dkvrun --local=3 scripts/demo.lua

test: build ## unit tests, command line transcripts, end to end on loopback
	$(GO) test $$($(GO) list ./... | grep -v /tests/crash)
	@$(MAKE) --no-print-directory matrix

matrix: ## crashes at every point of a change, with real processes; prints the number of cases
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; $(GO) test -count=1 -v ./tests/crash >$$log 2>&1 || { cat $$log; exit 1; }; \
	grep -E '^(crash matrix|killed runners|ok)' $$log

race: build ## the same under the race detector
	$(GO) test -race ./...

bench: build ## figures, as ratios within the run; writes bench.json
	CGO_ENABLED=0 $(GO) run ./tests/bench --out bench.json

gen: ## everything that is rendered from a declaration
	$(GO) generate ./...

check: ## format, vet, staticcheck, generated files current; the tests keep the import rules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w needed: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@before=$$(git status --porcelain; git diff | cksum); $(MAKE) --no-print-directory gen; \
	after=$$(git status --porcelain; git diff | cksum); \
	test "$$before" = "$$after" || { echo "generated files are not current: run make gen and commit"; git status --porcelain; exit 1; }

install: build ## into $(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 bin/dkvrun bin/dkvmanager $(DESTDIR)$(PREFIX)/bin

clean:
	rm -rf bin bench.json
