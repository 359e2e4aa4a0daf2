"""Constants in the dtypes that a model file holds, and the nodes that outputs need."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfgl.ir.attributes import stored_array
from tfgl.ir.graph import Graph
from tfgl.ir.lazy_array import LazyArray

from .rewriting import Array, PassContext, Rewritten

_INT64 = np.iinfo(np.int64)
_INT32 = np.iinfo(np.int32)
# Smaller values are read at once: passes look at them.
_SMALL_BYTES = 1 << 16


def prepare_constants(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with float64 and float16 constants as float32 and wider or narrower integers as int32.

    The largest and smallest int64, which mean "to the end" in slices, become the largest and smallest int32;
    other integers wrap.
    """
    constants = {}
    count = 0
    for name, value in graph.constants.items():
        array = _prepared(value, name)
        count += array is not value
        constants[name] = array
    return Rewritten(graph.replace(constants=constants) if count else graph, count)


def _prepared(value: Any, name: str) -> Any:
    """A large constant that lies in its file stays there, whatever its dtype becomes."""
    if not isinstance(value, LazyArray) or value.nbytes <= _SMALL_BYTES or value.dtype.kind == "O":
        return _stored(np.asarray(value), name)
    if value.dtype == np.int64:
        return value.mapped(lambda block: _stored(block, name), np.dtype(np.int32))
    return stored_array(value, f"constant {name!r}")


def _stored(array: Array, name: str) -> Array:
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        narrow[array == _INT64.max] = _INT32.max
        narrow[array == _INT64.min] = _INT32.min
        return narrow
    return stored_array(array, f"constant {name!r}")


def prune(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without what no output needs; inputs of the signature stay, as somebody may feed them."""
    named = {info.edge.node for info in graph.signature.inputs.values()}
    pruned = graph.prune([info.name for info in graph.outputs.values()])
    kept = set(pruned.nodes) | named | (context.protected & set(graph.nodes))
    if kept >= set(graph.nodes):
        # Of functions whose calls were inlined nothing stays.
        unread = len(graph.functions) - len(pruned.functions)
        return Rewritten(graph.replace(functions=pruned.functions) if unread else graph, 0)
    nodes = {name: node for name, node in graph.nodes.items() if name in kept}
    constants = {name: value for name, value in graph.constants.items() if name in kept}
    functions = pruned.functions
    return Rewritten(
        graph.replace(nodes=nodes, constants=constants, functions=functions), len(graph.nodes) - len(nodes)
    )
