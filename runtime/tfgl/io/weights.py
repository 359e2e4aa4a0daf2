"""Weights between their bytes in the shards and NumPy arrays, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..dtypes import NUMPY, check_dtype, dtype_of
from ..errors import InvalidArgumentError, ModelFormatError
from .manifest import WeightSpec
from .quantization import Quantization, dequantize
from .shards import ShardStream, as_bytes_view

Array = np.ndarray[Any, Any]


def decode_weights(
    specs: Sequence[WeightSpec], stream: ShardStream, *, memory_map: bool = False
) -> Iterator[tuple[str, Array]]:
    """Name and value of each weight of a group, in order, as its bytes are read.

    Values have ``spec.shape`` and ``spec.tensor_dtype``; strings are object arrays of bytes. With
    ``memory_map``, unquantised float32 and int32 weights inside one local file are read-only maps of it.
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
        try:
            if spec.dtype == "string":
                value, count = _decode_strings(spec, stream, what)
            else:
                value, count = _decode_numbers(spec, stream, what, memory_map), spec.least_bytes
        except MemoryError:
            raise ModelFormatError(f"{stream.where}: {what} does not fit into this machine's memory") from None
        taken += count
        yield spec.name, value
    stream.finish(taken)


def _decode_numbers(spec: WeightSpec, stream: ShardStream, what: str, memory_map: bool) -> Array:
    stored_dtype = spec.stored_dtype
    assert stored_dtype is not None
    stored: Array
    if memory_map and spec.quantization is None and spec.dtype in ("float32", "int32"):
        region = stream.region(spec.least_bytes, stored_dtype.itemsize)
        if region is not None:
            path, offset = region
            mapped: Array = np.memmap(path, stored_dtype, "r", offset, spec.shape).view(np.ndarray)
            return mapped
    if stream.remaining is None:
        data = stream.read(spec.least_bytes, what)
        stored = np.frombuffer(data, stored_dtype).reshape(spec.shape)
    else:
        stored = np.empty(spec.shape, stored_dtype)
        stream.read_into(as_bytes_view(stored), what)
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


def storable(value: Array, what: str) -> Array:
    """``value`` in the run-time dtype that files know: float64 as float32, int64 as int32.

    Integers beyond int32 become its nearest end, because they are sentinels ("to the end") far more often
    than numbers. Raises InvalidArgumentError for a dtype that has no counterpart.

    >>> storable(np.array([2**62]), "weight 'end'")
    array([2147483647], dtype=int32)
    """
    array = np.asarray(value)
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
    name: str, value: Array, quantization: Quantization | None, stored: Array | None, group: str | None
) -> tuple[WeightSpec, Callable[[], bytes | memoryview]]:
    """The manifest's entry of a weight and what gives its bytes.

    ``stored`` holds the quantised values where there is a ``quantization``.

    >>> spec, data = encode_weight("b", np.array([True]), None, None, None)
    >>> spec.dtype, bytes(data())
    ('bool', b'\\x01')
    """
    what = f"weight {name!r}"
    array = storable(value, what)
    dtype = dtype_of(array)
    spec = WeightSpec(name, tuple(array.shape), dtype, quantization, group)
    if dtype == "string":
        return spec, lambda: encode_strings(array, what)
    return spec, lambda: encode_numbers(array if stored is None else stored)
