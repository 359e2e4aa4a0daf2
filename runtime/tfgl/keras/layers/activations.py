"""Activations that are layers."""

from __future__ import annotations

from ..activations import elu as elu_of
from ..activations import leaky
from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer


@layer("ReLU", masking="pass")
def relu(c: Call) -> Tensor:
    """x from ``threshold`` to ``max_value``, negative_slope (x - threshold) below."""
    b, x = c.b, c.x
    slope, threshold = c.number("negative_slope", 0.0), c.number("threshold", 0.0)
    top = None if c.get("max_value") is None else c.number("max_value")
    if not threshold and top is None:
        return leaky(slope)(b, x) if slope else b.unary("Relu", x)
    if threshold:
        result = b.mul(x, b.cast(b.binary("Greater", x, threshold), x.dtype))
    elif top == 6:
        result = b.unary("Relu6", x)
    else:
        result = b.unary("Relu", x)
    if top is not None and (threshold or top != 6):
        result = b.clip(result, 0.0, top)
    if slope:
        below = b.unary("Relu", b.sub(threshold, x) if threshold else b.unary("Neg", x))
        result = b.sub(result, b.mul(below, slope))
    return result


@layer("LeakyReLU", masking="pass")
def leaky_relu(c: Call) -> Tensor:
    """x, and alpha x below 0; Keras 3 calls alpha ``negative_slope``."""
    key = "negative_slope" if c.get("negative_slope") is not None else "alpha"
    return leaky(c.number(key, 0.3))(c.b, c.x)


@layer("PReLU", weights=(Weight("alpha"),), masking="pass")
def prelu(c: Call) -> Tensor:
    """x, and alpha x below 0, with an alpha for each position (1 along ``shared_axes``)."""
    alpha = c.weight("alpha")
    shape = [1 if size == 1 else own for size, own in zip(alpha.shape, c.x.shape[1:], strict=True)]
    alpha = c.weight("alpha", shape)
    return c.b.add("Prelu", [c.x, alpha], c.x.shape)


@layer("ELU", masking="pass")
def elu(c: Call) -> Tensor:
    """x, and alpha (exp(x) - 1) below 0."""
    return elu_of(c.number("alpha", 1.0))(c.b, c.x)


@layer("ThresholdedReLU", masking="pass")
def thresholded_relu(c: Call) -> Tensor:
    """x above theta, else 0."""
    return c.b.mul(c.x, c.b.cast(c.b.binary("Greater", c.x, c.number("theta", 1.0)), c.x.dtype))


@layer("Softmax", masking="pass")
def softmax(c: Call) -> Tensor:
    """Softmax along one axis or several; positions that a mask hides count as -1e9."""
    x = c.x
    mask = c.kwargs.get("mask") if isinstance(c.kwargs.get("mask"), Tensor) else x.mask
    if mask is None and len(c.inputs) > 1:
        mask = c.inputs[1]
    if mask is not None:
        x = masked_logits(c, x, mask)
    axis = c.get("axis", -1)
    if isinstance(axis, (list, tuple)) and len(axis) > 1:
        axes = [int(a) for a in axis]
        raised = c.b.unary("Exp", c.b.sub(x, c.b.reduce("Max", x, axes, keep=True)))
        return c.b.div(raised, c.b.reduce("Sum", raised, axes, keep=True))
    return c.b.softmax(x, int(axis[0]) if isinstance(axis, (list, tuple)) else c.integer("axis", -1))


def masked_logits(c: Call, x: Tensor, mask: Tensor) -> Tensor:
    """x where the mask holds; elsewhere -1e9 (Keras 3), or x - 1e9 (Keras 2)."""
    keep = c.b.cast(mask, "bool")
    if c.keras3:
        return c.b.select(keep, x, -1e9)
    return c.b.add_(x, c.b.mul(c.b.sub(1.0, c.b.cast(keep, x.dtype)), -1e9))
