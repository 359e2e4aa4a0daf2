"""Arithmetic and rearrangements that change nothing, or that two of in a row undo each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tfgl.ir.graph import DataType, Edge, Graph, Node

from .editing import Array, Editor
from .rewriting import PassContext, Rewritten

Rule = Callable[[Node, Editor], Edge | Node | None]


def simplify(graph: Graph, context: PassContext) -> Rewritten:
    """The graph after every rule that applies, in one pass in the order of the data, and how many did.

    Rules need no shapes: a neutral operand counts only as a scalar, which cannot broadcast the other.
    """
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.topological_order():
        rule = _RULES.get(node.op)
        if rule is None or node.name not in editor.nodes:
            continue
        current = dataclasses.replace(node, inputs=tuple(editor.resolve(edge) for edge in node.inputs))
        found = rule(current, editor)
        if found is None:
            continue
        if isinstance(found, Node):
            editor.put(found)
        elif node.name in context.protected:
            continue
        else:
            editor.replace_node(node, [found])
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _scalar(editor: Editor, edge: Edge, value: float) -> bool:
    array = editor.value(edge)
    return array is not None and array.shape == () and array.dtype.kind in "fiu" and bool(array == value)


def _neutral(*positions: int, value: float) -> Rule:
    def rule(node: Node, editor: Editor) -> Edge | None:
        if len(node.inputs) != 2:
            return None
        for position in positions:
            if _scalar(editor, node.inputs[position], value):
                return node.inputs[1 - position]
        return None

    return rule


def _reshape(node: Node, editor: Editor) -> Node | None:
    before = editor.nodes.get(node.inputs[0].node)
    if before is None or before.op not in ("Reshape", "ExpandDims", "Squeeze") or node.inputs[0].index:
        return None
    source = editor.resolve(before.inputs[0])
    return dataclasses.replace(node, inputs=(source, *node.inputs[1:]))


def _transpose(node: Node, editor: Editor) -> Edge | Node | None:
    order = editor.value(node.inputs[1])
    if order is None or order.ndim != 1:
        return None
    order = order % max(order.size, 1)
    if order.tolist() == list(range(order.size)):
        return node.inputs[0]
    before = editor.nodes.get(node.inputs[0].node)
    if before is None or before.op != "Transpose" or len(before.inputs) != 2:
        return None
    first = editor.value(editor.resolve(before.inputs[1]))
    if first is None or first.shape != order.shape:
        return None
    both = (first % first.size)[order].astype(np.int32)
    source = editor.resolve(before.inputs[0])
    if both.tolist() == list(range(both.size)):
        return source
    perm = editor.constant(f"{node.name}/perm", both)
    return dataclasses.replace(node, inputs=(source, perm), attrs={**node.attrs, "Tperm": DataType("int32")})


def _cast(node: Node, editor: Editor) -> Edge | None:
    source, target = node.attrs.get("SrcT"), node.attrs.get("DstT")
    if not isinstance(source, DataType) or not isinstance(target, DataType):
        return None
    # What TensorFlow.js holds in one dtype; narrow integers would have to wrap.
    wide = ("float16", "bfloat16", "float32", "float64"), ("int32", "int64")
    same = source == target or any(source in group and target in group for group in wide)
    return node.inputs[0] if same else None


def _pad(node: Node, editor: Editor) -> Edge | None:
    frame = editor.value(node.inputs[1])
    return node.inputs[0] if frame is not None and frame.size and not frame.any() else None


def _tile(node: Node, editor: Editor) -> Edge | None:
    times = editor.value(node.inputs[1])
    return node.inputs[0] if times is not None and (times == 1).all() else None


def _concat(node: Node, editor: Editor) -> Edge | None:
    return node.inputs[0] if len(node.inputs) == 2 else None


def _add_n(node: Node, editor: Editor) -> Edge | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


def _twice(node: Node, editor: Editor) -> Edge | None:
    before = editor.nodes.get(node.inputs[0].node)
    if before is None or before.op != node.op:
        return None
    return (
        node.inputs[0]
        if node.op in ("Relu", "Relu6", "Abs", "Floor", "Ceil", "Round")
        else editor.resolve(before.inputs[0])
    )


def _clip(node: Node, editor: Editor) -> Node | None:
    """Maximum(x, 0) is Relu, Minimum(Relu(x), 6) is Relu6, Maximum(x, a x) with 0 < a < 1 is LeakyRelu."""
    dtype = node.attrs.get("T")
    if dtype not in ("float32", "float16", "float64"):
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        if node.op == "Maximum" and _scalar(editor, other, 0):
            return Node(node.name, "Relu", (x,), (), {"T": dtype})
        before = editor.nodes.get(x.node)
        if before is None or x.index:
            continue
        if node.op == "Minimum" and before.op == "Relu" and _scalar(editor, other, 6):
            return Node(node.name, "Relu6", (editor.resolve(before.inputs[0]),), (), {"T": dtype})
        if node.op == "Maximum" and before.op == "Mul":
            slope = _slope(before, other, editor)
            if slope is not None:
                return Node(node.name, "LeakyRelu", (other,), (), {"T": dtype, "alpha": slope})
    return None


def _slope(product: Node, x: Edge, editor: Editor) -> float | None:
    inputs = tuple(editor.resolve(edge) for edge in product.inputs)
    for factor, value in (inputs, inputs[::-1]):
        array: Array | None = editor.value(factor)
        if value == x and array is not None and array.shape == () and 0 < float(array) < 1:
            return float(array)
    return None


_RULES: dict[str, Rule] = {
    "Add": _neutral(0, 1, value=0),
    "AddV2": _neutral(0, 1, value=0),
    "Sub": _neutral(1, value=0),
    "Mul": _neutral(0, 1, value=1),
    "RealDiv": _neutral(1, value=1),
    "Div": _neutral(1, value=1),
    "Pow": _neutral(1, value=1),
    "AddN": _add_n,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Cast": _cast,
    "Pad": _pad,
    "PadV2": _pad,
    "MirrorPad": _pad,
    "Tile": _tile,
    "ConcatV2": _concat,
    "Relu": _twice,
    "Relu6": _twice,
    "Abs": _twice,
    "Floor": _twice,
    "Ceil": _twice,
    "Round": _twice,
    "Neg": _twice,
    "LogicalNot": _twice,
    "Maximum": _clip,
    "Minimum": _clip,
}
