"""Linked programs on disk: one file each, safe against crashes and other processes."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

_MAGIC = b"tfglprg1"
_HEADER = struct.Struct("<8sI32s")  # magic, binary format, SHA-256 of what follows


def cache_directory() -> Path:
    """``TFGL_CACHE_DIR``, or ``tfgl`` in the platform's cache folder.

    >>> cache_directory().name != ""
    True
    """
    named = os.environ.get("TFGL_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tfgl"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tfgl" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfgl"


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What lies in the program cache."""

    directory: str
    programs: int
    bytes: int


def _sha256(data: bytes) -> hashlib._Hash:
    import hashlib  # takes as long to import as all of this package's own modules in gl; not needed before a program is

    return hashlib.sha256(data)


class ProgramFiles:
    """Program binaries of one driver, by the text they were compiled from.

    A file that is damaged, or that another driver wrote, counts as absent and is
    written anew. Writers write beside the target and rename, so that a reader
    never sees half a file. A folder that cannot be written is no error: the
    cache is an accelerator, not a store.
    """

    def __init__(self, driver: str, directory: Path | None = None) -> None:
        self._directory = (directory or cache_directory()) / "programs"
        self._driver = driver.encode()

    def _path(self, text: str) -> Path:
        digest = _sha256(self._driver + b"\0" + text.encode()).hexdigest()
        return self._directory / digest[:2] / f"{digest[2:]}.bin"

    def load(self, text: str) -> tuple[int, bytes] | None:
        """(format, binary) kept for ``text``, or None."""
        try:
            data = self._path(text).read_bytes()
        except OSError:
            return None
        if len(data) < _HEADER.size:
            return None
        magic, binary_format, digest = _HEADER.unpack_from(data)
        binary = data[_HEADER.size :]
        if magic != _MAGIC or _sha256(binary).digest() != digest:
            return None
        return binary_format, binary

    def store(self, text: str, binary_format: int, binary: bytes) -> None:
        """Keep ``binary`` for ``text``."""
        import tempfile  # only who stores needs it

        path = self._path(text)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_HEADER.pack(_MAGIC, binary_format, _sha256(binary).digest()))
                    file.write(binary)
                os.replace(beside, path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(beside)


def cache_info(directory: Path | None = None) -> CacheInfo:
    """Count and size of the programs kept on disk, over all drivers."""
    folder = directory or cache_directory()
    sizes = []
    for path in (folder / "programs").glob("*/*.bin"):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return CacheInfo(str(folder), len(sizes), sum(sizes))


def clear_cache(directory: Path | None = None) -> CacheInfo:
    """Delete every program kept on disk (and only those); returns what was there."""
    before = cache_info(directory)
    folder = (directory or cache_directory()) / "programs"
    for pattern in ("*/*.bin", "*/*.part"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                path.unlink()
    for path in [*folder.glob("*"), folder]:
        with contextlib.suppress(OSError):
            path.rmdir()
    return before
