"""Matrix products and Einstein sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InvalidArgumentError
from .axes import Shape, broadcast_shapes, shape_text


def batch_matmul_shape(
    a: Sequence[int], b: Sequence[int], transpose_a: bool = False, transpose_b: bool = False
) -> Shape:
    """The shape of a product of matrices over broadcast batch axes.

    Raises InvalidArgumentError unless both have rank 2 or more and the inner extents agree.

    >>> batch_matmul_shape((5, 2, 3), (4, 3), transpose_b=True)
    (5, 2, 4)
    """
    if len(a) < 2 or len(b) < 2:
        raise InvalidArgumentError(
            f"Error in matMul: inputs must have rank 2 or more, got shapes {shape_text(a)} and {shape_text(b)}"
        )
    rows, inner_a = (a[-1], a[-2]) if transpose_a else (a[-2], a[-1])
    inner_b, columns = (b[-1], b[-2]) if transpose_b else (b[-2], b[-1])
    if inner_a != inner_b:
        raise InvalidArgumentError(
            f"Error in matMul: inner shapes ({inner_a}) and ({inner_b}) of Tensors with shapes {shape_text(a)} and "
            f"{shape_text(b)} and transposeA={str(transpose_a).lower()} and "
            f"transposeB={str(transpose_b).lower()} must match."
        )
    return (*broadcast_shapes(a[:-2], b[:-2]), rows, columns)


@dataclass(frozen=True, slots=True)
class Einsum:
    """A parsed equation with ellipses spelled out.

    A label is a letter of the equation, or ``.0``, ``.1`` ... for the axes of an
    ellipsis, the last one being ``.0``. ``inputs`` labels every axis of every
    tensor, ``output`` those of the result, ``summed`` are the others in order of
    first use, ``sizes`` has every label's extent. An ellipsis axis of extent 1
    broadcasts.
    """

    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]
    summed: tuple[str, ...]
    sizes: dict[str, int]

    @property
    def shape(self) -> Shape:
        """The result's shape."""
        return tuple(self.sizes[label] for label in self.output)

    @property
    def summed_size(self) -> int:
        """How many products each element of the result sums."""
        return math.prod(self.sizes[label] for label in self.summed)


def parse_einsum(equation: str, shapes: Sequence[Sequence[int]]) -> Einsum:
    """The labels of ``equation`` for operands of ``shapes``.

    Without ``->`` the result has the labels that occur once, in alphabetical
    order, after the ellipsis axes. Raises InvalidArgumentError for an equation
    that is malformed or does not fit the shapes.

    >>> parse_einsum("...ij,jk->...ik", [(7, 2, 3), (3, 4)]).shape
    (7, 2, 4)
    """
    text = "".join(equation.split())
    left, arrow, right = text.partition("->")
    if "->" in right:
        raise InvalidArgumentError(f'Equations must contain at most one arrow ("->"), got {equation!r}')
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise InvalidArgumentError(f"Expected {len(terms)} input tensors, received {len(shapes)}")
    sizes: dict[str, int] = {}
    inputs = []
    longest = 0
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, after = _term(term, equation)
        hidden = len(shape) - len(before) - len(after)
        if hidden < 0 or (hidden and not dots):
            raise InvalidArgumentError(
                f"Expected einsum term {term!r} to label every axis of its tensor, which has shape {shape_text(shape)}"
            )
        longest = max(longest, hidden)
        labels = (*before, *_ellipsis(hidden), *after)
        for label, extent in zip(labels, shape, strict=True):
            known = sizes.setdefault(label, extent)
            if known == extent or (label[0] == "." and extent == 1):
                continue
            if label[0] != "." or known != 1:
                raise InvalidArgumentError(
                    f"Expected dimension {known} at axis {labels.index(label)} of the input shaped "
                    f"[{shape_text(shape)}], but got dimension {extent}"
                )
            sizes[label] = extent
        inputs.append(labels)
    if arrow:
        before, dots, after = _term(right, equation)
        output = (*before, *(_ellipsis(longest) if dots else ()), *after)
    else:
        every = [label for labels in inputs for label in labels]
        letters = sorted(label for label in set(every) if label[0] != "." and every.count(label) == 1)
        output = (*_ellipsis(longest), *letters)
    for label in output:
        if label not in sizes:
            raise InvalidArgumentError(
                f"Output subscripts contain the label {label} not present in the input subscripts."
            )
    if len(set(output)) != len(output):
        raise InvalidArgumentError(f"the result of einsum names a label twice: {equation!r}")
    return Einsum(tuple(inputs), output, tuple(label for label in sizes if label not in output), sizes)


def _ellipsis(count: int) -> tuple[str, ...]:
    return tuple(f".{n}" for n in reversed(range(count)))


def _term(term: str, equation: str) -> tuple[str, bool, str]:
    before, dots, after = term.partition("...")
    if not (before + after).isalpha() and before + after:
        raise InvalidArgumentError(f"einsum term {term!r} of {equation!r} may hold letters and one ellipsis (...)")
    return before, bool(dots), after
