"""Bits of whole numbers by arithmetic: graph models of TensorFlow.js cannot run BitwiseAnd, their only such op."""

from __future__ import annotations

import numpy as np

from tfgl.ir.graph import Edge

from .registry import BOOL, INT32, Place, Unfit, rewrite

# Wider ones are held in 32 bits; unsigned ones of 32 bits would need their own order.
_HELD = ("int8", "int16", "int32", "int64", "uint8", "uint16")
_UNSUITED = Unfit("signed whole numbers or unsigned ones of 8 or 16 bits")
_POWERS = 2 ** np.arange(31, dtype=np.int64)


@rewrite("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(place: Place) -> Edge | Unfit:
    """a and b bit by bit along a new last axis; then or is a + b - (a and b), and xor takes it off twice."""
    if place.dtype not in _HELD:
        return _UNSUITED
    a, b = place.inputs
    common = _common_bits(place, a, b)
    if place.node.op == "BitwiseAnd":
        return common
    if place.node.op == "BitwiseXor":
        common = place.op("AddV2", common, common)
    return place.op("Sub", place.op("AddV2", a, b), common)


def _common_bits(place: Place, a: Edge, b: Edge) -> Edge:
    both = place.op("Mul", _bits(place, a), _bits(place, b))
    below = place.op("Sum", place.op("Mul", both, place.constant(_POWERS)), place.integers(-1), Tidx=INT32,
                     keep_dims=False)  # fmt: skip
    zero = place.constant(0)
    negative = place.op("LogicalAnd", place.op("Less", a, zero), place.op("Less", b, zero), dtype=BOOL)
    # In two's complement the highest bit stands for -2^31.
    return place.op("AddV2", below, place.op("SelectV2", negative, place.constant(-(2**31)), zero))


def _bits(place: Place, x: Edge) -> Edge:
    """The lower 31 bits of each number, 0 or 1."""
    return place.op("FloorMod", place.op("FloorDiv", place.expand(x, -1), place.constant(_POWERS)), place.constant(2))


@rewrite("PopulationCount")
def population_count(place: Place) -> Edge | Unfit:
    """The sum of the bits."""
    if place.dtype not in _HELD or place.dtype == "int64":
        return Unfit("whole numbers of at most 32 bits")
    (x,) = place.inputs
    width = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16}.get(place.dtype, 32)
    lower = place.constant(_POWERS[: min(width, 31)])
    bits = place.op("FloorMod", place.op("FloorDiv", place.expand(x, -1), lower), place.constant(2))
    count = place.op("Sum", bits, place.integers(-1), Tidx=INT32, keep_dims=False)
    if width < 32:
        return count
    return place.op("AddV2", count, place.cast(place.op("Less", x, place.constant(0)), BOOL, place.dtype))


@rewrite("Invert")
def invert(place: Place) -> Edge | Unfit:
    """-1 - x, or what is missing to the largest number."""
    if place.dtype not in _HELD:
        return _UNSUITED
    largest = {"uint8": 255, "uint16": 65535}.get(place.dtype, -1)
    return place.op("Sub", place.constant(largest), place.inputs[0])


@rewrite("LeftShift", "RightShift")
def shift(place: Place) -> Edge | Unfit:
    """A product with, or a quotient by, a power of two."""
    amount = place.value(1)
    left = place.node.op == "LeftShift"
    if place.dtype not in ("int32", "int64") and (left or place.dtype not in _HELD):
        return _UNSUITED
    if amount is None:
        power = place.op("Pow", place.constant(2), place.inputs[1])
    elif (amount < 0).any() or (amount > 30).any():
        return Unfit("amounts from 0 to 30")
    else:
        power = place.constant(np.left_shift(1, amount.astype(np.int64)))
    return place.op("Mul" if left else "FloorDiv", place.inputs[0], power)
