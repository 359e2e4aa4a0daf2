"""The kinds of ops that random graphs are made of: each step appends one or a few nodes to a graph.

A step that finds nothing to work on raises LookupError, and leaves what it has added so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from random_graphs import Item, RandomGraph


def _alpha(op: str) -> dict[str, Any]:
    return {"alpha": 0.25} if op == "LeakyRelu" else {}


def unary(g: RandomGraph) -> None:
    x = g.some("f")
    smooth = "Neg Abs Relu Relu6 Elu Selu Sigmoid Tanh Softplus Exp Square Sin Cos Erf Softsign Identity Atan Sinh"
    op = g.pick([*smooth.split(), "LeakyRelu"])
    g.add(op, [x], x.batch, **_alpha(op))


def guarded(g: RandomGraph) -> None:
    """Functions that have a pole or an edge, at a distance from it."""
    x = g.some("f")
    (square,) = g.add("Square", [x], x.batch)
    (away,) = g.add("Add", [square, g.constant(0.5)], x.batch)
    g.add(g.pick(["Sqrt", "Rsqrt", "Log", "Reciprocal", "Log1p"]), [away], x.batch)


def stepped(g: RandomGraph) -> None:
    x = g.some("f", exact=True)
    g.add(g.pick(["Floor", "Ceil", "Round", "Sign"]), [x], x.batch)


def binary(g: RandomGraph) -> None:
    x = g.some("f")
    y = g.partner(x)
    pair = [x, y] if g.chance(0.7) else [y, x]
    g.add(g.pick(["Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference"]), pair, x.batch)


def divided(g: RandomGraph) -> None:
    x = g.some("f")
    shape = () if x.batch == len(x.shape) - 1 else x.shape[-1:]
    g.add("RealDiv", [x, g.constant(g.rng.choice([-3.0, 0.7, 2.0, 5.0], shape))], x.batch)


def integers(g: RandomGraph) -> None:
    x = g.some("i")
    op = g.pick(["Add", "Sub", "Mul", "Maximum", "Minimum", "FloorDiv", "FloorMod", "Neg", "Abs", "Square", "Sign"])
    if op in ("Neg", "Abs", "Square", "Sign"):
        g.add(op, [x], x.batch)
    elif op.startswith("Floor"):
        g.add(op, [x, g.constant(g.pick([-3, 2, 7]), np.int32)], x.batch)
    else:
        g.add(op, [x, g.partner(x)], x.batch)


def compared(g: RandomGraph) -> None:
    x = g.some("f", "i", exact=True)
    y = g.partner(x)
    if isinstance(y, Item) and not y.exact:
        raise LookupError
    g.add(g.pick(["Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"]), [x, y], x.batch)


def logical(g: RandomGraph) -> None:
    x = g.some("b")
    if g.chance(0.4):
        g.add("LogicalNot", [x], x.batch)
    else:
        g.add(g.pick(["LogicalAnd", "LogicalOr", "LogicalXor"]), [x, g.partner(x)], x.batch)


def chosen(g: RandomGraph) -> None:
    condition = g.some("b")
    like = [x for x in g.items if x.shape == condition.shape and x.batch == condition.batch and x.kind in "fi"]
    if not like:
        raise LookupError
    x = g.pick(like)
    g.add("SelectV2", [condition, x, g.partner(x)], x.batch)


def cast(g: RandomGraph) -> None:
    x = g.some("f", "i", "b", exact=True)
    names = {"f": "DT_FLOAT", "i": "DT_INT32", "b": "DT_BOOL"}
    target = g.pick([name for kind, name in names.items() if kind != x.kind])
    g.add("Cast", [x], x.batch, SrcT=names[x.kind], DstT=target)


def reduced(g: RandomGraph) -> None:
    x = g.some("f", "i")
    axes = g.axes(x)
    if x.batch is not None and g.chance(0.1):
        axes = sorted([*axes, x.batch])
    keep = g.chance(0.5)
    gone = x.batch is None or x.batch in axes
    batch = None if gone else x.batch if keep else x.batch - sum(axis < x.batch for axis in axes)  # type: ignore[operator]
    given = [axis - len(x.shape) if g.chance(0.3) else axis for axis in axes]
    op = g.pick(["Sum", "Mean", "Max", "Min"] if x.kind == "f" else ["Sum", "Max", "Min"])
    g.add(op, [x, g.constant(given, np.int32)], batch, keep_dims=keep)


def truth(g: RandomGraph) -> None:
    x = g.some("b")
    axes = g.axes(x)
    g.add(g.pick(["All", "Any"]), [x, g.constant(axes, np.int32)], x.batch, keep_dims=True)


def searched(g: RandomGraph) -> None:
    x = g.some("f", "i", exact=True)
    axis = g.pick(x.free)
    batch = None if x.batch is None else x.batch - (axis < x.batch)
    g.add(g.pick(["ArgMax", "ArgMin"]), [x, g.constant(axis, np.int32)], batch)


def topmost(g: RandomGraph) -> None:
    x = g.some("f", exact=True)
    if not x.shape or x.batch == len(x.shape) - 1:
        raise LookupError
    g.add("TopKV2", [x, g.constant(g.rng.integers(1, x.shape[-1] + 1), np.int32)], x.batch, outputs=2, sorted=True)


def softmax(g: RandomGraph) -> None:
    x = g.some("f")
    if x.batch == len(x.shape) - 1:
        raise LookupError
    g.add(g.pick(["Softmax", "LogSoftmax"]), [x], x.batch)


def scanned(g: RandomGraph) -> None:
    x = g.some("f", "i")
    flags = {"exclusive": g.chance(0.5), "reverse": g.chance(0.5)}
    g.add("Cumsum", [x, g.constant(g.pick(x.free), np.int32)], x.batch, **flags)


def reshaped(g: RandomGraph) -> None:
    """The batch keeps its place in front; the rest is flattened or split."""
    x = g.some("f", "i", "b")
    if x.batch != 0:
        raise LookupError
    rest = int(np.prod(x.shape[1:]))
    divisors = [n for n in range(1, rest + 1) if rest % n == 0]
    first = g.pick(divisors)
    shape = g.pick([[-1, rest], [-1, first, rest // first], [-1, 1, first, rest // first]])
    if g.chance(0.3):
        # Shape arithmetic, as converters write it.
        (extents,) = g.add("Shape", [x], None)
        zero, one = g.constant([0], np.int32), g.constant([1], np.int32)
        (batch,) = g.add("StridedSlice", [extents, zero, one, one], None, shrink_axis_mask=1)
        target: list[Item | str] = [batch, *(g.constant(n, np.int32) for n in shape[1:])]
        (packed,) = g.add("Pack", target, None)
        g.items = [item for item in g.items if item not in (extents, batch, packed)]
        g.add("Reshape", [x, packed], 0)
    else:
        g.add("Reshape", [x, g.constant(shape, np.int32)], 0)


def transposed(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    perm = [int(axis) for axis in g.rng.permutation(len(x.shape))]
    batch = None if x.batch is None else perm.index(x.batch)
    g.add("Transpose", [x, g.constant(perm, np.int32)], batch)


def joined(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    axis = g.pick(x.free)
    others = [
        y
        for y in g.items
        if y.kind == x.kind and y.batch == x.batch and len(y.shape) == len(x.shape)
        and all(i == axis or a == b for i, (a, b) in enumerate(zip(x.shape, y.shape, strict=True)))
    ]  # fmt: skip
    parts = [x, *(g.pick(others) for _ in range(g.pick([1, 1, 2, 3])))]
    g.add("ConcatV2", [*parts, g.constant(axis - len(x.shape) if g.chance(0.3) else axis, np.int32)], x.batch)


def packed(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    like = [y for y in g.items if y.kind == x.kind and y.shape == x.shape and y.batch == x.batch]
    axis = int(g.rng.integers(0, len(x.shape) + 1))
    batch = None if x.batch is None else x.batch + (axis <= x.batch)
    g.add("Pack", [x, *(g.pick(like) for _ in range(g.pick([0, 1, 2])))], batch, axis=axis)


def unpacked(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    axis = g.pick(x.free)
    batch = None if x.batch is None else x.batch - (axis < x.batch)
    g.add("Unpack", [x], batch, outputs=x.shape[axis], axis=axis, num=x.shape[axis])


def parted(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    axis = g.pick(x.free)
    extent = x.shape[axis]
    if g.chance(0.5):
        count = g.pick([n for n in range(1, extent + 1) if extent % n == 0])
        g.add("Split", [g.constant(axis, np.int32), x], x.batch, outputs=count, num_split=count)
    else:
        first = int(g.rng.integers(0, extent + 1))
        if first in (0, extent):
            raise LookupError
        sizes = g.constant([first, -1 if g.chance(0.5) else extent - first], np.int32)
        g.add("SplitV", [x, sizes, g.constant(axis, np.int32)], x.batch, outputs=2, num_split=2)


def sliced(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    begin, end, strides = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for axis in g.axes(x):
        begin[axis] = int(g.rng.integers(0, x.shape[axis]))
        end[axis] = int(g.rng.integers(begin[axis] + 1, x.shape[axis] + 1))
        strides[axis] = g.pick([1, 1, 2])
    if g.chance(0.5):
        size = [-1 if axis == x.batch else e - b for axis, (b, e) in enumerate(zip(begin, end, strict=True))]
        g.add("Slice", [x, g.constant(begin, np.int32), g.constant(size, np.int32)], x.batch)
    else:
        mask = 0 if x.batch is None else 1 << x.batch
        three = [g.constant(numbers, np.int32) for numbers in (begin, end, strides)]
        g.add("StridedSlice", [x, *three], x.batch, end_mask=mask, begin_mask=mask)


def padded(g: RandomGraph) -> None:
    x = g.some("f", "i")
    pairs = np.zeros((len(x.shape), 2), np.int32)
    for axis in g.axes(x):
        pairs[axis] = g.rng.integers(0, 3, 2)
    if g.chance(0.3):
        pairs = np.minimum(pairs, np.array(x.shape)[:, None] - 1)
        g.add("MirrorPad", [x, g.constant(pairs, np.int32)], x.batch, mode=g.pick(["REFLECT", "SYMMETRIC"]))
    elif x.kind == "f" and g.chance(0.4):
        g.add("PadV2", [x, g.constant(pairs, np.int32), g.constant(-1.5)], x.batch)
    else:
        g.add("Pad", [x, g.constant(pairs, np.int32)], x.batch)


def moved(g: RandomGraph) -> None:
    x = g.some("f", "i", "b")
    axis = g.pick(x.free)
    op = g.pick(["Tile", "GatherV2", "ReverseV2", "ExpandDims", "ZerosLike", "OnesLike"])
    if op == "Tile":
        g.add(
            op,
            [x, g.constant([g.pick([1, 2]) if a != x.batch else 1 for a in range(len(x.shape))], np.int32)],
            x.batch,
        )
    elif op == "GatherV2":
        rows = g.constant(g.rng.integers(0, x.shape[axis], int(g.rng.integers(1, 5))), np.int32)
        g.add(op, [x, rows, g.constant(axis, np.int32)], x.batch)
    elif op == "ReverseV2":
        g.add(op, [x, g.constant([axis], np.int32)], x.batch)
    elif op == "ExpandDims":
        at = int(g.rng.integers(0, len(x.shape) + 1))
        batch = None if x.batch is None else x.batch + (at <= x.batch)
        g.add(op, [x, g.constant(at, np.int32)], batch)
    else:
        g.add(op, [x], x.batch)


def clipped(g: RandomGraph) -> None:
    x = g.some("f")
    g.add("ClipByValue", [x, g.constant(-1.0), g.constant(1.25)], x.batch)


def summed(g: RandomGraph) -> None:
    x = g.some("f", "i")
    like = [y for y in g.items if y.kind == x.kind and y.shape == x.shape and y.batch == x.batch]
    g.add("AddN", [x, *(g.pick(like) for _ in range(g.pick([1, 2, 4])))], x.batch)


def one_hot(g: RandomGraph) -> None:
    x = g.some("i")
    g.add("OneHot", [x, g.constant(4, np.int32), g.constant(1.0), g.constant(0.0)], x.batch, axis=-1)


def filled(g: RandomGraph) -> None:
    x = g.some("f")
    (extents,) = g.add("Shape", [x], None)
    g.items.remove(extents)
    g.add("Fill", [extents, g.constant(0.75)], x.batch)


def image(g: RandomGraph) -> Item:
    x = g.some("f", rank=4)
    if x.batch != 0:
        raise LookupError
    return x


def strided(g: RandomGraph) -> dict[str, Any]:
    stride = g.pick([1, 1, 2])
    attrs: dict[str, Any] = {"strides": [1, stride, stride, 1], "padding": g.pick(["SAME", "SAME", "VALID"])}
    if g.chance(0.15):
        pads = [int(n) for n in g.rng.integers(0, 2, 4)]
        attrs.update(padding="EXPLICIT", explicit_paddings=[0, 0, *pads, 0, 0])
    return attrs


def dressed(g: RandomGraph, y: Item) -> None:
    """Perhaps the bias, normalization and activation that a convolution or product has behind it."""
    channels = y.shape[-1]
    if g.chance(0.3) and len(y.shape) == 4:
        vectors = [g.numbers((channels,)), g.numbers((channels,)), g.numbers((channels,))]
        variance = g.constant(g.rng.random(channels) + 0.5)
        (y,) = g.add("FusedBatchNormV3", [y, *vectors, variance], y.batch, epsilon=0.001, is_training=False)
    elif g.chance(0.6):
        (y,) = g.add(g.pick(["BiasAdd", "AddV2"]), [y, g.numbers((channels,))], y.batch)
    if g.chance(0.6):
        op = g.pick(["Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu", "Tanh"])
        operands: list[Item | str] = [y, g.numbers((channels,))] if op == "Prelu" else [y]
        g.add(op, operands, y.batch, **_alpha(op))


def convolved(g: RandomGraph) -> None:
    x, attrs = image(g), strided(g)
    if attrs["strides"][1] == 1 and g.chance(0.2):
        attrs["dilations"] = [1, 2, 1, 1]
    kernel = [int(n) for n in g.rng.integers(1, 4, 2)]
    depthwise = g.chance(0.4)
    last = g.pick([1, 1, 2]) if depthwise else int(g.rng.integers(1, g.pick([7, 7, 19])))
    op = "DepthwiseConv2dNative" if depthwise else "Conv2D"
    if depthwise and "explicit_paddings" in attrs and g.chance(0.5):
        raise LookupError
    (y,) = g.add(op, [x, g.numbers((*kernel, x.shape[3], last))], 0, **attrs)
    dressed(g, y)


def pooled(g: RandomGraph) -> None:
    x = image(g)
    window = [int(n) for n in g.rng.integers(1, 4, 2)]
    g.add(
        g.pick(["MaxPool", "AvgPool"]),
        [x],
        0,
        ksize=[1, *window, 1],
        **{**strided(g), "padding": g.pick(["SAME", "VALID"])},
    )


def resized(g: RandomGraph) -> None:
    x = image(g)
    attrs = g.pick([{"align_corners": True}, {"half_pixel_centers": True}, {}])
    size = g.constant(g.rng.integers(1, 8, 2), np.int32)
    # A nearest pixel is a floor of a ratio: 2 and 1/2 have no ties that rounding could decide.
    if g.chance(0.5):
        g.add("ResizeBilinear", [x, size], 0, **attrs)
    else:
        doubled = g.constant([2 * x.shape[1], 2 * x.shape[2]], np.int32)
        g.add("ResizeNearestNeighbor", [x, doubled], 0)


def blocks(g: RandomGraph) -> None:
    x = image(g)
    g.add(g.pick(["DepthToSpace", "SpaceToDepth"]), [x], 0, block_size=2)


def lrn(g: RandomGraph) -> None:
    g.add("LRN", [image(g)], 0, depth_radius=g.pick([1, 2, 5]), bias=1.0, alpha=0.5, beta=0.75)


def multiplied(g: RandomGraph) -> None:
    x = g.some("f", rank=g.pick([2, 2, 3]))
    if x.batch != 0:
        raise LookupError
    inner, outer = x.shape[-1], int(g.rng.integers(1, 7))
    if len(x.shape) == 2:
        flip = g.chance(0.4)
        (y,) = g.add("MatMul", [x, g.numbers((outer, inner) if flip else (inner, outer))], 0, transpose_b=flip)
        dressed(g, y)
    elif g.chance(0.5):
        g.add("BatchMatMulV2", [x, x], 0, adj_y=True)
    else:
        g.add("BatchMatMulV2", [x, g.numbers((inner, outer))], 0)


def channels_first(g: RandomGraph) -> None:
    """A convolution and a bias in NCHW."""
    x = image(g)
    attrs: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NCHW"}
    (y,) = g.add("Conv2D", [x, g.numbers((3, 2, x.shape[1], 3))], 0, **attrs)
    g.add("BiasAdd", [y, g.numbers((3,))], 0, data_format="NCHW")


def transposed_convolution(g: RandomGraph) -> None:
    """The size is computed from the input's, as converters write it."""
    x, depth = image(g), int(g.rng.integers(1, 5))
    (extents,) = g.add("Shape", [x], None)
    g.items.remove(extents)
    (doubled,) = g.add("Mul", [extents, g.constant([1, 2, 2, 1], np.int32)], None)
    g.items.remove(doubled)
    one = g.constant([1], np.int32)
    parts = []
    for at in range(3):
        bounds = [g.constant([at], np.int32), g.constant([at + 1], np.int32)]
        parts += g.add("StridedSlice", [doubled, *bounds, one], None, shrink_axis_mask=1)
    (size,) = g.add("Pack", [*parts, g.constant(depth, np.int32)], None)
    g.items = [item for item in g.items if item not in (*parts, size)]
    filter_ = g.numbers((g.pick([2, 3]), 2, depth, x.shape[3]))
    (y,) = g.add("Conv2DBackpropInput", [size, filter_, x], 0, strides=[1, 2, 2, 1], padding="SAME")
    dressed(g, y)


def contracted(g: RandomGraph) -> None:
    x = g.some("f", rank=g.pick([2, 3]))
    if x.batch != 0:
        raise LookupError
    if len(x.shape) == 2:
        g.add("Einsum", [x, g.numbers((x.shape[1], 3))], 0, equation="bi,ij->bj")
    else:
        equation = g.pick(["bij,kj->bik", "bij,kj->bki", "...j,kj->...k"])
        g.add("Einsum", [x, g.numbers((4, x.shape[2]))], 0, equation=equation)


def batched_blocks(g: RandomGraph) -> None:
    """Space to batch and back, around a convolution: how dilation was written once."""
    x = image(g)
    block, rows, columns = g.constant([2, 2], np.int32), x.shape[1] % 2, x.shape[2] % 2
    pads = g.constant([[0, rows], [0, columns]], np.int32)
    (apart,) = g.add("SpaceToBatchND", [x, block, pads], 0)
    attrs: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    (y,) = g.add("Conv2D", [apart, g.numbers((3, 3, x.shape[3], 2))], 0, **attrs)
    g.items = [item for item in g.items if item not in (apart, y)]
    g.add("BatchToSpaceND", [y, block, pads], 0)


def volumes(g: RandomGraph) -> None:
    """Planes made one volume, convolved or pooled over all three axes."""
    x = image(g)
    (stacked,) = g.add("Pack", [x, x, x], 0, axis=1)
    attrs: dict[str, Any] = {"strides": [1, 1, g.pick([1, 2]), 1, 1], "padding": g.pick(["SAME", "VALID"])}
    if g.chance(0.5):
        filter_ = g.numbers((2, g.pick([1, 3]), 2, x.shape[3], 3))
        (y,) = g.add("Conv3D", [stacked, filter_], 0, **attrs)
        dressed(g, y)
    else:
        op = g.pick(["MaxPool3D", "AvgPool3D"])
        g.add(op, [stacked], 0, ksize=[1, 2, 1, g.pick([1, 2]), 1], **attrs)


def dilated(g: RandomGraph) -> None:
    x = image(g)
    attrs: dict[str, Any] = {"strides": [1, g.pick([1, 2]), 1, 1], "rates": [1, 1, g.pick([1, 2]), 1]}
    g.add("Dilation2D", [x, g.numbers((2, 3, x.shape[3]))], 0, padding="SAME", **attrs)


def warped(g: RandomGraph) -> None:
    """Halves and quarters of a pixel, mixed: no position is a tie that rounding could decide."""
    x = image(g)
    move = g.constant([[1, 0.25, -0.5, 0.5, 1, 1.25, 0, 0]])
    size, fill = g.constant([5, 4], np.int32), g.constant(1.5)
    mode = g.pick(["CONSTANT", "REFLECT", "WRAP", "NEAREST"])
    g.add("ImageProjectiveTransformV3", [x, move, size, fill], 0, interpolation="BILINEAR", fill_mode=mode)


# As often as they stand here.
STEPS: list[Callable[[RandomGraph], None]] = [
    *[unary, binary, convolved, multiplied] * 3,
    *[reduced, reshaped, joined, sliced, moved, pooled, contracted] * 2,
    *[guarded, stepped, divided, integers, compared, logical, chosen, cast, truth, searched, topmost, softmax, scanned],
    *[transposed, packed, unpacked, parted, padded, clipped, summed, one_hot, filled, resized, blocks, lrn],
    *[channels_first, transposed_convolution, batched_blocks, volumes, dilated, warped],
]
