"""Lists of tensors: values on the host whose elements stay where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...dtypes import NUMPY, DType
from ...errors import InvalidArgumentError
from ..graph import Shape
from ..tensor_list import TensorList, expect_list, merged_shape
from .arrange import full
from .call import Call, Value
from .joining import check_count
from .registry import lower

# What a file of a few bytes may reserve; each write to a list copies as many places.
_MOST_RESERVED = 1 << 20


def _dtype_of_items(call: Call) -> DType | None:
    """None for lists of lists."""
    value = call.required("element_dtype")
    return None if value == "variant" else call.dtype("element_dtype")


def _shape_input(call: Call, i: int) -> Shape | None:
    """A partly known shape: -1 alone is one of unknown rank, -1 in a vector an unknown extent."""
    array, sizes = call.host(i), call.host_integers(i)
    if not array.ndim:
        if sizes != [-1]:
            raise InvalidArgumentError(f"input {i} is a shape: expected a vector or -1, got {sizes}")
        return None
    if any(n < -1 for n in sizes):
        raise InvalidArgumentError(f"input {i} is a shape and cannot hold {min(sizes)}")
    return tuple(sizes)


def check_length(count: int) -> int:
    """``count`` when a list may have as many elements; InvalidArgumentError else."""
    if not 0 <= count <= _MOST_RESERVED:
        raise InvalidArgumentError(f"a list may have up to {_MOST_RESERVED} elements, got {count}")
    return count


def filled(call: Call, items: Sequence[Value | None], shape: Shape | None, dtype: DType | None) -> list[Value]:
    """``items`` with zeros in place of those that were never written; needs Fill.

    Their shape is ``shape`` and what the others say; InvalidArgumentError where that leaves anything open.
    """
    if all(item is not None for item in items):
        return [item for item in items if item is not None]
    for item in items:
        if item is not None:
            shape = merged_shape(shape, tuple(item.shape))
    if shape is None or -1 in shape or dtype is None:
        raise InvalidArgumentError(
            f"element {list(items).index(None)} was never written, and the shape of elements is not fully known: "
            f"{'unknown' if shape is None else list(shape)}"
        )
    zeros = zeros_of(call, shape, dtype)
    return [zeros if item is None else item for item in items]


def zeros_of(call: Call, shape: Sequence[int], dtype: DType) -> Value:
    """A tensor of zeros, false or empty strings; needs Fill."""
    if dtype == "complex64" or not math.prod(shape):
        return call.constant(np.zeros(shape, NUMPY[dtype]))
    return full(call, shape, b"" if dtype == "string" else 0, dtype)


def stacked(
    call: Call, items: Sequence[Value | None], shape: Shape | None, dtype: DType | None
) -> Value:
    """``items`` along a new first axis; needs Fill and Pack."""
    if not items:
        if shape is None or -1 in shape or dtype is None:
            raise InvalidArgumentError("an empty list has elements of no known shape, so it cannot become a tensor")
        return call.constant(np.zeros((0, *shape), NUMPY[dtype]))
    tensors = filled(call, items, shape, dtype)
    for tensor in tensors:
        merged_shape(shape, tuple(tensor.shape))
        merged_shape(tuple(tensors[0].shape), tuple(tensor.shape))
    return call.one("Pack", {"tensors": tensors}, axis=0)


def unstacked(call: Call, tensor: Value) -> list[Value]:
    """The slices of the first axis; needs Unpack."""
    if not tensor.shape:
        raise InvalidArgumentError("a scalar has no axis to take elements from")
    check_count(tensor.shape[0])
    return call.many("Unpack", {"value": tensor}, axis=0) if tensor.shape[0] else []


def joined(call: Call, tensors: Sequence[Value], dtype: DType | None, shape: Shape | None) -> list[Value]:
    """Elements along their first axis, and how long each is; needs Concat."""
    if any(not tensor.shape for tensor in tensors):
        raise InvalidArgumentError("scalars cannot be put together along an axis")
    lengths = call.constant(np.array([tensor.shape[0] for tensor in tensors], np.int32))
    if not tensors:
        if shape is None or -1 in shape or dtype is None:
            raise InvalidArgumentError("an empty list has elements of no known shape, so it cannot become a tensor")
        return [call.constant(np.zeros((0, *shape), NUMPY[dtype])), lengths]
    for tensor in tensors:
        merged_shape(shape, tuple(tensor.shape[1:]))
        merged_shape(tuple(tensors[0].shape[1:]), tuple(tensor.shape[1:]))
    value = tensors[0] if len(tensors) == 1 else call.one("Concat", {"tensors": list(tensors)}, axis=0)
    return [value, lengths]


def parts(call: Call, tensor: Value, lengths: Sequence[int]) -> list[Value]:
    """``tensor`` cut along its first axis into parts of the given lengths; needs SplitV."""
    rows = tensor.shape[0] if tensor.shape else 0
    if not tensor.shape or min(lengths, default=0) < 0 or sum(lengths) != rows:
        raise InvalidArgumentError(f"lengths {list(lengths)} do not add up to axis 0 of shape {list(tensor.shape)}")
    check_count(len(lengths))
    if len(lengths) < 2:
        return [tensor] * len(lengths)
    return call.many("SplitV", {"x": tensor}, numOrSizeSplits=list(lengths), axis=0)


@lower("TensorListReserve", inputs=2, host=(0, 1))
def reserve(call: Call) -> Any:
    """A list of elements that are to be written."""
    count = check_length(call.host_integer(1))
    return TensorList(_dtype_of_items(call), _shape_input(call, 0), (None,) * count)


@lower("EmptyTensorList", inputs=2, host=(0, 1))
def empty(call: Call) -> Any:
    """A list without elements, which may have a largest number of them."""
    limit = call.host_integer(1)
    return TensorList(_dtype_of_items(call), _shape_input(call, 0), (), None if limit < 0 else limit)


@lower("TensorListFromTensor", inputs=2, kernels=("Unpack",), host=(1,))
def from_tensor(call: Call) -> Any:
    """The slices of a tensor's first axis."""
    tensor, shape = call.inputs[0], _shape_input(call, 1)
    made = TensorList(_dtype_of_items(call), shape)
    items = unstacked(call, tensor)
    # An empty list tells the shape of its elements by the tensor that it came from.
    known = merged_shape(shape, tuple(tensor.shape[1:]))
    return TensorList(made.dtype_of_items, known, tuple(made.check(item) for item in items))


@lower("TensorListSetItem", inputs=3, host=(1,), opaque=(0, 2))
def set_item(call: Call) -> Any:
    """The list with another element at an index; longer when ``resize_if_index_out_of_bounds`` says so."""
    given, index, value = expect_list(call.inputs[0]), call.host_integer(1), call.inputs[2]
    items = list(given.items)
    if index >= len(items) and call.flag("resize_if_index_out_of_bounds"):
        items += [None] * (check_length(index + 1) - len(items))
    else:
        given.at(index)
    items[index] = given.check(value)
    return given.with_items(tuple(items))


@lower("TensorListGetItem", inputs=3, kernels=("Fill",), host=(1, 2), opaque=(0,))
def get_item(call: Call) -> Value:
    """The element at an index; zeros when it was never written."""
    given, shape = expect_list(call.inputs[0]), _shape_input(call, 2)
    item = given.items[given.at(call.host_integer(1))]
    return _element(call, given, item, shape)


def _element(call: Call, given: TensorList, item: Value | None, shape: Shape | None) -> Value:
    _check_dtype(call, given)
    if item is not None:
        if given.dtype_of_items is not None:
            merged_shape(shape, tuple(item.shape))
        return item
    known = merged_shape(shape, given.shape_of_items)
    written = [other for other in given.items if other is not None]
    return filled(call, [*written, None], known, given.dtype_of_items)[-1]


def _check_dtype(call: Call, given: TensorList) -> None:
    dtype = _dtype_of_items(call)
    if dtype != given.dtype_of_items:
        raise InvalidArgumentError(f"expected a list of {dtype} tensors, got one of {given.dtype_of_items} tensors")


@lower("TensorListPushBack", inputs=2, opaque=(0, 1))
def push_back(call: Call) -> Any:
    """The list with one more element."""
    given = expect_list(call.inputs[0])
    if given.limit is not None and len(given.items) >= given.limit:
        raise InvalidArgumentError(f"the list is full: it may have {given.limit} elements")
    check_length(len(given.items) + 1)
    return given.with_items((*given.items, given.check(call.inputs[1])))


@lower("TensorListPopBack", inputs=2, kernels=("Fill",), host=(1,), opaque=(0,))
def pop_back(call: Call) -> list[Any]:
    """The list without its last element, and that."""
    given, shape = expect_list(call.inputs[0]), _shape_input(call, 1)
    if not given.items:
        raise InvalidArgumentError("the list is empty, so nothing can be taken from it")
    return [given.with_items(given.items[:-1]), _element(call, given, given.items[-1], shape)]


@lower("TensorListStack", inputs=2, kernels=("Pack", "Fill"), host=(1,), opaque=(0,))
def stack(call: Call) -> Value:
    """All elements along a new first axis."""
    given, count = expect_list(call.inputs[0]), call.integer("num_elements", -1)
    _check_dtype(call, given)
    if count >= 0 and count != len(given.items):
        raise InvalidArgumentError(f"expected a list of {count} elements, got one of {len(given.items)}")
    shape = merged_shape(_shape_input(call, 1), given.shape_of_items)
    return stacked(call, given.items, shape, given.dtype_of_items)


@lower("TensorListGather", inputs=3, kernels=("Pack", "Fill"), host=(1, 2), opaque=(0,))
def gather(call: Call) -> Value:
    """The elements at indices along a new first axis."""
    given, indices = expect_list(call.inputs[0]), call.host_integers(1)
    _check_dtype(call, given)
    shape = merged_shape(_shape_input(call, 2), given.shape_of_items)
    return stacked(call, [given.items[given.at(index)] for index in indices], shape, given.dtype_of_items)


@lower("TensorListScatter", inputs=3, kernels=("Unpack",), host=(1, 2))
@lower("TensorListScatterV2", inputs=4, kernels=("Unpack",), host=(1, 2, 3))
def scatter(call: Call) -> Any:
    """A list with the slices of a tensor at indices."""
    made = TensorList(_dtype_of_items(call), _shape_input(call, 2))
    indices = call.host_integers(1)
    wanted = call.host_integer(3) if len(call.inputs) == 4 else -1
    count = check_length(max(indices, default=-1) + 1)
    if 0 <= wanted < count:
        raise InvalidArgumentError(f"index {max(indices)} lies outside the list, which is to have {wanted} elements")
    return _scattered(call, made.with_items((None,) * check_length(max(count, wanted, 0))), call.inputs[0], indices)


@lower("TensorListScatterIntoExistingList", inputs=3, kernels=("Unpack",), host=(2,), opaque=(0,))
def scatter_into(call: Call) -> Any:
    """The list with the slices of a tensor at indices; longer when they reach beyond its end."""
    given, indices = expect_list(call.inputs[0]), call.host_integers(2)
    count = check_length(max(indices, default=-1) + 1)
    longer = given.items + (None,) * max(0, count - len(given.items))
    return _scattered(call, given.with_items(longer), call.inputs[1], indices)


def _scattered(call: Call, given: TensorList, tensor: Value, indices: Sequence[int]) -> TensorList:
    values = unstacked(call, tensor)
    if len(values) != len(indices):
        raise InvalidArgumentError(f"{len(indices)} indices cannot place {len(values)} elements")
    items = list(given.items)
    for index, value in zip(indices, values, strict=True):
        items[given.at(index)] = given.check(value)
    return given.with_items(tuple(items))


@lower("TensorListSplit", inputs=3, kernels=("SplitV",), host=(1, 2))
def split(call: Call) -> Any:
    """A tensor cut along its first axis into elements of given lengths."""
    made = TensorList(_dtype_of_items(call), _shape_input(call, 1))
    items = parts(call, call.inputs[0], call.host_integers(2))
    return made.with_items(tuple(made.check(item) for item in items))


@lower("TensorListConcat", inputs=1, kernels=("Concat", "Fill"), opaque=(0,))
@lower("TensorListConcatV2", inputs=3, kernels=("Concat", "Fill"), host=(1, 2), opaque=(0,))
def concat(call: Call) -> list[Value]:
    """The elements along their first axis, and how long each is."""
    given = expect_list(call.inputs[0])
    _check_dtype(call, given)
    two = len(call.inputs) == 3
    shape = merged_shape(_shape_input(call, 1) if two else call.shape_attr("element_shape"), given.shape_of_items)
    leading = call.host_integers(2) if two else []
    rest = None if shape is None else shape[1:]
    items = list(given.items)
    for at, item in enumerate(items):
        if item is None and at < len(leading) and rest is not None:
            items[at] = filled(call, [None], (leading[at], *rest), given.dtype_of_items)[0]
    return joined(call, filled(call, items, shape, given.dtype_of_items), given.dtype_of_items, rest)


@lower("TensorListConcatLists", inputs=2, opaque=(0, 1))
def concat_lists(call: Call) -> Any:
    """The elements of one list after those of another."""
    first, second = expect_list(call.inputs[0]), expect_list(call.inputs[1])
    items = tuple(item if item is None else first.check(item) for item in second.items)
    return first.with_items(first.items + items)


@lower("TensorListLength", inputs=1, opaque=(0,))
def length(call: Call) -> Value:
    """How many elements there are, int32."""
    return call.constant(np.array(len(expect_list(call.inputs[0]).items), np.int32))


@lower("TensorListElementShape", inputs=1, opaque=(0,))
def element_shape(call: Call) -> Value:
    """The shape of elements as far as it is known, int32; -1 alone for an unknown rank."""
    shape = expect_list(call.inputs[0]).shape_of_items
    return call.constant(np.array(-1 if shape is None else shape, np.int32))


@lower("TensorListResize", inputs=2, host=(1,), opaque=(0,))
def resize(call: Call) -> Any:
    """The list cut off, or with elements to be written at its end."""
    given, count = expect_list(call.inputs[0]), check_length(call.host_integer(1))
    return given.with_items(given.items[:count] + (None,) * (count - len(given.items)))
