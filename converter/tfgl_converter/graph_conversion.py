"""A source graph -> the artifacts of a graph model: passes, op check, tables, assets."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.io import ModelArtifacts
from tfgl.ir.lazy_array import LazyArray

from .formats.source_model import SourceModel, Variable
from .op_check import check_ops
from .passes import PassContext, PassRecord, chosen_passes, run_passes
from .version import CONVERTED_BY
from .writers.graph_model import graph_artifacts

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GraphChoices:
    """The options that concern graphs; see dispatch.Options."""

    strip_debug_ops: bool = True
    control_flow_v2: bool = False
    skip_op_check: bool = False
    structured_outputs: bool = False
    passes: Collection[str] | None = None


@dataclass
class GraphResult:
    """The artifacts to write, the record of the passes, and files to put beside."""

    artifacts: ModelArtifacts
    record: PassRecord
    warnings: list[str] = field(default_factory=list)
    extra_files: dict[str, bytes] = field(default_factory=dict)


def convert_source_graph(
    source: SourceModel,
    choices: GraphChoices | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> GraphResult:
    """The graph model that ``source`` becomes.

    Raises ModelFormatError for variables without values and functions that are not there, UnsupportedOpError for ops
    that neither TensorFlow.js nor tfgl has unless the check is skipped, InvalidArgumentError for structured outputs
    of a model that has none.

    >>> from tfgl.ir.graph import Edge, Graph, Node
    >>> graph = Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Softsign", (Edge("x"),))})
    >>> nodes = convert_source_graph(SourceModel(graph, "here")).artifacts.model_topology["node"]
    >>> [node["op"] for node in nodes]
    ['Placeholder', 'Abs', 'Const', 'AddV2', 'RealDiv']
    """
    choices = choices or GraphChoices()
    if choices.structured_outputs and source.structured_outputs is None:
        raise InvalidArgumentError(
            f"{source.origin}: use_structured_outputs_names needs a model that returns a flat dictionary, whose keys "
            "are in the file; a graph without signatures has none"
        )
    order = chosen_passes(choices.passes)
    warnings = list(dict.fromkeys(source.warnings))

    def warn(text: str) -> None:
        if text not in warnings:
            warnings.append(text)

    context = PassContext(
        variables={name: _reader(name, variable, source.origin) for name, variable in source.variables.items()},
        strip_debug_ops=choices.strip_debug_ops,
        control_flow_v2=choices.control_flow_v2,
        warn=warn,
    )
    progress("rewriting the graph")
    graph, record = run_passes(source.graph, context, order)
    # Tables become inputs of the model and their ops go into its initialiser.
    tables = {name: table for name, table in source.tables.items() if name in graph.nodes}
    if not choices.skip_op_check:
        check_ops(graph, strip_debug_ops=choices.strip_debug_ops, warn=warn)
    artifacts = graph_artifacts(
        graph,
        tables=tables,
        metadata=metadata,
        structured_outputs=source.structured_outputs if choices.structured_outputs else None,
        generated_by=source.tensorflow_version,
        converted_by=CONVERTED_BY,
        source=source.origin,
    )
    extras = {}
    if source.asset_directory is not None and any(node.op.startswith("SimpleML") for node in graph.nodes.values()):
        extras["assets.zip"] = _zipped(source)
    return GraphResult(artifacts, record, warnings, extras)


def _reader(name: str, variable: Variable, origin: str) -> Callable[[], Array]:
    def read() -> Array:
        value: LazyArray | None = variable.value
        if value is None:
            raise ModelFormatError(
                f"{origin}: variable {variable.key or name!r} has no value in the model's files; save the model again"
            )
        return cast(Array, value)  # read while it is written, unless a pass needs its values

    return read


def _zipped(source: SourceModel) -> bytes:
    """The model's assets, as decision forests of TensorFlow.js expect them; the same bytes for the same files."""
    folder = source.asset_directory
    assert folder is not None
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            archive.writestr(zipfile.ZipInfo(f"assets/{file.relative_to(folder).as_posix()}"), file.read_bytes())
    return packed.getvalue()
