"""Matrix products, einsum, transposition and bands."""

from __future__ import annotations

import math
import string

import numpy as np

from ...errors import InvalidArgumentError, ModelFormatError
from .arrange import binary, broadcast_shape, reshape, scalar_like, select, transpose, unary
from .call import Call, Value
from .fusion import FUSED, run_fused
from .registry import lower


@lower("MatMul", inputs=2, kernels=("BatchMatMul",))
def mat_mul(call: Call) -> Value:
    """The product of two matrices, either transposed on demand."""
    return _product(call, call.flag("transpose_a"), call.flag("transpose_b"))


@lower("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", inputs=2, kernels=("BatchMatMul",))
def batch_mat_mul(call: Call) -> Value:
    """Products of the matrices in the last two axes; the axes before broadcast."""
    return _product(call, call.flag("adj_x"), call.flag("adj_y"))


def _product(call: Call, transpose_a: bool, transpose_b: bool) -> Value:
    a, b = call.inputs
    return call.one("BatchMatMul", {"a": a, "b": b}, transposeA=transpose_a, transposeB=transpose_b)


@lower("_FusedMatMul", inputs=(2, None), kernels=("_FusedMatMul", "BatchMatMul", *FUSED))
def fused_mat_mul(call: Call) -> Value:
    """A product, then what ``fused_ops`` lists: a bias, an activation and so on."""
    a, b = call.inputs[:2]
    attrs = {"transposeA": call.flag("transpose_a"), "transposeB": call.flag("transpose_b")}
    return run_fused(
        call,
        plain=lambda: call.one("BatchMatMul", {"a": a, "b": b}, **attrs),
        fused=lambda inputs, more: call.one("_FusedMatMul", {"a": a, "b": b, **inputs}, **attrs, **more),
    )


@lower("Transpose", inputs=2, kernels=("Transpose",), host=(1,))
def transpose_op(call: Call) -> Value:
    """The permutation is an input."""
    x, perm = call.inputs[0], call.host_integers(1)
    rank = len(x.shape)
    axes = [axis + rank if axis < 0 else axis for axis in perm]
    if sorted(axes) != list(range(rank)):
        raise InvalidArgumentError(f"{perm} is no permutation of the {rank} axes of shape {list(x.shape)}")
    return transpose(call, x, axes)


@lower("Einsum", inputs=(1, None), kernels=("Einsum", "Reshape", "Transpose", "PadV2", "Slice"))
def einsum(call: Call) -> Value:
    """The kernel knows no ellipsis, no broadcasting and no diagonals: all are spelt out here.

    Axes of an ellipsis become letters; one of size 1 that broadcasts against a longer one is squeezed away.
    """
    equation = call.text("equation").replace(" ", "")
    tensors = list(call.inputs)
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if not arrow or len(terms) != len(tensors):
        raise ModelFormatError(f"{call.node}: equation {equation!r} does not fit {len(tensors)} inputs")
    if "..." not in equation:
        return _einsum(call, tensors, terms, right)
    free = [letter for letter in string.ascii_letters if letter not in equation]
    covered: list[tuple[int, ...]] = []
    for term, tensor in zip(terms, tensors, strict=True):
        before, dots, after = term.partition("...")
        count = len(tensor.shape) - len(before) - len(after)
        if count < 0 or (not dots and count):
            raise InvalidArgumentError(f"term {term!r} of {equation!r} does not fit shape {list(tensor.shape)}")
        covered.append(tuple(tensor.shape[len(before) : len(before) + count]))
    common = broadcast_shape(*covered)
    if len(common) > len(free):
        raise ModelFormatError(f"{call.node}: equation {equation!r} stands for more axes than there are letters")
    letters = "".join(free[: len(common)])
    for i, (term, dims) in enumerate(zip(terms, covered, strict=True)):
        own = letters[len(letters) - len(dims) :]
        sizes = common[len(common) - len(dims) :]
        kept = "".join(x for x, size, full in zip(own, dims, sizes, strict=True) if size == full)
        if len(kept) < len(own):
            before = term.partition("...")[0]
            shape = list(tensors[i].shape)
            shape[len(before) : len(before) + len(dims)] = [
                size for size, full in zip(dims, sizes, strict=True) if size == full
            ]
            tensors[i] = reshape(call, tensors[i], shape)
        terms[i] = term.replace("...", kept)
    return _einsum(call, tensors, terms, right.replace("...", letters))


def _einsum(call: Call, tensors: list[Value], terms: list[str], right: str) -> Value:
    """The kernel on operands whose terms name each label once."""
    for i, term in enumerate(terms):
        tensors[i], terms[i] = _diagonals(call, tensors[i], term)
    return call.one("Einsum", {"tensors": tensors}, equation=f"{','.join(terms)}->{right}")


def _diagonals(call: Call, x: Value, term: str) -> tuple[Value, str]:
    """``x`` with each label once: the elements where axes of the same label have the same index."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            first = term.index(label)
            second = term.index(label, first + 1)
            rest = [axis for axis in range(len(term)) if axis not in (first, second)]
            extent = x.shape[first]
            if x.shape[second] != extent:
                raise InvalidArgumentError(
                    f"label {label!r} of term {term!r} stands for {extent} and {x.shape[second]}"
                )
            outer = [x.shape[axis] for axis in rest]
            count = math.prod(outer)
            # In rows of extent + 1 elements, those of the diagonal stand below each other.
            lines = reshape(call, transpose(call, x, [*rest, first, second]), [count, extent * extent])
            padded = call.one("PadV2", {"x": lines}, paddings=[[0, 0], [0, extent]], constantValue=0)
            grid = reshape(call, padded, [count, extent, extent + 1])
            column = call.one("Slice", {"x": grid}, begin=[0, 0, 0], size=[count, extent, 1])
            x = reshape(call, column, [*outer, extent])
            term = "".join(term[axis] for axis in rest) + label
    return x, term


@lower(
    "MatrixBandPart",
    inputs=3,
    kernels=("Range", "Reshape", "Sub", "LessEqual", "GreaterEqual", "LogicalAnd", "Select", "Tile"),
    host=(1, 2),
)
def matrix_band_part(call: Call) -> Value:
    """Zero outside of ``num_lower`` diagonals below and ``num_upper`` above; negative means all."""
    x = call.inputs[0]
    lower_count, upper_count = call.host_integer(1), call.host_integer(2)
    if len(x.shape) < 2:
        raise InvalidArgumentError(f"a matrix is needed, got shape {list(x.shape)}")
    m, n = x.shape[-2:]
    if m == 0 or n == 0:
        return x
    row, column = (call.one("Range", {}, start=0, stop=size, step=1, dtype="int32") for size in (m, n))
    below = binary(call, "Sub", reshape(call, row, (m, 1)), reshape(call, column, (1, n)))
    conditions = []
    if lower_count >= 0:
        conditions.append(binary(call, "LessEqual", below, scalar_like(call, lower_count, below)))
    if upper_count >= 0:
        conditions.append(binary(call, "GreaterEqual", below, scalar_like(call, -upper_count, below)))
    if not conditions:
        return x
    inside = conditions[0] if len(conditions) == 1 else binary(call, "LogicalAnd", *conditions)
    return select(call, inside, x, scalar_like(call, 0, x))


@lower("Diag", inputs=1, kernels=("Diag",))
def diag(call: Call) -> Value:
    """A tensor of twice the rank with the input on its diagonal."""
    return call.one("Diag", {"x": call.inputs[0]})


@lower("InvertPermutation", inputs=1, host=(0,))
def invert_permutation(call: Call) -> Value:
    """The permutation that undoes the input."""
    perm = call.host_integers(0)
    if sorted(perm) != list(range(len(perm))):
        raise InvalidArgumentError(f"{perm} is no permutation")
    return call.constant(np.argsort(perm).astype(np.int32))


@lower("L2Loss", inputs=1, kernels=("Square", "Sum", "Multiply"))
def l2_loss(call: Call) -> Value:
    """Half the sum of squares."""
    x = call.inputs[0]
    total = call.one("Sum", {"x": unary(call, "Square", x)}, axis=list(range(len(x.shape))), keepDims=False)
    return binary(call, "Multiply", total, scalar_like(call, 0.5, total))
