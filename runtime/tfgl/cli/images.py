"""Image files as model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..graph.runner import ModelTensorInfo

Array = npt.NDArray[Any]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# What Pillow may decode: not the formats that start other programs or read other files.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How an input takes an image: free extents None; ``batch`` says whether there is an axis for it."""

    batch: bool
    height: int | None
    width: int | None
    channels: int
    channels_first: bool


def layout_of(name: str, shape: Sequence[int] | None) -> ImageLayout:
    """The layout of an input of ``shape``, -1 for free extents; UsageError when no image fits.

    >>> layout_of("x", (-1, 224, 200, 3))
    ImageLayout(batch=True, height=224, width=200, channels=3, channels_first=False)
    >>> layout_of("x", (1, 3, 64, -1))
    ImageLayout(batch=True, height=64, width=None, channels=3, channels_first=True)
    """
    if shape is None:
        return ImageLayout(True, None, None, 3, False)
    extents = list(shape[1:]) if len(shape) == 4 else list(shape)
    if len(extents) != 3 or (len(shape) == 4 and shape[0] > 1):
        raise click.UsageError(
            f"input {name!r} takes shape {list(shape)}, which no single image fills; give an .npy or .npz file"
        )
    first = extents[2] not in _MODES and extents[0] in _MODES
    channels = extents[0] if first else extents[2]
    height, width = extents[1:] if first else extents[:2]
    if channels < 0:
        channels = 3
    if channels not in _MODES:
        raise click.UsageError(
            f"input {name!r} takes shape {list(shape)}; an image gives 1, 3 or 4 channels. Give an .npy or .npz file"
        )
    return ImageLayout(len(shape) == 4, _fixed(height), _fixed(width), channels, first)


def _fixed(extent: int) -> int | None:
    return None if extent < 0 else extent


def read_image(path: str, name: str, info: ModelTensorInfo, value_range: tuple[float, float] | None) -> Array:
    """The image at ``path`` as the input ``name`` takes it, scaled from 0..255 to ``value_range``.

    RGB (grey or RGBA where the input has 1 or 4 channels), upright, resized
    bilinearly to the input's fixed height and width. Without a range float
    inputs get 0..1, integer inputs 0..255.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if info.dtype not in ("float32", "int32"):
        raise click.UsageError(f"input {name!r} takes {info.dtype}, which no image gives")
    layout = layout_of(name, info.shape)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            upright = ImageOps.exif_transpose(_eight_bits(image)).convert(_MODES[layout.channels])
    except UnidentifiedImageError as error:
        raise click.UsageError(f"{path} is no image of a known format ({', '.join(_FORMATS)})") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise click.UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    size = (layout.width or upright.width, layout.height or upright.height)
    if upright.size != size:
        upright = upright.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(upright).reshape(size[1], size[0], layout.channels)
    low, high = value_range or ((0.0, 1.0) if info.dtype == "float32" else (0.0, 255.0))
    scaled = pixels.astype(np.float64) * ((high - low) / 255.0) + low
    values: Array = scaled.astype(np.float32) if info.dtype == "float32" else np.rint(scaled).astype(np.int32)
    if layout.channels_first:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None] if layout.batch else values)


def _eight_bits(image: Image) -> Image:
    """The image itself, or its upper 8 of 16 bits: Pillow would cut off what exceeds 255."""
    if not image.mode.startswith("I"):
        return image
    from PIL import Image as images

    values = np.asarray(image).astype(np.int64)
    return images.fromarray(np.clip(values // 257, 0, 255).astype(np.uint8))


def parse_range(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Callback of ``--image-range``: two numbers with ``..`` between them."""
    if value is None:
        return None
    low, dots, high = value.partition("..")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = None
    if not dots or limits is None or not np.isfinite(limits).all():
        raise click.BadParameter(f"{value!r} is no range; expected two numbers as in 0..1 or -1..1")
    return limits
