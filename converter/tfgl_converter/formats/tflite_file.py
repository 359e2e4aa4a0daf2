"""A ``.tflite`` file: its verified FlatBuffer, and where its buffers lie."""

from __future__ import annotations

import mmap
from functools import cache
from pathlib import Path
from typing import Any

from tfgl.errors import ModelFormatError

from .message_file import read_bytes
from .tflite_verifier import verify_flatbuffer

_IDENTIFIER = b"TFL3"


class TFLiteFile:
    """A file of TensorFlow Lite (schema version 3). Raises ModelFormatError unless it is a whole one.

    ``model`` is the schema's Model, of the ``tflite`` package; its offsets have been verified. Values of tensors
    stay in the file until ``bytes_at`` reads them.
    """

    def __init__(self, path: Path) -> None:
        """Map and verify the file at ``path``."""
        import tflite  # its 200 modules are only needed here

        self.path = path
        if path.is_dir():
            raise ModelFormatError(f"{path} is a folder, expected a .tflite file")
        try:
            with path.open("rb") as file:
                self.size = file.seek(0, 2)
                file.seek(0)
                head = file.read(8)
                if head[4:] != _IDENTIFIER:
                    raise ModelFormatError(
                        f"{path} is no TensorFlow Lite model: bytes 4 to 7 are {head[4:]!r}, expected {_IDENTIFIER!r}"
                    )
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from None
        verify_flatbuffer(self._data, str(path))
        self.model: Any = tflite.Model.GetRootAs(self._data, 0)
        self.codes = [_op_name(self.model.OperatorCodes(i), path) for i in range(self.model.OperatorCodesLength())]

    def __str__(self) -> str:
        return str(self.path)

    def buffer(self, index: int, place: str) -> tuple[int, int]:
        """Where buffer ``index`` lies in the file: position and bytes; no bytes where it holds nothing.

        Files over 2 GB keep their buffers behind the FlatBuffer. ModelFormatError where there is no such buffer.
        """
        if not 0 <= index < self.model.BuffersLength():
            raise ModelFormatError(f"{place}: buffer {index} of {self.model.BuffersLength()}; the file is damaged")
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:
            return self.extent(buffer.Offset(), buffer.Size(), place)
        field = buffer._tab.Offset(4)
        return (buffer._tab.Vector(field), buffer.DataLength()) if field else (0, 0)

    def extent(self, position: int, size: int, place: str) -> tuple[int, int]:
        """``position`` and ``size`` when they lie in the file; ModelFormatError otherwise."""
        if position + size > self.size:
            raise ModelFormatError(
                f"{place}: expected {size} bytes at {position}, the file has {self.size}; it was cut off, copy it again"
            )
        return position, size

    def bytes_at(self, position: int, size: int) -> Any:
        """A part of the file as uint8."""
        return read_bytes(self.path, position, size)


def _op_name(code: Any, path: Path) -> str:
    """The name of a builtin operator, or of a custom one with ``custom:`` before it."""
    import tflite

    # Files of before 2020 have their number in the first field, which ends at 127; newer ones say 127 there.
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"custom:{text_of(code.CustomCode(), f'{path}: the name of a custom operator')}"
    return _builtin_names().get(number, f"BUILTIN_{number}")


@cache
def _builtin_names() -> dict[int, str]:
    import tflite

    return {number: name for name, number in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}


def text_of(value: bytes | None, place: str) -> str:
    """A string of the FlatBuffer as text; ModelFormatError when it is not UTF-8.

    >>> text_of(b"x", "name"), text_of(None, "name")
    ('x', '')
    """
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise ModelFormatError(f"{place} is not UTF-8 text; the file is damaged") from None
