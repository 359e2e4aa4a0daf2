"""Axes, broadcasting, reductions and transpositions."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InvalidArgumentError

Shape = tuple[int, ...]


def shape_text(shape: Sequence[int]) -> str:
    """A shape as error messages write it.

    >>> shape_text((2, 3))
    '2,3'
    """
    return ",".join(map(str, shape))


def strides_of(shape: Sequence[int]) -> Shape:
    """Row-major strides, counted in elements.

    >>> strides_of((2, 3, 4))
    (12, 4, 1)
    """
    steps, step = [], 1
    for extent in reversed(shape):
        steps.append(step)
        step *= extent
    return tuple(reversed(steps))


def broadcast_shapes(*shapes: Sequence[int]) -> Shape:
    """The shape that all ``shapes`` broadcast to; InvalidArgumentError when there is none.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    rank = max(map(len, shapes), default=0)
    out = [1] * rank
    for shape in shapes:
        for axis, extent in enumerate(shape, rank - len(shape)):
            if extent == 1 or extent == out[axis]:
                continue
            if out[axis] != 1:
                raise InvalidArgumentError(
                    f"Operands could not be broadcast together with shapes {' and '.join(map(shape_text, shapes))}."
                )
            out[axis] = extent
    return tuple(out)


def broadcast_to_shape(shape: Sequence[int], target: Sequence[int]) -> Shape:
    """``target`` if ``shape`` broadcasts to it, -1 in ``target`` keeping the input's extent.

    >>> broadcast_to_shape((3, 1), (2, -1, 4))
    (2, 3, 4)
    """
    if len(target) < len(shape):
        raise InvalidArgumentError(
            f"broadcastTo(): shape.length={len(target)} < input.rank={len(shape)}; "
            f"[{shape_text(shape)}] has more axes than [{shape_text(target)}]"
        )
    padded = (1,) * (len(target) - len(shape)) + tuple(shape)
    out = tuple(have if want == -1 else int(want) for have, want in zip(padded, target, strict=True))
    if any(extent < 0 for extent in out):
        raise InvalidArgumentError(f"broadcastTo(): Invalid broadcast shape [{shape_text(target)}].")
    if any(have not in (1, want) for have, want in zip(padded, out, strict=True)):
        raise InvalidArgumentError(
            f"broadcastTo(): [{shape_text(shape)}] cannot be broadcast to [{shape_text(target)}]."
        )
    return out


def normalize_axis(axis: int, rank: int) -> int:
    """``axis`` counted from the front.

    Raises InvalidArgumentError when a tensor of that rank has no such axis.

    >>> normalize_axis(-1, 4)
    3
    """
    axis = int(axis)
    if not -rank <= axis < rank:
        raise InvalidArgumentError(f"All values in axis param must be in range [-{rank}, {rank}) but got axis {axis}")
    return axis % rank


def normalize_axes(axis: int | Sequence[int] | None, rank: int) -> Shape:
    """Axes from the front, in the order given; ``None`` means all of them.

    Raises InvalidArgumentError for an axis that does not exist or is named twice.

    >>> normalize_axes([-1, 0], 3), normalize_axes(None, 2)
    ((2, 0), (0, 1))
    """
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, Sequence) else (axis,)
    if rank == 0 and all(int(a) in (0, -1) for a in given):
        # TensorFlow.js lets a scalar be reduced over axis 0.
        return ()
    axes = tuple(normalize_axis(a, rank) for a in given)
    if len(set(axes)) != len(axes):
        raise InvalidArgumentError(f"an axis may be named once, got [{shape_text(given)}] for rank {rank}")
    return axes


def reduced_shape(shape: Sequence[int], axes: Sequence[int], keep_dims: bool = False) -> Shape:
    """The shape after reducing over ``axes`` (counted from the front).

    >>> reduced_shape((2, 3, 4), (1,)), reduced_shape((2, 3, 4), (1,), keep_dims=True)
    ((2, 4), (2, 1, 4))
    """
    gone = set(axes)
    if keep_dims:
        return tuple(1 if axis in gone else extent for axis, extent in enumerate(shape))
    return tuple(extent for axis, extent in enumerate(shape) if axis not in gone)


def transposed_shape(shape: Sequence[int], perm: Sequence[int] | None = None) -> tuple[Shape, Shape]:
    """(shape after the transposition, permutation with every axis from the front).

    ``perm`` None reverses the axes. InvalidArgumentError unless it is a permutation.

    >>> transposed_shape((2, 3, 4), (0, -1, 1))
    ((2, 4, 3), (0, 2, 1))
    """
    rank = len(shape)
    axes = tuple(reversed(range(rank))) if perm is None else tuple(int(axis) for axis in perm)
    if len(axes) != rank:
        raise InvalidArgumentError(f"Error in transpose: rank of input {rank} must match length of perm {axes}.")
    for axis in axes:
        if not -rank <= axis < rank:
            raise InvalidArgumentError(
                f"All entries in 'perm' must be between 0 and {rank - 1} but got {shape_text(axes)}"
            )
    axes = tuple(axis % rank for axis in axes)
    if len(set(axes)) != rank:
        raise InvalidArgumentError(f"'perm' must name every axis once but got {shape_text(axes)}")
    return tuple(shape[axis] for axis in axes), axes
