"""Functions of models that rearrange, pick, count and sort: those of TensorFlow and of keras.ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.graph import DataType
from ..builder import Tensor
from ..call import tensors_of
from ..configuration import dtype_name, stored_dtype
from ..functions import Arguments, function
from .convolution import convolve
from .normalization import l2_normalized
from .resampling import resized


@function("pad")
def _pad(a: Arguments) -> Tensor:
    x, pairs = a.tensor(0, "tensor", "x"), np.asarray(a.get(1, "paddings", "pad_width"), np.int64)
    mode = str(a.get(2, "mode", default="constant")).lower()
    pairs = np.broadcast_to(pairs, (x.rank, 2))
    if mode == "constant":
        return a.b.pad(x, pairs.tolist(), float(a.get(3, "constant_values", default=0)))
    if mode not in ("reflect", "symmetric"):
        raise a.c.unsupported(f"padding by {mode!r} is not supported", "constant, reflect and symmetric are")
    shape = [size if size < 0 else size + int(sum(pair)) for size, pair in zip(x.shape, pairs, strict=True)]
    widths = a.b.constant(pairs.astype(np.int32))
    return a.b.add("MirrorPad", [x, widths], shape, mode=mode.upper().encode(), Tpaddings=DataType("int32"))


@function("split")
def _split(a: Arguments) -> Sequence[Tensor]:
    x = a.tensor(0, "value", "x")
    parts, axis = a.numbers(1, "num_or_size_splits", "indices_or_sections"), a.integer(2, "axis") % x.rank
    given = a.get(1, "num_or_size_splits", "indices_or_sections")
    if isinstance(given, int):
        return a.b.split(x, given, axis)
    whole: list[slice] = [slice(None)] * axis
    # TensorFlow gives the sizes of the parts, NumPy and Keras 3 where they begin.
    keras3 = a.named.get("operation") is not None
    ends = [*parts, x.shape[axis]] if keras3 else [int(end) for end in np.cumsum(parts)]
    starts = [0, *ends[:-1]]
    return [
        a.b.strided_slice(x, [*whole, slice(start, None if end < 0 else end)])
        for start, end in zip(starts, ends, strict=True)
    ]


@function("unstack")
def _unstack(a: Arguments) -> Sequence[Tensor]:
    x = a.tensor(0, "value", "x")
    axis = a.integer(2, "axis") % x.rank
    a.c.known(x, axis, "the number of parts")
    return a.b.unpack(x, axis)


@function("slice")
def _slice(a: Arguments) -> Tensor:
    x = a.tensor(0, "input_", "inputs", "input")
    begin, sizes = a.numbers(1, "begin", "start_indices"), a.numbers(2, "size", "shape")
    pairs = zip(begin, sizes, strict=True)
    return a.b.strided_slice(x, [slice(start, None if size < 0 else start + size) for start, size in pairs])


@function("gather", "take")
def _take(a: Arguments) -> Tensor:
    x = a.tensor(0, "params", "x")
    axis, indices = a.get(3, "axis"), a.get(1, "indices")
    if a.integer(9, "batch_dims"):
        raise a.c.unsupported("gathering within batches is not supported", "leave batch_dims at 0")
    keras3 = a.named.get("operation") is not None
    if axis is None and keras3:
        x, axis = a.b.reshape(x, [-1]), 0
    axis = int(axis or 0) % x.rank
    if not isinstance(indices, Tensor):
        size = x.shape[axis]
        numbers = np.asarray(indices, np.int32)
        indices = a.b.constant(numbers % size if size > 0 and keras3 else numbers)
    return a.b.gather(x, a.b.cast(indices, "int32"), axis)


@function("onehot")
def _one_hot(a: Arguments) -> Tensor:
    indices, depth = a.tensor(0, "indices", "x"), a.integer(1, "depth", "num_classes")
    axis = a.integer(4, "axis", default=-1)
    dtype = stored_dtype(dtype_name(a.get(5, "dtype", default="float32")))
    on, off = (
        a.b.constant(a.get(i, f"{name}_value", default=v), dtype) for i, name, v in ((2, "on", 1), (3, "off", 0))
    )
    inputs = [a.b.cast(indices, "int32"), a.b.integers(depth), on, off]
    types = (DataType(dtype), DataType("int32"))
    hot = a.b.add("OneHot", inputs, [*indices.shape, depth], dtype, axis=-1, T=types[0], TI=types[1])
    at = indices.rank if axis == -1 else axis % (indices.rank + 1)
    return a.b.transpose(hot, [*range(at), indices.rank, *range(at, indices.rank)])


def _extreme(a: Arguments, op: str) -> Tensor:
    x = a.tensor(0, "input", "x")
    axis = a.get(1, "axis")
    if axis is None and a.named.get("operation") is not None:
        x = a.b.reshape(x, [-1])
    at = int(axis or 0) % x.rank
    shape = [size for i, size in enumerate(x.shape) if i != at]
    types = {"Tidx": DataType("int32"), "output_type": DataType("int32")}
    found = a.b.add(op, [x, a.b.integers(at)], shape, "int32", T=DataType(x.dtype), **types)
    return a.b.expand(found, at) if a.get(9, "keepdims") else found


@function("argmax")
def _argmax(a: Arguments) -> Tensor:
    return _extreme(a, "ArgMax")


@function("argmin")
def _argmin(a: Arguments) -> Tensor:
    return _extreme(a, "ArgMin")


def _running(a: Arguments, op: str) -> Tensor:
    x, axis = a.tensor(), a.get(1, "axis")
    if axis is None and a.named.get("operation") is not None:
        x = a.b.reshape(x, [-1])
    inputs = [x, a.b.integers(int(axis or 0) % x.rank)]
    flags = {"exclusive": bool(a.get(2, "exclusive")), "reverse": bool(a.get(3, "reverse"))}
    return a.b.add(op, inputs, x.shape, Tidx=DataType("int32"), **flags)  # type: ignore[arg-type]


@function("cumsum")
def _cumsum(a: Arguments) -> Tensor:
    return _running(a, "Cumsum")


@function("cumprod")
def _cumprod(a: Arguments) -> Tensor:
    return _running(a, "Cumprod")


@function("broadcastto")
def _broadcast(a: Arguments) -> Tensor:
    x, shape = a.tensor(0, "input", "x"), a.numbers(1, "shape")
    return a.b.add("BroadcastTo", [x, a.b.integers(shape)], shape, Tidx=DataType("int32"))


@function("einsum")
def _einsum(a: Arguments) -> Tensor:
    equation = str(a.named.get("subscripts") or a.get(0, "equation")).replace(" ", "")
    found = [x for value in (*a.args, *a.named.values()) for x in tensors_of(value)]
    if "->" not in equation or "." in equation:
        raise a.c.unsupported(f"the equation {equation!r} is not supported", "write its result, and no ellipsis")
    return a.b.einsum(equation, found)


def _moved(a: Arguments) -> tuple[Tensor, Tensor, list[int], bool]:
    """x less its mean over axes."""
    x = a.tensor(0, "input_tensor", "x")
    axes, keep = a.axes(x), bool(a.get(2, "keepdims", default=False))
    return x, a.b.sub(x, a.b.reduce("Mean", x, axes, keep=True)), axes, keep


def _spread(a: Arguments) -> Tensor:
    _, centred, axes, keep = _moved(a)
    return a.b.reduce("Mean", a.b.unary("Square", centred), axes, keep=keep)


@function("var", "reducevariance")
def _variance(a: Arguments) -> Tensor:
    return _spread(a)


@function("std", "reducestd")
def _deviation(a: Arguments) -> Tensor:
    return a.b.unary("Sqrt", _spread(a))


@function("moments")
def _moments(a: Arguments) -> Sequence[Tensor]:
    x, _, axes, keep = _moved(a)
    return [a.b.reduce("Mean", x, axes, keep=keep), _spread(a)]


@function("logsumexp", "reducelogsumexp")
def _log_sum_exp(a: Arguments) -> Tensor:
    x = a.tensor(0, "input_tensor", "x")
    axes, keep = a.axes(x), bool(a.get(2, "keepdims", default=False))
    top = a.b.reduce("Max", x, axes, keep=True)
    total = a.b.unary("Log", a.b.reduce("Sum", a.b.unary("Exp", a.b.sub(x, top)), axes, keep=keep))
    return a.b.add_(total, top if keep else a.b.reduce("Max", x, axes))


@function("logaddexp")
def _log_add_exp(a: Arguments) -> Tensor:
    x, y = a.tensor(0, "x1"), a.tensor(1, "x2", like=a.c.x)
    away = a.b.unary("Neg", a.b.unary("Abs", a.b.sub(x, y)))
    return a.b.add_(a.b.binary("Maximum", x, y), a.b.unary("Log1p", a.b.unary("Exp", away)))


@function("norm")
def _norm(a: Arguments) -> Tensor:
    x = a.tensor(0, "tensor", "x")
    order = a.get(1, "ord", default="euclidean")
    axis = a.get(2, "axis")
    axes = list(range(x.rank)) if axis is None else [int(v) for v in np.atleast_1d(axis)]
    if order not in (2, "euclidean", "fro", None) or (order == 2 and len(axes) == 2):
        raise a.c.unsupported(f"a norm of order {order!r} is not supported", "the Euclidean one is")
    keep = bool(a.get(3, "keepdims", default=False))
    return a.b.unary("Sqrt", a.b.reduce("Sum", a.b.unary("Square", x), axes, keep=keep))


@function("normalize")
def _normalize(a: Arguments) -> Tensor:
    x = a.tensor(0, "x", "tensor")
    if a.get(2, "order", "ord", default=2) not in (2, "euclidean"):
        raise a.c.unsupported("only normalising by the Euclidean norm is supported", "leave order at 2")
    return l2_normalized(a.c, x, [a.integer(1, "axis", default=-1)])


@function("repeat")
def _repeat(a: Arguments) -> Tensor:
    x, counts = a.tensor(0, "input", "x"), a.numbers(1, "repeats")
    axis = a.get(2, "axis")
    if axis is None:
        x, axis = a.b.reshape(x, [-1]), 0
    axis = int(axis) % x.rank
    size = a.c.known(x, axis, "the size of the axis that is repeated")
    return a.b.gather(x, a.b.constant(np.repeat(np.arange(size, dtype=np.int32), counts)), axis)


@function("roll")
def _roll(a: Arguments) -> Tensor:
    x = a.tensor(0, "input", "x")
    shifts, axis = a.numbers(1, "shift"), a.get(2, "axis")
    if axis is None:
        raise a.c.unsupported("rolling all axes as one is not supported", "give an axis")
    for shift, at in zip(shifts, np.atleast_1d(axis), strict=True):
        size = a.c.known(x, int(at), "the size of the axis that is rolled")
        before = [slice(None)] * (int(at) % x.rank)
        cut = -shift % max(size, 1)
        if cut:
            parts = [a.b.strided_slice(x, [*before, slice(cut, None)]), a.b.strided_slice(x, [*before, slice(cut)])]
            x = a.b.concat(parts, int(at))
    return x


@function("moveaxis")
def _move_axis(a: Arguments) -> Tensor:
    x = a.tensor()
    source, target = ([v % x.rank for v in a.numbers(i, name)] for i, name in ((1, "source"), (2, "destination")))
    order = [i for i in range(x.rank) if i not in source]
    for at, axis in sorted(zip(target, source, strict=True)):
        order.insert(at, axis)
    return a.b.transpose(x, order)


def _tops(a: Arguments, x: Tensor, count: int) -> list[Tensor]:
    shape = (*x.shape[:-1], count)
    values, indices = a.b.add_many(
        "TopKV2", [x, a.b.integers(count)], [shape, shape], sorted=True, index_type=DataType("int32")
    )
    return [values, Tensor(indices.edge, shape, "int32")]


@function("topk")
def _top_k(a: Arguments) -> Sequence[Tensor]:
    return _tops(a, a.tensor(0, "input", "x"), a.integer(1, "k", default=1))


def _ordered(a: Arguments, which: int) -> Tensor:
    """Values or indices along an axis, from the smallest to the largest: the largest of what is turned round."""
    x = a.tensor(0, "values", "x")
    axis = a.integer(1, "axis", default=-1) % x.rank
    order = [i for i in range(x.rank) if i != axis]
    last = a.b.transpose(x, [*order, axis])
    size = a.c.known(last, -1, "the number of sorted values")
    down = str(a.get(2, "direction", default="ASCENDING")).upper() == "DESCENDING"
    found = _tops(a, last if down else a.b.unary("Neg", last), size)[which]
    if which == 0 and not down:
        found = a.b.unary("Neg", found)
    back = [*range(axis), x.rank - 1, *range(axis, x.rank - 1)]
    return a.b.transpose(found, back)


@function("sort")
def _sort(a: Arguments) -> Tensor:
    return _ordered(a, 0)


@function("argsort")
def _argsort(a: Arguments) -> Tensor:
    return _ordered(a, 1)


@function("addn")
def _add_n(a: Arguments) -> Tensor:
    tensors = [x for x in (a.get(0, "inputs") or a.c.inputs) if isinstance(x, Tensor)]
    return a.b.add("AddN", tensors, tensors[0].shape, N=len(tensors))


@function("biasadd")
def _bias_add(a: Arguments) -> Tensor:
    x = a.tensor(0, "value")
    return a.b.add_(x, a.tensor(1, "bias", like=x))


@function("countnonzero")
def _count(a: Arguments) -> Tensor:
    x = a.tensor(0, "x", "input")
    some = x if x.dtype == "bool" else a.b.binary("NotEqual", x, 0)
    return a.b.reduce("Sum", a.b.cast(some, "int32"), a.axes(x), keep=bool(a.get(2, "keepdims", default=False)))


@function("average")
def _average(a: Arguments) -> Tensor:
    if a.get(2, "weights") is not None:
        raise a.c.unsupported("averages with weights are not supported", "multiply and divide")
    x = a.tensor()
    return a.b.reduce("Mean", x, a.axes(x))


@function("hstack")
def _hstack(a: Arguments) -> Tensor:
    tensors = _tensors(a)
    return a.b.concat(tensors, 1 if tensors[0].rank > 1 else 0)


@function("vstack")
def _vstack(a: Arguments) -> Tensor:
    return a.b.concat(_tensors(a), 0)


def _tensors(a: Arguments) -> list[Tensor]:
    found: Any = a.get(0, "xs")
    return [x for x in found if isinstance(x, Tensor)] if isinstance(found, list) else a.c.inputs


def _triangle(a: Arguments, upper: bool) -> Tensor:
    x, shift = a.tensor(), a.integer(1, "k")
    rows, columns = (a.c.known(x, axis, "the size of the matrices") for axis in (-2, -1))
    a.c.bounded(rows * columns, "the triangle")
    kept = np.triu(np.ones((rows, columns), bool), shift) if upper else np.tril(np.ones((rows, columns), bool), shift)
    return a.b.select(a.b.constant(kept), x, 0)


@function("tril")
def _lower(a: Arguments) -> Tensor:
    return _triangle(a, False)


@function("triu")
def _upper(a: Arguments) -> Tensor:
    return _triangle(a, True)


@function("dot")
def _dot(a: Arguments) -> Tensor:
    x, y = a.tensor(0, "x1", "x"), a.tensor(1, "x2", "y", like=a.c.x)
    if y.rank > 2 or x.rank < 2:
        raise a.c.unsupported(f"dot of shapes {list(x.shape)} and {list(y.shape)} is not supported", "use matmul")
    if y.rank == 1:
        return a.b.reduce("Sum", a.b.mul(x, y), [-1])
    return a.b.matmul(x, y)


@function("trunc")
def _trunc(a: Arguments) -> Tensor:
    x = a.tensor()
    return a.b.mul(a.b.unary("Sign", x), a.b.unary("Floor", a.b.unary("Abs", x)))


@function("depthtospace")
def _depth_to_space(a: Arguments) -> Tensor:
    x, block = a.tensor(0, "input"), a.integer(1, "block_size")
    space = [size if size < 0 else size * block for size in x.shape[1:3]]
    shape = [x.shape[0], *space, x.shape[3] // block**2]
    return a.b.add("DepthToSpace", [x], shape, block_size=block, data_format=b"NHWC")


@function("resize")
def _resize(a: Arguments) -> Tensor:
    x = a.tensor(0, "images")
    height, width = a.numbers(1, "size")
    method = str(a.get(2, "method", "interpolation", default="bilinear")).lower()
    if method not in ("nearest", "bilinear") or a.get(9, "antialias", "preserve_aspect_ratio", default=False):
        raise a.c.unsupported(f"resizing by {method!r} is not supported", "nearest and bilinear are, without antialias")
    single = x.rank == 3
    result = resized(a.b, a.b.expand(x, 0) if single else x, height, width, method)
    return a.b.squeeze(result, 0) if single else result


@function("conv", "conv1d", "conv2d")
def _convolution(a: Arguments) -> Tensor:
    x = a.tensor(0, "inputs", "input", "value")
    kernel = a.tensor(1, "kernel", "filters", like=x)
    count = x.rank - 2
    layout = str(a.get(9, "data_format", default="channels_last")).upper()
    if count not in (1, 2) or layout not in ("NHWC", "NWC", "CHANNELS_LAST"):
        raise a.c.unsupported("only convolutions over one or two axes, channels last, are supported", "use a layer")

    def pair(position: int, *names: str) -> list[int]:
        numbers = [int(v) for v in np.atleast_1d(a.get(position, *names, default=1))]
        numbers = numbers[1:-1] if len(numbers) == count + 2 else numbers
        return [1] * (2 - count) + (numbers * count)[:count]

    padding = str(a.get(3, "padding", default="valid")).lower()
    if padding not in ("same", "valid"):
        raise a.c.unsupported(f"padding {padding!r} is not supported", "same and valid are")
    strides, dilations = pair(2, "strides", "stride"), pair(5, "dilation_rate", "dilations")
    if count == 1:
        x, kernel = a.b.expand(x, 1), a.b.expand(kernel, 0)
    result = convolve(a.b, x, kernel, strides, padding, dilations, "Conv2D")
    return a.b.squeeze(result, 1) if count == 1 else result


@function("diff")
def _difference(a: Arguments) -> Tensor:
    x = a.tensor(0, "a", "x")
    axis = a.integer(2, "axis", default=-1) % x.rank
    before = [slice(None)] * axis
    for _ in range(a.integer(1, "n", default=1)):
        after, first = a.b.strided_slice(x, [*before, slice(1, None)]), a.b.strided_slice(x, [*before, slice(-1)])
        x = a.b.sub(after, first)
    return x


@function("shape")
def _shape(a: Arguments) -> Tensor:
    x = a.tensor(0, "input", "x")
    return a.b.shape_tensor(a.b.sizes(x))


@function("fill", "full")
def _full(a: Arguments) -> Tensor:
    return a.b.constant(np.full(a.numbers(0, "dims", "shape"), a.get(1, "value", "fill_value")), "float32")


@function("digitize")
def _digitize(a: Arguments) -> Tensor:
    x, bins = a.tensor(), np.asarray(a.get(1, "bins"), np.float32)
    above = a.b.binary("GreaterEqual", a.b.expand(x, -1), a.b.constant(bins))
    return a.b.reduce("Sum", a.b.cast(above, "int32"), [-1])


@function("nantonum")
def _nan_to_num(a: Arguments) -> Tensor:
    x, largest = a.tensor(), float(np.finfo(np.float32).max)
    values = [
        float(a.get(i, name, default=v))
        for i, name, v in ((1, "nan", 0), (2, "posinf", largest), (3, "neginf", -largest))
    ]
    known = a.b.select(a.b.unary("IsNan", x, "bool"), a.b.constant(values[0], x.dtype), x)
    if values[1:] == [largest, -largest]:
        return a.b.clip(known, -largest, largest)
    infinite = [a.b.binary("Equal", x, np.inf), a.b.binary("Equal", x, -np.inf)]
    for where, value in zip(infinite, values[1:], strict=True):
        known = a.b.select(where, a.b.constant(value, x.dtype), known)
    return known


@function("select")
def _select(a: Arguments) -> Tensor:
    conditions, choices = a.get(0, "condlist"), a.get(1, "choicelist")
    given = [x for x in choices if isinstance(x, Tensor)]
    result = a.tensor(2, "default", like=given[0])
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        value = choice if isinstance(choice, Tensor) else a.b.constant(choice, given[0].dtype)
        result = a.b.select(condition, value, result)
    return result
