"""The ``fused_ops`` of Grappler's fused nodes: one kernel where it takes them, else kernels behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ModelFormatError
from .arrange import binary, reshape, scalar_like, unary
from .call import Call, Value

# TensorFlow's name in `fused_ops` -> the `activation` of a fused kernel.
ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Elu": "elu",
    "Sigmoid": "sigmoid",
    "LeakyRelu": "leakyrelu",
    "Prelu": "prelu",
}
# Kernels that `run_fused` may call besides those it is given.
FUSED = (
    "Add", "Reshape", "Sub", "Multiply", "Rsqrt", "Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu",
    "Tanh", "Erf",
)  # fmt: skip

Plain = Callable[[], Value]
Fused = Callable[[Mapping[str, Value], Mapping[str, Any]], Value]


def run_fused(
    call: Call, plain: Plain, fused: Fused, *, one_kernel: bool = True, channels_first: bool = False
) -> Value:
    """The result of ``plain`` after the node's ``fused_ops``, whose operands are inputs 2 and up.

    A bias with at most one activation is one run of ``fused(inputs, attrs)``; the rest follows as kernels of
    its own, and so does everything without ``one_kernel``: in NCHW, whose bias the fused kernels would
    broadcast along the wrong axis, and for grouped convolutions.
    """
    names = call.texts("fused_ops")
    args = list(call.inputs[2:])

    def take() -> Value:
        if not args:
            raise ModelFormatError(f"{call.node}: fused_ops {names} need more inputs than the node has")
        return args.pop(0)

    steps = list(names)
    if steps and one_kernel and (steps[0] == "BiasAdd" or steps[0] in ACTIVATIONS):
        inputs: dict[str, Value] = {}
        attrs: dict[str, Any] = {"activation": "linear"}
        if steps[0] == "BiasAdd":
            steps.pop(0)
            inputs["bias"] = take()
        if steps and steps[0] in ACTIVATIONS:
            activation = steps.pop(0)
            attrs["activation"] = ACTIVATIONS[activation]
            if activation == "LeakyRelu":
                attrs["leakyreluAlpha"] = call.number("leakyrelu_alpha", 0.2)
            if activation == "Prelu":
                inputs["preluActivationWeights"] = take()
        result = fused(inputs, attrs)
    else:
        result = plain()
    for step in steps:
        result = _apply(call, step, result, take, channels_first)
    if args:
        raise ModelFormatError(f"{call.node}: {len(args)} inputs are left after fused_ops {names}")
    return result


def _apply(call: Call, step: str, x: Value, take: Callable[[], Value], channels_first: bool) -> Value:
    if step == "BiasAdd":
        return binary(call, "Add", x, _channels(call, take(), x, channels_first))
    if step == "Add":
        return binary(call, "Add", x, take())
    if step == "FusedBatchNorm":
        vectors = tuple(_channels(call, take(), x, channels_first) for _ in range(4))
        return batch_norm(call, x, vectors, call.number("epsilon", 1e-4))
    if step == "LeakyRelu":
        return call.one("LeakyRelu", {"x": x}, alpha=call.number("leakyrelu_alpha", 0.2))
    if step == "Prelu":
        return call.one("Prelu", {"x": x, "alpha": _channels(call, take(), x, channels_first)})
    if step in ("Tanh", *ACTIVATIONS):
        return unary(call, step, x)
    if step in ("GeluExact", "GeluApproximate"):
        return _gelu(call, x, exact=step == "GeluExact")
    if step == "_FusedHardSwish":
        return _hard_swish(call, x)
    others = ("BiasAdd", "Add", "FusedBatchNorm", "Tanh", "GeluExact", "GeluApproximate", "_FusedHardSwish")
    known = ", ".join((*others, *ACTIVATIONS))
    raise ModelFormatError(f"{call.node}: unknown fused op {step!r}; known are {known}")


def batch_norm(call: Call, x: Value, vectors: tuple[Value, ...], epsilon: float) -> Value:
    """(x - mean) · scale / sqrt(variance + epsilon) + offset.

    ``vectors`` are scale, offset, mean and variance, which broadcast against ``x``.
    """
    scale, offset, mean, variance = vectors
    inverse = unary(call, "Rsqrt", binary(call, "Add", variance, scalar_like(call, epsilon, variance)))
    scaled = binary(call, "Multiply", binary(call, "Sub", x, mean), binary(call, "Multiply", inverse, scale))
    return binary(call, "Add", scaled, offset)


def _channels(call: Call, value: Value, x: Value, channels_first: bool) -> Value:
    """A vector over channels in a shape that broadcasts against ``x``."""
    if not channels_first or len(value.shape) != 1:
        return value
    return reshape(call, value, [value.shape[0], *[1] * (len(x.shape) - 2)])


def _gelu(call: Call, x: Value, *, exact: bool) -> Value:
    # 0.5 x (1 + erf(x / sqrt 2)), or 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
    if exact:
        inner = unary(call, "Erf", binary(call, "Multiply", x, scalar_like(call, 0.7071067811865476, x)))
    else:
        cube = binary(call, "Multiply", binary(call, "Multiply", x, x), x)
        sum_ = binary(call, "Add", x, binary(call, "Multiply", cube, scalar_like(call, 0.044715, x)))
        inner = unary(call, "Tanh", binary(call, "Multiply", sum_, scalar_like(call, 0.7978845608028654, x)))
    half = binary(call, "Multiply", x, scalar_like(call, 0.5, x))
    return binary(call, "Multiply", half, binary(call, "Add", inner, scalar_like(call, 1, x)))


def _hard_swish(call: Call, x: Value) -> Value:
    # x relu6(x + 3) / 6, as oneDNN's remapper names it.
    gate = unary(call, "Relu6", binary(call, "Add", x, scalar_like(call, 3, x)))
    return binary(call, "Multiply", x, binary(call, "Multiply", gate, scalar_like(call, 1 / 6, x)))
