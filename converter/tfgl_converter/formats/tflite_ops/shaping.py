"""Shapes, slices, joins, padding and the moving of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator

_INT32 = DataType("int32")


@operator("RESHAPE", "STABLEHLO_RESHAPE")
def reshape(o: Operator) -> Tensor:
    """The shape is the second input, else an option, else what the file states of the output."""
    x = o.x(0)
    shape = o.maybe(1)
    if shape is None or shape.rank != 1:
        wanted = o.option_list("NewShape") if o.name == "RESHAPE" else None
        if wanted is None:
            wanted = list(o.out().shape or ())
        # Files of before 2018 write a scalar as [0].
        shape = o.b.integers([] if wanted == [0] else wanted)
    return o.result("Reshape", [x, shape], Tshape=DataType(shape.dtype))


@operator("SQUEEZE")
def squeeze(o: Operator) -> Tensor:
    """x without the axes of size 1 that the options name, or all of them."""
    return o.result("Squeeze", [o.x(0)], squeeze_dims=o.option_list("SqueezeDims") or [])


@operator("EXPAND_DIMS")
def expand_dims(o: Operator) -> Tensor:
    """One more axis of size 1."""
    axis = o.x(1)
    return o.result("ExpandDims", [o.x(0), axis], Tdim=DataType(axis.dtype))


@operator("TRANSPOSE")
def transpose(o: Operator) -> Tensor:
    """Axes in another order."""
    order = o.x(1)
    return o.result("Transpose", [o.x(0), order], Tperm=DataType(order.dtype))


@operator("STABLEHLO_TRANSPOSE")
def stablehlo_transpose(o: Operator) -> Tensor:
    """Axes in the order of the options."""
    order = o.b.integers(o.option_list("Permutation") or [])
    return o.result("Transpose", [o.x(0), order], Tperm=_INT32)


@operator("CONCATENATION", "STABLEHLO_CONCATENATE")
def concatenation(o: Operator) -> Tensor:
    """Inputs one after the other along an axis."""
    axis = o.option("Axis" if o.name == "CONCATENATION" else "Dimension")
    parts = o.all_inputs()
    if len(parts) == 1:
        joined = o.b.unary("Identity", parts[0])
    else:
        joined = o.result("ConcatV2", [*parts, o.b.integers(int(axis))], N=len(parts), Tidx=_INT32)
    return o.activated(joined) if o.name == "CONCATENATION" else joined


@operator("PACK")
def pack(o: Operator) -> Tensor:
    """Inputs of one shape along a new axis."""
    parts = o.all_inputs()
    return o.result("Pack", parts, N=len(parts), axis=int(o.option("Axis")))


@operator("UNPACK")
def unpack(o: Operator) -> Sequence[Tensor]:
    """The parts along an axis."""
    return o.results("Unpack", [o.x(0)], num=len(o.outputs), axis=int(o.option("Axis")))


@operator("SPLIT")
def split(o: Operator) -> Sequence[Tensor]:
    """Equal parts along an axis, which is the first input."""
    x = o.x(1)
    return o.results("Split", [o.x(0), x], num_split=len(o.outputs), T=DataType(x.dtype))


@operator("SPLIT_V")
def split_v(o: Operator) -> Sequence[Tensor]:
    """Parts of stated sizes along an axis."""
    sizes = o.x(1)
    return o.results("SplitV", [o.x(0), sizes, o.x(2)], num_split=len(o.outputs), Tlen=DataType(sizes.dtype))


@operator("SLICE")
def slice_(o: Operator) -> Tensor:
    """A part, by begin and size."""
    begin = o.x(1)
    return o.result("Slice", [o.x(0), begin, o.x(2)], Index=DataType(begin.dtype))


@operator("STRIDED_SLICE")
def strided_slice(o: Operator) -> Tensor:
    """A part, by begin, end and stride; with ``offset`` the ends count from the begins."""
    begin, end = o.x(1), o.x(2)
    if o.option("Offset", False):
        end = o.b.add_(begin, end)
    masks = {
        f"{name}_mask": int(o.option(f"{''.join(word.capitalize() for word in name.split('_'))}Mask"))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    return o.result("StridedSlice", [o.x(0), begin, end, o.x(3)], Index=DataType(begin.dtype), **masks)


@operator("STABLEHLO_SLICE")
def stablehlo_slice(o: Operator) -> Tensor:
    """A part, by the options' starts, limits and strides."""
    ends = [o.b.integers(o.option_list(name) or []) for name in ("StartIndices", "LimitIndices", "Strides")]
    return o.result(
        "StridedSlice", [o.x(0), *ends], Index=_INT32, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
        shrink_axis_mask=0,
    )  # fmt: skip


@operator("DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(o: Operator) -> Tensor:
    """x with a part replaced, whose begin is limited so that it fits."""
    b, x, part = o.b, o.x(0), o.x(1)
    if -1 in x.shape or -1 in part.shape or x.rank != part.rank or x.rank < 1:
        raise o.unsupported("the shapes of its inputs must be known")
    room = b.integers([whole - inner for whole, inner in zip(x.shape, part.shape, strict=True)])
    begin = b.binary("Minimum", b.binary("Maximum", b.cast(o.x(2), "int32"), 0), room)
    strides = np.cumprod([1, *reversed(x.shape[1:])])[::-1].astype(np.int32)
    # Places of the part in the order of x, from the part's own begin on.
    grid = np.indices(part.shape).reshape(part.rank, -1).T
    offsets = (grid @ strides).astype(np.int32)
    start = b.reduce("Sum", b.mul(begin, b.constant(strides)), [0])
    places = b.expand(b.add_(b.constant(offsets), start), 1)
    size = [int(np.prod(x.shape))]

    def spread(values: Tensor) -> Tensor:
        inputs = [places, b.reshape(values, [offsets.size]), b.integers(size)]
        flat = b.add("ScatterNd", inputs, size, values.dtype, T=DataType(values.dtype), Tindices=_INT32)
        return b.reshape(flat, list(x.shape))

    # Not TensorScatterUpdate, which writes into its input in TensorFlow.js on the cpu.
    replaced = b.binary("Greater", spread(b.constant(np.ones(offsets.size, np.int32))), 0)
    return b.select(replaced, spread(part), x)


@operator("PAD")
def pad(o: Operator) -> Tensor:
    """Zeros before and after each axis."""
    widths = o.x(1)
    return o.result("Pad", [o.x(0), widths], Tpaddings=DataType(widths.dtype))


@operator("PADV2")
def pad_v2(o: Operator) -> Tensor:
    """A value before and after each axis."""
    widths = o.x(1)
    return o.result("PadV2", [o.x(0), widths, o.x(2)], Tpaddings=DataType(widths.dtype))


@operator("MIRROR_PAD")
def mirror_pad(o: Operator) -> Tensor:
    """The values next to each edge, mirrored; the edge itself twice when symmetric."""
    widths = o.x(1)
    mode = b"SYMMETRIC" if o.option("Mode") else b"REFLECT"
    return o.result("MirrorPad", [o.x(0), widths], mode=mode, Tpaddings=DataType(widths.dtype))


@operator("TILE")
def tile(o: Operator) -> Tensor:
    """x repeated along each axis."""
    counts = o.x(1)
    return o.result("Tile", [o.x(0), counts], Tmultiples=DataType(counts.dtype))


@operator("BROADCAST_TO")
def broadcast_to(o: Operator) -> Tensor:
    """x broadcast to a shape."""
    shape = o.x(1)
    return o.result("BroadcastTo", [o.x(0), shape], Tidx=DataType(shape.dtype))


@operator("STABLEHLO_BROADCAST_IN_DIM")
def stablehlo_broadcast_in_dim(o: Operator) -> Tensor:
    """x with its axes at the places that the options name, broadcast to the output's shape."""
    x, shape = o.x(0), o.out().shape
    if shape is None or -1 in shape:
        raise o.unsupported("the shape of its output must be known")
    placed = [1] * len(shape)
    for axis, size in zip(o.option_list("BroadcastDimensions") or [], x.shape, strict=True):
        placed[axis] = size
    return o.result("BroadcastTo", [o.b.reshape(x, placed), o.b.integers(list(shape))], Tidx=_INT32)


@operator("BROADCAST_ARGS")
def broadcast_args(o: Operator) -> Tensor:
    """The shape that two shapes broadcast to."""
    return o.result("BroadcastArgs", [o.x(0), o.x(1)])


@operator("SHAPE")
def shape(o: Operator) -> Tensor:
    """The sizes of x, a constant where the file states all of them."""
    x, dtype = o.x(0), o.out().dtype
    return o.result("Shape", [x], out_type=DataType(dtype))


@operator("RANK")
def rank(o: Operator) -> Tensor:
    """The number of axes."""
    return o.result("Rank", [o.x(0)])


@operator("FILL")
def fill(o: Operator) -> Tensor:
    """One value in a shape."""
    sizes, value = o.x(0), o.x(1)
    return o.result("Fill", [sizes, value], T=DataType(value.dtype), index_type=DataType(sizes.dtype))


@operator("RANGE")
def range_(o: Operator) -> Tensor:
    """Numbers from a start to before a limit."""
    return o.result("Range", [o.x(0), o.x(1), o.x(2)], Tidx=DataType(o.out().dtype))


@operator("STABLEHLO_IOTA")
def stablehlo_iota(o: Operator) -> Tensor:
    """The index along one axis."""
    shape, axis = o.out().shape, int(o.option("IotaDimension"))
    if shape is None or -1 in shape:
        raise o.unsupported("the shape of its output must be known")
    line = [size if i == axis else 1 for i, size in enumerate(shape)]
    numbers = o.b.constant(np.arange(shape[axis]).reshape(line), o.out().dtype)
    return o.result("BroadcastTo", [numbers, o.b.integers(list(shape))], Tidx=_INT32)


@operator("REVERSE_V2")
def reverse_v2(o: Operator) -> Tensor:
    """x from its end along axes."""
    axes = o.x(1)
    return o.result("ReverseV2", [o.x(0), axes], Tidx=DataType(axes.dtype))


@operator("REVERSE_SEQUENCE")
def reverse_sequence(o: Operator) -> Tensor:
    """The first values of each sequence from their end."""
    lengths = o.x(1)
    return o.result(
        "ReverseSequence", [o.x(0), lengths], seq_dim=int(o.option("SeqDim")), batch_dim=int(o.option("BatchDim")),
        Tlen=DataType(lengths.dtype),
    )  # fmt: skip


@operator("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def space_to_depth(o: Operator) -> Tensor:
    """Blocks of space become channels, or the reverse."""
    op = "SpaceToDepth" if o.name == "SPACE_TO_DEPTH" else "DepthToSpace"
    return o.result(op, [o.x(0)], block_size=int(o.option("BlockSize")), data_format=b"NHWC")


@operator("SPACE_TO_BATCH_ND")
def space_to_batch_nd(o: Operator) -> Tensor:
    """Blocks of space become batches."""
    block, widths = o.x(1), o.x(2)
    types: dict[str, Any] = {"Tblock_shape": DataType(block.dtype), "Tpaddings": DataType(widths.dtype)}
    return o.result("SpaceToBatchND", [o.x(0), block, widths], **types)


@operator("BATCH_TO_SPACE_ND")
def batch_to_space_nd(o: Operator) -> Tensor:
    """Batches become blocks of space."""
    block, crops = o.x(1), o.x(2)
    types: dict[str, Any] = {"Tblock_shape": DataType(block.dtype), "Tcrops": DataType(crops.dtype)}
    return o.result("BatchToSpaceND", [o.x(0), block, crops], **types)


@operator("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(o: Operator) -> Tensor:
    """Images in another size."""
    op = "ResizeBilinear" if o.name == "RESIZE_BILINEAR" else "ResizeNearestNeighbor"
    return o.result(
        op, [o.x(0), o.x(1)], align_corners=bool(o.option("AlignCorners", False)),
        half_pixel_centers=bool(o.option("HalfPixelCenters", False)),
    )  # fmt: skip
