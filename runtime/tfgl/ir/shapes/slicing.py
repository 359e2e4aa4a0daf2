"""Slices: by begin and size, and strided ones with masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InvalidArgumentError
from .axes import Shape, shape_text


def slice_bounds(
    shape: Sequence[int], begin: int | Sequence[int], size: int | Sequence[int] | None = None
) -> tuple[Shape, Shape]:
    """(begin, size) for every axis; a size of -1 reaches the end, absent axes are whole.

    >>> slice_bounds((4, 5), [1], [2]), slice_bounds((4, 5), [1, 2], [-1, 3])
    (((1, 0), (2, 5)), ((1, 2), (3, 3)))
    """
    rank = len(shape)
    if not rank:
        raise InvalidArgumentError("Slicing scalar is not possible")
    begins = [int(n) for n in (begin if isinstance(begin, Sequence) else [begin])]
    sizes = [] if size is None else [int(n) for n in (size if isinstance(size, Sequence) else [size])]
    for name, values in (("begin", begins), ("size", sizes)):
        if len(values) > rank:
            raise InvalidArgumentError(
                f"Error in slice{rank}D: Length of {name} {shape_text(values)} must match "
                f"the rank of the array ({rank})."
            )
    begins += [0] * (rank - len(begins))
    sizes += [-1] * (rank - len(sizes))
    for k, (first, count, extent) in enumerate(zip(begins, sizes, shape, strict=True)):
        if first < 0:
            raise InvalidArgumentError("slice() does not support negative begin indexing.")
        if count < -1:
            raise InvalidArgumentError(
                f"Negative size values should be exactly -1 but got {count} for the slice() size at index {k}."
            )
        reach = max(first + count, first)
        if reach > extent:
            raise InvalidArgumentError(
                f"Error in slice{rank}D: begin[{k}] + size[{k}] ({reach}) would overflow input.shape[{k}] ({extent})"
            )
        if count == -1:
            sizes[k] = extent - first
    return tuple(begins), tuple(sizes)


@dataclass(frozen=True, slots=True)
class StridedSlice:
    """A strided slice with masks resolved; the tuples have one entry an axis of the input.

    Element i of ``counts[axis]`` comes from ``begin[axis] + i * strides[axis]``.
    ``shape`` has the new axes and lacks the shrunk ones; its elements are those
    of ``counts`` in the same order.
    """

    begin: Shape
    end: Shape
    strides: Shape
    counts: Shape
    shape: Shape

    def is_whole(self, shape: Sequence[int]) -> bool:
        """Whether it takes every element in order, so that the result is a view."""
        return self.counts == tuple(shape) and all(
            step == 1 or size <= 1 for step, size in zip(self.strides, self.counts, strict=True)
        )


def strided_slice_plan(
    shape: Sequence[int],
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> StridedSlice:
    """The slice that TensorFlow's StridedSlice takes of a tensor of ``shape``.

    Semantics: https://www.tensorflow.org/api_docs/python/tf/strided_slice. Raises
    InvalidArgumentError for a stride of 0, an index out of range, or more
    entries than axes.

    >>> strided_slice_plan((4, 5), [1, 0], [3, 0], [1, 1], end_mask=2).shape
    (2, 5)
    >>> strided_slice_plan((4, 5), [-1], [0], [1], shrink_axis_mask=1).shape
    (5,)
    """
    count = len(begin)
    steps = [1] * count if strides is None else [int(n) for n in strides]
    if not len(end) == len(steps) == count:
        raise InvalidArgumentError(
            f"begin, end and strides must have one length, got {count}, {len(end)} and {len(steps)}"
        )
    if ellipsis_mask & (ellipsis_mask - 1):
        raise InvalidArgumentError("Multiple ellipses in slice is not allowed.")
    rank = len(shape)
    named = [k for k in range(count) if not (ellipsis_mask | new_axis_mask) >> k & 1]
    if len(named) > rank:
        raise InvalidArgumentError(
            f"StridedSlice names {len(named)} axes of an input that has {rank}: [{shape_text(shape)}]"
        )
    hidden = rank - len(named)
    out: list[int] = []
    axes: list[tuple[int, int, int, int]] = []
    entries: list[int | None] = []
    for k in range(count):
        if ellipsis_mask >> k & 1:
            entries += [None] * hidden
        else:
            entries.append(k)
    if not ellipsis_mask & ((1 << count) - 1):
        entries += [None] * hidden
    for entry in entries:
        extent = shape[len(axes)] if len(axes) < rank else 1
        if entry is None:
            axes.append((0, extent, 1, extent))
            out.append(extent)
        elif new_axis_mask >> entry & 1:
            out.append(1)
        elif shrink_axis_mask >> entry & 1:
            if steps[entry] <= 0:
                raise InvalidArgumentError("only stride 1 allowed on non-range indexing.")
            # A masked begin of an index means nothing to TensorFlow: the index counts.
            index = int(begin[entry])
            first = index + extent if index < 0 else index
            if not 0 <= first < extent:
                raise InvalidArgumentError(f"slice index {index} of dimension {len(axes)} out of bounds.")
            axes.append((first, first + 1, 1, 1))
        else:
            step = steps[entry]
            if step == 0:
                raise InvalidArgumentError(f"strides[{entry}] must be non-zero")
            low, high = (0, extent) if step > 0 else (-1, extent - 1)
            first, last = (low, high) if step > 0 else (high, low)
            if not begin_mask >> entry & 1:
                first = _clamped(int(begin[entry]), extent, low, high)
            if not end_mask >> entry & 1:
                last = _clamped(int(end[entry]), extent, low, high)
            size = max(0, math.ceil((last - first) / step))
            axes.append((first, last, step, size))
            out.append(size)
    starts, ends, every, counts = (tuple(column) for column in zip(*axes, strict=True)) if axes else ((), (), (), ())
    return StridedSlice(starts, ends, every, counts, tuple(out))


def _clamped(index: int, extent: int, low: int, high: int) -> int:
    return min(max(index + extent if index < 0 else index, low), high)
