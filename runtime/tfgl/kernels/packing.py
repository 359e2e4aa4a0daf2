"""Operands of convolutions and matrix products in the shape that the shaders read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfgl_shaders.assembly import ParameterValue

from ..registry import run_one
from ..tensor import OFF_GRID, ByteCodes, Shape, Tensor

# From here on one running sum of eighths would no longer stay within 1e-6 of the exact one.
_LONG_SUM = 8192

# The last float32 below it becomes the largest half, 65504; from here on halves are infinite.
_BEYOND_HALVES = 65520.0
# What a first look takes of a weight; few weights of another kind begin with so many halves.
_FIRST_LOOK = 256

_MATRIX_AXES = 4  # of the batch: a tensor of rank 6 has two more


@dataclass(frozen=True, slots=True)
class Matrices:
    """A tensor seen as a batch of ``rows`` x ``columns`` matrices; steps count elements."""

    tensor: Tensor
    rows: int
    columns: int
    row_step: int
    column_step: int
    dims: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of matrices, repetitions included."""
        return math.prod(self.dims)

    @property
    def distinct(self) -> int:
        """Number of matrices that the tensor holds."""
        return math.prod(n for n, step in zip(self.dims, self.strides, strict=True) if step)

    @property
    def is_contiguous(self) -> bool:
        """Whether the matrices lie in row-major order, one behind the other."""
        plain = self.column_step == 1 and self.row_step == self.columns
        return plain and self.distinct == self.count

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two ways of looking at one tensor differ."""
        return (self.rows, self.columns, self.row_step, self.column_step, self.dims, self.strides)

    def single(self) -> Matrices:
        """The one matrix that all of the batch shares, without the batch."""
        return Matrices(self.tensor, self.rows, self.columns, self.row_step, self.column_step, (1,), (0,))

    def part(self, first: int, count: int) -> Matrices:
        """``count`` of the matrices from ``first`` on, of a tensor that holds each of them."""
        x = self.tensor.view((self.count, *self.tensor.shape[-2:]))
        begin = {"begin": [first, 0, 0], "size": [count, *x.shape[1:]]}
        sliced = run_one("Slice", {"x": x}, begin)
        step = (self.rows * self.columns,)
        return Matrices(sliced, self.rows, self.columns, self.row_step, self.column_step, (count,), step)

    def parameters(self) -> tuple[dict[str, ParameterValue], dict[str, object]]:
        """Shader parameters and defines for the include ``matrices``, and the steps inside a matrix."""
        values, defines = batch_parameters(self.dims, matrix_strides=self.strides)
        return values | {
            "in_rows": self.rows,
            "in_columns": self.columns,
            "row_step": self.row_step,
            "column_step": self.column_step,
        }, defines


def batch_parameters(
    dims: Sequence[int], **strides: Sequence[int]
) -> tuple[dict[str, ParameterValue], dict[str, object]]:
    """Parameters ``matrix_dims`` and each of ``strides``, over as few axes as do, and the define for their number.

    Axes that every operand steps through as through one are merged: most batches
    come down to one axis, for which a program is shorter.

    >>> batch_parameters((2, 1, 3), a_strides=(36, 36, 12), b_strides=(0, 0, 0))
    ({'matrix_dims': (6,), 'a_strides': (12,), 'b_strides': (0,)}, {'MATRIX_AXES': 1})
    """
    merged: list[tuple[int, tuple[int, ...]]] = []
    for extent, steps in zip(dims, zip(*strides.values(), strict=True), strict=True):
        if extent == 1:
            continue
        if merged and merged[-1][1] == tuple(extent * step for step in steps):
            merged[-1] = (merged[-1][0] * extent, steps)
        else:
            merged.append((extent, steps))
    count = 1 if len(merged) <= 1 else _MATRIX_AXES
    merged[:0] = [(1, (0,) * len(strides))] * (count - len(merged))
    values: dict[str, ParameterValue] = {"matrix_dims": tuple(extent for extent, _ in merged)}
    values |= {name: tuple(steps[at] for _, steps in merged) for at, name in enumerate(strides)}
    return values, {"MATRIX_AXES": count}


def matrices(x: Tensor, batch: Shape, transposed: bool) -> Matrices:
    """The last two axes of ``x`` as matrices, turned over if ``transposed``, broadcast over ``batch``."""
    outer = (1,) * (len(batch) + 2 - x.ndim) + x.shape[:-2]
    rows, columns = x.shape[-2:]
    strides, step = [0] * len(batch), rows * columns
    for axis in reversed(range(len(batch))):
        strides[axis] = step if outer[axis] > 1 else 0
        step *= outer[axis]
    if transposed:
        return Matrices(x, columns, rows, 1, columns, batch, tuple(strides))
    return Matrices(x, rows, columns, columns, 1, batch, tuple(strides))


def packed(operand: Matrices, *, pad_rows: bool, pad_columns: bool) -> Tensor:
    """A flat tensor [count, rows, columns] with rows and columns filled up to multiples of 4 with zeros.

    The tensor itself when it is that already; for weights it is made once, on the host where that has the values,
    and of halves or bytes where the flag ``weights_on_gpu`` says so.
    """
    rows = _up_to_four(operand.rows) if pad_rows else operand.rows
    columns = _up_to_four(operand.columns) if pad_columns else operand.columns
    x = operand.tensor
    if operand.is_contiguous and (rows, columns) == (operand.rows, operand.columns):
        return _as_it_lies(x)
    shape = (operand.count, rows, columns)

    def make() -> Tensor:
        values = _gathered(operand, rows, columns)
        if values is not None:
            return _from_host(x, values)
        parameters, defines = operand.parameters()
        parameters |= {"out_rows": rows, "out_columns": columns}
        return x.engine.emit("pack_matrices", {"x": x}, shape, x.dtype, parameters, defines)

    return x.engine.derive(x, ("packed", pad_rows, pad_columns, *operand.key), make)


def _gathered(operand: Matrices, rows: int, columns: int) -> npt.NDArray[Any] | None:
    """The matrices of a weight, zeros around them, as an array (count, rows, columns); None where the host has none."""
    values = operand.tensor.base.host if operand.tensor.base.persistent else None
    extents = (*operand.dims, operand.rows, operand.columns)
    steps = (*operand.strides, operand.row_step, operand.column_step)
    if values is None or 1 + sum((n - 1) * step for n, step in zip(extents, steps, strict=True)) > values.size:
        return None
    strides = [step * values.itemsize for step in steps]
    found = np.lib.stride_tricks.as_strided(values.reshape(-1), extents, strides, writeable=False)
    found = found.reshape(operand.count, operand.rows, operand.columns)
    if (rows, columns) == found.shape[1:]:
        return np.ascontiguousarray(found)
    filled = np.zeros((operand.count, rows, columns), values.dtype)
    filled[:, : operand.rows, : operand.columns] = found
    return filled


def _from_host(x: Tensor, values: npt.NDArray[Any]) -> Tensor:
    """A packed form of the weight ``x``, as narrow as ``weights_on_gpu`` has it."""
    narrow = _narrow(x.base, values)
    return _holding(x.base, values if narrow is None else narrow)


def _as_it_lies(x: Tensor) -> Tensor:
    """``x``, or for a weight that the device is to keep otherwise its values in that form."""
    weight, key = x.base, "narrow"
    if weight.derived is not None and key in weight.derived:
        return weight.derived[key]
    values = weight.host if weight.persistent and weight.size == x.size else None
    narrow = None if values is None else _narrow(weight, values)
    return x if narrow is None else x.engine.derive(weight, key, lambda: _holding(weight, narrow))


def _holding(weight: Tensor, values: npt.NDArray[Any]) -> Tensor:
    held = Tensor(weight.engine, values.shape, weight.dtype, host=values)
    held.codes = weight.codes
    return held


def _narrow(weight: Tensor, values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """``values``, packed, as halves or bytes; None for what ``weights_on_gpu`` keeps as it is, or those cannot hold."""
    engine = weight.engine
    wanted = engine.flags.weights_on_gpu
    # A single texel, as of one number for all channels, saves nothing.
    if values.dtype != np.float32 or values.size <= 4 or wanted == "float32":
        return None
    if wanted == "uint8":
        return None if weight.codes is None else _as_bytes(weight.codes, values)
    if wanted == "auto":
        return None if engine.device.info.software else _exact_halves(values)
    if np.any((np.abs(values) >= _BEYOND_HALVES) & np.isfinite(values)):
        return None
    return values.astype(np.float16)


def _as_bytes(codes: ByteCodes, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8] | None:
    """``values`` as the bytes that stand for them within rounding; None where a value is none of those."""
    scale = np.float32(codes.scale)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(values / scale)
        moved = np.abs(steps * scale - values)
    if not np.all(moved <= np.abs(values) * np.float32(2.0**-22) + scale * np.float32(OFF_GRID)):
        return None
    steps += np.float32(codes.zero)
    return steps.astype(np.uint8) if steps.min() >= 0 and steps.max() <= 255 else None


def _exact_halves(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16] | None:
    """``values`` as halves when each of them is one."""
    for part in (values.reshape(-1)[:_FIRST_LOOK], values):
        with np.errstate(over="ignore"):
            halves = part.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), part, equal_nan=True):
            return None
    return halves


def sum_defines(terms: int) -> dict[str, object]:
    """What the include ``block_pair`` needs for sums of ``terms`` products."""
    return {"LONG_SUM": 1} if terms > _LONG_SUM else {}


def filter_defines(taps: Matrices) -> dict[str, object]:
    """What the shader ``convolution`` needs for a filter of one matrix a tap, from input to output channels."""
    return sum_defines(taps.count * taps.rows) | ({"ONE_BLOCK": 1} if taps.rows <= 4 else {})


def in_column_blocks(operand: Matrices) -> Tensor:
    """A flat tensor [blocks of 4 columns, count, rows, 4] with rows and columns filled up to multiples of 4 with zeros.

    What one block of results takes lies together, in the order in which it is read.
    """
    x = operand.tensor
    rows, columns = _up_to_four(operand.rows), _up_to_four(operand.columns)

    def make() -> Tensor:
        values = _gathered(operand, rows, columns)
        if values is not None:
            blocks = values.reshape(operand.count, rows, columns // 4, 4)
            return _from_host(x, np.ascontiguousarray(blocks.transpose(2, 0, 1, 3)))
        whole = packed(operand, pad_rows=True, pad_columns=True)
        turned = Matrices(whole, rows, 4, columns, 1, (columns // 4, operand.count), (4, rows * columns))
        return packed(turned, pad_rows=False, pad_columns=False)

    return x.engine.derive(x, ("column blocks", *operand.key), make)


def column_block_steps(operand: Matrices) -> dict[str, ParameterValue]:
    """How the shader ``pointwise`` steps through the one matrix that `in_column_blocks` made of ``operand``."""
    return {"filter_step": 0, "filter_block_step": _up_to_four(operand.rows), "filter_row_step": 1}


def in_every_lane(x: Tensor) -> Tensor:
    """The one element of ``x`` in the four lanes of one texel."""
    return packed(Matrices(x, 1, 4, 0, 0, (1,), (1,)), pad_rows=False, pad_columns=True)


def _up_to_four(extent: int) -> int:
    return -(-extent // 4) * 4
