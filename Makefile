# Two targets do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
WORKERS ?= 2
BIN := $(VENV)/bin
# Telemetry off. Passive waiting: spinning OpenMP threads slow everything several times over on shared cores.
QUIET := DAGSTER_DISABLE_TELEMETRY=yes MLFLOW_DISABLE_TELEMETRY=true RAY_USAGE_STATS_ENABLED=0 OMP_WAIT_POLICY=passive

# Files whole: many share what their first test made.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test check unit integration clean-demo

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; run: make PYTHON=python3.11")'
	@echo "== installing into $(VENV) (a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(VENV)/.installed
	@$(QUIET) $(BIN)/osf doctor --root $(DEMO)
	@$(QUIET) $(BIN)/osf sample drawing --root $(DEMO)
	@$(QUIET) $(BIN)/python -m dagster_project.launch --root $(DEMO) --character fox --motion cross_arms --steps 400 --backend ray

test: check unit integration

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.installed
	$(QUIET) $(PYTEST) tests/unit

integration: $(VENV)/.installed
	$(QUIET) $(PYTEST) tests/integration tests/gpu

clean-demo:
	rm -rf $(DEMO)
