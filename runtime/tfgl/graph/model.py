"""Graph models: loaded from model.json and shards, run by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from .. import engine as engines
from ..engine import Engine
from ..errors import ModelFormatError
from ..io import ModelArtifacts, save_artifacts
from ..ir.graph import Graph
from ..ir.graphdef import graph_from_json
from ..tensor import Tensor
from .reading import byte_codes, read_model
from .runner import GraphRunner, Inputs, Outputs
from .stats import ModelStats


class GraphModel(GraphRunner):
    """A TensorFlow.js graph model on the calling thread's engine.

    Made by `tfgl.load_graph_model`. `predict` and `execute` take a tensor, an
    array, a list in the order of `inputs`, or a dict by signature key or node
    name; they serve every model, whatever its ops.
    """

    def __init__(self, artifacts: ModelArtifacts, *, engine: Engine | None = None, read_ms: float = 0.0) -> None:
        start = perf_counter()
        graph = graph_of(artifacts)
        stats = ModelStats(read_ms=read_ms, graph_ms=(perf_counter() - start) * 1e3)
        super().__init__(graph, engine or engines.current(), stats, byte_codes(artifacts))
        self._artifacts = artifacts

    # -- what it is ---------------------------------------------------------

    @property
    def weights(self) -> dict[str, list[Tensor]]:
        """The constants that execution uses, by node name, each in a list as TensorFlow.js has them."""
        self._check()
        return {name: [tensor] for name, tensor in self._executor.weights.items()}

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """``userDefinedMetadata`` of model.json."""
        return self._artifacts.user_defined_metadata

    @property
    def model_signature(self) -> Mapping[str, Any] | None:
        """The signature as model.json has it; in older files it lies in the metadata."""
        return self._artifacts.signature

    @property
    def structured_output_keys(self) -> list[str] | None:
        """Names that `predict` gives its outputs, for models converted with structured outputs."""
        return self._artifacts.structured_output_keys

    @property
    def model_version(self) -> str:
        """``producer.minConsumer`` of the graph's versions."""
        versions = self._source_graph.versions
        return f"{versions.producer}.{versions.min_consumer}"

    # -- running ------------------------------------------------------------

    def predict(self, inputs: Inputs) -> Outputs:
        """Outputs of the whole model: one tensor, a list in the order of `outputs`, or a dict by structured key.

        Raises InvalidArgumentError when an input is missing, unknown, or of
        another dtype or shape than the model's.
        """
        results = self._run(inputs, list(self._source_graph.outputs))
        keys = self.structured_output_keys
        if keys is not None and len(keys) == len(results):
            return dict(zip(keys, results, strict=True))
        return results[0] if len(results) == 1 else results

    def __call__(self, inputs: Inputs) -> Outputs:
        """As `predict`."""
        return self.predict(inputs)

    # -- the rest -----------------------------------------------------------

    def save(self, target: Any, **options: Any) -> None:
        """Write model.json and shards into the folder ``target``, or hand them to an IO handler's ``save``."""
        self._check()
        save_artifacts(self._artifacts, target, **options)

    def __repr__(self) -> str:
        nodes = len(self._source_graph.nodes)
        return f"GraphModel(inputs={self.input_keys}, outputs={self.output_keys}, nodes={nodes})"


def load_graph_model(
    source: Any,
    *,
    on_progress: Callable[[float], None] | None = None,
    weight_path_prefix: str | None = None,
    weight_url_converter: Callable[[str], str] | None = None,
    headers: Mapping[str, str] | None = None,
    from_tf_hub: bool = False,
    stream_weights: bool = False,
    progress: bool | None = None,
) -> GraphModel:
    """The graph model at ``source``: a folder, a model.json, an http(s) URL, or an IO handler with ``load()``.

    ``on_progress`` gets the fraction read, from 0 to 1. ``weight_path_prefix``
    replaces the folder of the shards, ``weight_url_converter`` maps a shard's
    name to its URL, ``headers`` go with every request, ``from_tf_hub`` asks
    TF Hub for its tfjs format, ``stream_weights`` decodes weights while they
    arrive. ``progress`` shows a bar; None shows one on a terminal.

    Raises ModelFormatError for damaged or foreign files, UnsupportedOpError that
    names the op and its first node, DownloadError for URLs.

    >>> import tfgl
    >>> tfgl.load_graph_model("no/such/folder")
    Traceback (most recent call last):
    ...
    tfgl.errors.ModelFormatError: ...
    """
    artifacts, read_ms = read_model(
        source,
        "graph-model",
        progress=progress,
        on_progress=on_progress,
        weight_path_prefix=weight_path_prefix,
        weight_url_converter=weight_url_converter,
        headers=headers,
        from_tf_hub=from_tf_hub,
        stream_weights=stream_weights,
    )
    return GraphModel(artifacts, read_ms=read_ms)


def graph_of(artifacts: ModelArtifacts) -> Graph:
    """The graph of a graph model's artifacts; ModelFormatError when there is none."""
    topology = artifacts.model_topology
    if not topology:
        raise ModelFormatError(f"{artifacts.source}: model.json has no modelTopology; is it a weights-only file?")
    return graph_from_json(
        topology,
        artifacts.weights,
        artifacts.signature,
        initializer=artifacts.model_initializer,
        initializer_signature=artifacts.initializer_signature,
    )
