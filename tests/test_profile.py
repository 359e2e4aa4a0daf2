"""tfgl.profile: kernels and memory of a function, its time, the warmup of a model."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

import tfgl
from digits_model import DIGITS
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.profile import Spread, measure_warmup, profile, time, warmup_table


def test_profile_lists_kernels(gpu: Engine) -> None:
    x = gpu.tensor(np.ones((2, 3), np.float32))

    def function() -> tfgl.Tensor:
        squared = tfgl.run_kernel("Square", {"x": x})
        assert isinstance(squared, tfgl.Tensor)
        total = tfgl.run_kernel("Add", {"a": squared, "b": x})
        assert isinstance(total, tfgl.Tensor)
        squared.dispose()
        return total

    found = profile(function)
    np.testing.assert_array_equal(found.result.numpy(), np.full((2, 3), 2))
    assert found.kernel_names == ["Square", "Add"]
    assert (found.new_tensors, found.new_bytes) == (1, 24)
    assert found.peak_bytes == gpu.live_bytes + 24
    square, add = found.kernels
    assert dict(add.input_shapes) == {"a": ((2, 3),), "b": ((2, 3),)}
    assert add.output_shapes == ((2, 3),)
    assert (square.tensors_added, square.bytes_added) == (1, 24)
    assert all(run.elapsed_ms > 0 for run in found.kernels)
    assert gpu.kernel_log is None
    json.dumps(found.as_dict())
    assert set(found.as_dict()) == {"newBytes", "newTensors", "peakBytes", "kernels", "kernelNames"}


def test_a_profile_inside_a_profile(gpu: Engine) -> None:
    x = gpu.tensor([1.0])
    outer = profile(lambda: [tfgl.run_kernel("Neg", {"x": x}), profile(lambda: tfgl.run_kernel("Abs", {"x": x}))])
    assert outer.kernel_names == ["Neg", "Abs"]


def test_a_profile_that_fails_leaves_nothing_on(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError):
        profile(lambda: tfgl.run_kernel("NoSuchKernel", {}))
    assert gpu.kernel_log is None
    assert gpu.device.gl.GetError() == 0


def test_time(gpu: Engine) -> None:
    x = gpu.tensor(np.ones(100_000, np.float32))
    tfgl.run_kernel("Square", {"x": x})
    found = time(lambda: tfgl.run_kernel("Square", {"x": x}))
    assert found.wall_ms > 0
    assert found.kernel_ms is None or 0 <= found.kernel_ms < 10_000


def test_warmup_of_a_model(gpu: Engine) -> None:
    images = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    with tfgl.load_graph_model(DIGITS) as model:
        warmup = measure_warmup(model, {"image": images}, runs=6, name="digits")
    assert warmup.steady.runs == 6
    assert warmup.first_ms > 0 and warmup.upload_bytes >= images.nbytes
    assert warmup.draws > 0
    assert 0 < warmup.steady.min_ms <= warmup.steady.p5_ms <= warmup.steady.p95_ms <= warmup.steady.max_ms
    assert json.loads(json.dumps(warmup.as_dict()))["model"] == "digits"


def test_warmup_of_a_model_that_has_run(gpu: Engine) -> None:
    images = np.ones((1, 8, 8, 1), np.float32)
    with tfgl.load_graph_model(DIGITS) as model:
        output = model.predict(images)
        first_ms = model.stats.first_ms
        assert measure_warmup(model, images, runs=1).first_ms == first_ms
        tfgl.dispose(output)


def test_warmup_table_fits_a_terminal(gpu: Engine) -> None:
    with tfgl.load_graph_model(DIGITS) as model:
        table = warmup_table(model, np.ones((1, 8, 8, 1), np.float32), runs=2)
    stream = io.StringIO()
    Console(file=stream, width=80).print(table)
    shown = stream.getvalue()
    for phase in ("load", "upload", "texture creation", "compile", "first inference", "steady", "first ÷ steady"):
        assert phase in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_runs_below_one(gpu: Engine) -> None:
    with tfgl.load_graph_model(DIGITS) as model, pytest.raises(InvalidArgumentError, match="runs must be 1"):
        measure_warmup(model, np.ones((1, 8, 8, 1), np.float32), runs=0)


def test_spread() -> None:
    spread = Spread.of([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (spread.median_ms, spread.min_ms, spread.max_ms) == (3.0, 1.0, 5.0)
    assert (spread.p5_ms, spread.p95_ms) == pytest.approx((1.2, 4.8))
