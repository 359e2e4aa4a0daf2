"""Steps of an LSTM as one draw each, against the float64 reference of the nodes they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import Array, graph_model, node, placeholder
from lstm_graphs import lstm_step, lstm_weights
from tfgl.engine import Engine
from tfgl.graph.model import graph_of
from tfgl.graph.stats import ModelStats
from tfgl.ir.evaluate import evaluate

NO_STATE = {"h0": np.zeros((3, 8), np.float32), "c0": np.zeros((3, 8), np.float32)}


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(
    nodes: list[dict[str, Any]], weights: Mapping[str, Array], feeds: Mapping[str, Array], outputs: list[str]
) -> ModelStats:
    """Captured and replayed, the outputs are those of the reference."""
    artifacts = graph_model(nodes, weights)
    expected = evaluate(graph_of(artifacts), feeds, outputs)
    with tfgl.load_graph_model(artifacts) as model:
        for _ in range(2):
            results = model.execute(dict(feeds), outputs)
            for name, result in zip(outputs, results if isinstance(results, list) else [results], strict=True):
                np.testing.assert_allclose(result.numpy(), expected[name], rtol=1e-5, atol=2e-6)
        return model.stats


@pytest.mark.parametrize(("features", "units"), [(8, 8), (5, 4), (3, 40), (300, 12)])
@pytest.mark.parametrize("bias_first", [False, True])
def test_steps_from_a_given_state(gpu: Engine, features: int, units: int, bias_first: bool) -> None:
    inputs = [placeholder(name, (-1, -1)) for name in ("x", "y", "h", "c")]
    nodes = [
        *inputs, *lstm_step("one", "x", "h", "c", bias_first=bias_first), *lstm_step("two", "y", "one", "one/c"),
    ]  # fmt: skip
    feeds = {
        "x": numbers(3, features), "y": numbers(3, features, seed=1), "h": numbers(3, units), "c": numbers(3, units),
    }  # fmt: skip
    stats = check(nodes, lstm_weights(features, units), feeds, ["one", "two", "two/c"])
    assert stats.fusions["lstm_cells"] == 2


@pytest.mark.parametrize("gates", ["ifgo", "igfo", "ofig"])
def test_order_of_the_gates(gpu: Engine, gates: str) -> None:
    nodes = [placeholder("x", (-1, 4)), *lstm_step("y", "x", "h0", "c0", gates)]
    stats = check(nodes, {**lstm_weights(4, 8), **NO_STATE}, {"x": numbers(3, 4)}, ["y"])
    assert stats.fusions["lstm_cells"] == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_steps_of_an_unpacked_sequence(gpu: Engine, axis: int) -> None:
    """One draw a step and two more: the zeros to begin with, the last output; no draws to unpack along axis 0."""
    steps = [
        lstm_step(f"s{k}", f"u:{k}" if k else "u", f"s{k - 1}" if k else "h0", f"s{k - 1}/c" if k else "c0")
        for k in range(4)
    ]
    nodes = [placeholder("x", (-1, -1, 5)), node("u", "Unpack", ["x"], num=4, axis=axis), *chain(*steps)]
    x = numbers(4, 3, 5)
    weights = {**lstm_weights(5, 8), **NO_STATE}
    stats = check(nodes, weights, {"x": x if axis == 0 else np.ascontiguousarray(x.swapaxes(0, 1))}, ["s3"])
    assert stats.fusions["lstm_cells"] == 4
    assert stats.draws == 4 + 2 + 4 * axis


@pytest.mark.parametrize("change", ["units", "read", "order"])
def test_what_stays_as_it_is(gpu: Engine, change: str) -> None:
    """Units that fill no texel, a gate that something else reads, a gate that is taken twice."""
    units = 6 if change == "units" else 8
    steps = lstm_step("y", "x", "h", "c")
    outputs = ["y"]
    if change == "read":
        steps.append(node("z", "Exp", ["y/i"]))
        outputs.append("z")
    if change == "order":
        steps = [{**step, "input": ["y/split"]} if step["name"] == "y/o" else step for step in steps]
    nodes = [*(placeholder(name, (-1, -1)) for name in ("x", "h", "c")), *steps]
    feeds = {"x": numbers(3, 4), "h": numbers(3, units), "c": numbers(3, units)}
    stats = check(nodes, lstm_weights(4, units), feeds, outputs)
    assert stats.fusions["lstm_cells"] == 0
