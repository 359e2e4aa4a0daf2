"""A model of either kind, by what its file says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph.model import GraphModel
    from .layers.model import LayersModel


def load(
    source: Any,
    *,
    on_progress: Callable[[float], None] | None = None,
    weight_path_prefix: str | None = None,
    weight_url_converter: Callable[[str], str] | None = None,
    headers: Mapping[str, str] | None = None,
    from_tf_hub: bool = False,
    stream_weights: bool = False,
    progress: bool | None = None,
) -> GraphModel | LayersModel:
    """The graph model or layers model at ``source``, whichever its ``format`` says; older files by their topology.

    Options and errors are those of `tfgl.load_graph_model` and `tfgl.load_layers_model`.

    >>> topology = {"node": [{"name": "x", "op": "Placeholder"}, {"name": "y", "op": "Relu", "input": ["x"]}]}
    >>> load({"modelTopology": topology})
    GraphModel(inputs=['x'], outputs=['y'], nodes=2)
    """
    from .graph.reading import read_model

    artifacts, read_ms = read_model(
        source,
        None,
        progress=progress,
        on_progress=on_progress,
        weight_path_prefix=weight_path_prefix,
        weight_url_converter=weight_url_converter,
        headers=headers,
        from_tf_hub=from_tf_hub,
        stream_weights=stream_weights,
    )
    if artifacts.format == "graph-model":
        from .graph.model import GraphModel

        return GraphModel(artifacts, read_ms=read_ms)
    from .layers.model import LayersModel

    model = LayersModel(artifacts, read_ms=read_ms)
    for text in model.warnings:
        warnings.warn(f"{artifacts.source}: {text}", stacklevel=2)
    return model
