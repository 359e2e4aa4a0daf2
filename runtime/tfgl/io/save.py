"""Writing model.json and its shards: complete, or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np

from ..errors import InvalidArgumentError
from ..ir.lazy_array import LazyArray
from .artifacts import ModelArtifacts
from .http import is_url
from .manifest import WeightSpec
from .quantization import Quantization, QuantizedDType, quantization_of, stores_exactly
from .source import path_of
from .weights import encode_weight, storable

Array = np.ndarray[Any, Any]

DEFAULT_SHARD_BYTES = 4 << 20
_SHARD_NAME = re.compile(r"group\d+-shard\d+of\d+\.bin")


@runtime_checkable
class SaveHandler(Protocol):
    """An object that takes a model: the other half of TensorFlow.js' IOHandler."""

    def save(self, artifacts: ModelArtifacts, /) -> Any:
        """Keep ``artifacts``; what it returns, save_artifacts returns."""


def save_artifacts(
    artifacts: ModelArtifacts,
    target: str | os.PathLike[str] | SaveHandler,
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    quantization: Mapping[str, QuantizedDType] | None = None,
    weight_groups: Sequence[Sequence[str]] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
    check: Callable[[Path], object] | None = None,
    on_quantized: Callable[[str, float], None] | None = None,
) -> Any:
    """Write ``artifacts`` into a folder; the path of its model.json, or what ``target.save`` returns.

    Weights go into ``group{i}-shard{j}of{n}.bin`` of at most ``shard_bytes`` bytes. ``quantization`` names
    the weights to quantise (see quantization_by_name); weights that were read quantised and are unchanged
    are stored so again, without loss. ``weight_groups`` partitions the weight names (one group by
    default). ``extra_files`` are written beside model.json. ``check`` is called with the folder that holds all of
    it, before it takes its place; what it raises is raised, and nothing appears. ``on_quantized`` hears name and
    largest error of parts of quantised weights. Weights that are LazyArray are read a block at a time.

    A new folder is written under a temporary name beside ``target`` and renamed. In a folder that exists,
    model.json goes first, files replace their namesakes one by one, the new model.json last, then shards of an
    earlier model go; other files stay.

    Raises InvalidArgumentError for values that the format cannot hold, before anything appears at ``target``;
    OSError when the disk refuses.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = ModelArtifacts("graph-model", {"node": []}, weights={"w": np.zeros(2, np.float32)})
    ...     path = save_artifacts(model, Path(folder) / "web")
    ...     sorted(file.name for file in path.parent.iterdir())
    ['group1-shard1of1.bin', 'model.json']
    """
    if not isinstance(target, str | os.PathLike):
        if isinstance(target, SaveHandler):
            return target.save(artifacts)
        raise InvalidArgumentError(f"expected a folder or an object with save(), got {type(target).__name__}")
    if isinstance(target, str) and is_url(target):
        raise InvalidArgumentError(f"cannot save to {target}; expected a folder or an object with save()")
    if isinstance(shard_bytes, bool) or not isinstance(shard_bytes, int) or shard_bytes <= 0:
        raise InvalidArgumentError(f"shard_bytes must be a positive number of bytes, got {shard_bytes!r}")
    folder = path_of(target)
    if folder.exists() and not folder.is_dir():
        raise InvalidArgumentError(f"{folder} is a file; expected the folder to write model.json into")
    groups = _checked_groups(artifacts, weight_groups)
    unknown = sorted(set(quantization or {}) - set(artifacts.weights))
    if unknown:
        raise InvalidArgumentError(f"cannot quantise {unknown[0]!r}: the model has no such weight")
    extras = {_checked_extra(name): data for name, data in (extra_files or {}).items()}

    # Inside a folder that exists: it may be a mount, which no rename crosses.
    exists = folder.is_dir()
    parent = folder if exists else folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        manifest = [
            _write_group(artifacts, names, quantization or {}, scratch, number, shard_bytes, on_quantized)
            for number, names in enumerate(groups, start=1)
        ]
        for name, data in extras.items():
            (scratch / name).write_bytes(data)
        (scratch / "model.json").write_bytes(_model_json(artifacts, manifest))
        if check is not None:
            check(scratch)
        if exists:
            _replace_files(scratch, folder)
        else:
            # mkdtemp closes its folder to everyone else; a model is no secret.
            scratch.chmod(0o777 & ~_umask())
            scratch.rename(folder)
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)
    return folder / "model.json"


def _write_group(
    artifacts: ModelArtifacts,
    names: Sequence[str],
    quantization: Mapping[str, QuantizedDType],
    folder: Path,
    number: int,
    shard_bytes: int,
    on_quantized: Callable[[str, float], None] | None,
) -> dict[str, Any]:
    """Write a group's shards, a block of a weight at a time; its entry in the manifest."""
    known = {spec.name: spec for spec in artifacts.weight_specs}
    writer = _ShardWriter(folder, number, shard_bytes)
    entries: list[dict[str, Any]] = []
    try:
        for name in names:
            value = storable(artifacts.weights[name], f"weight {name!r}")
            earlier = known.get(name)
            how = _quantization(name, value, quantization.get(name), earlier)
            heard = None if on_quantized is None or how is None else partial(on_quantized, name)
            spec, pieces = encode_weight(name, value, how, earlier.group if earlier else None, heard)
            entries.append(spec.to_json())
            for piece in pieces:
                writer.write(piece)
    finally:
        writer.close()
    return {"paths": writer.name_files(), "weights": entries}


def _quantization(
    name: str, value: Array | LazyArray, wanted: QuantizedDType | None, spec: WeightSpec | None
) -> Quantization | None:
    earlier = spec.quantization if spec is not None else None
    if (
        earlier is not None
        and wanted in (None, earlier.dtype)
        and value.dtype in (np.float32, np.int32)
        and stores_exactly(value, earlier)
    ):
        return earlier
    if wanted is None or value.dtype != np.float32:
        return None
    try:
        return quantization_of(value, wanted)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"weight {name!r}: {error}") from None


class _ShardWriter:
    """Splits the bytes of a group into files; their names wait until the number of files is known."""

    def __init__(self, folder: Path, group: int, shard_bytes: int) -> None:
        self._folder = folder
        self._group = group
        self._shard_bytes = shard_bytes
        self._files: list[Path] = []
        self._open: BinaryIO | None = None
        self._room = 0

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            if self._open is None or not self._room:
                self.close()
                self._files.append(self._folder / f"group{self._group}-{len(self._files) + 1}")
                self._open = self._files[-1].open("wb")
                self._room = self._shard_bytes
            part = rest[: self._room]
            self._open.write(part)
            self._room -= len(part)
            rest = rest[len(part) :]

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def name_files(self) -> list[str]:
        count = len(self._files)
        names = [f"group{self._group}-shard{i}of{count}.bin" for i in range(1, count + 1)]
        for file, name in zip(self._files, names, strict=True):
            file.rename(self._folder / name)
        return names


def _model_json(artifacts: ModelArtifacts, manifest: Sequence[Mapping[str, Any]]) -> bytes:
    members = {**artifacts.to_json(), "weightsManifest": manifest}
    try:
        return json.dumps(members, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            f"{artifacts.source}: the model cannot be written as JSON: {error}; topology and metadata "
            "may hold only "
            "text, finite numbers, truth values, null, lists and dicts"
        ) from None


def _checked_groups(artifacts: ModelArtifacts, weight_groups: Sequence[Sequence[str]] | None) -> list[Sequence[str]]:
    if weight_groups is None:
        return [list(artifacts.weights)]
    seen: set[str] = set()
    for name in (name for group in weight_groups for name in group):
        if name not in artifacts.weights:
            raise InvalidArgumentError(f"weight_groups: the model has no weight {name!r}")
        if name in seen:
            raise InvalidArgumentError(f"weight_groups: {name!r} is named twice")
        seen.add(name)
    for name in artifacts.weights:
        if name not in seen:
            raise InvalidArgumentError(f"weight_groups: no group holds {name!r}")
    return list(weight_groups)


def _checked_extra(name: str) -> str:
    plain = re.fullmatch(r"[\w\-][\w\-.]*", name) is not None
    if not plain or name == "model.json" or _SHARD_NAME.fullmatch(name):
        raise InvalidArgumentError(f"extra_files: {name!r} is no plain file name, or one that the model needs")
    return name


def _replace_files(scratch: Path, folder: Path) -> None:
    fresh = sorted(file.name for file in scratch.iterdir())
    stale = _earlier_shards(folder) - set(fresh)
    # From here to the last line there is no model: who is stopped between leaves none, rather than old and new mixed.
    (folder / "model.json").unlink(missing_ok=True)
    for name in sorted(fresh, key=lambda name: name == "model.json"):
        os.replace(scratch / name, folder / name)
    for name in stale:
        (folder / name).unlink(missing_ok=True)


def _earlier_shards(folder: Path) -> set[str]:
    """Shards beside a model.json that is about to be replaced; without one they are somebody else's files."""
    if not (folder / "model.json").exists():
        return set()
    return {file.name for file in folder.iterdir() if _SHARD_NAME.fullmatch(file.name)}


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
