"""Weight bytes in order, over files, memory or downloads, with every size checked before it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ..errors import ModelFormatError, TfglError

Array = np.ndarray[Any, Any]

# Memory is taken at this pace while a stream has not said how long it is.
_PIECE = 1 << 20


class OpenShard(Protocol):
    """A shard being read."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the start of ``buffer``; the number of bytes, 0 at the end."""

    def skip(self, count: int, /) -> None:
        """Pass over ``count`` bytes that are there; only asked of shards that have a path."""

    def close(self) -> None:
        """Release file or connection."""


@dataclass(frozen=True)
class Shard:
    """Where bytes of a weight group come from. ``size`` is None while nobody knows it."""

    name: str
    size: int | None
    open: Callable[[], OpenShard]
    path: Path | None = None


@dataclass(frozen=True)
class Region:
    """A part of a local file."""

    path: Path
    offset: int
    length: int


def read_regions(regions: Sequence[Region], start: int, length: int, what: str) -> Array:
    """``length`` bytes (uint8) from ``start`` on of what ``regions`` hold together.

    Raises ModelFormatError, which names ``what``, when a file is gone or has become shorter.
    """
    data = np.empty(length, np.uint8)
    done = 0
    for region in regions:
        if done == length:
            break
        if start >= region.length:
            start -= region.length
            continue
        view = data.data[done : done + region.length - start]
        try:
            with region.path.open("rb", buffering=0) as file:
                file.seek(region.offset + start)
                while view:
                    count = file.readinto(view)
                    if not count:
                        raise ModelFormatError(f"{what}: {region.path} ended early; it was changed while it was read")
                    view = view[count:]
                    done += count
        except OSError as error:
            raise ModelFormatError(f"{what}: {region.path} cannot be read: {error.strerror or error}") from None
        start = 0
    return data


def file_shard(path: Path, name: str, where: str) -> Shard:
    """A shard on disk. Raises ModelFormatError when it is missing or is no regular file.

    >>> file_shard(Path("absent.bin"), "absent.bin", "model.json")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: model.json: shard 'absent.bin' is missing: there is no absent.bin; ...
    """
    try:
        exists, regular = path.exists(), path.is_file()
        size = path.stat().st_size if regular else 0
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{where}: shard {name!r} cannot be read: {error}") from None
    if not exists:
        raise ModelFormatError(
            f"{where}: shard {name!r} is missing: there is no {path}; copy it beside model.json, or convert again"
        )
    if not regular:
        raise ModelFormatError(f"{where}: shard {name!r} is no regular file: {path}")
    return Shard(name, size, lambda: _open_file(path, name, where), path)


def memory_shard(data: object, name: str) -> Shard:
    """A shard that is a buffer: bytes, bytearray, memoryview, or a contiguous array.

    >>> memory_shard(b"1234", "weightData").size
    4
    """
    try:
        view = memoryview(data)  # type: ignore[arg-type]
        flat = view.cast("B") if view.nbytes else memoryview(b"")
    except (TypeError, ValueError, BufferError) as error:
        raise ModelFormatError(
            f"{name}: expected bytes (or a list of bytes), got {type(data).__name__}: {error}"
        ) from None
    return Shard(name, flat.nbytes, lambda: _MemoryReader(flat))


def _open_file(path: Path, name: str, where: str) -> OpenShard:
    try:
        return _FileReader(path)
    except OSError as error:
        raise ModelFormatError(f"{where}: shard {name!r} cannot be read: {error}") from None


class _FileReader:
    def __init__(self, path: Path) -> None:
        # Large reads bypass the buffer and go straight into the weight's own memory; it serves short strings.
        self._file = path.open("rb")

    def readinto(self, buffer: memoryview, /) -> int:
        return self._file.readinto(buffer)

    def skip(self, count: int, /) -> None:
        self._file.seek(count, os.SEEK_CUR)

    def close(self) -> None:
        self._file.close()


class _MemoryReader:
    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def readinto(self, buffer: memoryview, /) -> int:
        part = self._view[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def skip(self, count: int, /) -> None:
        self._position += count

    def close(self) -> None:
        self._view = memoryview(b"")


class ShardStream:
    """The concatenated bytes of a group's shards, read once, front to back.

    ``what`` in the methods names the weight for messages. All raise ModelFormatError when bytes are lacking.

    >>> with ShardStream([memory_shard(b"12", "a"), memory_shard(b"345", "b")], "model.json") as stream:
    ...     bytes(stream.read(3, "weight 'w'")), stream.remaining
    (b'123', 2)
    """

    def __init__(self, shards: Sequence[Shard], where: str, on_bytes: Callable[[int], None] | None = None) -> None:
        self.where = where
        self._shards = list(shards)
        self._on_bytes = on_bytes
        self._index = -1
        self._open: OpenShard | None = None
        self._offset = 0
        sizes = [shard.size for shard in shards]
        self.remaining: int | None = None if None in sizes else sum(size for size in sizes if size is not None)

    def __enter__(self) -> ShardStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read_into(self, target: memoryview, what: str) -> None:
        """Fill ``target`` (bytes) wholly."""
        self.require(len(target), what)
        done = 0
        while done < len(target):
            count = self._read_some(target[done:])
            if count == 0:
                self._refuse_short(len(target), done, what)
            done += count

    def read(self, count: int, what: str) -> bytearray:
        """The next ``count`` bytes; memory is taken only for bytes that are there."""
        self.require(count, what)
        data = bytearray(count if self.remaining is not None else min(count, _PIECE))
        done = 0
        while True:
            with memoryview(data) as view:
                while done < len(data):
                    step = self._read_some(view[done:])
                    if step == 0:
                        self._refuse_short(count, done, what)
                    done += step
            if done == count:
                return data
            data.extend(bytes(min(count - done, max(_PIECE, done))))

    def require(self, count: int, what: str) -> None:
        """Raise unless ``count`` more bytes are there, as far as sizes are known."""
        if self.remaining is not None and count > self.remaining:
            self._refuse_short(count, self.remaining, what)

    def regions(self, count: int) -> list[Region] | None:
        """Where the next ``count`` bytes lie, which are then skipped; None when not all shards are local files."""
        if any(shard.path is None or shard.size is None for shard in self._shards):
            return None
        self.require(count, "a weight")
        found: list[Region] = []
        while count:
            if self._open is None:
                self._advance()
            shard = self._shards[self._index]
            assert self._open is not None and shard.path is not None and shard.size is not None
            length = min(count, shard.size - self._offset)
            if length:
                found.append(Region(shard.path, self._offset, length))
                self._open.skip(length)
                self._count(length)
                count -= length
            else:
                self._close()
        return found

    def finish(self, expected: int) -> None:
        """Raise ModelFormatError when bytes are left over; ``expected`` is what the weights took."""
        extra = self.remaining
        if extra is None:
            extra = self._read_some(memoryview(bytearray(1)))
        if extra:
            total = f"{expected + extra}" if self.remaining is not None else f"more than {expected}"
            raise ModelFormatError(
                f"{self.where}: the weights take {expected} bytes, but {self._names()} hold {total}; "
                "the shards belong to another model.json, or one was changed"
            )
        self._close()

    def _read_some(self, target: memoryview) -> int:
        while self._open is not None or self._advance():
            assert self._open is not None
            try:
                count = self._open.readinto(target) or 0
            except TfglError:
                raise
            except OSError as error:
                name = self._shards[self._index].name
                raise ModelFormatError(f"{self.where}: shard {name!r} cannot be read: {error}") from None
            if count:
                self._count(count)
                return count
            self._close()
        return 0

    def _count(self, count: int) -> None:
        self._offset += count
        if self.remaining is not None:
            self.remaining -= count
        if self._on_bytes is not None:
            self._on_bytes(count)

    def _advance(self) -> bool:
        if self._index + 1 >= len(self._shards):
            return False
        self._index += 1
        self._offset = 0
        self._open = self._shards[self._index].open()
        return True

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _refuse_short(self, wanted: int, got: int, what: str) -> None:
        raise ModelFormatError(
            f"{self.where}: {what} needs {wanted} more bytes, but {self._names()} "
            f"end{'s' if len(self._shards) == 1 else ''} after {got}; "
            "a shard is truncated or belongs to another model.json: copy or convert the model again"
        )

    def _names(self) -> str:
        if not self._shards:
            return "the group without shards"
        if len(self._shards) == 1:
            return repr(self._shards[0].name)
        return f"the {len(self._shards)} shards {self._shards[0].name!r} to {self._shards[-1].name!r}"


def as_bytes_view(array: Any) -> memoryview:
    """The bytes of a contiguous array, writable where it is; empty arrays give an empty view."""
    return memoryview(array.reshape(-1).view("u1")) if array.size else memoryview(bytearray())
