"""Draws on tiled tensors: data formats, tensors that do not fit, batches in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfgl_shaders.assembly import ParameterValue

from ..engine import Engine
from ..errors import TensorTooLargeError
from ..ir.shapes import Convolution
from ..registry import run_one
from ..tensor import Shape, Tensor, tiling

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
VOLUMES_TO_CHANNELS_LAST = (0, 2, 3, 4, 1)
VOLUMES_TO_CHANNELS_FIRST = (0, 4, 1, 2, 3)


def transposed(x: Tensor, perm: Sequence[int]) -> Tensor:
    """``x`` with its axes in the order ``perm``."""
    result = run_one("Transpose", {"x": x}, {"perm": list(perm)})
    return result


def fits_tiles(engine: Engine, shape: Sequence[int]) -> bool:
    """Whether a float or int tensor of ``shape`` fits the tiled layout of the device."""
    return engine.tiles_buffer(tiling(shape, engine.device.layers), "float") is not None


def in_batches(x: Tensor, out_shape: Shape, draw: Callable[[Tensor, Shape], Tensor]) -> Tensor:
    """``draw(x, out_shape)`` where both fit the tiled layout, else its results for parts of the batch, joined.

    Raises TensorTooLargeError when not even one batch element fits.
    """
    engine = x.engine
    batch = x.shape[0]

    def fit(count: int) -> bool:
        return fits_tiles(engine, (count, *x.shape[1:])) and fits_tiles(engine, (count, *out_shape[1:]))

    if fit(batch):
        return draw(x, out_shape)
    if not fit(1):
        raise TensorTooLargeError(
            f"{engine.node}: one element of a batch of shape {x.shape} with a result of shape {out_shape} exceeds the "
            f"tiled layout of this device (textures up to {engine.device.info.max_texture_size}); use a smaller input"
        )
    count = batch
    while not fit(count):
        count = -(-count // 2)
    parts = []
    for first in range(0, batch, count):
        size = min(count, batch - first)
        begin = [first, *[0] * (x.ndim - 1)]
        part = run_one("Slice", {"x": x}, {"begin": begin, "size": [size, *x.shape[1:]]})
        parts.append(draw(part, (size, *out_shape[1:])))
    joined = run_one("Concat", {"tensors": parts}, {"axis": 0})
    return joined


def window_parameters(geometry: Convolution) -> dict[str, ParameterValue]:
    """Shader parameters of a window that slides over the input."""
    return {
        "stride_height": geometry.stride_height,
        "stride_width": geometry.stride_width,
        "pad_top": geometry.pad_top,
        "pad_left": geometry.pad_left,
        "filter_height": geometry.filter_height,
        "filter_width": geometry.filter_width,
    }


def dilation_parameters(geometry: Convolution) -> dict[str, ParameterValue]:
    """Shader parameters of the steps inside a filter's window."""
    return {"dilation_height": geometry.dilation_height, "dilation_width": geometry.dilation_width}


def in_parameters(x: Tensor) -> dict[str, ParameterValue]:
    """Shader parameters that describe the tiled tensor ``x``."""
    return dict(tiling(x.shape, x.engine.device.layers).parameters("in"))


def last_shape(geometry: Convolution, *, of_input: bool = False) -> Shape:
    """Shape of the result, or of the input, with channels last."""
    if of_input:
        return (geometry.batch, *geometry.in_spatial, geometry.in_channels)
    return (geometry.batch, *geometry.out_spatial, geometry.out_channels)
