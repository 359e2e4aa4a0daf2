"""Gathers, scatters, counts, sequences and fills against the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from exact_kernels import Array, Row, check, compare, finite, on_device, one, run, values
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor


def below(limit: int, *shape: int, seed: int = 0) -> Array:
    """Reproducible indices from 0 on."""
    return np.random.default_rng(seed).integers(0, limit, shape).astype(np.int32)


def tuples(extents: tuple[int, ...], *shape: int, seed: int = 0) -> Array:
    """Reproducible index tuples along a new last axis."""
    return np.stack([below(n, *shape, seed=seed + k) for k, n in enumerate(extents)], -1)


def distinct(extent: int, count: int) -> Array:
    return np.random.default_rng(3).permutation(extent)[:count].astype(np.int32)


def whole(*shape: int, dtype: str = "int32") -> Array:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


# Sums of at most a few dozen normal values, added in another order or not.
SUMS = 1e-5

GATHERS = [
    Row("GatherV2", {"x": values(7), "indices": below(7, 5)}, {"axis": 0, "batchDims": 0}),
    Row("GatherV2", {"x": values(7), "indices": below(7)}, {"axis": 0}),
    Row("GatherV2", {"x": values(7, 8), "indices": below(7, 3, 5)}, {"axis": 0}),
    Row("GatherV2", {"x": values(3, 7, 5), "indices": below(7, 4)}, {"axis": -2}),
    Row("GatherV2", {"x": values(3, 5), "indices": below(5, 200)}, {"axis": 1}),
    Row("GatherV2", {"x": values(3, 7, 5), "indices": below(7, 3, 2)}, {"axis": 1, "batchDims": 1}),
    Row("GatherV2", {"x": values(3, 2, 7, 4), "indices": below(7, 3, 6)}, {"axis": 2, "batchDims": 1}),
    Row("GatherV2", {"x": values(2, 3, 7), "indices": below(7, 2, 3, 5)}, {"axis": 2, "batchDims": 2}),
    Row("GatherV2", {"x": values(2, 3, 7), "indices": below(7, 2, 5)}, {"axis": 2, "batchDims": -1}),
    Row("GatherV2", {"x": values(2, 3, 2, 2, 3, 5), "indices": below(3, 2)}, {"axis": 4}),
    Row("GatherV2", {"x": values(5, 3), "indices": below(5, 0)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 0), "indices": below(5, 2)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 3, dtype="int32"), "indices": below(5, 9)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 3, dtype="bool"), "indices": below(5, 9)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 3, dtype="complex64"), "indices": below(5, 9)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 3, dtype="string"), "indices": below(5, 9)}, {"axis": 0}),
    Row("GatherV2", {"x": values(5, 3), "indices": below(5, 2).astype(np.float32)}, {"axis": 0}),
    Row("GatherNd", {"params": values(7), "indices": below(7, 5, 1)}),
    Row("GatherNd", {"params": values(7, 5, 4), "indices": tuples((7, 5), 3, 2)}),
    Row("GatherNd", {"params": values(7, 5, 3), "indices": tuples((7, 5, 3), 300)}),
    Row("GatherNd", {"params": values(7, 5, 3), "indices": tuples((7,), 2, 3)}),
    Row("GatherNd", {"params": values(2, 3, 2, 3, 2, 3), "indices": tuples((2, 3, 2, 3, 2, 3), 6)}),
    Row("GatherNd", {"params": values(3, 4), "indices": below(1, 5, 0)}),
    Row("GatherNd", {"params": values(3, 4), "indices": below(1, 0, 2)}),
    Row("GatherNd", {"params": values(7, 5, dtype="int32"), "indices": tuples((7, 5), 6)}),
    Row("GatherNd", {"params": values(7, 5, dtype="complex64"), "indices": tuples((7, 5), 6)}),
    Row("GatherNd", {"params": values(7, 5, dtype="string"), "indices": tuples((7, 5), 6)}),
]

SCATTERS = [
    Row("ScatterNd", {"indices": below(5, 9), "updates": finite(9)}, {"shape": [5]}, SUMS),
    Row("ScatterNd", {"indices": below(5, 9, 1), "updates": finite(9, 3)}, {"shape": [5, 3]}, SUMS),
    Row("ScatterNd", {"indices": below(5, 9, 1), "updates": finite(9, 8)}, {"shape": [5, 8]}, SUMS),
    Row("ScatterNd", {"indices": tuples((4, 5), 2, 30), "updates": finite(2, 30, 2)}, {"shape": [4, 5, 2]}, SUMS),
    Row("ScatterNd", {"indices": below(5, 9, 1), "updates": values(9, 3)}, {"shape": [5, 3]}, SUMS),
    Row("ScatterNd", {"indices": below(1, 9, 0), "updates": finite(9, 3)}, {"shape": [3]}, SUMS),
    Row("ScatterNd", {"indices": below(5, 9, 1), "updates": values(9, 3, dtype="int32")}, {"shape": [5, 3]}),
    Row("ScatterNd", {"indices": below(5, 9), "updates": values(9, dtype="complex64")}, {"shape": [5]}, SUMS),
    Row("ScatterNd", {"indices": below(5, 0, 1), "updates": finite(0, 3)}, {"shape": [5, 3]}),
    Row("ScatterNd", {"indices": below(5, 2, 1), "updates": finite(2, 0)}, {"shape": [5, 0]}),
    Row("ScatterNd", {"indices": tuples((2, 2, 2, 2, 2, 2), 40), "updates": finite(40)}, {"shape": [2] * 6}, SUMS),
    # Long enough to be sorted.
    Row("ScatterNd", {"indices": below(900, 5000), "updates": finite(5000)}, {"shape": [900]}, SUMS),
    Row("ScatterNd", {"indices": below(900, 5000, 1), "updates": finite(5000, 4)}, {"shape": [900, 4]}, SUMS),
    Row(
        "ScatterNd",
        {"indices": tuples((7, 90), 4999), "updates": values(4999, 3, dtype="int32")},
        {"shape": [7, 90, 3]},
    ),
    Row("TensorScatterUpdate", {"tensor": values(5), "indices": below(5, 9, 1), "updates": values(9, seed=1)}),
    Row("TensorScatterUpdate", {"tensor": values(7, 4), "indices": below(7, 3, 1), "updates": values(3, 4, seed=1)}),
    Row("TensorScatterUpdate", {"tensor": values(3, 4), "indices": below(1, 0, 1), "updates": values(0, 4)}),
    Row(
        "TensorScatterUpdate",
        {"tensor": values(3, 4, 5), "indices": tuples((3, 4), 6), "updates": values(6, 5, seed=1)},
    ),
    Row(
        "TensorScatterUpdate",
        {
            "tensor": values(5, 3, dtype="int32"),
            "indices": below(5, 9, 1),
            "updates": values(9, 3, dtype="int32", seed=1),
        },
    ),
    Row(
        "TensorScatterUpdate",
        {
            "tensor": values(5, dtype="complex64"),
            "indices": below(5, 3, 1),
            "updates": values(3, dtype="complex64", seed=1),
        },
    ),
    Row(
        "TensorScatterUpdate",
        {"tensor": values(5, dtype="string"), "indices": below(5, 3, 1), "updates": values(3, dtype="string")},
    ),
    Row(
        "TensorScatterUpdate",
        {"tensor": finite(1000, 3), "indices": below(1000, 5000, 1), "updates": finite(5000, 3, seed=1)},
    ),
]

SEGMENTS = [
    Row("UnsortedSegmentSum", {"x": finite(30, 3), "segmentIds": below(8, 30) - 2}, {"numSegments": 5}, SUMS),
    Row("UnsortedSegmentSum", {"x": finite(30, 4), "segmentIds": below(8, 30) - 2}, {"numSegments": 5}, SUMS),
    Row("UnsortedSegmentSum", {"x": values(30, dtype="int32"), "segmentIds": below(5, 30)}, {"numSegments": 5}),
    Row("UnsortedSegmentSum", {"x": values(4, dtype="complex64"), "segmentIds": below(5, 4)}, {"numSegments": 5}, SUMS),
    Row("UnsortedSegmentSum", {"x": finite(4, 5, 2), "segmentIds": below(7, 4, 5)}, {"numSegments": 7}, SUMS),
    Row("UnsortedSegmentSum", {"x": finite(0, 3), "segmentIds": below(5, 0)}, {"numSegments": 2}),
    Row("UnsortedSegmentSum", {"x": finite(4, 3), "segmentIds": below(5, 4)}, {"numSegments": 0}),
    Row("UnsortedSegmentSum", {"x": finite(5000, 3), "segmentIds": below(900, 5000)}, {"numSegments": 900}, SUMS),
    *[
        Row(
            "SparseToDense",
            {
                "sparseIndices": np.array([[0, 1], [2, 3], [2, 3], [4, 0]], np.int32),
                "sparseValues": values(4, dtype=dtype),
                "defaultValue": values(1, dtype=dtype, seed=1).reshape(()),
            },
            {"outputShape": [5, 6]},
        )
        for dtype in ("float32", "int32", "bool", "complex64", "string")
    ],
    Row(
        "SparseToDense",
        {"sparseIndices": below(7, 4), "sparseValues": finite(1).reshape(()), "defaultValue": finite(1, seed=1)},
        {"outputShape": [7]},
    ),
    Row(
        "SparseToDense",
        {"sparseIndices": below(900, 5000), "sparseValues": finite(5000), "defaultValue": np.float32([np.nan])},
        {"outputShape": [900]},
    ),
    Row("BroadcastArgs", {"s0": np.int32([1, 3]), "s1": np.int32([2, 1, 3])}),
    Row("BroadcastArgs", {"s0": whole(0), "s1": np.int32([4, 0])}),
]

COUNTS = [
    Row("Bincount", {"x": below(9, 30), "weights": finite(30)}, {"size": 7}, SUMS),
    Row("Bincount", {"x": below(9, 30), "weights": whole(0)}, {"size": 12}),
    Row("Bincount", {"x": below(9, 0), "weights": whole(0, dtype="float32")}, {"size": 3}),
    Row("Bincount", {"x": below(9, 6), "weights": whole(6)}, {"size": 0}),
    Row("Bincount", {"x": below(60000, 5000), "weights": whole(5000)}, {"size": 1000}),
    Row("DenseBincount", {"x": below(9, 30), "weights": finite(30)}, {"size": 7, "binaryOutput": False}, SUMS),
    Row("DenseBincount", {"x": below(9, 30), "weights": finite(30)}, {"size": 7, "binaryOutput": True}),
    Row("DenseBincount", {"x": below(9, 4, 30), "weights": finite(4, 30)}, {"size": 7, "binaryOutput": False}, SUMS),
    Row("DenseBincount", {"x": below(9, 4, 30), "weights": whole(0)}, {"size": 7, "binaryOutput": False}),
    Row("DenseBincount", {"x": below(9, 4, 30), "weights": finite(0)}, {"size": 7, "binaryOutput": True}),
    Row("DenseBincount", {"x": below(9, 4, 5), "weights": whole(4, 5)}, {"size": 7, "binaryOutput": True}),
    Row("DenseBincount", {"x": below(9, 70, 80), "weights": whole(70, 80)}, {"size": 33, "binaryOutput": False}),
]

OTHERS = [
    Row("OneHot", {"indices": below(5, 7)}, {"depth": 5, "onValue": 1, "offValue": 0, "dtype": "float32"}),
    Row("OneHot", {"indices": below(9, 2, 3) - 2}, {"depth": 5, "onValue": 2.5, "offValue": -1, "dtype": "float32"}),
    Row("OneHot", {"indices": below(5)}, {"depth": 5, "onValue": 7, "offValue": -3, "dtype": "int32"}),
    Row("OneHot", {"indices": below(5, 4)}, {"depth": 5, "onValue": 1, "offValue": 0, "dtype": "bool"}),
    Row("OneHot", {"indices": below(5, 4)}, {"depth": 0}),
    Row("OneHot", {"indices": below(5, 0)}, {"depth": 3}),
    Row("OneHot", {"indices": below(3, 2, 1, 2, 1, 2)}, {"depth": 3, "dtype": "int32"}),
    Row("SearchSorted", {"sortedSequence": np.sort(below(9, 2, 11)), "values": below(10, 2, 5)}, {"side": "left"}),
    Row("SearchSorted", {"sortedSequence": np.sort(below(9, 2, 11)), "values": below(10, 2, 5)}, {"side": "right"}),
    Row("SearchSorted", {"sortedSequence": np.sort(finite(1, 300)), "values": finite(1, 9)}, {"side": "left"}),
    Row("Diag", {"x": values(5)}),
    Row("Diag", {"x": values(2, 3)}),
    Row("Diag", {"x": values(0)}),
    Row("Diag", {"x": values(2, 2, 2, dtype="int32")}),
    Row("Diag", {"x": values(3, dtype="bool")}),
    Row("Diag", {"x": values(3, dtype="complex64")}),
    Row("LinSpace", {}, {"start": 1, "stop": 10, "num": 1}),
    Row("LinSpace", {}, {"start": 1, "stop": -3.3, "num": 7}, 1e-7),
    Row("LinSpace", {}, {"start": -1e6, "stop": 0.1, "num": 100_001}, 2e-7),
    Row("Range", {}, {"start": 0, "stop": 7, "step": 1, "dtype": "float32"}),
    Row("Range", {}, {"start": 0.1, "stop": 7, "step": 0.3, "dtype": "float32"}, 2e-7),
    Row("Range", {}, {"start": 5, "stop": -7, "step": -2, "dtype": "int32"}),
    Row("Range", {}, {"start": 5, "stop": 1, "dtype": "int32"}),
    Row("Range", {}, {"start": 0, "stop": 5, "step": -2, "dtype": "int32"}),
    Row("Range", {}, {"start": 0, "stop": 5, "step": 0.75, "dtype": "int32"}),
    Row("Range", {}, {"start": 2**31 - 5, "stop": 2**31 - 1, "step": 1, "dtype": "int32"}),
    Row("Range", {}, {"start": -(2**31), "stop": 2**31 - 1, "step": 2**30, "dtype": "int32"}),
    Row("Fill", {}, {"shape": [3, 5], "value": 2.5, "dtype": "float32"}),
    Row("Fill", {}, {"shape": [], "value": float("nan")}),
    Row("Fill", {}, {"shape": [2], "value": float("-inf")}),
    Row("Fill", {}, {"shape": [0, 4], "value": 1}),
    Row("Fill", {}, {"shape": [7], "value": -(2**31), "dtype": "int32"}),
    Row("Fill", {}, {"shape": [7], "value": -3.7, "dtype": "int32"}),
    Row("Fill", {}, {"shape": [7], "value": 3e38, "dtype": "int32"}),
    Row("Fill", {}, {"shape": [7], "value": True}),
    Row("Fill", {}, {"shape": [7], "value": 3, "dtype": "bool"}),
    Row("Fill", {}, {"shape": [2, 2], "value": 1 - 2j}),
    Row("Fill", {}, {"shape": [2, 2], "value": 3, "dtype": "complex64"}),
    Row("Fill", {}, {"shape": [2, 2], "value": "word"}),
    Row("Fill", {}, {"shape": [1, 2, 1, 2, 1, 2], "value": 4}),
]


@pytest.mark.parametrize("row", [*GATHERS, *SCATTERS, *SEGMENTS, *COUNTS, *OTHERS], ids=str)
def test_against_the_reference(gpu: Engine, row: Row) -> None:
    check(gpu, row)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("bounds", [(0, 1), (2, 0), (-1, 2), (9, 9)])
def test_bands(gpu: Engine, dtype: str, bounds: tuple[int, int]) -> None:
    x = values(2, 4, 7, dtype=dtype)
    limits = [np.int32(bound) for bound in bounds]
    below_, above = (n if n >= 0 else 99 for n in bounds)
    distance = np.arange(4)[:, None] - np.arange(7)
    want = np.where((distance <= below_) & (-distance <= above), x, 0)
    named = {"input": x, "numLower": np.array(limits[0]), "numUpper": np.array(limits[1])}
    compare(one(gpu, "MatrixBandPart", named, {}), want, 0)


@pytest.mark.parametrize("count", [40, 3000, 6000])
def test_sums_of_duplicates_are_the_same_each_time(gpu: Engine, count: int) -> None:
    indices, updates = below(3, count, 1), finite(count, 5) * 1e3
    named = {"indices": indices, "updates": updates}
    first, second = (one(gpu, "ScatterNd", named, {"shape": [3, 5]}) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    # In the order of the updates, as TensorFlow adds them.
    want = np.zeros((3, 5), np.float32)
    np.add.at(want, indices[:, 0], updates)
    np.testing.assert_array_equal(first, want)


def test_bools_scatter_as_any(gpu: Engine) -> None:
    named = {"indices": np.array([0, 0, 2], np.int32), "updates": np.array([True, True, False])}
    got = one(gpu, "ScatterNd", named, {"shape": [4]})
    np.testing.assert_array_equal(got, [True, False, False, False])
    assert got.dtype == np.bool_


@pytest.mark.parametrize("side", ["left", "right"])
def test_search_in_empty_rows(gpu: Engine, side: str) -> None:
    named = {"sortedSequence": np.zeros((2, 0), np.float32), "values": finite(2, 3)}
    np.testing.assert_array_equal(one(gpu, "SearchSorted", named, {"side": side}), np.zeros((2, 3), np.int32))


@pytest.mark.parametrize(("kernel", "want"), [("LowerBound", [0, 1, 3]), ("UpperBound", [0, 3, 3])])
def test_bounds(gpu: Engine, kernel: str, want: list[int]) -> None:
    named = {"sortedSequence": np.array([[1, 2, 2]]), "values": np.array([[0.5, 2, 9]])}
    np.testing.assert_array_equal(one(gpu, kernel, named, {}), [want])


def test_one_hot_marks_every_class(gpu: Engine) -> None:
    got = one(gpu, "OneHot", {"indices": distinct(1000, 1000)}, {"depth": 1000, "dtype": "float32"})
    assert (got.sum(0) == 1).all() and (got.sum(1) == 1).all()


@pytest.mark.parametrize("row", [GATHERS[7], SCATTERS[3], SCATTERS[11], SCATTERS[-1], COUNTS[-1]], ids=str)
def test_traced(gpu: Engine, row: Row) -> None:
    tensors = {name: gpu.tensor(array) for name, array in row.inputs.items()}
    with gpu.tracing():
        result = run_kernel(row.kernel, tensors, row.attrs)
    assert isinstance(result, Tensor)
    np.testing.assert_array_equal(result.numpy(), one(gpu, row.kernel, row.inputs, row.attrs))


UNKNOWN: list[tuple[str, dict[str, Array], dict[str, Any], Any]] = [
    ("GatherV2", {"x": whole(4) + 1, "indices": np.array([3, 4, -1, 0])}, {"axis": 0}, [4, 0, 0, 1]),
    ("GatherNd", {"params": whole(2, 2) + 1, "indices": np.array([[1, 1], [0, 2], [-1, 0]])}, {}, [4, 0, 0]),
    ("ScatterNd", {"indices": np.array([1, 4, -1]), "updates": whole(3) + 1}, {"shape": [4]}, [0, 1, 0, 0]),
    (
        "ScatterNd",
        {"indices": np.array([[1, 1], [0, 2], [-1, 0]]), "updates": whole(3) + 1},
        {"shape": [2, 2]},
        [[0, 0], [0, 1]],
    ),
]


@pytest.mark.parametrize("row", UNKNOWN, ids=lambda row: row[0])
def test_indices_out_of_range_that_only_the_device_knows(gpu: Engine, row: tuple[Any, ...]) -> None:
    kernel, inputs, attrs, want = row
    tensors = {name: gpu.tensor(array) for name, array in inputs.items()}
    tensors["indices"] = on_device(tensors["indices"])
    result = run_kernel(kernel, tensors, attrs)
    assert isinstance(result, Tensor)
    np.testing.assert_array_equal(result.numpy(), want)


WRONG: list[tuple[str, dict[str, Array], dict[str, Any], str]] = [
    ("GatherV2", {"x": whole(4), "indices": below(9, 3) + 4}, {"axis": 0}, r"index value \d+ is not in \[0, 3\]"),
    ("GatherV2", {"x": whole(4), "indices": below(4, 3)}, {"axis": 1}, "axis"),
    ("GatherNd", {"params": whole(2, 2), "indices": np.array([[0, 2]])}, {}, "0,2 does not index into 2,2"),
    ("GatherNd", {"params": whole(2, 2), "indices": np.array([[0, 1, 0]])}, {}, "innermost dimension"),
    ("ScatterNd", {"indices": np.array([[9]]), "updates": whole(1)}, {"shape": [4]}, "9 does not index into 4"),
    ("ScatterNd", {"indices": np.array([[1]]), "updates": whole(2)}, {"shape": [4]}, "updates"),
    (
        "TensorScatterUpdate",
        {"tensor": finite(3), "indices": np.array([[1]]), "updates": whole(1)},
        {},
        "tensor is float32",
    ),
    (
        "SparseToDense",
        {"sparseIndices": below(3, 3), "sparseValues": finite(2), "defaultValue": finite(1)},
        {"outputShape": [4]},
        "incorrect shape",
    ),
    (
        "SparseToDense",
        {"sparseIndices": np.array([4]), "sparseValues": finite(1), "defaultValue": finite(1)},
        {"outputShape": [4]},
        "4 does not index into 4",
    ),
    ("UnsortedSegmentSum", {"x": finite(4, 3), "segmentIds": below(3, 3)}, {"numSegments": 3}, "segmentIds"),
    ("BroadcastArgs", {"s0": np.int32([2]), "s1": np.int32([3])}, {}, "broadcast"),
    ("OneHot", {"indices": below(3, 3)}, {"depth": -1}, "depth"),
    ("OneHot", {"indices": below(3, 3)}, {"depth": 2, "dtype": "string"}, "dtype"),
    ("LinSpace", {}, {"start": 0, "stop": 1, "num": 0}, "positive"),
    ("Range", {}, {"start": 0, "stop": 1, "step": 0}, "step of zero"),
    ("Range", {}, {"start": 0, "stop": 1, "dtype": "bool"}, "bool"),
    ("Fill", {}, {"shape": [-1], "value": 0}, "negative"),
    ("Fill", {}, {"shape": [1], "value": "a", "dtype": "int32"}, "string"),
    ("Bincount", {"x": np.array([-1]), "weights": whole(0)}, {"size": 3}, "non-negative"),
    ("Bincount", {"x": np.array([1]), "weights": whole(2)}, {"size": 3}, "shape of x"),
    ("DenseBincount", {"x": below(3, 1, 1, 1), "weights": whole(0)}, {"size": 3}, "rank 3"),
    ("SearchSorted", {"sortedSequence": finite(2, 3), "values": finite(3, 3)}, {"side": "left"}, "agree"),
    ("SearchSorted", {"sortedSequence": finite(1, 3), "values": finite(1, 3)}, {"side": "middle"}, "side"),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]} {row[3]}")
def test_wrong_arguments(gpu: Engine, row: tuple[Any, ...]) -> None:
    kernel, inputs, attrs, message = row
    with pytest.raises(InvalidArgumentError, match=message):
        run(gpu, kernel, inputs, attrs)
