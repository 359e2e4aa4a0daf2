"""Quantisation inside of a model: its values are real numbers in the graph, so most of it vanishes."""

from __future__ import annotations

import numpy as np

from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator

# An attribute of nodes whose float values TensorFlow Lite rounds; integer operators compute with them in float.
_MARK = "_rounded"


@operator("QUANTIZE")
def quantize(o: Operator) -> Tensor:
    """The same real numbers. Into integers without a scale they are cast."""
    x, target = o.x(0), o.out()
    if x.dtype != target.dtype:
        return o.b.cast(x, target.dtype)
    return o.b.unary("Identity", x, _rounded=not o.spec(0).is_quantised)


@operator("DEQUANTIZE", "DENSIFY")
def dequantize(o: Operator) -> Tensor:
    """The same real numbers; those that were quantised just before are rounded, as that is what the pair is for."""
    x, target, quantization = o.x(0), o.out(), o.spec(0).quantization
    if x.dtype != target.dtype:
        return o.b.cast(x, target.dtype)
    if quantization is None or not o.b.nodes[x.edge.node].attrs.get(_MARK) or quantization.scale.size != 1:
        return x
    scale, zero = float(quantization.scale[0]), float(quantization.zero_point[0])
    limits = np.iinfo("int8" if o.spec(0).type == "int4" else o.spec(0).type)
    steps = o.b.unary("Round", o.b.div(x, scale))
    return o.b.mul(o.b.clip(steps, limits.min - zero, limits.max - zero), scale)


@operator("FAKE_QUANT")
def fake_quant(o: Operator) -> Tensor:
    """x rounded to the steps of a quantisation."""
    low, high = (o.b.constant(float(o.option(name)), "float32") for name in ("Min", "Max"))
    return o.result(
        "FakeQuantWithMinMaxVars", [o.x(0), low, high], num_bits=int(o.option("NumBits", 8)),
        narrow_range=bool(o.option("NarrowRange", False)),
    )  # fmt: skip
