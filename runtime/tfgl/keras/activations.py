"""Activation functions by their Keras names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedOpError
from ..ir.graph import DataType
from .builder import Builder, Tensor
from .weights import LayerNode

if TYPE_CHECKING:
    from .call import Call

Function = Callable[[Builder, Tensor], Tensor]


def sigmoid(b: Builder, x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return b.unary("Sigmoid", x)


def gelu(b: Builder, x: Tensor) -> Tensor:
    """x times the normal distribution function of x."""
    inner = b.unary("Erf", b.mul(x, 1 / math.sqrt(2)))
    return b.mul(b.mul(x, 0.5), b.add_(inner, 1.0))


def gelu_tanh(b: Builder, x: Tensor) -> Tensor:
    """gelu approximated with tanh (https://arxiv.org/abs/1606.08415)."""
    cubic = b.mul(b.mul(b.mul(x, x), x), 0.044715)
    inner = b.unary("Tanh", b.mul(b.add_(x, cubic), math.sqrt(2 / math.pi)))
    return b.mul(b.mul(x, 0.5), b.add_(inner, 1.0))


def hard_sigmoid_2(b: Builder, x: Tensor) -> Tensor:
    """Keras 2 and TensorFlow.js: 0.2 x + 0.5 limited to [0, 1]."""
    return b.clip(b.add_(b.mul(x, 0.2), 0.5), 0.0, 1.0)


def hard_sigmoid_3(b: Builder, x: Tensor) -> Tensor:
    """Keras 3: relu6(x + 3) / 6."""
    return b.mul(b.unary("Relu6", b.add_(x, 3.0)), 1 / 6)


def softsign(b: Builder, x: Tensor) -> Tensor:
    """x / (1 + |x|), of ops that TensorFlow.js has."""
    return b.div(x, b.add_(b.unary("Abs", x), 1.0))


def leaky(slope: float) -> Function:
    """x, and slope times x below 0."""
    return lambda b, x: b.unary("LeakyRelu", x, alpha=float(slope))


def elu(alpha: float) -> Function:
    """x, and alpha (exp(x) - 1) below 0."""

    def function(b: Builder, x: Tensor) -> Tensor:
        plain = b.unary("Elu", x)
        if alpha == 1:
            return plain
        return b.select(b.binary("Greater", x, 0.0), x, b.mul(plain, alpha))

    return function


def celu(b: Builder, x: Tensor) -> Tensor:
    """max(0, x) + min(0, exp(x) - 1)."""
    return b.unary("Elu", x)


def threshold_shrink(b: Builder, x: Tensor) -> Tensor:
    """x where |x| is above 0.5, else 0."""
    return b.mul(x, b.cast(b.binary("Greater", b.unary("Abs", x), 0.5), x.dtype))


def soft_shrink(b: Builder, x: Tensor) -> Tensor:
    """x nearer to 0 by 0.5, at most 0."""
    return b.sub(b.unary("Relu", b.sub(x, 0.5)), b.unary("Relu", b.sub(b.unary("Neg", x), 0.5)))


def squareplus(b: Builder, x: Tensor) -> Tensor:
    """(x + sqrt(x^2 + 4)) / 2."""
    return b.mul(b.add_(x, b.unary("Sqrt", b.add_(b.mul(x, x), 4.0))), 0.5)


def sparse_plus(b: Builder, x: Tensor) -> Tensor:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    middle = b.clip(b.add_(x, 1.0), 0.0, 2.0)
    return b.add_(b.mul(b.mul(middle, middle), 0.25), b.unary("Relu", b.sub(x, 1.0)))


def sparse_sigmoid(b: Builder, x: Tensor) -> Tensor:
    """0 below -1, 1 above 1, (x + 1) / 2 between."""
    return b.clip(b.mul(b.add_(x, 1.0), 0.5), 0.0, 1.0)


def sparsemax(b: Builder, x: Tensor) -> Tensor:
    """Keras's sparsemax along the last axis: that of https://arxiv.org/abs/1602.02068, but with the sum of the running
    sums in place of the last of them."""
    size = x.shape[-1]
    if size < 0:
        raise UnsupportedOpError("sparsemax needs the size of the last axis as a number")
    types = {"sorted": True, "index_type": DataType("int32")}
    ordered = b.add_many("TopKV2", [x, b.integers(size)], [x.shape, x.shape], **types)[0]  # type: ignore[arg-type]
    total = b.add("Cumsum", [ordered, b.integers(x.rank - 1)], x.shape, Tidx=DataType("int32"))
    ranks = b.constant(np.arange(1, size + 1, dtype=np.float32))
    inside = b.binary("Greater", b.add_(b.mul(ranks, ordered), 1.0), total)
    count = b.reduce("Sum", b.cast(inside, "float32"), [-1], keep=True)
    kept = b.reduce("Sum", b.mul(total, b.cast(inside, "float32")), [-1], keep=True)
    return b.unary("Relu", b.sub(x, b.div(b.sub(kept, 1.0), count)))


def glu(b: Builder, x: Tensor) -> Tensor:
    """One half of the channels times the sigmoid of the other."""
    first, second = b.split(x, 2, -1)
    return b.mul(first, sigmoid(b, second))


def _swish(b: Builder, x: Tensor) -> Tensor:
    return b.mul(x, sigmoid(b, x))


def _hard_swish(b: Builder, x: Tensor) -> Tensor:
    return b.mul(x, hard_sigmoid_3(b, x))


_FUNCTIONS: dict[str, Function] = {
    "linear": lambda b, x: x,
    "relu": lambda b, x: b.unary("Relu", x),
    "relu6": lambda b, x: b.unary("Relu6", x),
    "elu": elu(1.0),
    "selu": lambda b, x: b.unary("Selu", x),
    "softplus": lambda b, x: b.unary("Softplus", x),
    "softsign": softsign,
    "tanh": lambda b, x: b.unary("Tanh", x),
    "sigmoid": sigmoid,
    "exponential": lambda b, x: b.unary("Exp", x),
    "swish": _swish,
    "silu": _swish,
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "mish": lambda b, x: b.mul(x, b.unary("Tanh", b.unary("Softplus", x))),
    "softmax": lambda b, x: b.softmax(x),
    "log_softmax": lambda b, x: b.softmax(x, op="LogSoftmax"),
    "leaky_relu": leaky(0.2),
    "hard_swish": _hard_swish,
    "hard_silu": _hard_swish,
    "hard_tanh": lambda b, x: b.clip(x, -1.0, 1.0),
    "hard_shrink": threshold_shrink,
    "soft_shrink": soft_shrink,
    "tanh_shrink": lambda b, x: b.sub(x, b.unary("Tanh", x)),
    "log_sigmoid": lambda b, x: b.unary("Neg", b.unary("Softplus", b.unary("Neg", x))),
    "celu": celu,
    "squareplus": squareplus,
    "sparse_plus": sparse_plus,
    "glu": glu,
    "sparsemax": sparsemax,
    "sparse_sigmoid": sparse_sigmoid,
}
# TensorFlow.js writes its own names in snake case, but older files have them as they are in JavaScript.
_ALIASES = {"hardSigmoid": "hard_sigmoid", "logSoftmax": "log_softmax", "geluNew": "gelu_new"}


def activation_names() -> set[str]:
    """The names that ``activate`` knows.

    >>> {"relu", "hard_sigmoid", "gelu"} <= activation_names()
    True
    """
    return {*_FUNCTIONS, "hard_sigmoid"}


def activate(call: Call, x: Tensor, given: Any) -> Tensor:
    """x through an activation: a name, or the configuration of a function or layer, as Keras writes them.

    Raises UnsupportedOpError for a function that is not Keras's own.
    """
    arguments: Mapping[str, Any] = {}
    if isinstance(given, Mapping):
        name, config = given.get("class_name"), given.get("config")
        if name in ("function", "Function") or isinstance(config, str):
            given = config
        elif isinstance(name, str) and isinstance(config, Mapping) and name not in activation_names():
            # A layer that serves as activation.
            from .call import call_layer

            node = LayerNode(given, (call.node.path,))
            return call_layer(call.context, node, [x])[0].masked(x.mask)
        else:
            given, arguments = name, config if isinstance(config, Mapping) else {}
    name = _ALIASES.get(given, given) if isinstance(given, str) else given
    if name == "hard_sigmoid":
        return (hard_sigmoid_3 if call.keras3 else hard_sigmoid_2)(call.b, x)
    if not isinstance(name, str) or name not in _FUNCTIONS or arguments.get("alpha") is not None:
        raise UnsupportedOpError(
            f"{call}: activation {given!r} is no activation of Keras that is known here; if it is a function of your "
            "own, export the model as a SavedModel and convert that"
        )
    return _FUNCTIONS[name](call.b, x)
