# Two commands for users: `make demo` and `make test`. The rest: `make help`.

# Any of these; asked for their answer, because some are there by name only.
PYTHON ?= $(firstword $(foreach python,python3.11 python3.12 python3.13 python3.10,\
	$(shell $(python) -c "import ensurepip, venv; print('$(python)')" 2>/dev/null)) python3)
VENV := .venv
RUN := $(VENV)/bin/python
# What the demo and evaluations need, and what tests and training need beyond that.
INSTALLED_TO_RUN := $(VENV)/installed-to-run
INSTALLED := $(VENV)/installed
INSTALLED_FOR_DOCS := $(VENV)/installed-for-docs
# Which release of ROS 2 comes from PyPI: `ros` is Jazzy, `ros-kilted` is Kilted.
ROS_WHEELS := ros
TORCH := torch==2.13.0+cpu
TORCH_INDEX := https://download.pytorch.org/whl/cpu

# Options of the command that a target runs: make demo ARGS="--frames 50", make test ARGS="-k node"
ARGS ?=
# Tests run side by side: those with nodes in one worker, all others in the rest; 0: in one process.
WORKERS ?= 2
# A video file or a folder of images for the demo.
VIDEO ?=
# What is tested with another release of ROS 2.
ROS_TESTS ?= test/lmanet_ros
# The rosbag2 to evaluate the node on.
BAG ?=

# A ROS installation that is sourced brings packages and libraries of another Python and release.
unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH RMW_IMPLEMENTATION

.PHONY: demo bag evaluate test test-gpu benchmark-gpu test-triton test-oldest-torch test-humble test-kilted test-ros soak docs lint benchmark clean help

demo: $(INSTALLED_TO_RUN)
	$(RUN) -m lmanet_ros.demo $(if $(VIDEO),--video "$(VIDEO)") $(ARGS)

bag: $(INSTALLED_TO_RUN)
	$(RUN) -m lmanet_ros.make_bag $(ARGS)

evaluate: $(INSTALLED_TO_RUN)
	@test -n "$(BAG)" || { echo "which recording? make evaluate BAG=path"; exit 1; }
	$(RUN) -m lmanet_ros.evaluate_bag "$(BAG)" $(ARGS)

# A worker that dies ends the run: started anew, it would leave the others waiting.
test: lint
	$(RUN) -m pytest -n $(WORKERS) --max-worker-restart 0 $(ARGS)

# In an environment that has a CUDA build of PyTorch already.
test-gpu:
	$(PYTHON) -m pytest -m gpu test/lmanet_core/ops/test_fused_cuda.py test/lmanet_core/ops/test_classify_cuda.py \
		test/lmanet_core/export/test_tensorrt_gpu.py $(ARGS)

# Likewise; ends with gpu.json and gpu.md in gpu_output/. ARGS=--dry-run needs no device.
benchmark-gpu:
	$(PYTHON) -m lmanet_core.benchmark gpu --output gpu_output $(ARGS)

# The CUDA kernels with every release of Triton that a supported PyTorch brings, compiled and interpreted.
test-triton: $(INSTALLED)
	$(RUN) test/triton_releases.py $(ARGS)

# The programs and nodes without what the rclpy of Humble lacks, and with the wheels of Kilted.
test-humble: $(INSTALLED)
	PYTHONPATH=$(CURDIR)/test/lmanet_ros/humble $(RUN) -m pytest -q $(ROS_TESTS) $(ARGS)

test-kilted:
	$(MAKE) test-ros VENV=.venv-kilted ROS_WHEELS=ros-kilted

test-ros: $(INSTALLED)
	$(RUN) -m pytest -q $(ROS_TESTS) $(ARGS)

# Installs beside the oldest PyTorch that is supported, in a folder of its own, and tests there.
test-oldest-torch:
	$(PYTHON) test/oldest_torch.py $(ARGS)

# About a quarter of an hour.
SOAK_TESTS := $(addprefix test/lmanet_ros/node/,test_soak.py test_faults.py arrival/test_large_images.py) \
	test/lmanet_ros/cloud/test_chain.py
SOAK_LENGTH := --soak-frames 10000 --soak-malformed 1000 --soak-cycles 50 --soak-images 32

soak: $(INSTALLED)
	$(RUN) -m pytest -s $(SOAK_TESTS) $(SOAK_LENGTH) $(ARGS)

# Warnings are errors: a page that is in no list, a link that leads nowhere, a docstring that cannot be set.
docs: $(INSTALLED_FOR_DOCS)
	$(RUN) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs $(ARGS)
	@echo "build/docs/index.html"

lint: $(INSTALLED)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

benchmark: $(INSTALLED)
	$(VENV)/bin/lmanet benchmark ops $(ARGS)
	$(VENV)/bin/lmanet benchmark model --size 512x256
	$(VENV)/bin/lmanet benchmark node --size 1024x512

clean:
	rm -rf $(VENV) .venv-kilted build install log demo_output bag_output evaluation_output gpu_output *.egg-info

help:
	@echo "make demo [VIDEO=path] [ARGS=...]  segment a video with the real node; results in demo_output/"
	@echo "make bag [ARGS=...]                record the synthetic street or a data set in bag_output/"
	@echo "make evaluate BAG=path [ARGS=...]  score the node on a recording; report in evaluation_output/"
	@echo "make test [ARGS=...] [WORKERS=0]   lint, types and the whole test suite, or with less at a time"
	@echo "make test-gpu PYTHON=python3       the tests that need a CUDA device, in the current environment"
	@echo "make benchmark-gpu PYTHON=python3  what a CUDA device gives, in the current environment"
	@echo "make test-triton [ARGS=...]        the CUDA kernels with every release of Triton, without a device"
	@echo "make test-oldest-torch             the package beside the oldest PyTorch that it supports"
	@echo "make test-humble [ARGS=...]        programs and nodes without what Humble's rclpy lacks"
	@echo "make test-kilted [ARGS=...]        programs and nodes with ROS 2 Kilted, from PyPI"
	@echo "make soak [ARGS=...]               the node under overload and faults, in the long form"
	@echo "make docs                          the documents as a site, in build/docs/"
	@echo "make lint                          ruff and mypy alone"
	@echo "make benchmark                     the operator, cost of the memory, overhead of the node"
	@echo "make clean                         remove what the other targets made"

$(INSTALLED_TO_RUN): setup.py pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))" \
		|| { echo "make PYTHON=...: needs Python 3.10 to 3.13 with venv, got $(PYTHON)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --editable ".[$(ROS_WHEELS),evaluation]"
	touch $@

# Only a '+cpu' version is asked for, so that no index can answer with a CUDA build of PyTorch.
# Some indices have it; PyPI has not, there it comes from PyTorch's own index.
# NVIDIA's Python of the TensorRT that JetPack 6 has is for tests, in a folder of its own.
$(INSTALLED): $(INSTALLED_TO_RUN)
	$(RUN) -m pip install --disable-pip-version-check "$(TORCH)" \
		|| { echo "the package index has no $(TORCH), asking $(TORCH_INDEX)"; \
		$(RUN) -m pip install --extra-index-url $(TORCH_INDEX) "$(TORCH)"; }
	$(RUN) -m pip install --disable-pip-version-check --editable ".[$(ROS_WHEELS),train,evaluation,export,dev]"
	$(RUN) -m pip install --disable-pip-version-check --no-deps --upgrade --target $(VENV)/tensorrt-10.3 \
		tensorrt-cu12-bindings==10.3.0
	touch $@

$(INSTALLED_FOR_DOCS): $(INSTALLED)
	$(RUN) -m pip install --disable-pip-version-check --editable ".[docs]"
	touch $@
