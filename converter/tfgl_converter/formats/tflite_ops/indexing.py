"""Gathering, scattering, looking up, matrices' diagonals, random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator

_INT32 = DataType("int32")


@operator("GATHER")
def gather(o: Operator) -> Tensor:
    """Slices along an axis."""
    x, indices = o.x(0), o.x(1)
    return o.result(
        "GatherV2", [x, indices, o.b.integers(int(o.option("Axis")))], batch_dims=int(o.option("BatchDims")),
        Tparams=DataType(x.dtype), Tindices=DataType(indices.dtype), Taxis=_INT32,
    )  # fmt: skip


@operator("EMBEDDING_LOOKUP")
def embedding_lookup(o: Operator) -> Tensor:
    """Rows of a table, the second input."""
    indices, table = o.x(0), o.x(1)
    return o.result(
        "GatherV2", [table, indices, o.b.integers(0)], batch_dims=0, T=DataType(table.dtype),
        Tparams=DataType(table.dtype), Tindices=DataType(indices.dtype), Taxis=_INT32,
    )  # fmt: skip


@operator("GATHER_ND")
def gather_nd(o: Operator) -> Tensor:
    """Elements or slices at coordinates."""
    x, indices = o.x(0), o.x(1)
    return o.result("GatherNd", [x, indices], Tparams=DataType(x.dtype), Tindices=DataType(indices.dtype))


@operator("SCATTER_ND")
def scatter_nd(o: Operator) -> Tensor:
    """Updates added up in zeros of a shape."""
    indices, updates = o.x(0), o.x(1)
    return o.result(
        "ScatterNd", [indices, updates, o.x(2)], T=DataType(updates.dtype), Tindices=DataType(indices.dtype)
    )


@operator("SPARSE_TO_DENSE")
def sparse_to_dense(o: Operator) -> Tensor:
    """Values at coordinates, a default elsewhere."""
    indices, values = o.x(0), o.x(2)
    return o.result(
        "SparseToDense", [indices, o.x(1), values, o.x(3)], T=DataType(values.dtype),
        Tindices=DataType(indices.dtype), validate_indices=bool(o.option("ValidateIndices", False)),
    )  # fmt: skip


@operator("ONE_HOT")
def one_hot(o: Operator) -> Tensor:
    """On where the index says, off elsewhere."""
    indices, on = o.x(0), o.x(2)
    depth = o.value(1)
    shape = (*indices.shape, -1 if depth is None else int(depth.reshape(-1)[0]))
    made = o.b.add(
        "OneHot", [indices, o.x(1), on, o.x(3)], shape, on.dtype, axis=-1, T=DataType(on.dtype),
        TI=DataType(indices.dtype),
    )  # fmt: skip
    # TensorFlow.js ignores the axis.
    order = list(range(indices.rank))
    order.insert(int(o.option("Axis", -1)) % made.rank, indices.rank)
    return o.b.transpose(made, order)


@operator("WHERE")
def where(o: Operator) -> Tensor:
    """Coordinates of what is true."""
    return o.result("Where", [o.x(0)])


@operator("UNIQUE")
def unique(o: Operator) -> Sequence[Tensor]:
    """Values without repetition, and which of them each was."""
    return o.results("Unique", [o.x(0)], out_idx=DataType(o.out(1).dtype))


@operator("BUCKETIZE")
def bucketize(o: Operator) -> Tensor:
    """Which interval each value lies in."""
    boundaries = o.option_array("Boundaries")
    return o.result("Bucketize", [o.x(0)], boundaries=[] if boundaries is None else [float(x) for x in boundaries])


@operator("MATRIX_DIAG")
def matrix_diag(o: Operator) -> Tensor:
    """Matrices with these diagonals."""
    return o.result("MatrixDiag", [o.x(0)])


@operator("MATRIX_SET_DIAG")
def matrix_set_diag(o: Operator) -> Tensor:
    """Matrices with their diagonals replaced."""
    return o.result("MatrixSetDiag", [o.x(0), o.x(1)])


@operator("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL")
def random(o: Operator) -> Tensor:
    """Random numbers in a shape."""
    op = "RandomUniform" if o.name == "RANDOM_UNIFORM" else "RandomStandardNormal"
    shape = o.x(0)
    seeds = {"seed": int(o.option("Seed")), "seed2": int(o.option("Seed2"))}
    return o.result(op, [shape], T=DataType(shape.dtype), dtype=DataType(o.out().dtype), **seeds)


@operator("MULTINOMIAL")
def multinomial(o: Operator) -> Tensor:
    """Random classes by their logits."""
    seeds = {"seed": int(o.option("Seed")), "seed2": int(o.option("Seed2"))}
    return o.result("Multinomial", [o.x(0), o.x(1)], output_dtype=DataType(o.out().dtype), **seeds)
