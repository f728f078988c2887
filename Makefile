# The first two are all a newcomer needs. `tests/setup.sh` installs what is missing and says when it
# needs root.
.PHONY: run test test-full check sim planted bench build deb arm64 setup-build setup-test setup-arm64 fmt clippy doc tidy

CARGO ?= cargo
SEEDS ?= 1000
BENCH ?= ingest
STORE ?= sqlite
PROFILE ?= release

run: setup-build ## build quickly and start the demo: address and one-time sign-in link are printed
	$(CARGO) run --profile quick -- demo

test: setup-test ## everything a change must pass: 100 simulation seeds, 10 crash kills
	RINGCARD_SEEDS=100 RINGCARD_KILLS=10 tests/run.sh

test-full: setup-test ## the long forms: 1000 seeds, 100 crash kills and two minutes of all dialects on each store, real Asterisk on each store
	RINGCARD_SEEDS=1000 RINGCARD_KILLS=100 RINGCARD_TOGETHER_S=120 RINGCARD_STORIES=both tests/run.sh

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

bench: setup-build ## BENCH=all|ingest|pop|route|reports STORE=sqlite|postgres
	$(CARGO) run --release -- bench $(BENCH) --store $(STORE) --json

build: setup-build
	$(CARGO) build --release

deb: build ## target/debian/ringcard_<version>_<architecture>.deb
	deploy/debian/build.sh

# The library path: what was built for arm64 runs here by emulation, with that processor's libc.
ARM64 = aarch64-unknown-linux-gnu
arm64: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER = aarch64-linux-gnu-gcc
arm64: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER = qemu-aarch64-static -L /usr/aarch64-linux-gnu
arm64: setup-arm64 ## PROFILE=release: build for arm64 on this machine, see that it runs, and make its package
	$(CARGO) build --profile $(PROFILE) --target $(ARM64) --bin ringcard
	$(CARGO) run --profile $(PROFILE) --target $(ARM64) --bin ringcard -- check --config config/ringcard.toml
	deploy/debian/build.sh target/$(ARM64)/$(PROFILE)/ringcard arm64

setup-build:
	@tests/setup.sh build

setup-test:
	@tests/setup.sh test

setup-arm64:
	@tests/setup.sh arm64
