"""Operands brought to one dtype, and casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import DType, check_dtype, dtype_of, upcast
from ...errors import InvalidArgumentError
from .registry import Array, reference

_WIDE: dict[DType, np.dtype[Any]] = {
    "float32": np.dtype(np.float64),
    "int32": np.dtype(np.int32),
    "bool": np.dtype(np.bool_),
    "complex64": np.dtype(np.complex128),
    "string": np.dtype(object),
}


def cast_to(x: Array, dtype: DType) -> Array:
    """``x`` in the width that the reference computes ``dtype`` in.

    Floats are cut towards zero to int32, NaN to 0, values out of range to the
    nearest int32; complex numbers lose their imaginary part, but to bool.

    >>> cast_to(np.array([-1.9, np.nan, 1e10]), "int32").tolist()
    [-1, 0, 2147483647]
    """
    wide = _WIDE[dtype]
    if x.dtype == wide:
        return x
    if "O" in (x.dtype.kind, wide.kind):
        raise InvalidArgumentError(f"Error in Cast: failed to cast {dtype_of(x)} to {dtype}")
    if dtype == "bool":
        return np.asarray(x != 0)
    if x.dtype.kind == "c":
        x = x.real
    if dtype == "int32" and x.dtype.kind == "f":
        return np.asarray(
            np.clip(np.nan_to_num(x, nan=0.0, posinf=2**31, neginf=-(2**31)), -(2**31), 2**31 - 1).astype(wide)
        )
    return x.astype(wide)


def together(*operands: Array) -> list[Array]:
    """The operands in the dtype that they all upcast to.

    >>> [x.dtype.name for x in together(np.array([True]), np.array([1.5]))]
    ['float64', 'float64']
    """
    dtype = dtype_of(operands[0])
    for operand in operands[1:]:
        dtype = upcast(dtype, dtype_of(operand))
    return [cast_to(operand, dtype) for operand in operands]


def numbers(*operands: Array) -> list[Array]:
    """`together`, with bool counting as int32.

    >>> numbers(np.array([True]))[0].dtype.name
    'int32'
    """
    alike = together(*operands)
    return [operand.astype(np.int32) for operand in alike] if alike[0].dtype == np.bool_ else alike


def floating(x: Array) -> Array:
    """``x`` as float64 unless it is complex.

    >>> floating(np.array([1], np.int32)).dtype.name
    'float64'
    """
    return x if x.dtype.kind in "fc" else cast_to(x, "float32")


@reference("Cast")
def cast(x: Array, *, dtype: str) -> Array:
    """``x`` as another dtype; see `cast_to`."""
    return cast_to(x, check_dtype(dtype))
