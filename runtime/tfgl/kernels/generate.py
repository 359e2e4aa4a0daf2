"""Tensors from numbers: constants and sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import DType, check_dtype
from ..engine import current
from ..errors import InvalidArgumentError
from ..ir.shapes import range_length
from ..registry import kernel
from ..tensor import Tensor


@kernel("Fill")
def fill(*, shape: Sequence[int], value: float | complex | bool | str | bytes, dtype: str | None = None) -> Tensor:
    """``value`` everywhere; its own dtype (numbers: float32) unless ``dtype`` says another."""
    extents = tuple(int(n) for n in shape)
    if any(n < 0 for n in extents):
        raise InvalidArgumentError(f"Fill: shape must not be negative, got {list(shape)}")
    known = _dtype_of(value) if dtype is None else check_dtype(dtype)
    engine = current()
    if isinstance(value, (str, bytes)):
        if known != "string":
            raise InvalidArgumentError(f"Fill: a string does not fill a {known} tensor")
        return engine.tensor(np.full(extents, value.encode() if isinstance(value, str) else value, object))
    if known == "string":
        raise InvalidArgumentError(f"Fill: a string tensor takes a string, got {value!r}")
    if known == "complex64":
        parts = [_filled(extents, part, "float32") for part in (complex(value).real, complex(value).imag)]
        return Tensor(engine, extents, "complex64").adopt_parts(parts[0], parts[1])
    return _filled(extents, value, known)


def _dtype_of(value: float | complex | bool | str | bytes) -> DType:
    if isinstance(value, (str, bytes)):
        return "string"
    return "bool" if isinstance(value, (bool, np.bool_)) else "complex64" if isinstance(value, complex) else "float32"


def _filled(shape: tuple[int, ...], value: float | complex, dtype: DType) -> Tensor:
    number = float(value.real) if dtype == "float32" else whole_number(value.real, dtype)
    return current().emit("fill", {}, shape, dtype, {"fill_value": number})


def whole_number(number: float, dtype: DType) -> int:
    """``number`` as Cast makes it an integer: cut towards zero, kept inside int32, NaN to 0."""
    if dtype == "bool":
        return int(bool(number))
    if number != number:
        return 0
    return int(min(max(number, -(2**31)), 2**31 - 1))


@kernel("Range")
def range_(*, start: float, stop: float, step: float = 1, dtype: str = "float32") -> Tensor:
    """start, start + step, ... before ``stop``, float32 or int32."""
    known = check_dtype(dtype)
    if known not in ("float32", "int32"):
        raise InvalidArgumentError(f"Range makes float32 or int32 numbers, not {dtype}")
    count, step = range_length(start, stop, step)
    exact = known == "int32" and float(start).is_integer() and float(step).is_integer()
    return _sequence(count, count, start, step, 0, known, exact)


@kernel("LinSpace")
def lin_space(*, start: float, stop: float, num: int) -> Tensor:
    """``num`` floats at equal distances from ``start`` to ``stop``, both included."""
    if num <= 0:
        raise InvalidArgumentError("The number of values should be positive.")
    step = (stop - start) / (num - 1) if num > 1 else 0.0
    # From the nearer end: the last value is exact, and rounding does not grow over the whole length.
    return _sequence(int(num), (int(num) + 1) // 2, start, step, stop, "float32", False)


def _sequence(count: int, near: int, first: float, step: float, last: float, dtype: DType, exact: bool) -> Tensor:
    number = (lambda value: whole_number(value, "int32")) if exact else float
    parameters: dict[str, ParameterValue] = {
        "near_count": near,
        "last_index": count - 1,
        "first_value": number(first),
        "step_value": number(step),
        "last_value": number(last),
    }
    return current().emit("sequence", {}, (count,), dtype, parameters, {"NUMBER": "int" if exact else "float"})
