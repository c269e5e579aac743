# `make run` starts the service, `make test` tests it; both set up what they need in .venv.
# PORT, HOST and API_V2_DATA_DIR say where it runs: make run PORT=8080

PYTHON ?= $(shell for found in python3 python3.13 python3.12 python3.11; do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$found && break; done)
RUN = .venv/bin/python
CORPUS ?= ../shared/corpus
STAND_INS = requirements/stand_ins
PEERS = .venv-peers

.PHONY: help run test lint bench eval lock python service developer environment

help:
	@echo "make run    start the service and let it answer a sample document"
	@echo "make test   run the tests"
	@echo "make lint   style, types, walls between rooms, migrations, deployment checks"
	@echo "make bench  measure speed and memory"
	@echo "make eval   measure how well documents are read, over a corpus beside this directory (CORPUS=…)"
	@echo "make lock   pin the requirements anew"

run: service
	@exec $(RUN) manage.py serve --demo

test: developer
	@exec $(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder  # many tests wait for processes, and a file's tests share theirs

lint: developer
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	$(RUN) manage.py makemigrations --check --dry-run
	data=$$(mktemp -d) && API_V2_DATA_DIR=$$data API_V2_HTTPS=true ALLOWED_HOSTS=api.example.org \
		$(RUN) manage.py check --deploy --fail-level WARNING; code=$$?; rm -r $$data; exit $$code

bench: developer $(PEERS)/installed
	@exec $(RUN) -m benchmarks --corpus $(CORPUS)

$(PEERS)/installed: requirements/bench.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install -q --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

eval: developer
	@for each in reading tables answers; do $(RUN) -m evaluation $$each --corpus $(CORPUS) || exit 1; done

lock: developer
	for layer in base ocr postgres redis s3 gcs azure local_llm dev bench; do \
		$(RUN) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header requirements/$$layer.in -o requirements/$$layer.txt || exit 1; \
	done

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found. Set PYTHON to its path." >&2; exit 1; }

service: python
	@$(PYTHON) requirements/install.py base ocr

developer: environment $(STAND_INS)/node_modules

environment: python
	@$(PYTHON) requirements/install.py base ocr postgres redis s3 gcs azure local_llm dev test_model

$(STAND_INS)/node_modules: $(STAND_INS)/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix $(STAND_INS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else \
		echo "npm is missing: the tests against aimock and Azurite are skipped."; \
	fi
