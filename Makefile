# The first two are all a newcomer needs. `tests/setup.sh` installs what is missing and says when it
# needs root.
.PHONY: run test test-full check sim planted bench build deb setup-build setup-test fmt clippy doc tidy

CARGO ?= cargo
SEEDS ?= 1000
BENCH ?= ingest
STORE ?= sqlite

run: setup-build ## build quickly and start the demo: address and one-time sign-in link are printed
	$(CARGO) run --profile quick -- demo

test: setup-test ## everything a change must pass: 100 simulation seeds, 10 crash kills
	RINGCARD_SEEDS=100 RINGCARD_KILLS=10 tests/run.sh

test-full: setup-test ## the long forms: 1000 seeds, 100 crash kills on each store, real Asterisk on each store
	RINGCARD_SEEDS=1000 RINGCARD_KILLS=100 RINGCARD_STORIES=both tests/run.sh

check: setup-test fmt clippy doc test ## test, and what a reviewer would otherwise have to look for

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

tidy: ## imports, leftovers, lengths, licences, unused dependencies; part of `make test` too
	$(CARGO) test --test tidy -- --nocapture

sim: setup-test ## SEEDS=1000 for many, SEED=42 to replay one; STORE=postgres takes the other store
	$(if $(SEED),RINGCARD_SEED=$(SEED),RINGCARD_SEEDS=$(SEEDS)) \
		$(CARGO) test --test sim seeds_hold_on_$(STORE) -- --nocapture

planted: setup-test ## show that the simulation finds every planted fault (tests/sim/README.md)
	SEEDS=$(SEEDS) tests/sim/planted.sh

bench: setup-build ## BENCH=ingest|pop|route STORE=sqlite|postgres
	$(CARGO) run --release -- bench $(BENCH) --store $(STORE) --json

build: setup-build
	$(CARGO) build --release

deb: build ## target/debian/ringcard_<version>_<architecture>.deb
	deploy/debian/build.sh

setup-build:
	@tests/setup.sh build

setup-test:
	@tests/setup.sh test
