"""PadV2 and MirrorPad."""

from __future__ import annotations

from collections.abc import Sequence

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import pad_shape
from ..registry import kernel
from ..tensor import Shape, Tensor
from .rearrange import StridedView
from .tiles import fits_tiles, in_parameters

_CONSTANT, _REFLECT, _SYMMETRIC = 0, 1, 2
_MAX_AXES = 6


@kernel("PadV2")
def pad_v2(x: Tensor, *, paddings: Sequence[Sequence[int]], constant_value: complex = 0) -> Tensor:
    """``x`` inside a frame of ``constant_value``: ``paddings[k]`` is (before, after) of axis k."""
    if x.dtype == "complex64":
        number = complex(constant_value)
        real, imaginary = x.parts
        parts = (_pad(real, paddings, _CONSTANT, number.real), _pad(imaginary, paddings, _CONSTANT, number.imag))
        return Tensor(x.engine, parts[0].shape, "complex64").adopt_parts(*parts)
    if isinstance(constant_value, complex):
        raise InvalidArgumentError(f"PadV2: a {x.dtype} tensor is not padded with {constant_value}")
    return _pad(x, paddings, _CONSTANT, constant_value)


@kernel("MirrorPad", complex_parts=True)
def mirror_pad(x: Tensor, *, paddings: Sequence[Sequence[int]], mode: str) -> Tensor:
    """``x`` inside a frame of its own mirror image; ``symmetric`` repeats the border, ``reflect`` does not."""
    pad_shape(x.shape, paddings, mode)
    return _pad(x, paddings, _REFLECT if mode == "reflect" else _SYMMETRIC, 0)


def _pad(x: Tensor, paddings: Sequence[Sequence[int]], mode: int, value: float) -> Tensor:
    shape = pad_shape(x.shape, paddings)
    if shape == x.shape:
        return x.view(shape)
    fill: float | int = float(value) if x.kind == "float" else int(value)
    if x.size == 0:
        return x.engine.emit("fill", {}, shape, x.dtype, {"fill_value": fill})
    if _in_tiles(x, shape, paddings, mode, fill):
        return _pad_tiles(x, shape, paddings, mode, fill)
    dims, inner, before = _merged(shape, x.shape, [int(b) for b, _ in paddings])
    parameters: dict[str, ParameterValue] = {
        "in_rank": len(dims),
        "pad_mode": mode,
        "pad_value": fill,
        "out_dims": _filled(dims, 1),
        "in_dims": _filled(inner, 1),
        "in_strides": _filled(StridedView.of(inner).strides, 0),
        "pad_before": _filled(before, 0),
    }
    return x.engine.emit("pad", {"x": x}, shape, x.dtype, parameters)


def _in_tiles(x: Tensor, shape: Shape, paddings: Sequence[Sequence[int]], mode: int, fill: float) -> bool:
    """Whether the tiled layout serves: ``x`` is in it, or an image whose height and width are framed, for a window."""
    if x.ndim != 4 or not fits_tiles(x.engine, shape) or not fits_tiles(x.engine, x.shape):
        return False
    (batch, after), channels = paddings[0], paddings[3]
    if channels[0] % 4 or (any(channels) and x.shape[3] % 4 and fill != 0):
        return False  # lanes would move, or the last ones hold zeros where the frame begins
    if mode != _CONSTANT and (batch or after or any(channels)):
        return False
    return (x.is_tiled and not x.is_flat) or not (batch or after or any(channels))


def _pad_tiles(x: Tensor, shape: Shape, paddings: Sequence[Sequence[int]], mode: int, fill: float | int) -> Tensor:
    (batch, _), (top, _), (left, _), (channels, _) = ((int(before), int(after)) for before, after in paddings)
    places = {"pad_batch": batch, "pad_top": top, "pad_left": left, "pad_blocks": channels // 4}
    parameters = in_parameters(x) | places | {"pad_mode": mode, "pad_value": fill}
    return x.engine.emit("pad_tiles", {"x": x}, shape, x.dtype, parameters, layout="tiles", tiled=("x",))


def _merged(out: Sequence[int], inner: Sequence[int], before: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Axes without padding joined to their padded neighbour on the left, or to each other.

    A padded axis followed by whole ones pads in units of their product; only
    whole axes merge into one another, so mirrored axes stay apart.
    """
    dims: list[int] = []
    sizes: list[int] = []
    starts: list[int] = []
    for n, m, b in zip(out, inner, before, strict=True):
        if dims and n == m and dims[-1] == sizes[-1]:
            dims[-1] *= n
            sizes[-1] *= m
        else:
            dims.append(n)
            sizes.append(m)
            starts.append(b)
    if len(dims) > _MAX_AXES:
        raise InvalidArgumentError(f"padding takes up to {_MAX_AXES} axes; got {len(dims)}")
    return dims, sizes, starts


def _filled(values: Sequence[int], filler: int) -> tuple[int, ...]:
    return (*values, *(filler,) * (8 - len(values)))
