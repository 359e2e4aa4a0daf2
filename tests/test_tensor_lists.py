"""Tensor lists and tensor arrays: what their ops give, on the reference and on shaders, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphs import FLOAT, INT, graph, node
from runs import check
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Graph, Node

X = np.arange(12, dtype=np.float32).reshape(4, 3)
ONE = np.array([10.0, 20.0, 30.0], np.float32)
CONSTANTS: dict[str, Any] = {
    "zero": np.int32(0), "one": np.int32(1), "two": np.int32(2), "four": np.int32(4), "six": np.int32(6),
    "minus": np.int32(-1), "unknown": np.int32(-1), "row": np.array([3], np.int32),
    "some": np.array([-1], np.int32), "scalar": np.zeros(0, np.int32),
    "odd": np.array([3, 1], np.int32), "lengths": np.array([1, 3], np.int32), "none": np.zeros(0, np.int32),
}  # fmt: skip


def item(name: str, op: str, *inputs: str, **attrs: Any) -> Node:
    return node(name, op, *inputs, **{"element_dtype": FLOAT, **attrs})


def made(*nodes: Node) -> Graph:
    read = {edge.node for entry in nodes for edge in entry.inputs}
    constants = {name: value for name, value in CONSTANTS.items() if name in read}
    placeholders = (node("x", "Placeholder", dtype=FLOAT), node("v", "Placeholder", dtype=FLOAT))
    return graph(*placeholders, *nodes, outputs={"y": nodes[-1].name}, **constants)


LIST = item("l", "TensorListFromTensor", "x", "row")
STACK = item("y", "TensorListStack", "l", "row")
RESERVED = item("l", "TensorListReserve", "row", "four")
SET = item("s", "TensorListSetItem", "l", "two", "v")
PLACED = np.stack([0 * ONE, 0 * ONE, ONE, 0 * ONE])

LISTS: dict[str, tuple[tuple[Node, ...], Any]] = {
    "there and back": ((LIST, STACK), X),
    "element": ((LIST, item("y", "TensorListGetItem", "l", "two", "row")), X[2]),
    "another element, the list as it was": (
        (LIST, SET, item("a", "TensorListStack", "s", "row"), item("b", "TensorListStack", "l", "row"),
         node("y", "Sub", "a", "b", T=FLOAT)), np.stack([0 * ONE, 0 * ONE, ONE - X[2], 0 * ONE]),
    ),
    "never written are zeros": ((RESERVED, SET, item("y", "TensorListStack", "s", "row")), PLACED),
    "zeros of the shape of others": (
        (item("l", "TensorListReserve", "unknown", "four"), SET, item("y", "TensorListStack", "s", "unknown")), PLACED,
    ),
    "zeros of one that was never written": ((RESERVED, item("y", "TensorListGetItem", "l", "one", "row")), 0 * ONE),
    "zeros of the shape that is asked for": (
        (item("l", "TensorListReserve", "some", "four"), item("y", "TensorListGetItem", "l", "one", "row")), 0 * ONE,
    ),
    "pushed": (
        (item("l", "EmptyTensorList", "row", "minus"), item("p", "TensorListPushBack", "l", "v"),
         item("q", "TensorListPushBack", "p", "v"), item("y", "TensorListStack", "q", "row")), np.stack([ONE, ONE]),
    ),
    "popped": ((LIST, item("p", "TensorListPopBack", "l", "row"), item("y", "TensorListStack", "p", "row")), X[:3]),
    "what was popped": (
        (LIST, item("p", "TensorListPopBack", "l", "row"), node("y", "Identity", "p:1", T=FLOAT)), X[3],
    ),
    "empty": ((item("l", "EmptyTensorList", "row", "minus"), STACK), np.zeros((0, 3), np.float32)),
    "gathered": ((LIST, item("y", "TensorListGather", "l", "odd", "row")), X[[3, 1]]),
    "scattered": (
        (node("h", "Slice", "x", "begin", "size"), item("l", "TensorListScatter", "h", "odd", "row"), STACK),
        np.stack([0 * ONE, X[1], 0 * ONE, X[0]]),
    ),
    "scattered into six": (
        (node("h", "Slice", "x", "begin", "size"), item("l", "TensorListScatterV2", "h", "odd", "row", "six"), STACK),
        np.stack([0 * ONE, X[1], 0 * ONE, X[0], 0 * ONE, 0 * ONE]),
    ),
    "scattered into another": (
        (LIST, node("h", "Slice", "x", "begin", "size"),
         item("s", "TensorListScatterIntoExistingList", "l", "h", "odd"),
         item("y", "TensorListStack", "s", "row")), X[[0, 1, 2, 0]],
    ),
    "split": (
        (item("l", "TensorListSplit", "x", "some_rows", "lengths"), item("y", "TensorListGetItem", "l", "one", "many")),
        X[1:],
    ),
    "split and put together": (
        (item("l", "TensorListSplit", "x", "some_rows", "lengths"),
         item("y", "TensorListConcatV2", "l", "some_rows", "none")), X,
    ),
    "put together": (
        (LIST, item("y", "TensorListConcat", "l", element_shape=(3,))), X.reshape(-1),
    ),
    "how long the parts were": (
        (item("l", "TensorListSplit", "x", "some_rows", "lengths"), item("c", "TensorListConcat", "l"),
         node("y", "Identity", "c:1", T=INT)), np.array([1, 3], np.int32),
    ),
    "two lists": (
        (LIST, item("c", "TensorListConcatLists", "l", "l"), item("y", "TensorListStack", "c", "row")),
        np.concatenate([X, X]),
    ),
    "length": ((LIST, node("y", "TensorListLength", "l")), np.int32(4)),
    "shape": ((RESERVED, node("y", "TensorListElementShape", "l")), np.array([3], np.int32)),
    "unknown shape": (
        (item("l", "TensorListReserve", "unknown", "four"), node("y", "TensorListElementShape", "l")), np.int32(-1),
    ),
    "longer": (
        (LIST, node("r", "TensorListResize", "l", "six"), item("y", "TensorListStack", "r", "row")),
        np.concatenate([X, np.zeros((2, 3), np.float32)]),
    ),
    "shorter": ((LIST, node("r", "TensorListResize", "l", "one"), item("y", "TensorListStack", "r", "row")), X[:1]),
    "resized by writing": (
        (LIST, item("s", "TensorListSetItem", "l", "six", "v", resize_if_index_out_of_bounds=True),
         node("y", "TensorListLength", "s")), np.int32(7),
    ),
    "list of lists": (
        (LIST, item("o", "EmptyTensorList", "scalar", "minus", element_dtype=DataType("variant")),
         item("p", "TensorListPushBack", "o", "l", element_dtype=DataType("variant")),
         item("g", "TensorListGetItem", "p", "zero", "scalar", element_dtype=DataType("variant")),
         item("y", "TensorListStack", "g", "row")), X,
    ),
}  # fmt: skip
CONSTANTS |= {
    "begin": np.array([0, 0], np.int32), "size": np.array([2, 3], np.int32),
    "some_rows": np.array([-1, 3], np.int32), "many": np.array([3, 3], np.int32),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_lists(gpu: Engine, name: str) -> None:
    nodes, expected = LISTS[name]
    check(made(*nodes), {"x": X, "v": ONE}, {"y": expected}, gpu)


NEVER: dict[str, tuple[tuple[Node, ...], str]] = {
    "no such element": ((LIST, item("y", "TensorListGetItem", "l", "four", "row")), "index 4 .* 4 elements"),
    "negative": ((LIST, item("y", "TensorListGetItem", "l", "minus", "row")), "index -1 .* 4 elements"),
    "written outside": ((LIST, item("y", "TensorListSetItem", "l", "six", "v")), "'y' .* index 6 .* 4 elements"),
    "another shape": ((LIST, item("y", "TensorListSetItem", "l", "two", "x")), r"shape \[3\], got one of shape \[4, 3"),
    "another dtype": ((LIST, item("y", "TensorListPushBack", "l", "one")), "float32 tensors, got a int32 one"),
    "another dtype asked for": (
        (LIST, item("y", "TensorListStack", "l", "row", element_dtype=INT)), "a list of int32 tensors, got one of fl",
    ),
    "full": (
        (item("l", "EmptyTensorList", "row", "one"), item("p", "TensorListPushBack", "l", "v"),
         item("y", "TensorListPushBack", "p", "v")), "full: it may have 1",
    ),
    "nothing to pop": (
        (item("l", "EmptyTensorList", "row", "minus"), item("y", "TensorListPopBack", "l", "row")), "is empty",
    ),
    "no shape": (
        (item("l", "TensorListReserve", "some", "four"), item("y", "TensorListStack", "l", "unknown")),
        "element 0 was never written",
    ),
    "no shape of none": (
        (item("l", "EmptyTensorList", "unknown", "minus"), item("y", "TensorListStack", "l", "unknown")),
        "an empty list",
    ),
    "other count": ((LIST, item("y", "TensorListStack", "l", "row", num_elements=3)), "a list of 3 elements, got .* 4"),
    "lengths": (
        (item("l", "TensorListSplit", "x", "some_rows", "all"), STACK), r"lengths \[0, 1, 2, 3\] do not add up",
    ),
    "too many": (
        (item("l", "TensorListReserve", "row", "huge"), node("y", "TensorListLength", "l")), "up to 1048576 elements",
    ),
    "no list": ((item("y", "TensorListStack", "x", "row"),), r"expected a tensor list, got a tensor of shape \[4, 3\]"),
    "a list for a tensor": ((LIST, node("y", "Neg", "l", T=FLOAT)), "input 0 takes a tensor, got a tensor list"),
    "a list as the output": ((node("q", "Neg", "x"), LIST), "gives a tensor list at output 0"),
    "negative place": (
        (node("h", "Slice", "x", "begin", "size"), item("y", "TensorListScatter", "h", "bad", "row")), "index -1",
    ),
}  # fmt: skip
CONSTANTS |= {"huge": np.int32(1 << 30), "bad": np.array([0, -1], np.int32)}


@pytest.mark.parametrize("name", NEVER)
def test_lists_that_cannot_be(name: str) -> None:
    nodes, message = NEVER[name]
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(made(*nodes), {"x": X, "v": ONE}, ["y"])


def array(*, size: str = "four", **attrs: Any) -> Node:
    return node("a", "TensorArrayV3", size, **{"dtype": FLOAT, **attrs})


WRITE = node("w", "TensorArrayWriteV3", "a", "two", "v", "a:1", T=FLOAT)
UNPACKED = node("w", "TensorArrayScatterV3", "a", "all", "x", "a:1", T=FLOAT)
CONSTANTS |= {"all": np.arange(4, dtype=np.int32)}

ARRAYS: dict[str, tuple[tuple[Node, ...], Any]] = {
    "written and read": ((array(), WRITE, node("y", "TensorArrayReadV3", "a", "two", "w", dtype=FLOAT)), ONE),
    "zeros": (
        (array(element_shape=(3,)), WRITE, node("y", "TensorArrayReadV3", "a", "one", "w", dtype=FLOAT)), 0 * ONE,
    ),
    "gathered": (
        (array(), UNPACKED, node("y", "TensorArrayGatherV3", "a", "odd", "w", dtype=FLOAT, element_shape=(3,))),
        X[[3, 1]],
    ),
    "put together": ((array(), UNPACKED, node("y", "TensorArrayConcatV3", "a", "w", dtype=FLOAT)), X.reshape(-1)),
    "split": (
        (array(), node("s", "TensorArraySplitV3", "a", "x", "lengths", "a:1", T=FLOAT),
         node("y", "TensorArrayReadV3", "a", "one", "s", dtype=FLOAT)), X[1:],
    ),
    "size": ((array(), WRITE, node("y", "TensorArraySizeV3", "a", "w")), np.int32(4)),
    "grown": (
        (array(size="zero", dynamic_size=True), WRITE, node("y", "TensorArraySizeV3", "a", "w")), np.int32(3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(gpu: Engine, name: str) -> None:
    nodes, expected = ARRAYS[name]
    check(made(*nodes), {"x": X, "v": ONE}, {"y": expected}, gpu)


BROKEN: dict[str, tuple[tuple[Node, ...], str]] = {
    "outside": ((array(), node("y", "TensorArrayWriteV3", "a", "six", "v", "a:1")), "not resizeable and has 4"),
    "twice": (
        (array(), WRITE, node("y", "TensorArrayWriteV3", "a", "two", "v", "w")), "element 2 .* already been written",
    ),
    "cleared": (
        (array(), WRITE, node("r", "TensorArrayReadV3", "a", "two", "w", dtype=FLOAT),
         node("q", "TensorArrayReadV3", "a", "two", "w", dtype=FLOAT), node("y", "Add", "r", "q")), "cleared",
    ),
    "other dtype": ((array(dtype=INT), WRITE, node("y", "Identity", "w")), "an array of float32 tensors, got .* int32"),
    "other value": ((array(dtype=INT), node("y", "TensorArrayWriteV3", "a", "two", "v", "a:1")), "got a float32 one"),
    "other shapes": (
        (array(identical_element_shapes=True), WRITE, node("y", "TensorArrayWriteV3", "a", "one", "x", "w")),
        r"shape \[3\], got one of shape \[4, 3\]",
    ),
    "never written": ((array(), node("y", "TensorArrayReadV3", "a", "one", "a:1", dtype=FLOAT)), "never written"),
    "no array": ((node("y", "TensorArraySizeV3", "x", "x"),), "expected a tensor array"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_arrays_that_cannot_be(name: str) -> None:
    nodes, message = BROKEN[name]
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(made(*nodes), {"x": X, "v": ONE}, ["y"])


def test_elements_may_be_read_again_where_nothing_is_cleared() -> None:
    read = node("r", "TensorArrayReadV3", "a", "two", "w", dtype=FLOAT)
    again = node("q", "TensorArrayReadV3", "a", "two", "w", dtype=FLOAT)
    nodes = made(array(clear_after_read=False), WRITE, read, again, node("y", "Add", "r", "q"))
    check(nodes, {"x": X, "v": ONE}, {"y": 2 * ONE})
