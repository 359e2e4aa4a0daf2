"""AttrValue and TensorProto messages -> the attribute values and arrays of ``tfgl.ir.graph``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.attributes import decode_dtype
from tfgl.ir.graph import AttrValue, DataType, FunctionName, Shape
from tfgl.ir.lazy_array import Array, LazyArray, block_axis

from .message_file import MessageFile, read_bytes

_MAX_ELEMENTS = 1 << 31
# A shape costs the file nothing: what one listed value may be spread over ends here.
_MAX_FILLED = {"string": 1 << 20}
_MAX_FILLED_NUMBERS = 1 << 28
_MAX_RANK = 32

# Which repeated field holds the values of a dtype when `tensor_content` does not, and how they are stored.
_FIELDS: dict[str, str] = {
    "float32": "float_val",
    "float64": "double_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "string": "string_val",
    **dict.fromkeys(
        ("int32", "int16", "int8", "uint8", "uint16", "qint8", "quint8", "qint16", "quint16", "qint32"), "int_val"
    ),
}
_FLOAT8 = {"float8_e5m2": ml_dtypes.float8_e5m2, "float8_e4m3fn": ml_dtypes.float8_e4m3fn}
_SMALL_FLOATS: dict[str, Any] = {"bfloat16": ml_dtypes.bfloat16, **_FLOAT8}


def stored_dtype(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype in which a file holds values of a TensorFlow dtype (not for strings).

    >>> stored_dtype("quint8")
    dtype('uint8')
    """
    stored: np.dtype[Any] = np.dtype(_SMALL_FLOATS.get(dtype, dtype.removeprefix("q")))
    return stored


def attr_value(message: Any, file: MessageFile | None, place: str) -> AttrValue:
    """The Python value of an AttrValue; ModelFormatError when it is malformed."""
    kind = message.WhichOneof("value")
    if kind is None:
        return []
    if kind == "list":
        for field, values in message.list.ListFields():
            return [_single(field.name, value, file, f"{place}[{i}]") for i, value in enumerate(values)]
        return []
    return _single(kind, getattr(message, kind), file, place)


def _single(kind: str, value: Any, file: MessageFile | None, place: str) -> AttrValue:
    if kind == "type":
        return dtype_value(value, place)
    if kind == "shape":
        return shape_value(value, place)
    if kind == "tensor":
        return np.asarray(tensor_value(value, file, place))
    if kind == "func":
        return FunctionName(value.name)
    if kind == "placeholder":
        return str(value).encode()
    result: AttrValue = value
    return result


def dtype_value(number: int, place: str) -> DataType:
    """The dtype of an enum number; references count as what they refer to."""
    return decode_dtype(number, place)


def shape_value(message: Any, place: str) -> Shape | None:
    """A tuple with -1 for unknown dimensions, None for an unknown rank."""
    if message.unknown_rank:
        return None
    if len(message.dim) > 254:
        raise ModelFormatError(f"{place}: a shape of {len(message.dim)} dimensions")
    return tuple(max(int(dim.size), -1) for dim in message.dim)


def tensor_value(message: Any, file: MessageFile | None, place: str) -> Array | LazyArray:
    """The array of a TensorProto in its own dtype; bfloat16 and float8 as float32, strings as objects.

    The last of the listed values fills what the shape has beyond them; none at all means zeros. Values that
    were left in ``file`` come back as a LazyArray.
    """
    dtype = dtype_value(message.dtype, place)
    shape = shape_value(message.tensor_shape, place)
    if dtype not in _FIELDS and dtype not in _FLOAT8:
        raise ModelFormatError(f"{place}: a tensor of dtype {dtype} has no values that can be read")
    if shape is None or -1 in shape:
        raise ModelFormatError(f"{place}: a constant needs a known shape, got {shape}")
    count = math.prod(shape)
    if len(shape) > _MAX_RANK or count > _MAX_ELEMENTS or max(shape, default=0) > _MAX_ELEMENTS:
        raise ModelFormatError(f"{place}: a constant of shape {shape} is too large")
    if message.tensor_content:
        return _from_content(message.tensor_content, file, dtype, shape, place)
    if dtype in _FLOAT8:
        return _from_content(message.float8_val, None, dtype, shape, place)
    values = _listed(getattr(message, _FIELDS[dtype]), dtype, place)
    if values.size > count:
        raise ModelFormatError(f"{place}: {values.size} values for a tensor of shape {shape}")
    if values.size == count:
        return values.reshape(shape)
    if count > _MAX_FILLED.get(dtype, _MAX_FILLED_NUMBERS):
        raise ModelFormatError(f"{place}: {values.size} values are too few for a constant of shape {shape}")
    if values.size < 2:
        # A splat stays one element in memory.
        empty = np.array(b"", dtype=object) if dtype == "string" else np.zeros((), values.dtype)
        return np.broadcast_to(values.reshape(()) if values.size else empty, shape)
    return np.concatenate([values, np.repeat(values[-1:], count - values.size)]).reshape(shape)


def _from_content(
    content: bytes, file: MessageFile | None, dtype: str, shape: Shape, place: str
) -> Array | LazyArray:
    if dtype == "string":
        raise ModelFormatError(f"{place}: strings are expected in string_val, not in tensor_content")
    stored = stored_dtype(dtype).newbyteorder("<")
    where = file.place(content) if file is not None else None
    length = where[1] if where is not None else len(content)
    if length != stored.itemsize * math.prod(shape):
        raise ModelFormatError(
            f"{place}: {dtype} of shape {shape} needs {stored.itemsize * math.prod(shape)} bytes, got {length}"
        )
    if file is None or where is None:
        return _decoded(np.frombuffer(content, np.uint8), stored, dtype, shape)
    path, offset = file.path, where[0]
    seen = np.dtype(np.float32) if dtype in _SMALL_FLOATS else stored.newbyteorder("=")
    axis = block_axis(shape)
    row_bytes = stored.itemsize * math.prod(shape[axis + 1 :])

    def blocks(rows: int) -> Iterator[Array]:
        for start in range(0, length, rows * row_bytes):
            data = read_bytes(path, offset + start, min(rows * row_bytes, length - start))
            yield _decoded(data, stored, dtype, (*shape[:axis], -1, *shape[axis + 1 :]))

    return LazyArray(
        shape, seen, lambda: _decoded(read_bytes(path, offset, length), stored, dtype, shape), place,
        blocks if length else None,
    )  # fmt: skip


def _decoded(data: Array, stored: np.dtype[Any], dtype: str, shape: Shape) -> Array:
    if dtype == "bool":
        truth: Array = (data != 0).reshape(shape)
        return truth
    values: Array = data.view(stored).reshape(shape)
    return values.astype(np.float32) if dtype in _SMALL_FLOATS else values.astype(stored.newbyteorder("="), copy=False)


def _listed(items: Any, dtype: str, place: str) -> Array:
    if dtype == "string":
        strings = np.empty(len(items), dtype=object)
        strings[:] = list(items)
        return strings
    if dtype in ("complex64", "complex128"):
        parts = np.array(items, np.float32 if dtype == "complex64" else np.float64)
        if parts.size % 2:
            raise ModelFormatError(f"{place}: complex values come in pairs, got {parts.size} numbers")
        return parts.view(dtype)
    if dtype in ("float16", "bfloat16"):
        # The field holds the bits of each value as a number.
        values = np.array(items, np.int64).astype(np.uint16).view(stored_dtype(dtype))
        return values.astype(np.float32) if dtype == "bfloat16" else values
    array = np.array(items, {"bool": np.bool_, "float32": np.float32, "float64": np.float64}.get(dtype))
    return array.astype(stored_dtype(dtype))
