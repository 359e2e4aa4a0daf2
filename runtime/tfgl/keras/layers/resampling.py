"""Upsampling, padding and cropping."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ModelFormatError
from ...ir.graph import DataType
from ..builder import Builder, Size, Tensor
from ..call import Call
from ..registry import layer


def resized(b: Builder, x: Tensor, height: Size, width: Size, method: str, *, half_pixels: bool = True) -> Tensor:
    """Channels-last images in another size; ``method`` is nearest or bilinear, with pixels' centres at halves or,
    without ``half_pixels``, at whole numbers."""
    op = "ResizeBilinear" if method == "bilinear" else "ResizeNearestNeighbor"
    space = [size if isinstance(size, int) else -1 for size in (height, width)]
    inputs = [x, b.shape_tensor([height, width])]
    shape = [x.shape[0], *space, x.shape[3]]
    dtype = "float32" if method == "bilinear" else x.dtype
    return b.add(op, inputs, shape, dtype, align_corners=False, half_pixel_centers=half_pixels, T=DataType(x.dtype))


def _repeated(c: Call, x: Tensor, axis: int, count: int) -> Tensor:
    """x with every element along an axis ``count`` times."""
    if count == 1:
        return x
    sizes = c.b.sizes(x)
    apart = c.b.tile(c.b.expand(x, axis + 1), [1] * (axis + 1) + [count] + [1] * (x.rank - axis - 1))
    size = sizes[axis]
    grown: Size = size * count if isinstance(size, int) else c.b.mul(size, count)
    return c.b.reshape(apart, [*sizes[:axis], grown, *sizes[axis + 1 :]])


@layer("UpSampling1D")
def up_sampling_1d(c: Call) -> Tensor:
    """Every step ``size`` times."""
    return _repeated(c, c.rank(3), 1, c.integers("size", 1, 2)[0])


@layer("UpSampling2D")
def up_sampling_2d(c: Call) -> Tensor:
    """Images ``size`` times as high and wide, by nearest or bilinear interpolation."""
    x, factors = c.to_last(c.rank(4)), c.integers("size", 2, 2)
    method = c.text("interpolation", "nearest")
    if method not in ("nearest", "bilinear"):
        raise c.unsupported(f"interpolation {method!r} is not supported", "nearest and bilinear are")
    space: list[Size] = []
    for axis, factor in zip((1, 2), factors, strict=True):
        size = x.shape[axis]
        if size >= 0:
            space.append(size * factor)
            continue
        unknown = c.b.sizes(x)[axis]
        space.append(c.b.mul(unknown, factor) if isinstance(unknown, Tensor) else unknown * factor)
    # For whole factors, nearest is the same either way.
    half_pixels = method == "nearest" or not c.tfjs
    return c.from_last(resized(c.b, x, space[0], space[1], method, half_pixels=half_pixels))


@layer("UpSampling3D")
def up_sampling_3d(c: Call) -> Tensor:
    """Every voxel ``size`` times along each axis."""
    x = c.to_last(c.rank(5))
    for axis, count in enumerate(c.integers("size", 3, 2), 1):
        x = _repeated(c, x, axis, count)
    return c.from_last(x)


def _pairs(c: Call, key: str, count: int) -> list[list[int]]:
    """Amounts before and after each spatial axis: one number, one for each axis, or pairs."""
    value = c.get(key, 1)
    if isinstance(value, (int, float)):
        value = [value] * (2 if count == 1 else count)
    if not isinstance(value, (list, tuple)):
        raise c.wrong(key, "a number, a list of numbers or of pairs", value)
    if count == 1 and len(value) == 2 and all(isinstance(v, (int, float)) for v in value):
        value = [list(value)]
    pairs = [[int(v), int(v)] if isinstance(v, (int, float)) else [int(part) for part in v] for v in value]
    if len(pairs) != count or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise c.wrong(key, f"{count} numbers or pairs, none below 0", c.get(key))
    return pairs


def _placed(c: Call, pairs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Pairs of the spatial axes at their places among all axes."""
    outer = [[0, 0]]
    spatial = [list(pair) for pair in pairs]
    return [*outer, *outer, *spatial] if c.channels_first else [*outer, *spatial, *outer]


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(c: Call) -> Tensor:
    """Zeros around the space."""
    count = _count(c)
    return c.b.pad(c.rank(count + 2), _placed(c, _pairs(c, "padding", count)))


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(c: Call) -> Tensor:
    """The space without its rim."""
    count = _count(c)
    x = c.rank(count + 2)
    pairs = _placed(c, _pairs(c, "cropping", count))
    if any(0 <= size <= sum(pair) and sum(pair) for size, pair in zip(x.shape, pairs, strict=True)):
        raise ModelFormatError(f"{c}: cropping {pairs} leaves nothing of shape {list(x.shape)}")
    if not any(sum(pair) for pair in pairs):
        return x
    return c.b.strided_slice(x, [slice(before or None, -after if after else None) for before, after in pairs])


def _count(c: Call) -> int:
    return int(c.node.class_name[-2])
