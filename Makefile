# Every target works on a fresh clone: `setup` is a prerequisite and runs once.
#   SCALE=smoke|laptop|workstation|workstation-fashion|short|paper   scale
#   ARGS="…"   further options of the command that a target runs
SHELL := /bin/bash
PYTHON ?= python3
SCALE ?= laptop
ARGS ?=
BENCH := .venv/bin/python -m bench
READY := .venv/ready

# With this variable set, every start would compile torch, Ray and MLflow again, which takes longer than a laptop trial.
unexport PYTHONDONTWRITEBYTECODE

# The suite and the experiments of each figure; networks that figures share are trained once.
FIG2 := ablations.yaml --only bn_statistics
FIG4 := frontiers.yaml
FIG5 := sampling.yaml --only sets
FIG6 := slimming.yaml --only tradeoff
FIG7 := attacks.yaml
FIG8 := frontiers.yaml
FIG9 := slimming.yaml --only tradeoff
FIG10 := saliency.yaml --only svhn
FIG11 := saliency.yaml --only cifar10
FIG12 := saliency.yaml --only stl10
FIG13 := ablations.yaml --only encodings
# Not in the paper, so not in reproduce-all.
PEERS := extra/peers.yaml
SUCCESSORS := extra/successors.yaml
PROTOCOL := extra/protocol.yaml
DIALS := extra/dials.yaml
MODERN := extra/modern.yaml
FIGURES := 2 4 5 6 7 8 9 10 11 12 13

.PHONY: help setup test torture lint browser docs ui report speed speed-suite gpu-check reproduce-all reproduce-dials reproduce-modern reproduce-peers reproduce-protocol \
  reproduce-successors \
  $(FIGURES:%=reproduce-fig%) reproduce-fig1 reproduce-fig3

help:
	@echo "make reproduce-figN   train and measure the networks of Figure N and draw it (SCALE=$(SCALE));"
	@echo "                      N: $(FIGURES); reproduce-fig4 also draws Figure 8"
	@echo "make reproduce-all    all experiments of the paper, and the claims"
	@echo "make reproduce-modern not in the paper: Figure 4's networks under AutoAttack, PGD-50 and CW-50, and across λ"
	@echo "make reproduce-peers  not in the paper: OAT with TRADES' loss, dual BN with shared statistics"
	@echo "make reproduce-dials  not in the paper: mixed and interpolated networks in OAT's place (docs/dials.md)"
	@echo "make reproduce-successors  not in the paper: OAT with MMA's loss, FLOAT, SOLAR"
	@echo "make reproduce-protocol  not in the paper: the effect of each row of the protocol ledger"
	@echo "make ui | report      browse the runs in MLflow | draw the figures again from finished networks"
	@echo "make speed            time training steps against the authors' code (REFERENCE=checkout) or another checkout of"
	@echo "                      this project (AGAINST=checkout); without either, against the eager engine"
	@echo "make gpu-check        measure in ten minutes what the GPU computes, how fast, and the best setting (REFERENCE=checkout)"
	@echo "make speed-suite      measure the cost of the suite beside training"
	@echo "make setup            install the locked packages into .venv; every other target does this first"
	@echo "make docs             build the site of README.md and docs/ into site/"
	@echo "make torture          kill, mistype and feed the suite at random (docs/reliability.md); about 20 minutes"
	@echo "make test | lint      run ruff and all tests | ruff alone"

setup: $(READY)

$(READY): requirements.lock requirements-setup.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: give a newer one, e.g. make setup PYTHON=python3.12" >&2; exit 2; }
	@echo "installing what requirements.lock lists into .venv (about 6 GB with PyTorch's CUDA libraries; once)"
	@# beside the installation, gcc; then the bytecode that the first command would compile, on two cores
	@PYTHONPATH=. $(PYTHON) -P bench/engines/cpu/compiled_library.py & \
	  $(PYTHON) -m venv --clear .venv && \
	  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.lock && \
	  .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock && \
	  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . || exit; \
	  .venv/bin/python -c 'import torch' & \
	  .venv/bin/python -c 'import bench.tracking.mlflow_writer, bench.run.ray_scheduler, reports.build' & wait
	@touch $@

$(FIGURES:%=reproduce-fig%): reproduce-fig%: setup
	$(BENCH) run suites/$(FIG$*) --scale $(SCALE) $(ARGS)

reproduce-fig1 reproduce-fig3:
	@echo "Figure $(@:reproduce-fig%=%) is a diagram, not a result: nothing is measured for it. Figures of results: $(FIGURES)"

reproduce-modern: setup
	$(BENCH) run suites/$(MODERN) --scale $(SCALE) $(ARGS)

reproduce-all: setup
	$(BENCH) run $(sort $(wildcard suites/*.yaml)) --scale $(SCALE) $(ARGS)

reproduce-peers: setup
	$(BENCH) run suites/$(PEERS) --scale $(SCALE) $(ARGS)

reproduce-dials: setup
	$(BENCH) run suites/$(DIALS) --scale $(SCALE) $(ARGS)

reproduce-successors: setup
	$(BENCH) run suites/$(SUCCESSORS) --scale $(SCALE) $(ARGS)

reproduce-protocol: setup
	$(BENCH) run suites/$(PROTOCOL) --scale $(SCALE) $(ARGS)

report: setup
	$(BENCH) report $(ARGS)

ui: setup
	$(BENCH) ui $(ARGS)

# REFERENCE=a checkout of the authors' code; without it the eager engine is the baseline.
# AGAINST=another checkout of this project: ratios of time and memory of each step, here to there; no page is written.
speed: setup
	.venv/bin/python -m bench.speed $(if $(AGAINST),--against $(AGAINST),$(if $(REFERENCE),--reference $(REFERENCE)) \
	  --page docs/performance.md) $(ARGS)

speed-suite: setup
	.venv/bin/python -m bench.speed suite --page docs/performance.md $(ARGS)

# Without make and the packages, on a checkout and torch and numpy: python -m bench.speed gpu-check
gpu-check: setup
	.venv/bin/python -m bench.speed gpu-check $(if $(REFERENCE),--reference $(REFERENCE)) $(ARGS)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

# every warning, such as a link that leads nowhere, is an error
docs: setup
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo "open site/index.html"

torture: setup
	.venv/bin/python -m tests.torture $(ARGS)

test: lint browser
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Chromium for the test of MLflow's pages, which is skipped without it.
browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium for the browser test"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "chromium is not installed: the browser test will be skipped"; fi; }
