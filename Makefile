# `make run` starts everything, `make test` tests everything; both from a bare checkout with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
# Each test process has a PostgreSQL and a Valkey of its own. 0: all tests in one process.
TEST_PROCESSES ?= 3
export PORT STATE_DIR

# A virtual environment whose Python is missing or too old, or whose creation was interrupted, is created again.
UNFINISHED := $(VENV)/.unfinished
IS_USABLE := import sys; sys.exit(sys.version_info < (3, 11))
_ := $(shell test ! -e $(UNFINISHED) && $(VENV)/bin/python -c '$(IS_USABLE)' 2>/dev/null || rm -rf $(VENV))

.PHONY: run test bench chaos patroni lint clean

run: $(VENV)/.runtime
	@exec $(VENV)/bin/python manage.py up

test: $(VENV)/.development
	@$(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

# ARGS="--against REVISION" measures another revision beside this one.
bench: $(VENV)/.development
	@$(VENV)/bin/python -m benchmarks.sale $(ARGS)

# Each fault lasts 10 s here, and 1.5 s in `make test`, and more hosts fail.
chaos: export CHAOS_SECONDS ?= 10
chaos: export HOSTS_FAULTS ?= all
chaos: $(VENV)/.development $(VENV)/patroni/.installed
	@$(VENV)/bin/python -m pytest -q flashsale/tests/chaos/test_storms.py flashsale/tests/chaos/test_cut_connections.py \
	    flashsale/tests/chaos/test_disk_full.py flashsale/tests/hosts/test_hosts.py -s $(ARGS)

# Runs PostgreSQL on the hosts of `flashsale/tests/hosts`; its requirements are not the project's.
patroni: $(VENV)/patroni/.installed

$(VENV)/patroni/.installed: flashsale/tests/hosts/requirements.txt | $(VENV)/bin/python
	@echo "Installing $<"
	@$(PYTHON) -m venv --clear $(VENV)/patroni
	@$(VENV)/patroni/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: $(VENV)/.development
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports
	@LOCAL_MODE=1 SECRET_KEY=$$(head -c 48 /dev/urandom | base64 -w 0) STATE_DIR=/nonexistent ENV_FILE=/dev/null $(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .mypy_cache .hypothesis staticfiles

$(VENV)/bin/python:
	@$(PYTHON) -c '$(IS_USABLE)' \
	    || { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.11"; exit 1; }
	@mkdir -p $(VENV) && touch $(UNFINISHED)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 -m venv failed: on Debian, apt install python3-venv"; exit 1; }
	@rm -f $(UNFINISHED)

# When pip refuses, the environment is unchanged and stays; an interrupted installation leaves the file UNFINISHED.
define install
	@echo "Installing $(1)"
	@touch $(UNFINISHED)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(1) || { rm -f $(UNFINISHED); exit 1; }
	@rm -f $(UNFINISHED)
endef

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(call install,requirements.txt)
	@touch $@

$(VENV)/.development: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(call install,requirements-dev.txt)
	@touch $@ $(VENV)/.runtime
