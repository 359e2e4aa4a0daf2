"""Shape arithmetic whose results are known becomes constants, and ops that keep shape and values leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tfgl.ir.graph import DataType, Edge, Graph, Node

from .editing import Editor
from .known_shapes import KnownShapes
from .rewriting import PassContext, Rewritten

_INT32 = DataType("int32")


def fold_shapes(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with shapes and their arithmetic as constants where sizes are known.

    One unknown size in the target of a Reshape becomes -1. Reshape, Slice, Tile and their like that return what they
    read leave, and so does adding 0 or multiplying by 1 where nothing broadcasts.
    """
    shapes = KnownShapes(graph)
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.nodes.values():
        if node.name in graph.constants or not node.inputs:
            continue
        changed = _constant(node, shapes, editor)
        if not changed and node.name not in context.protected and _keeps(node, shapes):
            editor.replace_node(node, [node.inputs[_kept_input(node, shapes)]])
            changed = True
        if not changed and node.op == "Reshape":
            changed = _target(node, shapes, editor)
        count += changed
    return Rewritten(editor.graph() if count else graph, count)


def _constant(node: Node, shapes: KnownShapes, editor: Editor) -> bool:
    """Whole numbers that are all known: a shape, one size of it, what is packed or computed from them."""
    if node.op not in ("Shape", "StridedSlice", "Pack", "ConcatV2", "Rank", "Size", "Prod", "Mul", "Sub", "AddV2",
                       "FloorDiv", "Cast", "GatherV2", "Squeeze", "Reshape", "ExpandDims"):  # fmt: skip
        return False
    elements, shape = shapes.elements(Edge(node.name)), shapes.of(Edge(node.name))
    if node.op == "Size":
        of = shapes.of(node.inputs[0])
        elements = None if of is None or -1 in of else (int(np.prod(of, dtype=np.int64)),)
    if elements is None or -1 in elements or shape is None or len(shape) > 1:
        return False
    if node.op == "Cast" and DataType(str(node.attrs.get("DstT"))).stored != "int32":
        return False
    if len(shape) == 1 and shape[0] != len(elements):
        return False
    editor.put_constant(node.name, np.array(elements, np.int32).reshape(() if not shape else (len(elements),)))
    return True


def _target(node: Node, shapes: KnownShapes, editor: Editor) -> bool:
    """A computed target with at most one unknown size, which Reshape finds itself."""
    if shapes.value(node.inputs[1]) is not None:
        return False
    target, source = shapes.of(Edge(node.name)), shapes.of(node.inputs[0])
    stated = shapes.elements(node.inputs[1])
    if target is None or stated is None or target.count(-1) > 1 or (0 in target and -1 in target):
        return False
    if -1 in target and source is not None and -1 in source:
        # An unknown size may be 0, which leaves -1 open when the others do not say how many it stands for.
        known = [n for n in target if n != -1]
        if not all(known):
            return False
    edge = editor.constant(f"{node.name}/shape", np.array(target, np.int32))
    editor.put(dataclasses.replace(node, inputs=(node.inputs[0], edge), attrs={**node.attrs, "Tshape": _INT32}))
    return True


def _keeps(node: Node, shapes: KnownShapes) -> bool:
    check = _KEEPING.get(node.op)
    return check is not None and check(node, shapes)


def _kept_input(node: Node, shapes: KnownShapes) -> int:
    return 1 if node.op in _NEUTRAL and not _neutral_side(node, shapes, 1) else 0


def _same_shape(node: Node, shapes: KnownShapes) -> bool:
    """Equal shapes; one unknown size is the same when all others are."""
    source, result = shapes.of(node.inputs[0]), shapes.of(Edge(node.name))
    return source is not None and source == result and (
        source.count(-1) == 0 or (source.count(-1) == 1 and 0 not in source)
    )  # fmt: skip


def _broadcast(node: Node, shapes: KnownShapes) -> bool:
    source = shapes.of(node.inputs[0])
    return source is not None and -1 not in source and source == shapes.of(Edge(node.name))


def _whole_slice(node: Node, shapes: KnownShapes) -> bool:
    begin, size, shape = shapes.whole(node, 1), shapes.whole(node, 2), shapes.of(node.inputs[0])
    if begin is None or size is None or shape is None or any(begin):
        return False
    return all(n == -1 or n == extent for n, extent in zip(size, shape, strict=False))


def _whole_strided_slice(node: Node, shapes: KnownShapes) -> bool:
    """Every element in order, and no axis added or taken away."""
    begin, end, strides = (shapes.whole(node, i) for i in (1, 2, 3))
    shape = shapes.of(node.inputs[0])
    if begin is None or end is None or strides is None or shape is None or len(begin) > len(shape):
        return False
    masks = {key: node.attrs.get(key) or 0 for key in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                                       "shrink_axis_mask")}  # fmt: skip
    if masks["ellipsis_mask"] or masks["new_axis_mask"] or masks["shrink_axis_mask"] or any(n != 1 for n in strides):
        return False
    starts, ends = masks["begin_mask"], masks["end_mask"]
    if not isinstance(starts, int) or not isinstance(ends, int):
        return False
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        from_start = starts >> axis & 1 or first == 0
        to_end = ends >> axis & 1 or (shape[axis] >= 0 and last >= shape[axis]) or last == np.iinfo(np.int32).max
        if not from_start or not to_end:
            return False
    return True


def _single(node: Node, shapes: KnownShapes) -> bool:
    """A reduction over axes of size 1 that stay, or over none."""
    axes, shape = shapes.whole(node, 1), shapes.of(node.inputs[0])
    if axes is None or shape is None:
        return False
    if not axes:
        return True
    keep = node.attrs.get("keep_dims", node.attrs.get("keepdims")) is True
    return keep and all(shape[axis] == 1 for axis in axes)


def _neutral(node: Node, shapes: KnownShapes) -> bool:
    return _neutral_side(node, shapes, 1) or (node.op in ("Add", "AddV2", "Mul") and _neutral_side(node, shapes, 0))


def _neutral_side(node: Node, shapes: KnownShapes, side: int) -> bool:
    """Whether the constant at ``side`` is all 0 or all 1 and does not broadcast what is beside it."""
    if len(node.inputs) != 2:
        return False
    value, shape = shapes.value(node.inputs[side]), shapes.of(node.inputs[1 - side])
    if value is None or shape is None or value.dtype.kind not in "fiu" or value.ndim > len(shape) or not value.size:
        return False
    if not (value == _NEUTRAL[node.op]).all():
        return False
    beside = shape[len(shape) - value.ndim :]
    return all(n in (1, m) for n, m in zip(value.shape, beside, strict=True))


_NEUTRAL = {"Add": 0, "AddV2": 0, "Sub": 0, "Mul": 1, "RealDiv": 1}
_KEEPING: dict[str, Callable[[Node, KnownShapes], bool]] = {
    "Reshape": _same_shape,
    "Squeeze": _broadcast,
    "BroadcastTo": _broadcast,
    "Slice": _whole_slice,
    "StridedSlice": _whole_strided_slice,
    **dict.fromkeys(("Sum", "Mean", "Max", "Min", "Prod"), _single),
    **dict.fromkeys(_NEUTRAL, _neutral),
}
