"""Checks that a FlatBuffer of TensorFlow Lite's schema stays inside of its bytes.

The C++ runtime of FlatBuffers verifies files before it reads them; the Python runtime reads whatever offsets say.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfgl.errors import ModelFormatError


@dataclass(frozen=True)
class _Vector:
    """A vector: of numbers with this many bytes each, or of tables of a kind."""

    of: int | str


@dataclass(frozen=True)
class _Union:
    """A table whose kind the number in field ``tag`` says; None for one that is not looked into."""

    tag: int
    kinds: Mapping[int, str] | None = None


# What a field holds: the bytes of a number, TEXT, another table by name, a vector or a union.
_Field = int | str | _Vector | _Union
_TEXT = "text"
_NUMBERS = _Vector(4)
_BYTES = _Vector(1)
_SPARSE = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}

# The tables of schema.fbs (TensorFlow 2.18) by the numbers of their fields. Options of operators are verified
# as far as their fields' places go.
SCHEMA: Mapping[str, Mapping[int, _Field]] = {
    "Model": {
        0: 4, 1: _Vector("OperatorCode"), 2: _Vector("SubGraph"), 3: _TEXT, 4: _Vector("Buffer"), 5: _NUMBERS,
        6: _Vector("Metadata"), 7: _Vector("SignatureDef"),
    },
    "OperatorCode": {0: 1, 1: _TEXT, 2: 4, 3: 4},
    "SubGraph": {0: _Vector("Tensor"), 1: _NUMBERS, 2: _NUMBERS, 3: _Vector("Operator"), 4: _TEXT, 5: 4},
    "Tensor": {
        0: _NUMBERS, 1: 1, 2: 4, 3: _TEXT, 4: "QuantizationParameters", 5: 1, 6: "SparsityParameters", 7: _NUMBERS,
        8: 1, 9: _Vector("VariantSubType"),
    },
    "QuantizationParameters": {0: _NUMBERS, 1: _NUMBERS, 2: _NUMBERS, 3: _Vector(8), 4: 1, 5: _Union(4), 6: 4},
    "SparsityParameters": {0: _NUMBERS, 1: _NUMBERS, 2: _Vector("DimensionMetadata")},
    "DimensionMetadata": {0: 1, 1: 4, 2: 1, 3: _Union(2, _SPARSE), 4: 1, 5: _Union(4, _SPARSE)},
    "Int32Vector": {0: _NUMBERS},
    "Uint16Vector": {0: _Vector(2)},
    "Uint8Vector": {0: _BYTES},
    "VariantSubType": {0: _NUMBERS, 1: 1, 2: 1},
    "Operator": {
        0: 4, 1: _NUMBERS, 2: _NUMBERS, 3: 1, 4: _Union(3), 5: _BYTES, 6: 1, 7: _BYTES, 8: _NUMBERS, 9: 8, 10: 8,
        11: 1, 12: _Union(11), 13: 4,
    },
    "Buffer": {0: _BYTES, 1: 8, 2: 8},
    "Metadata": {0: _TEXT, 1: 4},
    "SignatureDef": {0: _Vector("TensorMap"), 1: _Vector("TensorMap"), 2: _TEXT, 4: 4},
    "TensorMap": {0: _TEXT, 1: 4},
}  # fmt: skip


def verify_flatbuffer(data: Any, where: str) -> None:
    """Raise ModelFormatError, naming the table and field, unless every offset and vector of the model fits ``data``.

    ``data`` is any buffer of bytes; ``where`` names the file.

    >>> verify_flatbuffer(bytes(8), "model.tflite")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: model.tflite: Model lies outside of the file's 8 bytes; it is damaged or cut off, ...
    """
    verifier = _Verifier(data, where)
    verifier.table("Model", verifier.number("<I", 0, "Model"))
    verifier.run()


class _Verifier:
    def __init__(self, data: Any, where: str) -> None:
        self._data = data
        self._size = len(data)
        self._where = where
        # Tables still to be looked into, and all that were met: a table that is named twice is read once.
        self._waiting: list[tuple[str, int, str]] = []
        self._met: set[tuple[str, int]] = set()

    def run(self) -> None:
        while self._waiting:
            kind, position, place = self._waiting.pop()
            self._fields(kind, position, place)

    def number(self, code: str, position: int, place: str) -> int:
        size = struct.calcsize(code)
        if position < 0 or position + size > self._size:
            self._fail(place)
        return int(struct.unpack_from(code, self._data, position)[0])

    def table(self, kind: str, position: int, place: str = "") -> None:
        if (kind, position) not in self._met:
            self._met.add((kind, position))
            self._waiting.append((kind, position, place or kind))

    def _fields(self, kind: str, position: int, place: str) -> None:
        vtable = position - self.number("<i", position, place)
        length = self.number("<H", vtable, place)
        extent = self.number("<H", vtable + 2, place)
        if length < 4 or length % 2 or vtable + length > self._size or position + extent > self._size or extent < 4:
            self._fail(place)
        count = (length - 4) // 2
        slots = struct.unpack_from(f"<{count}H", self._data, vtable + 4)
        schema = SCHEMA.get(kind)
        for slot, offset in enumerate(slots):
            if not offset:
                continue
            field = 1 if schema is None else schema.get(slot, 1)
            width = field if isinstance(field, int) else 4
            if offset < 4 or offset + width > extent:
                self._fail(f"{place}, field {slot}")
            if isinstance(field, int):
                continue
            at = position + offset
            target = at + self.number("<I", at, place)
            if field == _TEXT:
                self._vector(target, 1, f"{place}, field {slot}")
            elif isinstance(field, str):
                self.table(field, target, f"{place}/{field}")
            elif isinstance(field, _Vector):
                self._elements(field, target, f"{place}, field {slot}", place)
            else:
                tag = self._tag(slots, field.tag, position)
                if tag:
                    self.table("options" if field.kinds is None else field.kinds.get(tag, "options"), target, place)

    def _tag(self, slots: tuple[int, ...], slot: int, position: int) -> int:
        return int(self._data[position + slots[slot]]) if slot < len(slots) and slots[slot] else 0

    def _vector(self, position: int, width: int, place: str) -> int:
        count = self.number("<I", position, place)
        if position + 4 + count * width > self._size:
            self._fail(place)
        return count

    def _elements(self, field: _Vector, position: int, place: str, owner: str) -> None:
        if isinstance(field.of, int):
            self._vector(position, field.of, place)
            return
        count = self._vector(position, 4, place)
        offsets = struct.unpack_from(f"<{count}I", self._data, position + 4)
        prefix = "" if owner == "Model" else f"{owner}/"
        for index, offset in enumerate(offsets):
            self.table(field.of, position + 4 + 4 * index + offset, f"{prefix}{field.of} {index}")

    def _fail(self, place: str) -> None:
        raise ModelFormatError(
            f"{self._where}: {place} lies outside of the file's {self._size} bytes; it is damaged or cut off, "
            "copy it again"
        )
