"""Small graph models made in memory, for tests."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfgl.io import ModelArtifacts

Array = npt.NDArray[Any]
_TYPES = {
    "float32": "DT_FLOAT",
    "int32": "DT_INT32",
    "bool": "DT_BOOL",
    "object": "DT_STRING",
    "complex64": "DT_COMPLEX64",
}


def attr(value: Any) -> dict[str, Any]:
    """A GraphDef attribute as JSON: strings, bools, ints, floats, ``DT_*`` names, shapes as tuples, lists."""
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, str) and value.startswith("DT_"):
        return {"type": value}
    if isinstance(value, str):
        return {"s": base64.b64encode(value.encode()).decode()}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, tuple):
        return {"shape": {"dim": [{"size": str(n)} for n in value]}}
    kind = "s" if value and isinstance(value[0], str) else "i"
    return {"list": {kind: [attr(item)[kind] for item in value]}}


def node(name: str, op: str, inputs: Sequence[str] = (), **attrs: Any) -> dict[str, Any]:
    """A GraphDef node as JSON."""
    return {"name": name, "op": op, "input": list(inputs), "attr": {k: attr(v) for k, v in attrs.items()}}


def placeholder(name: str, shape: tuple[int, ...], dtype: str = "DT_FLOAT") -> dict[str, Any]:
    """A Placeholder; -1 is a free extent."""
    return node(name, "Placeholder", dtype=dtype, shape=shape)


def graph_model(
    nodes: Sequence[dict[str, Any]],
    weights: Mapping[str, Array] | None = None,
    *,
    signature: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
) -> ModelArtifacts:
    """A graph model of ``nodes``; each weight becomes a Const node."""
    weights = dict(weights or {})
    constants = [node(name, "Const", dtype=_TYPES[str(array.dtype)]) for name, array in weights.items()]
    topology = {"node": [*constants, *nodes], "versions": {"producer": 1987, "minConsumer": 12}}
    return ModelArtifacts(
        "graph-model", topology, weights=dict(weights), signature=signature, user_defined_metadata=metadata
    )


def f32(*values: Any) -> Array:
    """A float32 array."""
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def i32(*values: Any) -> Array:
    """An int32 array."""
    return np.array(values[0] if len(values) == 1 else values, np.int32)
