"""Pools over images and volumes, and the places of the largest elements."""

from __future__ import annotations

import math

from ..errors import InvalidArgumentError
from ..ir.shapes import Convolution, pool2d_geometry, pool3d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor
from .convolution import zeros
from .reductions import SUM, reduce
from .tiles import (
    VOLUMES_TO_CHANNELS_FIRST,
    VOLUMES_TO_CHANNELS_LAST,
    in_batches,
    in_parameters,
    last_shape,
    transposed,
    window_parameters,
)
from .unary import cast_to
from .windows import depth_defines, depth_parameters, flat_parameters


@kernel("AvgPool")
def avg_pool(
    x: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Tensor:
    """The mean of each window, padding left out; float32."""
    return _pooled(x, pool2d_geometry(x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode), {})


@kernel("MaxPool")
def max_pool(
    x: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Tensor:
    """The largest number of each window; NaN where none is in it."""
    geometry = pool2d_geometry(x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _pooled(x, geometry, {"MAXIMUM": 1})


@kernel("AvgPool3D")
def avg_pool3d(
    x: Tensor,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NDHWC",
) -> Tensor:
    """AvgPool of volumes (batch, depth, height, width, channels); float32."""
    geometry = pool3d_geometry(
        x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _pooled(x, geometry, {})


@kernel("MaxPool3D")
def max_pool3d(
    x: Tensor,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NDHWC",
) -> Tensor:
    """MaxPool of volumes (batch, depth, height, width, channels)."""
    geometry = pool3d_geometry(
        x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _pooled(x, geometry, {"MAXIMUM": 1})


def _pooled(x: Tensor, geometry: Convolution, defines: dict[str, object]) -> Tensor:
    check_numbers(x)
    if "MAXIMUM" not in defines:
        x = cast_to(x, "float32")
    if 0 in geometry.out_shape:
        return zeros(x, geometry.out_shape)
    # As TensorFlow.js has it, and its specs demand, whatever strides and padding.
    if set(geometry.filter_spatial) == {1} and geometry.in_shape == geometry.out_shape:
        return x.view(x.shape)
    if not geometry.channels_last:
        x = transposed(x, VOLUMES_TO_CHANNELS_LAST)
    if "MAXIMUM" not in defines and geometry.covers_input:
        # The mean of whole images, which more fragments than one for each result can share.
        axes = tuple(range(1, x.ndim - 1))
        count = float(math.prod(geometry.in_spatial))
        means = reduce(x, axes, SUM, last_shape(geometry), "float32", count)
        return means if geometry.channels_last else transposed(means, VOLUMES_TO_CHANNELS_FIRST)

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window_parameters(geometry) | depth_parameters(geometry)
        every = defines | depth_defines(geometry)
        return x.engine.emit("pooling", {"x": part}, shape, x.dtype, values, every, layout="tiles", tiled=("x",))

    result = in_batches(x, last_shape(geometry), draw)
    return result if geometry.channels_last else transposed(result, VOLUMES_TO_CHANNELS_FIRST)


def check_numbers(x: Tensor) -> None:
    """Raise InvalidArgumentError unless ``x`` is float32 or int32."""
    if x.dtype not in ("float32", "int32"):
        raise InvalidArgumentError(f"{x.engine.node} takes a float32 or int32 tensor, got {x.dtype}")


@kernel("MaxPoolWithArgmax")
def max_pool_with_argmax(
    x: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad, include_batch_in_index: bool = False
) -> list[Tensor]:
    """[largest elements, their int32 places]: row-major in the image, or in the batch.

    The first of equal elements counts; NaN only where the window has no number. A window of padding alone gives
    0 and the place -1.
    """
    check_numbers(x)
    geometry = pool2d_geometry(x.shape, filter_size, strides, pad)
    if 0 in geometry.out_shape:
        return [zeros(x, geometry.out_shape), x.engine.emit("fill", {}, geometry.out_shape, "int32")]
    in_batch = winners(x, geometry, whole_batch=True)
    largest = run_one("GatherV2", {"x": x.view((x.size,)), "indices": in_batch}, {"axis": 0})
    return [largest, in_batch if include_batch_in_index else winners(x, geometry)]


def winners(x: Tensor, geometry: Convolution, *, whole_batch: bool = False) -> Tensor:
    """Where each window's largest element lies in its image or volume, or in the whole batch: int32, channels last."""
    values = flat_parameters(geometry, geometry.in_channels) | {"whole_batch": int(whole_batch)}
    defines = {"WHOLE_NUMBERS": 1} if x.kind == "int" else {}
    return x.engine.emit("winners", {"x": x}, last_shape(geometry), "int32", values, defines)
