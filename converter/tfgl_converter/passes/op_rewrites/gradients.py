"""Gradients of elementwise ops, in models that were differentiated; operands in the order of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

from tfgl.ir.graph import Edge

from .registry import INT32, Place, Unfit, rewrite


@rewrite("TanhGrad", "SigmoidGrad", "SqrtGrad", "RsqrtGrad", "InvGrad", "ReciprocalGrad")
def by_result(place: Place) -> Edge:
    """From the result y of the op and the gradient dy."""
    y, dy = place.inputs
    op = place.op
    slopes: dict[str, Callable[[], Edge]] = {
        "TanhGrad": lambda: op("Sub", place.constant(1), op("Square", y)),
        "SigmoidGrad": lambda: op("Mul", y, op("Sub", place.constant(1), y)),
        "SqrtGrad": lambda: op("RealDiv", place.constant(0.5), y),
        "RsqrtGrad": lambda: op("Mul", place.constant(-0.5), op("Mul", y, op("Square", y))),
        "InvGrad": lambda: op("Neg", op("Square", y)),
        "ReciprocalGrad": lambda: op("Neg", op("Square", y)),
    }
    return op("Mul", dy, slopes[place.node.op]())


@rewrite("ReluGrad", "Relu6Grad", "LeakyReluGrad", "EluGrad", "SeluGrad", "SoftplusGrad", "SoftsignGrad")
def by_operand(place: Place) -> Edge:
    """From the gradient dy and the operand or result x; most have the slope 1 right of 0."""
    dy, x = place.inputs
    op, zero = place.op, place.constant(0)
    kind = place.node.op.removesuffix("Grad")
    if kind == "Softplus":
        return op("Mul", dy, op("Sigmoid", x))
    if kind == "Softsign":
        return op("RealDiv", dy, op("Square", op("AddV2", place.constant(1), op("Abs", x))))
    right = op("Greater", x, zero)
    if kind == "Relu6":
        right = op("LogicalAnd", right, op("Less", x, place.constant(6)))
    if kind == "Selu":
        scale, alpha = 1.0507009873554805, 1.7580993408473768
        left = op("Mul", dy, op("AddV2", x, place.constant(alpha)))
        return op("SelectV2", right, op("Mul", dy, place.constant(scale)), left)
    left = zero
    if kind == "LeakyRelu":
        left = op("Mul", dy, place.constant(float(place.attr("alpha", 0.2))))
    elif kind == "Elu":
        left = op("Mul", dy, op("AddV2", x, place.constant(1)))
    return op("SelectV2", right, dy, left)


@rewrite("BiasAddGrad")
def bias(place: Place) -> Edge | Unfit:
    """The sum over all axes but that of the channels."""
    known = place.known_shape(0)
    if known is None:
        return Unfit("an input of known rank")
    channel = 1 if place.attr("data_format", b"NHWC") == b"NCHW" else len(known) - 1
    axes = place.integers(*(axis for axis in range(len(known)) if axis != channel))
    return place.op("Sum", place.inputs[0], axes, Tidx=INT32, keep_dims=False)
