"""Activations that graphs spell out in several nodes: kernels of tfgl's own, which rewrites at load call."""

from __future__ import annotations

from collections.abc import Callable

from ..registry import kernel
from ..tensor import Tensor
from .unary import Unary, emit_unary

ACTIVATIONS: dict[str, Unary] = {
    "_Gelu": Unary("gelu_exact(a)", includes="math/gelu"),
    "_GeluTanh": Unary("gelu_tanh(a)", includes="math/gelu_tanh"),
    "_Swish": Unary("swish_exact(a)", includes="math/swish"),
}


def _register(name: str, rule: Unary) -> None:
    def activation(x: Tensor) -> Tensor:
        return emit_unary(rule, x)

    function: Callable[[Tensor], Tensor] = activation
    function.__name__ = function.__qualname__ = name.lower()
    function.__doc__ = f"{name[1:]} of every element: {rule.floats}."
    kernel(name)(function)


@kernel("_HardSigmoid")
def hard_sigmoid(x: Tensor, *, factor: float = 1 / 6) -> Tensor:
    """relu6(x + 3) times ``factor``."""
    return emit_unary(Unary("hard_sigmoid(a, hard_factor)", includes="math/hard"), x, {"hard_factor": float(factor)})


@kernel("_HardSwish")
def hard_swish(x: Tensor, *, factor: float = 1 / 6) -> Tensor:
    """x relu6(x + 3) times ``factor``."""
    return emit_unary(Unary("hard_swish(a, hard_factor)", includes="math/hard"), x, {"hard_factor": float(factor)})


for _name, _rule in ACTIVATIONS.items():
    _register(_name, _rule)
