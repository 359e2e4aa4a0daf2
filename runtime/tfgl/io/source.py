"""Reading a model from wherever it is: a folder, a file, a URL, a handler, memory."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urljoin, urlsplit

from ..errors import DownloadError, InvalidArgumentError, ModelFormatError
from .artifacts import (
    MAX_JSON_BYTES,
    ModelArtifacts,
    ModelFormat,
    artifacts_from_json,
    check_format,
    parse_model_json,
)
from .http import Downloads, is_url, model_url, shard_url
from .manifest import WeightGroup, parse_manifest, parse_specs
from .shards import Shard, ShardStream, file_shard, memory_shard
from .weights import decode_weights

DEFAULT_MAX_BYTES = 16 << 30
_PARALLEL_DOWNLOADS = 4
_PROGRESS_INTERVAL_S = 0.1


@runtime_checkable
class LoadHandler(Protocol):
    """An object that gives a model: TensorFlow.js' IOHandler, in Python."""

    def load(self) -> ModelArtifacts | Mapping[str, Any]:
        """The artifacts, or a dict of TensorFlow.js' members with ``weightSpecs`` and ``weightData``."""


Source = str | os.PathLike[str] | ModelArtifacts | LoadHandler | Mapping[str, Any] | tuple[Mapping[str, Any], object]
Location = str | Path


@dataclass
class _Options:
    """What read_artifacts was asked for, and what its parts share."""

    with_weights: bool = True
    on_progress: Callable[[float], None] | None = None
    weight_path_prefix: str | os.PathLike[str] | None = None
    weight_url_converter: Callable[[str], str | os.PathLike[str]] | None = None
    headers: Mapping[str, str] | None = None
    stream_weights: bool = False
    lazy_weights: bool = False
    timeout_s: float = 30.0
    max_bytes: int = DEFAULT_MAX_BYTES
    expected_format: ModelFormat | None = None
    closing: ExitStack = field(default_factory=ExitStack)
    _downloads: Downloads | None = None

    @property
    def downloads(self) -> Downloads:
        """The connection pool, opened when the first file needs it."""
        if self._downloads is None:
            self._downloads = self.closing.enter_context(Downloads(self.headers, self.timeout_s))
        return self._downloads


def read_artifacts(
    source: Source,
    *,
    expected_format: ModelFormat | None = None,
    with_weights: bool = True,
    on_progress: Callable[[float], None] | None = None,
    weight_path_prefix: str | os.PathLike[str] | None = None,
    weight_url_converter: Callable[[str], str | os.PathLike[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    from_tf_hub: bool = False,
    stream_weights: bool = False,
    lazy_weights: bool = False,
    timeout_s: float = 30.0,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> ModelArtifacts:
    """The model at ``source``, with its weights decoded.

    ``source`` is a folder that holds model.json, the path of such a file, an http(s) or file URL, an
    object with ``load()``, a dict of TensorFlow.js artifacts (``weightSpecs``, ``weightData``), a pair
    ``(model_json, weight_bytes)``, or ModelArtifacts, which come back as they are.

    - ``expected_format``: refuse a model of the other format.
    - ``with_weights=False`` reads model.json alone; ``weight_specs`` are filled, ``weights`` are not.
    - ``on_progress`` hears fractions from 0 to 1, in the calling thread.
    - ``weight_path_prefix``: folder or URL of the shards, instead of that of model.json.
    - ``weight_url_converter``: gives URL or path of a shard from its name in the manifest.
    - ``headers`` go with every request. ``from_tf_hub`` appends ``/model.json?tfjs-format=file``.
    - ``stream_weights`` decodes weights while they are downloaded, one shard at a time; by default shards are
      fetched four at a time into a temporary folder.
    - ``lazy_weights``: large weights of local files come as LazyArray, whose values are read when they are asked
      for. The files must not be changed until then.
    - ``timeout_s`` is how long a server may stay silent, ``max_bytes`` what all weights may weigh in the
      files.

    Raises ModelFormatError for files that are missing or damaged, DownloadError for URLs that give no answer,
    InvalidArgumentError for wrong arguments.

    >>> topology = {"node": [{"name": "w", "op": "Const"}]}
    >>> manifest = [{"paths": ["w.bin"], "weights": [{"name": "w", "shape": [2], "dtype": "int32"}]}]
    >>> model = {"modelTopology": topology, "weightsManifest": manifest}
    >>> read_artifacts((model, bytes([1, 0, 0, 0, 2, 0, 0, 0]))).weights["w"]
    array([1, 2], dtype=int32)
    """
    options = _Options(
        with_weights=with_weights,
        on_progress=on_progress,
        weight_path_prefix=weight_path_prefix,
        weight_url_converter=weight_url_converter,
        headers=headers,
        stream_weights=stream_weights,
        lazy_weights=lazy_weights,
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        expected_format=expected_format,
    )
    with options.closing:
        if isinstance(source, str) and is_url(source):
            return _read_url(model_url(source, from_tf_hub=from_tf_hub), options)
        if from_tf_hub:
            raise InvalidArgumentError(f"from_tf_hub needs an http(s) URL, got {source!r}")
        if isinstance(source, str | os.PathLike):
            return _read_path(path_of(source), options)
        return _read_memory(source, options)


def path_of(place: str | os.PathLike[str]) -> Path:
    """The local path that ``place`` names; ``file://`` URLs are accepted.

    >>> path_of("model/model.json").name
    'model.json'
    """
    text = os.fspath(place)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgumentError(f"expected the path of a model, got {place!r}")
    if text.lower().startswith("file://"):
        from urllib.request import url2pathname  # a fifth of the time that `import tfgl` would take

        text = url2pathname(urlsplit(text).path)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _read_path(path: Path, options: _Options) -> ModelArtifacts:
    try:
        file = path / "model.json" if path.is_dir() else path
        if not file.exists():
            raise ModelFormatError(_missing(path, file))
        if not file.is_file():
            raise ModelFormatError(f"{file} is no regular file")
        size = file.stat().st_size
        if size > MAX_JSON_BYTES:
            raise ModelFormatError(f"{file}: {size} bytes are more than the {MAX_JSON_BYTES} allowed for JSON")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{path} cannot be read: {error}") from None
    _refuse_other_formats(file, data)
    model = parse_model_json(data, str(file))
    folder = file.parent if options.weight_path_prefix is None else options.weight_path_prefix
    return _assemble(model, str(file), options, lambda name: _local_or_url(folder, name, str(file)))


def _read_url(url: str, options: _Options) -> ModelArtifacts:
    model = parse_model_json(options.downloads.read(url, MAX_JSON_BYTES), url)
    prefix = options.weight_path_prefix
    base = None if prefix is None else urljoin(url, os.fspath(prefix))
    return _assemble(model, url, options, lambda name: shard_url(url, name, base))


def _read_memory(source: object, options: _Options) -> ModelArtifacts:
    where = type(source).__name__
    if not isinstance(source, ModelArtifacts | Mapping | Sequence) and isinstance(source, LoadHandler):
        where = f"what {where}.load() returned"
        source = source.load()
    if isinstance(source, ModelArtifacts):
        check_format(source, options.expected_format)
        return source
    data: object = None
    if isinstance(source, tuple | list) and len(source) == 2:
        source, data = source
    if not isinstance(source, Mapping):
        raise InvalidArgumentError(
            f"cannot read a model from {where}; expected a path, a URL, an object with load(), a dict of "
            "artifacts "
            "or a pair (model_json, weight bytes)"
        )
    where = "model.json in memory" if where in ("tuple", "list", "dict") else where
    artifacts = artifacts_from_json(source, where)
    check_format(artifacts, options.expected_format)
    data = source.get("weightData") if data is None else data
    if source.get("weightSpecs") is not None:
        artifacts.weight_specs = parse_specs(source["weightSpecs"], where)
    else:
        groups = parse_manifest(artifacts.weights_manifest, where)
        artifacts.weight_specs = [spec for group in groups for spec in group.specs]
    if not options.with_weights:
        return artifacts
    if data is None and artifacts.weight_specs:
        raise ModelFormatError(
            f"{where}: {len(artifacts.weight_specs)} weights are listed, but there are no bytes; "
            "give 'weightData', or the pair (model_json, weight bytes)"
        )
    buffers = list(data) if isinstance(data, list | tuple) else [b"" if data is None else data]
    shards = [memory_shard(part, f"{where}, 'weightData' part {i}") for i, part in enumerate(buffers)]
    progress = _Progress(options.on_progress, sum(shard.size or 0 for shard in shards))
    with ShardStream(shards, where, progress.add) as stream:
        artifacts.weights = dict(_reported(decode_weights(artifacts.weight_specs, stream), progress))
    progress.finish()
    return artifacts


def _assemble(
    model: dict[str, Any], where: str, options: _Options, locate: Callable[[str], Location]
) -> ModelArtifacts:
    """The artifacts of a parsed model.json whose shards are files or URLs."""
    artifacts = artifacts_from_json(model, where)
    check_format(artifacts, options.expected_format)
    groups = parse_manifest(artifacts.weights_manifest, where)
    artifacts.weight_specs = [spec for group in groups for spec in group.specs]
    if not options.with_weights:
        return artifacts
    least = sum(group.least_bytes for group in groups)
    if least > options.max_bytes:
        raise ModelFormatError(
            f"{where}: the weights take {least} bytes, more than max_bytes={options.max_bytes}; raise it to load them"
        )
    if options.weight_url_converter is not None:
        locate = _converted(options.weight_url_converter)
    # All local shards are looked at before the first weight is read.
    located = [[_shard_at(locate(name), name, where) for name in group.paths] for group in groups]
    sizes = [part.size or 0 for parts in located for part in parts if isinstance(part, Shard)]
    progress = _Progress(options.on_progress, max(least, sum(sizes)))
    for group, parts in zip(groups, located, strict=True):
        limit = options.max_bytes if group.exact_bytes is None else group.exact_bytes
        with _opened(parts, group, limit, where, options, progress) as stream:
            decoded = decode_weights(group.specs, stream, lazy=options.lazy_weights)
            artifacts.weights.update(_reported(decoded, progress))
    progress.finish()
    return artifacts


@contextmanager
def _opened(
    parts: Sequence[Shard | str],
    group: WeightGroup,
    limit: int,
    where: str,
    options: _Options,
    progress: _Progress,
) -> Iterator[ShardStream]:
    """The stream over a group's shards: local, downloaded as they are read, or downloaded before."""
    urls = {index: part for index, part in enumerate(parts) if isinstance(part, str)}
    shards = [
        Shard(group.paths[index], None, _opener(part, limit, options)) if isinstance(part, str) else part
        for index, part in enumerate(parts)
    ]
    if not urls or options.stream_weights:
        with ShardStream(shards, where, progress.add) as stream:
            yield stream
        return
    with tempfile.TemporaryDirectory(prefix="tfgl-download-") as folder:
        files = {index: Path(folder) / str(index) for index in urls}
        _download_all([(urls[index], file) for index, file in files.items()], where, limit, options, progress)
        for index, file in files.items():
            fetched = file_shard(file, group.paths[index], where)
            # Without a path: a file that is about to be deleted is not to be mapped.
            shards[index] = Shard(urls[index], fetched.size, fetched.open)
        with ShardStream(shards, where) as stream:
            yield stream


def _opener(url: str, limit: int, options: _Options) -> Callable[[], Any]:
    return lambda: options.downloads.stream(url, limit)


def _download_all(
    files: Sequence[tuple[str, Path]], where: str, limit: int, options: _Options, progress: _Progress
) -> None:
    """Fetch a group's shards, a few at a time; together they may not exceed ``limit`` bytes."""
    downloads, budget = options.downloads, _Budget(limit, where)
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS, thread_name_prefix="tfgl-download") as pool:
        pending = {pool.submit(downloads.save, url, file, limit, budget.take) for url, file in files}
        reported = 0
        try:
            while pending:
                done, pending = wait(pending, _PROGRESS_INTERVAL_S, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                taken = budget.taken
                progress.add(taken - reported)
                progress.report()
                reported = taken
        except OSError as error:
            if isinstance(error, DownloadError):
                raise
            raise DownloadError(f"the temporary folder cannot take the weights: {error}") from None
        finally:
            budget.stopped = True
            for future in pending:
                future.cancel()


class _Budget:
    """Bytes that all downloads of a group together have taken."""

    def __init__(self, limit: int, where: str) -> None:
        self.taken = 0
        self.stopped = False
        self._limit = limit
        self._where = where
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        with self._lock:
            self.taken += count
            if self.stopped:
                raise DownloadError("given up, because another file of the model failed")
            if self.taken > self._limit:
                raise DownloadError(
                    f"{self._where}: its shards hold more than the {self._limit} bytes that their weights take; "
                    "they belong to another model.json, or one was changed"
                )


class _Progress:
    """Turns byte counts into fractions that never fall."""

    def __init__(self, hear: Callable[[float], None] | None, total: int) -> None:
        self._hear = hear
        self._total = total
        self._done = 0
        self._last = -1.0

    def add(self, count: int) -> None:
        self._done += count

    def report(self) -> None:
        self._say(min(self._done / self._total, 1.0) if self._total else 0.0)

    def finish(self) -> None:
        self._say(1.0)

    def _say(self, fraction: float) -> None:
        if self._hear is not None and fraction > self._last:
            self._last = fraction
            self._hear(fraction)


def _reported(decoded: Iterator[tuple[str, Any]], progress: _Progress) -> Iterator[tuple[str, Any]]:
    for pair in decoded:
        yield pair
        progress.report()


def _converted(convert: Callable[[str], str | os.PathLike[str]]) -> Callable[[str], Location]:
    def locate(name: str) -> Location:
        place = convert(name)
        if not isinstance(place, str | os.PathLike):
            raise InvalidArgumentError(
                f"weight_url_converter({name!r}) must give a URL or a path, got {type(place).__name__}"
            )
        return place if isinstance(place, str) and is_url(place) else path_of(place)

    return locate


def _local_or_url(folder: str | os.PathLike[str], name: str, where: str) -> Location:
    if isinstance(folder, str) and is_url(folder):
        return shard_url("", name, folder)
    root = path_of(folder)
    path = root / name
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelFormatError(f"{where}: shard {name!r} cannot be read: {error}") from None
    if not inside:
        raise ModelFormatError(
            f"{where}: shard {name!r} is a link that leads out of {root}; copy the file there, or name "
            "its folder "
            "with weight_path_prefix"
        )
    return path


def _shard_at(location: Location, name: str, where: str) -> Shard | str:
    return location if isinstance(location, str) else file_shard(location, name, where)


def _missing(path: Path, file: Path) -> str:
    if file == path:
        return f"there is no {path}; expected model.json, or the folder that holds it"
    hint = "name the folder that the converter wrote"
    if (path / "saved_model.pb").exists() or (path / "tfhub_module.pb").exists():
        hint = "it is a TensorFlow model: convert it first with 'tfgl convert'"
    elif (path / "tensorflowjs_model.pb").exists():
        hint = "it was converted by tensorflowjs before 1.0: convert the original model again"
    return f"{path} holds no model.json; {hint}"


def _refuse_other_formats(file: Path, data: bytes) -> None:
    kinds = {
        b"\x89HDF\r\n\x1a\n": "a Keras HDF5 file",
        b"PK\x03\x04": "a zip file (a .keras model?)",
    }
    for magic, kind in kinds.items():
        if data.startswith(magic):
            raise ModelFormatError(f"{file} is {kind}, not a model.json; convert it first with 'tfgl convert'")
    if data[4:8] == b"TFL3":
        raise ModelFormatError(f"{file} is a TensorFlow Lite model, not a model.json; convert the original model")
    if file.suffix in (".pb", ".pbtxt"):
        raise ModelFormatError(f"{file} is a TensorFlow graph, not a model.json; convert it first with 'tfgl convert'")
