"""Linked programs, and which models need which, on disk: safe against crashes and other processes."""

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
MODELS_LIMIT = 256
_MODEL_BYTES_LIMIT = 1 << 20


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
    models: int = 0
    """How many models' programs are known."""
    devices: int = 0
    """For how many devices choices were measured."""


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
        _write(self._path(text), _HEADER.pack(_MAGIC, binary_format, _sha256(binary).digest()) + binary)


class ModelFiles:
    """What is remembered of models on one driver, by a text that tells each from others.

    At most `MODELS_LIMIT` are kept, the oldest go first. For the rest it is as `ProgramFiles`.
    """

    _folder = "models"

    def __init__(self, driver: str, directory: Path | None = None) -> None:
        self._directory = (directory or cache_directory()) / self._folder
        self._driver = driver.encode()

    def _path(self, model: str) -> Path:
        return self._directory / f"{_sha256(self._driver + bytes(1) + model.encode()).hexdigest()}.json"

    def load(self, model: str) -> bytes | None:
        """What was stored for ``model``, or None."""
        path = self._path(model)
        try:
            data = path.read_bytes() if path.stat().st_size <= _MODEL_BYTES_LIMIT else b""
        except OSError:
            return None
        digest, _, content = data.partition(b"\n")
        return content if digest == _sha256(content).hexdigest().encode() else None

    def store(self, model: str, content: bytes) -> None:
        """Keep ``content`` for ``model``; nothing over a megabyte."""
        data = _sha256(content).hexdigest().encode() + b"\n" + content
        if len(data) > _MODEL_BYTES_LIMIT:
            return
        _write(self._path(model), data)
        with contextlib.suppress(OSError):
            kept = sorted(self._directory.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in kept[:-MODELS_LIMIT]:
                path.unlink(missing_ok=True)


class DeviceFiles(ModelFiles):
    """What was measured of devices, kept as what is remembered of models."""

    _folder = "devices"


# What is kept, each in a folder of its name.
_KEPT = {"programs": "programs/*/*.bin", "models": "models/*.json", "devices": "devices/*.json"}


def _write(path: Path, data: bytes) -> None:
    import tempfile  # only who stores needs it

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(beside)


def cache_info(directory: Path | None = None) -> CacheInfo:
    """Count and size of what is kept on disk, over all drivers."""
    folder = directory or cache_directory()
    sizes: dict[str, list[int]] = {kept: [] for kept in _KEPT}
    for kept, found in sizes.items():
        for path in folder.glob(_KEPT[kept]):
            with contextlib.suppress(OSError):
                found.append(path.stat().st_size)
    counts = {kept: len(found) for kept, found in sizes.items()}
    return CacheInfo(str(folder), bytes=sum(map(sum, sizes.values())), **counts)


def clear_cache(directory: Path | None = None) -> CacheInfo:
    """Delete every program, list and measurement kept on disk (and only those); returns what was there."""
    before = cache_info(directory)
    folder = directory or cache_directory()
    for pattern in _KEPT.values():
        for path in [*folder.glob(pattern), *folder.glob(str(Path(pattern).with_suffix(".part")))]:
            with contextlib.suppress(OSError):
                path.unlink()
    for path in [*folder.glob("programs/*"), *(folder / kept for kept in _KEPT)]:
        with contextlib.suppress(OSError):
            path.rmdir()
    return before
