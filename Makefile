# The two commands of the README: `make demo` and `make test`. Each sets up what it needs and can be run again.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
READY := .venv/.ready
INSIDE := dbmirror/lab_containers/inside
CODE := dbmirror compose tests
# Tests start hundreds of Python programs: what is compiled once is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

# make test T=tests/lock: the tests of one folder or file.
T ?= tests
# Those on the real engine lie in one folder: five processes need not read all the others.
STACK = $(if $(filter tests,$(T)),tests/stack,$(T))
# pytest's exit code for "no test here": a folder may have tests of the other kind alone.
NONE = $(if $(filter tests,$(T)),, || [ $$? = 5 ])

.PHONY: help demo test check types-inside pure stack fuzz golden format lock engine tools clean

help:  ## what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) engine  ## a sandbox cluster, mirrored into a verified image
	@tools/system-tools mmdebstrap git
	.venv/bin/dbmirror sandbox up
	.venv/bin/dbmirror build demo

test: check engine tools pure stack  ## every check and every test; of one folder or file with T=tests/lock

check: $(READY)  ## formatting, lint, types, import directions
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/ruff check $(CODE)
	.venv/bin/mypy
	@$(MAKE) --no-print-directory types-inside
	.venv/bin/lint-imports --no-logo

types-inside: $(READY)
	MYPYPATH=$(INSIDE):$(INSIDE)/dbmirror_lab/shim .venv/bin/mypy --config-file= --strict --warn-unreachable \
	    --explicit-package-bases $(INSIDE)/dbmirror_lab

# Without tests/stack where all tests are meant: what these import costs each process seconds.
pure: $(READY)  ## the tests that need neither Docker nor a network
	$(PYTHON) -m pytest -m "not stack" $(if $(filter tests,$(T)),--ignore tests/stack) --numprocesses auto --dist loadfile $(T)$(NONE)

fuzz: $(READY)  ## 10,000 hostile files, folders and answers
	FUZZ_CASES=10000 $(PYTHON) -m pytest -m fuzz tests/fuzz --numprocesses auto

stack: $(READY) engine tools  ## the tests on the real engine
	$(PYTHON) -m pytest -m "stack and not alone" --numprocesses 4 --dist loadfile --no-loadscope-reorder \
	    --durations=10 $(STACK)$(NONE)
	$(PYTHON) -m pytest -m "stack and alone" $(STACK)$(NONE)

format: $(READY)  ## format the code
	.venv/bin/ruff format $(CODE)
	.venv/bin/ruff check --fix $(CODE)

lock: $(READY)  ## resolve anew what development and pipelines install
	UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 .venv/bin/uv pip compile --quiet --upgrade pyproject.toml --extra azure --group dev \
	    --generate-hashes --universal --no-emit-index-url --no-header --no-annotate --output-file tools/development.txt
	UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 .venv/bin/uv pip compile --quiet pyproject.toml --extra azure \
	    --constraint tools/development.txt --generate-hashes --universal --no-emit-index-url --no-header --no-annotate \
	    --output-file dbmirror/render/workflow_templates/requirements.txt

golden: $(READY)  ## write the golden files anew, for review with git diff
	$(PYTHON) -m pytest tests/render tests/cli/test_commands.py tests/config --refresh-golden

engine:
	@tools/docker-engine

tools:
	@tools/system-tools

$(READY): pyproject.toml tools/python-environment tools/development.txt
	@tools/python-environment
	@touch $@

clean:  ## remove the sandbox and the Python environment
	-[ -x .venv/bin/dbmirror ] && .venv/bin/dbmirror sandbox down
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
