"""Fused ops of TensorFlow's optimiser, in graphs that it saved, as far as TensorFlow.js cannot run them."""

from __future__ import annotations

import math

from tfgl.ir.graph import AttrValue, DataType, Edge

from .registry import Place, Unfit, rewrite

_FUSED = {
    "_FusedConv2D": "Conv2D",
    "_FusedMatMul": "MatMul",
    "_FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
}
_OF_FUSION = ("fused_ops", "num_args", "epsilon", "leakyrelu_alpha", "TArgs", "num_host_args", "_output_shapes")
_ALONE = ("Relu", "Relu6", "Elu", "Tanh", "Sigmoid", "Softplus", "Selu")
_KNOWN = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")


@rewrite(*_FUSED)
def fused(place: Place) -> Edge | Unfit | None:
    """The product, its bias or norm and its activation one by one; what can be fused is fused again later."""
    steps = [bytes(step).decode("ascii", "replace") for step in place.attr("fused_ops", [])]
    supported = steps[:1] == ["BiasAdd"] and all(step in _KNOWN for step in steps[1:]) and len(steps) <= 2
    if place.node.op != "_FusedDepthwiseConv2dNative" and (supported or not steps):
        return None
    attrs: dict[str, AttrValue] = {key: value for key, value in place.node.attrs.items() if key not in _OF_FUSION}
    x, kernel, *rest = place.inputs
    found = place.plain(_FUSED[place.node.op], x, kernel, attrs=attrs)
    layout = place.attr("data_format", b"NHWC")
    for step in steps:
        if step == "BiasAdd":
            found = place.op("BiasAdd", found, rest.pop(0), data_format=layout)
        elif step == "FusedBatchNorm":
            epsilon = float(place.attr("epsilon", 1e-4))
            found = place.op("FusedBatchNormV3", found, *rest[:4], epsilon=epsilon, data_format=layout,
                             is_training=False, U=DataType("float32"))  # fmt: skip
            rest = rest[4:]
        elif step == "LeakyRelu":
            found = place.op("LeakyRelu", found, alpha=float(place.attr("leakyrelu_alpha", 0.2)))
        elif step in _ALONE:
            found = place.op(step, found)
        elif step in ("Add", "Prelu"):
            found = place.op("AddV2" if step == "Add" else step, found, rest.pop(0))
        elif step in ("GeluExact", "GeluApproximate"):
            found = _gelu(place, found, exact=step == "GeluExact")
        elif step == "_FusedHardSwish":
            gate = place.op("Relu6", place.op("AddV2", found, place.constant(3)))
            found = place.op("Mul", found, place.op("Mul", gate, place.constant(1 / 6)))
        else:
            return Unfit(f"another fused op than {step}")
    return found


def _gelu(place: Place, x: Edge, *, exact: bool) -> Edge:
    def op(name: str, *parts: Edge | float) -> Edge:
        return place.op(name, *(part if isinstance(part, Edge) else place.constant(part) for part in parts))

    if exact:
        return op("Mul", op("Mul", x, 0.5), op("AddV2", op("Erf", op("Mul", x, 1 / math.sqrt(2))), 1.0))
    slope = 2 * math.sqrt(2 / math.pi)
    return op("Mul", x, op("Sigmoid", op("Mul", x, op("AddV2", op("Mul", op("Square", x), slope * 0.044715), slope))))


@rewrite("_FusedBatchNormEx")
def fused_norm(place: Place) -> Edge | Unfit:
    """The norm, what is added to it, and the activation."""
    if place.attr("is_training", True) is not False:
        return Unfit("given statistics")
    attrs = {key: place.node.attrs[key] for key in ("T", "U", "epsilon", "data_format") if key in place.node.attrs}
    found = place.plain("FusedBatchNormV3", *place.inputs[:5], attrs={**attrs, "is_training": False})
    if place.attr("num_side_inputs", 0):
        found = place.op("AddV2", found, place.inputs[5])
    activation = bytes(place.attr("activation_mode", b"Identity")).decode()
    return place.op(activation, found) if activation in ("Identity", "Relu") else Unfit("no activation but Relu")
