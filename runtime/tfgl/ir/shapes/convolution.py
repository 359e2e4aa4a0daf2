"""Geometry of convolutions and pools, in two and three dimensions.

Formulas: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...errors import InvalidArgumentError
from .axes import Shape, shape_text

Pad = str | int | Sequence[Sequence[int]]
Extents = int | Sequence[int]
Rounding = Literal["floor", "round", "ceil"] | None


@dataclass(frozen=True, slots=True)
class Convolution:
    """Extents of a convolution or pool; spatial tuples are (height, width) or (depth, height, width)."""

    batch: int
    in_spatial: Shape
    in_channels: int
    out_spatial: Shape
    out_channels: int
    filter_spatial: Shape
    strides: Shape
    dilations: Shape
    pads_before: Shape
    pads_after: Shape
    channels_last: bool

    @property
    def in_shape(self) -> Shape:
        """The input's shape, in its data format."""
        return self._shape(self.in_spatial, self.in_channels)

    @property
    def out_shape(self) -> Shape:
        """The result's shape, in the input's data format."""
        return self._shape(self.out_spatial, self.out_channels)

    @property
    def covers_input(self) -> bool:
        """Whether the one window is exactly the whole input."""
        padless = not any((*self.pads_before, *self.pads_after))
        return padless and self.effective_filter == self.in_spatial and set(self.out_spatial) <= {1}

    @property
    def effective_filter(self) -> Shape:
        """The filter's extents with dilation."""
        return tuple((n - 1) * d + 1 for n, d in zip(self.filter_spatial, self.dilations, strict=True))

    @property
    def in_height(self) -> int:
        """Rows of the input."""
        return self.in_spatial[-2]

    @property
    def in_width(self) -> int:
        """Columns of the input."""
        return self.in_spatial[-1]

    @property
    def out_height(self) -> int:
        """Rows of the result."""
        return self.out_spatial[-2]

    @property
    def out_width(self) -> int:
        """Columns of the result."""
        return self.out_spatial[-1]

    @property
    def filter_height(self) -> int:
        """Rows of the filter, undilated."""
        return self.filter_spatial[-2]

    @property
    def filter_width(self) -> int:
        """Columns of the filter, undilated."""
        return self.filter_spatial[-1]

    @property
    def stride_height(self) -> int:
        """Step between rows."""
        return self.strides[-2]

    @property
    def stride_width(self) -> int:
        """Step between columns."""
        return self.strides[-1]

    @property
    def dilation_height(self) -> int:
        """Step between the filter's rows."""
        return self.dilations[-2]

    @property
    def dilation_width(self) -> int:
        """Step between the filter's columns."""
        return self.dilations[-1]

    @property
    def pad_top(self) -> int:
        """Rows of padding above."""
        return self.pads_before[-2]

    @property
    def pad_bottom(self) -> int:
        """Rows of padding below."""
        return self.pads_after[-2]

    @property
    def pad_left(self) -> int:
        """Columns of padding to the left."""
        return self.pads_before[-1]

    @property
    def pad_right(self) -> int:
        """Columns of padding to the right."""
        return self.pads_after[-1]

    def _shape(self, spatial: Shape, channels: int) -> Shape:
        return (self.batch, *spatial, channels) if self.channels_last else (self.batch, channels, *spatial)


def conv2d_geometry(
    in_shape: Sequence[int],
    filter_shape: Sequence[int],
    strides: Extents,
    pad: Pad,
    *,
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NHWC",
    depthwise: bool = False,
) -> Convolution:
    """Geometry of Conv2D, or with ``depthwise`` of DepthwiseConv2dNative.

    ``filter_shape`` is (height, width, in channels, out channels), depthwise the
    last is the multiplier. ``pad`` is "same", "valid", a number or explicit
    pairs for each of the four axes. Raises InvalidArgumentError for impossible
    arguments.

    >>> conv2d_geometry((1, 5, 5, 3), (3, 3, 3, 8), 2, "same").out_shape
    (1, 3, 3, 8)
    """
    what = "depthwiseConv2d" if depthwise else "conv2d"
    _check_rank(what, "input", in_shape, 4)
    _check_rank(what, "filter", filter_shape, 4)
    channels_last = _channels_last(what, data_format, 2)
    depth = in_shape[-1 if channels_last else 1]
    if depth != filter_shape[2]:
        word = "number of input channels" if depthwise else "depth of input"
        raise InvalidArgumentError(
            f"Error in {what}: {word} ({depth}) must match "
            f"{'the inChannels dimension in' if depthwise else 'input depth for'} filter {filter_shape[2]}."
        )
    out_channels = filter_shape[3] * depth if depthwise else filter_shape[3]
    return _geometry(
        what,
        in_shape,
        filter_shape[:2],
        out_channels,
        strides,
        dilations,
        pad,
        dim_rounding_mode,
        channels_last,
    )


def conv2d_transpose_geometry(
    dy_shape: Sequence[int],
    filter_shape: Sequence[int],
    input_shape: Sequence[int],
    strides: Extents,
    pad: Pad,
    *,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
) -> Convolution:
    """Geometry of the forward convolution whose input Conv2DBackpropInput returns.

    ``input_shape`` is the shape of that result; ``dy_shape`` must be what the
    forward convolution gives, else InvalidArgumentError.

    >>> conv2d_transpose_geometry((1, 3, 3, 8), (3, 3, 4, 8), (1, 6, 6, 4), 2, "same").pad_bottom
    1
    """
    _check_rank("conv2dDerInput", "dy", dy_shape, 4)
    _check_rank("conv2dDerInput", "filter", filter_shape, 4)
    _check_rank("conv2dDerInput", "inShape", input_shape, 4)
    channels_last = _channels_last("conv2dDerInput", data_format, 2)
    where = -1 if channels_last else 1
    if input_shape[where] != filter_shape[2]:
        raise InvalidArgumentError(
            f"Error in conv2dDerInput: depth of input ({input_shape[where]}) must match input depth for filter "
            f"{filter_shape[2]}."
        )
    if dy_shape[where] != filter_shape[3]:
        raise InvalidArgumentError(
            f"Error in conv2dDerInput: depth of output ({dy_shape[where]}) must match output depth for filter "
            f"{filter_shape[3]}."
        )
    geometry = conv2d_geometry(
        input_shape,
        filter_shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
    )
    _check_dy("conv2dDerInput", dy_shape, geometry)
    return geometry


def conv3d_geometry(
    in_shape: Sequence[int],
    filter_shape: Sequence[int],
    strides: Extents,
    pad: Pad,
    *,
    dilations: Extents | None = 1,
    data_format: str = "NDHWC",
) -> Convolution:
    """Geometry of Conv3D; ``filter_shape`` is (depth, height, width, in channels, out channels).

    >>> conv3d_geometry((1, 4, 5, 5, 2), (2, 3, 3, 2, 6), 1, "valid").out_shape
    (1, 3, 3, 3, 6)
    """
    _check_rank("conv3d", "input", in_shape, 5)
    _check_rank("conv3d", "filter", filter_shape, 5)
    channels_last = _channels_last("conv3d", data_format, 3)
    depth = in_shape[-1 if channels_last else 1]
    if depth != filter_shape[3]:
        raise InvalidArgumentError(
            f"Error in conv3d: depth of input ({depth}) must match input depth for filter {filter_shape[3]}."
        )
    return _geometry(
        "conv3d", in_shape, filter_shape[:3], filter_shape[4], strides, dilations, pad, None, channels_last
    )


def conv3d_transpose_geometry(
    dy_shape: Sequence[int],
    filter_shape: Sequence[int],
    input_shape: Sequence[int],
    strides: Extents,
    pad: Pad,
) -> Convolution:
    """Geometry of the forward convolution whose input Conv3DBackpropInputV2 returns (NDHWC).

    >>> conv3d_transpose_geometry((1, 2, 2, 2, 1), (1, 1, 1, 3, 1), (1, 2, 2, 2, 3), 1, "same").in_channels
    3
    """
    _check_rank("conv3dDerInput", "dy", dy_shape, 5)
    geometry = conv3d_geometry(input_shape, filter_shape, strides, pad)
    _check_dy("conv3dDerInput", dy_shape, geometry)
    return geometry


def pool2d_geometry(
    in_shape: Sequence[int],
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    *,
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NHWC",
) -> Convolution:
    """Geometry of a pool over height and width.

    >>> pool2d_geometry((1, 5, 4, 2), (2, 2), 2, "valid").out_shape
    (1, 2, 2, 2)
    """
    _check_rank("pool", "x", in_shape, 4)
    channels_last = _channels_last("pool", data_format, 2)
    window = _extents("pool", "filterSize", filter_size, 2)
    channels = in_shape[-1 if channels_last else 1]
    return _geometry("pool", in_shape, window, channels, strides, dilations, pad, dim_rounding_mode, channels_last)


def dilation2d_geometry(
    in_shape: Sequence[int],
    filter_shape: Sequence[int],
    strides: Extents,
    pad: Pad,
    *,
    dilations: Extents | None = 1,
) -> Convolution:
    """Geometry of Dilation2D; ``filter_shape`` is (height, width, channels of the input).

    >>> dilation2d_geometry((1, 5, 4, 2), (2, 2, 2), 1, "same").out_shape
    (1, 5, 4, 2)
    """
    _check_rank("dilation2d", "input", in_shape, 4)
    _check_rank("dilation2d", "filter", filter_shape, 3)
    if in_shape[3] != filter_shape[2]:
        raise InvalidArgumentError(
            f"Error in dilation2d: an input and filter must have the same depth: {in_shape[3]} vs {filter_shape[2]}"
        )
    return _geometry("dilation2d", in_shape, filter_shape[:2], in_shape[3], strides, dilations, pad, None, True)


def pool3d_geometry(
    in_shape: Sequence[int],
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    *,
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NDHWC",
) -> Convolution:
    """Geometry of a pool over depth, height and width.

    >>> pool3d_geometry((1, 4, 5, 4, 2), 2, 2, "same").out_shape
    (1, 2, 3, 2, 2)
    """
    _check_rank("pool3d", "x", in_shape, 5)
    channels_last = _channels_last("pool3d", data_format, 3)
    window = _extents("pool3d", "filterSize", filter_size, 3)
    channels = in_shape[-1 if channels_last else 1]
    return _geometry("pool3d", in_shape, window, channels, strides, dilations, pad, dim_rounding_mode, channels_last)


def _geometry(
    what: str,
    in_shape: Sequence[int],
    window: Sequence[int],
    out_channels: int,
    strides: Extents,
    dilations: Extents | None,
    pad: Pad,
    rounding: Rounding,
    channels_last: bool,
) -> Convolution:
    rank = len(in_shape) - 2
    steps = _extents(what, "strides", strides, rank)
    spread = _extents(what, "dilations", 1 if dilations is None else dilations, rank)
    spatial = tuple(in_shape[1:-1] if channels_last else in_shape[2:])
    if any(n < 1 for n in window):
        raise InvalidArgumentError(f"Error in {what}: filter extents must be positive, got {shape_text(window)}")
    effective = tuple((n - 1) * d + 1 for n, d in zip(window, spread, strict=True))
    if rounding is not None and isinstance(pad, str):
        raise InvalidArgumentError(
            f"Error in {what}: pad must be an integer when using dimRoundingMode {rounding} but got pad {pad}."
        )
    before, after, out = [], [], []
    pairs = None if isinstance(pad, str) else _explicit(what, pad, rank, channels_last, rounding)
    for k, (extent, size, step) in enumerate(zip(spatial, effective, steps, strict=True)):
        if pairs is not None:
            first, last = pairs[k]
            count = _rounded((extent - size + first + last) / step + 1, rounding)
        elif pad == "same":
            count = -(-extent // step)
            total = max(0, (count - 1) * step + size - extent)
            first, last = total // 2, total - total // 2
        elif pad == "valid":
            first = last = 0
            count = -(-(extent - size + 1) // step)
            if rank == 3:
                count = max(count, 0)  # as TensorFlow.js has it, for volumes only
        else:
            raise InvalidArgumentError(f"Error in {what}: Unknown padding parameter: {pad}")
        if count < 0:
            raise InvalidArgumentError(
                f"Error in {what}: a filter of extents {shape_text(effective)} (with dilation) does not fit an "
                f"input of extents {shape_text(spatial)} with pad {pad}"
            )
        before.append(first)
        after.append(last)
        out.append(count)
    return Convolution(
        in_shape[0],
        spatial,
        in_shape[-1 if channels_last else 1],
        tuple(out),
        out_channels,
        tuple(window),
        steps,
        spread,
        tuple(before),
        tuple(after),
        channels_last,
    )


def _explicit(
    what: str, pad: int | Sequence[Sequence[int]], rank: int, channels_last: bool, rounding: Rounding
) -> list[tuple[int, int]]:
    if not isinstance(pad, Sequence):
        values = [(pad, pad)] * rank
    else:
        if len(pad) != rank + 2 or any(len(pair) != 2 for pair in pad):
            raise InvalidArgumentError(
                f"Error in {what}: explicit padding takes {rank + 2} pairs, one an axis, got {list(pad)}"
            )
        values = [(pair[0], pair[1]) for pair in (pad[1:-1] if channels_last else pad[2:])]
    for pair in values:
        for value in pair:
            if value != int(value):
                mode = f" when using dimRoundingMode {rounding}" if rounding else ""
                raise InvalidArgumentError(f"Error in {what}: pad must be an integer{mode} but got pad {value}.")
            if value < 0:
                raise InvalidArgumentError(f"Error in {what}: pad must not be negative but got pad {value}.")
    return [(int(first), int(last)) for first, last in values]


def _rounded(value: float, mode: Rounding) -> int:
    if mode is None:
        return math.trunc(value)
    if mode == "floor":
        return math.floor(value)
    if mode == "ceil":
        return math.ceil(value)
    if mode == "round":
        return math.floor(value + 0.5)
    raise InvalidArgumentError(f"Unknown roundingMode {mode}")


def _extents(what: str, name: str, value: Extents, rank: int) -> Shape:
    values = tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),) * rank
    if len(values) == 1:
        values *= rank
    if len(values) != rank:
        raise InvalidArgumentError(f"Error in {what}: {name} takes 1 or {rank} numbers, got {shape_text(values)}")
    if any(v <= 0 for v in values):
        word = {"strides": "Strides", "dilations": "Dilated rates"}.get(name, name)
        raise InvalidArgumentError(f"Error in {what}: {word} should be larger than 0. Got {shape_text(values)}")
    return values


def _channels_last(what: str, data_format: str, rank: int) -> bool:
    last, first = ("NHWC", "NCHW") if rank == 2 else ("NDHWC", "NCDHW")
    if data_format in (last, first):
        return data_format == last
    raise InvalidArgumentError(f"Error in {what}: Unknown dataFormat {data_format}; expected {last} or {first}")


def _check_rank(what: str, name: str, shape: Sequence[int], rank: int) -> None:
    if len(shape) != rank:
        raise InvalidArgumentError(f"Error in {what}: {name} must be rank {rank}, but got rank {len(shape)}.")


def _check_dy(what: str, dy_shape: Sequence[int], geometry: Convolution) -> None:
    if tuple(dy_shape) != geometry.out_shape:
        raise InvalidArgumentError(
            f"Error in {what}: dy has shape {shape_text(dy_shape)}, but a convolution of "
            f"{shape_text(geometry.in_shape)} with this filter, strides and pad gives {shape_text(geometry.out_shape)}"
        )
