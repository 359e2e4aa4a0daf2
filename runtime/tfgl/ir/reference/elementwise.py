"""Element-wise kernels: tables of NumPy functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...dtypes import dtype_of
from ...errors import InvalidArgumentError
from ..shapes import broadcast_shapes
from .conversion import cast_to, floating, numbers, together
from .registry import Array, reference

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946

_erf = np.frompyfunc(math.erf, 1, 1)


def _elu(x: Array) -> Array:
    return np.where(x >= 0, x, np.expm1(x))


def _erf_of(x: Array) -> Array:
    return np.asarray(_erf(x), np.float64)


def _reciprocal(x: Array) -> Array:
    return 1.0 / x


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def _gelu(x: Array) -> Any:
    return 0.5 * x * (1 + _erf_of(x / math.sqrt(2)))


def _gelu_tanh(x: Array) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))




# Of floats, and of int32 and bool after a conversion to float.
TRANSCENDENTAL: dict[str, Callable[[Array], Any]] = {
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Elu": _elu,
    "Erf": _erf_of,
    "Exp": np.exp,
    "Expm1": np.expm1,
    "Log": np.log,
    "Log1p": np.log1p,
    "Reciprocal": _reciprocal,
    "Rsqrt": lambda x: 1.0 / np.sqrt(x),
    "Selu": lambda x: SELU_SCALE * np.where(x >= 0, x, SELU_ALPHA * np.expm1(x)),
    "Sigmoid": _sigmoid,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Softplus": lambda x: np.logaddexp(0.0, x),
    "Sqrt": np.sqrt,
    "Tan": np.tan,
    "Tanh": np.tanh,
    "_Gelu": _gelu,
    "_GeluTanh": _gelu_tanh,
    "_Swish": lambda x: x * _sigmoid(x),
}

# Of any number; int32 stays int32, bool becomes int32.
WHOLE: dict[str, Callable[[Array], Any]] = {
    "Abs": np.abs,
    "Neg": np.negative,
    "Relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "Relu6": lambda x: np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6)),
    "Sign": np.sign,
    "Square": lambda x: x * x,
    "Ceil": lambda x: np.ceil(x) if x.dtype.kind == "f" else x,
    "Floor": lambda x: np.floor(x) if x.dtype.kind == "f" else x,
    "Round": lambda x: np.rint(x) if x.dtype.kind == "f" else x,
}

PREDICATES: dict[str, Callable[[Array], Any]] = {
    "IsFinite": np.isfinite,
    "IsInf": np.isinf,
    "IsNan": np.isnan,
    "LogicalNot": lambda x: x == 0,
}


def _floor_divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "i":
        # NumPy gives 0 for a division by 0, as TensorFlow.js does.
        return np.floor_divide(a, b)
    return cast_to(np.floor(a / b), "int32")


def _power(a: Array, b: Array) -> Array:
    if a.dtype.kind != "i":
        return np.asarray(np.power(a, b))
    below = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0))
    return np.where(b < 0, below, np.power(a, np.maximum(b, 0))).astype(np.int32)


def _real_divide(a: Array, b: Array) -> Array:
    if a.dtype.kind != "i":
        return a / b
    quotient = np.trunc(a.astype(np.float64) / np.where(b == 0, 1, b)).astype(np.int64)
    return np.where(b == 0, 0, quotient).astype(np.int32)


ARITHMETIC: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "FloorDiv": _floor_divide,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mod": np.mod,
    "Multiply": np.multiply,
    "Pow": _power,
    "RealDiv": _real_divide,
    "SquaredDifference": lambda a, b: (a - b) * (a - b),
    "Sub": np.subtract,
}

COMPARISONS: dict[str, Callable[[Array, Array], Any]] = {
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "NotEqual": np.not_equal,
}

LOGIC: dict[str, Callable[[Array, Array], Any]] = {
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalXor": np.logical_xor,
}

ACTIVATIONS: dict[str, Callable[[Array], Any]] = {
    "linear": lambda x: x,
    "relu": WHOLE["Relu"],
    "relu6": WHOLE["Relu6"],
    "elu": _elu,
    "selu": TRANSCENDENTAL["Selu"],
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softplus": TRANSCENDENTAL["Softplus"],
    "swish": TRANSCENDENTAL["_Swish"],
    "gelu": _gelu,
    "gelutanh": _gelu_tanh,
}


def _register_unary(name: str, function: Callable[[Array], Any], prepare: Callable[[Array], Array]) -> None:
    def unary(x: Array) -> Array:
        return np.asarray(function(prepare(x)))

    reference(name)(unary)


def _register_binary(
    name: str,
    function: Callable[[Array, Array], Any],
    prepare: Callable[[Array, Array], Sequence[Array]],
    dtype: type[bool] | None = None,
) -> None:
    def binary(a: Array, b: Array) -> Array:
        if a.shape != b.shape:
            broadcast_shapes(a.shape, b.shape)
        return np.asarray(function(*prepare(a, b)), dtype)

    reference(name)(binary)


def _number(x: Array) -> Array:
    return numbers(x)[0]


def _as_given(x: Array) -> Array:
    return x


def _truths(a: Array, b: Array) -> Sequence[Array]:
    return cast_to(a, "bool"), cast_to(b, "bool")


for _name, _unary in TRANSCENDENTAL.items():
    _register_unary(_name, _unary, floating)
for _name, _unary in WHOLE.items():
    _register_unary(_name, _unary, _number)
for _name, _unary in PREDICATES.items():
    _register_unary(_name, _unary, _as_given)
for _name, _binary in ARITHMETIC.items():
    _register_binary(_name, _binary, numbers)
_register_binary("Atan2", np.arctan2, lambda a, b: (floating(a), floating(b)))
for _name, _binary in COMPARISONS.items():
    _register_binary(_name, _binary, together, bool)
for _name, _binary in LOGIC.items():
    _register_binary(_name, _binary, _truths)


@reference("BitwiseAnd")
def bitwise_and(a: Array, b: Array) -> Array:
    """Bits that both int32 operands have."""
    if a.dtype.kind != "i" or b.dtype.kind != "i":
        raise InvalidArgumentError(f"BitwiseAnd only supports int32, got {dtype_of(a)} and {dtype_of(b)}")
    broadcast_shapes(a.shape, b.shape)
    return a & b


@reference("EluGrad")
def elu_grad(dy: Array, y: Array) -> Array:
    """The gradient of Elu for its result ``y``."""
    return floating(dy) * np.where(y >= 0, 1.0, y + 1.0)


@reference("AddN")
def add_n(tensors: Sequence[Array]) -> Array:
    """The sum of tensors of one shape."""
    if not tensors:
        raise InvalidArgumentError("Must pass at least one tensor to tf.addN()")
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        raise InvalidArgumentError("All tensors passed to tf.addN() must have the same shape")
    terms = numbers(*tensors)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


@reference("Select")
def select(condition: Array, t: Array, e: Array) -> Array:
    """``t`` where ``condition`` holds, else ``e``; a condition of rank 1 may choose rows."""
    if condition.ndim == 1 and max(t.ndim, e.ndim) > 1:
        rows = max((t, e), key=np.ndim).shape
        if rows[0] != condition.shape[0]:
            raise InvalidArgumentError(
                f"The first dimension of `a` must match the size of `condition`: {rows[0]} and {condition.shape[0]}"
            )
        condition = condition.reshape((-1,) + (1,) * (len(rows) - 1))
    broadcast_shapes(condition.shape, t.shape, e.shape)
    t, e = together(t, e)
    return np.where(cast_to(condition, "bool"), t, e)


@reference("ClipByValue")
def clip_by_value(x: Array, *, clip_value_min: float, clip_value_max: float) -> Array:
    """``x`` within the bounds; NaN passes; an int32 ``x`` stays int32."""
    if clip_value_min > clip_value_max:
        raise InvalidArgumentError(
            f"Error in clip: min ({clip_value_min}) must be less than or equal to max ({clip_value_max})."
        )
    x = _number(x)
    low, high = (cast_to(np.asarray(bound, np.float64), dtype_of(x)) for bound in (clip_value_min, clip_value_max))
    return np.minimum(np.maximum(x, low), high)


@reference("LeakyRelu")
def leaky_relu(x: Array, *, alpha: float = 0.2) -> Array:
    """``x`` above zero, ``alpha`` times it below; always float."""
    x = floating(x)
    return np.where(x < 0, alpha * x, x)


@reference("Prelu")
def prelu(x: Array, alpha: Array) -> Array:
    """``x`` above zero, ``alpha`` times it below; always float."""
    broadcast_shapes(x.shape, alpha.shape)
    x = floating(x)
    return np.where(x < 0, floating(alpha) * x, x)


@reference("Step")
def step(x: Array, *, alpha: float = 0.0) -> Array:
    """1 above zero, ``alpha`` elsewhere, NaN where ``x`` is NaN."""
    x = _number(x)
    below = cast_to(np.asarray(alpha, np.float64), dtype_of(x))
    return np.where(np.isnan(x), x, np.where(x > 0, x.dtype.type(1), below))


@reference("Complex")
def complex_(real: Array, imag: Array) -> Array:
    """Complex numbers of two parts of one shape."""
    if real.shape != imag.shape:
        raise InvalidArgumentError(
            f"real and imag shapes, {list(real.shape)} and {list(imag.shape)}, must match in call to tf.complex()."
        )
    out = np.empty(real.shape, np.complex128)
    out.real, out.imag = real, imag
    return out


@reference("Real")
def real(input: Array) -> Array:
    """Real parts."""
    return floating(input).real


@reference("Imag")
def imag(input: Array) -> Array:
    """Imaginary parts; zeros of a real tensor."""
    return floating(input).imag


@reference("ComplexAbs")
def complex_abs(x: Array) -> Array:
    """Absolute values."""
    return np.abs(floating(x))


@reference("_HardSigmoid")
def hard_sigmoid(x: Array, *, factor: float = 1 / 6) -> Array:
    """relu6(x + 3) times ``factor``."""
    return np.asarray(np.clip(floating(x) + 3, 0, 6) * factor)


@reference("_HardSwish")
def hard_swish(x: Array, *, factor: float = 1 / 6) -> Array:
    """x relu6(x + 3) times ``factor``."""
    return floating(x) * hard_sigmoid(x, factor=factor)


def activate(x: Array, activation: str | None, weights: Array | None, alpha: float | None) -> Array:
    """``x`` after an activation of the fused kernels; ``weights`` are Prelu's slopes.

    ``alpha`` is LeakyRelu's, or the factor of hardswish and hardsigmoid.

    >>> activate(np.array([-1.0, 7.0]), "relu6", None, None).tolist()
    [0.0, 6.0]
    """
    name = activation or "linear"
    if name == "leakyrelu":
        return leaky_relu(x, alpha=0.2 if alpha is None else alpha)
    if name in ("hardswish", "hardsigmoid"):
        hard = hard_swish if name == "hardswish" else hard_sigmoid
        return hard(x, factor=1 / 6 if alpha is None else alpha)
    if name == "prelu":
        if weights is None:
            raise InvalidArgumentError("activation prelu needs the input preluActivationWeights")
        return prelu(x, weights)
    if name not in ACTIVATIONS:
        known = ", ".join(sorted([*ACTIVATIONS, "leakyrelu", "hardswish", "hardsigmoid", "prelu"]))
        raise InvalidArgumentError(f"Activation {name} has not been implemented; expected one of {known}")
    return np.asarray(ACTIVATIONS[name](x))
