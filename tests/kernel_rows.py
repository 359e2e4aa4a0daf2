"""Running a kernel and its float64 reference on the same values, and comparing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgl.engine import Engine
from tfgl.ir.reference import evaluate
from tfgl.registry import run_kernel

Values = Mapping[str, "np.ndarray | Sequence[np.ndarray]"]

# Units in the last place that a float32 result may be off by; 2 where nothing is said.
ULP = {
    "Add": 0.5,
    "Sub": 0.5,
    "Multiply": 0.5,
    "Abs": 0,
    "Neg": 0,
    "Relu": 0,
    "Relu6": 0,
    "Ceil": 0,
    "Floor": 0,
    "Round": 0,
    "Maximum": 0,
    "Minimum": 0,
    "Square": 0.5,
    "Sqrt": 3,
    "Rsqrt": 3,
    "RealDiv": 3,
    "Reciprocal": 3,
    "Pow": 4,
    "Sin": 3,
    "Cos": 3,
    "Tan": 3,
}
_SMALLEST = float(np.finfo(np.float32).tiny)


def wide(values: Any) -> Any:
    """Float32 values, in lists too, as float64."""
    if isinstance(values, (list, tuple)):
        return [wide(item) for item in values]
    kinds = {"f": np.float64, "c": np.complex128}
    return values.astype(kinds.get(values.dtype.kind, values.dtype))


def run(gpu: Engine, kernel: str, inputs: Values, attrs: Mapping[str, Any] | None = None) -> Any:
    """What the kernel gives, as arrays."""
    tensors = {
        name: [gpu.tensor(item) for item in value] if isinstance(value, (list, tuple)) else gpu.tensor(value)
        for name, value in inputs.items()
    }
    result = run_kernel(kernel, tensors, attrs)
    return [item.numpy() for item in result] if isinstance(result, list) else result.numpy()


def check(
    gpu: Engine,
    kernel: str,
    inputs: Values,
    attrs: Mapping[str, Any] | None = None,
    *,
    ulp: float | None = None,
    absolute: float = 0.0,
) -> Any:
    """The kernel's result, after a comparison with the reference."""
    got = run(gpu, kernel, inputs, attrs)
    with np.errstate(all="ignore"):
        want = evaluate(kernel, wide_inputs(inputs), dict(attrs or {}))
    pairs = zip(got, want, strict=True) if isinstance(want, list) else [(got, want)]
    for one, other in pairs:
        compare(one, other, ULP.get(kernel, 2) if ulp is None else ulp, absolute)
    return got


def wide_inputs(inputs: Values) -> dict[str, Any]:
    """The inputs as the reference takes them."""
    return {name: wide(value) for name, value in inputs.items()}


def compare(got: np.ndarray, want: np.ndarray, ulp: float = 2, absolute: float = 0.0) -> None:
    """Shapes, dtypes and values; a failure names the worst element."""
    want = np.asarray(want)
    assert got.shape == want.shape
    kinds = {"f": np.float32, "c": np.complex64, "i": np.int32, "b": np.bool_}
    assert got.dtype == kinds[want.dtype.kind], f"{got.dtype}, expected {want.dtype}"
    if not got.size:
        return
    if got.dtype.kind == "c":
        compare(got.real, want.real, ulp, absolute)
        compare(got.imag, want.imag, ulp, absolute)
        return
    if got.dtype.kind != "f":
        wrong = np.argwhere(got != want)
        assert not len(wrong), (
            f"at {tuple(wrong[0])}: {got[tuple(wrong[0])]}, expected {want[tuple(wrong[0])]}"
        )
        return
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
        step = np.spacing(np.maximum(np.abs(rounded), np.float32(_SMALLEST))).astype(np.float64)
        error = np.abs(got.astype(np.float64) - want)
        # What GLSL may flush to zero, and what rounds to infinity, is right in either form.
        fine = (error <= ulp * step + absolute) | (got == rounded) | (np.isnan(got) & np.isnan(want))
        fine |= (np.abs(want) < _SMALLEST) & (np.abs(got) <= _SMALLEST)
        fine |= np.isinf(got) & (np.sign(got) == np.sign(want)) & (np.abs(want) >= 3.402823e38)
    error = np.where(fine, 0, np.where(np.isnan(error), np.inf, error / step))
    worst = np.unravel_index(np.argmax(error), error.shape)
    assert fine.all(), f"at {worst}: {got[worst]!r}, expected {want[worst]!r}, {error[worst]:.1f} ulp off"


SPECIAL = np.array([0.0, -0.0, 1, -1, 0.5, -2.5, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32)
EXTREMES = np.array([0, 1, -1, 2, 3, -7, 46341, 2**24 + 1, 2**31 - 1, -(2**31), -(2**31) + 1], np.int32)

# Ranks 0 to 6, odd extents, multiples of 4, nothing at all.
SHAPES: list[tuple[int, ...]] = [
    (),
    (1,),
    (5,),
    (8,),
    (3, 7),
    (2, 4, 12),
    (2, 3, 1, 5),
    (1, 3, 2, 2, 3),
    (2, 1, 3, 2, 1, 5),
    (0,),
    (3, 0, 2),
]
