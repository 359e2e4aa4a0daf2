"""A graph run by both evaluators: the reference, and shaders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgl.engine import Engine
from tfgl.graph.runner import GraphRunner
from tfgl.graph.stats import ModelStats
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph

Array = np.ndarray[Any, Any]


def runner(graph: Graph, engine: Engine) -> GraphRunner:
    """The graph as a model on ``engine``."""
    return GraphRunner(graph, engine, ModelStats())


def check(graph: Graph, feeds: Mapping[str, Any], expected: Mapping[str, Any], engine: Engine | None = None) -> None:
    """Compare what the reference computes, and shaders when there is an engine, twice: recorded and replayed."""
    outputs = list(expected)
    results = [evaluate(graph, feeds, outputs)]
    if engine is not None:
        with runner(graph, engine) as model:
            for _ in range(2):
                tensors = model.execute(dict(feeds), outputs)
                results.append(dict(zip(outputs, tensors if isinstance(tensors, list) else [tensors], strict=True)))
    for found in results:
        for name, value in expected.items():
            result, wanted = np.asarray(found[name]), np.asarray(value)
            assert result.shape == wanted.shape, name
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(result, wanted, err_msg=name)
