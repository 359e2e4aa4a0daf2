"""Unary and binary operators, comparisons, activations, casts."""

from __future__ import annotations

import math
from typing import Any

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import Rule, operator

_UNARY = {
    "ABS": "Abs", "CEIL": "Ceil", "COS": "Cos", "ELU": "Elu", "EXP": "Exp", "FLOOR": "Floor", "LOG": "Log",
    "LOGICAL_NOT": "LogicalNot", "LOGISTIC": "Sigmoid", "LOG_SOFTMAX": "LogSoftmax", "NEG": "Neg", "RELU": "Relu",
    "RELU6": "Relu6", "ROUND": "Round", "RSQRT": "Rsqrt", "SIGN": "Sign", "SIN": "Sin", "SQRT": "Sqrt",
    "SQUARE": "Square", "TANH": "Tanh", "ZEROS_LIKE": "ZerosLike",
    "STABLEHLO_ABS": "Abs", "STABLEHLO_COSINE": "Cos", "STABLEHLO_EXPONENTIAL": "Exp", "STABLEHLO_FLOOR": "Floor",
    "STABLEHLO_LOG": "Log", "STABLEHLO_LOGISTIC": "Sigmoid", "STABLEHLO_NEGATE": "Neg", "STABLEHLO_RSQRT": "Rsqrt",
    "STABLEHLO_TANH": "Tanh",
}  # fmt: skip
# With an activation that the options may fuse.
_ARITHMETIC = {"ADD": "AddV2", "MUL": "Mul", "SUB": "Sub"}
_BINARY = {
    "BITWISE_XOR": "BitwiseXor", "EQUAL": "Equal", "FLOOR_DIV": "FloorDiv", "FLOOR_MOD": "FloorMod",
    "GREATER": "Greater", "GREATER_EQUAL": "GreaterEqual", "LESS": "Less", "LESS_EQUAL": "LessEqual",
    "LOGICAL_AND": "LogicalAnd", "LOGICAL_OR": "LogicalOr", "MAXIMUM": "Maximum", "MINIMUM": "Minimum",
    "NOT_EQUAL": "NotEqual", "POW": "Pow", "RIGHT_SHIFT": "RightShift", "SQUARED_DIFFERENCE": "SquaredDifference",
    "STABLEHLO_ADD": "AddV2", "STABLEHLO_MAXIMUM": "Maximum", "STABLEHLO_MINIMUM": "Minimum",
    "STABLEHLO_MULTIPLY": "Mul", "STABLEHLO_POWER": "Pow", "STABLEHLO_SUBTRACT": "Sub",
}  # fmt: skip
_COMPARISONS = ("Equal", "NotEqual", "GreaterEqual", "Greater", "LessEqual", "Less")


def _unary(op: str) -> Rule:
    return lambda o: o.result(op, [o.x(0)])


def _binary(op: str) -> Rule:
    return lambda o: o.result(op, [o.x(0), o.x(1)])


def _arithmetic(op: str) -> Rule:
    return lambda o: o.activated(o.result(op, [o.x(0), o.x(1)]))


for _name, _op in _UNARY.items():
    operator(_name)(_unary(_op))
for _name, _op in _BINARY.items():
    operator(_name)(_binary(_op))
for _name, _op in _ARITHMETIC.items():
    operator(_name)(_arithmetic(_op))


@operator("DIV")
def div(o: Operator) -> Tensor:
    """Integers are cut towards zero."""
    x = o.x(0)
    return o.activated(o.result("RealDiv" if x.dtype == "float32" else "TruncateDiv", [x, o.x(1)]))


@operator("STABLEHLO_DIVIDE")
def stablehlo_divide(o: Operator) -> Tensor:
    """As DIV, without an activation."""
    x = o.x(0)
    return o.result("RealDiv" if x.dtype == "float32" else "TruncateDiv", [x, o.x(1)])


@operator("ATAN2")
def atan2(o: Operator) -> Tensor:
    """The angle of (y, x)."""
    return o.result("Atan2", [o.x(0), o.x(1)])


@operator("ADD_N")
def add_n(o: Operator) -> Tensor:
    """The sum of all inputs."""
    terms = o.all_inputs()
    return o.result("AddN", terms, N=len(terms))


@operator("RELU_N1_TO_1")
def relu_n1_to_1(o: Operator) -> Tensor:
    """x within [-1, 1]."""
    return o.b.clip(o.x(0), -1.0, 1.0)


@operator("RELU_0_TO_1")
def relu_0_to_1(o: Operator) -> Tensor:
    """x within [0, 1]."""
    return o.b.clip(o.x(0), 0.0, 1.0)


@operator("STABLEHLO_CLAMP")
def stablehlo_clamp(o: Operator) -> Tensor:
    """The second input within the first and the third."""
    return o.b.binary("Minimum", o.b.binary("Maximum", o.x(1), o.x(0)), o.x(2))


@operator("LEAKY_RELU")
def leaky_relu(o: Operator) -> Tensor:
    """alpha x below zero."""
    return o.result("LeakyRelu", [o.x(0)], alpha=float(o.option("Alpha", 0.0)))


@operator("PRELU")
def prelu(o: Operator) -> Tensor:
    """alpha x below zero, with an alpha of its own for each channel."""
    return o.result("Prelu", [o.x(0), o.x(1)])


@operator("HARD_SWISH")
def hard_swish(o: Operator) -> Tensor:
    """x relu6(x + 3) / 6."""
    b, x = o.b, o.x(0)
    return b.mul(b.mul(x, b.unary("Relu6", b.add_(x, 3.0))), 1 / 6)


@operator("GELU")
def gelu(o: Operator) -> Tensor:
    """x times the normal distribution up to x, or its approximation by tanh."""
    b, x = o.b, o.x(0)
    if o.option("Approximate", False):
        cubed = b.mul(b.mul(x, x), x)
        inner = b.unary("Tanh", b.mul(b.add_(x, b.mul(cubed, 0.044715)), math.sqrt(2 / math.pi)))
    else:
        inner = b.unary("Erf", b.mul(x, math.sqrt(0.5)))
    return b.mul(b.mul(x, 0.5), b.add_(inner, 1.0))


@operator("SOFTMAX")
def softmax(o: Operator) -> Tensor:
    """Softmax along the last axis of beta x."""
    x, beta = o.x(0), float(o.option("Beta", 1.0))
    return o.result("Softmax", [x if beta == 1 else o.b.mul(x, beta)])


@operator("SELECT")
def select(o: Operator) -> Tensor:
    """One or the other; a vector of conditions chooses among rows."""
    condition, x, y = o.x(0), o.x(1), o.x(2)
    if condition.rank == 1 and x.rank > 1:
        condition = o.b.reshape(condition, [-1] + [1] * (x.rank - 1))
    return o.result("SelectV2", [condition, x, y], T=DataType(x.dtype))


@operator("SELECT_V2", "STABLEHLO_SELECT")
def select_v2(o: Operator) -> Tensor:
    """One or the other, all three broadcast."""
    x = o.x(1)
    return o.result("SelectV2", [o.x(0), x, o.x(2)], T=DataType(x.dtype))


@operator("CAST", "STABLEHLO_CONVERT")
def cast(o: Operator) -> Tensor:
    """Another dtype. A quantised tensor is cast as the integers that it stores."""
    x, source, target = o.x(0), o.spec(0), o.out()
    if source.is_quantised and source.quantization is not None and source.quantization.scale.size == 1:
        stored = o.b.div(x, float(source.quantization.scale[0]))
        zero = int(source.quantization.zero_point[0])
        x = o.b.unary("Round", stored if zero == 0 else o.b.add_(stored, float(zero)))
    if x.dtype == target.dtype:
        return o.b.unary("Identity", x)
    return o.b.cast(x, target.dtype)


@operator("STABLEHLO_COMPARE")
def stablehlo_compare(o: Operator) -> Tensor:
    """A comparison that the options name."""
    direction = int(o.option("ComparisonDirection", 0))
    if not 0 <= direction < len(_COMPARISONS):
        raise o.malformed(f"comparison {direction} is not known")
    return o.result(_COMPARISONS[direction], [o.x(0), o.x(1)])


@operator("STABLEHLO_AND", "STABLEHLO_OR")
def stablehlo_logic(o: Operator) -> Tensor:
    """Logic of truth values, bitwise of integers."""
    kind = o.name.rpartition("_")[2].capitalize()
    return o.result(f"{'Logical' if o.x(0).dtype == 'bool' else 'Bitwise'}{kind}", [o.x(0), o.x(1)])


@operator("REAL", "IMAG")
def part_of_complex(o: Operator) -> Tensor:
    """The real or the imaginary part."""
    types: dict[str, Any] = {"Tout": DataType("float32")}
    return o.result(o.name.capitalize(), [o.x(0)], **types)


@operator("COMPLEX_ABS")
def complex_abs(o: Operator) -> Tensor:
    """The modulus."""
    return o.result("ComplexAbs", [o.x(0)], Tout=DataType("float32"))
