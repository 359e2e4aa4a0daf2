"""Resizing and cropping of NHWC images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import DType
from ..errors import InvalidArgumentError
from ..ir.shapes import crop_and_resize_shape, resize_shape
from ..registry import kernel, run_one
from ..tensor import Tensor
from .indexing import as_int
from .tiles import fits_tiles, in_parameters


@kernel("ResizeBilinear")
def resize_bilinear(
    images: Tensor, *, size: Sequence[int], align_corners: bool = False, half_pixel_centers: bool = False
) -> Tensor:
    """``images`` (batch, height, width, channels) of another size, each pixel a mix of its four nearest; float32."""
    return _resized(images, size, align_corners, half_pixel_centers, "float32", True)


@kernel("ResizeNearestNeighbor")
def resize_nearest_neighbor(
    images: Tensor, *, size: Sequence[int], align_corners: bool = False, half_pixel_centers: bool = False
) -> Tensor:
    """``images`` (batch, height, width, channels) of another size and the same dtype, each pixel a copy."""
    return _resized(images, size, align_corners, half_pixel_centers, images.dtype, False)


def _resized(
    images: Tensor, size: Sequence[int], align_corners: bool, half_pixel: bool, dtype: DType, bilinear: bool
) -> Tensor:
    check_images(images)
    shape = resize_shape(images.shape, size)
    # Rounding half pixels moves even an unchanged size; TensorFlow does not take the two together.
    if shape == images.shape and dtype == images.dtype and not (align_corners and half_pixel):
        return images.view(shape)
    engine = images.engine
    if not images.size and 0 not in shape:
        raise InvalidArgumentError(f"{engine.node}: images must not be empty, got shape {images.shape}")
    parameters: dict[str, ParameterValue] = {
        "align_corners": int(align_corners),
        "half_pixel": int(half_pixel),
        "scale_height": scale(images.shape[1], shape[1], align_corners),
        "scale_width": scale(images.shape[2], shape[2], align_corners),
    }
    defines: dict[str, object] = {"BILINEAR": ""} if bilinear else {}
    if images.is_tiled and not images.is_flat and 0 not in shape and fits_tiles(engine, shape):
        parameters |= in_parameters(images)
        return engine.emit(
            "resize_tiles", {"images": images}, shape, dtype, parameters, defines, layout="tiles", tiled=("images",)
        )
    return _flat(images, {"images": images}, "resize", shape, dtype, parameters, defines)


@kernel("ResizeBilinearGrad")
def resize_bilinear_grad(
    images: Tensor,
    dy: Tensor,
    *,
    size: Sequence[int] | None = None,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Tensor:
    """The gradient of ResizeBilinear by ``images``."""
    return _resize_gradient(images, dy, align_corners, half_pixel_centers, {"BILINEAR": ""})


@kernel("ResizeNearestNeighborGrad")
def resize_nearest_neighbor_grad(
    images: Tensor,
    dy: Tensor,
    *,
    size: Sequence[int] | None = None,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Tensor:
    """The gradient of ResizeNearestNeighbor by ``images``."""
    return _resize_gradient(images, dy, align_corners, half_pixel_centers, {})


def _resize_gradient(
    images: Tensor, dy: Tensor, align_corners: bool, half_pixel: bool, defines: dict[str, object]
) -> Tensor:
    engine = images.engine
    check_images(images)
    check_images(dy)
    if (dy.shape[0], dy.shape[3]) != (images.shape[0], images.shape[3]) or dy.dtype != "float32":
        raise InvalidArgumentError(
            f"{engine.node}: dy must be float32 with the batch and channels of images {list(images.shape)}, "
            f"got {dy.dtype} {list(dy.shape)}"
        )
    if not dy.size or not images.size:
        return engine.emit("fill", {}, images.shape, "float32", {"fill_value": 0.0})
    _, height, width, channels = images.shape
    aligned = channels % 4 == 0
    values: dict[str, ParameterValue] = {
        "align_corners": int(align_corners),
        "half_pixel": int(half_pixel),
        "scale_height": scale(height, dy.shape[1], align_corners),
        "scale_width": scale(width, dy.shape[2], align_corners),
        "in_height": height,
        "in_width": width,
        "out_height": dy.shape[1],
        "out_width": dy.shape[2],
        "pixel_units": channels // 4 if aligned else channels,
    }
    if aligned:
        defines["ALIGNED"] = ""
    return engine.emit("resize_gradient", {"dy": dy}, images.shape, "float32", values, defines)


def scale(in_size: int, out_size: int, align_corners: bool) -> float:
    """Input pixels for each output pixel, divided in single precision as TensorFlow's CalculateResizeScale does.

    >>> scale(4, 7, True), scale(1, 3, False)
    (0.5, 0.3333333432674408)
    """
    if align_corners and out_size > 1:
        return float(np.float32(in_size - 1) / np.float32(out_size - 1))
    return float(np.float32(in_size) / np.float32(max(out_size, 1)))


def _flat(
    images: Tensor,
    inputs: dict[str, Tensor],
    body: str,
    shape: tuple[int, ...],
    dtype: DType,
    parameters: dict[str, ParameterValue],
    defines: dict[str, object],
) -> Tensor:
    _, height, width, channels = images.shape
    aligned = channels % 4 == 0
    if aligned:
        defines["ALIGNED"] = ""
    parameters |= {
        "in_height": height,
        "in_width": width,
        "out_height": shape[1],
        "out_width": shape[2],
        "pixel_units": channels // 4 if aligned else channels,
    }
    return images.engine.emit(body, inputs, shape, dtype, parameters, defines)


def check_images(images: Tensor) -> None:
    """Raise InvalidArgumentError unless ``images`` are numbers in four axes."""
    if images.ndim != 4:
        raise InvalidArgumentError(
            f"{images.engine.node}: images must be rank 4, (batch, height, width, channels), got rank {images.ndim}"
        )
    if images.dtype in ("string", "complex64"):
        raise InvalidArgumentError(f"{images.engine.node}: images must be numbers, got {images.dtype}")


@kernel("CropAndResize")
def crop_and_resize(
    image: Tensor,
    boxes: Tensor,
    box_ind: Tensor,
    *,
    crop_size: Sequence[int],
    method: str = "bilinear",
    extrapolation_value: float = 0,
) -> Tensor:
    """Crops of ``image``, one a box (y1, x1, y2, x2) in parts of the whole, resized to ``crop_size``; float32.

    ``extrapolation_value`` stands where a box reaches over the image's edge. A
    box of an image that is not there gives zeros.
    """
    if method not in ("bilinear", "nearest"):
        raise InvalidArgumentError(f"method must be bilinear or nearest, but was {method}")
    check_images(image)
    shape = crop_and_resize_shape(image.shape, boxes.shape, box_ind.shape, crop_size)
    engine = image.engine
    if not image.size and 0 not in shape:
        return engine.emit("fill", {}, shape, "float32", {"fill_value": 0.0})
    if boxes.dtype != "float32":
        cast = run_one("Cast", {"x": boxes}, {"dtype": "float32"})
        boxes = cast
    parameters: dict[str, ParameterValue] = {
        "in_batch": image.shape[0],
        "ratio_height": scale(image.shape[1], shape[1], True),
        "ratio_width": scale(image.shape[2], shape[2], True),
        "outside_value": float(extrapolation_value),
    }
    inputs = {"image": image, "boxes": boxes, "indices": as_int(box_ind)}
    defines: dict[str, object] = {"BILINEAR": ""} if method == "bilinear" else {}
    return _flat(image, inputs, "crop_and_resize", shape, "float32", parameters, defines)
