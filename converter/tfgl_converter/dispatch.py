"""One conversion from files to files: what is read, what is done to it, what is written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tfgl.errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from tfgl.io import ModelArtifacts, read_artifacts, save_artifacts
from tfgl.io import quantization_by_name as _quantization_by_name

from .custom_objects import needs_keras, trusted_objects
from .detection import detect_format
from .formats.source_model import SourceModel
from .graph_conversion import GraphChoices, convert_source_graph
from .options import Options, check_options, output_format_of
from .passes import PassRecord, chosen_passes
from .read_back import Contents, TensorSpec, check_graph, describe_layers, read_back
from .record import record_bytes
from .weight_report import WeightReport, weight_report

# Formats whose readers take the other one, too.
_READ_AS = {"keras_keras": "keras", "keras_saved_model": "tf_saved_model"}


@dataclass
class Conversion:
    """What a conversion did: the path written, what the model has there, sizes, the passes, warnings.

    ``contents`` comes from the files, which were read back and compared before they took their place.
    """

    path: Path
    input_format: str
    output_format: str
    contents: Contents = field(default_factory=Contents)
    files: dict[str, int] = field(default_factory=dict)
    weights: WeightReport | None = None
    record: PassRecord | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> dict[str, TensorSpec]:
        """The inputs of the written model: dtype and shape by name, None for what its files do not state."""
        return self.contents.inputs

    @property
    def outputs(self) -> dict[str, TensorSpec]:
        """The outputs of the written model, as the inputs."""
        return self.contents.outputs

    @property
    def ops(self) -> Counter[str]:
        """How many nodes of each op the written graph has; of a layers model, how many layers of each class."""
        return self.contents.ops


def convert(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    *,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Conversion:
    """Convert the model at ``input_path`` into ``output_path``; what was done.

    ``options`` are the fields of Options, which are the command's flags. ``progress`` is told what begins; without it a
    download draws no bar either. Nothing appears at ``output_path`` unless all of it can.

    Raises InvalidArgumentError for options that do not fit, ModelFormatError for a model that cannot be read,
    UnsupportedOpError for ops that TensorFlow.js lacks, OSError when the disk refuses.

    >>> convert("missing", "out", input_format="tf_lite")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: unknown input_format 'tf_lite'; expected one of keras, keras_saved_model, ...
    """
    chosen, target = checked_request(input_path, output_path, options)
    output = Path(os.fspath(output_path))
    done = Conversion(output, chosen.input_format, target)
    metadata = read_metadata(chosen.metadata)
    try:
        _DISPATCH[chosen.input_format, target](_Job(input_path, output, chosen, done, metadata, progress))
    except UnsupportedOpError:
        raise
    except ModelFormatError as error:
        found, _ = detect_format(os.fspath(input_path))
        if found is None or _READ_AS.get(found, found) == _READ_AS.get(chosen.input_format, chosen.input_format):
            raise
        raise ModelFormatError(f"{error}; the file looks like --input_format={found}") from error
    return done


def checked_request(
    input_path: str | os.PathLike[str], output_path: str | os.PathLike[str], options: Mapping[str, Any]
) -> tuple[Options, str]:
    """The options of a conversion and its output format, checked as far as that needs no look into the source.

    Raises InvalidArgumentError for options that do not exist or do not fit, and for paths that cannot serve.

    >>> checked_request("module", "out", {"input_format": "tf_hub"})[1]
    'tfjs_graph_model'
    """
    try:
        chosen = Options(**options)
    except TypeError as error:
        raise InvalidArgumentError(f"convert: {error}") from None
    target = output_format_of(chosen.input_format, chosen.output_format)
    check_options(chosen, target)
    chosen_passes(chosen.passes)
    read_metadata(chosen.metadata)
    source, output = Path(os.fspath(input_path)), Path(os.fspath(output_path))
    if chosen.input_format != "tf_hub" and not source.exists():
        raise InvalidArgumentError(f"there is no {str(source)!r}; expected a model to convert")
    if target.startswith("tfjs") and output.exists() and not output.is_dir():
        raise InvalidArgumentError(f"{output} is a file; expected the folder to write the model into")
    return chosen, target


@dataclass(frozen=True)
class _Job:
    source: str | os.PathLike[str]
    output: Path
    options: Options
    done: Conversion
    metadata: dict[str, Any]
    tell: Callable[[str], None] | None

    def progress(self, text: str) -> None:
        if self.tell is not None:
            self.tell(text)

    @cached_property
    def custom_objects(self) -> dict[str, Any]:
        """The classes that the caller trusts, by name; their modules are imported now."""
        return trusted_objects(self.options.custom_objects)


def _saved_model(job: _Job) -> None:
    from .formats.saved_model import read_saved_model

    tags = job.options.saved_model_tags
    given = ("serve",) if tags is None else tuple(tags)
    job.progress("reading")
    _graph(job, read_saved_model(job.source, given, job.options.signature_name))


def _hub(job: _Job) -> None:
    from .formats.hub import read_hub_module

    tags = job.options.saved_model_tags
    given = None if tags is None else tuple(tags)
    shown = False if job.tell is None else None
    _graph(job, read_hub_module(job.source, given, job.options.signature_name, show_progress=shown))


def _frozen(job: _Job) -> None:
    from .formats.frozen_graph import read_frozen_graph

    job.progress("reading")
    _graph(job, read_frozen_graph(job.source, tuple(job.options.output_node_names)))


def _tflite(job: _Job) -> None:
    from .formats.tflite_model import read_tflite

    job.progress("reading")
    _graph(job, read_tflite(job.source, job.options.signature_name))


def _keras_graph(job: _Job) -> None:
    from .keras_conversion import read_keras_graph

    job.progress("reading")
    source, objects = Path(os.fspath(job.source)), job.custom_objects
    if not needs_keras(objects):
        _graph(job, read_keras_graph(source, job.options.input_format, objects))
        return
    from .formats.saved_model import read_saved_model
    from .live_models import exported_with

    job.progress("exporting with Keras")
    with exported_with(source, job.options.input_format, objects) as folder:
        _graph(job, read_saved_model(folder, ("serve",)))


def _graph_model(job: _Job) -> None:
    """A graph model again: sharded and quantised anew, its graph and metadata as they were."""
    job.progress("reading")
    artifacts = read_artifacts(job.source, expected_format="graph-model", lazy_weights=True)
    check_graph(artifacts)
    _write_tfjs(job, _with_metadata(artifacts, job.metadata), None)


def _layers(job: _Job) -> None:
    from .keras_conversion import read_as_layers_model

    job.progress("reading")
    options = job.options
    model = read_as_layers_model(job.source, options.input_format, job.custom_objects, options.saved_model_tags)
    job.done.warnings += [f"TensorFlow.js: {text}" for text in model.unsupported]
    groups = model.groups if options.split_weights_by_layer else None
    _write_tfjs(job, _with_metadata(model.artifacts, job.metadata), None, groups)


def _back(job: _Job) -> None:
    from .keras_conversion import read_keras, write_keras

    job.progress("reading")
    source = read_keras(job.source, job.options.input_format)
    job.progress("writing, and checking what was written")
    target = job.done.output_format
    if target == "keras_saved_model":
        from .live_models import write_keras_saved_model

        write_keras_saved_model(source, job.output)
        job.done.contents = describe_layers(source)
    else:
        job.done.contents = write_keras(source, job.output, target, job.custom_objects)
    job.done.files = _files_of(job.output)


_DISPATCH: dict[tuple[str, str], Callable[[_Job], None]] = {
    ("tf_saved_model", "tfjs_graph_model"): _saved_model,
    ("keras_saved_model", "tfjs_graph_model"): _saved_model,
    ("tf_hub", "tfjs_graph_model"): _hub,
    ("tf_frozen_model", "tfjs_graph_model"): _frozen,
    ("tflite", "tfjs_graph_model"): _tflite,
    ("tfjs_graph_model", "tfjs_graph_model"): _graph_model,
    **{(source, "tfjs_graph_model"): _keras_graph for source in ("keras", "keras_keras", "tfjs_layers_model")},
    **{
        (source, "tfjs_layers_model"): _layers
        for source in ("keras", "keras_keras", "keras_saved_model", "tfjs_layers_model")
    },
    **{
        ("tfjs_layers_model", target): _back
        for target in ("keras", "keras_keras", "keras_saved_model")
    },
}  # fmt: skip


def _graph(job: _Job, source: SourceModel) -> None:
    """The passes over a source graph, then the model's files."""
    options, done = job.options, job.done
    choices = GraphChoices(
        strip_debug_ops=options.strip_debug_ops,
        control_flow_v2=options.control_flow_v2,
        skip_op_check=options.skip_op_check,
        structured_outputs=options.use_structured_outputs_names,
        passes=options.passes,
    )
    metadata = {**source.metadata, **job.metadata}
    result = convert_source_graph(source, choices, metadata=metadata, progress=job.progress)
    done.record = result.record
    done.warnings += result.warnings
    extras = dict(result.extra_files)
    if options.record:
        extras["conversion.json"] = record_bytes(result.record, source, done.input_format)
    _write_tfjs(job, result.artifacts, extras)


def _write_tfjs(
    job: _Job,
    artifacts: ModelArtifacts,
    extras: Mapping[str, bytes] | None,
    groups: Sequence[Sequence[str]] | None = None,
) -> None:
    options, done = job.options, job.done
    quantized = _quantization_by_name(list(artifacts.weights), options.quantization)
    again = done.input_format == "tfjs_graph_model"
    errors: dict[str, float] = {}

    def on_quantized(name: str, error: float) -> None:
        errors[name] = max(error, errors.get(name, 0.0))

    def check(folder: Path) -> None:
        job.progress("checking what was written")
        written, done.contents = read_back(folder, own=not again)
        done.weights = weight_report(written, errors)
        done.files = _files_of(folder)

    job.progress("writing")
    stale = job.output / "conversion.json"
    save_artifacts(
        artifacts,
        job.output,
        shard_bytes=options.weight_shard_size_bytes,
        quantization=quantized,
        weight_groups=groups,
        extra_files=extras,
        check=check,
        on_quantized=on_quantized,
    )
    if "conversion.json" not in (extras or {}) and stale.exists():
        stale.unlink()  # of an earlier model


def _with_metadata(artifacts: ModelArtifacts, metadata: Mapping[str, Any]) -> ModelArtifacts:
    if metadata:
        artifacts.user_defined_metadata = {**(artifacts.user_defined_metadata or {}), **metadata}
    return artifacts


def read_metadata(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each key: the JSON of the file that a path names, anything else as it is.

    Raises InvalidArgumentError for files that are not there or not JSON.

    >>> read_metadata({"about": {"made": 2024}})
    {'about': {'made': 2024}}
    """
    values: dict[str, Any] = {}
    for key, value in entries.items():
        if not isinstance(value, (str, os.PathLike)):
            values[key] = value
            continue
        try:
            values[key] = json.loads(Path(value).read_bytes())
        except FileNotFoundError:
            raise InvalidArgumentError(f"metadata {key!r}: there is no file {os.fspath(value)!r}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"metadata {key!r}: {os.fspath(value)!r} is not JSON: {error}") from None
    return values


def _files_of(path: Path) -> dict[str, int]:
    if path.is_file():
        return {path.name: path.stat().st_size}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.stat().st_size for file in files}
