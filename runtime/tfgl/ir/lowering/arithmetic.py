"""Ops of two inputs: arithmetic, comparison, logic, selection, bits."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from .arrange import SELECT, binary, broadcast, broadcast_shape, reshape, scalar_like, select, unary
from .call import Call, Value
from .registry import lower, one_to_one

one_to_one(
    {
        "Add": "Add",
        "AddV2": "Add",
        "Atan2": "Atan2",
        "FloorMod": "Mod",
        "Greater": "Greater",
        "GreaterEqual": "GreaterEqual",
        "Less": "Less",
        "LessEqual": "LessEqual",
        "LogicalAnd": "LogicalAnd",
        "LogicalOr": "LogicalOr",
        "LogicalXor": "LogicalXor",
        "Maximum": "Maximum",
        "Minimum": "Minimum",
        "Mul": "Multiply",
        "Pow": "Pow",
        "RealDiv": "RealDiv",
        "SquaredDifference": "SquaredDifference",
        "Sub": "Sub",
    },
    ("a", "b"),
)

_TRUNCATE = (
    "FloorDiv", "Multiply", "Sub", "NotEqual", "Less", "LogicalAnd", "Cast", "Add",
)  # fmt: skip


@lower("AddN", "AccumulateNV2", inputs=(1, None), kernels=("AddN",))
def add_n(call: Call) -> Value:
    """The sum of all inputs."""
    return call.inputs[0] if len(call.inputs) == 1 else call.one("AddN", {"tensors": list(call.inputs)})


@lower("FloorDiv", inputs=2, kernels=("FloorDiv", "RealDiv", "Floor"))
def floor_div(call: Call) -> Value:
    """The kernel is one of int32; floats are divided and floored, and stay floats."""
    a, b = call.inputs
    if a.dtype == "int32":
        return binary(call, "FloorDiv", a, b)
    return unary(call, "Floor", binary(call, "RealDiv", a, b))


@lower("Div", inputs=2, kernels=("RealDiv", *_TRUNCATE))
def div(call: Call) -> Value:
    """Integers are divided as C does, towards zero."""
    a, b = call.inputs
    return truncate_div(call, a, b) if a.dtype == "int32" else binary(call, "RealDiv", a, b)


@lower("TruncateDiv", inputs=2, kernels=_TRUNCATE)
def truncate_div_op(call: Call) -> Value:
    """Integers divided towards zero."""
    return truncate_div(call, *call.inputs)


def truncate_div(call: Call, a: Value, b: Value) -> Value:
    """a / b towards zero for int32: one more than the floor where that left a remainder below zero."""
    quotient = binary(call, "FloorDiv", a, b)
    remainder = binary(call, "Sub", a, binary(call, "Multiply", quotient, b))
    zero = scalar_like(call, 0, a)
    inexact = binary(call, "NotEqual", remainder, zero)
    opposite = binary(call, "NotEqual", *(
        call.one("Cast", {"x": binary(call, "Less", x, zero)}, dtype="int32") for x in (a, b)
    ))  # fmt: skip
    add = call.one("Cast", {"x": binary(call, "LogicalAnd", inexact, opposite)}, dtype="int32")
    return binary(call, "Add", quotient, add)


@lower("Mod", "TruncateMod", inputs=2, kernels=(*_TRUNCATE, "Mod", "Abs", "Sign"))
def truncate_mod(call: Call) -> Value:
    """The remainder with the sign of the dividend, as C's % and fmod; the kernel Mod has the divisor's."""
    a, b = call.inputs
    if a.dtype == "int32":
        # Not through absolute values: the smallest int32 has none.
        return binary(call, "Sub", a, binary(call, "Multiply", truncate_div(call, a, b), b))
    remainder = binary(call, "Mod", unary(call, "Abs", a), unary(call, "Abs", b))
    return binary(call, "Multiply", remainder, unary(call, "Sign", a))


@lower("DivNoNan", "Xdivy", inputs=2, kernels=("Equal", "RealDiv", *SELECT))
def div_no_nan(call: Call) -> Value:
    """Zero where the divisor (DivNoNan) or the dividend (Xdivy) is zero."""
    a, b = call.inputs
    zero = scalar_like(call, 0, a)
    tested = b if call.node.op == "DivNoNan" else a
    return select(call, binary(call, "Equal", tested, zero), zero, binary(call, "RealDiv", a, b))


@lower("Xlogy", "Xlog1py", inputs=2, kernels=("Equal", "Log", "Log1p", "Multiply", *SELECT))
def xlogy(call: Call) -> Value:
    """x log(y), zero where x is zero."""
    x, y = call.inputs
    zero = scalar_like(call, 0, x)
    logarithm = unary(call, "Log" if call.node.op == "Xlogy" else "Log1p", y)
    return select(call, binary(call, "Equal", x, zero), zero, binary(call, "Multiply", x, logarithm))


@lower("MulNoNan", inputs=2, kernels=("Equal", "Multiply", *SELECT))
def mul_no_nan(call: Call) -> Value:
    """Zero where y is zero, even if x is NaN or infinite."""
    x, y = call.inputs
    zero = scalar_like(call, 0, x)
    return select(call, binary(call, "Equal", y, zero), zero, binary(call, "Multiply", x, y))


@lower("Equal", "NotEqual", inputs=2, kernels=("Equal", "NotEqual"))
def equal(call: Call) -> Value:
    """Shapes that do not broadcast are an error, unless ``incompatible_shape_error`` is false."""
    a, b = call.inputs
    if not call.flag("incompatible_shape_error", True):
        try:
            broadcast_shape(a.shape, b.shape)
        except InvalidArgumentError:
            return call.constant(np.array(call.node.op == "NotEqual"))
    return binary(call, call.node.op, a, b)


@lower("ApproximateEqual", inputs=2, kernels=("Sub", "Abs", "Cast", "Less"))
def approximate_equal(call: Call) -> Value:
    """|a - b| < tolerance."""
    a, b = call.inputs
    distance = unary(call, "Abs", binary(call, "Sub", a, b))
    if distance.dtype != "float32":
        distance = call.one("Cast", {"x": distance}, dtype="float32")
    return binary(call, "Less", distance, scalar_like(call, call.number("tolerance", 1e-5), distance))


@lower("Select", "SelectV2", inputs=3, kernels=SELECT)
def select_op(call: Call) -> Value:
    """SelectV2 broadcasts all three; in Select a vector chooses among the rows of the others."""
    condition, t, e = call.inputs
    if call.node.op == "Select" and len(condition.shape) == 1 and len(t.shape) > 1:
        condition = reshape(call, condition, [*condition.shape, *[1] * (len(t.shape) - 1)])
    return select(call, condition, t, e)


@lower("BitwiseAnd", inputs=2, kernels=("BitwiseAnd", "Tile", "Reshape"))
def bitwise_and(call: Call) -> Value:
    """TensorFlow broadcasts, the original's kernel does not."""
    return _bits_and(call, *call.inputs)


@lower("BitwiseOr", "BitwiseXor", inputs=2, kernels=("BitwiseAnd", "Add", "Sub", "Tile", "Reshape"))
def bitwise_or(call: Call) -> Value:
    """a | b = a + b - (a & b) and a ^ b = a + b - 2 (a & b), exact while int32 wraps."""
    a, b = call.inputs
    both = _bits_and(call, a, b)
    result = binary(call, "Sub", binary(call, "Add", a, b), both)
    return result if call.node.op == "BitwiseOr" else binary(call, "Sub", result, both)


@lower("Invert", inputs=1, kernels=("Sub",))
def invert(call: Call) -> Value:
    """Flipped bits of an int32: -1 - x."""
    x = call.inputs[0]
    return binary(call, "Sub", scalar_like(call, -1, x), x)


@lower("LeftShift", inputs=2, kernels=("ClipByValue", "GatherV2", "Multiply"))
def left_shift(call: Call) -> Value:
    """x times a power of two, wrapping; distances are held within 0 and 31, as by TensorFlow on a CPU."""
    x, distance = call.inputs
    return binary(call, "Multiply", x, _power_of_two(call, distance, 31))


@lower("RightShift", inputs=2, kernels=("ClipByValue", "GatherV2", "FloorDiv", "Sub"))
def right_shift(call: Call) -> Value:
    """x divided by a power of two and floored, in two steps because 2**31 is no int32."""
    x, distance = call.inputs
    first = call.one("ClipByValue", {"x": distance}, clipValueMin=0, clipValueMax=16)
    rest = binary(call, "Sub", distance, first)
    half = binary(call, "FloorDiv", x, _power_of_two(call, first, 16))
    return binary(call, "FloorDiv", half, _power_of_two(call, rest, 15))


def _bits_and(call: Call, a: Value, b: Value) -> Value:
    shape = broadcast_shape(a.shape, b.shape)
    return binary(call, "BitwiseAnd", broadcast(call, a, shape), broadcast(call, b, shape))


def _power_of_two(call: Call, exponent: Value, largest: int) -> Value:
    powers = call.constant(np.left_shift(1, np.arange(32)).astype(np.uint32).view(np.int32))
    within = call.one("ClipByValue", {"x": exponent}, clipValueMin=0, clipValueMax=largest)
    return call.one("GatherV2", {"x": powers, "indices": within}, axis=0, batchDims=0)
