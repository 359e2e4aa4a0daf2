"""TensorFlow's checkpoints (tensor bundles): ``prefix.index`` and its ``prefix.data-*`` files, read lazily."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from google.protobuf.message import DecodeError

from tfgl.errors import ModelFormatError
from tfgl.ir.attributes import decode_dtype
from tfgl.ir.graph import DataType
from tfgl.ir.lazy_array import Array, LazyArray, block_axis

from .checksum import extend, masked
from .protobuf_schema import message_class
from .table_file import read_table, varint

# Start and length in each dimension; a length of -1 takes all of it.
Extents = tuple[tuple[int, int], ...]

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_CHUNK_BYTES = 4 << 20
_MAX_RANK = 32

_STORED: dict[str, np.dtype[Any]] = {
    **{f"float{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "bool": np.dtype(np.bool_),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
    "qint8": np.dtype(np.int8),
    "quint8": np.dtype(np.uint8),
    "qint16": np.dtype(np.int16),
    "quint16": np.dtype(np.uint16),
    "qint32": np.dtype(np.int32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
}
# NumPy itself does not know these: their values are handed out as float32, which holds them exactly.
_WIDENED = {"bfloat16", "float8_e5m2", "float8_e4m3fn"}


class TensorBundle:
    """The tensors of a checkpoint by key. The index is read at once, values when they are asked for."""

    def __init__(self, prefix: str | Path) -> None:
        """Reads ``prefix.index``. Raises ModelFormatError when it is missing or damaged."""
        self.prefix = Path(prefix)
        self.path = self.prefix.with_name(self.prefix.name + ".index")
        if not self.path.is_file():
            raise ModelFormatError(f"{self.path}: no such file; the variables of the model are missing")
        entries = read_table(self.path)
        header = self._parse("BundleHeaderProto", entries.pop(b"", None), "header")
        if header.num_shards < 1 or header.version.min_consumer > 1:
            raise ModelFormatError(
                f"{self.path}: a checkpoint of {header.num_shards} data files for readers of version "
                f"{header.version.min_consumer}; expected at least one file and version 1 at most"
            )
        self._shards: int = header.num_shards
        self._big_endian = header.endianness == 1
        self._entries: dict[bytes, Any] = {}
        for key, value in entries.items():
            self._entries[key] = self._parse("BundleEntryProto", value, f"entry {_shown(key)}")
        self._keys = {
            key.decode("utf-8", "replace"): key for key in self._entries if not key.startswith(b"\0")
        }

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def dtype(self, key: str) -> DataType:
        """The TensorFlow dtype of tensor ``key``."""
        return decode_dtype(self._entry(key).dtype, self._place(key))

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of the whole tensor ``key``."""
        return self._shape(self._entry(key), self._place(key))

    def array(self, key: str, extents: Sequence[tuple[int, int]] = ()) -> LazyArray:
        """Tensor ``key``, or the part of it that ``extents`` mean (start and length in each dimension).

        bfloat16 and float8 read as float32; strings as an object array of bytes. Raises ModelFormatError when
        the key is unknown, has a dtype without values, or does not fit its data file; so does reading when
        data are missing or a checksum does not fit.
        """
        entry, place = self._entry(key), self._place(key)
        shape = self._shape(entry, place)
        dtype = decode_dtype(entry.dtype, place)
        if dtype != "string" and dtype not in _STORED:
            raise ModelFormatError(f"{place}: a tensor of dtype {dtype} has no values that can be read")
        wanted = _window(tuple(extents), shape, place) if extents else tuple(slice(0, size) for size in shape)
        part = tuple(window.stop - window.start for window in wanted)
        seen = np.dtype(object) if dtype == "string" else np.dtype(np.float32 if dtype in _WIDENED else _STORED[dtype])
        blocks = None
        if dtype != "string" and not entry.slices and part == shape:
            row_shape = shape[block_axis(shape) + 1 :]

            def blocks(rows: int) -> Iterator[Array]:
                axis = block_axis(shape)
                for data in self._entry_bytes(entry, shape, dtype, place, rows * math.prod(row_shape)):
                    yield self._decoded(data, (*shape[:axis], -1, *row_shape), dtype)

        return LazyArray(part, seen, lambda: self._read(key, entry, shape, dtype, wanted), place, blocks)

    def message(self, key: str, name: str) -> Any:
        """The protobuf message ``name`` that string tensor ``key`` holds."""
        values = self.array(key).read().reshape(-1)
        if values.dtype != object or values.size != 1:
            raise ModelFormatError(f"{self._place(key)}: expected one string, got {values.size} of {values.dtype}")
        return self._parse(name, values[0], f"tensor {key!r}")

    def variable_keys(self) -> dict[int, str]:
        """The key of each variable by the number of its object; {} for checkpoints that keep no objects."""
        if OBJECT_GRAPH_KEY not in self:
            return {}
        return {
            number: attribute.checkpoint_key
            for number, item in enumerate(self.message(OBJECT_GRAPH_KEY, "TrackableObjectGraph").nodes)
            for attribute in item.attributes
            if attribute.name == "VARIABLE_VALUE"
        }

    def _entry(self, key: str) -> Any:
        if key not in self._keys:
            raise ModelFormatError(f"{self.path}: no tensor {key!r}; it has {_some(self._keys)}")
        return self._entries[self._keys[key]]

    def _place(self, key: str) -> str:
        return f"{self.path}, tensor {key!r}"

    def _parse(self, name: str, data: bytes | None, what: str) -> Any:
        if data is None:
            raise ModelFormatError(f"{self.path}: it has no {what}, so it is no checkpoint")
        try:
            return message_class(name).FromString(data)
        except DecodeError:
            raise ModelFormatError(f"{self.path}, {what}: is no {name}; the file is damaged") from None

    def _shape(self, entry: Any, place: str) -> tuple[int, ...]:
        shape = tuple(int(dim.size) for dim in entry.shape.dim)
        if entry.shape.unknown_rank or len(shape) > _MAX_RANK or any(size < 0 for size in shape):
            raise ModelFormatError(f"{place}: a stored tensor needs a known shape, got {list(shape)}")
        return shape

    def _read(self, key: str, entry: Any, shape: tuple[int, ...], dtype: str, wanted: tuple[slice, ...]) -> Array:
        place = self._place(key)
        whole = all(w.start == 0 and w.stop == size for w, size in zip(wanted, shape, strict=True))
        if not entry.slices:
            values = self._read_entry(entry, shape, dtype, place)
            return values if whole else values[wanted].copy()
        slices: dict[Extents, tuple[slice, ...]] = {}
        for stored in entry.slices:
            extents = tuple(
                (int(e.start), int(e.length) if e.HasField("length") else -1) for e in stored.extent
            )
            slices[extents] = _window(extents, shape, place)
        for extents, window in slices.items():
            if window == wanted:
                return self._read_slice(key, extents, window, dtype, place)
        self._check_cover(shape, dtype, slices.values(), place)
        result = np.empty(shape, object if dtype == "string" else np.float32 if dtype in _WIDENED else _STORED[dtype])
        for extents, window in slices.items():
            result[window] = self._read_slice(key, extents, window, dtype, place)
        return result if whole else result[wanted].copy()

    def _check_cover(self, shape: tuple[int, ...], dtype: str, windows: Any, place: str) -> None:
        covered = sum(math.prod(w.stop - w.start for w in window) for window in windows)
        if covered != math.prod(shape):
            raise ModelFormatError(f"{place}: its slices hold {covered} of {math.prod(shape)} elements")
        held = sum(path.stat().st_size for path in self._data_files() if path.is_file())
        if dtype != "string" and math.prod(shape) * _STORED[dtype].itemsize > held:
            raise ModelFormatError(f"{place}: shape {list(shape)} needs more bytes than the data files have ({held})")

    def _read_slice(
        self, key: str, extents: Extents, window: tuple[slice, ...], dtype: str, place: str
    ) -> Array:
        entry = self._entries.get(slice_key(key, extents))
        part = tuple(w.stop - w.start for w in window)
        if entry is None or entry.slices or self._shape(entry, place) != part:
            raise ModelFormatError(f"{place}: its slice {list(extents)} is missing or of another shape")
        return self._read_entry(entry, part, dtype, place)

    def _data_files(self) -> list[Path]:
        return [self._data_file(shard) for shard in range(min(self._shards, 1 << 16))]

    def _data_file(self, shard: int) -> Path:
        return self.prefix.with_name(f"{self.prefix.name}.data-{shard:05d}-of-{self._shards:05d}")

    def _read_entry(self, entry: Any, shape: tuple[int, ...], dtype: str, place: str) -> Array:
        if dtype == "string":
            with self._opened(entry, place) as file:
                return _read_strings(file, entry, shape, place)
        parts = list(self._entry_bytes(entry, shape, dtype, place, math.prod(shape)))
        return self._decoded(parts[0] if parts else np.empty(0, np.uint8), shape, dtype)

    @contextmanager
    def _opened(self, entry: Any, place: str) -> Iterator[BinaryIO]:
        """The data file of an entry, at the entry's first byte."""
        if not 0 <= entry.shard_id < self._shards:
            raise ModelFormatError(f"{place}: data file {entry.shard_id} of {self._shards}; the index is damaged")
        path = self._data_file(entry.shard_id)
        try:
            with path.open("rb") as file:
                held = file.seek(0, 2)
                if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > held:
                    raise ModelFormatError(
                        f"{place}: expected {entry.size} bytes at {entry.offset} of {path.name}, which has {held}; "
                        "the file was cut off, copy the model again"
                    )
                file.seek(entry.offset)
                yield file
        except OSError as error:
            raise ModelFormatError(f"{place}: {path}: {error.strerror or error}") from None

    def _entry_bytes(
        self, entry: Any, shape: tuple[int, ...], dtype: str, place: str, most_elements: int
    ) -> Iterator[Array]:
        """The bytes of an entry of numbers, ``most_elements`` elements at a time; then its checksum is compared."""
        stored = _STORED[dtype]
        if math.prod(shape) * stored.itemsize != entry.size:
            raise ModelFormatError(f"{place}: {dtype} of shape {list(shape)} does not fit {entry.size} bytes")
        crc = at = 0
        with self._opened(entry, place) as file:
            while at < entry.size:
                data = np.empty(min(most_elements * stored.itemsize, entry.size - at), np.uint8)
                for start in range(0, data.size, _CHUNK_BYTES):
                    chunk = data[start : start + _CHUNK_BYTES].data
                    if file.readinto(chunk) != chunk.nbytes:  # type: ignore[attr-defined]
                        raise ModelFormatError(f"{place}: {file.name} ended early")
                    crc = extend(crc, bytes(chunk))
                at += data.size
                yield data
        _check(crc, entry, place)

    def _decoded(self, data: Array, shape: tuple[int, ...], dtype: str) -> Array:
        if dtype == "bool":
            # Any byte but 0 is true; NumPy expects 0 and 1.
            truth: Array = (data != 0).reshape(shape)
            return truth
        values: Array = data.view(_STORED[dtype]).reshape(shape)
        if self._big_endian:
            values = values.byteswap()
        return values.astype(np.float32) if dtype in _WIDENED else values


def _read_strings(file: BinaryIO, entry: Any, shape: tuple[int, ...], place: str) -> Array:
    """Lengths as varints, a checksum of them, then the bytes; the entry's checksum takes lengths as uint32."""
    count = math.prod(shape)
    if count > entry.size:
        raise ModelFormatError(f"{place}: {count} strings do not fit into {entry.size} bytes")
    data = file.read(entry.size)
    at = 0
    lengths = []
    for _ in range(count):
        length, at = varint(data, at, place)
        lengths.append(length)
    if at + (4 if count else 0) + sum(lengths) > len(data):
        raise ModelFormatError(f"{place}: its strings reach beyond their {entry.size} bytes; the file is damaged")
    crc = extend(0, b"".join(n.to_bytes(4 if n < 1 << 32 else 8, "little") for n in lengths))
    stored = data[at : at + 4]
    if int.from_bytes(stored, "little") != masked(crc):
        raise ModelFormatError(f"{place}: the checksum of its string lengths does not fit; the file is damaged")
    crc = extend(crc, stored)
    at += 4
    _check(extend(crc, data[at:]), entry, place)
    strings = np.empty(count, dtype=object)
    for i, length in enumerate(lengths):
        strings[i] = data[at : at + length]
        at += length
    return strings.reshape(shape)


def _check(crc: int, entry: Any, place: str) -> None:
    if masked(crc) != entry.crc32c:
        raise ModelFormatError(f"{place}: its checksum does not fit; the data are damaged, copy the model again")


def _window(extents: Extents, shape: tuple[int, ...], place: str) -> tuple[slice, ...]:
    if len(extents) != len(shape):
        raise ModelFormatError(f"{place}: a slice of rank {len(extents)} of a tensor of shape {list(shape)}")
    windows = []
    for (start, length), size in zip(extents, shape, strict=True):
        stop = size if length < 0 else start + length
        if not 0 <= start <= stop <= size:
            raise ModelFormatError(f"{place}: slice {list(extents)} is outside of shape {list(shape)}")
        windows.append(slice(start, stop))
    return tuple(windows)


def slice_key(key: str, extents: Sequence[tuple[int, int]]) -> bytes:
    """The key under which a slice of tensor ``key`` stands: TensorFlow's ordered code of name and extents.

    >>> slice_key("w", [(0, -1)]).hex()
    '007700010101807f'
    """
    parts = [b"\0", key.encode().replace(b"\0", b"\0\xff"), b"\0\x01"]
    rank = len(extents)
    parts.append(bytes([1, rank]) if rank else b"\0")
    for start, length in extents:
        parts += [_ordered(start), _ordered(length)]
    return b"".join(parts)


def _ordered(value: int) -> bytes:
    """A signed number in as few bytes as will do; the leading bits say how many, so that bytes sort as numbers."""
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    if length == 1:
        return bytes([(0x80 ^ value) & 0xFF])
    data = bytearray(value.to_bytes(10, "big", signed=True)[-length:])
    header = ((0xFFFF << (16 - length)) & 0xFFFF).to_bytes(2, "big")
    data[0] ^= header[0]
    data[1] ^= header[1]
    return bytes(data)


def _shown(key: bytes) -> str:
    return repr(key.decode("utf-8", "replace"))


def _some(names: Mapping[str, bytes], limit: int = 6) -> str:
    listed = [repr(name) for name in list(names)[:limit]]
    return (", ".join(listed) or "none") + (f" and {len(names) - limit} more" if len(names) > limit else "")
