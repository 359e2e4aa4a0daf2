"""Softmax, batch and local response normalization against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernel_rows import check, compare, run, wide_inputs
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.reference import evaluate
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

LRN = {"depthRadius": 2, "bias": 1.5, "alpha": 0.3, "beta": 0.75}


def floats(*shape: int, seed: int = 0, scale: float = 5.0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * scale, np.float32)


SOFTMAX: list[tuple[int, ...]] = [
    (1,),
    (5,),
    (3, 4),
    (3, 7),
    (2, 3, 8),
    (2, 1, 3, 2, 5),
    (2, 1, 1, 2, 3, 4),
    (1, 1000),
    (300, 132),
    (100, 131),
    (2, 9001),
    (1, 50256),
    (3, 1),
]


@pytest.mark.parametrize("shape", SOFTMAX, ids=str)
def test_softmax(gpu: Engine, shape: tuple[int, ...]) -> None:
    x = floats(*shape)
    # exp turns the rounding of x - max, up to half an ulp of 40, into a relative error.
    got = check(gpu, "Softmax", {"logits": x}, {"dim": len(shape) - 1}, ulp=48)
    assert np.abs(got.sum(-1, dtype=np.float64) - 1).max() < 1e-6
    check(gpu, "LogSoftmax", {"logits": x}, {"axis": -1}, absolute=5e-6)


@pytest.mark.parametrize(("shape", "axis"), [((5, 3), 0), ((2, 5, 3), 1), ((2, 6, 4), -2), ((9001, 2), 0)])
def test_softmax_along_other_axes(gpu: Engine, shape: tuple[int, ...], axis: int) -> None:
    x = floats(*shape)
    with np.errstate(all="ignore"):
        powers = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    want = powers / powers.sum(axis, keepdims=True)
    compare(run(gpu, "Softmax", {"logits": x}, {"dim": axis}), want, 48)
    compare(run(gpu, "LogSoftmax", {"logits": x}, {"axis": axis}), np.log(want), absolute=5e-6)


@pytest.mark.parametrize("width", [4, 5])
def test_softmax_of_infinities(gpu: Engine, width: int) -> None:
    inf = np.inf
    starts = [[-inf, 0, 1], [-inf] * 3, [inf, 0, 1], [np.nan, 0, 1], [1e38, -1e38, 0]]
    x = np.array([[*start, *[start[1]] * (width - 3)] for start in starts], np.float32)
    check(gpu, "Softmax", {"logits": x}, {"dim": 1}, ulp=8)
    check(gpu, "LogSoftmax", {"logits": x}, {"axis": 1}, ulp=8)


def test_softmax_of_a_long_row_of_minus_infinity(gpu: Engine) -> None:
    x = np.full((2, 9000), -np.inf, np.float32)
    x[0, 7] = x[0, 8999] = 3
    got = run(gpu, "Softmax", {"logits": x}, {"dim": 1})
    assert got[0, 7] == got[0, 8999] == 0.5
    assert got[0].sum() == 1
    assert np.isnan(got[1]).all()


def test_softmax_of_nothing_and_of_a_scalar(gpu: Engine) -> None:
    assert run(gpu, "Softmax", {"logits": np.zeros((0, 3), np.float32)}, {"dim": 1}).shape == (0, 3)
    assert run(gpu, "Softmax", {"logits": np.zeros((3, 0), np.float32)}, {"dim": 1}).shape == (3, 0)
    with pytest.raises(InvalidArgumentError, match="scalar"):
        run(gpu, "Softmax", {"logits": np.float32(1)}, {"dim": 0})


def batch_norm(
    shape: tuple[int, ...], vectors: tuple[int, ...], missing: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    inputs = {
        "x": floats(*shape),
        "scale": floats(*vectors, seed=1),
        "offset": floats(*vectors, seed=2),
        "mean": floats(*vectors, seed=3),
        "variance": np.abs(floats(*vectors, seed=4)),
    }
    return {name: value for name, value in inputs.items() if name not in missing}


@pytest.mark.parametrize(
    ("shape", "vectors", "missing"),
    [
        ((2, 3, 5, 3), (3,), ()),
        ((2, 3, 5, 8), (8,), ()),
        ((2, 3, 5, 8), (8,), ("scale", "offset")),
        ((4, 6), (6,), ("offset",)),
        ((2, 3, 1, 5), (2, 3, 1, 5), ("scale",)),
        ((7,), (7,), ()),
        ((0, 3), (3,), ()),
    ],
    ids=str,
)
def test_batch_norm(
    gpu: Engine, shape: tuple[int, ...], vectors: tuple[int, ...], missing: tuple[str, ...]
) -> None:
    inputs = batch_norm(shape, vectors, missing)
    check(gpu, "FusedBatchNorm", inputs, {"varianceEpsilon": 0.01}, absolute=2e-5)
    check(gpu, "FusedBatchNorm", inputs, absolute=1e-4)


def test_batch_norm_of_a_large_mean_keeps_its_digits(gpu: Engine) -> None:
    x = 10000 + floats(100, 2, scale=0.01)
    inputs = {
        "x": x,
        "mean": x.mean(0, dtype=np.float64).astype(np.float32),
        "variance": np.full(2, 1e-4, np.float32),
    }
    check(gpu, "FusedBatchNorm", inputs, {"varianceEpsilon": 0.0}, ulp=4)


@pytest.mark.parametrize("channels", [3, 8])
def test_batch_norm_of_tiles_with_weights(gpu: Engine, channels: int) -> None:
    arrays = batch_norm((2, 9, 5, channels), (channels,))
    tensors = {name: gpu.tensor(array) for name, array in arrays.items()}
    tensors["x"].tiles()
    for name in ("scale", "offset", "mean", "variance"):
        tensors[name].persistent = True
    want = evaluate("FusedBatchNorm", wide_inputs(arrays), {"varianceEpsilon": 0.01})
    for _ in range(2):
        got = run_kernel("FusedBatchNorm", tensors, {"varianceEpsilon": 0.01})
        assert isinstance(got, Tensor)
        assert got.is_tiled
        compare(got.numpy(), np.asarray(want), absolute=2e-5)
    assert len(tensors["variance"].derived or ()) == 1


def test_batch_norm_errors(gpu: Engine) -> None:
    inputs = batch_norm((2, 3), (3,))
    with pytest.raises(InvalidArgumentError, match="equal ranks"):
        run(gpu, "FusedBatchNorm", {**inputs, "variance": inputs["variance"][None]})
    with pytest.raises(InvalidArgumentError, match="mean"):
        run(gpu, "FusedBatchNorm", {"x": inputs["x"]})
    with pytest.raises(InvalidArgumentError, match="broadcast"):
        run(gpu, "FusedBatchNorm", {**inputs, "x": floats(3)} | {n: floats(2, 3) for n in inputs if n != "x"})


@pytest.mark.parametrize("channels", [1, 4, 7, 13])
@pytest.mark.parametrize("radius", [0, 2, 20])
def test_lrn(gpu: Engine, channels: int, radius: int) -> None:
    attrs: dict[str, Any] = {**LRN, "depthRadius": radius}
    x = floats(2, 3, 2, channels)
    y = check(gpu, "LRN", {"x": x}, attrs, ulp=8)
    inputs = {"x": x, "y": y, "dy": floats(*x.shape, seed=1)}
    check(gpu, "LRNGrad", inputs, attrs, ulp=16, absolute=2e-6)


def test_lrn_errors_and_nothing(gpu: Engine) -> None:
    assert run(gpu, "LRN", {"x": np.zeros((0, 1, 1, 3), np.float32)}, LRN).shape == (0, 1, 1, 3)
    with pytest.raises(InvalidArgumentError, match="rank 4"):
        run(gpu, "LRN", {"x": floats(3, 3)}, LRN)
    with pytest.raises(InvalidArgumentError, match="integer"):
        run(gpu, "LRN", {"x": floats(1, 1, 1, 3)}, {**LRN, "depthRadius": 1.5})
