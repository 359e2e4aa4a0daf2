"""Runs a kernel on the device and on the float64 reference, and compares the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfgl.engine import Engine
from tfgl.ir.reference import evaluate
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

Array = np.ndarray[Any, Any]

# Of the sum of the terms' magnitudes, which is what rounding errors grow with.
TOLERANCE = {"float32": 2e-6, "int32": 0.0}


@dataclass(frozen=True)
class Row:
    """A kernel, the shapes of its inputs, its attributes."""

    kernel: str
    shapes: Mapping[str, Sequence[int]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    weights: tuple[str, ...] = ()

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, shape)) or "scalar" for shape in self.shapes.values())
        return f"{self.kernel} {shapes} {' '.join(str(value) for value in self.attrs.values())} {self.dtype}"


def values(shape: Sequence[int], dtype: str, seed: int) -> Array:
    """Reproducible values of a shape: normal ones, or ints over the whole range."""
    rng = np.random.default_rng(seed)
    if dtype == "int32":
        return rng.integers(-(2**31), 2**31, size=tuple(shape), dtype=np.int64).astype(np.int32)
    return rng.normal(size=tuple(shape)).astype(np.float32)


def check(gpu: Engine, row: Row) -> None:
    """Raise AssertionError unless device and reference agree on random inputs."""
    arrays = {name: values(shape, row.dtype, seed) for seed, (name, shape) in enumerate(row.shapes.items())}
    compare(gpu, row, arrays)


def compare(gpu: Engine, row: Row, arrays: Mapping[str, Array]) -> Array:
    """The device's result on ``arrays``, after comparing it with the reference's."""
    tensors = {name: gpu.tensor(array) for name, array in arrays.items()}
    for name in row.weights:
        tensors[name].persistent = True
    got = result_of(run_kernel(row.kernel, tensors, row.attrs))
    want = evaluate(row.kernel, dict(arrays), dict(row.attrs))
    assert isinstance(want, np.ndarray)
    magnitude = evaluate(row.kernel, {name: np.abs(array) for name, array in arrays.items()}, _plain(row.attrs))
    assert_close(got, want, TOLERANCE[row.dtype], np.maximum(np.abs(np.asarray(magnitude)), np.abs(want)))
    return got


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "linear" if name == "activation" else value for name, value in attrs.items()}


def result_of(result: object) -> Array:
    """Values of a kernel's only result, whose tensor is disposed."""
    assert isinstance(result, Tensor)
    got: Array = result.numpy()
    result.dispose()
    return got


def assert_close(got: Array, want: Array, tolerance: float, magnitude: Array) -> None:
    """Raise AssertionError naming the worst element; NaN and infinities must be the same."""
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    if not want.size:
        return
    special = ~np.isfinite(want.astype(np.float64))
    np.testing.assert_array_equal(got[special], want[special].astype(got.dtype))
    with np.errstate(invalid="ignore"):
        error = np.where(special, 0.0, np.abs(got.astype(np.float64) - want))
    allowed = tolerance * np.where(special, 1.0, magnitude) + (1e-30 if tolerance else 0.0)
    worst = np.unravel_index(int(np.argmax(error - allowed)), error.shape)
    assert error[worst] <= allowed[worst], f"at {worst}: {got[worst]!r}, expected {want[worst]!r}"
