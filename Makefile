# `make run` starts everything, `make test` tests everything; both from a bare checkout with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
export PORT STATE_DIR

# A virtual environment whose Python is gone or too old is made again.
IS_USABLE := import sys; sys.exit(sys.version_info < (3, 11))
_ := $(shell $(VENV)/bin/python -c '$(IS_USABLE)' 2>/dev/null || rm -rf $(VENV))

.PHONY: run test bench lint clean

run: $(VENV)/.runtime
	@exec $(VENV)/bin/python manage.py up

test: $(VENV)/.development
	@$(VENV)/bin/python -m pytest $(ARGS)

bench: $(VENV)/.development
	@$(VENV)/bin/python -m benchmarks.sale $(ARGS)

lint: $(VENV)/.development
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis staticfiles

$(VENV)/bin/python:
	@$(PYTHON) -c '$(IS_USABLE)' \
	    || { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 -m venv failed: on Debian, apt install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements.txt"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.development: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing requirements-dev.txt"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
