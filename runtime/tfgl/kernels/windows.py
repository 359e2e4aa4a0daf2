"""Windows over images and volumes: what the shaders of pools, convolutions and their gradients are told."""

from __future__ import annotations

import math

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import Convolution
from ..tensor import Shape, Tensor

_AXES = ("depth", "height", "width")
_PADS = ("pad_front", "pad_top", "pad_left")


def depth_parameters(geometry: Convolution) -> dict[str, ParameterValue]:
    """Shader parameters of the third axis of tiled volumes, see ``depth.glsl``; none for images."""
    if len(geometry.in_spatial) == 2:
        return {}
    return {
        "in_depth": geometry.in_spatial[0],
        "out_depth": geometry.out_spatial[0],
        "filter_depth": geometry.filter_spatial[0],
        "stride_depth": geometry.strides[0],
        "dilation_depth": geometry.dilations[0],
        "pad_front": geometry.pads_before[0],
    }


def depth_defines(geometry: Convolution) -> dict[str, object]:
    """The define that tells a tiled program that its images are planes of volumes."""
    return {"VOLUME": 1} if len(geometry.in_spatial) == 3 else {}


def flat_parameters(geometry: Convolution, channels: int) -> dict[str, ParameterValue]:
    """Shader parameters for ``window.glsl``: all three axes, where an image is a volume of one plane."""
    values: dict[str, ParameterValue] = {"window_channels": channels}
    for prefix, extents in (
        ("in", geometry.in_spatial),
        ("out", geometry.out_spatial),
        ("filter", geometry.filter_spatial),
        ("stride", geometry.strides),
        ("dilation", geometry.dilations),
    ):
        values |= {f"{prefix}_{axis}": n for axis, n in zip(_AXES, _three(extents, 1), strict=True)}
    return values | dict(zip(_PADS, _three(geometry.pads_before, 0), strict=True))


def _three(extents: Shape, filler: int) -> Shape:
    return (filler,) * (3 - len(extents)) + extents


def check_gradient(dy: Tensor, geometry: Convolution) -> None:
    """Raise InvalidArgumentError unless ``dy`` has the shape of the result."""
    if dy.shape != geometry.out_shape:
        raise InvalidArgumentError(
            f"{dy.engine.node}: dy has shape {list(dy.shape)}, but the forward kernel gives {list(geometry.out_shape)}"
        )


def windows(x: Tensor, geometry: Convolution, first: int, taps: int) -> Tensor:
    """What ``taps`` places of a window, from ``first`` on, read of ``x``: (taps, windows, channels), channels last.

    Zeros beyond the edges.
    """
    channels = geometry.in_channels
    count = geometry.batch * math.prod(geometry.out_spatial)
    aligned = channels % 4 == 0
    values = flat_parameters(geometry, channels // 4 if aligned else channels)
    values |= {"window_count": count, "first_tap": first}
    shape = (taps, count, channels)
    return x.engine.emit("windows", {"x": x}, shape, x.dtype, values, {"ALIGNED": ""} if aligned else {})
