"""Elementwise ops."""

from __future__ import annotations

import numpy as np

from tfgl.ir.graph import DataType, Edge

from .registry import BOOL, INT32, Place, rewrite

_SIGNED = ("int8", "int16", "int32", "int64")


@rewrite("Softsign")
def softsign(place: Place) -> Edge:
    """x / (1 + |x|)."""
    (x,) = place.inputs
    return place.op("RealDiv", x, place.op("AddV2", place.op("Abs", x), place.constant(1)))


@rewrite("Rint")
def rint(place: Place) -> Edge:
    """Round rounds halves to even too."""
    return place.op("Round", place.inputs[0])


@rewrite("Inv")
def inv(place: Place) -> Edge:
    """The older name of Reciprocal."""
    return place.op("Reciprocal", place.inputs[0])


@rewrite("Erfc")
def erfc(place: Place) -> Edge:
    """1 - erf(x)."""
    return place.op("Sub", place.constant(1), place.op("Erf", place.inputs[0]))


@rewrite("Xlogy", "Xlog1py", "Xdivy")
def zero_times(place: Place) -> Edge:
    """x log y, x log(1 + y) or x / y, and 0 wherever x is 0."""
    x, y = place.inputs
    zero = place.constant(0)
    if place.node.op == "Xdivy":
        product = place.op("RealDiv", x, y)
    else:
        product = place.op("Mul", x, place.op("Log" if place.node.op == "Xlogy" else "Log1p", y))
    return place.op("SelectV2", place.op("Equal", x, zero), zero, product)


@rewrite("L2Loss")
def l2_loss(place: Place) -> Edge:
    """Half the sum of the squares."""
    flat = place.op("Reshape", place.inputs[0], place.integers(-1), Tshape=INT32)
    total = place.op("Sum", place.op("Square", flat), place.integers(0), Tidx=INT32, keep_dims=False)
    return place.op("Mul", total, place.constant(0.5))


@rewrite("LogicalXor")
def logical_xor(place: Place) -> Edge:
    """One, but not both."""
    a, b = place.inputs
    neither = place.op("LogicalNot", place.op("LogicalAnd", a, b, dtype=BOOL), dtype=BOOL)
    return place.op("LogicalAnd", place.op("LogicalOr", a, b, dtype=BOOL), neither, dtype=BOOL)


@rewrite("TruncateDiv")
def truncate_div(place: Place) -> Edge:
    """The quotient of the sizes with the sign of the quotient."""
    a, b = place.inputs
    sign = place.op("Mul", place.op("Sign", a), place.op("Sign", b))
    return place.op("Mul", sign, place.op("FloorDiv", place.op("Abs", a), place.op("Abs", b)))


@rewrite("TruncateMod", "Mod")
def truncate_mod(place: Place) -> Edge:
    """The remainder with the sign of the dividend; TensorFlow.js runs Mod as FloorMod."""
    a, b = place.inputs
    return place.op("Mul", place.op("Sign", a), place.op("FloorMod", place.op("Abs", a), place.op("Abs", b)))


@rewrite("BitwiseOr", "BitwiseXor")
def bitwise(place: Place) -> Edge | None:
    """a + b minus the common bits, once or twice."""
    if place.dtype not in _SIGNED:
        return None
    a, b = place.inputs
    common = place.op("BitwiseAnd", a, b)
    if place.node.op == "BitwiseXor":
        common = place.op("AddV2", common, common)
    return place.op("Sub", place.op("AddV2", a, b), common)


@rewrite("Invert")
def invert(place: Place) -> Edge | None:
    """-1 - x."""
    return place.op("Sub", place.constant(-1), place.inputs[0]) if place.dtype in _SIGNED else None


@rewrite("LeftShift", "RightShift")
def shift(place: Place) -> Edge | None:
    """A product with, or a quotient by, a power of two; by known amounts."""
    amount = place.value(1)
    if place.dtype not in _SIGNED or amount is None or (amount < 0).any() or (amount > 30).any():
        return None
    power = place.constant(np.left_shift(1, amount.astype(np.int64)))
    return place.op("Mul" if place.node.op == "LeftShift" else "FloorDiv", place.inputs[0], power)


@rewrite("Conj")
def conj(place: Place) -> Edge:
    """The imaginary part negated."""
    (x,) = place.inputs
    real = DataType("float32")
    imaginary = place.op("Neg", place.op("Imag", x, Tout=real), dtype=real)
    return place.op("Complex", place.op("Real", x, Tout=real), imaginary, dtype=real, Tout=DataType("complex64"))


@rewrite("Angle")
def angle(place: Place) -> Edge:
    """atan2(imaginary, real)."""
    (x,) = place.inputs
    real = DataType("float32")
    return place.op("Atan2", place.op("Imag", x, Tout=real), place.op("Real", x, Tout=real), dtype=real)


@rewrite("Bucketize")
def bucketize(place: Place) -> Edge:
    """How many boundaries do not lie above x."""
    boundaries = place.attr("boundaries", [])
    x = place.inputs[0]
    real = DataType("float32")
    if place.dtype != "float32":
        x = place.cast(x, place.dtype, real)
    if not boundaries:
        return place.cast(place.op("ZerosLike", x, dtype=real), real, INT32)
    above = place.op("GreaterEqual", place.expand(x, -1, real), place.constant(boundaries, real), dtype=real)
    counted = place.cast(above, BOOL, INT32)
    return place.op("Sum", counted, place.integers(-1), dtype=INT32, Tidx=INT32, keep_dims=False)


@rewrite("AdjustContrastv2")
def adjust_contrast(place: Place) -> Edge:
    """The distance from each channel's mean, times the factor."""
    x, factor = place.inputs
    mean = place.op("Mean", x, place.integers(-3, -2), Tidx=INT32, keep_dims=True)
    return place.op("AddV2", place.op("Mul", place.op("Sub", x, mean), factor), mean)
