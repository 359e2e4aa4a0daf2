"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import batch_matmul_shape, broadcast_shapes, parse_einsum
from .conversion import numbers
from .elementwise import activate
from .registry import Array, reference


@reference("BatchMatMul")
def batch_mat_mul(a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> Array:
    """Products of matrices over broadcast batch axes."""
    batch_matmul_shape(a.shape, b.shape, transpose_a, transpose_b)
    a, b = numbers(a, b)
    return np.asarray(np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b))


@reference("_FusedMatMul")
def fused_mat_mul(
    a: Array,
    b: Array,
    bias: Array | None = None,
    prelu_activation_weights: Array | None = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
    leakyrelu_alpha: float | None = None,
) -> Array:
    """BatchMatMul, then a bias, then an activation."""
    product = batch_mat_mul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    if bias is not None:
        broadcast_shapes(product.shape, bias.shape)
        product = product + bias
    return activate(product, activation, prelu_activation_weights, leakyrelu_alpha)


@reference("Einsum")
def einsum(tensors: Sequence[Array], *, equation: str) -> Array:
    """The Einstein sum of ``equation``; int32 wraps."""
    plan = parse_einsum(equation, [tensor.shape for tensor in tensors])
    codes = {label: code for code, label in enumerate(plan.sizes)}
    operands: list[object] = []
    for tensor, labels in zip(numbers(*tensors), plan.inputs, strict=True):
        # An ellipsis axis that broadcasts adds nothing to the product.
        kept = [k for k, label in enumerate(labels) if tensor.shape[k] == plan.sizes[label]]
        operands += [tensor.reshape([tensor.shape[k] for k in kept]), [codes[labels[k]] for k in kept]]
    # The shortest path multiplies matrices, which pays off for two operands and more.
    result: Array = np.asarray(
        np.einsum(*operands, [codes[label] for label in plan.output], optimize=len(tensors) > 1)  # type: ignore[call-overload]
    )
    return result


@reference("MatrixBandPart")
def matrix_band_part(input: Array, num_lower: Array, num_upper: Array) -> Array:
    """Matrices with only so many diagonals below and above the main one; a negative number keeps them all."""
    if input.ndim < 2:
        raise InvalidArgumentError(f"bandPart(): Rank must be at least 2, got {input.ndim}.")
    lower, upper = int(num_lower), int(num_upper)
    below = np.subtract.outer(np.arange(input.shape[-2]), np.arange(input.shape[-1]))
    kept = ((lower < 0) | (below <= lower)) & ((upper < 0) | (-below <= upper))
    return np.where(kept, input, input.dtype.type(0))
