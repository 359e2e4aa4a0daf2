"""Tensor arrays of TensorFlow 1: a handle that ops write into, and a flow that orders them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from ..graph import DataType
from ..tensor_list import TensorArray, expect_array, merged_shape
from .call import Call, Value
from .lists import check_length, filled, joined, parts, stacked, unstacked
from .registry import lower


def _flow(call: Call) -> Value:
    """A flow holds nothing; TensorFlow's is a number as well."""
    return call.constant(np.array(0, np.float32))


def _array(call: Call, dtype: str) -> TensorArray:
    array = expect_array(call.inputs[0])
    if isinstance(call.node.attrs.get(dtype), DataType) and call.dtype(dtype) != array.dtype_of_items:
        raise InvalidArgumentError(
            f"expected an array of {call.dtype(dtype)} tensors, got one of {array.dtype_of_items} tensors"
        )
    return array


@lower("TensorArrayV3", inputs=1, host=(0,))
def tensor_array(call: Call) -> list[Any]:
    """A new array, and the beginning of its flow."""
    array = TensorArray(
        call.dtype("dtype"),
        call.shape_attr("element_shape"),
        [None] * check_length(call.host_integer(0)),
        dynamic=call.flag("dynamic_size"),
        clear_after_read=call.flag("clear_after_read", True),
        same_shapes=call.flag("identical_element_shapes"),
    )
    return [array, _flow(call)]


@lower("TensorArrayWriteV3", inputs=4, host=(1,), opaque=(0,))
def write(call: Call) -> Value:
    """One element written."""
    index = call.host_integer(1)
    check_length(max(index, 0))
    _array(call, "T").write(index, call.inputs[2])
    return _flow(call)


@lower("TensorArrayReadV3", inputs=3, kernels=("Fill",), host=(1,), opaque=(0,))
def read(call: Call) -> Value:
    """One element; zeros when it was never written."""
    array = _array(call, "dtype")
    item = array.read(call.host_integer(1))
    return filled(call, [item], array.shape_of_items, array.dtype_of_items)[0]


@lower("TensorArrayGatherV3", inputs=3, kernels=("Pack", "Fill"), host=(1,), opaque=(0,))
def gather(call: Call) -> Value:
    """Elements at indices along a new first axis."""
    array = _array(call, "dtype")
    shape = merged_shape(call.shape_attr("element_shape"), array.shape_of_items)
    return stacked(call, [array.read(index) for index in call.host_integers(1)], shape, array.dtype_of_items)


@lower("TensorArrayScatterV3", inputs=4, kernels=("Unpack",), host=(1,), opaque=(0,))
def scatter(call: Call) -> Value:
    """The slices of a tensor written at indices."""
    array, indices = _array(call, "T"), call.host_integers(1)
    values = unstacked(call, call.inputs[2])
    if len(values) != len(indices):
        raise InvalidArgumentError(f"{len(indices)} indices cannot place {len(values)} elements")
    for index, value in zip(indices, values, strict=True):
        check_length(max(index, 0))
        array.write(index, value)
    return _flow(call)


@lower("TensorArrayConcatV3", inputs=2, kernels=("Concat", "Fill"), opaque=(0,))
def concat(call: Call) -> list[Value]:
    """All elements along their first axis, and how long each is."""
    array = _array(call, "dtype")
    items = filled(
        call, [array.read(at) for at in range(len(array.items))], array.shape_of_items, array.dtype_of_items
    )
    return joined(call, items, array.dtype_of_items, call.shape_attr("element_shape_except0"))


@lower("TensorArraySplitV3", inputs=4, kernels=("SplitV",), host=(2,), opaque=(0,))
def split(call: Call) -> Value:
    """A tensor cut along its first axis and written from the first element on."""
    array, lengths = _array(call, "T"), call.host_integers(2)
    if len(lengths) > len(array.items) and not array.dynamic:
        raise InvalidArgumentError(f"{len(lengths)} parts do not fit an array of {len(array.items)} elements")
    for index, value in enumerate(parts(call, call.inputs[1], lengths)):
        array.write(index, value)
    return _flow(call)


@lower("TensorArraySizeV3", inputs=2, opaque=(0,))
def size(call: Call) -> Value:
    """How many elements there are, int32."""
    return call.constant(np.array(len(expect_array(call.inputs[0]).items), np.int32))


@lower("TensorArrayCloseV3", inputs=1, opaque=(0,))
def close(call: Call) -> list[Value]:
    """The array is of no use any more; no output."""
    array = expect_array(call.inputs[0])
    array.items.clear()
    array.closed = True
    return []
