# Two commands are all a newcomer types: `make demo` and `make test`. Both set the environment up.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
# Two processes of tests share the cores: threads of their own would only wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
READY := .venv/.ready

.PHONY: demo test test-all check bench lock clean

demo: $(READY)
	$(BIN)/wtours demo

# Everything this machine can run: `media` tests skip, with their reason, where the recordings are absent.
test: $(READY)
	$(PYTEST) -m "not gpu and not network and not slow"

# The long campaigns too: kills, fuzzing, faults, other versions of torch.
test-all: $(READY)
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/contract

bench: $(READY)
	for b in shard loader step; do $(BIN)/python -m benchmarks.$$b || exit 1; done

# Exact versions with hashes, for every platform. opencv-python is left out: see pyproject.toml.
lock: $(READY)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --no-header --group dev --extra youtube --no-emit-package opencv-python \
	    --no-emit-package opencv-contrib-python --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache

# A second run finds $(READY) newer than what it depends on, and installs nothing.
$(READY): requirements.lock pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --offline --editable .
	touch $(READY)
