"""Reductions over every choice of axes against the float64 reference."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from kernel_rows import EXTREMES, check, compare, run
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.kernels.elementwise import emit_elementwise
from tfgl.registry import run_kernel

SHAPES: list[tuple[int, ...]] = [
    (),
    (5,),
    (8,),
    (3, 4),
    (4, 3),
    (5, 7, 4),
    (2, 3, 4, 8),
    (2, 1, 3, 2, 5),
    (2, 2, 3, 2, 3, 4),
]
# Rounding errors of the sums of a few hundred numbers of either sign.
SUMS = {"Sum": 1e-4, "Mean": 1e-5}


def axis_name(kernel: str) -> str:
    return "reductionIndices" if kernel == "Max" else "axis"


def values(shape: tuple[int, ...], dtype: str, kernel: str = "") -> np.ndarray:
    random = np.random.default_rng(len(shape))
    if dtype == "bool":
        return np.asarray(random.random(shape) > 0.3)
    if dtype == "int32":
        return np.asarray(random.integers(-(2**31), 2**31 - 1, shape, np.int32))
    return np.asarray(
        random.normal(size=shape) * 0.01 + 1 if kernel == "Prod" else random.normal(size=shape) * 3, dtype
    )


def axes_of(rank: int) -> list[Any]:
    """No axes named, one, several, all, and counted from the end."""
    choices: list[Any] = [None, *range(-rank, rank)]
    for count in range(1, rank + 1):
        choices += [list(axes) for axes in itertools.combinations(range(rank), count)]
    return choices[:: 1 if rank < 5 else 5]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel", ["Sum", "Mean", "Prod", "Max", "Min", "All", "Any"])
def test_axes(gpu: Engine, kernel: str, shape: tuple[int, ...]) -> None:
    dtypes = {"All": ["bool"], "Any": ["bool"], "Mean": ["float32"]}.get(kernel, ["float32", "int32"])
    for number, axis in enumerate(axes_of(len(shape))):
        attrs = {"keepDims": number % 2 == 1} | ({} if axis is None else {axis_name(kernel): axis})
        for dtype in dtypes:
            inputs = {"x": values(shape, dtype, kernel)}
            ulp = 0 if kernel in ("Max", "Min") else 200 if kernel == "Prod" else 2
            check(gpu, kernel, inputs, attrs, ulp=ulp, absolute=SUMS.get(kernel, 0))


@pytest.mark.parametrize("kernel", ["Sum", "Prod", "Max", "Min", "Mean"])
def test_other_dtypes(gpu: Engine, kernel: str) -> None:
    check(gpu, kernel, {"x": values((3, 5), "bool")}, {axis_name(kernel): 1})
    check(gpu, kernel, {"x": EXTREMES}, absolute=200 if kernel == "Mean" else 0)


@pytest.mark.parametrize("kernel", ["All", "Any"])
def test_truth_of_numbers(gpu: Engine, kernel: str) -> None:
    x = np.array([[0, 1, 2], [0, 0, 0], [-1, np.nan, 3]], np.float32)
    check(gpu, kernel, {"x": x}, {"axis": 1})
    check(gpu, kernel, {"x": np.array([[0, 1], [2, 4]], np.int32)}, {"axis": 1})


@pytest.mark.parametrize("kernel", ["Sum", "Mean"])
def test_complex_sums(gpu: Engine, kernel: str) -> None:
    x = (values((4, 5), "float32") + 1j * values((4, 5), "float32")).astype(np.complex64)
    check(gpu, kernel, {"x": x}, {"axis": [0]}, absolute=1e-5)


@pytest.mark.parametrize("length", [2047, 8193, 100003, 1000000])
def test_long_sums_are_accurate(gpu: Engine, length: int) -> None:
    x = np.random.default_rng(0).random(length).astype(np.float32)
    for kernel in ("Sum", "Mean"):
        got = run(gpu, kernel, {"x": x})
        assert abs(got / evaluate_mean_or_sum(kernel, x) - 1) < 1e-6
    assert run(gpu, "Max", {"x": x}) == x.max()
    assert run(gpu, "Min", {"x": x}) == x.min()


def evaluate_mean_or_sum(kernel: str, x: np.ndarray) -> float:
    wide = x.astype(np.float64)
    return float(wide.mean() if kernel == "Mean" else wide.sum())


@pytest.mark.parametrize(
    ("shape", "axis"), [((9000, 5), 0), ((9000, 8), 0), ((3, 9000), 1), ((7, 3000, 3), 1)]
)
def test_long_axes(gpu: Engine, shape: tuple[int, ...], axis: int) -> None:
    check(gpu, "Sum", {"x": values(shape, "int32")}, {"axis": axis})
    check(gpu, "Sum", {"x": np.abs(values(shape, "float32"))}, {"axis": axis}, ulp=16)
    check(gpu, "Max", {"x": values(shape, "float32")}, {"reductionIndices": axis})


def test_not_a_number_and_infinities(gpu: Engine) -> None:
    rows = [[1, np.nan, 3, 2], [np.inf, 1, 2, 3], [-np.inf, np.inf, 0, 1], [-np.inf] * 4, [np.nan] * 4]
    x = np.array(rows, np.float32)
    for kernel in ("Sum", "Mean", "Prod", "Max", "Min"):
        for array in (x, x.T.copy(), x[:, :3].copy()):
            for axis in (0, 1):
                check(gpu, kernel, {"x": array}, {axis_name(kernel): axis})


@pytest.mark.parametrize("kernel", ["Sum", "Mean", "Prod", "Max", "Min", "All", "Any"])
def test_nothing_to_reduce(gpu: Engine, kernel: str) -> None:
    identity = {
        "Sum": 0,
        "Mean": np.nan,
        "Prod": 1,
        "Max": -np.inf,
        "Min": np.inf,
        "All": True,
        "Any": False,
    }[kernel]
    dtype = np.bool_ if kernel in ("All", "Any") else np.float32
    got = run(gpu, kernel, {"x": np.zeros((0, 3), dtype)}, {axis_name(kernel): 0})
    compare(got, np.full(3, identity, np.bool_ if dtype == np.bool_ else np.float64))
    assert run(gpu, kernel, {"x": np.zeros((0, 3), dtype)}, {axis_name(kernel): 1}).shape == (0,)
    assert run(
        gpu, kernel, {"x": np.zeros((2, 0, 3), dtype)}, {axis_name(kernel): [0], "keepDims": True}
    ).shape == (1, 0, 3)


def test_wrong_axes(gpu: Engine) -> None:
    for axis in (2, -3, [0, 0]):
        with pytest.raises(InvalidArgumentError, match="axis"):
            run(gpu, "Sum", {"x": values((2, 3), "float32")}, {"axis": axis})


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("kernel", ["ArgMax", "ArgMin"])
def test_arg(gpu: Engine, kernel: str, dtype: str) -> None:
    for shape, axis in [
        ((5,), 0),
        ((3, 4, 5), 1),
        ((3, 4, 5), -1),
        ((4, 1), 1),
        ((50000,), 0),
        ((3, 9000), 1),
        ((9000, 3), 0),
    ]:
        check(gpu, kernel, {"x": values(shape, dtype)}, {"axis": axis})
        # Few distinct values: the first of equals.
        check(gpu, kernel, {"x": np.rint(values(shape, "float32")).astype(dtype)}, {"axis": axis})


@pytest.mark.parametrize("kernel", ["ArgMax", "ArgMin"])
def test_arg_edges(gpu: Engine, kernel: str) -> None:
    nan = np.nan
    assert run(gpu, kernel, {"x": np.array([nan, 2, nan, 2], np.float32)}, {"axis": 0}) == 1
    assert run(gpu, kernel, {"x": np.array([nan, nan], np.float32)}, {"axis": 0}) == 0
    assert run(gpu, kernel, {"x": np.array([2**31 - 1, -(2**31)] * 2, np.int32)}) == (kernel == "ArgMin")
    assert run(gpu, kernel, {"x": np.zeros((0, 3), np.float32)}, {"axis": 1}).shape == (0,)
    with pytest.raises(InvalidArgumentError, match="empty"):
        run(gpu, kernel, {"x": np.zeros((3, 0), np.float32)}, {"axis": 1})


@pytest.mark.parametrize("shape", [(1, 7, 7, 64), (2, 112, 90, 8), (3, 9, 5, 6)], ids=str)
def test_pooling_a_tiled_tensor(gpu: Engine, shape: tuple[int, ...]) -> None:
    x = values(shape, "float32")
    source = gpu.tensor(x)
    source.tiles()
    tiled = emit_elementwise([source], "a + 0.0", "float32")
    mean = run_kernel("Mean", {"x": tiled}, {"axis": [1, 2]})
    top = run_kernel("Max", {"x": tiled}, {"reductionIndices": [1, 2], "keepDims": True})
    assert not isinstance(mean, list)
    assert not isinstance(top, list)
    assert tiled.is_flat == (shape[3] % 4 != 0), "channels in fours are read where they are"
    compare(mean.numpy(), x.astype(np.float64).mean((1, 2)), absolute=1e-6)
    assert (top.numpy() == x.max((1, 2), keepdims=True)).all()
