"""Kernels that move elements by strides: one program serves them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import (
    batch_to_space,
    depth_to_space_shape,
    normalize_axes,
    slice_bounds,
    space_to_batch,
    split_sizes,
    strided_slice_plan,
    tile_shape,
)
from ..registry import kernel
from ..tensor import Shape, Tensor

_MAX_AXES = 6


@dataclass(frozen=True, slots=True)
class StridedView:
    """Element at coordinates c of ``shape`` is element ``offset + sum(c * strides)`` of the source."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, shape: Sequence[int]) -> StridedView:
        """The whole of a tensor of ``shape``, in row-major order.

        >>> StridedView.of((2, 3)).strides
        (3, 1)
        """
        strides, step = [0] * len(shape), 1
        for axis in reversed(range(len(shape))):
            strides[axis] = step
            step *= shape[axis]
        return cls(tuple(shape), tuple(strides))

    def transposed(self, perm: Sequence[int]) -> StridedView:
        """Axes in the order of ``perm``."""
        return StridedView(tuple(self.shape[p] for p in perm), tuple(self.strides[p] for p in perm), self.offset)

    def sliced(self, axis: int, start: int, count: int, step: int = 1) -> StridedView:
        """``count`` coordinates of ``axis`` from ``start`` on."""
        shape, strides = list(self.shape), list(self.strides)
        shape[axis], strides[axis] = count, strides[axis] * step
        return StridedView(tuple(shape), tuple(strides), self.offset + start * self.strides[axis])

    def merged(self) -> tuple[list[int], list[int]]:
        """Extents and strides with axes of extent 1 dropped and neighbours merged.

        >>> StridedView.of((2, 3, 4)).merged()
        ([24], [1])
        """
        dims: list[int] = []
        steps: list[int] = []
        for extent, stride in zip(self.shape, self.strides, strict=True):
            if extent == 1:
                continue
            if dims and steps[-1] == stride * extent:
                dims[-1] *= extent
                steps[-1] = stride
            else:
                dims.append(extent)
                steps.append(stride)
        return (dims, steps) if dims else ([1], [1])

    @property
    def is_whole(self) -> bool:
        """Whether the elements lie as they do in the source: no draw is needed."""
        return self.offset == 0 and self.merged()[1] == [1]


def gather_strided(x: Tensor, view: StridedView, shape: Sequence[int] | None = None) -> Tensor:
    """The elements of ``x`` that ``view`` names, as a tensor of ``shape`` (the view's by default)."""
    out = tuple(view.shape if shape is None else shape)
    if 0 in out:
        return x.engine.emit("strided", {"x": x}, out, x.dtype)
    if view.is_whole and math.prod(out) == x.size:
        return x.view(out)
    dims, steps = view.merged()
    if len(dims) > _MAX_AXES:
        return _in_two_steps(x, view, out)
    aligned = steps[-1] == 1 and dims[-1] % 4 == 0 and view.offset % 4 == 0 and all(s % 4 == 0 for s in steps[:-1])
    parameters: dict[str, ParameterValue] = {
        "in_offset": view.offset,
        "in_rank": len(dims),
        "out_dims": (*dims, *(1,) * (8 - len(dims))),
        "in_strides": (*steps, *(0,) * (8 - len(steps))),
    }
    return x.engine.emit("strided", {"x": x}, out, x.dtype, parameters, {"ALIGNED": ""} if aligned else {})


def _in_two_steps(x: Tensor, view: StridedView, out: Shape) -> Tensor:
    """More axes than the program takes: gather the first axis' slices of a smaller view, then join."""
    from .concat import concat_along

    axis = next(k for k, n in enumerate(view.shape) if n > 1)
    parts = [gather_strided(x, view.sliced(axis, at, 1)) for at in range(view.shape[axis])]
    return concat_along(parts, axis).view(out)


@kernel("Transpose", complex_parts=True, strings=True)
def transpose(x: Tensor, *, perm: Sequence[int]) -> Tensor:
    """Axis k of the result is axis ``perm[k]`` of ``x``."""
    if sorted(perm) != list(range(x.ndim)):
        raise InvalidArgumentError(f"Transpose: perm must name each of the {x.ndim} axes once; got {list(perm)}")
    return gather_strided(x, StridedView.of(x.shape).transposed(perm))


@kernel("Reverse", complex_parts=True, strings=True)
def reverse(x: Tensor, *, dims: int | Sequence[int] | None = None) -> Tensor:
    """``x`` read backwards along ``dims``; along every axis without them."""
    given = () if dims is None else (dims,) if isinstance(dims, (int, float)) else tuple(dims)
    for axis in given:
        if axis != int(axis):
            raise InvalidArgumentError(f"All values in axis param must be integers but got axis {axis}")
    view = StridedView.of(x.shape)
    for axis in normalize_axes(None if dims is None else given, x.ndim):
        view = view.sliced(axis, x.shape[axis] - 1, x.shape[axis], -1)
    return gather_strided(x, view)


@kernel("Slice", complex_parts=True, strings=True)
def slice_(x: Tensor, *, begin: int | Sequence[int], size: int | Sequence[int] | None = None) -> Tensor:
    """``size`` coordinates of each axis from ``begin`` on; a size of -1, or none, goes to the end."""
    starts, sizes = slice_bounds(x.shape, begin, size)
    view = StridedView.of(x.shape)
    for axis, (start, count) in enumerate(zip(starts, sizes, strict=True)):
        view = view.sliced(axis, start, count)
    return gather_strided(x, view)


@kernel("StridedSlice", complex_parts=True, strings=True)
def strided_slice(
    x: Tensor,
    *,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int] | None = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Tensor:
    """Python's extended slicing, with TensorFlow's masks."""
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
    view = StridedView.of(x.shape)
    for axis, (start, step, count) in enumerate(zip(plan.begin, plan.strides, plan.counts, strict=True)):
        view = view.sliced(axis, start, count, step)
    return gather_strided(x, view, plan.shape)


@kernel("BroadcastTo", complex_parts=True, strings=True)
def broadcast_to(x: Tensor, *, shape: Sequence[int], input_shape: Sequence[int] | None = None) -> Tensor:
    """``x`` repeated along axes of extent 1, and along new leading axes, up to ``shape``."""
    rank = len(shape)
    padded = (1,) * (rank - x.ndim) + x.shape
    if x.ndim > rank or any(n not in (1, m) for n, m in zip(padded, shape, strict=True)):
        raise InvalidArgumentError(f"broadcastTo(): [{x.shape}] cannot be broadcast to [{list(shape)}].")
    source = StridedView.of(padded)
    strides = tuple(0 if n == 1 else s for n, s in zip(padded, source.strides, strict=True))
    return gather_strided(x, StridedView(tuple(shape), strides))


@kernel("FlipLeftRight", complex_parts=True)
def flip_left_right(image: Tensor) -> Tensor:
    """Images (batch, height, width, channels) mirrored."""
    if image.ndim != 4:
        raise InvalidArgumentError(f"Error in flipLeftRight: image must be rank 4, but got rank {image.ndim}.")
    return reverse(image, dims=2)


@kernel("FromPixels")
def from_pixels(pixels: Tensor, *, num_channels: int = 3) -> Tensor:
    """The first ``num_channels`` channels of int32 ``pixels`` (height, width, 4)."""
    if pixels.ndim != 3 or pixels.dtype != "int32":
        raise InvalidArgumentError(
            f"FromPixels takes int32 pixels (height, width, channels), got {pixels.dtype} {list(pixels.shape)}"
        )
    if not 1 <= num_channels <= pixels.shape[2]:
        raise InvalidArgumentError(f"numChannels must be 1 to {pixels.shape[2]}, got {num_channels}")
    return gather_strided(pixels, StridedView.of(pixels.shape).sliced(2, 0, num_channels))


@kernel("Tile", complex_parts=True, strings=True)
def tile(x: Tensor, *, reps: Sequence[int]) -> Tensor:
    """``x`` repeated ``reps[k]`` times along axis k."""
    out = tile_shape(x.shape, reps)
    source = StridedView.of(x.shape)
    shape: list[int] = []
    strides: list[int] = []
    for extent, stride, count in zip(x.shape, source.strides, reps, strict=True):
        shape += [count, extent]
        strides += [0, stride]
    return gather_strided(x, StridedView(tuple(shape), tuple(strides)), out)


@kernel("Unpack", complex_parts=True, strings=True)
def unpack(value: Tensor, *, axis: int) -> list[Tensor]:
    """The slices of ``value`` along ``axis``, without that axis."""
    if not -value.ndim <= axis < value.ndim:
        raise InvalidArgumentError(f"Axis = {axis} is not in [-{value.ndim}, {value.ndim})")
    at = axis % value.ndim
    view = StridedView.of(value.shape)
    shape = value.shape[:at] + value.shape[at + 1 :]
    return [gather_strided(value, view.sliced(at, k, 1), shape) for k in range(value.shape[at])]


@kernel("SplitV", complex_parts=True, strings=True)
def split_v(x: Tensor, *, num_or_size_splits: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """``x`` cut along ``axis``: into equal parts by number, or into parts of the sizes given (-1: the rest)."""
    at = axis % x.ndim if x.ndim else axis
    sizes = split_sizes(x.shape, num_or_size_splits, axis)
    view, start = StridedView.of(x.shape), 0
    parts: list[Tensor] = []
    for count in sizes:
        parts.append(gather_strided(x, view.sliced(at, start, count)))
        start += count
    return parts


@kernel("SpaceToBatchND", complex_parts=True)
def space_to_batch_nd(x: Tensor, *, block_shape: Sequence[int], paddings: Sequence[Sequence[int]]) -> Tensor:
    """Blocks of the padded axes 1.. moved into the batch axis."""
    from .padding import pad_v2

    plan = space_to_batch(x.shape, block_shape, paddings)
    padded = pad_v2(x, paddings=plan.paddings, constant_value=0)
    return gather_strided(padded, StridedView.of(plan.reshaped).transposed(plan.perm), plan.permuted_shape)


@kernel("BatchToSpaceND", complex_parts=True)
def batch_to_space_nd(x: Tensor, *, block_shape: Sequence[int], crops: Sequence[Sequence[int]]) -> Tensor:
    """The inverse of SpaceToBatchND: batch elements become blocks of axes 1.., then cropped."""
    plan = batch_to_space(x.shape, block_shape, crops)
    moved = gather_strided(x, StridedView.of(plan.reshaped).transposed(plan.perm), plan.permuted_shape)
    cropped = StridedView.of(plan.permuted_shape)
    for axis, (start, count) in enumerate(zip(plan.begin, plan.size, strict=True)):
        cropped = cropped.sliced(axis, start, count)
    return gather_strided(moved, cropped)


@kernel("DepthToSpace", complex_parts=True)
def depth_to_space(x: Tensor, *, block_size: int, data_format: str = "NHWC") -> Tensor:
    """Channels moved into blocks of height and width (DCR order, as TensorFlow)."""
    shape = depth_to_space_shape(x.shape, block_size, data_format)
    if data_format == "NHWC":
        batch, height, width, depth = x.shape
        split = [batch, height, width, block_size, block_size, depth // block_size**2]
        perm = [0, 1, 3, 2, 4, 5]
    else:
        batch, depth, height, width = x.shape
        split = [batch, block_size, block_size, depth // block_size**2, height, width]
        perm = [0, 3, 4, 1, 5, 2]
    return gather_strided(x, StridedView.of(split).transposed(perm), shape)
