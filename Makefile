# Two commands matter: `make book` and `make test`. Each sets up what it needs.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup images book serve lab slides figures pdf student solutions strip notebooks \
  package metadata assignments gradescope exam questions test bench bench-full cover lint lock clean

# All that is made goes into .venv and _build, here or in another folder, whose path has no spaces:
# the checkout may then be read-only.
export FREEZECHAOS_OUT := $(or $(FREEZECHAOS_OUT),.)
$(if $(word 2,$(FREEZECHAOS_OUT)),$(error FREEZECHAOS_OUT must be one path without spaces))
VENV := $(FREEZECHAOS_OUT)/.venv
BUILD := $(FREEZECHAOS_OUT)/_build
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A class gets a site of its own, without solutions and quiz answers: make book SOLUTIONS=0
export FREEZECHAOS_SOLUTIONS := $(SOLUTIONS)
SITE_OUT := $(if $(filter 0,$(SOLUTIONS)),$(BUILD)/class,$(FREEZECHAOS_OUT))
SITE := $(if $(filter 0,$(SOLUTIONS)),$(BUILD)/class/_build/html,$(BUILD)/html)
PORT := 8000

# What pytest is given besides: make test TESTS="-m images"
TESTS :=

# The tests of a file share what they compute, so it stays in one process. Files start in their
# order: first the pages, which wait for the longest, the build of the book; last the explorers
# (tests/conftest.py).
SPREAD := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What XLA compiled is kept, for the book and the tests need much of the same. An entry that another
# process is still writing cannot be read: it is compiled again, without a word.
export JAX_COMPILATION_CACHE_DIR ?= $(abspath $(BUILD))/compiled
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
# Most of the time goes into compiling: on a CPU, XLA takes half of its usual time over it at
# level 1, and what comes out runs about as fast. `lab` has it too, for code is kept by flags: so it
# finds the book's. `make bench` times what users run.
book lab pdf test: export XLA_FLAGS ?= --xla_backend_optimization_level=1
# Several processes share a GPU: by default the first would take three quarters of its memory.
book pdf test: export XLA_PYTHON_CLIENT_PREALLOCATE ?= false
SILENT := ignore:Error reading persistent compilation,ignore:Error writing persistent compilation
export PYTHONWARNINGS ?= $(SILENT)
# The sources are UTF-8, whatever the console is.
export PYTHONUTF8 := 1
# Tools keep what they found out beside what we built.
export RUFF_CACHE_DIR := $(abspath $(BUILD))/ruff
export MYPY_CACHE_DIR := $(abspath $(BUILD))/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(abspath $(BUILD))/hypothesis

# uv where it is there, pip where not (to try the other road: make UV=).
UV := $(shell uv --version 2>/dev/null)
# FAR: of what either says, how far it is; and whether it failed, which a pipe forgets.
CANDIDATES := $(or $(PYTHON),python3 python3.12 python3.13 python3.11 python)
SUITABLE := import sys; assert (3, 11) <= sys.version_info < (3, 14)
ifdef UV
MAKES := sys
INSTALLS := sys
PURGE := uv cache clean
CREATE := uv venv --quiet --clear --python "$$python" $(VENV)
INSTALL := uv pip install --python $(BIN)/python
# Not each of the packages that are there in the end.
FAR := awk '/^FAILED/ { exit 1 } !/^ [+~-] |^ Downloaded / { print "setup: " $$0; fflush() }'
SAID := 2>&1
else
MAKES := ensurepip
INSTALLS := pip
PURGE := $(BIN)/python -m pip cache purge
CREATE := "$$python" -m venv --clear $(VENV)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
FAR := awk '/^Collecting / && !(++n % 25) { print "setup: " n " packages found"; fflush() } \
  /^Installing / { print "setup: installing them"; fflush() } /^FAILED/ { exit 1 }'
endif

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## create .venv from the lock (every command does it when needed)
	@echo "ready: $(BIN)/python"

$(STAMP): requirements.lock pyproject.toml
	@$(BIN)/python -c '$(SUITABLE); import $(INSTALLS)' 2>/dev/null && exit; \
	for python in $(CANDIDATES); do \
	  python=$$($$python -c '$(SUITABLE); import $(MAKES); print(sys.executable)' 2>/dev/null) && break; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "setup: needs Python 3.11, 3.12 or 3.13 with its venv module; tried $(CANDIDATES)." \
	    "Install it (Debian: apt install python3-venv) or name one: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "setup: $(VENV) from $$python"; \
	$(CREATE)
	@echo "setup: the packages of requirements.lock (minutes the first time)"
	@{ $(INSTALL) --require-hashes -r requirements.lock $(SAID) || echo FAILED; } | $(FAR) || { \
	  printf '%s\n' "setup: failed, for the reason above" \
	    "  no distribution or no host found: connect to a network and repeat, what has come is kept;" \
	    "    or this Python has none, try another: make clean setup PYTHON=python3.12" \
	    "  hashes that do not match: a proxy or the cache spoilt a file; $(PURGE), and repeat" >&2; \
	  exit 1; }
	@echo "setup: freezechaos from companion/, editable"
	@$(INSTALL) --quiet --no-deps --no-build-isolation -e .
	@touch $@

# The book shows Fashion-MNIST where it is on this machine: one try to get it there, which may fail.
# Tests ask no outside host: make book FETCH=
FETCH ?= yes
images: $(STAMP)
	@$(if $(FETCH),$(BIN)/python -m freezechaos.data)

book: $(STAMP) images ## run the notebooks and build the site
	@echo "book: running the notebooks that changed, building the pages"
	@$(BIN)/jupyter-book build book/ --config _config.yml --path-output $(SITE_OUT) \
	  -W -n --keep-going --all -q
	@echo "book: open $(SITE)/index.html"

serve: book ## build the site and serve it on this machine
	@echo "serve: http://localhost:$(PORT) until Ctrl-C"
	@$(BIN)/python -m http.server $(PORT) --bind localhost --directory $(SITE)

lab: $(STAMP) ## open the chapters in JupyterLab
	@$(BIN)/python book/_ext/editions.py lab $(BUILD)/lab
	@echo "lab: JupyterLab on $(BUILD)/lab/ until Ctrl-C"
	@JUPYTER_CONFIG_PATH="$(CURDIR)/book/_lab" $(BIN)/jupyter lab --notebook-dir $(BUILD)/lab $(LAB)

slides: book ## build the site, with slides of every chapter's figures
	@echo "slides: open $(SITE)/slides/03_freeze_and_chaos.html, or any other there"

figures: book ## build the site, and write its figures as SVG and PNG for slides of your own
	@$(BIN)/python book/_ext/handout.py $(BUILD)/figures
	@echo "figures: $(BUILD)/figures/, with a line of licence for each in README.txt"

pdf: $(STAMP) ## build the book as a PDF (needs latexmk and XeTeX)
	@command -v latexmk >/dev/null && command -v xelatex >/dev/null || { \
	  echo "pdf: needs latexmk and xelatex on the PATH (Debian: apt install latexmk texlive-xetex" \
	    "texlive-latex-extra texlive-fonts-recommended fonts-freefont-otf xindy tex-gyre)" >&2; exit 1; }
	@echo "pdf: running the notebooks that changed, typesetting"
	@$(BIN)/jupyter-book build book/ --config _config.yml --path-output $(BUILD)/pdf \
	  --builder pdflatex -W -n --keep-going --all -q
	@cp $(BUILD)/pdf/_build/latex/*.pdf $(BUILD)/freeze-and-chaos.pdf
	@echo "pdf: open $(BUILD)/freeze-and-chaos.pdf"

student: ## write the chapters as notebooks without solutions
solutions: ## write the chapters as notebooks with the solutions in place
student solutions: $(STAMP)
	@$(BIN)/python book/_ext/editions.py $@ $(BUILD)/$@
	@echo "$@: $(BUILD)/$@/"

strip: $(STAMP) ## take out of the chapters what running them left, before a commit
	@$(BIN)/python book/_ext/stripping.py

notebooks: $(STAMP) ## write the branch that launch buttons open: PUBLISH_REPOSITORY=owner/name
	@$(BIN)/python book/_ext/publishing.py $(BUILD)/$@
	@echo "$@: $(BUILD)/$@/"

test: $(STAMP) lint ## lint, then run every test (builds the book too)
	@echo "test: package, notebooks and pages"
	@$(BIN)/python -m pytest -o cache_dir="$(abspath $(BUILD))/pytest" $(SPREAD) $(TESTS)
	@echo "test: passed"

# Contracts, which pytest switches on, take time too.
bench: export JAXTYPING_DISABLE := 1
bench: $(STAMP) ## time the package
	@echo "bench: benchmarks/"
	@mkdir -p $(BUILD)
	@$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-json=$(BUILD)/benchmarks.json
	@echo "bench: $(BUILD)/benchmarks.json"

bench-full: export JAXTYPING_DISABLE := 1
bench-full: export FULL := yes
bench-full: $(STAMP) images ## time regression on all of Fashion-MNIST (an hour, 20 GB)
	@echo "bench-full: 60,000 images, six kernels"
	@$(BIN)/python -m pytest benchmarks/test_regression_bench.py -k full -s --benchmark-only

package: $(STAMP) ## build the wheel and the sdist
	@$(BIN)/python -m hatchling build -d $(abspath $(BUILD))/dist
	@echo "package: $(BUILD)/dist/"

metadata: $(STAMP) ## write codemeta.json and .zenodo.json from CITATION.cff and pyproject.toml
	@$(BIN)/python book/_ext/metadata.py

assignments: $(STAMP) ## fill in the problem sets for one class: SEED=number [ROSTER=students.csv]
	@$(BIN)/python assignments/make.py "$(SEED)" $(if $(ROSTER),--roster "$(ROSTER)")

gradescope: $(STAMP) ## write autograders of them for Gradescope: SEED=number [ROSTER=students.csv]
	@$(BIN)/python assignments/gradescope.py "$(SEED)" $(if $(ROSTER),--roster "$(ROSTER)")

questions: $(STAMP) ## write the quizzes for Moodle and Canvas, with SEED=number the exam bank too
	@$(BIN)/python assignments/questions.py $(BUILD)/$@ $(if $(SEED),"$(SEED)")

exam: $(STAMP) ## write two exams and their marking schemes: make exam SEED=number
	@$(BIN)/python assignments/exam.py "$(SEED)"

cover: $(STAMP) ## draw the picture of the README again
	@$(BIN)/python book/_ext/cover.py book/_static/freeze-and-chaos.svg
	@echo "cover: book/_static/freeze-and-chaos.svg"

lint: $(STAMP) ## check style and types
	@echo "lint: ruff, mypy"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy

lock: ## resolve the versions again (needs uv)
	@echo "lock: requirements.lock"
	@uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev \
	  --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock
	@$(MAKE) --no-print-directory --always-make environment.yml

environment.yml: requirements.lock
	@echo "lock: $@, the same versions for conda"
	@{ printf '%s\n' 'name: freeze-and-chaos' 'channels: [conda-forge]' 'dependencies:' \
	  '  - python >=3.11,<3.14' '  - pip' '  - pip:'; \
	  sed -n 's/ *\\$$//; s/^[a-z0-9].*==/      - &/p' requirements.lock; \
	  echo '      - -e .'; } > $@

clean: ## remove what the commands made
	rm -rf $(VENV) $(BUILD)
