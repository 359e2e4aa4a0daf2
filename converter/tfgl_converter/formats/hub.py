"""TF Hub modules: TensorFlow 1's (``tfhub_module.pb``) and 2's, from a folder, an archive, the cache or a URL."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from tfgl.errors import DownloadError, InvalidArgumentError, ModelFormatError
from tfgl.io.http import Downloads, is_url
from tfgl.progress import progress_bar

from .saved_model import read_saved_model
from .source_model import SourceModel

DEFAULT_MAX_BYTES = 16 << 30
_MODULE_FILE = "tfhub_module.pb"
_CACHE_VARIABLE = "TFHUB_CACHE_DIR"
_MAX_FILES = 100_000
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_COPY_BYTES = 1 << 20
_MAX_READ_BYTES = 16 << 20


def read_hub_module(
    handle: str | os.PathLike[str],
    tags: Sequence[str] | None = None,
    signature: str | None = None,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    show_progress: bool | None = None,
) -> SourceModel:
    """The module at ``handle``: a folder, a ``.tar.gz``, or an http(s) URL as TF Hub knows it.

    Without ``tags`` it is the graph without tags of a TensorFlow 1 module, that for ``serve`` of others;
    without ``signature`` it is ``default`` or ``serving_default``. See ``resolve_module`` for where URLs are
    looked up. Raises ModelFormatError, InvalidArgumentError and DownloadError.
    """
    folder = resolve_module(handle, max_bytes=max_bytes, show_progress=show_progress)
    if (folder / _MODULE_FILE).is_file():
        return read_saved_model(folder, () if tags is None else tags, signature, default_signature="default")
    return read_saved_model(folder, ("serve",) if tags is None else tags, signature)


def resolve_module(
    handle: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES, show_progress: bool | None = None
) -> Path:
    """The folder that holds the files of the module.

    A URL is looked up in TF Hub's cache, the folder of the environment variable TFHUB_CACHE_DIR or else
    ``tfhub_modules`` in the folder for temporary files; when it is not there it is downloaded into it, with a
    progress bar on a terminal (``show_progress`` None). ``max_bytes`` is what archive and files may weigh.

    Raises DownloadError when the URL gives nothing usable, ModelFormatError when the archive is damaged or has
    entries that leave its folder, InvalidArgumentError when nothing is there.
    """
    text = os.fspath(handle)
    if not is_url(text):
        if "://" in text and not text.startswith("file://"):
            raise InvalidArgumentError(f"{text!r}: expected a folder, a .tar.gz file or an http(s) address")
        path = Path(text.removeprefix("file://"))
        if path.is_dir():
            return path
        if path.is_file() and path.name.endswith(_ARCHIVES):
            return _unpacked(path, max_bytes)
        raise InvalidArgumentError(f"{path}: expected the folder of a module, its .tar.gz, or an http(s) address")
    cache = _cache_folder()
    target = cache / hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    if _has_module(target):
        return target
    _download(text, target, max_bytes, show_progress)
    return target


def _has_module(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt", _MODULE_FILE))


def _cache_folder() -> Path:
    chosen = os.environ.get(_CACHE_VARIABLE)
    cache = Path(chosen) if chosen else Path(tempfile.gettempdir()) / "tfhub_modules"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = cache.stat()
    except OSError as error:
        raise InvalidArgumentError(f"{cache}: is no usable cache folder ({error}); set {_CACHE_VARIABLE}") from None
    # In a shared folder for temporary files anybody could have put a model there for us to find.
    if not chosen and hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise InvalidArgumentError(f"{cache}: belongs to another user; set {_CACHE_VARIABLE} to a folder of your own")
    if not chosen and status.st_mode & stat.S_IWOTH:
        raise InvalidArgumentError(f"{cache}: anybody may write there; set {_CACHE_VARIABLE} to a folder of your own")
    return cache


def _compressed_url(handle: str) -> str:
    parts = urlsplit(handle)
    if parts.path.endswith(_ARCHIVES) or "tf-hub-format=" in parts.query:
        return handle
    query = f"{parts.query}&tf-hub-format=compressed" if parts.query else "tf-hub-format=compressed"
    return urlunsplit(parts._replace(query=query, fragment=""))


def _download(handle: str, target: Path, max_bytes: int, show_progress: bool | None) -> None:
    """Fetch and unpack beside ``target``, then rename: it is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        archive = Path(folder) / "module.tar.gz"
        received = 0
        with (
            Downloads() as downloads,
            progress_bar("downloading", show_progress) as advance,
            downloads.stream(_compressed_url(handle), max_bytes) as body,
            archive.open("wb") as file,
        ):
            for chunk in body.chunks():
                file.write(chunk)
                received += len(chunk)
                if body.size:
                    advance(min(1.0, received / body.size))
        if body.size is not None and received != body.size:
            raise DownloadError(f"{handle}: {received} of {body.size} bytes came; try again")
        unpacked = Path(folder) / "module"
        try:
            extract(archive, unpacked, max_bytes)
        except ModelFormatError as error:
            raise ModelFormatError(f"{handle}: what the server sent is no module archive: {error}") from None
        if not _has_module(unpacked):
            raise ModelFormatError(f"{handle}: the archive holds no saved_model.pb; is it a TensorFlow module?")
        try:
            unpacked.rename(target)
        except OSError:
            # Another process was faster, or what lies there is a leftover.
            if not _has_module(target):
                shutil.rmtree(target, ignore_errors=True)
                unpacked.rename(target)


def _unpacked(archive: Path, max_bytes: int) -> Path:
    """The contents of a local archive, kept in the cache under what identifies the file."""
    status = archive.stat()
    identity = f"{archive.resolve()} {status.st_size} {status.st_mtime_ns}"
    cache = _cache_folder()
    target = cache / hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest()
    if _has_module(target):
        return target
    with tempfile.TemporaryDirectory(dir=cache, prefix=".unpack-") as folder:
        unpacked = Path(folder) / "module"
        extract(archive, unpacked, max_bytes)
        if not _has_module(unpacked):
            raise ModelFormatError(f"{archive}: holds no saved_model.pb at its top, so it is no module archive")
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    return target


def extract(archive: Path, target: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
    """Write the files of a tar archive (also gzipped) below ``target``, which it makes.

    Raises ModelFormatError for damage, for entries that are neither files nor folders (links, devices), that
    leave the folder, or that weigh more than ``max_bytes`` together.
    """
    target.mkdir(parents=True)
    left = max_bytes
    try:
        with _opened(archive) as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
            for count, member in enumerate(tar):
                path = PurePosixPath(member.name)
                if count >= _MAX_FILES:
                    raise ModelFormatError(f"{archive}: over {_MAX_FILES} entries")
                if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
                    raise ModelFormatError(f"{archive}: entry {member.name!r} leaves the archive's folder")
                if member.isdir():
                    target.joinpath(*path.parts).mkdir(parents=True, exist_ok=True)
                    continue
                source = tar.extractfile(member) if member.isreg() else None
                if source is None:
                    raise ModelFormatError(f"{archive}: entry {member.name!r} is neither a file nor a folder")
                left -= member.size
                if left < 0:
                    raise ModelFormatError(f"{archive}: unpacked it has more than {max_bytes} bytes")
                file = target.joinpath(*path.parts)
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as written:
                    _copy(source, written.write, member.size, archive)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{archive}: is no tar archive, or is damaged: {error}") from None


class _BoundedReads(io.BufferedReader):
    """Refuses to read much at once: tarfile reads extended headers whole, however long they say they are."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > _MAX_READ_BYTES:
            raise ModelFormatError(f"an entry of the archive has a header of {size} bytes")
        return super().read(size)


def _opened(archive: Path) -> _BoundedReads:
    with archive.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    raw: Any = gzip.GzipFile(archive) if compressed else io.FileIO(archive)
    return _BoundedReads(raw)


def _copy(source: IO[bytes], write: Callable[[bytes], object], size: int, archive: Path) -> None:
    copied = 0
    while chunk := source.read(_COPY_BYTES):
        write(chunk)
        copied += len(chunk)
    if copied != size:
        raise ModelFormatError(f"{archive}: cut off; copy it again")
