"""Shape rules against NumPy's own slicing and broadcasting, and against what TensorFlow documents."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgl.errors import InvalidArgumentError
from tfgl.ir import shapes


@pytest.mark.parametrize(
    "operands", [[()], [(3,), ()], [(2, 1, 4), (3, 1)], [(0, 1), (1, 5)], [(1,), (0,)], [(2, 3), (1, 1, 1)]]
)
def test_broadcasting_is_numpys(operands: list[tuple[int, ...]]) -> None:
    assert shapes.broadcast_shapes(*operands) == np.broadcast_shapes(*operands)


@pytest.mark.parametrize("operands", [[(2,), (3,)], [(2, 3), (2,)], [(0,), (2,)]])
def test_what_does_not_broadcast(operands: list[tuple[int, ...]]) -> None:
    with pytest.raises(InvalidArgumentError, match="Operands could not be broadcast together with shapes"):
        shapes.broadcast_shapes(*operands)


def test_broadcast_to() -> None:
    assert shapes.broadcast_to_shape((), (2, 3)) == (2, 3)
    with pytest.raises(InvalidArgumentError, match="cannot be broadcast to"):
        shapes.broadcast_to_shape((2,), (3,))


@pytest.mark.parametrize(("axis", "rank", "expected"), [(None, 3, (0, 1, 2)), (-1, 3, (2,)), ([], 2, ()), (0, 0, ())])
def test_axes(axis: Any, rank: int, expected: tuple[int, ...]) -> None:
    assert shapes.normalize_axes(axis, rank) == expected


def test_axes_that_are_not_there() -> None:
    for axis in (3, -4):
        with pytest.raises(InvalidArgumentError, match=r"in range \[-3, 3\) but got axis"):
            shapes.normalize_axis(axis, 3)
    with pytest.raises(InvalidArgumentError, match="named once"):
        shapes.normalize_axes([1, -2], 3)


# in, filter, stride, pad, dilation, mode -> before, after, out: one axis, as TensorFlow documents.
AXES: list[tuple[int, int, int, Any, int, Any, tuple[int, int, int]]] = [
    (5, 3, 1, "valid", 1, None, (0, 0, 3)),
    (5, 3, 2, "valid", 1, None, (0, 0, 2)),
    (5, 3, 1, "same", 1, None, (1, 1, 5)),
    (5, 3, 2, "same", 1, None, (1, 1, 3)),
    (6, 3, 2, "same", 1, None, (0, 1, 3)),
    (7, 2, 1, "same", 1, None, (0, 1, 7)),
    (4, 1, 3, "same", 1, None, (0, 0, 2)),
    (8, 3, 1, "valid", 2, None, (0, 0, 4)),
    (8, 3, 1, "same", 3, None, (3, 3, 8)),
    (5, 3, 2, 1, 1, None, (1, 1, 3)),
    (6, 3, 2, 1, 1, None, (1, 1, 3)),
    (6, 3, 2, 1, 1, "floor", (1, 1, 3)),
    (6, 3, 2, 1, 1, "ceil", (1, 1, 4)),
    (6, 3, 2, 1, 1, "round", (1, 1, 4)),
    (5, 3, 2, (2, 1), 1, None, (2, 1, 3)),
    (2, 5, 10, "valid", 1, None, (0, 0, 0)),
]


@pytest.mark.parametrize(("extent", "size", "stride", "pad", "dilation", "mode", "expected"), AXES)
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_convolution_axis(
    extent: int, size: int, stride: int, pad: Any, dilation: int, mode: Any, expected: Any, data_format: str
) -> None:
    last = data_format == "NHWC"
    if isinstance(pad, tuple):
        none = [0, 0]
        pad = [none, list(pad), list(pad), none] if last else [none, none, list(pad), list(pad)]
    geometry = shapes.conv2d_geometry(
        (2, extent, extent, 3) if last else (2, 3, extent, extent),
        (size, size, 3, 4),
        stride,
        pad,
        dilations=[dilation, dilation],
        dim_rounding_mode=mode,
        data_format=data_format,
    )
    for axis in range(2):
        got = (geometry.pads_before[axis], geometry.pads_after[axis], geometry.out_spatial[axis])
        assert got == expected
    out = expected[2]
    assert geometry.out_shape == ((2, out, out, 4) if last else (2, 4, out, out))


def test_convolution_families() -> None:
    assert shapes.conv2d_geometry((1, 5, 4, 3), (2, 2, 3, 2), 1, "valid", depthwise=True).out_channels == 6
    pool = shapes.pool2d_geometry((1, 6, 4, 3), [3, 2], [2, 1], "same")
    assert (pool.out_shape, pool.pad_top, pool.pad_bottom, pool.pad_right) == ((1, 3, 4, 3), 0, 1, 1)
    back = shapes.conv2d_transpose_geometry((2, 3, 3, 5), (3, 3, 4, 5), (2, 6, 6, 4), 2, "same")
    assert back.in_shape == (2, 6, 6, 4)
    with pytest.raises(InvalidArgumentError, match="dy has shape"):
        shapes.conv2d_transpose_geometry((2, 4, 3, 5), (3, 3, 4, 5), (2, 6, 6, 4), 2, "same")
    assert shapes.pool3d_geometry((1, 2, 4, 4, 4), 2, 2, "valid", data_format="NCDHW").out_shape == (1, 2, 2, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pad": "some"}, "Unknown padding parameter"),
        ({"strides": 0}, "Strides should be larger than 0"),
        ({"dilations": 0}, "Dilated rates should be larger than 0"),
        ({"data_format": "NWHC"}, "Unknown dataFormat"),
        ({"in_shape": (1, 5, 5, 4)}, "depth of input"),
        ({"in_shape": (5, 5, 3)}, "must be rank 4"),
        ({"pad": "same", "dim_rounding_mode": "floor"}, "pad must be an integer when using dimRoundingMode"),
        ({"pad": 1.5, "dim_rounding_mode": "floor"}, "pad must be an integer when using dimRoundingMode"),
        ({"in_shape": (1, 1, 1, 3)}, "does not fit"),
    ],
)
def test_convolution_errors(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "in_shape": (1, 5, 5, 3),
        "filter_shape": (3, 3, 3, 4),
        "strides": 1,
        "pad": "valid",
        "dim_rounding_mode": None,
    }
    with pytest.raises(InvalidArgumentError, match=message):
        shapes.conv2d_geometry(**(arguments | change))


def _taken(x: np.ndarray[Any, Any], plan: shapes.StridedSlice) -> np.ndarray[Any, Any]:
    index = np.ix_(
        *(
            [first + k * step for k in range(count)]
            for first, step, count in zip(plan.begin, plan.strides, plan.counts, strict=True)
        )
    )
    return x[index].reshape(plan.shape)


def test_every_slice_of_one_axis() -> None:
    x = np.arange(4)
    limits = [None, *range(-6, 7)]
    for begin, end, step in itertools.product(limits, limits, [-3, -1, 1, 2]):
        plan = shapes.strided_slice_plan(
            (4,),
            [begin or 0],
            [end or 0],
            [step],
            begin_mask=int(begin is None),
            end_mask=int(end is None),
        )
        assert _taken(x, plan).tolist() == x[begin:end:step].tolist(), (begin, end, step)


INDICES: list[tuple[Any, ...]] = [
    (),
    (1,),
    (-1, 2),
    (..., 1),
    (slice(None), ..., slice(1, 3)),
    (None, 1),
    (..., None),
    (slice(0, 1), None, slice(None, None, -1), ..., None, 3),
    (1, 2, 3),
    (slice(3, 1), 0),
    (None, ..., 0, None),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_strided_slice_with_masks(index: tuple[Any, ...]) -> None:
    x = np.arange(60).reshape(3, 4, 5)
    begin, end, strides = [], [], []
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for k, entry in enumerate(index):
        whole = entry if isinstance(entry, slice) else slice(entry if isinstance(entry, int) else None)
        first = entry if isinstance(entry, int) else whole.start
        begin.append(first or 0)
        end.append(whole.stop or 0)
        strides.append(whole.step or 1)
        masks["begin_mask"] |= (first is None) << k
        masks["end_mask"] |= (whole.stop is None) << k
        masks["ellipsis_mask"] |= (entry is ...) << k
        masks["new_axis_mask"] |= (entry is None) << k
        masks["shrink_axis_mask"] |= isinstance(entry, int) << k
    plan = shapes.strided_slice_plan(x.shape, begin, end, strides, **masks)
    np.testing.assert_array_equal(_taken(x, plan), x[index])
    assert plan.is_whole(x.shape) == (x[index].size == x.size and not any(isinstance(i, slice) for i in index))


@pytest.mark.parametrize(
    ("arguments", "masks", "message"),
    [
        (([0], [1], [0]), {}, "must be non-zero"),
        (([4], [5], [1]), {"shrink_axis_mask": 1}, "slice index 4 of dimension 0 out of bounds"),
        (([0], [1], [-1]), {"shrink_axis_mask": 1}, "only stride 1 allowed"),
        (([0, 0], [1, 1], [1, 1]), {"ellipsis_mask": 3}, "Multiple ellipses"),
        (([0, 0], [1, 1], [1, 1]), {}, "names 2 axes"),
        (([0], [1, 1], [1]), {}, "one length"),
    ],
)
def test_strided_slice_errors(arguments: Any, masks: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        shapes.strided_slice_plan((4,), *arguments, **masks)


def test_slice_bounds() -> None:
    assert shapes.slice_bounds((4, 5), 1) == ((1, 0), (3, 5))
    assert shapes.slice_bounds((4, 5), [4, 0], [0, -1]) == ((4, 0), (0, 5))
    for begin, size, message in [
        ([3, 0], [2, 1], r"begin\[0\] \+ size\[0\] \(5\) would overflow input.shape\[0\] \(4\)"),
        ([-1], [1], "does not support negative begin"),
        ([0], [-2], "Negative size values should be exactly -1"),
        ([0, 0, 0], [1], "must match the rank"),
        ([5], [-1], "would overflow"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            shapes.slice_bounds((4, 5), begin, size)


@given(st.lists(st.integers(0, 4), max_size=4), st.data())
def test_reshape_keeps_the_size(target: list[int], data: st.DataObject) -> None:
    size = int(np.prod(target, dtype=int))
    if target and size:
        at = data.draw(st.integers(0, len(target) - 1))
        holed = [*target[:at], -1, *target[at + 1 :]]
        assert shapes.reshape((size,), holed) == tuple(target)
    assert shapes.reshape((size,), target) == tuple(target)


def test_reshape_errors() -> None:
    assert shapes.reshape((0, 3), (-1, 0)) == (0, 0)
    for target, message in [
        ((-1, -1), "Shapes can only have 1 implicit size"),
        ((-2, 3), "Shapes can not be < 0"),
        ((4, -1), "implicit shape can't be a fractional number"),
        ((5,), r"Size\(6\) must match the product of shape 5"),
        ((-1, 0), "0 elements"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            shapes.reshape((2, 3), target)


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [
        (0, 5, 1, 5),
        (0, 5, 2, 3),
        (5, 0, -2, 3),
        (0, 0, 1, 0),
        (0, 3, -1, 0),
        (3, 0, 2, 0),
        (3, 0, 1, 3),
        (0, 1, 0.3, 4),
    ],
)
def test_range_length(start: float, stop: float, step: float, expected: int) -> None:
    assert shapes.range_length(start, stop, step)[0] == expected


def test_joins() -> None:
    with pytest.raises(InvalidArgumentError, match="rank of tensors"):
        shapes.concat_shape([(2,), (2, 1)])
    with pytest.raises(InvalidArgumentError, match="does not match the shape of the rest"):
        shapes.concat_shape([(2, 2), (3, 2)], 1)
    assert shapes.pack_shape([(), ()], 0) == ((2,), 0)
    assert shapes.unpack_shape((2, 3), -1) == ((2,), 3, 1)
    with pytest.raises(InvalidArgumentError, match="evenly divide"):
        shapes.split_sizes((7,), 2)
    with pytest.raises(InvalidArgumentError, match="only one negative value"):
        shapes.split_sizes((7,), [-1, -1])
    with pytest.raises(InvalidArgumentError, match="sum of sizes must match"):
        shapes.split_sizes((7,), [3, 3])
    with pytest.raises(InvalidArgumentError, match="cannot be greater than or equal to 2"):
        shapes.pad_shape((2,), [(2, 0)], "reflect")
    assert shapes.pad_shape((2,), [(2, 0)], "symmetric") == (4,)


def test_indexing() -> None:
    plan = shapes.gather((2, 3, 4, 5), (2, 6), axis=2, batch_dims=1)
    assert plan == shapes.Gather((2, 3, 6, 5), 2, 3, 4, 6, 5)
    with pytest.raises(InvalidArgumentError, match="must be less than or equal to axis"):
        shapes.gather((2, 3), (2, 3), axis=0, batch_dims=1)
    with pytest.raises(InvalidArgumentError, match="index innermost dimension length"):
        shapes.gather_nd_shape((2, 3), (4, 3))
    assert shapes.gather_nd_shape((2, 3), (4, 0)) == (4, 2, 3)
    with pytest.raises(InvalidArgumentError, match=r"Must have updates.shape = indices.shape\[:batchDim\]"):
        shapes.scatter_nd_dims((4, 1), (4, 7), (8, 6))
    with pytest.raises(InvalidArgumentError, match="<= the last dimension"):
        shapes.top_k_shape((2, 3), 4)


EQUATIONS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ba", [(2, 3)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (7, 1, 3, 4)]),
    ("i...,i...->...", [(2, 3, 4), (2, 3, 4)]),
    ("...a", [(2, 3)]),
    ("abc->", [(2, 3, 4)]),
    ("a,b,c->cab", [(2,), (3,), (4,)]),
]


@pytest.mark.parametrize(("equation", "operands"), EQUATIONS)
def test_einsum_shapes_are_numpys(equation: str, operands: list[tuple[int, ...]]) -> None:
    expected = np.einsum(equation, *(np.ones(shape) for shape in operands)).shape
    plan = shapes.parse_einsum(equation, operands)
    assert plan.shape == expected
    assert [len(labels) for labels in plan.inputs] == [len(shape) for shape in operands]


@pytest.mark.parametrize(
    ("equation", "operands", "message"),
    [
        ("ij,jk->ik", [(2, 3)], "Expected 2 input tensors, received 1"),
        ("ij,jk->ik", [(2, 3), (4, 5)], "Expected dimension 3"),
        ("ij->ijk", [(2, 3)], "label k not present"),
        ("ij->ii", [(2, 3)], "names a label twice"),
        ("i1->i", [(2, 3)], "may hold letters"),
        ("i->i->i", [(2,)], "at most one arrow"),
        ("ij->i", [(2, 3, 4)], "label every axis"),
    ],
)
def test_einsum_errors(equation: str, operands: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        shapes.parse_einsum(equation, operands)


def test_nearest_sources() -> None:
    # From the definition of each mode in exact numbers, where none falls on an edge.
    assert shapes.nearest_sources(5, 3, False, False) == (0, 1, 3)
    assert shapes.nearest_sources(5, 3, True, False) == (0, 2, 4)
    assert shapes.nearest_sources(5, 3, False, True) == (0, 2, 4)
    assert shapes.nearest_sources(2, 5, False, True) == (0, 0, 1, 1, 1)
    assert shapes.nearest_sources(3, 1, True, False) == (0,)


def test_images() -> None:
    with pytest.raises(InvalidArgumentError, match="atleast"):
        shapes.crop_and_resize_shape((1, 4, 4, 1), (2, 4), (2,), (0, 3))
    with pytest.raises(InvalidArgumentError, match="evenly divisible by 4 but is 6"):
        shapes.depth_to_space_shape((1, 2, 2, 6), 2)
    assert shapes.depth_to_space_shape((1, 8, 2, 3), 2, "NCHW") == (1, 2, 4, 6)
    with pytest.raises(InvalidArgumentError, match="must be divisible by blockShapes"):
        shapes.space_to_batch((1, 3, 3, 1), (2, 2), [(0, 0), (0, 0)])
    with pytest.raises(InvalidArgumentError, match="not divisible by the product"):
        shapes.batch_to_space((3, 2, 2, 1), (2, 2), [(0, 0), (0, 0)])
