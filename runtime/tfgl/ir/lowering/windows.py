"""Strides, dilations and padding of windowed ops, from TensorFlow's attributes to the kernels'."""

from __future__ import annotations

from ...errors import InvalidArgumentError, ModelFormatError
from .call import Call

Padding = str | list[list[int]]

# Places are counted in int32, and a place is a window's number times its stride plus a tap's times its dilation.
_MOST = 1 << 24


def is_channels_first(call: Call, default: str = "NHWC") -> bool:
    """Whether ``data_format`` puts the channels before the space; ModelFormatError for unknown formats."""
    name = call.text("data_format", default)
    if name in ("NHWC", "NDHWC", "NWC"):
        return False
    if name in ("NCHW", "NCDHW", "NCW"):
        return True
    raise ModelFormatError(f"{call.node}, attr 'data_format': {name!r} is not supported; NHWC and NCHW are")


def spatial(call: Call, name: str, rank: int, channels_first: bool, default: int | None = None) -> list[int]:
    """The numbers of an attribute like ``strides`` along the spatial axes of a tensor of ``rank``.

    Raises InvalidArgumentError when those along batch or channels are not 1, or one is below 1.
    """
    values = call.integers(name, None if default is None else [default] * rank)
    return split_spatial(call, name, values, channels_first, rank)


def split_spatial(call: Call, name: str, values: list[int], channels_first: bool, rank: int) -> list[int]:
    """``spatial`` for values that are at hand; an empty list counts as ones."""
    if not values:
        values = [1] * rank
    if len(values) != rank:
        raise ModelFormatError(f"{call.node}, attr {name!r}: expected {rank} integers, got {values}")
    inside = values[2:] if channels_first else values[1:-1]
    outside = [values[0], values[1] if channels_first else values[-1]]
    if outside != [1, 1]:
        raise InvalidArgumentError(f"{name} {values} along batch or channels are not supported; they must be 1")
    if min(inside) < 1:
        raise InvalidArgumentError(f"{name} must be positive, got {values}")
    if max(inside) > _MOST:
        raise InvalidArgumentError(f"{name} must not exceed {_MOST}, got {values}")
    return inside


def padding(call: Call, channels_first: bool, *, as_channels_first: bool | None = None) -> Padding:
    """'same', 'valid', or four pairs in the order of the axes, as the kernels' ``pad`` takes them.

    ``as_channels_first`` is the layout of the tensor that the kernel will get, when that is another.
    """
    name = call.text("padding")
    if name in ("SAME", "VALID"):
        return name.lower()
    if name != "EXPLICIT":
        raise ModelFormatError(f"{call.node}, attr 'padding': expected SAME, VALID or EXPLICIT, got {name!r}")
    flat = call.integers("explicit_paddings", [])
    if len(flat) != 8 or min(flat) < 0 or max(flat) > _MOST:
        raise ModelFormatError(f"{call.node}, attr 'explicit_paddings': expected 8 sizes up to {_MOST}, got {flat}")
    pairs = [flat[i : i + 2] for i in range(0, 8, 2)]
    inside = pairs[2:] if channels_first else pairs[1:3]
    outside = [pairs[0], pairs[1] if channels_first else pairs[3]]
    if outside != [[0, 0], [0, 0]]:
        raise InvalidArgumentError(f"padding along batch or channels is not supported, got {flat}")
    to_first = channels_first if as_channels_first is None else as_channels_first
    return [[0, 0], [0, 0], *inside] if to_first else [[0, 0], *inside, [0, 0]]
