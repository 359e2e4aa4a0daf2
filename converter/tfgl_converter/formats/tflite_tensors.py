"""Tensors of a TensorFlow Lite file: shape, dtype and quantisation, and the values of constant ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import Array, LazyArray

from .tflite_file import TFLiteFile, text_of
from .tflite_sparsity import densified

# TensorType of the schema by number: its TensorFlow name, and how the file stores values.
TENSOR_TYPES: tuple[tuple[str, Any], ...] = (
    ("float32", "<f4"), ("float16", "<f2"), ("int32", "<i4"), ("uint8", "u1"), ("int64", "<i8"), ("string", None),
    ("bool", "u1"), ("int16", "<i2"), ("complex64", "<c8"), ("int8", "i1"), ("float64", "<f8"), ("complex128", "<c16"),
    ("uint64", "<u8"), ("resource", None), ("variant", None), ("uint32", "<u4"), ("uint16", "<u2"), ("int4", "i1"),
    ("bfloat16", ml_dtypes.bfloat16),
)  # fmt: skip
_STORED: dict[str, np.dtype[Any]] = {name: np.dtype(stored) for name, stored in TENSOR_TYPES if stored is not None}
_FLOATS = ("float16", "bfloat16", "float64")
# Types whose values are numbers of a scale where the file gives them one.
_QUANTISED = ("int4", "int8", "uint8", "int16", "uint16")
_MAX_RANK = 32
_MAX_ELEMENTS = 1 << 31
# Values of up to this many elements are read at once: operators and passes look at them.
_SMALL_ELEMENTS = 1 << 12
# A sparse tensor may be so many times larger than the bytes of its file.
_SPREAD = 256
_SPREAD_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Quantization:
    """real = (stored - zero_point) * scale, one pair for all values or one for each index along ``axis``."""

    scale: Array
    zero_point: Array
    axis: int

    def real(self, stored: Array) -> Array:
        """The float32 values of stored ones; computed in float32, as TensorFlow Lite does."""
        scale, zero = self.scale, self.zero_point
        if scale.size > 1:
            along = [1] * stored.ndim
            along[self.axis] = scale.size
            scale, zero = scale.reshape(along), zero.reshape(along)
        result: Array = (stored.astype(np.float32) - zero.astype(np.float32)) * scale
        return result


@dataclass(frozen=True)
class TensorSpec:
    """What the file says of one tensor. ``shape`` has -1 for unknown sizes and is None where the rank is unknown.

    ``type`` is the TensorFlow name of the stored type, ``place`` says where the tensor is, for messages.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...] | None
    buffer: int
    quantization: Quantization | None
    is_variable: bool
    sparsity: Any
    place: str

    @property
    def is_quantised(self) -> bool:
        """Whether the graph holds this tensor as float32 although the file does not."""
        return self.quantization is not None and self.type in _QUANTISED

    @property
    def dtype(self) -> str:
        """The tensor's dtype in the graph: narrow and wide floats are float32, and so are quantised values."""
        if self.is_quantised or self.type in _FLOATS:
            return "float32"
        return {"int4": "int8", "complex128": "complex64"}.get(self.type, self.type)


def read_tensor(file: TFLiteFile, tensor: Any, index: int, ranks_stated: bool, where: str) -> TensorSpec:
    """The description of a schema Tensor; ModelFormatError for one that cannot be.

    ``ranks_stated``: whether the file marks tensors of known rank (it is old if it marks none).
    """
    name = text_of(tensor.Name(), f"{where}, the name of tensor {index}")
    place = f"{where}, tensor {index} {name!r}"
    number = tensor.Type()
    if not 0 <= number < len(TENSOR_TYPES):
        raise ModelFormatError(f"{place} is of type {number}, which this version does not know")
    stated = tensor.ShapeSignatureAsNumpy() if tensor.ShapeSignatureLength() else tensor.ShapeAsNumpy()
    sizes = tuple(int(size) for size in stated) if isinstance(stated, np.ndarray) else ()
    if len(sizes) > _MAX_RANK or any(size < -1 for size in sizes):
        raise ModelFormatError(f"{place} has shape {list(sizes[:_MAX_RANK])}; sizes are numbers from 0 on")
    known = bool(sizes) or tensor.HasRank() or not ranks_stated
    type_name = TENSOR_TYPES[number][0]
    return TensorSpec(
        index, name, type_name, sizes if known else None, tensor.Buffer(),
        _quantization(tensor.Quantization(), sizes, place), bool(tensor.IsVariable()), tensor.Sparsity(), place,
    )  # fmt: skip


def _quantization(stated: Any, shape: tuple[int, ...], place: str) -> Quantization | None:
    if stated is None or not stated.ScaleLength():
        return None
    scale = stated.ScaleAsNumpy().astype(np.float32)
    zero = stated.ZeroPointAsNumpy() if stated.ZeroPointLength() else np.zeros(1, np.int64)
    axis = stated.QuantizedDimension()
    if zero.size == 1 and scale.size > 1:
        zero = np.repeat(zero, scale.size)
    if zero.size != scale.size or not np.isfinite(scale).all():
        raise ModelFormatError(f"{place}: {scale.size} scales and {zero.size} zero points do not make a quantisation")
    if scale.size > 1 and (not 0 <= axis < len(shape) or shape[axis] != scale.size):
        raise ModelFormatError(f"{place}: {scale.size} scales do not fit axis {axis} of shape {list(shape)}")
    return Quantization(scale, zero, axis)


def constant_of(file: TFLiteFile, spec: TensorSpec, *, real: bool) -> Array | LazyArray | None:
    """The values of a constant, None for a tensor without any; large ones stay in the file.

    ``real``: as the real numbers that a quantisation means, as float32; otherwise as they are stored. Floats are
    float32 in either case, sparse tensors dense. Raises ModelFormatError where the buffer does not hold what the
    shape says.
    """
    position, size = file.buffer(spec.buffer, spec.place)
    if spec.shape is None or -1 in spec.shape or spec.type in ("resource", "variant"):
        return None
    count = math.prod(spec.shape)
    if not size and count:
        return None
    if count > min(_MAX_ELEMENTS, max(_SPREAD_ELEMENTS, _SPREAD * file.size)):
        raise ModelFormatError(f"{spec.place}: {count} elements are more than a file of {file.size} bytes can hold")
    if spec.type == "string":
        return _strings(file, position, size, spec)
    stored = _STORED[spec.type]
    if spec.sparsity is not None:
        read = densified(file, spec.sparsity, spec.shape, (position, size), stored, spec.place)
    else:
        expected = (count + 1) // 2 if spec.type == "int4" else count * stored.itemsize
        if size != expected:
            raise ModelFormatError(
                f"{spec.place}: {spec.type} of shape {list(spec.shape)} takes {expected} bytes, its buffer has {size}"
            )
        read = _reader(file, position, size, spec)
    values = _converted(spec, read, real)
    return values.read() if count <= _SMALL_ELEMENTS else values


def _reader(file: TFLiteFile, position: int, size: int, spec: TensorSpec) -> Callable[[], Array]:
    shape = spec.shape or ()

    def read() -> Array:
        data = file.bytes_at(position, size)
        if spec.type == "int4":
            # Two values a byte, the first in the low half, each with a sign.
            halves = np.stack([data << 4, data], axis=-1).view(np.int8) >> 4
            return halves.reshape(-1)[: math.prod(shape)].reshape(shape)
        values: Array = data.view(_STORED[spec.type]).reshape(shape)
        return values

    return read


def _converted(spec: TensorSpec, read: Callable[[], Array], real: bool) -> LazyArray:
    quantization = spec.quantization
    if real and quantization is not None and spec.type in (*_QUANTISED, "int32", "int64"):
        return LazyArray(
            spec.shape or (), np.dtype(np.float32), lambda: quantization.real(read()), spec.place
        )
    name = "float32" if spec.type in _FLOATS else {"complex128": "complex64", "int4": "int8"}.get(spec.type, spec.type)
    wanted = np.dtype(name)
    return LazyArray(spec.shape or (), wanted, lambda: read().astype(wanted, copy=False), spec.place)


def _strings(file: TFLiteFile, position: int, size: int, spec: TensorSpec) -> Array:
    """A number of strings, the places where they begin and end, then their bytes."""
    data = file.bytes_at(position, size).tobytes()
    count = math.prod(spec.shape or ())
    if len(data) < 4 or int.from_bytes(data[:4], "little") != count or len(data) < 4 * (count + 2):
        raise ModelFormatError(f"{spec.place}: its buffer of {size} bytes does not hold {count} strings")
    ends = np.frombuffer(data, "<i4", count + 1, 4)
    if count and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > len(data)):
        raise ModelFormatError(f"{spec.place}: its strings lie outside of their buffer; the file is damaged")
    values = np.empty(count, object)
    for i in range(count):
        values[i] = data[ends[i] : ends[i + 1]]
    return values.reshape(spec.shape or ())
