"""Kernels that move elements, change views, pad and join, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exact_kernels import Row, check, compare, finite, one, run, values
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.kernels.elementwise import emit_elementwise
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

X5 = values(3, 5, 2, 7, 4)
X6 = values(2, 3, 1, 4, 3, 5, dtype="int32")

ROWS = [
    Row("Transpose", {"x": values(5)}, {"perm": [0]}),
    Row("Transpose", {"x": values()}, {"perm": []}),
    Row("Transpose", {"x": values(7, 5)}, {"perm": [1, 0]}),
    Row("Transpose", {"x": values(8, 12)}, {"perm": [1, 0]}),
    Row("Transpose", {"x": values(3, 5, 8)}, {"perm": [1, 0, 2]}),
    Row("Transpose", {"x": values(2, 0, 8)}, {"perm": [1, 0, 2]}),
    Row("Transpose", {"x": X5}, {"perm": [4, 1, 3, 0, 2]}),
    Row("Transpose", {"x": X6}, {"perm": [5, 3, 1, 0, 2, 4]}),
    Row("Transpose", {"x": values(2, 3, 2, 3, 2, 3, 2)}, {"perm": [6, 5, 4, 3, 2, 1, 0]}),
    Row("Transpose", {"x": values(3, 5, dtype="bool")}, {"perm": [1, 0]}),
    Row("Transpose", {"x": values(3, 5, dtype="complex64")}, {"perm": [1, 0]}),
    Row("Transpose", {"x": values(3, 5, dtype="string")}, {"perm": [1, 0]}),
    Row("Reverse", {"x": values(7)}, {"dims": [0]}),
    Row("Reverse", {"x": values(7)}, {"dims": 0}),
    Row("Reverse", {"x": values()}, {"dims": []}),
    Row("Reverse", {"x": values(3, 0)}, {"dims": [0, 1]}),
    Row("Reverse", {"x": X5}, {"dims": [-1, 1]}),
    Row("Reverse", {"x": X6}),
    Row("Reverse", {"x": values(4, 3, dtype="complex64")}, {"dims": [1]}),
    Row("Slice", {"x": values(9)}, {"begin": 3, "size": 4}),
    Row("Slice", {"x": values(9)}, {"begin": [3]}),
    Row("Slice", {"x": values(5, 8)}, {"begin": [1, 4], "size": [3, 4]}),
    Row("Slice", {"x": values(5, 8)}, {"begin": [1, 3], "size": [-1, 3]}),
    Row("Slice", {"x": values(5, 8)}, {"begin": [5, 0], "size": [0, 8]}),
    Row("Slice", {"x": X5}, {"begin": [1, 2], "size": [1, 3]}),
    Row("Slice", {"x": X6}, {"begin": [0, 1, 0, 1, 1, 1], "size": [2, 1, 1, 2, 2, 3]}),
    Row("Slice", {"x": values(5, 3, dtype="complex64")}, {"begin": [1, 1], "size": [3, 2]}),
    Row("Slice", {"x": values(5, 3, dtype="string")}, {"begin": [1, 1], "size": [3, 2]}),
    Row("StridedSlice", {"x": values(9)}, {"begin": [1], "end": [8], "strides": [3]}),
    Row("StridedSlice", {"x": values(9)}, {"begin": [-1], "end": [-10], "strides": [-2]}),
    Row("StridedSlice", {"x": values(9)}, {"begin": [4], "end": [4], "strides": [1]}),
    Row("StridedSlice", {"x": values(5, 8)}, {"begin": [4, 0], "end": [0, 8], "strides": [-2, 3], "endMask": 1}),
    Row(
        "StridedSlice",
        {"x": X5},
        {"begin": [0, 1, 0, 3], "end": [0, 2, 0, 4], "strides": [1, 1, 1, 1], "ellipsisMask": 1, "shrinkAxisMask": 8},
    ),
    Row(
        "StridedSlice",
        {"x": X5},
        {"begin": [0, 1, 2], "end": [0, 3, 4], "strides": [1, 1, 1], "newAxisMask": 1, "beginMask": 2},
    ),
    Row("StridedSlice", {"x": X6}, {"begin": [1] * 6, "end": [0] * 6, "strides": [-1] * 6, "endMask": 63}),
    Row("BroadcastTo", {"x": values()}, {"shape": [3, 5]}),
    Row("BroadcastTo", {"x": values(5)}, {"shape": [3, 5]}),
    Row("BroadcastTo", {"x": values(4, 1)}, {"shape": [2, 4, 3]}),
    Row("BroadcastTo", {"x": values(4, 1)}, {"shape": [0, 4, 3]}),
    Row("BroadcastTo", {"x": values(1, 3, 1, 2)}, {"shape": [2, 4, 3, 2, 2]}),
    Row("BroadcastTo", {"x": values(2, 1, dtype="complex64")}, {"shape": [2, 3]}),
    Row("Tile", {"x": values(5)}, {"reps": [3]}),
    Row("Tile", {"x": values()}, {"reps": []}),
    Row("Tile", {"x": values(2, 3)}, {"reps": [2, 0]}),
    Row("Tile", {"x": values(2, 3)}, {"reps": [1, 1]}),
    Row("Tile", {"x": values(2, 3, 4)}, {"reps": [2, 1, 3]}),
    Row("Tile", {"x": values(2, 3, 2, 2, 3)}, {"reps": [2, 2, 2, 2, 2]}),
    Row("Tile", {"x": values(2, 3, dtype="bool")}, {"reps": [3, 2]}),
    Row("Tile", {"x": values(2, 3, dtype="string")}, {"reps": [3, 2]}),
    Row("Unpack", {"value": values(3, 5)}, {"axis": 0}),
    Row("Unpack", {"value": values(3, 5)}, {"axis": -1}),
    Row("Unpack", {"value": values(0, 5)}, {"axis": 0}),
    Row("Unpack", {"value": values(4, 0)}, {"axis": 0}),
    Row("Unpack", {"value": values(2, 4, 3, dtype="complex64")}, {"axis": 1}),
    Row("SplitV", {"x": values(6, 4)}, {"numOrSizeSplits": 3, "axis": 0}),
    Row("SplitV", {"x": values(3, 7)}, {"numOrSizeSplits": [2, -1, 1, 0], "axis": -1}),
    Row("SplitV", {"x": values(2, 6, 3, dtype="complex64")}, {"numOrSizeSplits": [1, 5], "axis": 1}),
    Row("SpaceToBatchND", {"x": values(1, 4, 6, 3)}, {"blockShape": [2, 3], "paddings": [[0, 0], [0, 0]]}),
    Row("SpaceToBatchND", {"x": values(2, 3, 5, 1)}, {"blockShape": [2, 3], "paddings": [[1, 0], [0, 1]]}),
    Row("SpaceToBatchND", {"x": values(2, 5, 3)}, {"blockShape": [3], "paddings": [[0, 1]]}),
    Row("SpaceToBatchND", {"x": values(2, 4, 2, 6)}, {"blockShape": [2, 1, 3], "paddings": [[0, 0]] * 3}),
    Row("BatchToSpaceND", {"x": values(12, 2, 3, 1)}, {"blockShape": [2, 3], "crops": [[0, 0], [0, 0]]}),
    Row("BatchToSpaceND", {"x": values(12, 2, 3, 4)}, {"blockShape": [2, 3], "crops": [[1, 0], [2, 1]]}),
    Row("BatchToSpaceND", {"x": values(6, 2, 5)}, {"blockShape": [3], "crops": [[1, 1]]}),
    Row("DepthToSpace", {"x": values(2, 3, 5, 12)}, {"blockSize": 2, "dataFormat": "NHWC"}),
    Row("DepthToSpace", {"x": values(1, 2, 3, 16)}, {"blockSize": 2, "dataFormat": "NHWC"}),
    Row("DepthToSpace", {"x": values(2, 18, 3, 2)}, {"blockSize": 3, "dataFormat": "NCHW"}),
    Row("Reshape", {"x": values(3, 4)}, {"shape": [2, -1]}),
    Row("Reshape", {"x": values(1)}, {"shape": []}),
    Row("Reshape", {"x": values(3, 4, dtype="complex64")}, {"shape": [12]}),
    Row("Reshape", {"x": values(3, 4, dtype="string")}, {"shape": [2, 1, 6]}),
    Row("Reshape", {"x": values(0, 4)}, {"shape": [2, 0]}),
    Row("ExpandDims", {"input": values(3, 4)}, {"dim": -1}),
    Row("ExpandDims", {"input": values()}, {"dim": 0}),
    Row("Identity", {"x": values(3, 4, dtype="complex64")}),
    Row("Identity", {"x": values(3, dtype="string")}),
    Row("Complex", {"real": finite(3, 4), "imag": finite(3, 4, seed=1)}),
    Row("Complex", {"real": values(0), "imag": values(0)}),
    Row("Real", {"input": values(3, dtype="complex64")}),
    Row("Imag", {"input": values(3, dtype="complex64")}),
    Row("PadV2", {"x": values(5)}, {"paddings": [[2, 3]], "constantValue": 1.5}),
    Row("PadV2", {"x": values()}, {"paddings": [], "constantValue": 1.5}),
    Row("PadV2", {"x": values(3, 4)}, {"paddings": [[0, 0], [0, 0]], "constantValue": 1.5}),
    Row("PadV2", {"x": values(0, 4)}, {"paddings": [[1, 2], [0, 1]], "constantValue": 1.5}),
    Row("PadV2", {"x": values(2, 3, 4)}, {"paddings": [[0, 0], [1, 2], [0, 0]], "constantValue": float("nan")}),
    Row("PadV2", {"x": X6}, {"paddings": [[1, 0], [0, 1], [2, 1], [0, 0], [1, 1], [0, 2]], "constantValue": -7}),
    Row("PadV2", {"x": values(3, 2, dtype="bool")}, {"paddings": [[1, 0], [0, 1]], "constantValue": True}),
    Row("PadV2", {"x": values(3, 2, dtype="complex64")}, {"paddings": [[1, 0], [0, 1]], "constantValue": 2}),
    Row("PadV2", {"x": values(3, 2, dtype="complex64")}, {"paddings": [[1, 0], [0, 1]], "constantValue": 2 - 3j}),
    Row("MirrorPad", {"x": values(5)}, {"paddings": [[2, 4]], "mode": "reflect"}),
    Row("MirrorPad", {"x": values(5)}, {"paddings": [[2, 5]], "mode": "symmetric"}),
    Row("MirrorPad", {"x": values(3, 4, 2)}, {"paddings": [[2, 1], [0, 0], [1, 1]], "mode": "reflect"}),
    Row("MirrorPad", {"x": X6}, {"paddings": [[1, 0], [0, 1], [1, 1], [0, 0], [1, 1], [0, 2]], "mode": "symmetric"}),
    Row("MirrorPad", {"x": values(3, 2, dtype="complex64")}, {"paddings": [[1, 0], [0, 1]], "mode": "reflect"}),
    Row("Concat", {"tensors": [values(5)]}, {"axis": 0}),
    Row("Concat", {"tensors": [values(3, 4), values(3, 8, seed=1)]}, {"axis": 1}),
    Row("Concat", {"tensors": [values(3, 1), values(3, 2, seed=1), values(3, 6, seed=2)]}, {"axis": -1}),
    Row("Concat", {"tensors": [values(2, 3, n, 2, seed=n) for n in (1, 0, 2, 1, 3, 1, 0, 4, 2)]}, {"axis": 2}),
    Row("Concat", {"tensors": [values(0, 3), values(0, 3)]}, {"axis": 0}),
    Row("Concat", {"tensors": [values(2, 3, dtype="complex64"), values(1, 3, dtype="complex64")]}, {"axis": 0}),
    Row("Concat", {"tensors": [values(2, 3, dtype="bool"), values(1, 3, dtype="bool")]}, {"axis": 0}),
    Row("Concat", {"tensors": [values(2, 3, dtype="string"), values(1, 3, dtype="string")]}, {"axis": 0}),
    Row("Pack", {"tensors": [values(), values(seed=1)]}, {"axis": 0}),
    Row("Pack", {"tensors": [values(3, 4, seed=n) for n in range(6)]}, {"axis": 1}),
    Row("Pack", {"tensors": [values(3, 4, dtype="int32", seed=n) for n in range(2)]}, {"axis": -1}),
    Row("Pack", {"tensors": [values(3, 0)] * 2}, {"axis": 0}),
    Row("Pack", {"tensors": [values(3, dtype="complex64", seed=n) for n in range(3)]}, {"axis": 1}),
    Row("Pack", {"tensors": [values(3, dtype="string", seed=n) for n in range(3)]}, {"axis": 1}),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_against_the_reference(gpu: Engine, row: Row) -> None:
    check(gpu, row)


CASTS = [(a, b) for a in ("float32", "int32", "bool") for b in ("float32", "int32", "bool", "complex64")]


@pytest.mark.parametrize(("source", "target"), [*CASTS, ("complex64", "float32")])
def test_casts(gpu: Engine, source: str, target: str) -> None:
    check(gpu, Row("Cast", {"x": values(5, 7, dtype=source)}, {"dtype": target}, 1e-7))


def test_parts_of_a_complex_tensor_are_independent(gpu: Engine) -> None:
    real, imaginary = values(3, 4), values(3, 4, seed=1)
    got = one(gpu, "Complex", {"real": real, "imag": imaginary}, {})
    compare(got.real, real, 0)
    compare(got.imag, imaginary, 0)


def test_imaginary_part_of_a_real_tensor(gpu: Engine) -> None:
    np.testing.assert_array_equal(one(gpu, "Imag", {"input": values(3)}, {}), np.zeros(3))


def test_large_tensors_keep_every_element(gpu: Engine) -> None:
    x = np.arange(3 * 517 * 203, dtype=np.int32).reshape(3, 517, 203)
    compare(one(gpu, "Transpose", {"x": x}, {"perm": [2, 0, 1]}), x.transpose(2, 0, 1), 0)
    compare(one(gpu, "Slice", {"x": x}, {"begin": [1, 17, 3], "size": [2, 400, 199]}), x[1:3, 17:417, 3:202], 0)
    parts = run(gpu, "SplitV", {"x": x}, {"numOrSizeSplits": [1, 200, 2], "axis": 2})
    compare(one(gpu, "Concat", {"tensors": parts}, {"axis": 2}), x, 0)


@pytest.mark.parametrize("channels", [(4, 3), (8, 8), (5, 4)])
def test_tiled_tensors_join(gpu: Engine, channels: tuple[int, int]) -> None:
    arrays = [values(2, 9, 5, n, seed=n) for n in channels]
    joined = run_kernel("Concat", {"tensors": [_tiled(gpu, array) for array in arrays]}, {"axis": 3})
    assert isinstance(joined, Tensor)
    compare(joined.numpy(), np.concatenate(arrays, 3), 0)


def _tiled(gpu: Engine, array: Any) -> Tensor:
    x = gpu.tensor(-array)
    x.tiles()
    return emit_elementwise([x], "-a", "float32")


WRONG: list[tuple[Row, str]] = [
    (Row("Transpose", {"x": values(2, 3)}, {"perm": [0, 0]}), "perm"),
    (Row("Reverse", {"x": values(2, 3)}, {"dims": [2]}), "axis"),
    (Row("Reverse", {"x": values(2, 3)}, {"dims": [1.5]}), "integers"),
    (Row("Slice", {"x": values(2, 3)}, {"begin": [0, 1], "size": [2, 3]}), "overflow"),
    (Row("Tile", {"x": values(2, 3)}, {"reps": [1]}), "rank"),
    (Row("BroadcastTo", {"x": values(2, 3)}, {"shape": [3]}), "broadcast"),
    (Row("PadV2", {"x": values(2, 3)}, {"paddings": [[1, 1]]}), "pairs"),
    (Row("PadV2", {"x": values(2)}, {"paddings": [[1, -1]]}), "0 or more"),
    (Row("MirrorPad", {"x": values(2)}, {"paddings": [[2, 0]], "mode": "reflect"}), "Padding in dimension"),
    (Row("MirrorPad", {"x": values(2)}, {"paddings": [[1, 0], [0, 0]], "mode": "reflect"}), "pairs"),
    (Row("MirrorPad", {"x": values(2)}, {"paddings": [[1, 0]], "mode": "wrap"}), "mode"),
    (Row("Reshape", {"x": values(2, 3)}, {"shape": [4]}), "Size"),
    (Row("Concat", {"tensors": [values(2, 3), values(3, 3)]}, {"axis": 1}), "concat"),
    (Row("Pack", {"tensors": [values(2), values(3)]}, {"axis": 0}), "stack"),
    (Row("Complex", {"real": values(2), "imag": values(3)}), "shapes"),
    (Row("SpaceToBatchND", {"x": values(1, 3, 3, 1)}, {"blockShape": [2, 2], "paddings": [[0, 0]] * 2}), "divisible"),
    (Row("BatchToSpaceND", {"x": values(3, 2, 2, 1)}, {"blockShape": [2, 2], "crops": [[0, 0]] * 2}), "divisible"),
    (Row("DepthToSpace", {"x": values(1, 2, 2, 3)}, {"blockSize": 2, "dataFormat": "NHWC"}), "divisible"),
]


@pytest.mark.parametrize(("row", "message"), WRONG, ids=lambda value: str(value))
def test_wrong_arguments(gpu: Engine, row: Row, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        run(gpu, row.kernel, row.inputs, row.attrs)


FRAMES: list[tuple[tuple[int, ...], list[list[int]], str, float]] = [
    ((2, 9, 5, 6), [[0, 0], [1, 2], [3, 0], [0, 0]], "PadV2", 1.5),
    ((2, 9, 5, 6), [[1, 2], [0, 0], [0, 0], [0, 0]], "PadV2", float("nan")),
    ((1, 9, 5, 8), [[0, 1], [1, 9], [0, 0], [4, 3]], "PadV2", -2.0),
    ((1, 9, 5, 6), [[0, 0], [0, 0], [0, 0], [4, 3]], "PadV2", 0.0),
    ((1, 9, 5, 6), [[0, 0], [0, 0], [1, 0], [1, 3]], "PadV2", 3.0),  # lanes move: flat
    ((2, 9, 5, 6), [[0, 0], [8, 2], [3, 4], [0, 0]], "reflect", 0.0),
    ((2, 9, 5, 6), [[0, 0], [9, 2], [0, 5], [0, 0]], "symmetric", 0.0),
    ((2, 9, 5, 6), [[1, 0], [1, 1], [0, 0], [0, 2]], "symmetric", 0.0),  # of channels: flat
]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize(("shape", "paddings", "mode", "value"), FRAMES)
def test_frames_of_tiled_images(
    gpu: Engine, shape: tuple[int, ...], paddings: list[list[int]], mode: str, value: float, dtype: str
) -> None:
    if dtype == "int32" and value != value:
        value = 7
    images = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)
    tensor = gpu.tensor(images)
    assert tensor.tiles() is not None
    # Values that are in tiles alone, as those of a convolution.
    tiled = emit_elementwise([tensor], "a", "float32" if dtype == "float32" else "int32")
    assert tiled.is_tiled and not tiled.is_flat
    kernel = "PadV2" if mode == "PadV2" else "MirrorPad"
    attrs = {"constantValue": value} if mode == "PadV2" else {"mode": mode}
    found = run_kernel(kernel, {"x": tiled}, {"paddings": paddings, **attrs})
    how = {"constant_values": value} if mode == "PadV2" else {}
    expected = np.pad(images, paddings, "constant" if mode == "PadV2" else mode, **how)  # type: ignore[call-overload]
    assert isinstance(found, Tensor)
    np.testing.assert_array_equal(found.numpy(), expected)
