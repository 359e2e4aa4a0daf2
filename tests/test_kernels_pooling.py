"""Pools of images and volumes, and dilation, against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import exact_kernels as exact
from linear_kernels import Row, check, compare, result_of, values
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.registry import run_kernel

# Input, filter size, strides, pad.
WINDOWS: list[tuple[tuple[int, ...], Any, Any, Any]] = [
    ((2, 9, 11, 6), 3, 2, "same"),
    ((2, 9, 11, 6), [2, 3], [1, 2], "valid"),
    ((1, 9, 11, 1), 3, 1, 1),
    ((1, 9, 11, 9), 3, 2, [[0, 0], [1, 0], [0, 2], [0, 0]]),
    ((1, 9, 11, 4), [9, 11], 1, "valid"),
    ((1, 5, 5, 3), 1, 1, "same"),
    ((1, 5, 5, 3), 1, 2, 1),
    ((1, 30, 2, 5), [9, 1], 1, "same"),
    ((0, 5, 5, 3), 2, 2, "same"),
    ((1, 2, 2, 3), 3, 1, "valid"),
]


@pytest.mark.parametrize("kernel", ["AvgPool", "MaxPool"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_pools(gpu: Engine, kernel: str, window: tuple[Any, ...]) -> None:
    x, size, strides, pad = window
    check(gpu, Row(kernel, {"x": x}, {"filterSize": size, "strides": strides, "pad": pad}))


VOLUMES: list[tuple[tuple[int, ...], Any, Any, Any]] = [
    ((2, 5, 9, 11, 6), 3, 2, "same"),
    ((2, 4, 9, 11, 6), [2, 2, 3], [1, 1, 2], "valid"),
    ((1, 3, 9, 11, 1), 3, 1, 1),
    ((3, 7, 5, 6, 4), [3, 1, 2], [2, 1, 3], "same"),
    ((1, 2, 5, 5, 8), 1, 1, "same"),
    ((0, 5, 5, 5, 3), 2, 2, "same"),
    ((1, 1, 1, 1, 1), [1, 1, 3], 1, "valid"),
]


@pytest.mark.parametrize("kernel", ["AvgPool3D", "MaxPool3D"])
@pytest.mark.parametrize("window", VOLUMES, ids=str)
def test_pools_of_volumes(gpu: Engine, kernel: str, window: tuple[Any, ...]) -> None:
    x, size, strides, pad = window
    attrs = {"filterSize": size, "strides": strides, "pad": pad}
    check(gpu, Row(kernel, {"x": x}, attrs))
    if isinstance(size, int):
        check(gpu, Row(kernel, {"x": (x[0], x[4], *x[1:4])}, attrs | {"dataFormat": "NCDHW"}))


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("window", WINDOWS[:-1], ids=str)
def test_places_of_the_largest(gpu: Engine, window: tuple[Any, ...], dtype: str, in_batch: bool) -> None:
    shape, size, strides, pad = window
    attrs = {"filterSize": size, "strides": strides, "pad": pad, "includeBatchInIndex": in_batch}
    # Equal elements too, of which the first counts.
    x = exact.values(*shape, dtype=dtype)
    x.reshape(-1)[::3] = 1
    exact.check(gpu, exact.Row("MaxPoolWithArgmax", {"x": x}, attrs))


# Input, filter, strides, pad, dilations.
DILATIONS: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any, Any]] = [
    ((2, 9, 11, 6), (3, 3, 6), [2, 2], "same", 1),
    ((1, 9, 11, 1), (2, 3, 1), 1, "valid", [1, 2]),
    ((1, 30, 2, 5), (4, 1, 5), [3, 1], "same", 1),
    ((2, 5, 5, 8), (3, 2, 8), 1, 1, 1),
    ((0, 3, 3, 2), (1, 1, 2), 1, "same", 1),
]


@pytest.mark.parametrize("row", DILATIONS, ids=str)
def test_dilation(gpu: Engine, row: tuple[Any, ...]) -> None:
    x, filter_, strides, pad, dilations = row
    attrs = {"strides": strides, "pad": pad, "dilations": dilations}
    named = {"x": exact.values(*x), "filter": exact.finite(*filter_, seed=1)}
    exact.check(gpu, exact.Row("Dilation2D", named, attrs, 1e-6))
    whole = {"x": exact.values(*x, dtype="int32") // 2, "filter": exact.values(*filter_, dtype="int32", seed=1) // 2}
    exact.check(gpu, exact.Row("Dilation2D", whole, attrs))


def test_dilation_passes_over_what_is_no_number(gpu: Engine) -> None:
    lowest = np.finfo(np.float32).min
    # As TensorFlow's kernel gives it.
    for held, want in (
        ([np.nan, 1, 2, 3], 3),
        ([0, np.inf, np.nan, 1], np.inf),
        ([np.nan] * 4, lowest),
        ([-np.inf] * 4, lowest),
    ):
        named = {"x": np.array(held, np.float32).reshape(1, 2, 2, 1), "filter": np.zeros((2, 2, 1), np.float32)}
        assert exact.one(gpu, "Dilation2D", named, {"strides": 1, "pad": "valid"}).item() == want


@pytest.mark.parametrize("mode", ["floor", "round", "ceil"])
def test_rounding_modes(gpu: Engine, mode: str) -> None:
    attrs = {"filterSize": 3, "strides": [2, 3], "pad": 1, "dimRoundingMode": mode}
    check(gpu, Row("MaxPool", {"x": (1, 8, 9, 2)}, attrs))


@pytest.mark.parametrize("kernel", ["AvgPool", "MaxPool"])
def test_a_window_of_one_changes_nothing(gpu: Engine, kernel: str) -> None:
    x = values((1, 2, 2, 3), "float32", 0)
    result = run_kernel(kernel, {"x": gpu.tensor(x)}, {"filterSize": 1, "strides": 2, "pad": 1})
    np.testing.assert_array_equal(result_of(result), x)


def test_the_largest_int_is_exact(gpu: Engine) -> None:
    row = Row("MaxPool", {"x": (1, 9, 9, 3)}, {"filterSize": 2, "strides": 1, "pad": "same"}, dtype="int32")
    check(gpu, row)
    lowest = np.full((1, 3, 3, 1), -(2**31), np.int32)
    assert (compare(gpu, row, {"x": lowest}) == lowest).all()


def test_means_of_whole_numbers_are_floats(gpu: Engine) -> None:
    attrs = {"filterSize": 2, "strides": 1, "pad": "same"}
    for kernel, shape in (("AvgPool", (1, 5, 7, 3)), ("AvgPool3D", (1, 2, 5, 7, 3)), ("AvgPool", (0, 5, 7, 3))):
        whole = np.random.default_rng(0).integers(-99, 100, shape).astype(np.int32)
        exact.check(gpu, exact.Row(kernel, {"x": whole}, attrs, 1e-6))


@pytest.mark.parametrize("kernel", ["AvgPool", "MaxPool"])
def test_not_a_number_and_infinities(gpu: Engine, kernel: str) -> None:
    x = values((1, 9, 9, 3), "float32", 0)
    x[0, 4, 4, 1], x[0, 0, 0, 0], x[0, 8, 8, 2], x[0, 7:, :2, 0] = np.nan, np.inf, -np.inf, -np.inf
    row = Row(kernel, {}, {"filterSize": 2, "strides": 1, "pad": "valid"})
    got = compare(gpu, row, {"x": x})
    # A mean takes NaN on; a maximum passes over it, as the original's specs ask.
    assert np.isnan(got[0, 3:5, 3:5, 1]).all() == (kernel == "AvgPool")
    assert np.isnan(got).sum() == (4 if kernel == "AvgPool" else 0)
    assert got[0, 7, 0, 0] == -np.inf


def test_wrong_arguments(gpu: Engine) -> None:
    x = gpu.tensor(np.zeros((5, 5, 3), np.float32))
    with pytest.raises(InvalidArgumentError, match="rank"):
        run_kernel("MaxPool", {"x": x}, {"filterSize": 2, "strides": 1, "pad": "valid"})
    with pytest.raises(InvalidArgumentError, match="bool"):
        run_kernel(
            "MaxPool", {"x": gpu.tensor(np.zeros((1, 2, 2, 1), bool))}, {"filterSize": 2, "strides": 1, "pad": "valid"}
        )
    with pytest.raises(InvalidArgumentError, match="same depth"):
        filter_ = gpu.tensor(np.ones((2, 2, 2), np.float32))
        run_kernel("Dilation2D", {"x": x.view((1, 5, 5, 3)), "filter": filter_}, {"strides": 1, "pad": 0})
