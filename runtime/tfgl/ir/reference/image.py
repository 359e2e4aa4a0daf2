"""Resizing and cropping of NHWC images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import crop_and_resize_shape, nearest_sources, resize_scale, resize_shape
from .conversion import floating
from .registry import Array, reference


def _sources(in_size: int, out_size: int, align_corners: bool, half_pixel_centers: bool) -> tuple[Array, Array, Array]:
    """(lower index, upper index, weight of the upper one) for each output index."""
    scale = resize_scale(in_size, out_size, align_corners)
    position = np.arange(out_size, dtype=np.float64)
    position = (position + 0.5) * scale - 0.5 if half_pixel_centers else position * scale
    low = np.floor(position)
    first = np.maximum(low, 0).astype(np.intp)
    last = np.minimum(np.ceil(position), in_size - 1).astype(np.intp)
    return np.minimum(first, in_size - 1), np.maximum(last, 0), position - low


@reference("ResizeBilinear")
def resize_bilinear(
    images: Array, *, size: Sequence[int], align_corners: bool = False, half_pixel_centers: bool = False
) -> Array:
    """Images of another size, each pixel a mix of its four nearest; always float."""
    shape = resize_shape(images.shape, size)
    images = floating(images)
    top, bottom, down = _sources(images.shape[1], shape[1], align_corners, half_pixel_centers)
    left, right, across = _sources(images.shape[2], shape[2], align_corners, half_pixel_centers)
    rows = _mixed(images[:, top], images[:, bottom], down[:, None, None])
    return _mixed(rows[:, :, left], rows[:, :, right], across[:, None])


def _mixed(first: Array, second: Array, weight: Array) -> Array:
    # As TensorFlow weighs them: an infinite neighbour counts even with weight 0.
    return np.asarray(first + (second - first) * weight)


@reference("ResizeNearestNeighbor")
def resize_nearest_neighbor(
    images: Array, *, size: Sequence[int], align_corners: bool = False, half_pixel_centers: bool = False
) -> Array:
    """Images of another size, each pixel a copy; see `nearest_sources`."""
    shape = resize_shape(images.shape, size)
    rows = nearest_sources(images.shape[1], shape[1], align_corners, half_pixel_centers)
    columns = nearest_sources(images.shape[2], shape[2], align_corners, half_pixel_centers)
    return np.take(np.take(images, rows, axis=1), columns, axis=2)


@reference("ResizeBilinearGrad")
def resize_bilinear_grad(
    images: Array,
    dy: Array,
    *,
    size: Sequence[int] | None = None,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Array:
    """The gradient of ResizeBilinear with respect to ``images``."""
    spread = []
    for axis in (1, 2):
        first, last, weight = _sources(images.shape[axis], dy.shape[axis], align_corners, half_pixel_centers)
        matrix = np.zeros((dy.shape[axis], images.shape[axis]))
        np.add.at(matrix, (np.arange(len(first)), first), 1.0 - weight)
        np.add.at(matrix, (np.arange(len(last)), last), weight)
        spread.append(matrix)
    return np.asarray(np.einsum("bhwc,hy,wx->byxc", floating(dy), *spread, optimize=True))


@reference("ResizeNearestNeighborGrad")
def resize_nearest_neighbor_grad(
    images: Array,
    dy: Array,
    *,
    size: Sequence[int] | None = None,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Array:
    """The gradient of ResizeNearestNeighbor with respect to ``images``."""
    rows = nearest_sources(images.shape[1], dy.shape[1], align_corners, half_pixel_centers)
    columns = nearest_sources(images.shape[2], dy.shape[2], align_corners, half_pixel_centers)
    out = np.zeros(images.shape)
    tall = np.zeros((*images.shape[:2], *dy.shape[2:]))
    for at, row in enumerate(rows):
        tall[:, row] += floating(dy)[:, at]
    for at, column in enumerate(columns):
        out[:, :, column] += tall[:, :, at]
    return out


@reference("CropAndResize")
def crop_and_resize(
    image: Array,
    boxes: Array,
    box_ind: Array,
    *,
    crop_size: Sequence[int],
    method: str = "bilinear",
    extrapolation_value: float = 0,
) -> Array:
    """Crops of ``image``, one a box (y1, x1, y2, x2) in parts of the whole, resized to ``crop_size``.

    A box of an image that is not there gives zeros; always float.
    """
    if method not in ("bilinear", "nearest"):
        raise InvalidArgumentError(f"method must be bilinear or nearest, but was {method}")
    out = np.zeros(crop_and_resize_shape(image.shape, boxes.shape, box_ind.shape, crop_size))
    image = floating(image)
    for k, (box, at) in enumerate(zip(boxes, box_ind.tolist(), strict=True)):
        if not 0 <= at < image.shape[0]:
            continue
        y, inside_y = _positions(float(box[0]), float(box[2]), image.shape[1], out.shape[1])
        x, inside_x = _positions(float(box[1]), float(box[3]), image.shape[2], out.shape[2])
        if method == "nearest":
            # Half up: np.rint would take the even one.
            crop = image[at][np.ix_(np.floor(y + 0.5).astype(np.intp), np.floor(x + 0.5).astype(np.intp))]
        else:
            top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
            bottom, right = np.ceil(y).astype(np.intp), np.ceil(x).astype(np.intp)
            across = (x - left)[:, None]
            upper = _mixed(image[at][np.ix_(top, left)], image[at][np.ix_(top, right)], across)
            lower = _mixed(image[at][np.ix_(bottom, left)], image[at][np.ix_(bottom, right)], across)
            crop = _mixed(upper, lower, (y - top)[:, None, None])
        inside = inside_y[:, None] & inside_x
        out[k] = np.where(inside[..., None], crop, extrapolation_value)
    return out


def _positions(first: float, last: float, in_size: int, out_size: int) -> tuple[Array, Array]:
    """(positions in the image, with those outside put at 0; whether each is inside)."""
    if out_size > 1:
        step = (last - first) * (in_size - 1) / (out_size - 1)
        position = first * (in_size - 1) + np.arange(out_size) * step
    else:
        position = np.array([0.5 * (first + last) * (in_size - 1)])
    inside = (position >= 0) & (position <= in_size - 1)
    return np.where(inside, position, 0.0), inside
