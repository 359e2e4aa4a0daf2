"""Batch normalization, softmax, local response normalization, norms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import InvalidArgumentError
from .arrange import axis_of, binary, reshape, scalar_like, unary
from .call import Call, Value
from .fusion import batch_norm
from .registry import lower


@lower(
    "FusedBatchNorm",
    "FusedBatchNormV2",
    "FusedBatchNormV3",
    inputs=5,
    kernels=("FusedBatchNorm", "Mean", "SquaredDifference", "Reshape", "Add", "Sub", "Multiply", "Rsqrt"),
)
def fused_batch_norm(call: Call) -> list[Value | None]:
    """y, mean, variance; in training mode (TensorFlow's default) both are those of the batch.

    Outputs past the third serve gradients only and are None.
    """
    x, scale, offset, mean, variance = call.inputs
    rank = len(x.shape)
    if rank not in (4, 5):
        raise InvalidArgumentError(f"the input must have rank 4 or 5, got shape {list(x.shape)}")
    axis = 1 if call.text("data_format", "NHWC") in ("NCHW", "NCDHW") else rank - 1
    epsilon = call.number("epsilon", 1e-4)
    outputs: tuple[Value | None, Value | None] = (mean, variance)
    if call.flag("is_training", True):
        others = [i for i in range(rank) if i != axis]
        count = math.prod(x.shape[i] for i in others)
        kept = call.one("Mean", {"x": x}, axis=others, keepDims=True)
        spread = call.one("Mean", {"x": binary(call, "SquaredDifference", x, kept)}, axis=others, keepDims=True)
        batch_mean, batch_variance = (reshape(call, value, (x.shape[axis],)) for value in (kept, spread))
        outputs = _running(call, (mean, variance), (batch_mean, batch_variance), count)
        mean, variance = batch_mean, batch_variance
    if axis == rank - 1:
        y = call.one(
            "FusedBatchNorm",
            {"x": x, "scale": scale, "offset": offset, "mean": mean, "variance": variance},
            varianceEpsilon=epsilon,
        )
    else:
        shape = (x.shape[axis], *[1] * (rank - 2))
        vectors = tuple(reshape(call, value, shape) for value in (scale, offset, mean, variance))
        y = batch_norm(call, x, vectors, epsilon)
    return [y, *outputs, None, None, None]


def _running(
    call: Call, old: tuple[Value, Value], batch: tuple[Value, Value], count: int
) -> tuple[Value | None, Value | None]:
    """The mean and variance outputs of training: Bessel's correction, then an exponential average."""
    factor = call.number("exponential_avg_factor", 1.0)
    results: list[Value | None] = []
    for i in range(2):
        if not call.wanted(1 + i):
            results.append(None)
            continue
        new = batch[i]
        if i == 1 and count > 1:
            new = binary(call, "Multiply", new, scalar_like(call, count / (count - 1), new))
        if factor != 1.0:
            kept = binary(call, "Multiply", old[i], scalar_like(call, 1 - factor, new))
            new = binary(call, "Add", kept, binary(call, "Multiply", new, scalar_like(call, factor, new)))
        results.append(new)
    return results[0], results[1]


@lower("LRN", inputs=1, kernels=("LRN",))
def lrn(call: Call) -> Value:
    """Local response normalization along the channels."""
    x, radius = call.inputs[0], call.integer("depth_radius", 5)
    if len(x.shape) != 4 or radius < 0:
        raise InvalidArgumentError(f"a radius of 0 or more needs images of rank 4, got {radius} and {list(x.shape)}")
    return call.one(
        "LRN",
        {"x": x},
        # No sum reaches farther than all the channels.
        depthRadius=min(radius, x.shape[3]),
        bias=call.number("bias", 1.0),
        alpha=call.number("alpha", 1.0),
        beta=call.number("beta", 0.5),
    )


@lower("Softmax", inputs=1, kernels=("Softmax",))
def softmax(call: Call) -> Value:
    """Along the last axis."""
    x = call.inputs[0]
    return call.one("Softmax", {"logits": x}, dim=_last_axis(x))


@lower("LogSoftmax", inputs=1, kernels=("Max", "Sub", "Exp", "Sum", "Log"))
def log_softmax(call: Call) -> Value:
    """x - max - log(sum(exp(x - max))) along the last axis."""
    x = call.inputs[0]
    axis = [_last_axis(x)]
    shifted = binary(call, "Sub", x, call.one("Max", {"x": x}, reductionIndices=axis, keepDims=True))
    total = call.one("Sum", {"x": unary(call, "Exp", shifted)}, axis=axis, keepDims=True)
    return binary(call, "Sub", shifted, unary(call, "Log", total))


def _last_axis(x: Value) -> int:
    if not x.shape:
        raise InvalidArgumentError("logits must have at least one axis, got a scalar")
    return len(x.shape) - 1


@lower("_Softmax", inputs=1, kernels=("Softmax",), internal=True)
def softmax_along(call: Call) -> Value:
    """Along the attribute ``axis``; made by a rewrite."""
    x = call.inputs[0]
    return call.one("Softmax", {"logits": x}, dim=axis_of(call.integer("axis", -1), len(x.shape)))


@lower("_Standardize", inputs=1, kernels=("_Standardize",), internal=True)
def standardize(call: Call) -> Value:
    """Mean 0 and variance 1 over the attribute ``axes``; made by a rewrite."""
    x = call.inputs[0]
    axes = [axis_of(axis, len(x.shape)) for axis in call.integers("axes")]
    return call.one("_Standardize", {"x": x}, axes=axes, epsilon=call.number("epsilon"))


@lower("EuclideanNorm", inputs=2, kernels=("Square", "Sum", "Sqrt"), host=(1,))
def euclidean_norm(call: Call) -> Value:
    """sqrt(sum(x^2))."""
    x = call.inputs[0]
    axes: Sequence[int] = [axis_of(axis, len(x.shape)) for axis in call.host_integers(1)]
    total = call.one("Sum", {"x": unary(call, "Square", x)}, axis=axes, keepDims=call.flag("keep_dims"))
    return unary(call, "Sqrt", total)


@lower(
    "_LayerNormalization",
    inputs=3,
    kernels=("_LayerNormalization", "Mean", "SquaredDifference", "Add", "Sub", "Multiply", "Rsqrt", "Reshape"),
    internal=True,
)
def layer_normalization(call: Call) -> Value:
    """What `recognize_layer_norms` found, in one kernel where it is over the last axis and that fills texels."""
    x, scale, offset = call.inputs
    axis, epsilon = axis_of(call.integer("axis"), len(x.shape)), call.number("epsilon")
    if axis == len(x.shape) - 1 and x.shape[axis] % 4 == 0 and scale.shape == offset.shape == x.shape[axis:]:
        return call.one("_LayerNormalization", {"x": x, "scale": scale, "offset": offset}, epsilon=epsilon)
    mean = call.one("Mean", {"x": x}, axis=[axis], keepDims=True)
    variance = call.one("Mean", {"x": binary(call, "SquaredDifference", x, mean)}, axis=[axis], keepDims=True)
    return batch_norm(call, x, (scale, offset, mean, variance), epsilon)
