"""Cumsum, Cumprod and TopK against the float64 reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kernel_rows import EXTREMES, check, run
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError

LINES: list[tuple[tuple[int, ...], int]] = [
    ((), 0),
    ((5,), 0),
    ((3, 4), 0),
    ((3, 7), -1),
    ((2, 65, 3), 1),
    ((2, 3, 4, 5, 2, 3), 3),
    ((1000,), 0),
    ((3, 1025), 1),
    ((1025, 4), 0),
    ((40000,), 0),
    ((0, 3), 1),
    ((3, 0), 1),
]


@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.parametrize("kernel", ["Cumsum", "Cumprod"])
def test_scans(gpu: Engine, kernel: str, line: tuple[tuple[int, ...], int]) -> None:
    shape, axis = line
    random = np.random.default_rng(0)
    # Positive, and products that stay near 1: rounding errors compare with the result.
    positive = random.random(shape) if kernel == "Cumsum" else 1 + random.normal(size=shape) / 1000
    whole = random.integers(-(2**31), 2**31 - 1, shape, np.int32)
    for exclusive, reverse in itertools.product([False, True], repeat=2):
        attrs = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
        ulp = 16 if kernel == "Cumsum" else 4 + 3 * max(shape, default=1) ** 0.5
        check(gpu, kernel, {"x": np.asarray(positive, np.float32)}, attrs, ulp=ulp)
        check(gpu, kernel, {"x": np.asarray(whole)}, attrs)
        check(gpu, kernel, {"x": np.asarray(positive > 0.5)}, attrs)


@pytest.mark.parametrize("kernel", ["Cumsum", "Cumprod"])
def test_scans_of_infinities(gpu: Engine, kernel: str) -> None:
    x = np.ones((3, 100), np.float32)
    x[0, 50], x[1, 70], x[2, 3], x[2, 90] = np.nan, np.inf, np.inf, -np.inf
    for exclusive, reverse in itertools.product([False, True], repeat=2):
        check(gpu, kernel, {"x": x}, {"axis": 1, "exclusive": exclusive, "reverse": reverse})


def test_complex_cumsum(gpu: Engine) -> None:
    x = (np.arange(6) + 2j * np.arange(6)[::-1]).astype(np.complex64)
    check(gpu, "Cumsum", {"x": x}, {"axis": 0})


def test_wrong_axis(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="axis"):
        run(gpu, "Cumsum", {"x": np.ones(3, np.float32)}, {"axis": 1})


ROWS: list[tuple[tuple[int, ...], int]] = [
    ((5,), 5),
    ((5,), 0),
    ((3, 7), 1),
    ((2, 1, 3, 2, 2, 9), 4),
    ((2, 3, 256), 10),
    ((3, 257), 257),
    ((2, 1000), 5),
    ((1, 2049), 2049),
    ((4, 5000), 100),
    ((1, 100000), 3),
    ((0, 4), 2),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_top_k(gpu: Engine, dtype: str, row: tuple[tuple[int, ...], int]) -> None:
    shape, k = row
    random = np.random.default_rng(k)
    if dtype == "float32":
        check(
            gpu, "TopK", {"x": random.normal(size=shape).astype(np.float32)}, {"k": k, "sorted": True}, ulp=0
        )
    else:
        whole = random.integers(-(2**31), 2**31 - 1, shape, np.int32)
        check(gpu, "TopK", {"x": whole}, {"k": k, "sorted": True})
    # Few distinct values: of equals the lower index comes first.
    few = np.rint(random.normal(size=shape) * 3).astype(dtype)
    check(gpu, "TopK", {"x": few}, {"k": k, "sorted": False}, ulp=0)


def test_top_k_of_special_values(gpu: Engine) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, np.nan, 3e38, -3e38], np.float32)
    check(gpu, "TopK", {"x": x}, {"k": 10, "sorted": True}, ulp=0)
    check(gpu, "TopK", {"x": EXTREMES}, {"k": len(EXTREMES), "sorted": True})
    long = np.resize(x, 3000)
    check(gpu, "TopK", {"x": long}, {"k": 3000, "sorted": True}, ulp=0)


def test_top_k_errors(gpu: Engine) -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(InvalidArgumentError, match="must be <= the last dimension"):
        run(gpu, "TopK", {"x": x}, {"k": 4, "sorted": True})
    with pytest.raises(InvalidArgumentError, match="rank 1"):
        run(gpu, "TopK", {"x": np.float32(1)}, {"k": 1, "sorted": True})
