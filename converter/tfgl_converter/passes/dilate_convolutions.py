"""SpaceToBatchND, a convolution and BatchToSpaceND, as TensorFlow writes dilations, become one dilated convolution."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tfgl.ir.graph import AttrValue, Edge, Graph, Node

from .editing import Editor, reader_counts, sole_reader
from .known_shapes import KnownShapes
from .rewriting import PassContext, Rewritten

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_BETWEEN = ("BiasAdd", "Add", "AddV2", "Relu", "Relu6", "Elu", "Identity")


def dilate_convolutions(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with such three as a convolution with explicit padding; biases and activations between may stay.

    The convolution must be VALID with steps of 1. What pads the last blocks and is cropped again is no padding of
    the convolution; sizes of the image need not be known when paddings and crops are constants.
    """
    editor = Editor(graph, context.protected)
    counts = reader_counts(graph)
    shapes: KnownShapes | None = None
    count = 0
    for node in graph.nodes.values():
        if node.op != "BatchToSpaceND":
            continue
        shapes = shapes or KnownShapes(graph)
        found = _three(node, graph, counts, context, shapes)
        attrs = None if found is None else _dilated(node, *found, shapes)
        if found is None or attrs is None:
            continue
        convolution, spread, expanded = found
        if expanded is None:
            editor.put(
                dataclasses.replace(convolution, inputs=(spread.inputs[0], *convolution.inputs[1:]), attrs=attrs)
            )
        else:
            editor.put(dataclasses.replace(convolution, attrs=attrs))
            kept = {key: value for key, value in expanded.attrs.items() if key != "_output_shapes"}
            editor.put(dataclasses.replace(expanded, inputs=(spread.inputs[0], *expanded.inputs[1:]), attrs=kept))
        editor.remove(spread.name)
        _forget_shapes(node, convolution, graph, editor)
        editor.replace_node(node, [node.inputs[0]])
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _three(
    back: Node, graph: Graph, counts: Mapping[Edge, int], context: PassContext, shapes: KnownShapes
) -> tuple[Node, Node, Node | None] | None:
    """The convolution, what spread its input, and the ExpandDims between that makes an image of a sequence."""
    squeezed = False
    source = sole_reader(graph, back.inputs[0], counts, context.protected)
    for _ in range(4):
        if source is None or source.op not in (*_BETWEEN, "Squeeze") or not source.inputs:
            break
        if source.op in ("BiasAdd", "Add", "AddV2"):
            bias = graph.constants.get(source.inputs[1].node)
            if bias is None or bias.ndim > 1:
                return None
        if source.op == "Squeeze":
            squeezed = source.attrs.get("squeeze_dims", source.attrs.get("axis")) in ([1], [-3])
            if not squeezed:
                return None
        source = sole_reader(graph, source.inputs[0], counts, context.protected)
    if source is None or source.op not in _CONVOLUTIONS:
        return None
    expanded = None
    before = sole_reader(graph, source.inputs[0], counts, context.protected)
    if squeezed:
        if before is None or before.op != "ExpandDims" or shapes.whole(before, 1) not in ([1], [-3]):
            return None
        expanded, before = before, sole_reader(graph, before.inputs[0], counts, context.protected)
    return None if before is None or before.op != "SpaceToBatchND" else (source, before, expanded)


def _forget_shapes(back: Node, convolution: Node, graph: Graph, editor: Editor) -> None:
    """What exporters noted of shapes between the two ends does not hold any more."""
    edge = back.inputs[0]
    while edge.node != convolution.name:
        node = graph.nodes[edge.node]
        if "_output_shapes" in node.attrs:
            attrs = {key: value for key, value in node.attrs.items() if key != "_output_shapes"}
            editor.put(dataclasses.replace(node, attrs=attrs))
        edge = node.inputs[0]


def _dilated(
    back: Node, convolution: Node, spread: Node, expanded: Node | None, shapes: KnownShapes
) -> dict[str, AttrValue] | None:
    """The attributes of the one convolution; None where it would not compute the same."""
    block, again = shapes.whole(spread, 1), shapes.whole(back, 1)
    pads, crops = shapes.whole(spread, 2), shapes.whole(back, 2)
    attrs = convolution.attrs
    if block is None or block != again or pads is None or crops is None or len(pads) != 2 * len(block):
        return None
    if len(block) != (2 if expanded is None else 1) or attrs.get("padding") != b"VALID":
        return None
    if attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    if attrs.get("strides") != [1, 1, 1, 1] or attrs.get("dilations", [1, 1, 1, 1]) != [1, 1, 1, 1]:
        return None
    # Cropped from the front would be results, not what fills up the last block.
    if any(crops[0::2]):
        return None
    kernel = shapes.of(convolution.inputs[1])
    if kernel is None or len(kernel) != 4 or min(kernel[:2]) <= 0:
        return None
    # A sequence is an image of one row.
    rates = [1] * (2 - len(block)) + block
    sides = [0, 0] * (2 - len(block))
    for axis in range(len(block)):
        start, end = pads[2 * axis], pads[2 * axis + 1] - crops[2 * axis + 1]
        if end < 0:
            return None
        sides += [start, end]
    changed: dict[str, AttrValue] = {key: value for key, value in attrs.items() if key != "_output_shapes"}
    changed["dilations"] = [1, *rates, 1]
    if not any(sides):
        return changed
    same = all(sum(sides[2 * a : 2 * a + 2]) == rates[a] * (kernel[a] - 1) for a in (0, 1))
    if same and all(sides[2 * a] == rates[a] * (kernel[a] - 1) // 2 for a in (0, 1)):
        changed["padding"] = b"SAME"
    else:
        changed["padding"] = b"EXPLICIT"
        changed["explicit_paddings"] = [0, 0, *sides, 0, 0]
    return changed

