"""A zero frame before a convolution becomes the convolution's own explicit padding."""

from __future__ import annotations

from collections.abc import Collection

from ..graph import Graph, Node
from .readers import reader_counts, sole_source

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "_FusedConv2D", "FusedDepthwiseConv2dNative")


def fuse_padding(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with Pad nodes that frame height and width with zeros taken into VALID convolutions."""
    nodes = dict(graph.nodes)
    readers = reader_counts(graph)
    count = 0
    for node in graph.nodes.values():
        if node.op not in _CONVOLUTIONS or node.attrs.get("padding") != b"VALID":
            continue
        pad = sole_source(node.inputs[0], graph, readers, protected)
        if pad is None or pad.op not in ("Pad", "PadV2") or pad.attrs.get("constant_value"):
            continue
        frame = graph.constants.get(pad.inputs[1].node)
        if frame is None or frame.shape != (4, 2) or (frame < 0).any():
            continue
        if pad.op == "PadV2":
            value = graph.constants.get(pad.inputs[2].node)
            if value is None or value.size != 1 or value.reshape(-1)[0] != 0:
                continue
        spatial = (1, 2) if node.attrs.get("data_format", b"NHWC") == b"NHWC" else (2, 3)
        if any(frame[axis].any() for axis in range(4) if axis not in spatial):
            continue
        attrs = {**node.attrs, "padding": b"EXPLICIT", "explicit_paddings": [int(n) for n in frame.reshape(-1)]}
        inputs = (pad.inputs[0], *node.inputs[1:])
        nodes[node.name] = Node(node.name, node.op, inputs, node.control_inputs, attrs, node.device)
        del nodes[pad.name]
        count += 1
    return graph.replace(nodes=nodes), count
