# Thin: what is done lies in scripts/.

SHELL := bash

.PHONY: help setup dev dev-runpod build check test test-panic simulate bench chaos e2e fmt deploy deploy-dry-run clean

help:
	@echo "make dev             the product on this machine, with a simulated GPU (PORT=8787)"
	@echo "make dev-runpod      the same against a mock of RunPod"
	@echo "make check           format, lints and native tests: fast, for while you work"
	@echo "make test            everything that CI runs"
	@echo "make bench           sizes, rows, round trips, processor time, and other servers beside ours"
	@echo "make chaos           hundreds of jobs, a lying provider, and a Worker that is killed (JOBS=300)"
	@echo "make build           the Worker into build/"
	@echo "make setup           install what is missing, and only that"
	@echo "make e2e             the black-box tests alone"
	@echo "make test-panic      that a panic ends one request only; needs a second build"
	@echo "make simulate        the simulation at length (JOBS=1000000), or from a seed (SEEDS=13..14)"
	@echo "make fmt             format the sources"
	@echo "make deploy          check, migrate, upload and smoke (ENV=staging|production); docs/DEPLOY.md"
	@echo "make deploy-dry-run  every step of a deploy (ENV=production); needs no account"
	@echo "make clean           remove what was built, keep the tools and the secrets of a setup"

setup:
	@scripts/setup.sh

dev: setup
	@. scripts/env.sh && exec node scripts/dev.mjs

dev-runpod: setup
	@. scripts/env.sh && exec node scripts/dev.mjs --runpod

build: setup
	@scripts/build.sh

check:
	@scripts/check.sh native

test:
	@scripts/test.sh

bench: setup
	@scripts/bench.sh

chaos: setup
	@scripts/check.sh chaos

e2e: setup
	@scripts/check.sh e2e

test-panic: setup
	@scripts/check.sh panic

simulate:
	@scripts/simulate.sh "$(or $(JOBS),1000000)"

fmt:
	@. scripts/env.sh && cargo fmt --all

deploy: setup
	@. scripts/env.sh && cargo ops deploy --env "$(ENV)"

deploy-dry-run: setup
	@. scripts/env.sh && cargo ops deploy --env "$(or $(ENV),production)" --dry-run

clean:
	rm -rf target build build-debug-routes .wrangler
	@# What a setup made may be the only copy.
	[ ! -d .run ] || find .run -mindepth 1 -maxdepth 1 ! -name 'setup-*.secrets' -exec rm -rf {} +
