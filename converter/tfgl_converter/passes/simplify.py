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


def _bounds(node: Node, editor: Editor) -> Node | None:
    """Minimum(Maximum(x, a), b) with a <= b is ClipByValue, unless it is one of the above."""
    found = _clip(node, editor)
    if found is not None or node.attrs.get("T") not in ("float32", "float16", "float64"):
        return found
    for x, high in (node.inputs, node.inputs[::-1]):
        inner = editor.nodes.get(x.node)
        top = editor.value(high)
        if inner is None or inner.op != "Maximum" or x.index or top is None or top.shape != ():
            continue
        sides = [editor.resolve(edge) for edge in inner.inputs]
        for source, low in (sides, sides[::-1]):
            bottom = editor.value(low)
            if bottom is not None and bottom.shape == () and bool(bottom <= top):
                return Node(node.name, "ClipByValue", (source, low, high), (), {"T": node.attrs["T"]})
    return None


def _first_of(*rules: Rule) -> Rule:
    def rule(node: Node, editor: Editor) -> Edge | Node | None:
        return next((found for each in rules if (found := each(node, editor)) is not None), None)

    return rule


def _read(edge: Edge, editor: Editor, op: str) -> tuple[Edge, ...] | None:
    """What a node of ``op`` at ``edge`` reads."""
    node = editor.nodes.get(edge.node)
    if node is None or node.op != op or edge.index:
        return None
    return tuple(editor.resolve(source) for source in node.inputs)


def _plain(node: Node, op: str, *inputs: Edge) -> Node:
    return Node(node.name, op, inputs, (), {"T": node.attrs["T"]} if "T" in node.attrs else {})


def _is_float(node: Node) -> bool:
    return node.attrs.get("T") in ("float32", "float16", "float64", "bfloat16")


def _square(node: Node, editor: Editor) -> Node | None:
    """x · x, and x to the power of 2."""
    if len(node.inputs) != 2 or not _is_float(node):
        return None
    x, other = node.inputs
    found = _scalar(editor, other, 2) if node.op == "Pow" else x == other
    return _plain(node, "Square", x) if found else None


def _inverse(node: Node, editor: Editor) -> Node | None:
    """1 / x, and 1 / sqrt x."""
    if not _is_float(node) or (node.op == "RealDiv" and not _scalar(editor, node.inputs[0], 1)):
        return None
    root = _read(node.inputs[-1], editor, "Sqrt")
    if root is not None:
        return _plain(node, "Rsqrt", root[0])
    return _plain(node, "Reciprocal", node.inputs[1]) if node.op == "RealDiv" else None


def _signs(node: Node, editor: Editor) -> Node | None:
    """x + (-y), x - (-y) and (-x) + y without the minus."""
    for side in (0, 1) if node.op != "Sub" else (1,):
        negated = _read(node.inputs[side], editor, "Neg")
        if negated is not None and len(node.inputs) == 2:
            return _plain(node, "AddV2" if node.op == "Sub" else "Sub", node.inputs[1 - side], negated[0])
    return None


def _negated(node: Node, editor: Editor) -> Node | None:
    """-(x - y) as y - x, and not (x == y) as x != y."""
    if node.op == "Neg":
        sides = _read(node.inputs[0], editor, "Sub")
        return None if sides is None else _plain(node, "Sub", sides[1], sides[0])
    for op, opposite in (("Equal", "NotEqual"), ("NotEqual", "Equal")):
        sides = _read(node.inputs[0], editor, op)
        if sides is not None:
            attrs = {key: value for key, value in editor.nodes[node.inputs[0].node].attrs.items() if key[0] != "_"}
            return Node(node.name, opposite, sides, (), attrs)
    return None


def _cast_twice(node: Node, editor: Editor) -> Node | None:
    """From booleans by way of numbers: 0 and 1 are the same in all of them."""
    before = editor.nodes.get(node.inputs[0].node)
    if before is None or before.op != "Cast" or before.attrs.get("SrcT") != "bool":
        return None
    attrs = {key: value for key, value in node.attrs.items() if key[0] != "_"}
    return Node(node.name, "Cast", (editor.resolve(before.inputs[0]),), (), {**attrs, "SrcT": before.attrs["SrcT"]})


_RULES: dict[str, Rule] = {
    "Add": _first_of(_neutral(0, 1, value=0), _signs),
    "AddV2": _first_of(_neutral(0, 1, value=0), _signs),
    "Sub": _first_of(_neutral(1, value=0), _signs),
    "Mul": _first_of(_neutral(0, 1, value=1), _square),
    "RealDiv": _first_of(_neutral(1, value=1), _inverse),
    "Reciprocal": _inverse,
    "Div": _neutral(1, value=1),
    "Pow": _first_of(_neutral(1, value=1), _square),
    "AddN": _add_n,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Cast": _first_of(_cast, _cast_twice),
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
    "Neg": _first_of(_twice, _negated),
    "LogicalNot": _first_of(_twice, _negated),
    "Maximum": _clip,
    "Minimum": _bounds,
}
