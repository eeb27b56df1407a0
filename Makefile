# The commands of this project; `make help` lists them. Each does its own set-up.
# ARGS is handed on: make test ARGS=fork_choice, make bench ARGS='-- head'.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Pinned lint tools live outside the checkout, so a fresh clone finds them again.
export QUINTET_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quintet/tools
export PATH := $(QUINTET_TOOLS)/bin:$(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

ARGS ?=
KILLS ?= 200
SEEDS ?= 0..10000
SOAK_DIR ?= $(or $(CARGO_TARGET_DIR),target)/soak
# In CI the committed Cargo.lock has to be the one that is built.
LOCKED := $(if $(CI),--locked)

.PHONY: help setup lint-tools devnet soak test test-crash sim lint bench

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## check for, and as root install, what a build needs
	@bash .ci/setup build

lint-tools: setup ## install the pinned lint tools
	@bash .ci/setup lint

# The profile of the tests, so that nothing is built twice.
devnet: ## run a local devnet
	@bash .ci/announce
	@bash .ci/setup build
	cargo run $(LOCKED) --features names -- devnet $(ARGS)

# QUINTET names a binary that is built already.
# The pauses of the run that ours is compared with: the aggregator, a follower, half of the network.
soak: setup ## run a devnet for 200 slots with three pauses, and print what it was like
	$(or $(QUINTET),cargo run --release $(LOCKED) --) devnet --slots 200 --pause 0@50+6 --pause 3@90+6 \
	    --pause 2@130+8 --pause 3@130+8 --data-dir $(SOAK_DIR) --report $(SOAK_DIR)/report.md $(ARGS)

test: ## run every test, doc tests included
	@bash .ci/setup test
	@bash .ci/test $(ARGS)

test-crash: setup ## kill a node KILLS times while it imports, prunes and signs
	KILLS=$(KILLS) cargo test $(LOCKED) --workspace --test process -- crash:: --nocapture

sim: setup ## simulate the networks of SEEDS, and of every scenario
	$(or $(QUINTET),cargo run --release $(LOCKED) --) sim --seeds $(SEEDS) --shrink $(ARGS)

lint: lint-tools ## formatting, clippy, docs, dependencies, file sizes
	cargo fmt --all --check
	bash .ci/file-sizes
	bash .ci/rooms
	cargo clippy $(LOCKED) --workspace --all-targets --all-features -- -D warnings
	bash .ci/smallest
	RUSTDOCFLAGS='-D warnings' cargo doc $(LOCKED) --workspace --no-deps
	bash .ci/deny
	cargo machete --with-metadata --skip-target-dir

bench: setup ## run the benches
	@bash .ci/bench $(ARGS)
