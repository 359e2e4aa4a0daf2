"""One conversion from files to files: what is read, what is done to it, what is written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfgl.errors import InvalidArgumentError
from tfgl.io import DEFAULT_SHARD_BYTES, ModelArtifacts, QuantizedDType, read_artifacts, save_artifacts
from tfgl.io import quantization_by_name as _quantization_by_name

from .formats.source_model import SourceModel
from .graph_conversion import GraphChoices, convert_source_graph
from .passes import PassRecord
from .record import record_bytes
from .weight_report import WeightReport, weight_report

INPUT_FORMATS = (
    "keras", "keras_saved_model", "keras_keras", "tf_saved_model", "tf_hub", "tfjs_layers_model", "tfjs_graph_model",
    "tf_frozen_model",
)  # fmt: skip
OUTPUT_FORMATS = ("keras", "keras_saved_model", "keras_keras", "tfjs_layers_model", "tfjs_graph_model")
_INFERRED = {
    "keras": "tfjs_layers_model",
    "keras_keras": "tfjs_layers_model",
    "keras_saved_model": "tfjs_layers_model",
    "tf_saved_model": "tfjs_graph_model",
    "tf_hub": "tfjs_graph_model",
    "tf_frozen_model": "tfjs_graph_model",
    "tfjs_layers_model": "keras",
    "tfjs_graph_model": "tfjs_graph_model",
}


@dataclass(frozen=True)
class Options:
    """How to convert; the fields are the flags of tensorflowjs_converter.

    ``quantize_*`` are True for all weights, or wildcards over weight names. ``metadata`` maps keys to JSON files.
    ``passes`` limits the rewrites to those named (the necessary ones always run). ``record`` writes conversion.json.
    """

    input_format: str = "tf_saved_model"
    output_format: str | None = None
    signature_name: str | None = None
    saved_model_tags: Sequence[str] | None = None
    quantize_float16: bool | Sequence[str] = False
    quantize_uint8: bool | Sequence[str] = False
    quantize_uint16: bool | Sequence[str] = False
    split_weights_by_layer: bool = False
    skip_op_check: bool = False
    strip_debug_ops: bool = True
    use_structured_outputs_names: bool = False
    control_flow_v2: bool = False
    weight_shard_size_bytes: int = DEFAULT_SHARD_BYTES
    output_node_names: Sequence[str] = ()
    metadata: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict)
    passes: Collection[str] | None = None
    record: bool = True

    @property
    def quantization(self) -> dict[QuantizedDType, bool | Sequence[str]]:
        """The patterns by stored dtype, those that were asked for."""
        asked: dict[QuantizedDType, bool | Sequence[str]] = {
            "float16": self.quantize_float16, "uint8": self.quantize_uint8, "uint16": self.quantize_uint16,
        }  # fmt: skip
        return {dtype: wanted for dtype, wanted in asked.items() if wanted}


@dataclass
class Conversion:
    """What a conversion did: the path written, the model's ends and ops, sizes, the passes, warnings."""

    path: Path
    input_format: str
    output_format: str
    inputs: dict[str, tuple[str, tuple[int, ...] | None]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, tuple[int, ...] | None]] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)
    files: dict[str, int] = field(default_factory=dict)
    weights: WeightReport | None = None
    record: PassRecord | None = None
    warnings: list[str] = field(default_factory=list)


def output_format_of(input_format: str, output_format: str | None) -> str:
    """The output format, inferred where none is asked for. Raises InvalidArgumentError for unknown ones and pairs.

    >>> output_format_of("tf_saved_model", None)
    'tfjs_graph_model'
    """
    if input_format not in INPUT_FORMATS:
        raise InvalidArgumentError(f"unknown input_format {input_format!r}; expected one of {', '.join(INPUT_FORMATS)}")
    wanted = output_format or _INFERRED[input_format]
    if wanted not in OUTPUT_FORMATS:
        raise InvalidArgumentError(f"unknown output_format {wanted!r}; expected one of {', '.join(OUTPUT_FORMATS)}")
    if (input_format, wanted) not in _DISPATCH:
        possible = [target for source, target in _DISPATCH if source == input_format]
        raise InvalidArgumentError(
            f"Unsupported input_format - output_format pair: {input_format} - {wanted}; {input_format} converts to "
            f"{' or '.join(possible)}"
        )
    return wanted


def convert(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    *,
    progress: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Conversion:
    """Convert the model at ``input_path`` into ``output_path``; what was done.

    ``options`` are the fields of Options, which are the command's flags. ``progress`` is told what begins. Nothing
    appears at ``output_path`` unless all of it can.

    Raises InvalidArgumentError for options that do not fit, ModelFormatError for a model that cannot be read,
    UnsupportedOpError for ops that TensorFlow.js lacks, OSError when the disk refuses.

    >>> convert("missing", "out", input_format="tf_lite")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: unknown input_format 'tf_lite'; expected one of keras, keras_saved_model, ...
    """
    try:
        chosen = Options(**options)
    except TypeError as error:
        raise InvalidArgumentError(f"convert: {error}") from None
    target = output_format_of(chosen.input_format, chosen.output_format)
    check_options(chosen, target)
    source, output = Path(os.fspath(input_path)), Path(os.fspath(output_path))
    if chosen.input_format != "tf_hub" and not source.exists():
        raise InvalidArgumentError(f"there is no {str(source)!r}; expected a model to convert")
    if target.startswith("tfjs") and output.exists() and not output.is_dir():
        raise InvalidArgumentError(f"{output} is a file; expected the folder to write the model into")
    done = Conversion(output, chosen.input_format, target)
    metadata = _read_metadata(chosen.metadata)
    _DISPATCH[chosen.input_format, target](_Job(input_path, output, chosen, done, metadata, progress))
    return done


def check_options(options: Options, target: str) -> None:
    """Raise InvalidArgumentError for options that do not fit the formats.

    >>> check_options(Options(signature_name="s", input_format="keras"), "tfjs_layers_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: signature_name serves tf_saved_model and tf_hub, not input_format keras
    """
    source = options.input_format
    if options.signature_name and source not in ("tf_saved_model", "tf_hub"):
        raise InvalidArgumentError(f"signature_name serves tf_saved_model and tf_hub, not input_format {source}")
    if options.saved_model_tags is not None and source not in ("tf_saved_model", "tf_hub", "keras_saved_model"):
        raise InvalidArgumentError(f"saved_model_tags serves SavedModels and hub modules, not input_format {source}")
    if options.control_flow_v2 and target != "tfjs_graph_model":
        raise InvalidArgumentError(f"control_flow_v2 serves output_format tfjs_graph_model, not {target}")
    size = options.weight_shard_size_bytes
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise InvalidArgumentError(f"weight_shard_size_bytes must be a positive number of bytes, got {size!r}")
    if not target.startswith("tfjs"):
        for name in ("weight_shard_size_bytes", "quantization", "metadata"):
            if getattr(options, name) != getattr(Options(), name):
                raise InvalidArgumentError(f"{name} serves TensorFlow.js models, not output_format {target}")
    if options.split_weights_by_layer and target != "tfjs_layers_model":
        raise InvalidArgumentError(f"split_weights_by_layer serves output_format tfjs_layers_model, not {target}")
    if source == "tf_frozen_model" and not options.output_node_names:
        raise InvalidArgumentError("a tf_frozen_model needs output_node_names, the nodes that it is to return")


@dataclass(frozen=True)
class _Job:
    source: str | os.PathLike[str]
    output: Path
    options: Options
    done: Conversion
    metadata: dict[str, Any]
    progress: Callable[[str], None]


def _saved_model(job: _Job) -> None:
    from .formats.saved_model import read_saved_model

    tags = job.options.saved_model_tags
    given = ("serve",) if tags is None else tuple(tags)
    _graph(job, read_saved_model(job.source, given, job.options.signature_name))


def _hub(job: _Job) -> None:
    from .formats.hub import read_hub_module

    tags = job.options.saved_model_tags
    given = None if tags is None else tuple(tags)
    _graph(job, read_hub_module(job.source, given, job.options.signature_name))


def _frozen(job: _Job) -> None:
    from .formats.frozen_graph import read_frozen_graph

    _graph(job, read_frozen_graph(job.source, tuple(job.options.output_node_names)))


def _keras_graph(job: _Job) -> None:
    from .keras_conversion import read_keras_graph

    _graph(job, read_keras_graph(job.source, job.options.input_format))


def _graph_model(job: _Job) -> None:
    """A graph model again: sharded and quantised anew, its graph and metadata as they were."""
    job.progress("reading")
    artifacts = read_artifacts(job.source, expected_format="graph-model")
    _write_tfjs(job, _with_metadata(artifacts, job.metadata), None)


def _layers(job: _Job) -> None:
    from .keras_conversion import read_as_layers_model

    job.progress("reading")
    model = read_as_layers_model(job.source, job.options.input_format)
    job.done.warnings += [f"TensorFlow.js: {text}" for text in model.unsupported]
    groups = model.groups if job.options.split_weights_by_layer else None
    _write_tfjs(job, _with_metadata(model.artifacts, job.metadata), None, groups)


def _back(job: _Job) -> None:
    from .keras_conversion import write_keras

    write_keras(job.source, job.output, job.done.output_format)
    job.done.files = _files_of(job.output)


_DISPATCH: dict[tuple[str, str], Callable[[_Job], None]] = {
    ("tf_saved_model", "tfjs_graph_model"): _saved_model,
    ("keras_saved_model", "tfjs_graph_model"): _saved_model,
    ("tf_hub", "tfjs_graph_model"): _hub,
    ("tf_frozen_model", "tfjs_graph_model"): _frozen,
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
    result = convert_source_graph(source, choices, metadata=job.metadata, progress=job.progress)
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
    options = job.options
    quantized = _quantization_by_name(list(artifacts.weights), options.quantization)
    job.progress("writing")
    stale = job.output / "conversion.json"
    path = save_artifacts(
        artifacts,
        job.output,
        shard_bytes=options.weight_shard_size_bytes,
        quantization=quantized,
        weight_groups=groups,
        extra_files=extras,
    )
    if "conversion.json" not in (extras or {}) and stale.exists():
        stale.unlink()  # of an earlier model
    job.progress("checking")
    written = read_artifacts(path, memory_map=True)
    job.done.weights = weight_report(artifacts, written, quantized)
    _describe(job.done, written)
    job.done.files = _files_of(job.output)


def _describe(done: Conversion, artifacts: ModelArtifacts) -> None:
    """The ends and ops of what was written, from the files."""
    if artifacts.format != "graph-model":
        return
    from tfgl.ir.graphdef import graph_from_json

    graph = graph_from_json(artifacts.model_topology, artifacts.weights, artifacts.signature)
    done.inputs = {key: (str(info.dtype), info.shape) for key, info in graph.inputs.items()}
    done.outputs = {key: (str(info.dtype), info.shape) for key, info in graph.outputs.items()}
    done.ops = Counter(node.op for node in graph.nodes.values())


def _with_metadata(artifacts: ModelArtifacts, metadata: Mapping[str, Any]) -> ModelArtifacts:
    if metadata:
        artifacts.user_defined_metadata = {**(artifacts.user_defined_metadata or {}), **metadata}
    return artifacts


def _read_metadata(files: Mapping[str, str | os.PathLike[str]]) -> dict[str, Any]:
    """The JSON of each file by key."""
    values: dict[str, Any] = {}
    for key, name in files.items():
        try:
            values[key] = json.loads(Path(name).read_bytes())
        except FileNotFoundError:
            raise InvalidArgumentError(f"metadata {key!r}: there is no file {os.fspath(name)!r}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"metadata {key!r}: {os.fspath(name)!r} is not JSON: {error}") from None
    return values


def _files_of(path: Path) -> dict[str, int]:
    if path.is_file():
        return {path.name: path.stat().st_size}
    return {file.name: file.stat().st_size for file in sorted(path.iterdir()) if file.is_file()}
