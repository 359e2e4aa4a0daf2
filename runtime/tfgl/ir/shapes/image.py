"""Resizing and cropping of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from .axes import Shape, shape_text


def resize_shape(images: Sequence[int], size: Sequence[int]) -> Shape:
    """(batch, new height, new width, channels) for ``images`` of rank 4.

    >>> resize_shape((2, 8, 8, 3), (4, 6))
    (2, 4, 6, 3)
    """
    if len(images) != 4:
        raise InvalidArgumentError(f"Error in resize: x must be rank 4, but got rank {len(images)}.")
    if len(size) != 2 or any(int(n) < 0 for n in size):
        raise InvalidArgumentError(f"Error in resize: new shape must 2D, but got shape {shape_text(size)}.")
    return (images[0], int(size[0]), int(size[1]), images[3])


def resize_scale(in_size: int, out_size: int, align_corners: bool) -> float:
    """Input pixels for each output pixel along one axis.

    With aligned corners (in - 1) / (out - 1), else in / out.

    >>> resize_scale(4, 7, True), resize_scale(4, 8, False)
    (0.5, 0.5)
    """
    if align_corners and out_size > 1:
        return (in_size - 1) / (out_size - 1)
    return in_size / out_size if out_size else 0.0


def resize_scales(images: Sequence[int], size: Sequence[int], align_corners: bool) -> tuple[float, float]:
    """(vertical, horizontal) `resize_scale` of a resize of NHWC ``images``.

    >>> resize_scales((1, 4, 6, 3), (8, 3), False)
    (0.5, 2.0)
    """
    return resize_scale(images[1], size[0], align_corners), resize_scale(images[2], size[1], align_corners)


def nearest_sources(in_size: int, out_size: int, align_corners: bool, half_pixel_centers: bool) -> Shape:
    """The input index that each output index copies in a nearest-neighbor resize.

    In single precision, as TensorFlow's kernels compute it: where a source falls
    on a pixel's edge, the rounding of that product decides.

    >>> nearest_sources(4, 2, False, False), nearest_sources(4, 2, False, True)
    ((0, 2), (1, 3))
    """
    if out_size > 1 and align_corners:
        scale = np.float32(in_size - 1) / np.float32(out_size - 1)
    else:
        scale = np.float32(in_size) / np.float32(max(out_size, 1))
    position = np.arange(out_size, dtype=np.float32)
    if half_pixel_centers:
        position += np.float32(0.5)
    position *= scale
    # Half away from zero, unlike np.rint.
    source = np.floor(position + np.float32(0.5)) if align_corners else np.floor(position)
    return tuple(np.clip(source, 0, in_size - 1).astype(int).tolist())


def crop_and_resize_shape(
    image: Sequence[int], boxes: Sequence[int], box_ind: Sequence[int], crop_size: Sequence[int]
) -> Shape:
    """(boxes, crop height, crop width, channels); InvalidArgumentError for shapes that do not fit.

    >>> crop_and_resize_shape((2, 9, 9, 3), (5, 4), (5,), (4, 4))
    (5, 4, 4, 3)
    """
    if len(image) != 4:
        raise InvalidArgumentError(f"Error in cropAndResize: image must be rank 4, but got rank {len(image)}.")
    if len(boxes) != 2 or boxes[1] != 4:
        raise InvalidArgumentError(
            f"Error in cropAndResize: boxes must be have size [{math.prod(box_ind)},4] "
            f"but had shape {shape_text(boxes)}."
        )
    if len(box_ind) != 1 or box_ind[0] != boxes[0]:
        raise InvalidArgumentError(
            f"Error in cropAndResize: boxInd must be have size [{boxes[0]}] but had shape {shape_text(box_ind)}."
        )
    if len(crop_size) != 2:
        raise InvalidArgumentError(
            f"Error in cropAndResize: cropSize must be of length 2, but got length {len(crop_size)}."
        )
    if min(crop_size) < 1:
        raise InvalidArgumentError(f"cropSize must be atleast [1,1], but was {shape_text(crop_size)}")
    return (boxes[0], int(crop_size[0]), int(crop_size[1]), image[3])


def transform_shape(image: Sequence[int], transforms: Sequence[int], output_shape: Sequence[int] | None) -> Shape:
    """(batch, height, width, channels) of Transform; InvalidArgumentError for shapes that do not fit.

    >>> transform_shape((2, 9, 9, 3), (1, 8), (4, 5))
    (2, 4, 5, 3)
    """
    if len(image) != 4:
        raise InvalidArgumentError(f"Error in transform: image must be rank 4, but got rank {len(image)}.")
    if len(transforms) != 2 or transforms[1] != 8 or transforms[0] not in (1, image[0]):
        raise InvalidArgumentError(
            f"Error in transform: Input transform should be batch x 8 or 1 x 8, got {shape_text(transforms)} for "
            f"{image[0]} images"
        )
    if output_shape is not None and len(output_shape) != 2:
        raise InvalidArgumentError(
            f"Error in transform: outputShape must be [height, width], got {shape_text(output_shape)}"
        )
    height, width = image[1:3] if output_shape is None else (int(n) for n in output_shape)
    if height < 0 or width < 0:
        raise InvalidArgumentError(f"Error in transform: outputShape must not be negative, got {height},{width}")
    return (image[0], height, width, image[3])
