"""Concatenation, stacking, splitting, padding and tiling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import InvalidArgumentError
from .axes import Shape, normalize_axis, shape_text


def concat_shape(shapes: Sequence[Sequence[int]], axis: int = 0) -> tuple[Shape, int]:
    """(shape of the concatenation, ``axis`` from the front).

    Every tensor takes part in the check, empty ones too; the caller may then
    leave empty ones out. Raises InvalidArgumentError when the others' extents
    or ranks differ.

    >>> concat_shape([(2, 3), (2, 0), (2, 1)], -1)
    ((2, 4), 1)
    """
    if not shapes:
        raise InvalidArgumentError("Pass at least one tensor to concat")
    first = shapes[0]
    rank = len(first)
    if not rank:
        raise InvalidArgumentError("Error in concat: a scalar cannot be concatenated; use Pack")
    where = normalize_axis(axis, rank)
    for k, shape in enumerate(shapes):
        if len(shape) != rank:
            raise InvalidArgumentError(
                f"Error in concat{rank}D: rank of tensors[{k}] must be the same as the rank of the rest ({rank})"
            )
        if any(n != m for other, (n, m) in enumerate(zip(shape, first, strict=True)) if other != where):
            raise InvalidArgumentError(
                f"Error in concat{rank}D: Shape of tensors[{k}] ({shape_text(shape)}) does not match "
                f"the shape of the rest ({shape_text(first)}) along the non-concatenated axis {k}."
            )
    return (*first[:where], sum(shape[where] for shape in shapes), *first[where + 1 :]), where


def pack_shape(shapes: Sequence[Sequence[int]], axis: int = 0) -> tuple[Shape, int]:
    """(shape of the stack, ``axis`` from the front).

    >>> pack_shape([(2, 3), (2, 3)], -1)
    ((2, 3, 2), 2)
    """
    if not shapes:
        raise InvalidArgumentError("Pass at least one tensor to tf.stack")
    first = tuple(shapes[0])
    where = normalize_axis(axis, len(first) + 1)
    for shape in shapes:
        if tuple(shape) != first:
            raise InvalidArgumentError(
                "All tensors passed to stack must have matching shapes; got "
                f"[{shape_text(first)}] and [{shape_text(shape)}]"
            )
    return (*first[:where], len(shapes), *first[where:]), where


def unpack_shape(shape: Sequence[int], axis: int = 0) -> tuple[Shape, int, int]:
    """(shape of one part, how many parts, ``axis`` from the front).

    >>> unpack_shape((2, 3, 4), 1)
    ((2, 4), 3, 1)
    """
    where = normalize_axis(axis, len(shape))
    return (*shape[:where], *shape[where + 1 :]), shape[where], where


def split_sizes(shape: Sequence[int], num_or_size_splits: int | Sequence[int], axis: int = 0) -> Shape:
    """The extent of each part along ``axis``; one size may be -1.

    >>> split_sizes((2, 9), 3, 1), split_sizes((2, 9), [4, -1], 1)
    ((3, 3, 3), (4, 5))
    """
    where = normalize_axis(axis, len(shape))
    extent = shape[where]
    if not isinstance(num_or_size_splits, Sequence):
        count = int(num_or_size_splits)
        if count < 1 or extent % count:
            raise InvalidArgumentError(
                f"Number of splits must evenly divide the axis. {count} parts of an axis of {extent}"
            )
        return (extent // count,) * count
    sizes = [int(size) for size in num_or_size_splits]
    if sum(size == -1 for size in sizes) > 1:
        raise InvalidArgumentError("There should be only one negative value in split array.")
    if -1 in sizes:
        sizes[sizes.index(-1)] = extent - sum(size for size in sizes if size != -1)
    if sum(sizes) != extent or any(size < 0 for size in sizes):
        raise InvalidArgumentError(
            f"The sum of sizes must match the size of the axis dimension. Got {shape_text(num_or_size_splits)} "
            f"for an axis of {extent}"
        )
    return tuple(sizes)


def pad_shape(shape: Sequence[int], paddings: Sequence[Sequence[int]], mode: str | None = None) -> Shape:
    """``shape`` grown by (before, after) on each axis.

    ``mode`` "reflect" or "symmetric" also checks that a mirror has enough to
    show. Raises InvalidArgumentError for paddings that do not fit.

    >>> pad_shape((2, 3), [(1, 1), (0, 2)])
    (4, 5)
    """
    if mode not in (None, "reflect", "symmetric"):
        raise InvalidArgumentError(f"Invalid mode. Mode must be either reflect or symmetric. Got {mode}.")
    if len(paddings) != len(shape):
        raise InvalidArgumentError(f"Padding doesn't match input. Must be {len(shape)} pairs, got {len(paddings)}")
    for axis, (extent, pair) in enumerate(zip(shape, paddings, strict=True)):
        if len(pair) != 2 or pair[0] < 0 or pair[1] < 0:
            raise InvalidArgumentError(
                f"Invalid number of paddings. Must be pairs of numbers of 0 or more, got {list(pair)} at axis {axis}"
            )
        most = extent - 1 if mode == "reflect" else extent
        if mode is not None and max(pair) > max(most, 0):
            raise InvalidArgumentError(
                f"Padding in dimension {axis} cannot be greater than or equal to {most + 1} for input of shape "
                f"{shape_text(shape)}"
            )
    return tuple(extent + int(pair[0]) + int(pair[1]) for extent, pair in zip(shape, paddings, strict=True))


def tile_shape(shape: Sequence[int], reps: Sequence[int]) -> Shape:
    """``shape`` times ``reps``.

    >>> tile_shape((2, 3), (3, 1))
    (6, 3)
    """
    if len(shape) != len(reps):
        raise InvalidArgumentError(
            f"Error in transpose: rank of input {len(shape)} must match length of reps {shape_text(reps)}."
        )
    if any(n < 0 for n in reps):
        raise InvalidArgumentError(f"Error in tile: reps must not be negative, got {shape_text(reps)}")
    out = tuple(extent * int(n) for extent, n in zip(shape, reps, strict=True))
    if math.prod(out) >= 2**31:
        raise InvalidArgumentError(f"Error in tile: the result [{shape_text(out)}] would be too large")
    return out
