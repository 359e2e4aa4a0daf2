"""Elementwise ops."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, DataType, Edge

from .registry import BOOL, INT32, Place, rewrite


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
    """The quotient without its fraction."""
    return truncated_quotient(place)


def truncated_quotient(place: Place) -> Edge:
    """The first input by the second, rounded towards zero."""
    a, b = place.inputs
    if place.dtype.stored != "int32":
        quotient = place.op("RealDiv", a, b)
        below = place.op("Less", quotient, place.constant(0))
        return place.op("SelectV2", below, place.op("Ceil", quotient), place.op("Floor", quotient))
    # Without absolute values, which the smallest int32 does not have.
    below = place.op("FloorDiv", a, b)
    return place.op("AddV2", below, place.cast(_rounded_down(place, a, b), BOOL, place.dtype))


@rewrite("TruncateMod", "Mod")
def truncate_mod(place: Place) -> Edge:
    """The remainder with the sign of the dividend; TensorFlow.js runs Mod as FloorMod."""
    a, b = place.inputs
    if place.dtype.stored != "int32":
        return place.op("Mul", place.op("Sign", a), place.op("FloorMod", place.op("Abs", a), place.op("Abs", b)))
    rest = place.op("FloorMod", a, b)
    return place.op("SelectV2", _rounded_down(place, a, b), place.op("Sub", rest, b), rest)


def _rounded_down(place: Place, a: Edge, b: Edge) -> Edge:
    """Whether the quotient lies below zero and is no whole number, so that floor and truncation differ."""
    zero = place.constant(0)
    rest = place.op("NotEqual", place.op("FloorMod", a, b), zero)
    signs = place.op("NotEqual", place.op("Less", a, zero), place.op("Less", b, zero), dtype=BOOL)
    return place.op("LogicalAnd", rest, signs, dtype=BOOL)


@rewrite("MulNoNan")
def mul_no_nan(place: Place) -> Edge:
    """0 wherever the second factor is 0, whatever the first."""
    x, y = place.inputs
    zero = place.constant(0)
    return place.op("SelectV2", place.op("Equal", y, zero), zero, place.op("Mul", x, y))


@rewrite("ApproximateEqual")
def approximate_equal(place: Place) -> Edge:
    """Whether the distance is below the tolerance."""
    distance = place.op("Abs", place.op("Sub", *place.inputs))
    return place.op("Less", distance, place.constant(place.attr("tolerance", 1e-5)))


@rewrite("AccumulateNV2")
def accumulate(place: Place) -> Edge:
    """AddN, for which every operand has to be there."""
    return place.op("AddN", *place.inputs, N=len(place.inputs))


@rewrite("Cross")
def cross(place: Place) -> Edge:
    """a2 b3 - a3 b2 and so on: products of the components turned by one and by two."""
    a, b = place.inputs
    attrs: dict[str, AttrValue] = {"Tparams": place.dtype, "Tindices": INT32, "Taxis": INT32, "batch_dims": 0}
    last, once, twice = place.scalar(-1), place.integers(1, 2, 0), place.integers(2, 0, 1)

    def turned(x: Edge, by: Edge) -> Edge:
        return place.plain("GatherV2", x, by, last, attrs=attrs)

    first = place.op("Mul", turned(a, once), turned(b, twice))
    return place.op("Sub", first, place.op("Mul", turned(a, twice), turned(b, once)))


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


@rewrite("Complex")
def complex_of_one_shape(place: Place) -> Edge | None:
    """Parts of two shapes, which TensorFlow broadcasts and TensorFlow.js refuses, lose zeros of the other's first."""
    real, imaginary = place.inputs
    shapes = place.known_shape(0), place.known_shape(1)
    if None in shapes or shapes[0] == shapes[1]:
        return None
    # Taken away rather than added, a zero leaves the sign of -0 as it is.
    pairs = (real, imaginary), (imaginary, real)
    parts = [place.op("Sub", one, place.op("ZerosLike", other)) for one, other in pairs]
    return place.op("Complex", *parts, Tout=place.attr("Tout", DataType("complex64")))
