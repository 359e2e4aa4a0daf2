"""Rounding to a grid of whole numbers, as quantisation-aware training writes it; formulas of TensorFlow's kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfgl.ir.graph import DataType, Edge

from .registry import INT32, Place, Unfit, rewrite

Array = np.ndarray[Any, Any]
_REAL = DataType("float32")


@rewrite("FakeQuantWithMinMaxArgs")
def fake_quant_args(place: Place) -> Edge | Unfit:
    """A grid from attributes."""
    return _fake_quant(place, np.array(place.attr("min", -6.0)), np.array(place.attr("max", 6.0)))


@rewrite("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_vars(place: Place) -> Edge | Unfit:
    """A grid from inputs, one a channel perhaps; graph models of TensorFlow.js hand the values on as they are."""
    low, high = place.value(1), place.value(2)
    if low is None or high is None:
        return Unfit("a constant range")
    return _fake_quant(place, low, high)


def _fake_quant(place: Place, low: Array, high: Array) -> Edge | Unfit:
    """The range is nudged so that 0 lies on the grid, values are clamped, rounded half up and put back."""
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    least = np.float32(1 if place.attr("narrow_range", False) is True else 0)
    most = np.float32(2 ** int(place.attr("num_bits", 8)) - 1)
    if (low > high).any():
        return Unfit("a range from low to high")
    empty = (low == 0) & (high == 0)
    step = np.where(empty, np.float32(1), (high - low) / (most - least)).astype(np.float32)
    exact = least - low / step
    zero = np.where(exact < least, least, np.where(exact > most, most, np.floor(exact + np.float32(0.5))))
    bottom, top = ((edge - zero) * step for edge in (least, most))
    if empty.all():
        return place.op("ZerosLike", place.inputs[0], dtype=_REAL)
    inverse = (np.float32(1) / step).astype(np.float32)

    def number(value: Array) -> Edge:
        return place.constant(np.where(empty, np.float32(0), value), _REAL)

    def op(name: str, *inputs: Edge) -> Edge:
        return place.op(name, *inputs, dtype=_REAL)

    clamped = op("Minimum", op("Maximum", place.inputs[0], number(bottom)), number(top))
    shifted = op("Sub", clamped, number(bottom))
    scaled = op("AddV2", op("Mul", shifted, place.constant(inverse, _REAL)), place.constant(0.5, _REAL))
    return op("AddV2", op("Mul", op("Floor", scaled), number(step)), number(bottom))


@rewrite("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")
def quantize_and_dequantize(place: Place) -> Edge | Unfit:
    """Scaled so that the range fills the grid, rounded and scaled back; the range is given, or that of the values."""
    if place.dtype.stored != "float32":
        return Unfit("real numbers")
    if int(place.attr("axis", -1)) != -1:
        return Unfit("one range for all values")
    signed, narrow = place.attr("signed_input", True) is True, place.attr("narrow_range", False) is True
    bits = int(place.attr("num_bits", 8))
    if place.node.op.endswith("V3"):
        count = place.value(3)
        if count is None:
            return Unfit("a constant number of bits")
        bits = int(count.reshape(-1)[0])
    x = place.inputs[0]
    if place.attr("range_given", place.node.op.endswith("V3")) is True:
        low, high = place.inputs[1:3]
    else:
        flat = place.op("Reshape", x, place.integers(-1), Tshape=INT32)
        low, high = (place.op(op, flat, place.integers(0), Tidx=INT32, keep_dims=False) for op in ("Min", "Max"))
    least = (-(2 ** (bits - 1)) + narrow) if signed else 0
    most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1

    def op(name: str, *inputs: Edge) -> Edge:
        return place.op(name, *inputs)

    zero = place.constant(0)
    largest = place.constant(np.finfo(np.float32).max)

    def scale_to(edge: Edge, number: int) -> Edge:
        """How many grid steps go into one; without end where the range has nothing on that side."""
        if not number:
            return largest
        usable = op("Greater", op("Mul", edge, place.constant(number)), zero)
        return op("SelectV2", usable, op("RealDiv", place.constant(number), edge), largest)

    by_low, by_high = scale_to(low, least), scale_to(high, most)
    step = op("RealDiv", high, place.constant(most))
    if least:
        step = op("SelectV2", op("Less", by_low, by_high), op("RealDiv", low, place.constant(least)), step)
    scale = op("Minimum", by_low, by_high)
    clamped = op("Minimum", x, op("Mul", place.constant(most), step))
    scaled = op("Mul", op("Maximum", clamped, op("Mul", place.constant(least), step)), scale)
    half_up = bytes(place.attr("round_mode", b"HALF_TO_EVEN")) == b"HALF_UP"
    rounded = op("Floor", op("AddV2", scaled, place.constant(0.5))) if half_up else op("Round", scaled)
    return op("Mul", rounded, step)
