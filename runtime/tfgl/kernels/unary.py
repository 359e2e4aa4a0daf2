"""Element-wise kernels of one tensor: a table of GLSL expressions, and those with attributes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..dtypes import NUMPY, DType, check_dtype
from ..errors import InvalidArgumentError
from ..registry import kernel
from ..tensor import Tensor
from .elementwise import emit_elementwise

_INT_LIMITS = (-(2**31), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Unary:
    """How a kernel computes from the vector ``a``.

    ``floats`` is the expression for float32, ``ints`` the one for int32 and bool;
    without it those are converted, and the result is float32. ``result`` is the
    dtype of the result where it is always the same.
    """

    floats: str
    ints: str = ""
    includes: str = ""
    result: Literal["", "bool"] = ""


UNARY: dict[str, Unary] = {
    "Abs": Unary("abs(a)", "abs(a)"),
    "Acos": Unary("acos_exact(a)", includes="math/inverse_trigonometric"),
    "Acosh": Unary("acosh_exact(a)", includes="math/inverse_hyperbolic"),
    "Asin": Unary("asin_exact(a)", includes="math/inverse_trigonometric"),
    "Asinh": Unary("asinh_exact(a)", includes="math/inverse_hyperbolic"),
    "Atan": Unary("atan_exact(a)", includes="math/inverse_trigonometric"),
    "Atanh": Unary("atanh_exact(a)", includes="math/inverse_hyperbolic"),
    "Ceil": Unary("ceil(a)", "a"),
    "Cos": Unary("cos_exact(a)", includes="math/trigonometric"),
    "Cosh": Unary("cosh_exact(a)", includes="math/hyperbolic"),
    "Elu": Unary("elu_exact(a)", includes="math/elu"),
    "Erf": Unary("erf_exact(a)", includes="math/error_function"),
    "Exp": Unary("exp_exact(a)", includes="math/exponential"),
    "Expm1": Unary("expm1_exact(a)", includes="math/exponential"),
    "Floor": Unary("floor(a)", "a"),
    "IsFinite": Unary("ivec4(is_finite(a))", "ivec4(1)", "math/nan", "bool"),
    "IsInf": Unary("ivec4(is_inf(a))", "ivec4(0)", "math/nan", "bool"),
    "IsNan": Unary("ivec4(is_nan(a))", "ivec4(0)", "math/nan", "bool"),
    "Log": Unary("log_exact(a)", includes="math/logarithm"),
    "Log1p": Unary("log1p_exact(a)", includes="math/logarithm"),
    "LogicalNot": Unary("1 - ivec4(truth(a))", "1 - ivec4(truth(a))", "arithmetic", "bool"),
    "Neg": Unary("-a", "-a"),
    "Reciprocal": Unary("1.0 / a"),
    "Relu": Unary("larger(a, vec4(0.0))", "max(a, 0)", "arithmetic"),
    "Relu6": Unary("smaller(larger(a, vec4(0.0)), vec4(6.0))", "clamp(a, 0, 6)", "arithmetic"),
    "Round": Unary("roundEven(a)", "a"),
    "Rsqrt": Unary("1.0 / sqrt(a)"),
    "Selu": Unary("selu_exact(a)", includes="math/elu"),
    "Sigmoid": Unary("sigmoid_exact(a)", includes="math/sigmoid"),
    "Sign": Unary("vec4(greaterThan(a, vec4(0.0))) - vec4(lessThan(a, vec4(0.0)))", "sign(a)"),
    "Sin": Unary("sin_exact(a)", includes="math/trigonometric"),
    "Sinh": Unary("sinh_exact(a)", includes="math/hyperbolic"),
    "Softplus": Unary("softplus_exact(a)", includes="math/softplus"),
    "Sqrt": Unary("sqrt(a)"),
    "Square": Unary("a * a", "a * a"),
    "Tan": Unary("tan_exact(a)", includes="math/trigonometric"),
    "Tanh": Unary("tanh_exact(a)", includes="math/hyperbolic"),
}


def as_floats(expression: str, *names: str) -> str:
    """``expression`` with the operands ``names``, ivec4, converted to vec4.

    >>> as_floats("sin(a) + b", "a")
    'sin(vec4(a)) + b'
    """
    return re.sub(rf"\b[{''.join(names)}]\b", r"vec4(\g<0>)", expression) if names else expression


def emit_unary(rule: Unary, x: Tensor, parameters: dict[str, int | float] | None = None) -> Tensor:
    """``rule`` for every element of ``x``, a real tensor."""
    dtype: DType
    if x.kind == "int" and rule.ints:
        expression, dtype = rule.ints, rule.result or "int32"
    else:
        expression = as_floats(rule.floats, "a") if x.kind == "int" else rule.floats
        dtype = rule.result or "float32"
    return emit_elementwise([x], expression, dtype, includes=rule.includes, parameters=parameters)


def _register(name: str, rule: Unary) -> None:
    def unary(x: Tensor) -> Tensor:
        if x.dtype == "complex64":
            return _complex(name, x)
        return emit_unary(rule, x)

    unary.__name__ = unary.__qualname__ = name.lower()
    unary.__doc__ = f"{name} of every element: {rule.floats}."
    kernel(name)(unary)


for _name, _rule in UNARY.items():
    _register(_name, _rule)


def _complex(name: str, x: Tensor) -> Tensor:
    """The few that have a complex form."""
    if name == "Neg":
        parts = [emit_elementwise([part], "-a", "float32") for part in x.parts]
    elif name in _COMPLEX:
        parts = [emit_elementwise(x.parts, expression, "float32") for expression in _COMPLEX[name]]
    else:
        raise InvalidArgumentError(f"{name} does not take complex64; take Real, Imag or ComplexAbs first")
    return Tensor(x.engine, x.shape, "complex64").adopt_parts(parts[0], parts[1])


# Real and imaginary part of functions of a + ib.
_COMPLEX = {
    "Square": ("(a - b) * (a + b)", "2.0 * a * b"),
    "Reciprocal": ("a / (a * a + b * b)", "-b / (a * a + b * b)"),
}


@kernel("ClipByValue")
def clip_by_value(x: Tensor, *, clip_value_min: float, clip_value_max: float) -> Tensor:
    """``x`` between the two bounds; NaN stays NaN."""
    if clip_value_min > clip_value_max:
        raise InvalidArgumentError(
            f"Error in clip: min ({clip_value_min}) must be less than or equal to max ({clip_value_max})."
        )
    rule = Unary(
        "smaller(larger(a, vec4(clip_low)), vec4(clip_high))",
        "clamp(a, clip_low, clip_high)",
        "arithmetic",
    )
    if x.kind == "float":
        low, high = float(clip_value_min), float(clip_value_max)
    else:
        low, high = _as_int(clip_value_min), _as_int(clip_value_max)
    return emit_unary(rule, x, {"clip_low": low, "clip_high": high})


def _as_int(bound: float) -> int:
    """``bound`` as int32: fractions are dropped, as an int32 array drops them; too large ones saturate."""
    low, high = _INT_LIMITS
    if math.isnan(bound):
        return 0
    return int(min(max(bound, low), high))


@kernel("LeakyRelu")
def leaky_relu(x: Tensor, *, alpha: float = 0.2) -> Tensor:
    """``x`` above zero, ``alpha`` times it below."""
    rule = Unary("choose(lessThan(a, vec4(0.0)), leak_slope * a, a)", includes="arithmetic")
    return emit_unary(rule, x, {"leak_slope": float(alpha)})


@kernel("Step")
def step(x: Tensor, *, alpha: float = 0.0) -> Tensor:
    """1 above zero, ``alpha`` elsewhere, NaN where ``x`` is NaN."""
    rule = Unary(
        "choose(is_nan(a), a, choose(greaterThan(a, vec4(0.0)), vec4(1.0), vec4(step_below)))",
        "choose(greaterThan(a, ivec4(0)), ivec4(1), ivec4(step_below))",
        "arithmetic",
    )
    return emit_unary(rule, x, {"step_below": float(alpha) if x.kind == "float" else _as_int(alpha)})


@kernel("ComplexAbs")
def complex_abs(x: Tensor) -> Tensor:
    """The modulus of a complex tensor."""
    if x.dtype != "complex64":
        raise InvalidArgumentError(f"ComplexAbs takes complex64; got {x.dtype}, which Abs takes")
    return emit_elementwise(x.parts, "hypotenuse(a, b)", "float32", includes="arithmetic")


@kernel("ZerosLike")
def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the same shape and dtype; empty strings for strings."""
    return _filled(x, 0)


@kernel("OnesLike")
def ones_like(x: Tensor) -> Tensor:
    """Ones of the same shape and dtype."""
    return _filled(x, 1)


def _filled(x: Tensor, value: int) -> Tensor:
    engine = x.engine
    if x.dtype == "string":
        if value:
            raise InvalidArgumentError("onesLike is not supported for string tensors")
        return engine.tensor(np.full(x.shape, b"", object), dtype="string")
    if x.dtype == "complex64":
        real = engine.emit("fill", {}, x.shape, "float32", {"fill_value": float(value)})
        imaginary = engine.emit("fill", {}, x.shape, "float32", {"fill_value": 0.0})
        return Tensor(engine, x.shape, "complex64").adopt_parts(real, imaginary)
    number: int | float = float(value) if x.kind == "float" else value
    return engine.emit("fill", {}, x.shape, x.dtype, {"fill_value": number})


@kernel("Cast")
def cast(x: Tensor, *, dtype: str) -> Tensor:
    """``x`` in another dtype.

    float32 to int32 drops the fraction; NaN becomes 0, and values beyond the
    range become its nearest end. To bool: whether it differs from zero (NaN
    does). Of a complex tensor only the real part counts, as in TensorFlow.js.
    """
    return cast_to(x, check_dtype(dtype))


def cast_to(x: Tensor, dtype: DType) -> Tensor:
    """``x`` itself when it has ``dtype`` already, else its `cast`."""
    engine = x.engine
    if x.dtype == dtype:
        return x.view(x.shape)
    if "string" in (x.dtype, dtype):
        raise InvalidArgumentError(f"Error in Cast: failed to cast {x.dtype} to {dtype}")
    if dtype == "complex64":
        real = cast_to(x, "float32")
        imaginary = engine.emit("fill", {}, x.shape, "float32", {"fill_value": 0.0})
        return Tensor(engine, x.shape, "complex64").adopt_parts(real, imaginary)
    if x.dtype == "complex64":
        return cast_to(x.parts[0], dtype)
    if dtype == "float32":
        return emit_elementwise([x], "vec4(a)", dtype)
    if dtype == "bool":
        return emit_elementwise([x], "ivec4(truth(a))", dtype, includes="arithmetic")
    if x.dtype == "bool":
        if x.host is not None:
            return engine.tensor(x.host.astype(NUMPY[dtype]))
        return x.view(x.shape, dtype)
    return emit_elementwise([x], "truncated(a)", dtype, includes="arithmetic")
