"""One layer as a model, evaluated in float64, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow import run
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph
from tfgl.keras import graph_of_keras
from tfgl_converter.passes import PassContext, run_passes

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(7)


_DTYPES = {"i": "int32", "O": "string"}


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape)


def entry(class_name: str, name: str, inbound: Any = None, **config: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"class_name": class_name, "config": {"name": name, **config}, "name": name}
    return {**result, "inbound_nodes": [] if inbound is None else inbound}


def input_entry(name: str, shape: Sequence[int | None], dtype: str = "float32") -> dict[str, Any]:
    return entry("InputLayer", name, batch_input_shape=[None, *shape], dtype=dtype)


def functional(layers: Sequence[Mapping[str, Any]], inputs: Sequence[str], outputs: Sequence[Any]) -> dict[str, Any]:
    return {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": list(layers),
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": [[name, 0, 0] if isinstance(name, str) else list(name) for name in outputs],
        },
    }


def layer_graph(
    class_name: str,
    config: Mapping[str, Any],
    inputs: Sequence[Array],
    weights: Any = (),
    *,
    version: str = "2.15.0",
    outputs: int = 1,
    space: Sequence[int | None] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> Graph:
    """The graph of inputs x0, x1, ... (through ``before``, whose last layer is the first input) and one layer.

    ``space`` is another shape for x0, such as one of open sizes.
    """
    names = [f"x{i}" for i in range(len(inputs))]
    layers: list[Mapping[str, Any]] = [
        input_entry(name, x.shape[1:] if space is None or name != "x0" else space, _DTYPES.get(x.dtype.kind, "float32"))
        for name, x in zip(names, inputs, strict=True)
    ]
    read = list(names)
    for one in before:
        layers.append({**one, "inbound_nodes": [[[read[0], 0, 0, {}]]]})
        read[0] = one["config"]["name"]
    node = [[name, 0, 0, dict(kwargs or {})] for name in read]
    layers.append(entry(class_name, "layer", [node], **config))
    model = functional(layers, names, [["layer", 0, i] for i in range(outputs)])
    given: dict[str, Any] = {"layer": weights} if len(weights) else {}
    return graph_of_keras(model, given, keras_version=version, loops=True)


def run_layer(class_name: str, config: Mapping[str, Any], *inputs: Array, **options: Any) -> Any:
    """The outputs of a layer, after a check that their shapes are those that the graph states."""
    graph = layer_graph(class_name, config, inputs, options.pop("weights", ()), **options)
    feeds = {f"x{i}": x for i, x in enumerate(inputs)}
    results = values_of(graph, feeds)
    for key, info in graph.outputs.items():
        shape = results[key].shape
        assert info.shape is not None
        assert len(shape) == len(info.shape), (info.shape, shape)
        assert all(s in (-1, n) for s, n in zip(info.shape, shape, strict=True)), (info.shape, shape)
    arrays = list(results.values())
    return arrays[0] if len(arrays) == 1 else arrays


def values_of(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs; those of a graph with loops as TensorFlow.js comes to them, once the loops are lowered."""
    if not graph.functions:
        return evaluate(graph, feeds, list(graph.outputs))
    lowered, _ = run_passes(graph, PassContext())
    return run(lowered, feeds)


def close(actual: Array, expected: Array, tolerance: float = 2e-6) -> None:
    """Weights are stored as float32, so that results differ from float64 references by as much."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
