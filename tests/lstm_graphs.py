"""Steps of LSTMs as converters write them out, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graph_models import Array, node


def lstm_weights(features: int, units: int, seed: int = 0) -> dict[str, Array]:
    """W, U, b, and the axis of the split."""
    generator = np.random.default_rng(seed)
    shapes = {"W": (features, 4 * units), "U": (units, 4 * units), "b": (4 * units,)}
    values: dict[str, Array] = {
        name: (generator.normal(size=shape) / 2).astype(np.float32) for name, shape in shapes.items()
    }
    return {**values, "axis": np.int32(1)}


def lstm_step(
    name: str, x: str, h: str, c: str, gates: str = "ifgo", *, bias_first: bool = False
) -> list[dict[str, Any]]:
    """The nodes of a step with output ``name`` and cell ``name/c``; ``gates`` are in the order of the split."""
    part = {gate: f"{name}/split:{place}" if place else f"{name}/split" for place, gate in enumerate(gates)}

    def named(suffix: str, op: str, inputs: Sequence[str], **attrs: Any) -> dict[str, Any]:
        return node(f"{name}/{suffix}", op, inputs, **attrs)

    def at(suffix: str) -> str:
        return f"{name}/{suffix}"

    if bias_first:
        sums = [named("xb", "BiasAdd", [at("xw"), "b"]), named("z", "AddV2", [at("hu"), at("xb")])]
    else:
        sums = [named("sum", "AddV2", [at("xw"), at("hu")]), named("z", "BiasAdd", [at("sum"), "b"])]
    return [
        named("xw", "MatMul", [x, "W"], transpose_a=False, transpose_b=False),
        named("hu", "MatMul", [h, "U"], transpose_a=False, transpose_b=False),
        *sums,
        named("split", "Split", ["axis", at("z")], num_split=4),
        *(named(gate, "Tanh" if gate == "g" else "Sigmoid", [part[gate]]) for gate in gates),
        named("kept", "Mul", [at("f"), c]),
        named("new", "Mul", [at("g"), at("i")]),
        named("c", "AddV2", [at("kept"), at("new")]),
        named("squashed", "Tanh", [at("c")]),
        node(name, "Mul", [at("o"), at("squashed")]),
    ]
