"""Kernels that move elements without computing: views, slices, joins, pads, reorderings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import (
    batch_to_space,
    broadcast_shapes,
    broadcast_to_shape,
    concat_shape,
    depth_to_space_shape,
    expand_dims_shape,
    normalize_axes,
    pack_shape,
    pad_shape,
    slice_bounds,
    space_to_batch,
    split_sizes,
    strided_slice_plan,
    tile_shape,
    transposed_shape,
    unpack_shape,
)
from ..shapes import reshape as reshaped
from .conversion import together
from .registry import Array, reference


@reference("Identity")
def identity(x: Array) -> Array:
    """``x``."""
    return x


@reference("Reshape")
def reshape(x: Array, *, shape: Sequence[int]) -> Array:
    """``x`` in another shape, one extent of which may be -1."""
    return x.reshape(reshaped(x.shape, shape))


@reference("ExpandDims")
def expand_dims(input: Array, *, dim: int) -> Array:
    """``input`` with an axis of 1 before ``dim``."""
    return input.reshape(expand_dims_shape(input.shape, dim))


@reference("Transpose")
def transpose(x: Array, *, perm: Sequence[int] | None = None) -> Array:
    """``x`` with its axes in the order ``perm``."""
    return x.transpose(transposed_shape(x.shape, perm)[1])


@reference("Slice")
def slice_(x: Array, *, begin: int | Sequence[int], size: int | Sequence[int] | None = None) -> Array:
    """The block of ``size`` from ``begin``."""
    starts, sizes = slice_bounds(x.shape, begin, size)
    return x[tuple(slice(first, first + count) for first, count in zip(starts, sizes, strict=True))]


@reference("StridedSlice")
def strided_slice(
    x: Array,
    *,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int] | None = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Array:
    """TensorFlow's strided slice with its masks."""
    plan = strided_slice_plan(
        x.shape,
        begin,
        end,
        strides,
        begin_mask=begin_mask,
        end_mask=end_mask,
        ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask,
        shrink_axis_mask=shrink_axis_mask,
    )
    for axis, (first, step, count) in enumerate(zip(plan.begin, plan.strides, plan.counts, strict=True)):
        x = np.take(x, range(first, first + step * count, step), axis) if count else np.take(x, [], axis)
    return x.reshape(plan.shape)


@reference("Concat")
def concat(tensors: Sequence[Array], *, axis: int = 0) -> Array:
    """The tensors end to end along ``axis``."""
    where = concat_shape([tensor.shape for tensor in tensors], axis)[1]
    return np.concatenate(together(*tensors), where)


@reference("Pack")
def pack(tensors: Sequence[Array], *, axis: int = 0) -> Array:
    """Tensors of one shape along a new axis."""
    where = pack_shape([tensor.shape for tensor in tensors], axis)[1]
    return np.stack(together(*tensors), where)


@reference("Unpack")
def unpack(value: Array, *, axis: int = 0) -> list[Array]:
    """The parts along ``axis``, without that axis."""
    _, count, where = unpack_shape(value.shape, axis)
    return [np.take(value, k, where) for k in range(count)]


@reference("SplitV")
def split_v(x: Array, *, num_or_size_splits: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Consecutive parts along ``axis``."""
    sizes = split_sizes(x.shape, num_or_size_splits, axis)
    return list(np.split(x, np.cumsum(sizes)[:-1].astype(int), axis))


@reference("PadV2")
def pad_v2(x: Array, *, paddings: Sequence[Sequence[int]], constant_value: float = 0) -> Array:
    """``x`` with ``constant_value`` around it."""
    out = np.full(pad_shape(x.shape, paddings), constant_value, x.dtype)
    out[tuple(slice(pair[0], pair[0] + extent) for pair, extent in zip(paddings, x.shape, strict=True))] = x
    return out


@reference("MirrorPad")
def mirror_pad(x: Array, *, paddings: Sequence[Sequence[int]], mode: str) -> Array:
    """``x`` with its mirror image around it; "reflect" leaves out the edge."""
    pad_shape(x.shape, paddings, mode)
    for axis, (before, after) in enumerate(paddings):
        skip = 1 if mode == "reflect" else 0
        extent = x.shape[axis]
        index = [
            *range(skip + before - 1, skip - 1, -1),
            *range(extent),
            *range(extent - 1 - skip, extent - 1 - skip - after, -1),
        ]
        x = np.take(x, index, axis) if before or after else x
    return x


@reference("Tile")
def tile(x: Array, *, reps: Sequence[int]) -> Array:
    """``x`` repeated along each axis."""
    tile_shape(x.shape, reps)
    return np.tile(x, reps)


@reference("Reverse")
def reverse(x: Array, *, dims: int | Sequence[int] | None = None) -> Array:
    """``x`` backwards along ``dims``, by default along all."""
    return np.flip(x, normalize_axes(dims, x.ndim))


@reference("FlipLeftRight")
def flip_left_right(image: Array) -> Array:
    """NHWC images mirrored."""
    return image[:, :, ::-1]


@reference("BroadcastTo")
def broadcast_to(x: Array, *, shape: Sequence[int], input_shape: Sequence[int] | None = None) -> Array:
    """``x`` repeated up to ``shape``."""
    return np.broadcast_to(x, broadcast_to_shape(x.shape, shape)).copy()


@reference("BroadcastArgs")
def broadcast_args(s0: Array, s1: Array) -> Array:
    """The int32 shape that the shapes ``s0`` and ``s1`` broadcast to."""
    if s0.ndim != 1 or s1.ndim != 1:
        raise InvalidArgumentError(f"broadcastArgs() takes vectors, got rank {s0.ndim} and {s1.ndim}")
    return np.array(broadcast_shapes(s0.tolist(), s1.tolist()), np.int32)


@reference("SpaceToBatchND")
def space_to_batch_nd(x: Array, *, block_shape: Sequence[int], paddings: Sequence[Sequence[int]]) -> Array:
    """Blocks of the padded axes after the first moved into the first."""
    plan = space_to_batch(x.shape, block_shape, paddings)
    padded = pad_v2(x, paddings=plan.paddings)
    return padded.reshape(plan.reshaped).transpose(plan.perm).reshape(plan.permuted_shape)


@reference("BatchToSpaceND")
def batch_to_space_nd(x: Array, *, block_shape: Sequence[int], crops: Sequence[Sequence[int]]) -> Array:
    """The reverse of SpaceToBatchND, cropped."""
    plan = batch_to_space(x.shape, block_shape, crops)
    whole = x.reshape(plan.reshaped).transpose(plan.perm).reshape(plan.permuted_shape)
    return whole[tuple(slice(first, first + count) for first, count in zip(plan.begin, plan.size, strict=True))]


@reference("DepthToSpace")
def depth_to_space(x: Array, *, block_size: int, data_format: str = "NHWC") -> Array:
    """Groups of channels spread over blocks of pixels."""
    shape = depth_to_space_shape(x.shape, block_size, data_format)
    if data_format == "NHWC":
        batch, height, width, depth = x.shape
        split = x.reshape(batch, height, width, block_size, block_size, depth // block_size**2)
        return split.transpose(0, 1, 3, 2, 4, 5).reshape(shape)
    batch, depth, height, width = x.shape
    split = x.reshape(batch, block_size, block_size, depth // block_size**2, height, width)
    return split.transpose(0, 3, 4, 1, 5, 2).reshape(shape)
