"""The ``.keras`` format: a zip of config.json, metadata.json and model.weights.h5, read without unpacking it."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from tfgl.errors import ModelFormatError
from tfgl.keras.configuration import reading_configuration
from tfgl.keras.files.assignment import assign_by_path
from tfgl.keras.files.model import Config, KerasModel, KerasWeight
from tfgl.keras.files.normalization import normalized, parse_config

from .hdf5_file import Hdf5File
from .keras_hdf5 import METADATA, group_names
from .keras_vocabularies import fill_in_vocabularies

_MAX_JSON_BYTES = 256 << 20
_MAX_WEIGHT_BYTES = 64 << 30
# Weights hardly shrink; zeros shrink a thousandfold, as zip bombs do.
_MAX_EXPANSION = 200
_UNSUSPICIOUS_BYTES = 64 << 20
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, struct.error, RuntimeError,
           UnicodeDecodeError)  # fmt: skip


def read_keras_v3(path: str | os.PathLike[str]) -> KerasModel:
    """The model of a ``.keras`` file, of Keras 3 or of Keras 2.12 and later.

    Nothing is unpacked: weights stored in the zip as they are (Keras' default) are read where they lie, compressed
    ones go into an unnamed temporary file. Raises ModelFormatError for a file that is missing, damaged, no such
    zip, expands without bound, or has entries that lead out of it.
    """
    where = os.fspath(path)
    with _reading(where):
        archive = zipfile.ZipFile(where)
    with archive:
        entries = _entries(archive, where)
        config_json = parse_config(_text(archive, entries, "config.json", where), f"{where}, config.json")
        metadata = parse_config(_text(archive, entries, "metadata.json", where), f"{where}, metadata.json")
        config = normalized(config_json, f"{where}, config.json")
        with reading_configuration(where):
            fill_in_vocabularies(
                config, lambda name: _text(archive, entries, name, where) if name in entries else None
            )
        weights = _weights_stream(archive, entries, where)
    user_metadata = metadata.get(METADATA)
    version = metadata.get("keras_version")
    version = version if isinstance(version, str) else None
    file = Hdf5File(weights, f"{where}, model.weights.h5")
    arrays, groups = file.tree()
    names = group_names(file, groups)
    optimizer = [
        KerasWeight(name, value, ("optimizer",), name)
        for name, value in arrays.items()
        if name.split("/")[0] in ("optimizer", "_optimizer")
    ]
    model_arrays = {
        name: value for name, value in arrays.items() if name.split("/")[0] not in ("optimizer", "_optimizer")
    }
    topology: Config = {} if version is None else {"keras_version": version}
    topology["model_config"] = config_json
    return KerasModel(
        config,
        assign_by_path(config, model_arrays, groups, names, file.where),
        where,
        topology=topology,
        training_config=_training_config(config_json),
        keras_version=version,
        backend=None,
        optimizer_weights=optimizer,
        user_defined_metadata=user_metadata if isinstance(user_metadata, dict) else None,
    )


def _entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        if "\\" in name or name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            raise ModelFormatError(
                f"{where}: the zip has an entry {name[:80]!r}, which leads out of its folder; refused"
            )
        if name in found:
            raise ModelFormatError(f"{where}: the zip has two entries {name[:80]!r}")
        if entry.flag_bits & 1:
            raise ModelFormatError(f"{where}: the zip's entry {name[:80]!r} is encrypted; save the model again without")
        found[name] = entry
    return found


def _entry(entries: dict[str, zipfile.ZipInfo], name: str, limit: int, where: str) -> zipfile.ZipInfo:
    entry = entries.get(name)
    if entry is None:
        listed = ", ".join(sorted(entries)[:6]) or "nothing"
        raise ModelFormatError(f"{where} is no .keras file: it has no entry {name!r}; it holds {listed}")
    expansion = entry.file_size / max(entry.compress_size, 1)
    if entry.file_size > limit or (entry.file_size > _UNSUSPICIOUS_BYTES and expansion > _MAX_EXPANSION):
        raise ModelFormatError(
            f"{where}: the zip's entry {name!r} would expand from {entry.compress_size} to {entry.file_size} bytes; "
            "refused"
        )
    return entry


def _text(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, where: str) -> bytes:
    entry = _entry(entries, name, _MAX_JSON_BYTES, where)
    with _reading(f"{where}, {name}"):
        return archive.read(entry)


def _weights_stream(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], where: str) -> BinaryIO:
    name = "model.weights.h5"
    entry = _entry(entries, name, _MAX_WEIGHT_BYTES, where)
    with _reading(f"{where}, {name}"):
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size:
            # Reading checks nothing here: HDF5 reads parts in any order. So the whole is summed first.
            with archive.open(entry) as stream:
                while stream.read(1 << 20):
                    pass
            return cast(BinaryIO, _Window(where, _data_offset(where, entry), entry.file_size))
        unpacked = tempfile.TemporaryFile(prefix="tfgl-")  # noqa: SIM115
        try:
            with archive.open(entry) as stream:
                shutil.copyfileobj(stream, unpacked, 1 << 20)
            return unpacked
        except BaseException:
            unpacked.close()
            raise


def _data_offset(path: str, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin: behind its local header, whose length only that header itself states."""
    with open(path, "rb") as file:
        file.seek(entry.header_offset)
        header = file.read(30)
    signature, name_bytes, extra_bytes = struct.unpack("<4s22xHH", header)
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile("the header of the entry is damaged")
    return int(entry.header_offset + 30 + name_bytes + extra_bytes)


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(0, self._size - self._position))
        self._file.seek(self._start + self._position)
        got = self._file.readinto(view[:count]) or 0
        self._position += got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()


def _training_config(config: Config) -> Config | None:
    """What HDF5 files call training configuration, from what ``.keras`` files say about compile()."""
    compiled = config.get("compile_config")
    if not isinstance(compiled, dict) or not compiled.get("optimizer"):
        return None
    training: Config = {key: compiled.get(key) for key in ("loss", "metrics", "weighted_metrics", "loss_weights")}
    training["optimizer_config"] = compiled["optimizer"]
    return training


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """What goes wrong with the zip, in one line that names the file."""
    try:
        yield
    except ModelFormatError:
        raise
    except FileNotFoundError:
        raise ModelFormatError(f"{where}: there is no such file") from None
    except IsADirectoryError:
        raise ModelFormatError(f"{where} is a folder; expected a .keras file") from None
    except (*_ERRORS, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ModelFormatError(
            f"{where}: the .keras file is damaged or cut off ({text}); copy or download it again"
        ) from None
