"""Functions that stand in models as layers: Keras 2's TFOpLambda (``x + 1`` and the like), Keras 3's operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..activations import activate, activation_names
from ..builder import Tensor
from ..call import Call
from ..configuration import dtype_name, stored_dtype
from ..functions import FUNCTIONS, Arguments, canonical, function
from ..registry import layer
from .normalization import l2_normalized

_UNARY = {
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "rsqrt": "Rsqrt",
    "square": "Square",
    "abs": "Abs",
    "absolute": "Abs",
    "negative": "Neg",
    "neg": "Neg",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sign": "Sign",
    "reciprocal": "Reciprocal",
    "log1p": "Log1p",
    "expm1": "Expm1",
    "erf": "Erf",
    "logicalnot": "LogicalNot",
    "zeroslike": "ZerosLike",
    "oneslike": "OnesLike",
    "arctan": "Atan",
    "atan": "Atan",
    "arcsin": "Asin",
    "asin": "Asin",
    "arccos": "Acos",
    "acos": "Acos",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "arcsinh": "Asinh",
    "asinh": "Asinh",
    "arccosh": "Acosh",
    "acosh": "Acosh",
    "arctanh": "Atanh",
    "atanh": "Atanh",
}
_TESTS = {"isnan": "IsNan", "isinf": "IsInf", "isfinite": "IsFinite"}  # fmt: skip
_BINARY = {
    "add": "AddV2", "radd": "AddV2", "subtract": "Sub", "sub": "Sub", "multiply": "Mul", "mul": "Mul", "rmul": "Mul",
    "divide": "RealDiv", "truedivide": "RealDiv", "truediv": "RealDiv", "div": "RealDiv", "maximum": "Maximum",
    "minimum": "Minimum", "pow": "Pow", "power": "Pow", "floordiv": "FloorDiv", "floordivide": "FloorDiv",
    "mod": "FloorMod", "floormod": "FloorMod", "squareddifference": "SquaredDifference", "equal": "Equal",
    "notequal": "NotEqual", "less": "Less", "lessequal": "LessEqual", "greater": "Greater",
    "greaterequal": "GreaterEqual", "arctan2": "Atan2", "atan2": "Atan2", "dividenonan": "DivNoNan",
    "logicaland": "LogicalAnd", "logicalor": "LogicalOr",
}  # fmt: skip
_REVERSED = {"rsub": "Sub", "rtruediv": "RealDiv"}
_REDUCED = {
    "mean": "Mean", "reducemean": "Mean", "sum": "Sum", "reducesum": "Sum", "max": "Max", "amax": "Max",
    "reducemax": "Max", "min": "Min", "amin": "Min", "reducemin": "Min", "prod": "Prod", "reduceprod": "Prod",
    "any": "Any", "reduceany": "Any", "all": "All", "reduceall": "All",
}  # fmt: skip


def _binary(a: Arguments, op: str, swapped: bool = False) -> Tensor:
    first, second = a.get(0, "x", "x1", "a"), a.get(1, "y", "x2", "b")
    like = next((value for value in (first, second) if isinstance(value, Tensor)), None)
    x = a.tensor(0, "x", "x1", "a", like=like)
    y = a.tensor(1, "y", "x2", "b", like=like)
    if x.dtype != y.dtype:
        x, y = a.b.cast(x, "float32"), a.b.cast(y, "float32")
    return a.b.binary(op, y, x) if swapped else a.b.binary(op, x, y)


def _reduced(a: Arguments, op: str) -> Tensor:
    x = a.tensor(0, "input_tensor", "x", "input")
    return a.b.reduce(op, x, a.axes(x), keep=bool(a.get(2, "keepdims", "keep_dims", default=False)))


@function("reshape")
def _reshape(a: Arguments) -> Tensor:
    x = a.tensor()
    if a.args and not isinstance(a.args[0], Tensor):
        x = a.tensor(0, "tensor")
    shape = a.get(1, "newshape", "shape", "target_shape")
    if not isinstance(shape, (list, tuple)):
        raise a.c.unsupported("reshape to a computed shape is not supported", "use a Reshape layer")
    return a.b.reshape(x, [size if isinstance(size, Tensor) else -1 if size is None else int(size) for size in shape])


@function("transpose")
def _transpose(a: Arguments) -> Tensor:
    x = a.tensor()
    order = a.get(1, "axes", "perm")
    return a.b.transpose(x, [int(axis) for axis in order] if order is not None else list(range(x.rank))[::-1])


def _listed(a: Arguments) -> list[Tensor]:
    found = a.get(0, "values", "xs", "x", "arrays")
    tensors = [value for value in found if isinstance(value, Tensor)] if isinstance(found, (list, tuple)) else []
    return tensors or a.c.inputs


@function("concat", "concatenate")
def _concat(a: Arguments) -> Tensor:
    return a.b.concat(_listed(a), int(a.get(1, "axis", default=-1 if "class_name" in a.named else 0)))


@function("stack")
def _stack(a: Arguments) -> Tensor:
    return a.b.pack(_listed(a), int(a.get(1, "axis", default=0)))


@function("expanddims")
def _expand(a: Arguments) -> Tensor:
    x = a.tensor()
    for axis in np.atleast_1d(a.get(1, "axis", default=-1)):
        x = a.b.expand(x, int(axis))
    return x


@function("squeeze")
def _squeeze(a: Arguments) -> Tensor:
    x = a.tensor()
    axis = a.get(1, "axis")
    axes = [i for i, size in enumerate(x.shape) if size == 1] if axis is None else [int(v) for v in np.atleast_1d(axis)]
    for one in sorted((value % x.rank for value in axes), reverse=True):
        x = a.b.squeeze(x, one)
    return x


@function("cast")
def _cast(a: Arguments) -> Tensor:
    return a.b.cast(a.tensor(), stored_dtype(dtype_name(a.get(1, "dtype"))))


@function("clip", "clipbyvalue")
def _clip(a: Arguments) -> Tensor:
    low, high = a.get(1, "x_min", "clip_value_min", "min_value"), a.get(2, "x_max", "clip_value_max", "max_value")
    return a.b.clip(a.tensor(0, "x", "t"), float(low), float(high))


@function("matmul")
def _matmul(a: Arguments) -> Tensor:
    x, y = a.tensor(0, "x1", "a", "x"), a.tensor(1, "x2", "b", "y", like=a.c.x)
    if a.get(9, "transpose_a"):
        x = a.b.transpose(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2])
    return a.b.matmul(x, y, transpose_b=bool(a.get(9, "transpose_b", default=False)))


@function("softmax")
def _softmax(a: Arguments) -> Tensor:
    x = a.tensor(0, "logits", "x", "inputs")
    return a.b.softmax(x, int(a.get(1, "axis", default=-1)))


@function("tile")
def _tile(a: Arguments) -> Tensor:
    return a.b.tile(a.tensor(), [int(count) for count in a.get(1, "multiples", "repeats")])


@function("swapaxes")
def _swapaxes(a: Arguments) -> Tensor:
    x = a.tensor()
    order = list(range(x.rank))
    first, second = int(a.get(1, "axis1")) % x.rank, int(a.get(2, "axis2")) % x.rank
    order[first], order[second] = order[second], order[first]
    return a.b.transpose(x, order)


@function("flip", "reverse")
def _flip(a: Arguments) -> Tensor:
    x = a.tensor()
    for axis in a.axes(x):
        x = a.b.reverse(x, axis)
    return x


@function("l2normalize")
def _l2_normalize(a: Arguments) -> Tensor:
    x = a.tensor()
    return l2_normalized(a.c, x, a.axes(x))


@function("leakyrelu")
def _leaky(a: Arguments) -> Tensor:
    slope = float(a.get(1, "negative_slope", "alpha", default=0.2))
    return a.b.unary("LeakyRelu", a.tensor(), alpha=slope)


@function("gelu")
def _gelu(a: Arguments) -> Tensor:
    # tf.nn.gelu is exact unless told otherwise, keras.ops.gelu is not.
    approximate = a.get(1, "approximate", default=a.c.node.class_name == "Operation")
    return activate(a.c, a.tensor(), "gelu_new" if approximate else "gelu")


@function("where")
def _where(a: Arguments) -> Tensor:
    condition, x, y = a.tensor(0, "condition"), a.get(1, "x1", "x"), a.get(2, "x2", "y")
    like = next((value for value in (x, y) if isinstance(value, Tensor)), None)
    return a.b.select(a.b.cast(condition, "bool"), a.tensor(1, "x1", "x", like=like), a.tensor(2, "x2", "y", like=like))


@function("getitem")
def _getitem(a: Arguments) -> Tensor:
    x = a.tensor()
    key = a.get(1, "slice_spec", "key", "item")
    items: list[Any] = [_index(item) for item in (key if isinstance(key, (list, tuple)) else [key])]
    if Ellipsis in items:
        at = items.index(Ellipsis)
        taken = sum(item is not None for item in items) - 1
        items[at : at + 1] = [slice(None)] * (x.rank - taken)
    if any(isinstance(item, Tensor) for item in items):
        raise a.c.unsupported("indices that are computed are not supported", "slice by numbers")
    sliced = a.b.strided_slice(x, [item for item in items if item is not None])
    axis = 0
    for item in items:
        if item is None:
            sliced = a.b.expand(sliced, axis)
        axis += not isinstance(item, int)
    return sliced


def _index(item: Any) -> Any:
    if isinstance(item, Mapping):
        if item.get("class_name") == "__ellipsis__":
            return Ellipsis
        return slice(*(item.get(name) for name in ("start", "stop", "step")))
    if isinstance(item, str) and item.strip(".") == "":
        return Ellipsis
    return item


@function("identity", "stopgradient", "converttotensor")
def _same(a: Arguments) -> Tensor:
    return a.tensor()


@layer("TFOpLambda", "SlicingOpLambda", "Operation", takes=None)
def operation(c: Call) -> Tensor | Sequence[Tensor]:
    """One function of the tables above, or of another module."""
    name = str(c.get("operation") or c.get("function") or c.node.name)
    key, a = canonical(name), Arguments(c, name)
    if key in FUNCTIONS:
        return FUNCTIONS[key](a)
    if key in _UNARY:
        return a.b.unary(_UNARY[key], a.tensor())
    if key in _TESTS:
        return a.b.unary(_TESTS[key], a.tensor(), "bool")
    if key in _BINARY:
        return _binary(a, _BINARY[key])
    if key in _REVERSED:
        return _binary(a, _REVERSED[key], swapped=True)
    if key in _REDUCED:
        return _reduced(a, _REDUCED[key])
    activations = {canonical(known): known for known in activation_names()}
    if key in activations:
        return activate(c, a.tensor(), activations[key])
    raise c.unsupported(
        f"the function {name!r} is not supported in a model's configuration",
        "use a layer of Keras in its place, or convert a SavedModel, which holds its ops",
    )
