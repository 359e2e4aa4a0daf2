"""Images from the bytes of their files, as TensorFlow's decoders give them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from .registry import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
# How Pillow calls what a file has, and how many channels TensorFlow makes of it.
_OWN_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I": 1, "LA": 2, "RGBA": 4, "PA": 4}


def decode_image(data: bytes, *, channels: int = 0, ratio: int = 1, animated: bool = False) -> Array:
    """int32 values 0..255 (height, width, channels) of a PNG, JPEG, GIF or BMP file.

    ``channels`` 0 takes as many as the file has; ``ratio`` (1, 2, 4, 8) makes a JPEG smaller. ``animated``: an axis
    of frames first. A JPEG is computed exactly, as TensorFlow's INTEGER_ACCURATE does, whose default is a faster
    approximation that is a few steps off. Raises InvalidArgumentError for what is no such file, is cut short, or is
    too large.

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (2, 1), (1, 2, 3)).save(file, "PNG")
    >>> decode_image(file.getvalue()).tolist()
    [[[1, 2, 3], [1, 2, 3]]]
    """
    from PIL import Image, UnidentifiedImageError

    if channels not in (0, 1, 3, 4):
        raise InvalidArgumentError(f"channels must be 0, 1, 3 or 4, got {channels}")
    if ratio not in (1, 2, 4, 8):
        raise InvalidArgumentError(f"ratio must be 1, 2, 4 or 8, got {ratio}")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; what is too large is refused below.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                count = int(getattr(image, "n_frames", 1)) if animated else 1
                check_count(image.width * image.height * count * 4, "values of an image")
                frames = []
                for at in range(count):
                    if at or animated:
                        image.seek(at)
                    own = 3 if image.format == "GIF" else channels
                    frames.append(_values(image, own, ratio, data[24] if image.format == "PNG" else 8))
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise InvalidArgumentError("expected a JPEG, PNG, GIF or BMP file; got another one, or one too large") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"the image is damaged: {error}") from None
    return np.stack(frames) if animated else frames[0]


def _values(image: Image, channels: int, ratio: int, bits: int = 8) -> Array:
    if image.format == "JPEG":
        size = (max(image.width // ratio, 1), max(image.height // ratio, 1))
        # The decoder itself leaves out colours and makes the image smaller.
        image.draft("L" if channels == 1 else image.mode, size)
    wanted = channels or (4 if "transparency" in image.info else _OWN_CHANNELS.get(image.mode, 3))
    if image.mode.startswith("I"):
        # 16 bits, of which the upper half stays.
        grey = np.asarray(image).astype(np.int32)[..., None] >> 8
        return _with_alpha(np.repeat(grey, 3, axis=2), 4) if wanted == 4 else np.repeat(grey, wanted, axis=2)
    if wanted == 1 and image.mode not in ("1", "L", "LA"):
        return _grey(np.asarray(image.convert("RGB")).astype(np.int32))
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[wanted]
    if image.mode == "LA" and wanted == 1:
        return np.asarray(image).astype(np.int32)[..., :1]
    array = np.asarray(image if image.mode == mode else image.convert(mode)).astype(np.int32)
    if wanted == 4 and image.mode == "P" and "transparency" not in image.info:
        # TensorFlow fills up with the largest value of the file's bit depth, not of a byte.
        array = np.where(np.arange(4) == 3, min(255, (1 << bits) - 1), array)
    return array.reshape(*array.shape[:2], wanted)


def _with_alpha(rgb: Array, channels: int) -> Array:
    """With a last channel that is opaque."""
    return np.concatenate([rgb, np.full((*rgb.shape[:2], channels - rgb.shape[2]), 255, np.int32)], axis=2)


def _grey(rgb: Array) -> Array:
    """Grey by the weights of Rec. 601, cut as libpng does (png_set_rgb_to_gray)."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    mixed = (9797 * red + 19234 * green + 3737 * blue) >> 15
    return np.where((red == green) & (green == blue), red, mixed)[..., None].astype(np.int32)
