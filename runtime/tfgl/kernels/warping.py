"""Images mapped onto others: projective transforms and rotations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import transform_shape
from ..registry import kernel
from ..tensor import Tensor
from .generate import whole_number
from .image import check_images

_FILL_MODES = {"constant": 0, "reflect": 1, "wrap": 2, "nearest": 3}


@kernel("Transform")
def transform(
    image: Tensor,
    transforms: Tensor,
    *,
    interpolation: str = "nearest",
    fill_mode: str = "constant",
    fill_value: float = 0,
    output_shape: Sequence[int] | None = None,
) -> Tensor:
    """Images, each output pixel (x, y) read at ((a x + b y + c) / k, (d x + e y + f) / k), k = g x + h y + 1.

    ``transforms`` has a row a..h for each image, or one for all. Positions are
    rounded to the nearest pixel or mixed from four ("bilinear").
    https://www.tensorflow.org/api_docs/python/tf/raw_ops/ImageProjectiveTransformV3
    """
    check_images(image)
    shape = transform_shape(image.shape, transforms.shape, output_shape)
    if interpolation not in ("nearest", "bilinear"):
        raise InvalidArgumentError(f"Error in Transform: Expect 'nearest' or 'bilinear', but got {interpolation}")
    if fill_mode not in _FILL_MODES:
        raise InvalidArgumentError(
            f"Error in Transform: fillMode must be one of {', '.join(_FILL_MODES)}, got {fill_mode}"
        )
    if transforms.dtype != "float32":
        raise InvalidArgumentError(f"Error in Transform: transforms must be float32, got {transforms.dtype}")
    _, height, width, channels = image.shape
    outside = float(fill_value) if image.kind == "float" else whole_number(fill_value, image.dtype)
    if not image.size or 0 in shape:
        return image.engine.emit("fill", {}, shape, image.dtype, {"fill_value": outside})
    aligned = channels % 4 == 0
    values: dict[str, ParameterValue] = {
        "in_height": height,
        "in_width": width,
        "out_height": shape[1],
        "out_width": shape[2],
        "pixel_units": channels // 4 if aligned else channels,
        "transform_step": int(transforms.shape[0] > 1),
        "fill_mode": _FILL_MODES[fill_mode],
        "outside_value": outside,
    }
    defines: dict[str, object] = {"ALIGNED": ""} if aligned else {}
    if interpolation == "bilinear":
        defines["BILINEAR"] = ""
    inputs = {"image": image, "transforms": transforms}
    return image.engine.emit("transform", inputs, shape, image.dtype, values, defines)


@kernel("RotateWithOffset")
def rotate_with_offset(
    image: Tensor,
    *,
    radians: float,
    fill_value: float | Sequence[float] = 0,
    center: float | Sequence[float] = 0.5,
) -> Tensor:
    """Images turned about ``center`` (in parts of width and height), nearest pixels.

    A ``fill_value`` of three numbers fills the colours, and a fourth channel with 255.
    """
    check_images(image)
    _, height, width, channels = image.shape
    about = (center, center) if isinstance(center, (int, float)) else tuple(center)
    if len(about) != 2:
        raise InvalidArgumentError(f"RotateWithOffset: center takes 1 or 2 numbers, got {list(about)}")
    colours = (fill_value,) if isinstance(fill_value, (int, float)) else tuple(fill_value)
    if len(colours) not in (1, 3):
        raise InvalidArgumentError(f"RotateWithOffset: fillValue takes 1 or 3 numbers, got {list(colours)}")
    red, green, blue = colours if len(colours) == 3 else colours * 3
    values: dict[str, ParameterValue] = {
        "image_height": height,
        "image_width": width,
        "image_channels": channels,
        "center_x": float(width * about[0]),
        "center_y": float(height * about[1]),
        "sine": math.sin(radians),
        "cosine": math.cos(radians),
        "fill_colours": int(len(colours) == 3),
        "fill_all": float(colours[0]),
        "fill_red": float(red),
        "fill_green": float(green),
        "fill_blue": float(blue),
    }
    return image.engine.emit("rotate", {"image": image}, image.shape, image.dtype, values)
