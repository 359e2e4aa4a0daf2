"""Images from the bytes of files, which TensorFlow.js does outside of its graphs."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from ..graph import DataType
from ..reference.decoding import decode_image
from ..reference.registry import Array
from ..reference.string_arrays import texts_of
from .call import Call, Value
from .registry import lower


def _decoded(call: Call, *, animated: bool = False) -> Array:
    """The image of the only input, in the units of attribute ``dtype``."""
    data = texts_of(call.data(0))
    if len(data) != 1:
        raise InvalidArgumentError(f"contents must be one string, got {len(data)}")
    kind = call.attr("dtype", DataType("uint8"))
    if kind not in ("uint8", "float32"):
        raise InvalidArgumentError(f"images are decoded to uint8 or float32, not to {kind}")
    values = decode_image(
        data[0], channels=call.integer("channels", 0), ratio=call.integer("ratio", 1), animated=animated
    )
    return values if kind == "uint8" else (values / np.float32(255)).astype(np.float32)


@lower("DecodeJpeg", "DecodePng", "DecodeBmp", inputs=1, host=(0,))
def decode(call: Call) -> Value:
    """The values of one image, 0 to 255."""
    return call.constant(_decoded(call))


@lower("DecodeGif", inputs=1, host=(0,))
def decode_gif(call: Call) -> Value:
    """The frames of an animation."""
    return call.constant(_decoded(call, animated=True))


@lower("DecodeImage", inputs=1, host=(0,))
def decode_any(call: Call) -> Value:
    """One image, or the frames of an animation where they are not to be left out."""
    gif = any(text.startswith(b"GIF") for text in texts_of(call.data(0)))
    return call.constant(_decoded(call, animated=gif and call.flag("expand_animations", True)))
