"""The ``fused_ops`` of Grappler's fused nodes: one kernel where it takes them, else kernels behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ModelFormatError
from .arrange import binary, reshape, scalar_like, unary
from .call import Call, Value

# Name in `fused_ops`, TensorFlow's or that of an op of tfgl's own -> the `activation` of a fused kernel, and the kernel
# that computes it alone.
ACTIVATIONS = {
    "Relu": ("relu", "Relu"),
    "Relu6": ("relu6", "Relu6"),
    "Elu": ("elu", "Elu"),
    "Sigmoid": ("sigmoid", "Sigmoid"),
    "Tanh": ("tanh", "Tanh"),
    "LeakyRelu": ("leakyrelu", "LeakyRelu"),
    "Prelu": ("prelu", "Prelu"),
    "GeluExact": ("gelu", "_Gelu"),
    "GeluApproximate": ("gelutanh", "_GeluTanh"),
    "_FusedHardSwish": ("hardswish", "_HardSwish"),
    "_Swish": ("swish", "_Swish"),
    "_HardSwish": ("hardswish", "_HardSwish"),
    "_HardSigmoid": ("hardsigmoid", "_HardSigmoid"),
    "_Gelu": ("gelu", "_Gelu"),
    "_GeluTanh": ("gelutanh", "_GeluTanh"),
}
# Those with a factor, the attribute `activation_factor` of a fused node.
HARD = ("_HardSwish", "_HardSigmoid")
# Kernels that `run_fused` may call besides those it is given.
FUSED = ("Add", "Reshape", "Sub", "Multiply", "Rsqrt", *sorted({kernel for _, kernel in ACTIVATIONS.values()}))

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
            attrs["activation"] = ACTIVATIONS[activation][0]
            if activation == "LeakyRelu":
                attrs["leakyreluAlpha"] = call.number("leakyrelu_alpha", 0.2)
            if activation in HARD:
                attrs["leakyreluAlpha"] = call.number("activation_factor", 1 / 6)
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
    if step in ACTIVATIONS:
        return unary(call, ACTIVATIONS[step][1], x)
    known = ", ".join(("BiasAdd", "Add", "FusedBatchNorm", *ACTIVATIONS))
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
