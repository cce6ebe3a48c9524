# One verb each; README and CI call the same ones. `.venv` holds what serving needs, `.venv-dev` everything.
PYTHON ?= python3
SERVE := .venv/bin/python
DEV := .venv-dev/bin/python
RUN_DIR ?= runs/default
BUDGET ?= configs/load-budget.toml
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: serve setup test check bench bench-peers loadtest distill clean

serve: .venv/.installed ## run the service on models/default
	@exec $(SERVE) -m service

setup: .venv/.installed .venv-dev/.installed ## install both environments

# Two processes, a test file in one of them: each may load torch and start services, which more would not fit in memory.
test: check ## lint, types and all tests
	$(DEV) -m pytest --numprocesses 2 --dist loadfile

check: .venv-dev/.installed ## lint and types only
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .
	$(DEV) -m mypy

bench: .venv-dev/.installed ## Aisle beside the bare ONNX session and the peers that are installed
	$(DEV) -m loadtest.bench

bench-peers: .venv-dev/.installed ## install Infinity and sentence-transformers, each in an environment of its own
	$(DEV) -m loadtest.peers install

loadtest: .venv-dev/.installed ## 30 s of a latency budget against a service that it starts itself
	$(DEV) -m loadtest.run --budget $(BUDGET)

distill: .venv-dev/.installed ## the whole recipe on the embedded catalogue
	$(DEV) -m training.distill --run-dir $(RUN_DIR)

clean: ## remove all environments and the default run
	rm -rf .venv .venv-dev .venv-peers runs/default

# The marker comes last: a killed install starts over. --editable: the code that runs is the code in this folder.
.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(SERVE) $(PIP_INSTALL) --editable '.[cpu]'
	@touch $@

.venv-dev/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	$(DEV) $(PIP_INSTALL) --editable '.[cpu,train,distributed,loadtest,dev]'
	@touch $@
