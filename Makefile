# Every target does all of its own set-up: `make demo` and `make test` work on a fresh checkout.
# ARGS is passed on: make demo ARGS=--once, make test ARGS="tests/tokens -x"

BIN := .venv/bin
INSTALLED := .venv/.installed
MADE_FROM := pyproject.toml constraints.txt scripts/install-venv
ARGS ?=
# Most tests wait for processes, so two files of them run at once. To debug: AT_ONCE=
AT_ONCE ?= --numprocesses=2 --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test test-cluster lint format references docs chart programs bench simulate soak clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.* ## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED)-run ## See a whole key rotation in a minute, with real processes
	@$(BIN)/sidecar demo $(ARGS)

test: programs lint ## Check everything: style, types, layers, then all tests
	@$(BIN)/python -m pytest --no-header $(AT_ONCE) $(ARGS)

lint: $(INSTALLED)-dev ## Check style, types and layers only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)-dev ## Bring the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

references: $(INSTALLED)-dev ## Write the reference pages of docs/ anew from the code
	@$(BIN)/python -m scripts.references

docs: ## Build the documentation as a site, build/site; a warning is an error
	@scripts/build-docs $(ARGS)

chart: $(INSTALLED)-dev ## Write what is derived from the Helm chart: schema, README, manifests, kept renders
	@$(BIN)/python -m scripts.chart

bench: programs $(INSTALLED)-bench ## Measure speed beside other proxies on this machine
	@$(BIN)/python -m benchmarks $(ARGS)

simulate: $(INSTALLED)-dev ## Play 20,000 key rotations against the verdict, with an oracle that knows every token
	@$(BIN)/python -m tests.rotation.simulator --worlds 20000 $(ARGS)

soak: programs $(INSTALLED)-dev ## Run for a long time and look for what grows
	@$(BIN)/python -m pytest --no-header -m soak -s $(ARGS)

test-cluster: $(INSTALLED)-dev ## Try the chart on the Kubernetes cluster of KUBECONFIG (tests/cluster/README.md)
	@$(BIN)/python -m pytest --no-header -m cluster tests/cluster $(ARGS)

clean: ## Remove everything that was made here
	rm -rf .venv .venv-docs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find sidecar tests -name __pycache__ -type d -prune -exec rm -rf {} +

programs: # What the tests use from the system; see tests/programs.txt
	@scripts/install-programs

$(INSTALLED)-run: $(MADE_FROM)
	@scripts/install-venv
	@touch $@

$(INSTALLED)-dev: $(MADE_FROM)
	@scripts/install-venv dev
	@touch $@ $(INSTALLED)-run

$(INSTALLED)-bench: $(MADE_FROM)
	@scripts/install-venv dev,bench
	@touch $@ $(INSTALLED)-dev $(INSTALLED)-run
