"""Protobuf messages of files, whose large byte fields stay in the file.

A GraphDef of 2 GB is mostly the values of its constants. They are cut out while the file is read, so that
parsing needs only what is left; who wants the values reads them at their place.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from tfgl.errors import ModelFormatError

from .protobuf_schema import message_class
from .table_file import varint

LARGE_BYTES = 1 << 20
_MAX_TEXT_BYTES = 1 << 28
_MAX_DEPTH = 64
# Wire types: a number, 8 bytes, a length and bytes, 4 bytes.
_NUMBER, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MessageFile:
    """A parsed message, and where the bytes lie that were left in its file."""

    def __init__(self, path: Path, name: str) -> None:
        """Parses ``path`` as message ``name`` (a ``.pbtxt`` as text); byte fields over 1 MiB stay there.

        Raises ModelFormatError when the file is missing, cut off or something else.
        """
        self.path = path
        self._token = secrets.token_bytes(16)
        self._places: list[tuple[int, int]] = []
        try:
            if path.suffix == ".pbtxt":
                self.message = self._parse_text(name)
                return
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if not size:
                    raise ModelFormatError(f"{path}: the file is empty; expected a {name}")
                data = self._cut(file, 0, size, message_class(name).DESCRIPTOR, 0)
        except OSError as error:
            raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from None
        try:
            self.message = message_class(name).FromString(data)
        except DecodeError:
            raise ModelFormatError(f"{path}: is no {name}, or is damaged or cut off; copy it again") from None

    def place(self, data: bytes) -> tuple[int, int] | None:
        """Offset and length in the file of a byte field that was left there; None for one that is here."""
        if len(data) != len(self._token) + 8 or not data.startswith(self._token):
            return None
        return self._places[int.from_bytes(data[-8:], "little")]

    def _parse_text(self, name: str) -> Any:
        if self.path.stat().st_size > _MAX_TEXT_BYTES:
            raise ModelFormatError(f"{self.path}: over {_MAX_TEXT_BYTES} bytes of text; save the graph as binary .pb")
        message = message_class(name)()
        try:
            text_format.Parse(self.path.read_bytes(), message, allow_unknown_field=True)
        except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelFormatError(f"{self.path}: is no {name} in text form: {line}") from None
        return message

    def _cut(self, file: BinaryIO, start: int, end: int, descriptor: Any, depth: int) -> bytes:
        """The bytes of a message from ``start`` to ``end``, its large byte fields replaced by tokens."""
        if end - start <= LARGE_BYTES or depth > _MAX_DEPTH:
            return self._bytes(file, start, end)
        parts: list[bytes] = []
        at = start
        while at < end:
            file.seek(at)
            head = file.read(20)
            key, after = varint(head, 0, f"{self.path}, byte {at}")
            wire = key & 7
            if wire == _BYTES:
                length, after = varint(head, after, f"{self.path}, byte {at}")
                value_at, value_end = at + after, at + after + length
                field = descriptor.fields_by_number.get(key >> 3)
                if value_end > end:
                    raise self._damaged(at)
                if length > LARGE_BYTES and field is not None and field.type == field.TYPE_BYTES:
                    self._places.append((value_at, length))
                    value = self._token + (len(self._places) - 1).to_bytes(8, "little")
                    parts += [head[: _key_bytes(head)], bytes([len(value)]), value]
                elif length > LARGE_BYTES and field is not None and field.message_type is not None:
                    value = self._cut(file, value_at, value_end, field.message_type, depth + 1)
                    parts += [head[: _key_bytes(head)], _encoded(len(value)), value]
                elif length <= LARGE_BYTES or field is not None:
                    parts.append(self._bytes(file, at, value_end))
                # A large field that no reader knows (debug information) is left out.
                at = value_end
                continue
            if wire == _NUMBER:
                _, after = varint(head, after, f"{self.path}, byte {at}")
            elif wire in (_FIXED64, _FIXED32):
                after += 8 if wire == _FIXED64 else 4
            else:
                raise self._damaged(at)
            if at + after > end:
                raise self._damaged(at)
            parts.append(head[:after])
            at += after
        return b"".join(parts)

    def _bytes(self, file: BinaryIO, start: int, end: int) -> bytes:
        file.seek(start)
        data = file.read(end - start)
        if len(data) != end - start:
            raise self._damaged(start)
        return data

    def _damaged(self, at: int) -> ModelFormatError:
        return ModelFormatError(f"{self.path}: is no protobuf file, or is cut off (at byte {at}); copy it again")


def read_bytes(path: Path, offset: int, length: int) -> np.ndarray[Any, Any]:
    """``length`` bytes at ``offset`` of a file as uint8. Raises ModelFormatError when it has become shorter."""
    result = np.empty(length, np.uint8)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            view = result.data
            while view:
                count = file.readinto(view)
                if not count:
                    raise ModelFormatError(f"{path}: ended early; it was changed while it was read")
                view = view[count:]
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from None
    return result


def _key_bytes(head: bytes) -> int:
    return varint(head, 0, "")[1]


def _encoded(number: int) -> bytes:
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
