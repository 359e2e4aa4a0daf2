"""Runs a kernel on the device and on the float64 reference and compares the results element by element."""

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
Given = Array | Sequence[Array]


@dataclass(frozen=True)
class Row:
    """A kernel, its inputs and attributes; ``tolerance`` is relative and absolute, 0 for kernels that move values."""

    kernel: str
    inputs: Mapping[str, Given]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0

    def __str__(self) -> str:
        shapes = [_text(value) for value in self.inputs.values()]
        return " ".join([self.kernel, *shapes, *(f"{name}={value}" for name, value in self.attrs.items())])


def _text(value: Given) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}"
    return "+".join(map(_text, value))


def values(*shape: int, dtype: str = "float32", seed: int = 0) -> Array:
    """Reproducible values of a shape, with NaN and infinities among floats and the extremes among ints."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype == "string":
        return np.array([b"%d" % n for n in range(size)], object).reshape(shape)
    if dtype == "int32":
        whole = rng.integers(-(2**31), 2**31, shape, np.int64).astype(np.int32)
        whole.reshape(-1)[: min(2, size)] = [-(2**31), 2**31 - 1][: min(2, size)]
        return whole
    if dtype == "complex64":
        both: Array = (values(*shape, seed=seed) + 1j * rng.normal(size=shape)).astype(np.complex64)
        return both
    floats = rng.normal(size=shape).astype(np.float32)
    if size > 4:
        floats.reshape(-1)[rng.permutation(size)[:3]] = [np.nan, np.inf, -np.inf]
    return floats


def finite(*shape: int, seed: int = 0) -> Array:
    """Reproducible normal values of a shape."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(gpu: Engine, row: Row) -> None:
    """Raise AssertionError unless device and reference agree on values, shapes and dtypes."""
    wanted = evaluate(row.kernel, dict(row.inputs), dict(row.attrs))
    got = run(gpu, row.kernel, row.inputs, row.attrs)
    if isinstance(wanted, list):
        assert isinstance(got, list)
        assert len(got) == len(wanted)
        for one, want in zip(got, wanted, strict=True):
            compare(one, want, row.tolerance)
    else:
        assert isinstance(got, np.ndarray)
        compare(got, wanted, row.tolerance)


def run(gpu: Engine, kernel: str, inputs: Mapping[str, Given], attrs: Mapping[str, Any]) -> Array | list[Array]:
    """The kernel's result or results on the device, read back."""
    tensors = {name: _uploaded(gpu, value) for name, value in inputs.items()}
    result = run_kernel(kernel, tensors, attrs)
    return [tensor.numpy() for tensor in result] if isinstance(result, list) else result.numpy()


def one(gpu: Engine, kernel: str, inputs: Mapping[str, Given], attrs: Mapping[str, Any]) -> Array:
    """The kernel's only result."""
    got = run(gpu, kernel, inputs, attrs)
    assert isinstance(got, np.ndarray)
    return got


def _uploaded(gpu: Engine, value: Given) -> Tensor | list[Tensor]:
    return gpu.tensor(value) if isinstance(value, np.ndarray) else [gpu.tensor(item) for item in value]


def on_device(tensor: Tensor) -> Tensor:
    """``tensor`` as a kernel's result is: in a texture only, its values not known to the host."""
    tensor.flat()
    tensor._host = None
    return tensor


def compare(got: Array, want: Array, tolerance: float) -> None:
    """Raise AssertionError naming the worst element; NaN and infinities must be the same."""
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    assert got.dtype.kind == want.dtype.kind, f"dtype {got.dtype}, expected {want.dtype}"
    if not tolerance or not want.size:
        np.testing.assert_array_equal(got, want.astype(got.dtype))
        return
    special = ~np.isfinite(want)
    np.testing.assert_array_equal(got[special], want[special].astype(got.dtype))
    error = np.where(special, 0.0, np.abs(np.where(special, 0.0, got) - np.where(special, 0.0, want)))
    excess = error - tolerance * (1.0 + np.abs(np.where(special, 0.0, want)))
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    assert excess[worst] <= 0, f"at {worst}: {got[worst]!r}, expected {want[worst]!r}"
