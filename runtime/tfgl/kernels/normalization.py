"""Normalization kernels: by the statistics of a batch, and by neighbouring channels."""

from __future__ import annotations

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import broadcast_shapes
from ..registry import kernel
from ..tensor import Tensor
from .elementwise import emit_elementwise
from .unary import cast_to


@kernel("FusedBatchNorm")
def fused_batch_norm(
    x: Tensor,
    scale: Tensor | None = None,
    offset: Tensor | None = None,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
    *,
    variance_epsilon: float = 0.001,
) -> Tensor:
    """(x - mean) * scale / sqrt(variance + epsilon) + offset.

    The four have one value a channel, or broadcast to the shape of ``x``.
    """
    if mean is None or variance is None:
        missing = "mean" if mean is None else "variance"
        raise InvalidArgumentError(f"FusedBatchNorm needs input {missing!r}")
    for name, other in (("variance", variance), ("offset", offset), ("scale", scale)):
        if other is not None and other.ndim != mean.ndim:
            raise InvalidArgumentError(
                f"Batch normalization gradient requires mean and {name} to have equal ranks; "
                f"got shapes {mean.shape} and {other.shape}"
            )
    given = [tensor for tensor in (x, scale, offset, mean, variance) if tensor is not None]
    if broadcast_shapes(*(tensor.shape for tensor in given)) != x.shape:
        raise InvalidArgumentError(
            f"mean, variance, scale and offset must broadcast to x of shape {x.shape}; "
            f"got {[tensor.shape for tensor in given[1:]]}"
        )
    factor = _factor(scale, variance, variance_epsilon)
    # The mean comes off first: a combined offset would cancel where it is large beside the deviation.
    operands = [x, mean, factor]
    if offset is None:
        return emit_elementwise(operands, "(a - b) * c", "float32")
    return emit_elementwise([*operands, offset], "(a - b) * c + d", "float32")


def _factor(scale: Tensor | None, variance: Tensor, epsilon: float) -> Tensor:
    parameters: dict[str, ParameterValue] = {"variance_epsilon": float(epsilon)}

    def make() -> Tensor:
        operands = [variance] if scale is None else [variance, scale]
        numerator = "1.0" if scale is None else "b"
        expression = f"{numerator} / sqrt(a + variance_epsilon)"
        return emit_elementwise(operands, expression, "float32", parameters=parameters)

    if scale is None or scale.persistent:
        key = ("batch_norm", None if scale is None else scale.id, epsilon)
        return variance.engine.derive(variance, key, make)
    return make()


@kernel("LRN")
def lrn(
    x: Tensor, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Tensor:
    """x * (bias + alpha * sum of x^2 over the channels within ``depth_radius``)^-beta, of rank 4."""
    _check_rank("LRN", x)
    return _emit_norm(x, depth_radius, bias, alpha, beta, {})


@kernel("LRNGrad")
def lrn_grad(
    x: Tensor,
    y: Tensor,
    dy: Tensor,
    *,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
) -> Tensor:
    """Gradient of LRN's ``x``, for its result ``y`` and the gradient ``dy`` of that."""
    _check_rank("LRNGrad", dy)
    if not x.shape == y.shape == dy.shape:
        raise InvalidArgumentError(
            f"LRNGrad: x, y and dy must have one shape; got {x.shape}, {y.shape}, {dy.shape}"
        )
    norm = _emit_norm(x, depth_radius, bias, alpha, beta, {"NORM": 1})
    values = _parameters(x, depth_radius, bias, alpha, beta)
    inputs = {"x": cast_to(x, "float32"), "y": y, "dy": dy, "norm": norm}
    return x.engine.emit("lrn_grad", inputs, x.shape, "float32", values) if x.size else x


def _check_rank(name: str, x: Tensor) -> None:
    if x.ndim != 4:
        raise InvalidArgumentError(f"Error in {name}: x must be rank 4 but got rank {x.ndim}.")


def _parameters(
    x: Tensor, depth_radius: int, bias: float, alpha: float, beta: float
) -> dict[str, ParameterValue]:
    if int(depth_radius) != depth_radius:
        raise InvalidArgumentError(
            "Error in localResponseNormalization: "
            f"depthRadius must be an integer but got depthRadius {depth_radius}."
        )
    return {
        "channel_count": x.shape[3],
        "depth_radius": int(depth_radius),
        "norm_bias": float(bias),
        "norm_alpha": float(alpha),
        "norm_beta": float(beta),
    }


def _emit_norm(
    x: Tensor, depth_radius: int, bias: float, alpha: float, beta: float, defines: dict[str, object]
) -> Tensor:
    values = _parameters(x, depth_radius, bias, alpha, beta)
    return x.engine.emit("lrn", {"x": cast_to(x, "float32")}, x.shape, "float32", values, defines)
