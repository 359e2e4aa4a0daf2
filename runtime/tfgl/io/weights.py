"""Weights between their bytes in the shards and NumPy arrays, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from ..dtypes import NUMPY, check_dtype, dtype_of
from ..errors import InvalidArgumentError, ModelFormatError
from ..ir.lazy_array import LazyArray, block_axis, blocks_of
from .manifest import WeightSpec
from .quantization import Quantization, dequantize, quantized
from .shards import Region, ShardStream, as_bytes_view, read_regions

Array = np.ndarray[Any, Any]

# Smaller weights are read at once.
_LAZY_BYTES = 1 << 16


def decode_weights(
    specs: Sequence[WeightSpec], stream: ShardStream, *, lazy: bool = False
) -> Iterator[tuple[str, Array | LazyArray]]:
    """Name and value of each weight of a group, in order, as its bytes are read.

    Values have ``spec.shape`` and ``spec.tensor_dtype``; strings are object arrays of bytes. With
    ``lazy``, large weights in local files stay there and come as LazyArray.
    Raises ModelFormatError when the shards hold fewer or more bytes than the weights take.

    >>> from .shards import memory_shard
    >>> stream = ShardStream([memory_shard(bytes([1, 0, 0, 0]), "a.bin")], "model.json")
    >>> list(decode_weights([WeightSpec("n", (1,), "int32")], stream))
    [('n', array([1], dtype=int32))]
    """
    # All that is known is compared first: a damaged shape must not make us allocate.
    stream.require(sum(spec.least_bytes for spec in specs), f"the group of {len(specs)} weights")
    taken = 0
    for spec in specs:
        what = f"weight {spec.name!r} ({spec.dtype}{list(spec.shape)})"
        value: Array | LazyArray
        try:
            if spec.dtype == "string":
                value, count = _decode_strings(spec, stream, what)
            else:
                value, count = _decode_numbers(spec, stream, what, lazy), spec.least_bytes
        except MemoryError:
            raise ModelFormatError(f"{stream.where}: {what} does not fit into this machine's memory") from None
        taken += count
        yield spec.name, value
    stream.finish(taken)


def _decode_numbers(spec: WeightSpec, stream: ShardStream, what: str, lazy: bool) -> Array | LazyArray:
    stored_dtype = spec.stored_dtype
    assert stored_dtype is not None
    regions = stream.regions(spec.least_bytes) if lazy and spec.shape and spec.least_bytes >= _LAZY_BYTES else None
    if regions is not None:
        return _lazy_numbers(spec, stored_dtype, regions, f"{stream.where}: {what}")
    stored: Array
    if stream.remaining is None:
        data = stream.read(spec.least_bytes, what)
        stored = np.frombuffer(data, stored_dtype).reshape(spec.shape)
    else:
        stored = np.empty(spec.shape, stored_dtype)
        stream.read_into(as_bytes_view(stored), what)
    return _values(stored, spec)


def _lazy_numbers(spec: WeightSpec, stored: np.dtype[Any], regions: Sequence[Region], what: str) -> LazyArray:
    shape = spec.shape
    axis = block_axis(shape)
    row_bytes = stored.itemsize * prod(shape[axis + 1 :])

    def part(start: int, rows: int) -> Array:
        data = read_regions(regions, start * row_bytes, rows * row_bytes, what)
        return _values(data.view(stored).reshape(*shape[:axis], rows, *shape[axis + 1 :]), spec)

    def blocks(rows: int) -> Iterator[Array]:
        for start in range(0, shape[axis], rows):
            yield part(start, min(rows, shape[axis] - start))

    return LazyArray(shape, np.dtype(NUMPY[check_dtype(spec.tensor_dtype)]), lambda: part(0, shape[axis]), what, blocks)


def _values(stored: Array, spec: WeightSpec) -> Array:
    """The weight's values, or a block of them, from the array of their bytes, which may be changed."""
    if spec.quantization is not None:
        return dequantize(stored, spec.quantization, spec.tensor_dtype)
    if spec.dtype == "bool":
        # Bytes other than 0 and 1 are no NumPy bool; any non-zero one is true.
        truth: Array = stored.view(np.bool_)
        np.not_equal(stored, 0, out=truth)
        return truth
    return stored.astype(NUMPY[check_dtype(spec.tensor_dtype)], copy=False)


def _decode_strings(spec: WeightSpec, stream: ShardStream, what: str) -> tuple[Array, int]:
    strings: list[bytes] = []
    taken = 0
    for _ in range(spec.size):
        length = int.from_bytes(stream.read(4, what), "little")
        strings.append(bytes(stream.read(length, what)) if length else b"")
        taken += 4 + length
    value = np.empty(spec.size, dtype=object)
    value[:] = strings
    return value.reshape(spec.shape), taken


def storable(value: Array | LazyArray, what: str) -> Array | LazyArray:
    """``value`` in the run-time dtype that files know: float64 as float32, int64 as int32.

    Integers beyond int32 become its nearest end, because they are sentinels ("to the end") far more often
    than numbers. Raises InvalidArgumentError for a dtype that has no counterpart.

    >>> storable(np.array([2**62]), "weight 'end'")
    array([2147483647], dtype=int32)
    """
    if isinstance(value, LazyArray) and value.dtype.kind not in "OSU":
        wanted = _stored_numbers(np.empty(0, value.dtype), what).dtype
        return value if wanted == value.dtype else value.mapped(lambda block: _stored_numbers(block, what), wanted)
    return _stored_numbers(np.asarray(value), what)


def _stored_numbers(array: Array, what: str) -> Array:
    try:
        dtype = dtype_of(array)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{what}: {error}") from None
    if dtype == "string":
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize >= 4:
        array = np.minimum(array, np.iinfo(np.int32).max)
    elif array.dtype.kind == "i" and array.dtype.itemsize > 4:
        array = np.clip(array, np.iinfo(np.int32).min, np.iinfo(np.int32).max)
    with np.errstate(over="ignore"):
        return array.astype(NUMPY[dtype], copy=False)


def encode_strings(value: Array, what: str) -> bytes:
    """Each element in row-major order: its length as four little-endian bytes, then its UTF-8 bytes.

    >>> encode_strings(np.array([b"ab", "c"], dtype=object), "weight 's'")
    b'\\x02\\x00\\x00\\x00ab\\x01\\x00\\x00\\x00c'
    """
    parts: list[bytes] = []
    for element in value.reshape(-1).tolist():
        if isinstance(element, str):
            element = element.encode("utf-8")
        if not isinstance(element, bytes):
            raise InvalidArgumentError(f"{what}: expected str or bytes elements, got {type(element).__name__}")
        parts += [len(element).to_bytes(4, "little"), element]
    return b"".join(parts)


def encode_numbers(stored: Array) -> memoryview:
    """The bytes of ``stored`` in row-major order, little endian; a view of its memory where possible.

    >>> bytes(encode_numbers(np.array([1, 256], np.int32)))
    b'\\x01\\x00\\x00\\x00\\x00\\x01\\x00\\x00'
    """
    little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    return as_bytes_view(np.ascontiguousarray(little))


def encode_weight(
    name: str,
    value: Array | LazyArray,
    quantization: Quantization | None,
    group: str | None,
    on_error: Callable[[float], None] | None = None,
) -> tuple[WeightSpec, Iterator[bytes | memoryview]]:
    """The manifest's entry of a weight and its bytes, piece by piece.

    ``on_error`` hears of each piece by how much quantising moved a value at most.

    >>> spec, pieces = encode_weight("b", np.array([True]), None, None)
    >>> spec.dtype, [bytes(piece) for piece in pieces]
    ('bool', [b'\\x01'])
    """
    what = f"weight {name!r}"
    value = storable(value, what)
    dtype = "string" if value.dtype.kind in "OSU" else dtype_of(np.empty(0, value.dtype))
    spec = WeightSpec(name, tuple(value.shape), dtype, quantization, group)
    if dtype == "string":
        return spec, iter([encode_strings(np.asarray(value), what)])
    return spec, _pieces(value, quantization, on_error)


def _pieces(
    value: Array | LazyArray, quantization: Quantization | None, on_error: Callable[[float], None] | None
) -> Iterator[memoryview]:
    for block in blocks_of(value):
        if quantization is None:
            yield encode_numbers(block)
            continue
        stored = quantized(block, quantization)
        if on_error is not None and block.size:
            with np.errstate(invalid="ignore", over="ignore"):
                moved = np.abs(block.astype(np.float64) - dequantize(stored, quantization))
                on_error(float(np.nanmax(moved, initial=0.0)))
        yield encode_numbers(stored)
