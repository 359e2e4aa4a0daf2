"""Ops of one input that are one kernel, and those that are exactly a few."""

from __future__ import annotations

import numpy as np

from .arrange import SELECT, binary, full, reshape, scalar_like, select, unary
from .call import Call, Value
from .registry import lower, one_to_one

one_to_one(
    {
        "Acos": "Acos",
        "Acosh": "Acosh",
        "Asin": "Asin",
        "Asinh": "Asinh",
        "Atan": "Atan",
        "Atanh": "Atanh",
        "Ceil": "Ceil",
        "Cos": "Cos",
        "Cosh": "Cosh",
        "Elu": "Elu",
        "Erf": "Erf",
        "Exp": "Exp",
        "Expm1": "Expm1",
        "Floor": "Floor",
        "Inv": "Reciprocal",
        "IsFinite": "IsFinite",
        "IsInf": "IsInf",
        "IsNan": "IsNan",
        "Log": "Log",
        "Log1p": "Log1p",
        "LogicalNot": "LogicalNot",
        "Neg": "Neg",
        "OnesLike": "OnesLike",
        "Reciprocal": "Reciprocal",
        "Relu": "Relu",
        "Relu6": "Relu6",
        "Rint": "Round",
        "Round": "Round",
        "Rsqrt": "Rsqrt",
        "Selu": "Selu",
        "Sigmoid": "Sigmoid",
        "Sin": "Sin",
        "Sinh": "Sinh",
        "Softplus": "Softplus",
        "Sqrt": "Sqrt",
        "Square": "Square",
        "Tan": "Tan",
        "Tanh": "Tanh",
        "ZerosLike": "ZerosLike",
        "ComplexAbs": "ComplexAbs",
    },
    ("x",),
)
one_to_one({"Real": "Real", "Imag": "Imag"}, ("input",))
one_to_one({"Complex": "Complex"}, ("real", "imag"))
one_to_one({"Prelu": "Prelu"}, ("x", "alpha"))


# Ops that rewrites at load make.
for _op in ("_Gelu", "_GeluTanh", "_Swish"):

    @lower(_op, inputs=1, kernels=(_op,), internal=True)
    def _activation(call: Call, kernel: str = _op) -> Value:
        return unary(call, kernel, call.inputs[0])


for _op in ("_HardSigmoid", "_HardSwish"):

    @lower(_op, inputs=1, kernels=(_op,), internal=True)
    def _hard(call: Call, kernel: str = _op) -> Value:
        return call.one(kernel, {"x": call.inputs[0]}, factor=call.number("factor", 1 / 6))


@lower("Sign", inputs=1, kernels=("Sign", "IsNan", *SELECT))
def sign(call: Call) -> Value:
    """NaN stays NaN, as in TensorFlow; the kernel makes it 0, as the original's specs ask."""
    x = call.inputs[0]
    found = unary(call, "Sign", x)
    return found if x.dtype != "float32" else select(call, unary(call, "IsNan", x), x, found)


@lower("Abs", inputs=1, kernels=("Abs", "ComplexAbs"))
def absolute(call: Call) -> Value:
    """The modulus of a complex tensor is a kernel of its own."""
    x = call.inputs[0]
    return unary(call, "ComplexAbs" if x.dtype == "complex64" else "Abs", x)


@lower("Conj", inputs=1, kernels=("Real", "Imag", "Neg", "Complex"))
def conjugate(call: Call) -> Value:
    """A real tensor is its own conjugate."""
    x = call.inputs[0]
    if x.dtype != "complex64":
        return x
    imaginary = unary(call, "Neg", call.one("Imag", {"input": x}))
    return call.one("Complex", {"real": call.one("Real", {"input": x}), "imag": imaginary})


@lower("Angle", inputs=1, kernels=("Real", "Imag", "Atan2"))
def angle(call: Call) -> Value:
    """The argument of a complex number: atan2(imaginary, real)."""
    x = call.inputs[0]
    return binary(call, "Atan2", call.one("Imag", {"input": x}), call.one("Real", {"input": x}))


@lower("LeakyRelu", inputs=1, kernels=("LeakyRelu",))
def leaky_relu(call: Call) -> Value:
    """Slope ``alpha`` below zero."""
    return call.one("LeakyRelu", {"x": call.inputs[0]}, alpha=call.number("alpha", 0.2))


@lower("Softsign", inputs=1, kernels=("Abs", "Add", "RealDiv"))
def softsign(call: Call) -> Value:
    """x / (1 + |x|)."""
    x = call.inputs[0]
    below = binary(call, "Add", unary(call, "Abs", x), scalar_like(call, 1, x))
    return binary(call, "RealDiv", x, below)


@lower("Erfc", inputs=1, kernels=("Erf", "Sub"))
def erfc(call: Call) -> Value:
    """1 - erf(x): as near to zero as a float32 subtraction comes."""
    x = call.inputs[0]
    return binary(call, "Sub", scalar_like(call, 1, x), unary(call, "Erf", x))


@lower("ClipByValue", inputs=3, kernels=("ClipByValue", "Maximum", "Minimum"), host=(1, 2))
def clip_by_value(call: Call) -> Value:
    """Bounds are scalars, or tensors that broadcast with the values."""
    x, low, high = call.inputs
    if np.prod(low.shape) == 1 and np.prod(high.shape) == 1:
        return call.one("ClipByValue", {"x": x}, clipValueMin=call.host_scalar(1), clipValueMax=call.host_scalar(2))
    return binary(call, "Maximum", binary(call, "Minimum", x, high), low)


@lower("Cast", inputs=1, kernels=("Cast", "BitwiseAnd", "Add", "Sub", "Fill"))
def cast(call: Call) -> Value:
    """Integers of 8 and 16 bits live in int32, so that a cast to them wraps here."""
    x = call.inputs[0]
    target = call.dtype("DstT")
    narrow = _NARROW.get(str(call.attr("DstT")))
    result = x if x.dtype == target else call.one("Cast", {"x": x}, dtype=target)
    if narrow is None or x.dtype == "bool" or call.attr("SrcT") == call.attr("DstT"):
        return result
    bits, signed = narrow
    half = scalar_like(call, 1 << (bits - 1), result)
    if signed:
        result = binary(call, "Add", result, half)
    # Kernels of bits do not broadcast in the original, hence a mask of the full shape.
    mask = full(call, result.shape, (1 << bits) - 1, "int32")
    result = binary(call, "BitwiseAnd", result, mask)
    return binary(call, "Sub", result, half) if signed else result


_NARROW = {"uint8": (8, False), "int8": (8, True), "uint16": (16, False), "int16": (16, True)}


@lower("BiasAdd", "BiasAddV1", inputs=2, kernels=("Add", "Reshape"))
def bias_add(call: Call) -> Value:
    """The bias runs along the last axis, or along axis 1 for NCHW."""
    x, bias = call.inputs
    if call.text("data_format", "NHWC") == "NCHW" and len(x.shape) > 2:
        bias = reshape(call, bias, [*bias.shape, *[1] * (len(x.shape) - 2)])
    return binary(call, "Add", x, bias)
