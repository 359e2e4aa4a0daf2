"""Ops that change shape or order and compute nothing: reshape, slice, pad, tile, space and depth."""

from __future__ import annotations

import math

import numpy as np

from ...errors import InvalidArgumentError, ModelFormatError
from .arrange import axis_of, broadcast, broadcast_shape, reshape, transpose
from .call import Call, Value
from .registry import lower


@lower("Reshape", inputs=2, kernels=("Reshape",), host=(1,))
def reshape_op(call: Call) -> Value:
    """One size may be -1."""
    x, shape = call.inputs[0], call.host_integers(1)
    size = math.prod(x.shape)
    if shape.count(-1) == 1:
        known = math.prod(n for n in shape if n != -1)
        if known == 0 and size == 0:
            resolved = 0
        elif known <= 0 or size % known:
            raise InvalidArgumentError(f"shape {list(x.shape)} cannot become {shape}: {size} is no multiple of {known}")
        else:
            resolved = size // known
        shape = [resolved if n == -1 else n for n in shape]
    if any(n < 0 for n in shape) or math.prod(shape) != size:
        raise InvalidArgumentError(f"shape {list(x.shape)} cannot become {shape}: the numbers of elements differ")
    return reshape(call, x, shape)


@lower("Squeeze", inputs=1, kernels=("Reshape",))
def squeeze(call: Call) -> Value:
    """Without the axes of size 1, or without those of ``squeeze_dims``."""
    x = call.inputs[0]
    rank = len(x.shape)
    dims = call.integers("squeeze_dims", call.integers("axis", []))
    axes = {axis_of(axis, rank) for axis in dims} or {i for i in range(rank) if x.shape[i] == 1}
    if any(x.shape[axis] != 1 for axis in axes):
        raise InvalidArgumentError(f"axes {sorted(axes)} of shape {list(x.shape)} cannot be squeezed, not being 1")
    return reshape(call, x, [size for i, size in enumerate(x.shape) if i not in axes])


@lower("ExpandDims", inputs=2, kernels=("Reshape",), host=(1,))
def expand_dims(call: Call) -> Value:
    """With one more axis of size 1."""
    x = call.inputs[0]
    axis = axis_of(call.host_integer(1), len(x.shape) + 1)
    return reshape(call, x, [*x.shape[:axis], 1, *x.shape[axis:]])


@lower("EnsureShape", inputs=(1, 2), host=(1,))
def ensure_shape(call: Call) -> Value:
    """The input itself, whose shape must fit the attribute ``shape``."""
    x = call.inputs[0]
    wanted = call.host_integers(1) if len(call.inputs) > 1 else call.attr("shape")
    if not isinstance(wanted, (list, tuple)):
        return x
    fits = len(wanted) == len(x.shape) and all(w in (-1, n) for w, n in zip(wanted, x.shape, strict=True))
    if not fits:
        raise InvalidArgumentError(f"shape {list(x.shape)} does not fit the expected {list(wanted)}")
    return x


@lower("BroadcastTo", inputs=2, kernels=("Tile", "Reshape"), host=(1,))
def broadcast_to(call: Call) -> Value:
    """Repeated along axes of size 1."""
    return broadcast(call, call.inputs[0], call.host_integers(1))


@lower("BroadcastArgs", inputs=2, host=(0, 1))
def broadcast_args(call: Call) -> Value:
    """The shape that two shapes broadcast to."""
    shape = broadcast_shape(call.host_integers(0), call.host_integers(1))
    return call.constant(np.array(shape, np.int32))


@lower("Slice", inputs=3, kernels=("Slice",), host=(1, 2))
def slice_op(call: Call) -> Value:
    """From ``begin``, ``size`` elements along each axis, -1 for all that remain."""
    x, begin, size = call.inputs[0], call.host_integers(1), call.host_integers(2)
    rank = len(x.shape)
    if len(begin) != rank or len(size) != rank:
        raise InvalidArgumentError(f"begin {begin} and size {size} must have {rank} numbers each")
    size = [n - b if s == -1 else s for n, b, s in zip(x.shape, begin, size, strict=True)]
    if any(b < 0 or s < 0 or b + s > n for n, b, s in zip(x.shape, begin, size, strict=True)):
        raise InvalidArgumentError(f"begin {begin} and size {size} exceed shape {list(x.shape)}")
    return x if tuple(size) == tuple(x.shape) else call.one("Slice", {"x": x}, begin=begin, size=size)


@lower("StridedSlice", inputs=4, kernels=("StridedSlice",), host=(1, 2, 3))
def strided_slice(call: Call) -> Value:
    """Python's slicing, its omissions told by bit masks."""
    return call.one(
        "StridedSlice",
        {"x": call.inputs[0]},
        begin=call.host_integers(1),
        end=call.host_integers(2),
        strides=call.host_integers(3),
        beginMask=call.integer("begin_mask", 0),
        endMask=call.integer("end_mask", 0),
        ellipsisMask=call.integer("ellipsis_mask", 0),
        newAxisMask=call.integer("new_axis_mask", 0),
        shrinkAxisMask=call.integer("shrink_axis_mask", 0),
    )


def _pairs(call: Call, i: int, rank: int) -> list[list[int]]:
    array = call.host(i)
    if array.shape != (rank, 2) or array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"input {i} must be {rank} pairs of integers, got shape {list(array.shape)}")
    return [[int(a), int(b)] for a, b in array]


@lower("Pad", inputs=2, kernels=("PadV2",), host=(1,))
def pad(call: Call) -> Value:
    """With zeros (False for bool), or with the original's attribute ``constant_value``."""
    return _pad(call, call.number("constant_value", 0.0))


@lower("PadV2", inputs=3, kernels=("PadV2",), host=(1, 2))
def pad_v2(call: Call) -> Value:
    """With the value of the third input."""
    return _pad(call, call.host_scalar(2))


def _pad(call: Call, value: float) -> Value:
    x = call.inputs[0]
    if not x.shape:
        return x
    return call.one("PadV2", {"x": x}, paddings=_pairs(call, 1, len(x.shape)), constantValue=value)


@lower("MirrorPad", inputs=2, kernels=("MirrorPad",), host=(1,))
def mirror_pad(call: Call) -> Value:
    """With the input mirrored, its edge repeated (SYMMETRIC) or not (REFLECT)."""
    x = call.inputs[0]
    mode = call.text("mode").lower()
    if mode not in ("reflect", "symmetric"):
        raise ModelFormatError(f"{call.node}, attr 'mode': expected REFLECT or SYMMETRIC, got {mode!r}")
    return call.one("MirrorPad", {"x": x}, paddings=_pairs(call, 1, len(x.shape)), mode=mode)


@lower("Tile", inputs=2, kernels=("Tile",), host=(1,))
def tile(call: Call) -> Value:
    """The input repeated along each axis."""
    x, reps = call.inputs[0], call.host_integers(1)
    if len(reps) != len(x.shape) or any(rep < 0 for rep in reps):
        raise InvalidArgumentError(f"multiples {reps} must be {len(x.shape)} numbers, none negative")
    return x if set(reps) <= {1} else call.one("Tile", {"x": x}, reps=reps)


@lower("Reverse", inputs=2, kernels=("Reverse",), host=(1,))
def reverse(call: Call) -> Value:
    """Along the axes that a vector of bools marks."""
    marks = [bool(mark) for mark in call.host(1).reshape(-1)]
    return _reverse(call, [axis for axis, mark in enumerate(marks) if mark])


@lower("ReverseV2", inputs=2, kernels=("Reverse",), host=(1,))
def reverse_v2(call: Call) -> Value:
    """Along the axes that a vector lists."""
    return _reverse(call, [axis_of(axis, len(call.inputs[0].shape)) for axis in call.host_integers(1)])


def _reverse(call: Call, axes: list[int]) -> Value:
    x = call.inputs[0]
    return call.one("Reverse", {"x": x}, dims=axes) if axes and x.shape else x


@lower("Roll", inputs=3, kernels=("Slice", "Concat"), host=(1, 2))
def roll(call: Call) -> Value:
    """Elements shifted along axes; what leaves at one end enters at the other."""
    x, shifts, axes = call.inputs[0], call.host_integers(1), call.host_integers(2)
    if len(shifts) != len(axes):
        raise InvalidArgumentError(f"shifts {shifts} and axes {axes} must be as many")
    for shift, given in zip(shifts, axes, strict=True):
        axis = axis_of(given, len(x.shape))
        size = x.shape[axis]
        step = shift % size if size else 0
        if not step:
            continue
        parts = []
        for start, length in ((size - step, step), (0, size - step)):
            begin = [start if i == axis else 0 for i in range(len(x.shape))]
            extent = [length if i == axis else n for i, n in enumerate(x.shape)]
            parts.append(call.one("Slice", {"x": x}, begin=begin, size=extent))
        x = call.one("Concat", {"tensors": parts}, axis=axis)
    return x


@lower("SpaceToBatchND", inputs=3, kernels=("SpaceToBatchND",), host=(1, 2))
def space_to_batch_nd(call: Call) -> Value:
    """Blocks of the padded space become batches."""
    block = call.host_integers(1)
    return call.one("SpaceToBatchND", {"x": call.inputs[0]}, blockShape=block, paddings=_pairs(call, 2, len(block)))


@lower("BatchToSpaceND", inputs=3, kernels=("BatchToSpaceND",), host=(1, 2))
def batch_to_space_nd(call: Call) -> Value:
    """The reverse of SpaceToBatchND, cropped."""
    block = call.host_integers(1)
    return call.one("BatchToSpaceND", {"x": call.inputs[0]}, blockShape=block, crops=_pairs(call, 2, len(block)))


@lower("SpaceToBatch", inputs=2, kernels=("SpaceToBatchND",), host=(1,))
def space_to_batch(call: Call) -> Value:
    """Square blocks of images."""
    block = [call.integer("block_size")] * 2
    return call.one("SpaceToBatchND", {"x": call.inputs[0]}, blockShape=block, paddings=_pairs(call, 1, 2))


@lower("BatchToSpace", inputs=2, kernels=("BatchToSpaceND",), host=(1,))
def batch_to_space(call: Call) -> Value:
    """Square blocks of images."""
    block = [call.integer("block_size")] * 2
    return call.one("BatchToSpaceND", {"x": call.inputs[0]}, blockShape=block, crops=_pairs(call, 1, 2))


@lower("DepthToSpace", inputs=1, kernels=("DepthToSpace",))
def depth_to_space(call: Call) -> Value:
    """Channels become blocks of pixels."""
    return call.one(
        "DepthToSpace",
        {"x": call.inputs[0]},
        blockSize=call.integer("block_size"),
        dataFormat=call.text("data_format", "NHWC"),
    )


@lower("SpaceToDepth", inputs=1, kernels=("Reshape", "Transpose"))
def space_to_depth(call: Call) -> Value:
    """Blocks of pixels become channels."""
    x, block = call.inputs[0], call.integer("block_size")
    first = call.text("data_format", "NHWC") == "NCHW"
    if len(x.shape) != 4 or block < 1:
        raise InvalidArgumentError(f"blocks of {block} need images of rank 4, got shape {list(x.shape)}")
    batch, height, width, channels = (x.shape[i] for i in ((0, 2, 3, 1) if first else (0, 1, 2, 3)))
    if height % block or width % block:
        raise InvalidArgumentError(f"height {height} and width {width} must be multiples of block size {block}")
    rows, columns = height // block, width // block
    if first:
        split = (batch, channels, rows, block, columns, block)
        moved = transpose(call, reshape(call, x, split), (0, 3, 5, 1, 2, 4))
        return reshape(call, moved, (batch, block * block * channels, rows, columns))
    moved = transpose(call, reshape(call, x, (batch, rows, block, columns, block, channels)), (0, 1, 3, 2, 4, 5))
    return reshape(call, moved, (batch, rows, columns, block * block * channels))
