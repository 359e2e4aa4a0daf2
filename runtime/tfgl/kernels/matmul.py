"""Products of matrices, in batches, alone and with bias and activation."""

from __future__ import annotations

import math

from tfgl_shaders.assembly import ParameterValue, alignment

from ..errors import InvalidArgumentError
from ..ir.shapes import batch_matmul_shape
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor
from .epilogue import Epilogue, epilogue
from .packing import Matrices, batch_parameters, column_block_steps, in_column_blocks, matrices, packed, sum_defines
from .tiles import fits_tiles, in_parameters

FEW_ROWS = 8
"""Up to this many rows the terms of a sum are shared out among fragments."""

# Products of fewer multiplications take one draw on the operands as they lie.
_SMALL = 1 << 15
# Texels of partial sums that keep the cores of a machine busy.
_BUSY = 4096
# So many that adding them up does not become the longer sum.
_MOST_PARTS = 32
# Texels of 4 terms that one partial sum takes at most: rounding errors grow with its length.
_LONGEST_CHUNK = 64
# A row of this many texels, 8 lines of it, before rows of a matrix go on in another band.
_WIDEST = 1024


@kernel("BatchMatMul")
def batch_mat_mul(a: Tensor, b: Tensor, *, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """The product of the last two axes; those before broadcast."""
    return fused_mat_mul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


@kernel("_FusedMatMul")
def fused_mat_mul(
    a: Tensor,
    b: Tensor,
    bias: Tensor | None = None,
    prelu_activation_weights: Tensor | None = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = "linear",
    leakyrelu_alpha: float | None = None,
) -> Tensor:
    """The product of the last two axes, then the bias, then the activation."""
    shape = batch_matmul_shape(a.shape, b.shape, transpose_a, transpose_b)
    if a.dtype != b.dtype or a.dtype not in ("float32", "int32"):
        raise InvalidArgumentError(
            f"{a.engine.node} takes two float32 or two int32 tensors, got {a.dtype} and {b.dtype}; cast one of them"
        )
    rows, columns = shape[-2:]
    after = epilogue(b, columns, bias, activation, leakyrelu_alpha, prelu_activation_weights)
    terms = a.shape[-2] if transpose_a else a.shape[-1]
    if math.prod(shape) and not terms:
        zero = 0.0 if a.kind == "float" else 0
        a = a.engine.emit("fill", {}, (rows, 1), a.dtype, {"fill_value": zero})
        b = a.engine.emit("fill", {}, (1, columns), a.dtype, {"fill_value": zero})
        transpose_a = transpose_b = False
    batch = shape[:-2]
    left, right = matrices(a, batch, transpose_a), matrices(b, batch, transpose_b)
    if right.distinct == 1 and left.is_contiguous:
        # One matrix serves the whole batch: the rows of all the left ones stand below each other.
        count = left.count * left.rows
        left = Matrices(a, count, left.columns, left.row_step, 1, (1,), (0,))
        right = right.single()
    return after.finish(product(left, right, shape, after))


def product(a: Matrices, b: Matrices, shape: Shape, after: Epilogue) -> Tensor:
    """The products of two batches of matrices with an epilogue, as a tensor of ``shape``.

    An empty ``shape`` stands for (count, rows, columns).
    """
    engine, dtype = a.tensor.engine, a.tensor.dtype
    rows, terms, columns = a.rows, a.columns, b.columns
    count = a.count
    shape = shape or (count, rows, columns)
    if not math.prod(shape):
        return engine.emit("fill", {}, shape, dtype, {"fill_value": 0.0 if a.tensor.kind == "float" else 0})
    if count * rows * terms * columns <= _SMALL:
        return _as_they_lie(a, b, shape, after)
    if rows <= FEW_ROWS:
        cut = _parts_count(rows * count, terms, columns)

        def fit(matrices: int) -> bool:
            texels = matrices * rows * cut * -(-columns // 4)
            return texels <= engine.device.info.max_texture_size << engine.device.target.width_log2

        def draw(a: Matrices, b: Matrices, shape: Shape) -> Tensor:
            return _few_rows(a, b, shape, after, cut)
    else:
        lines = -(-rows // (engine.device.layers * _WIDEST)) * engine.device.layers
        width = -(-rows // lines)

        def fit(matrices: int) -> bool:
            return all(fits_tiles(engine, (matrices, lines, width, extent)) for extent in (terms, columns))

        def draw(a: Matrices, b: Matrices, shape: Shape) -> Tensor:
            return _many_rows(a, b, shape, after, (a.count, lines, width))

    if fit(count):
        return draw(a, b, shape)
    if not fit(1) or {a.distinct, b.distinct} != {count}:
        return _as_they_lie(a, b, shape, after)
    size = count
    while not fit(size):
        size = -(-size // 2)
    parts = []
    for first in range(0, count, size):
        n = min(size, count - first)
        parts.append(draw(a.part(first, n), b.part(first, n), (n, rows, columns)))
    joined = run_one("Concat", {"tensors": parts}, {"axis": 0})
    return joined.view(shape)


def _as_they_lie(a: Matrices, b: Matrices, shape: Shape, after: Epilogue) -> Tensor:
    values, defines = batch_parameters(a.dims, a_matrix_strides=a.strides, b_matrix_strides=b.strides)
    values |= {
        "out_rows": a.rows,
        "out_columns": b.columns,
        "in_terms": a.columns,
        "a_row_step": a.row_step,
        "a_column_step": a.column_step,
        "b_row_step": b.row_step,
        "b_column_step": b.column_step,
        **after.parameters,
    }
    inputs = {"a": a.tensor, "b": b.tensor, **after.inputs}
    return a.tensor.engine.emit("product", inputs, shape, a.tensor.dtype, values, defines | after.defines)


def _packed_right(b: Matrices) -> tuple[Tensor, int]:
    """The right operand in texels of 4 columns, and the step from one matrix to the next in texels."""
    if b.distinct == 1:
        return packed(b.single(), pad_rows=True, pad_columns=True), 0
    return packed(b, pad_rows=True, pad_columns=True), -(-b.rows // 4) * 4 * -(-b.columns // 4)


def _many_rows(a: Matrices, b: Matrices, shape: Shape, after: Epilogue, places: tuple[int, int, int]) -> Tensor:
    """As 1x1 convolution: 8 rows and 4 columns a fragment."""
    engine, dtype = a.tensor.engine, a.tensor.dtype
    in_shape, out_shape = (*places, a.columns), (*places, b.columns)
    whole = places[1] * places[2] == a.rows
    if whole and a.is_contiguous:
        x = a.tensor.view(in_shape)
    else:
        aligned = a.column_step == 1 and not any(n % 4 for n in (a.columns, a.row_step, *a.strides))
        placed, axes = a.parameters()
        axes |= {"ALIGNED": ""} if aligned else {}
        x = engine.emit("pack_rows", {"x": a.tensor}, in_shape, dtype, placed, axes, layout="tiles")
    if b.distinct == 1 and b.tensor.persistent:
        weight = in_column_blocks(b.single())
        steps = column_block_steps(b)
    else:
        weight, step = _packed_right(b)
        steps = {"filter_step": step, "filter_block_step": 1, "filter_row_step": -(-b.columns // 4)}
    values = in_parameters(x) | after.parameters | steps
    inputs = {"x": x, "filter": weight, **after.inputs}
    defines = sum_defines(a.columns) | after.defines
    tiles = engine.emit("pointwise", inputs, out_shape, dtype, values, defines, layout="tiles", tiled=("x",))
    if whole:
        return tiles.view(shape)
    values = in_parameters(tiles) | {"in_rows": a.rows}
    return engine.emit("unpack_rows", {"x": tiles}, shape, dtype, values, alignment(b.columns), tiled=("x",))


def _parts_count(rows: int, terms: int, columns: int) -> int:
    """Into how many parts a sum is cut: enough to keep every core busy, and none too long for its rounding errors."""
    blocks = -(-terms // 4)
    busy = -(-_BUSY // (rows * -(-columns // 4)))
    return max(-(-blocks // _LONGEST_CHUNK), min(busy, blocks, _MOST_PARTS))


def _few_rows(a: Matrices, b: Matrices, shape: Shape, after: Epilogue, parts: int) -> Tensor:
    """Partial sums in one draw, their sums in another: a few rows alone would keep few fragments busy."""
    engine, dtype = a.tensor.engine, a.tensor.dtype
    left = packed(a, pad_rows=False, pad_columns=True)
    weight, step = _packed_right(b)
    blocks, out_blocks = -(-a.columns // 4), -(-b.columns // 4)
    values: dict[str, ParameterValue] = {
        "in_rows": a.rows,
        "in_blocks": blocks,
        "out_blocks": out_blocks,
        "filter_step": step,
        "parts_count": parts,
        "chunk_size": -(-blocks // parts),
    }
    sums_shape = (a.count * a.rows, parts, 4 * out_blocks)
    sums = engine.emit("product_parts", {"a": left, "filter": weight}, sums_shape, dtype, values)
    values = {"in_blocks": out_blocks, "in_channels": b.columns, "parts_count": parts, **after.parameters}
    defines = alignment(b.columns) | after.defines
    return engine.emit("product_sum", {"x": sums, **after.inputs}, shape, dtype, values, defines)
