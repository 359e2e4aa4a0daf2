"""Sorted tables in LevelDB's format, the index of a tensor bundle: footer, index block, data blocks.

A block holds entries whose keys share prefixes, then the offsets of its restart points; a byte after it names
the compression, and a masked CRC-32C guards both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tfgl.errors import ModelFormatError

from .checksum import extend, masked

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_MAX_TABLE_BYTES = 1 << 30
_MAX_BLOCK_BYTES = 1 << 28


def read_table(path: Path) -> dict[bytes, bytes]:
    """All entries of the table at ``path``, in its order. Raises ModelFormatError when it is damaged."""
    try:
        size = path.stat().st_size
        if size > _MAX_TABLE_BYTES:
            raise ModelFormatError(f"{path}: {size} bytes are too many for the index of a checkpoint")
        data = path.read_bytes()
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from None
    return table_entries(data, str(path))


def table_entries(data: bytes, where: str) -> dict[bytes, bytes]:
    """The entries of a whole table file; ``where`` names it in messages."""
    if len(data) < _FOOTER_BYTES or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ModelFormatError(
            f"{where}: is no checkpoint index, or was cut off: its last 8 bytes are not the table format's mark; "
            "copy the whole model again"
        )
    footer = data[-_FOOTER_BYTES:]
    _, _, at = _handle(footer, 0, f"{where}, footer")
    offset, length, _ = _handle(footer, at, f"{where}, footer")
    entries: dict[bytes, bytes] = {}
    seen = 0
    for _, handle in _block_entries(_block(data, offset, length, f"{where}, index block"), f"{where}, index block"):
        start, size, _ = _handle(handle, 0, f"{where}, index block")
        place = f"{where}, block at byte {start}"
        block = _block(data, start, size, place)
        seen += len(block)
        # Blocks that expand, or that are listed again and again, must not fill the memory.
        if seen > _MAX_TABLE_BYTES:
            raise ModelFormatError(f"{where}: its blocks hold more than {_MAX_TABLE_BYTES} bytes")
        for key, value in _block_entries(block, place):
            entries[key] = value
    return entries


def varint(data: bytes, at: int, place: str) -> tuple[int, int]:
    """The base-128 number at ``at`` and the position after it; ModelFormatError when it does not end.

    >>> varint(bytes([0xac, 0x02]), 0, "test")
    (300, 2)
    """
    result = shift = 0
    while shift < 70:
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
    raise ModelFormatError(f"{place}: a number does not end where it should; the file is damaged")


def _handle(data: bytes, at: int, place: str) -> tuple[int, int, int]:
    offset, at = varint(data, at, place)
    length, at = varint(data, at, place)
    return offset, length, at


def _block(data: bytes, offset: int, length: int, place: str) -> bytes:
    end = offset + length
    if end + _TRAILER_BYTES > len(data):
        raise ModelFormatError(f"{place}: it reaches beyond the end of the file; the file is damaged")
    contents = data[offset:end]
    stored = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if masked(extend(0, data[offset : end + 1])) != stored:
        raise ModelFormatError(f"{place}: its checksum does not fit; the file is damaged, copy the model again")
    compression = data[end]
    if compression == 0:
        return contents
    if compression != 1:
        raise ModelFormatError(f"{place}: unknown compression {compression}; expected 0 (none) or 1 (snappy)")
    return _from_snappy(contents, place)


def _from_snappy(contents: bytes, place: str) -> bytes:
    # Imported here: TensorFlow has long written its indexes uncompressed.
    import cramjam

    size, _ = varint(contents, 0, place)
    if size > _MAX_BLOCK_BYTES:
        raise ModelFormatError(f"{place}: it would expand to {size} bytes, at most {_MAX_BLOCK_BYTES} are expected")
    try:
        return bytes(cramjam.snappy.decompress_raw(contents))
    except Exception as error:  # cramjam's own error class derives from Exception alone
        raise ModelFormatError(f"{place}: its snappy compression is damaged: {error}") from None


def _block_entries(block: bytes, place: str) -> Iterator[tuple[bytes, bytes]]:
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if len(block) < 4 or end < 0:
        raise ModelFormatError(f"{place}: {restarts} restart points do not fit into {len(block)} bytes")
    at = 0
    key = b""
    while at < end:
        shared, at = varint(block, at, place)
        fresh, at = varint(block, at, place)
        length, at = varint(block, at, place)
        if shared > len(key) or at + fresh + length > end:
            raise ModelFormatError(f"{place}: an entry reaches beyond its block; the file is damaged")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length
