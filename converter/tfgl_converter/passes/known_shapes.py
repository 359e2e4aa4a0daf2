"""What can be said of shapes before the model runs: sizes that are known, -1 for those that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfgl.errors import TfglError
from tfgl.ir.graph import Edge, Graph, Node
from tfgl.ir.shapes import normalize_axes, parse_einsum, strided_slice_plan

Shape = tuple[int, ...]
# A shape computed as a tensor: its elements as far as they are known, else -1.
Elements = tuple[int, ...]
_LONGEST = 64
_STATES_SCALARS = 24


class KnownShapes:
    """The shapes of all outputs of a graph, from placeholders, constants, exporters' notes and each op's rule.

    >>> nodes = [Node("x", "Placeholder", attrs={"shape": (-1, 3)}), Node("y", "Relu", (Edge("x"),))]
    >>> KnownShapes(Graph({node.name: node for node in nodes})).of(Edge("y"))
    (-1, 3)
    """

    def __init__(self, graph: Graph) -> None:
        """Walks the graph once."""
        self._graph = graph
        self.states_scalars = graph.versions.producer >= _STATES_SCALARS
        self._shapes: dict[Edge, Shape] = {}
        self._elements: dict[Edge, Elements] = {}
        for node in graph.topological_order():
            self._visit(node)

    def of(self, edge: Edge) -> Shape | None:
        """The shape at ``edge``; None when not even the rank is known."""
        return self._shapes.get(edge)

    def elements(self, edge: Edge) -> Elements | None:
        """The whole numbers of a vector or scalar at ``edge``, -1 for unknown ones; None when nothing is known."""
        return self._elements.get(edge)

    def value(self, edge: Edge) -> np.ndarray[Any, Any] | None:
        """The constant at ``edge``, if it is one and small."""
        array = self._graph.constants.get(edge.node) if edge.index == 0 else None
        return None if array is None or array.size > 4096 else np.asarray(array)

    def whole(self, node: Node, i: int) -> list[int] | None:
        """The elements of constant input ``i`` when all are known."""
        array = self.value(node.inputs[i]) if i < len(node.inputs) else None
        if array is not None and array.dtype.kind in "iu":
            return [int(n) for n in array.reshape(-1)]
        return None

    def _visit(self, node: Node) -> None:
        first = Edge(node.name)
        array = self._graph.constants.get(node.name)
        if array is not None:
            self._shapes[first] = tuple(array.shape)
            if array.ndim <= 1 and array.size <= _LONGEST and array.dtype.kind in "iu":
                self._elements[first] = tuple(int(n) for n in np.asarray(array).reshape(-1))
            return
        try:
            found = _ruled(node, self)
        except (TfglError, IndexError, ValueError, TypeError):
            found = []  # the node does not fit its inputs, which is said when it runs
        for index, shape in enumerate(found):
            if shape is not None:
                self._shapes[Edge(node.name, index)] = shape
        notes = node.attrs.get("_output_shapes")
        for index, note in enumerate(notes if isinstance(notes, list) else []):
            if isinstance(note, tuple):
                self._shapes[Edge(node.name, index)] = _merged(self._shapes.get(Edge(node.name, index)), note)
        elements = _elements(node, self)
        if elements is not None and len(elements) <= _LONGEST:
            self._elements[first] = elements


def _merged(mine: Shape | None, noted: Shape) -> Shape:
    if mine is None or len(mine) != len(noted):
        return noted
    return tuple(a if a >= 0 else b for a, b in zip(mine, noted, strict=True))


def broadcast(shapes: Sequence[Shape | None]) -> Shape | None:
    """The shape of an elementwise op over ``shapes``.

    >>> broadcast([(-1, 3), (3,)]), broadcast([(-1, 1), (5,)])
    ((-1, 3), (-1, 5))
    """
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    rank = max((len(shape) for shape in known), default=0)
    sizes = zip(*((1,) * (rank - len(shape)) + shape for shape in known), strict=True)
    return tuple(_common_size(axis) for axis in sizes)


def _common_size(axis: Sequence[int]) -> int:
    # Beside an unknown size, one other than 1 decides.
    decided = [n for n in axis if n not in (-1, 1)]
    return min(decided) if decided else -1 if -1 in axis else 1


def _ruled(node: Node, known: KnownShapes) -> list[Shape | None]:
    if node.op in ("Placeholder", "PlaceholderWithDefault"):
        shape = node.attrs.get("shape")
        # Before version 24 of graphs, a shape without sizes said that nothing is known.
        return [shape if isinstance(shape, tuple) and (shape or known.states_scalars) else None]
    if node.op in _SAME:
        return [known.of(node.inputs[0])] if node.inputs else []
    if node.op in _BROADCAST:
        return [broadcast([known.of(edge) for edge in node.inputs])]
    rule = _RULES.get(node.op)
    if rule is None:
        return []
    found = rule(node, known)
    return found if isinstance(found, list) else [found]


def _elements(node: Node, known: KnownShapes) -> Elements | None:
    """The values of shape arithmetic."""
    if node.op == "Shape":
        return known.of(node.inputs[0])
    if node.op in ("Identity", "Cast", "StopGradient", "Squeeze", "ExpandDims", "Reshape") and node.inputs:
        if node.op in ("ExpandDims", "Reshape", "Squeeze"):
            shape = known.of(Edge(node.name))
            if shape is None or len(shape) > 1:
                return None
        return known.elements(node.inputs[0])
    if node.op == "Rank":
        shape = known.of(node.inputs[0])
        return None if shape is None else (len(shape),)
    shape = known.of(Edge(node.name))
    parts = [known.elements(edge) for edge in node.inputs]
    if node.op == "Pack" and shape is not None and len(shape) == 1:
        return tuple(part[0] if part else -1 for part in parts)
    if node.op == "ConcatV2" and shape is not None and len(shape) == 1:
        sizes = [known.of(edge) for edge in node.inputs[:-1]]
        if any(size is None or size[0] < 0 for size in sizes):
            return None
        joined: list[int] = []
        for part, size in zip(parts[:-1], sizes, strict=True):
            joined += part if part is not None else [-1] * (size or (0,))[0]
        return tuple(joined)
    if node.op == "StridedSlice" and parts[0] is not None:
        plan = _slice_plan(node, known, (len(parts[0]),))
        if plan is None or len(known.of(node.inputs[0]) or ()) != 1:
            return None
        return tuple(parts[0][plan.begin[0] + i * plan.strides[0]] for i in range(plan.counts[0]))
    if node.op == "GatherV2" and parts[0] is not None and parts[1] is not None and shape is not None:
        inside = all(-len(parts[0]) <= i < len(parts[0]) for i in parts[1])
        single = known.of(node.inputs[0])
        if not inside or single is None or len(single) != 1 or len(shape) > 1 or -1 in parts[1]:
            return None
        return tuple(parts[0][i] for i in parts[1])
    if (node.op in _SIZE_ARITHMETIC or node.op == "Prod") and parts[0] is not None:
        return _computed(node, parts, shape)
    return None


def _computed(node: Node, parts: list[Elements | None], shape: Shape | None) -> Elements | None:
    left = parts[0]
    assert left is not None
    if node.op == "Prod":
        return (int(np.prod(left)),) if shape == () and -1 not in left else None
    right = parts[1]
    if right is None or shape is None or len(shape) > 1:
        return None
    length = max(len(left), len(right))
    pairs = zip(*(part * length if len(part) == 1 else part for part in (left, right)), strict=True)
    compute = _SIZE_ARITHMETIC[node.op]
    # Sizes only: what is below zero is unknown.
    return tuple(compute(a, b) if a >= 0 and b >= 0 and compute(a, b) >= 0 else -1 for a, b in pairs)


def _divided(a: int, b: int) -> int:
    return a // b if b else -1


_SIZE_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "Add": int.__add__, "AddV2": int.__add__, "Sub": int.__sub__, "Mul": int.__mul__, "FloorDiv": _divided,
    "Maximum": max, "Minimum": min,
}  # fmt: skip


def _slice_plan(node: Node, known: KnownShapes, shape: Shape) -> Any:
    begin, end, strides = (known.whole(node, i) for i in (1, 2, 3))
    if begin is None or end is None or strides is None:
        return None
    masks = {
        key: int(value) if isinstance(value := node.attrs.get(key, 0), int) else 0
        for key in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    return strided_slice_plan(shape, begin, end, strides, **masks)


Rule = Callable[[Node, KnownShapes], "Shape | list[Shape | None] | None"]


def _reshape(node: Node, known: KnownShapes) -> Shape | None:
    target, shape = known.elements(node.inputs[1]), known.of(node.inputs[0])
    if target is None:
        length = known.of(node.inputs[1])
        return (-1,) * length[0] if length and len(length) == 1 and length[0] >= 0 else None
    if shape is not None and -1 not in shape and target.count(-1) == 1:
        rest = int(np.prod([n for n in target if n != -1], dtype=np.int64))
        if rest:
            return tuple(int(np.prod(shape, dtype=np.int64)) // rest if n == -1 else n for n in target)
    return target


def _transpose(node: Node, known: KnownShapes) -> Shape | None:
    perm, shape = known.whole(node, 1), known.of(node.inputs[0])
    if shape is None:
        return None if perm is None else (-1,) * len(perm)
    return (-1,) * len(shape) if perm is None else tuple(shape[axis] for axis in perm)


def _expand(node: Node, known: KnownShapes) -> Shape | None:
    axis, shape = known.whole(node, 1), known.of(node.inputs[0])
    if axis is None or shape is None:
        return None
    at = axis[0] % (len(shape) + 1)
    return (*shape[:at], 1, *shape[at:])


def _squeeze(node: Node, known: KnownShapes) -> Shape | None:
    shape, axes = known.of(node.inputs[0]), node.attrs.get("squeeze_dims", node.attrs.get("axis"))
    if shape is None:
        return None
    if not isinstance(axes, list) or not axes:
        return None if -1 in shape else tuple(n for n in shape if n != 1)
    gone = {axis % len(shape) for axis in axes}
    return tuple(n for at, n in enumerate(shape) if at not in gone)


def _concat(node: Node, known: KnownShapes) -> Shape | None:
    axis, shapes = known.whole(node, len(node.inputs) - 1), [known.of(edge) for edge in node.inputs[:-1]]
    first = next((shape for shape in shapes if shape is not None), None)
    if first is None:
        return None
    if axis is None:
        return (-1,) * len(first)
    at = axis[0] % len(first)
    sizes = [-1 if shape is None else shape[at] for shape in shapes]
    joined = -1 if -1 in sizes else sum(sizes)
    merged = [max(-1 if shape is None else shape[i] for shape in shapes) for i in range(len(first))]
    return (*merged[:at], joined, *merged[at + 1 :])


def _pack(node: Node, known: KnownShapes) -> Shape | None:
    shapes = [shape for edge in node.inputs if (shape := known.of(edge)) is not None]
    axis = node.attrs.get("axis", 0)
    if not shapes or not isinstance(axis, int):
        return None
    at = axis % (len(shapes[0]) + 1)
    return (*shapes[0][:at], len(node.inputs), *shapes[0][at:])


def _unpack(node: Node, known: KnownShapes) -> list[Shape | None]:
    shape, axis, count = known.of(node.inputs[0]), node.attrs.get("axis", 0), node.attrs.get("num")
    if shape is None or not isinstance(axis, int) or not isinstance(count, int):
        return []
    at = axis % len(shape)
    return [(*shape[:at], *shape[at + 1 :])] * min(count, 4096)


def _split(node: Node, known: KnownShapes) -> list[Shape | None]:
    by_size = node.op == "SplitV"
    shape, axis = known.of(node.inputs[0 if by_size else 1]), known.whole(node, 2 if by_size else 0)
    count = node.attrs.get("num_split")
    if shape is None or axis is None or not isinstance(count, int) or not 0 < count <= 4096:
        return []
    at = axis[0] % len(shape)
    sizes = known.whole(node, 1) if by_size else [shape[at] // count if shape[at] >= 0 else -1] * count
    return [(*shape[:at], size, *shape[at + 1 :]) for size in sizes or [-1] * count]


def _slice(node: Node, known: KnownShapes) -> Shape | None:
    shape, begin, size = known.of(node.inputs[0]), known.elements(node.inputs[1]), known.whole(node, 2)
    if size is None or shape is None:
        return None if shape is None else (-1,) * len(shape)
    starts = begin if begin is not None else (-1,) * len(shape)
    return tuple(
        n if n >= 0 else (whole - start if whole >= 0 and start >= 0 else -1)
        for n, start, whole in zip(size, starts, shape, strict=True)
    )


def _strided_slice(node: Node, known: KnownShapes) -> Shape | None:
    shape = known.of(node.inputs[0])
    if shape is None:
        return None
    # What two sizes for the unknown ones agree on is known.
    found = []
    for guess in (4099, 4111):
        plan = _slice_plan(node, known, tuple(guess if n < 0 else n for n in shape))
        if plan is None:
            return None
        found.append(plan.shape)
    return tuple(a if a == b else -1 for a, b in zip(*found, strict=True))


def _gather(node: Node, known: KnownShapes) -> Shape | None:
    shape, indices = known.of(node.inputs[0]), known.of(node.inputs[1])
    axis = known.whole(node, 2) if node.op == "GatherV2" else [0]
    batch = node.attrs.get("batch_dims", 0)
    if shape is None or indices is None or axis is None or not isinstance(batch, int):
        return None
    at = axis[0] % len(shape)
    return (*shape[:at], *indices[batch % (len(indices) + 1) :], *shape[at + 1 :])


def _reduce(node: Node, known: KnownShapes) -> Shape | None:
    shape, axes = known.of(node.inputs[0]), known.whole(node, 1)
    keep = node.attrs.get("keep_dims", node.attrs.get("keepdims")) is True
    if shape is None or axes is None:
        return (-1,) * len(shape) if shape is not None and keep else None
    gone = set(normalize_axes(axes, len(shape)))
    if keep:
        return tuple(1 if at in gone else n for at, n in enumerate(shape))
    return tuple(n for at, n in enumerate(shape) if at not in gone)


def _arg(node: Node, known: KnownShapes) -> Shape | None:
    shape, axis = known.of(node.inputs[0]), known.whole(node, 1)
    if shape is None or axis is None:
        return None
    at = axis[0] % len(shape)
    return (*shape[:at], *shape[at + 1 :])


def _matmul(node: Node, known: KnownShapes) -> Shape | None:
    left, right = known.of(node.inputs[0]), known.of(node.inputs[1])
    turned = [node.attrs.get(a) is True or node.attrs.get(b) is True
              for a, b in (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))]  # fmt: skip
    rows = -1 if left is None else left[-1 if turned[0] else -2]
    columns = -1 if right is None else right[-2 if turned[1] else -1]
    if node.op in ("MatMul", "_FusedMatMul"):
        return rows, columns
    batch = broadcast([None if shape is None else shape[:-2] for shape in (left, right)])
    return None if batch is None else (*batch, rows, columns)


def _window(node: Node, known: KnownShapes) -> Shape | None:
    """Convolutions and pools over height and width, or depth too."""
    shape = known.of(node.inputs[0])
    layout = node.attrs.get("data_format", b"NHWC")
    if shape is None:
        return None
    spatial = len(shape) - 2
    first = 2 if isinstance(layout, bytes) and layout.startswith(b"NC") else 1
    places = list(range(first, first + spatial))
    strides = node.attrs.get("strides")
    dilations = node.attrs.get("rates" if node.op == "Dilation2D" else "dilations")
    kernel = known.of(node.inputs[1]) if "Pool" not in node.op else None
    if "Pool" in node.op:
        sizes = node.attrs.get("ksize")
        window = [sizes[at] for at in places] if isinstance(sizes, list) else [-1] * spatial
        channels = shape[1 if first == 2 else -1]
    elif kernel is None:
        window, channels = [-1] * spatial, -1
    else:
        window = list(kernel[:spatial])
        depthwise = "epthwise" in node.op
        channels = kernel[-1] * kernel[-2] if depthwise and min(kernel[-2:]) >= 0 else -1 if depthwise else kernel[-1]
    pads = node.attrs.get("explicit_paddings")
    padding = node.attrs.get("padding")
    out = list(shape)
    out[1 if first == 2 else len(shape) - 1] = channels
    for at, extent in zip(places, window, strict=True):
        step = int(strides[at]) if isinstance(strides, list) else 1
        wide = (extent - 1) * (int(dilations[at]) if isinstance(dilations, list) and dilations else 1) + 1
        size = shape[at]
        if size < 0 or (extent < 0 and padding != b"SAME"):
            out[at] = -1
        elif padding == b"SAME":
            out[at] = -(-size // step)
        else:
            if padding == b"EXPLICIT" and isinstance(pads, list) and len(pads) > 2 * at + 1:
                size += int(pads[2 * at]) + int(pads[2 * at + 1])
            out[at] = max((size - wide) // step + 1, 0)
    return tuple(out)


def _pad(node: Node, known: KnownShapes) -> Shape | None:
    shape, frame = known.of(node.inputs[0]), known.value(node.inputs[1])
    if frame is None or shape is None:
        return None if shape is None else (-1,) * len(shape)
    return tuple(-1 if n < 0 else n + int(pair.sum()) for n, pair in zip(shape, frame, strict=True))


def _tile(node: Node, known: KnownShapes) -> Shape | None:
    shape, times = known.of(node.inputs[0]), known.elements(node.inputs[1])
    if times is None or shape is None:
        return None if shape is None else (-1,) * len(shape)
    return tuple(n * by if n >= 0 and by >= 0 else -1 for n, by in zip(shape, times, strict=True))


def _resize(position: int) -> Rule:
    """Images of the height and width that input ``position`` says."""

    def rule(node: Node, known: KnownShapes) -> Shape | None:
        shape, size = known.of(node.inputs[0]), known.elements(node.inputs[position])
        return None if shape is None else (shape[0], *(size or (-1, -1)), shape[-1])

    return rule


def _last(node: Node, known: KnownShapes, size: Callable[[int], int]) -> Shape | None:
    """The shape with a last axis as long as ``size`` says of the number that the second input holds."""
    shape, length = known.of(node.inputs[0]), known.elements(node.inputs[1])
    if shape is None:
        return None
    return (*shape[:-1], size(length[0]) if length and length[0] > 0 else -1)


def _einsum(node: Node, known: KnownShapes) -> Shape | None:
    equation = node.attrs.get("equation")
    shapes = [known.of(edge) for edge in node.inputs]
    if not isinstance(equation, bytes) or any(shape is None for shape in shapes):
        return None
    plan = parse_einsum(equation.decode(), [(1,) * len(shape or ()) for shape in shapes])
    sizes: dict[str, int] = {}
    for labels, shape in zip(plan.inputs, shapes, strict=True):
        for label, size in zip(labels, shape or (), strict=True):
            # An axis of an ellipsis that is 1 here may be longer there.
            unsure = label.startswith(".") and size == 1 and sizes.get(label, 1) == -1
            sizes[label] = -1 if unsure else max(size, sizes.get(label, -1))
    return tuple(sizes[label] for label in plan.output)


def _one_hot(node: Node, known: KnownShapes) -> Shape | None:
    shape, depth, axis = known.of(node.inputs[0]), known.elements(node.inputs[1]), node.attrs.get("axis", -1)
    if shape is None or not isinstance(axis, int):
        return None
    at = axis % (len(shape) + 1)
    return (*shape[:at], depth[0] if depth else -1, *shape[at:])


def _like_elements(position: int) -> Rule:
    """The shape that input ``position`` says."""

    def rule(node: Node, known: KnownShapes) -> Shape | None:
        return known.elements(node.inputs[position])

    return rule


def _merge(node: Node, known: KnownShapes) -> list[Shape | None]:
    """What all branches agree on."""
    shapes = [known.of(edge) for edge in node.inputs]
    first = shapes[0]
    if first is None or any(shape is None or len(shape) != len(first) for shape in shapes):
        return []
    sizes = zip(*(shape or () for shape in shapes), strict=True)
    return [tuple(size[0] if len(set(size)) == 1 else -1 for size in sizes)]


def _vector_of_rank(node: Node, known: KnownShapes) -> Shape | None:
    shape = known.of(node.inputs[0])
    return (-1,) if shape is None else (len(shape),)


_SAME_OPS = """
    Abs Acos Acosh AsString Asin Asinh Atan Atanh BiasAdd Cast Ceil CheckNumerics ClipByValue Cos Cosh Cumprod
    Cumsum Digamma Elu EnsureShape Erf Erfc Exp Expm1 FFT FFT2D FFT3D IFFT IFFT2D IFFT3D FakeQuantWithMinMaxArgs
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Floor FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    Identity Inv Invert IsFinite IsInf IsNan LRN LeakyRelu Lgamma Log Log1p LogSoftmax LogicalNot MatrixBandPart Neg
    OnesLike Prelu QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 Reciprocal Relu Relu6
    Reverse RegexFullMatch RegexReplace ReverseSequence ReverseV2 Rint Roll Round Rsqrt Selu Sigmoid Sign Sin Sinh
    Snapshot Softmax Softplus Softsign Sqrt Square StaticRegexFullMatch StaticRegexReplace StopGradient StringLength
    StringLower StringStrip StringToHashBucketFast StringToNumber StringUpper Tan Tanh TensorScatterUpdate ZerosLike
"""
_SAME = frozenset(_SAME_OPS.split())
_BROADCAST_OPS = """
    Add AddN AddV2 ApproximateEqual Atan2 BitwiseAnd BitwiseOr BitwiseXor Div DivNoNan Equal FloorDiv FloorMod Greater
    GreaterEqual LeftShift Less LessEqual LogicalAnd LogicalOr LogicalXor Maximum Minimum Mod Mul MulNoNan NotEqual
    Pow RealDiv RightShift Select SelectV2 SquaredDifference StringJoin Sub Substr TruncateDiv TruncateMod Xdivy
    Xlog1py Xlogy
"""
_BROADCAST = frozenset(_BROADCAST_OPS.split())
_RULES: dict[str, Rule] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "ExpandDims": _expand,
    "Squeeze": _squeeze,
    "ConcatV2": _concat,
    "Pack": _pack,
    "Unpack": _unpack,
    "Split": _split,
    "SplitV": _split,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "GatherV2": _gather,
    **{op: _reduce for op in ("Sum", "Mean", "Prod", "Max", "Min", "All", "Any", "EuclideanNorm")},
    "ArgMax": _arg,
    "ArgMin": _arg,
    **{op: _matmul for op in ("MatMul", "_FusedMatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")},
    **{op: _window for op in ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative",
                              "Conv3D", "MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D", "Dilation2D")},
    **{op: _pad for op in ("Pad", "PadV2", "MirrorPad")},
    "Tile": _tile,
    **{op: _resize(1) for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")},
    "Einsum": _einsum,
    "OneHot": _one_hot,
    "Fill": _like_elements(0),
    "BroadcastTo": _like_elements(1),
    "Conv2DBackpropInput": _like_elements(0),
    "Conv3DBackpropInputV2": _like_elements(0),
    **{op: _like_elements(0) for op in ("RandomUniform", "RandomUniformInt", "RandomStandardNormal",
                                        "TruncatedNormal")},
    **{op: _resize(2) for op in ("ImageProjectiveTransformV2", "ImageProjectiveTransformV3")},
    "RFFT": lambda node, known: _last(node, known, lambda length: length // 2 + 1),
    "IRFFT": lambda node, known: _last(node, known, lambda length: length),
    "ScatterNd": _like_elements(2),
    "Switch": lambda node, known: [known.of(node.inputs[0])] * 2,
    "Merge": _merge,
    "Shape": _vector_of_rank,
    "Rank": lambda node, known: (),
    "Size": lambda node, known: (),
}  # fmt: skip
