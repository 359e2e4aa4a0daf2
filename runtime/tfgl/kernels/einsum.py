"""Einsum, put together from transpositions, sums and matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import InvalidArgumentError
from ..ir.shapes import parse_einsum
from ..registry import kernel, run_one
from ..tensor import Tensor

Labels = tuple[str, ...]


@kernel("Einsum")
def einsum(tensors: Sequence[Tensor], *, equation: str) -> Tensor:
    """The sum of products that ``equation`` describes, for one operand or two.

    Labels that are missing from the result are summed. Raises InvalidArgumentError
    for a label that occurs twice in one operand, as the original does (the graph
    op takes the diagonal before it calls this kernel).
    """
    if not 1 <= len(tensors) <= 2:
        raise InvalidArgumentError(
            "Support for more than 2 input tensors is not implemented yet: Einsum takes one or two, "
            f"got {len(tensors)}; multiply them in pairs, an einsum each"
        )
    if equation.count("->") != 1:
        wrong = 'must contain exactly one arrow ("->")' if "->" in equation else "without an arrow are not supported"
        raise InvalidArgumentError(f"Equations {wrong}; got {equation!r}")
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1 or dtypes - {"float32", "int32"}:
        raise InvalidArgumentError(f"Einsum takes float32 tensors, or int32 ones, got {', '.join(sorted(dtypes))}")
    parsed = parse_einsum(equation, [tensor.shape for tensor in tensors])
    for labels in parsed.inputs:
        if len(set(labels)) < len(labels):
            raise InvalidArgumentError(
                f"Found duplicate axes in input component {''.join(labels)}. "
                "Support for duplicate axes in input is not implemented yet."
            )
    terms = list(zip(tensors, parsed.inputs, strict=True))
    x, labels = terms[0]
    if len(terms) == 2:
        x, labels = _product(x, labels, *terms[1], parsed.output)
    x, labels = _summed(x, labels, parsed.output)
    # An ellipsis axis may be as short as 1 in every operand, never missing from all of them.
    return _ordered(x, labels, parsed.output).view(parsed.shape)


def _product(x: Tensor, left: Labels, y: Tensor, right: Labels, wanted: Labels) -> tuple[Tensor, Labels]:
    """The product of two operands, summed over the labels that are not ``wanted``."""
    x, left = _summed(x, left, {*wanted, *right})
    y, right = _summed(y, right, {*wanted, *left})
    sizes = dict(zip(left, x.shape, strict=True))
    others = dict(zip(right, y.shape, strict=True))
    shared = [label for label in left if label in others]
    gone = [label for label in shared if label not in wanted]
    for label in gone:
        if sizes[label] != others[label]:
            # The one of extent 1 broadcasts: sum the other over it.
            if sizes[label] == 1:
                y, right = _summed(y, right, set(right) - {label}, keep_dims=True)
            else:
                x, left = _summed(x, left, set(left) - {label}, keep_dims=True)
    sizes = dict(zip(left, x.shape, strict=True))
    others = dict(zip(right, y.shape, strict=True))
    batch = tuple(label for label in shared if label not in gone)
    rows = tuple(label for label in left if label not in shared)
    columns = tuple(label for label in right if label not in shared)
    extents = {**others, **sizes, **{label: max(sizes[label], others[label]) for label in batch}}
    same = all(sizes[label] == others[label] for label in batch)
    a_batch, b_batch = [sizes[label] for label in batch], [others[label] for label in batch]
    if same:
        a_batch = b_batch = [math.prod(a_batch)]
    inner = math.prod(sizes[label] for label in gone)
    a = _ordered(x, left, (*batch, *rows, *gone)).view((*a_batch, math.prod(sizes[n] for n in rows), inner))
    b = _ordered(y, right, (*batch, *gone, *columns)).view((*b_batch, inner, math.prod(others[n] for n in columns)))
    result = run_one("BatchMatMul", {"a": a, "b": b}, {"transposeA": False, "transposeB": False})
    labels = (*batch, *rows, *columns)
    return result.view(tuple(extents[label] for label in labels)), labels


def _summed(
    x: Tensor, labels: Labels, wanted: Sequence[str] | set[str], *, keep_dims: bool = False
) -> tuple[Tensor, Labels]:
    """``x`` summed over its labels that are not ``wanted``."""
    axes = [axis for axis, label in enumerate(labels) if label not in wanted]
    if not axes:
        return x, labels
    result = run_one("Sum", {"x": x}, {"axis": axes, "keepDims": keep_dims})
    return result, labels if keep_dims else tuple(label for label in labels if label in wanted)


def _ordered(x: Tensor, labels: Labels, wanted: Labels) -> Tensor:
    """``x`` with its axes in the order of ``wanted``."""
    if labels == wanted:
        return x
    return run_one("Transpose", {"x": x}, {"perm": [labels.index(label) for label in wanted]})
