"""Reshape, ranges, and moves between space, batch and depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InvalidArgumentError
from .axes import Shape, shape_text


def reshape(shape: Sequence[int], target: Sequence[int]) -> Shape:
    """``target`` with its one -1 filled in; InvalidArgumentError unless the sizes agree.

    >>> reshape((2, 6), (3, -1))
    (3, 4)
    """
    size = math.prod(shape)
    wanted = [int(n) for n in target]
    unknown = [k for k, n in enumerate(wanted) if n == -1]
    if len(unknown) > 1:
        raise InvalidArgumentError(
            f"Shapes can only have 1 implicit size. Found -1 at dim {unknown[0]} and dim {unknown[1]}"
        )
    if any(n < -1 for n in wanted):
        negative = next(k for k, n in enumerate(wanted) if n < -1)
        raise InvalidArgumentError(f"Shapes can not be < 0. Found {wanted[negative]} at dim {negative}")
    known = math.prod(n for n in wanted if n != -1)
    if unknown:
        if known == 0 and size == 0:
            # TensorFlow makes the unknown extent of an empty tensor 0.
            wanted[unknown[0]] = 0
        elif known == 0:
            raise InvalidArgumentError(
                f"Cannot infer the missing size in [{shape_text(target)}] when there are 0 elements"
            )
        elif size % known:
            raise InvalidArgumentError(f"The implicit shape can't be a fractional number. Got {size} / {known}")
        else:
            wanted[unknown[0]] = size // known
    elif known != size:
        raise InvalidArgumentError(
            f"Size({size}) must match the product of shape {shape_text(target)}; "
            f"the tensor to reshape is [{shape_text(shape)}]"
        )
    return tuple(wanted)


def expand_dims_shape(shape: Sequence[int], dim: int) -> Shape:
    """``shape`` with an axis of 1 before axis ``dim``; negative counts from behind the last.

    >>> expand_dims_shape((2, 3), -1)
    (2, 3, 1)
    """
    rank = len(shape)
    if not -(rank + 1) <= dim <= rank:
        raise InvalidArgumentError(f"Axis must be in the interval [{-(rank + 1)}, {rank}], got {dim}")
    where = int(dim) % (rank + 1)
    return (*shape[:where], 1, *shape[where:])


def range_length(start: float, stop: float, step: float) -> tuple[int, float]:
    """(number of values, step that makes them) of Range.

    TensorFlow.js counts down when ``stop`` < ``start`` and ``step`` is 1, its
    default; any other step of the wrong sign gives no values.

    >>> range_length(0, 5, 2), range_length(3, 0, 1)
    ((3, 2), (3, -1))
    """
    if step == 0:
        raise InvalidArgumentError("Cannot have a step of zero")
    if not all(map(math.isfinite, (start, stop, step))):
        raise InvalidArgumentError(f"Range takes finite numbers, got start {start}, stop {stop}, step {step}")
    if stop < start and step == 1:
        step = -1
    return max(0, math.ceil((stop - start) / step)), step


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """Reshape to ``reshaped``, transpose by ``perm``, reshape to ``permuted_shape``.

    SpaceToBatchND pads by ``paddings`` first. BatchToSpaceND afterwards takes
    ``begin``, ``size``; in the other one these cover everything.
    """

    paddings: tuple[tuple[int, int], ...]
    reshaped: Shape
    perm: Shape
    permuted_shape: Shape
    begin: Shape
    size: Shape

    @property
    def shape(self) -> Shape:
        """The result's shape."""
        return self.size


def space_to_batch(
    shape: Sequence[int], block_shape: Sequence[int], paddings: Sequence[Sequence[int]]
) -> Rearrangement:
    """SpaceToBatchND as pad, reshape, transpose, reshape.

    https://www.tensorflow.org/api_docs/python/tf/space_to_batch

    >>> space_to_batch((1, 4, 4, 1), (2, 2), [(0, 0), (0, 0)]).shape
    (4, 2, 2, 1)
    """
    blocks = tuple(int(n) for n in block_shape)
    rank = len(blocks)
    if len(shape) < 1 + rank:
        raise InvalidArgumentError(f"input rank {len(shape)} should be > than [blockShape] {rank}")
    if len(paddings) != rank:
        raise InvalidArgumentError(f"paddings.shape[0] {len(paddings)} must be equal to [blockShape] {rank}")
    _check_pairs("paddings", blocks, paddings)
    pairs = ((0, 0), *((int(a), int(b)) for a, b in paddings), *((0, 0),) * (len(shape) - 1 - rank))
    padded = tuple(n + a + b for n, (a, b) in zip(shape, pairs, strict=True))
    if any(n % block for n, block in zip(padded[1:], blocks, strict=False)):
        raise InvalidArgumentError(
            f"input spatial dimensions {shape_text(shape[1:])} with paddings "
            f"{shape_text([n for pair in paddings for n in pair])} must be divisible by blockShapes "
            f"{shape_text(blocks)}"
        )
    rest = padded[1 + rank :]
    reshaped = [padded[0]]
    for n, block in zip(padded[1:], blocks, strict=False):
        reshaped += [n // block, block]
    perm = (
        *range(2, 2 * rank + 1, 2),
        0,
        *range(1, 2 * rank + 1, 2),
        *range(2 * rank + 1, 2 * rank + 1 + len(rest)),
    )
    out = (
        padded[0] * math.prod(blocks),
        *(n // block for n, block in zip(padded[1:], blocks, strict=False)),
        *rest,
    )
    return Rearrangement(pairs, (*reshaped, *rest), perm, out, (0,) * len(out), out)


def batch_to_space(shape: Sequence[int], block_shape: Sequence[int], crops: Sequence[Sequence[int]]) -> Rearrangement:
    """BatchToSpaceND as reshape, transpose, reshape, slice.

    https://www.tensorflow.org/api_docs/python/tf/batch_to_space

    >>> batch_to_space((4, 2, 2, 1), (2, 2), [(0, 0), (0, 0)]).shape
    (1, 4, 4, 1)
    """
    blocks = tuple(int(n) for n in block_shape)
    rank, product = len(blocks), math.prod(blocks)
    if len(shape) < 1 + rank:
        raise InvalidArgumentError(f"input rank is {len(shape)} but should be > than blockShape.length {rank}")
    if len(crops) != rank:
        raise InvalidArgumentError(f"crops.length is {len(crops)} but should be equal to blockShape.length  {rank}")
    _check_pairs("crops", blocks, crops)
    if shape[0] % product:
        raise InvalidArgumentError(
            f"input tensor batch is {shape[0]} but is not divisible by the product of the elements of blockShape "
            f"{' * '.join(map(str, blocks))} === {product}"
        )
    batch = shape[0] // product
    spatial, rest = tuple(shape[1 : 1 + rank]), tuple(shape[1 + rank :])
    perm = [rank]
    for k in range(rank):
        perm += [rank + 1 + k, k]
    perm += range(2 * rank + 1, 2 * rank + 1 + len(rest))
    permuted = (batch, *(n * block for n, block in zip(spatial, blocks, strict=True)), *rest)
    begin = (0, *(int(a) for a, _ in crops), *(0,) * len(rest))
    size = (batch, *(n - a - b for n, (a, b) in zip(permuted[1:], crops, strict=False)), *rest)
    if min(size, default=0) < 0:
        raise InvalidArgumentError(f"crops {crops} take more than there is of [{shape_text(permuted)}]")
    return Rearrangement(
        ((0, 0),) * len(shape),
        (*blocks, batch, *spatial, *rest),
        tuple(perm),
        permuted,
        begin,
        tuple(map(int, size)),
    )


def _check_pairs(name: str, blocks: Sequence[int], pairs: Sequence[Sequence[int]]) -> None:
    if any(n < 1 for n in blocks):
        raise InvalidArgumentError(f"blockShape must be positive, got {shape_text(blocks)}")
    if any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise InvalidArgumentError(f"{name} must be pairs of numbers of 0 or more, got {[list(p) for p in pairs]}")


def depth_to_space_shape(shape: Sequence[int], block_size: int, data_format: str = "NHWC") -> Shape:
    """The shape of DepthToSpace; InvalidArgumentError unless depth is a multiple of ``block_size`` squared.

    >>> depth_to_space_shape((1, 2, 2, 12), 2)
    (1, 4, 4, 3)
    """
    if len(shape) != 4:
        raise InvalidArgumentError(f"Error in depthToSpace: x must be rank 4, but got rank {len(shape)}.")
    if data_format not in ("NHWC", "NCHW"):
        raise InvalidArgumentError(f"Unknown dataFormat {data_format}; expected NHWC or NCHW")
    if block_size < 2:
        raise InvalidArgumentError(f"blockSize should be > 1 for depthToSpace, but was: {block_size}")
    last = data_format == "NHWC"
    batch = shape[0]
    height, width, depth = shape[1:] if last else (shape[2], shape[3], shape[1])
    square = block_size * block_size
    if depth % square:
        raise InvalidArgumentError(
            f"Dimension size must be evenly divisible by {square} but is {depth} for depthToSpace with input shape "
            f"{shape_text(shape)}"
        )
    height, width, depth = height * block_size, width * block_size, depth // square
    return (batch, height, width, depth) if last else (batch, depth, height, width)
