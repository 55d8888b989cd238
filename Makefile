# make demo · make docs · make picture · make test · make test-slow · make bench · make bench-train · make bench-memory ·
# make bench-products · make bench-lengths · make bench-device · make bench-learning · make format · make lint
# The environment is made when it is missing or when its requirements have changed. PYTHON=python3.12 chooses another.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
PEERS := .venv-bench/installed

.PHONY: demo docs picture test test-slow bench bench-train bench-products bench-memory bench-lengths bench-device bench-learning format lint

demo: $(INSTALLED)
	@$(BIN)/python -m seqkeras demo

docs: $(INSTALLED)
	@PDOC_ALLOW_EXEC=1 TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -W error::UserWarning:pdoc -m pdoc --docformat google \
		-o build/docs seqkeras seqkeras.pipelines seqkeras.export
	@echo "build/docs/index.html"

picture: $(INSTALLED)
	@$(BIN)/python docs/picture.py

test: $(INSTALLED)
	@$(BIN)/python -m pytest -n 2

test-slow: $(INSTALLED)
	@$(BIN)/python -m pytest -m slow

bench: $(INSTALLED)
	@for data in trec baselines ewt snips g2p scan names pendigits vowels makemore shakespeare chorales ett sst2 multi30k multi30k_attention; do $(BIN)/python benchmarks/quality.py $$data || exit 1; done

bench-train: $(INSTALLED) $(PEERS)
	@$(BIN)/python benchmarks/train.py

bench-products: $(INSTALLED) $(PEERS)
	@$(BIN)/python benchmarks/products.py

bench-memory: $(INSTALLED)
	@$(BIN)/python benchmarks/memory.py

bench-lengths: $(INSTALLED)
	@$(BIN)/python benchmarks/lengths.py

bench-device: $(INSTALLED) $(PEERS)
	@$(BIN)/python benchmarks/device.py

bench-learning: $(INSTALLED) $(PEERS)
	@$(BIN)/python benchmarks/learning.py

format: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# The package as it is installed, by links: the type checker does not know of folders that lie elsewhere.
lint: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@here=$$(pwd); tree=$$(mktemp -d); trap 'rm -rf '$$tree EXIT; mkdir $$tree/seqkeras; \
		ln -s $$here/seqkeras/* $$here/pipelines $$here/export $$tree/seqkeras; \
		cd $$tree && MYPYPATH=$$tree $$here/$(BIN)/mypy --ignore-missing-imports --follow-imports=silent \
		-p seqkeras.pipelines -p seqkeras.export

$(INSTALLED): setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Expected Python 3.11 to 3.13. Received: $$($(PYTHON) --version 2>&1); try make PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing into .venv, a few minutes the first time"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt -e '.[dev]'
	@touch $@

$(PEERS): benchmarks/requirements.txt
	@echo "Installing what is measured beside into .venv-bench"
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check --no-input -r $<
	@touch $@
