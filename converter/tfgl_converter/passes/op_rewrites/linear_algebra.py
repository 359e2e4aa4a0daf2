"""Small matrices of known size, their elements computed one by one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tfgl.ir.graph import Edge

from .registry import INT32, Place, Unfit, rewrite

# Cofactors: beyond, pivoting would be needed, which no fixed order of ops does.
_LARGEST_COFACTOR = 3
_LARGEST_TRIANGLE = 12
Elements = list[list[Edge]]


class _Matrix:
    """The elements of one input, each of the shape of the batch."""

    def __init__(self, place: Place, i: int) -> None:
        self.place = place
        known = place.known_shape(i)
        self.size = known[-1] if known is not None and len(known) >= 2 and known[-1] == known[-2] else -1
        self._x = place.inputs[i]

    def rows(self) -> list[Edge]:
        """[..., n] each."""
        return _unpacked(self.place, self._x, self.size, -2)

    def elements(self) -> Elements:
        """[...] each."""
        return [_unpacked(self.place, row, self.size, -1) for row in self.rows()]


def _unpacked(place: Place, x: Edge, count: int, axis: int) -> list[Edge]:
    parts = place.op("Unpack", x, num=count, axis=axis)
    return [Edge(parts.node, i) for i in range(count)]


def _packed(place: Place, rows: Sequence[Sequence[Edge]]) -> Edge:
    lines = [place.op("Pack", *row, N=len(row), axis=-1) for row in rows]
    return place.op("Pack", *lines, N=len(lines), axis=-2)


def _determinant(place: Place, m: Sequence[Sequence[Edge]]) -> Edge:
    """By the first row."""
    if len(m) == 1:
        return m[0][0]
    found: Edge | None = None
    for column, first in enumerate(m[0]):
        rest = [[x for at, x in enumerate(row) if at != column] for row in m[1:]]
        share = place.op("Mul", first, _determinant(place, rest))
        found = share if found is None else place.op("Sub" if column % 2 else "AddV2", found, share)
    assert found is not None
    return found


@rewrite("MatrixDeterminant")
def determinant(place: Place) -> Edge | Unfit:
    """Expanded by rows."""
    matrix = _Matrix(place, 0)
    if not 0 < matrix.size <= _LARGEST_COFACTOR:
        return Unfit(f"matrices of known size up to {_LARGEST_COFACTOR}")
    return _determinant(place, matrix.elements())


@rewrite("MatrixInverse")
def inverse(place: Place) -> Edge | Unfit:
    """The adjugate over the determinant."""
    matrix = _Matrix(place, 0)
    if not 0 < matrix.size <= _LARGEST_COFACTOR or place.dtype.stored != "float32":
        return Unfit(f"real matrices of known size up to {_LARGEST_COFACTOR}")
    return _packed(place, _inverse(place, matrix, place.attr("adjoint", False) is True))


def _inverse(place: Place, matrix: _Matrix, adjoint: bool) -> Elements:
    m, size = matrix.elements(), matrix.size
    if adjoint:
        m = [list(row) for row in zip(*m, strict=True)]
    whole = _determinant(place, m)
    if size == 1:
        return [[place.op("Reciprocal", whole)]]
    found: Elements = [[] for _ in range(size)]
    for row, column in itertools.product(range(size), repeat=2):
        minor = [[x for j, x in enumerate(line) if j != row] for i, line in enumerate(m) if i != column]
        cofactor = _determinant(place, minor)
        signed = place.op("Neg", cofactor) if (row + column) % 2 else cofactor
        found[row].append(place.op("RealDiv", signed, whole))
    return found


@rewrite("MatrixSolve")
def solve(place: Place) -> Edge | Unfit:
    """The product with the inverse."""
    matrix = _Matrix(place, 0)
    if not 0 < matrix.size <= _LARGEST_COFACTOR or place.dtype.stored != "float32":
        return Unfit(f"real matrices of known size up to {_LARGEST_COFACTOR}")
    inverted = _packed(place, _inverse(place, matrix, place.attr("adjoint", False) is True))
    return place.op("BatchMatMulV2", inverted, place.inputs[1], adj_x=False, adj_y=False)


@rewrite("Cholesky")
def cholesky(place: Place) -> Edge | Unfit:
    """Column by column, each element less the products of those before it."""
    matrix = _Matrix(place, 0)
    if not 0 < matrix.size <= _LARGEST_TRIANGLE or place.dtype.stored != "float32":
        return Unfit(f"real matrices of known size up to {_LARGEST_TRIANGLE}")
    m = matrix.elements()
    zero = place.op("ZerosLike", m[0][0])
    lower: Elements = [[zero] * matrix.size for _ in range(matrix.size)]
    for column in range(matrix.size):
        for row in range(column, matrix.size):
            rest = m[row][column]
            for k in range(column):
                rest = place.op("Sub", rest, place.op("Mul", lower[row][k], lower[column][k]))
            below = place.op("RealDiv", rest, lower[column][column]) if row > column else place.op("Sqrt", rest)
            lower[row][column] = below
    return _packed(place, lower)


@rewrite("MatrixTriangularSolve")
def triangular_solve(place: Place) -> Edge | Unfit:
    """Row after row, each less the products with those that are found."""
    matrix = _Matrix(place, 0)
    known = place.known_shape(1)
    if not 0 < matrix.size <= _LARGEST_TRIANGLE or place.dtype.stored != "float32" or known is None:
        return Unfit(f"real matrices of known size up to {_LARGEST_TRIANGLE}")
    m = matrix.elements()
    forward = place.attr("lower", True) is True
    if place.attr("adjoint", False) is True:
        m = [list(row) for row in zip(*m, strict=True)]
        forward = not forward
    right = _unpacked(place, place.inputs[1], matrix.size, -2)
    order = range(matrix.size) if forward else range(matrix.size - 1, -1, -1)
    found: dict[int, Edge] = {}
    for row in order:
        rest = right[row]
        for column, value in found.items():
            rest = place.op("Sub", rest, place.op("Mul", place.expand(m[row][column], -1), value))
        found[row] = place.op("RealDiv", rest, place.expand(m[row][row], -1))
    return place.op("Pack", *(found[row] for row in range(matrix.size)), N=matrix.size, axis=-2)


@rewrite("LogMatrixDeterminant")
def log_determinant(place: Place) -> list[Edge] | Unfit:
    """The sign and the logarithm of the size."""
    matrix = _Matrix(place, 0)
    if not 0 < matrix.size <= _LARGEST_COFACTOR or place.dtype.stored != "float32":
        return Unfit(f"real matrices of known size up to {_LARGEST_COFACTOR}")
    whole = _determinant(place, matrix.elements())
    return [place.op("Sign", whole), place.op("Log", place.op("Abs", whole))]


@rewrite("FFT2D", "IFFT2D", "FFT3D", "IFFT3D")
def transforms(place: Place) -> Edge | Unfit:
    """One axis after the other, each turned to the end."""
    known = place.known_shape(0)
    axes = int(place.node.op[-2])
    if known is None or place.attr("Tcomplex", place.dtype).stored != "complex64":
        return Unfit("an input of known rank")
    order = list(range(len(known)))
    # Each turn brings the last of the transformed axes to the front of them.
    turn = order[:-axes] + order[-1:] + order[-axes:-1]
    x = place.inputs[0]
    complex64 = place.attr("Tcomplex", place.dtype)
    for _ in range(axes):
        x = place.op(place.node.op[:-2], x, dtype=complex64, Tcomplex=complex64)
        x = place.op("Transpose", x, place.integers(*turn), dtype=complex64, Tperm=INT32)
    return x
