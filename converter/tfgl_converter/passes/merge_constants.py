"""Two constants that meet the same tensor in a row become one."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfgl.ir.graph import AttrValue, Edge, Graph, Node

from .editing import Array, Editor, reader_counts, sole_reader
from .rewriting import PassContext, Rewritten

_PRODUCTS = ("Mul", "RealDiv")
_SUMS = ("Add", "AddV2", "Sub")


def merge_constants(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with (x · a) · b as x · (a b), (x + a) + b as x + (a + b), and quotients and differences so.

    The constants are combined in float64; where that would not be finite, or larger than both, they stay apart.
    """
    counts = reader_counts(graph)
    editor = Editor(graph, context.protected)
    # What a node is by now: the tensor, and the constant that meets it.
    merged: dict[str, tuple[Edge, Array]] = {}
    count = 0
    for node in graph.topological_order():
        family = next((family for family in (_PRODUCTS, _SUMS) if node.op in family), None)
        found = None if family is None else _split(node, graph)
        if family is None or found is None:
            continue
        edge, value = found
        before = sole_reader(graph, edge, counts, context.protected)
        inner = None if before is None or before.op not in family else merged.get(before.name) or _split(before, graph)
        if before is None or inner is None:
            continue
        both = _combined(inner[1], value, family)
        if both is None:
            continue
        merged[node.name] = inner[0], both
        constant = editor.constant(f"{node.name}/merged", both.astype(np.float32))
        op = "Mul" if family is _PRODUCTS else "AddV2"
        attrs: dict[str, AttrValue] = {"T": node.attrs["T"]} if "T" in node.attrs else {}
        editor.put(dataclasses.replace(node, op=op, inputs=(inner[0], constant), attrs=attrs))
        editor.remove(before.name)
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _split(node: Node, graph: Graph) -> tuple[Edge, Array] | None:
    """The tensor that meets a float constant, and the factor or summand that the constant is."""
    if len(node.inputs) != 2:
        return None
    for side in (0, 1) if node.op in ("Mul", "Add", "AddV2") else (0,):
        other = node.inputs[1 - side]
        held = None if other.index else graph.constants.get(other.node)
        if held is None or held.dtype.kind != "f" or node.inputs[side].node in graph.constants:
            continue
        value = np.asarray(held).astype(np.float64)
        if node.op == "RealDiv":
            return None if (value == 0).any() else (node.inputs[side], 1 / value)
        return node.inputs[side], -value if node.op == "Sub" else value
    return None


def _combined(first: Array, second: Array, family: tuple[str, ...]) -> Array | None:
    try:
        both: Array = first * second if family is _PRODUCTS else first + second
    except ValueError:
        return None  # they do not broadcast, which is said when it runs
    if both.size > max(first.size, second.size) or both.ndim > max(first.ndim, second.ndim):
        return None
    with np.errstate(over="ignore"):
        held = both.astype(np.float32)
    lost = family is _PRODUCTS and bool(((np.abs(held) < np.finfo(np.float32).tiny) & (both != 0)).any())
    return both if np.isfinite(held).all() and not lost else None
