"""Quantised weights: the affine uint8 and uint16 formulas, float16, both ways.

The formulas are those of the TensorFlow.js converter: ``stored = round((x - min) / scale)`` and
``x = stored * scale + min``, with ``min`` moved so that zero is represented exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np

from ..errors import InvalidArgumentError, ModelFormatError
from ..ir.attributes import expect
from ..ir.lazy_array import LazyArray, blocks_of

Array = np.ndarray[Any, Any]
QuantizedDType = Literal["uint8", "uint16", "float16"]

_STORED: dict[str, np.dtype[Any]] = {
    "uint8": np.dtype("<u1"),
    "uint16": np.dtype("<u2"),
    "float16": np.dtype("<f2"),
}
# Elements dequantised at once: bounds the 64-bit indices that NumPy makes from the stored integers.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Quantization:
    """How a weight is stored: its integer or half-float dtype, and ``x = stored * scale + min``.

    float16 uses neither ``scale`` nor ``minimum``.

    >>> Quantization("uint8", scale=0.5, minimum=-1.0).stored_dtype
    dtype('uint8')
    """

    dtype: QuantizedDType
    scale: float = 1.0
    minimum: float = 0.0

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the stored values, little endian as in the file."""
        return _STORED[self.dtype]

    def to_json(self, original_dtype: str = "float32") -> dict[str, Any]:
        """The ``quantization`` entry of a weights manifest.

        >>> Quantization("float16").to_json()
        {'dtype': 'float16', 'original_dtype': 'float32'}
        """
        if self.dtype == "float16":
            return {"dtype": self.dtype, "original_dtype": original_dtype}
        return {
            "dtype": self.dtype,
            "min": self.minimum,
            "scale": self.scale,
            "original_dtype": original_dtype,
        }


def parse_quantization(entry: object, dtype: str, where: str) -> Quantization:
    """The ``quantization`` entry of a weight whose own dtype is ``dtype``.

    Raises ModelFormatError for an unknown dtype, a missing, NaN or infinite ``min`` or ``scale``, and values
    that ``dtype`` cannot hold.

    >>> parse_quantization({"dtype": "uint8", "min": -1, "scale": 0.5}, "float32", "weight 'w'")
    Quantization(dtype='uint8', scale=0.5, minimum=-1.0)
    """
    fields = expect(entry, dict, where)
    stored = fields.get("dtype")
    if stored == "float16":
        if dtype != "float32":
            raise ModelFormatError(f"{where}: float16 storage serves weights of dtype float32, not {dtype}")
        return Quantization("float16")
    if stored not in ("uint8", "uint16"):
        raise ModelFormatError(f"{where}: expected dtype uint8, uint16 or float16, got {_shown(stored)}")
    if dtype not in ("float32", "int32"):
        raise ModelFormatError(f"{where}: {stored} storage serves weights of dtype float32 or int32, not {dtype}")
    scale = _finite(fields, "scale", where)
    minimum = _finite(fields, "min", where)
    low, high = _LIMITS[dtype]
    for value in (minimum, _STEPS[stored] * scale + minimum):
        if not low <= value < high:
            raise ModelFormatError(f"{where}: min and scale reach {value:.6g}, which {dtype} cannot hold")
    return Quantization(stored, scale, minimum)


_STEPS = {"uint8": 255, "uint16": 65535}
# What rounds into a dtype: a float32 maximum computed in float64 may lie a little above the largest float32.
_FLOAT32_LIMIT = float(np.finfo(np.float32).max) * (1 + 2.0**-26)
_LIMITS = {"float32": (-_FLOAT32_LIMIT, _FLOAT32_LIMIT), "int32": (-(2.0**31) - 0.5, 2.0**31 - 0.5)}


def _finite(fields: Mapping[str, Any], key: str, where: str) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelFormatError(f"{where}: {key!r} must be a number, got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ModelFormatError(f"{where}: {key!r} must be finite, got {number}; convert the model again")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dequantize(stored: Array, quantization: Quantization, dtype: str = "float32") -> Array:
    """The values that ``stored`` stands for, same shape, in ``dtype`` (float32 or int32).

    ``stored * scale + min`` is computed in float64 and rounded once; int32 rounds halves up, as
    TensorFlow.js (``Math.round``) does.

    >>> dequantize(np.array([0, 2, 255], np.uint8), Quantization("uint8", 0.5, -1.0))
    array([ -1. ,   0. , 126.5], dtype=float32)
    """
    result: Array
    if quantization.dtype == "float16":
        return stored.astype(np.float32)
    values = np.arange(_STEPS[quantization.dtype] + 1, dtype=np.float64) * quantization.scale
    values += quantization.minimum
    table = np.floor(values + 0.5).astype(np.int32) if dtype == "int32" else values.astype(np.float32)
    result = np.empty(stored.shape, table.dtype)
    source, target = stored.reshape(-1), result.reshape(-1)
    for start in range(0, source.size, _CHUNK):
        np.take(table, source[start : start + _CHUNK], out=target[start : start + _CHUNK], mode="clip")
    return result


def quantize(values: Array, dtype: QuantizedDType) -> tuple[Array, Quantization]:
    """``values`` (float32) as uint8, uint16 or float16, and how to read them back.

    A range that contains zero is moved so that zero is exact. Raises InvalidArgumentError for another
    dtype and for NaN or infinite values, which have no affine range.

    >>> stored, how = quantize(np.array([0.0, 1.0, 2.55], np.float32), "uint8")
    >>> stored, round(how.scale, 6), how.minimum
    (array([  0, 100, 255], dtype=uint8), 0.01, 0.0)
    """
    how = quantization_of(values, dtype)
    return quantized(values, how), how


def quantization_of(values: Array | LazyArray, dtype: QuantizedDType) -> Quantization:
    """How ``values`` (float32) are stored as ``dtype``; of values in a file only a block is in memory at a time.

    Raises as `quantize` does.

    >>> quantization_of(np.array([-1.0, 1.0], np.float32), "float16")
    Quantization(dtype='float16', scale=1.0, minimum=0.0)
    """
    if dtype not in _STORED:
        raise InvalidArgumentError(f"cannot quantise to {dtype!r}; expected one of {', '.join(_STORED)}")
    if values.dtype != np.float32:
        raise InvalidArgumentError(f"only float32 weights are quantised, got {values.dtype}")
    if dtype == "float16" or values.size == 0:
        return Quantization(dtype)
    # NaN in a block stays NaN here, which Python's own min and max would lose.
    ends = np.array([(block.min(), block.max()) for block in blocks_of(values)], np.float64)
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidArgumentError(
            f"cannot quantise to {dtype}: the values hold NaN or infinities; leave this weight unquantised"
        )
    if low == high:
        return Quantization(dtype, 1.0, low)
    scale = (high - low) / _STEPS[dtype]
    if low <= 0 <= high:
        # Python rounds halves to even, as the converter's numpy.round does.
        low = -round(-low / scale) * scale
    return Quantization(dtype, scale, low)


def quantized(values: Array, how: Quantization) -> Array:
    """``values`` (finite, float32 or int32) in the dtype that ``how`` stores.

    >>> quantized(np.array([-1, 126.5], np.float32), Quantization("uint8", 0.5, -1.0))
    array([  0, 255], dtype=uint8)
    """
    if how.dtype == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16)
    high = _STEPS[how.dtype] * how.scale + how.minimum
    steps = np.clip(values.astype(np.float64), how.minimum, high) - how.minimum
    return np.round(steps / how.scale).astype(how.stored_dtype)


def stores_exactly(values: Array | LazyArray, how: Quantization) -> bool:
    """Whether ``values`` are what dequantising gave, so that storing them again loses nothing.

    >>> how = Quantization("uint8", 0.5, -1.0)
    >>> stores_exactly(np.array([-1, 126.5], np.float32), how), stores_exactly(np.array([0.1], np.float32), how)
    (True, False)
    """
    if how.scale == 0.0:
        return False
    dtype = "int32" if values.dtype == np.int32 else "float32"
    for block in blocks_of(values):
        if how.dtype != "float16" and not np.all(np.isfinite(block)):
            return False
        again = dequantize(quantized(block, how), how, dtype)
        if not np.array_equal(again, block, equal_nan=dtype == "float32"):
            return False
    return True


def quantization_by_name(
    names: Sequence[str], patterns: Mapping[QuantizedDType, bool | Sequence[str]]
) -> dict[str, QuantizedDType]:
    """The dtype that each weight is stored in, for the names that are quantised at all.

    ``patterns`` maps a dtype to wildcards over names (``fnmatch``), or to True: everything unmatched.
    Raises InvalidArgumentError when two dtypes want the same name.

    >>> quantization_by_name(["a/kernel", "a/bias"], {"uint8": ["*/kernel"], "float16": True})
    {'a/kernel': 'uint8', 'a/bias': 'float16'}
    """
    chosen: dict[str, QuantizedDType] = {}
    rest: QuantizedDType | None = None
    for dtype, wanted in patterns.items():
        if dtype not in _STORED:
            raise InvalidArgumentError(f"cannot quantise to {dtype!r}; expected one of {', '.join(_STORED)}")
        if wanted is True:
            if rest is not None:
                raise InvalidArgumentError(f"both {rest} and {dtype} are asked for all weights; choose one")
            rest = dtype
            continue
        for pattern in wanted or ():
            for name in names:
                if not fnmatchcase(name, pattern):
                    continue
                if chosen.setdefault(name, dtype) != dtype:
                    raise InvalidArgumentError(
                        f"weight {name!r} matches patterns of both {chosen[name]} and {dtype}; narrow one of them"
                    )
    if rest is None:
        return {name: chosen[name] for name in names if name in chosen}
    return {name: chosen.get(name, rest) for name in names}
