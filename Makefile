# Two commands for users: `make demo` and `make test`. The rest: `make help`.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
TORCH := torch==2.13.0+cpu
TORCH_INDEX := https://download.pytorch.org/whl/cpu

# Options of the command that a target runs: make demo ARGS="--frames 50", make test ARGS="-k node"
ARGS ?=
# A video file or a folder of images for the demo.
VIDEO ?=

# A ROS installation that is sourced brings packages and libraries of another Python and release.
unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH RMW_IMPLEMENTATION

.PHONY: demo test test-gpu lint benchmark clean help

demo: $(INSTALLED)
	$(RUN) -m lmanet_ros.demo $(if $(VIDEO),--video "$(VIDEO)") $(ARGS)

test: lint
	$(RUN) -m pytest $(ARGS)

# In an environment that has a CUDA build of PyTorch already.
test-gpu:
	$(PYTHON) -m pytest -m gpu $(ARGS)

lint: $(INSTALLED)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

benchmark: $(INSTALLED)
	$(RUN) -m lmanet_core.benchmark ops $(ARGS)
	$(RUN) -m lmanet_core.benchmark model --size 512x256
	$(RUN) -m lmanet_ros.benchmark --size 1024x512

clean:
	rm -rf $(VENV) build install log demo_output *.egg-info

help:
	@echo "make demo [VIDEO=path] [ARGS=...]  segment a video with the real node; results in demo_output/"
	@echo "make test [ARGS=...]               lint, types and the whole test suite"
	@echo "make test-gpu PYTHON=python3       the tests that need a CUDA device, in the current environment"
	@echo "make lint                          ruff and mypy alone"
	@echo "make benchmark                     the operator, cost of the memory, overhead of the node"
	@echo "make clean                         remove what the other targets made"

# Only a '+cpu' version is asked for, so that no index can answer with a CUDA build of PyTorch.
# Some indices have it; PyPI has not, there it comes from PyTorch's own index.
$(INSTALLED): setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check "$(TORCH)" \
		|| { echo "the package index has no $(TORCH), asking $(TORCH_INDEX)"; \
		$(RUN) -m pip install --extra-index-url $(TORCH_INDEX) "$(TORCH)"; }
	$(RUN) -m pip install --disable-pip-version-check --editable ".[ros,train,export,dev]"
	touch $@
