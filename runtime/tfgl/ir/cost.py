"""How much a kernel makes and does, estimated from shapes before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgumentError

Shape = tuple[int, ...]
Shapes = Mapping[str, Sequence[Shape]]


@dataclass(frozen=True, slots=True)
class Cost:
    """At most so many elements at a time, and so many steps of arithmetic."""

    elements: int
    steps: int


def cost_of(kernel: str, shapes: Shapes, attrs: Mapping[str, Any]) -> Cost:
    """Upper bounds for ``kernel`` on inputs of the given shapes, both 0 for arguments that make no sense.

    Inputs and attributes have their tfjs names, and each input a list of shapes: one, but for those that take
    several tensors. What a damaged model may have there does not matter, since the kernel itself refuses it.

    >>> cost_of("Fill", {}, {"shape": [1 << 20, 1 << 20]}).elements == 1 << 40
    True
    >>> cost_of("BatchMatMul", {"a": [(2, 3)], "b": [(3, 4)]}, {})
    Cost(elements=8, steps=24)
    """
    every = [shape for group in shapes.values() for shape in group]
    try:
        if kernel in _PRODUCTS:
            elements, steps = _PRODUCTS[kernel](shapes, attrs)
        elif kernel in _GROWING:
            elements = steps = _GROWING[kernel](shapes, attrs)
        elif "tensors" in shapes:
            elements = steps = sum(map(math.prod, every))
        else:
            elements = steps = _broadcast(every)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return Cost(0, 0)
    return Cost(max(elements, 0), max(steps, 0))


def _broadcast(shapes: Sequence[Shape]) -> int:
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return math.prod(map(max, zip(*padded, strict=True))) if rank else 1


def _only(shapes: Shapes) -> Shape:
    """The shape of the first input."""
    return next(iter(shapes.values()))[0]


def _extents(values: Any) -> int:
    return math.prod([abs(int(value)) for value in values])


def _range(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    return int(abs((attrs["stop"] - attrs["start"]) / attrs.get("step", 1))) + 1


def _padded(shape: Shape, pairs: Any) -> int:
    return math.prod([n + abs(int(a)) + abs(int(b)) for n, (a, b) in zip(shape, pairs, strict=True)])


def _space_to_batch(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    x, block, pairs = _only(shapes), attrs["blockShape"], attrs["paddings"]
    inside = _padded(x[1 : 1 + len(block)], [(a, int(b) + int(n)) for (a, b), n in zip(pairs, block, strict=True)])
    return x[0] * inside * math.prod(x[1 + len(block) :])


def _resized(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    x = _only(shapes)
    return x[0] * _extents(attrs["size"]) * x[3]


def _cropped(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    return shapes["boxes"][0][0] * _extents(attrs["cropSize"]) * shapes["image"][0][3]


def _gathered(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    x = shapes["x"][0]
    return math.prod(shapes["indices"][0]) * math.prod(x) // max(x[int(attrs.get("axis", 0))], 1)


def _gathered_nd(shapes: Shapes, attrs: Mapping[str, Any]) -> int:
    params, indices = shapes["params"][0], shapes["indices"][0]
    return math.prod(indices[:-1]) * math.prod(params[indices[-1] :])


def _window(shapes: Shapes, attrs: Mapping[str, Any], window: Sequence[int]) -> int:
    """Elements of the padded input of a pool or convolution: padding is less than the window, or explicit."""
    x, pad = _only(shapes), attrs.get("pad")
    inside = x[1:-1] if str(attrs.get("dataFormat", "NHWC"))[1] != "C" else x[2:]
    dilations = attrs.get("dilations", 1)
    dilations = [dilations] * len(window) if isinstance(dilations, int) else dilations
    reach = [abs(int(w)) * abs(int(d)) for w, d in zip(window, dilations, strict=True)]
    if isinstance(pad, int):
        reach = [r + 2 * abs(pad) for r in reach]
    elif not isinstance(pad, str) and pad is not None:
        most = max(abs(int(n)) for pair in pad for n in pair)
        reach = [r + 2 * most for r in reach]
    return math.prod(x) // max(math.prod(inside), 1) * math.prod(n + r for n, r in zip(inside, reach, strict=True))


def _pool(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    window = attrs["filterSize"]
    window = [window] * (len(_only(shapes)) - 2) if isinstance(window, int) else window
    padded = _window(shapes, attrs, window)
    return padded, padded * _extents(window)


def _convolution(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    taps = shapes["filter"][0]
    padded = _window(shapes, attrs, taps[:-2])
    channels = max(min(_only(shapes)[-1], _only(shapes)[1]), 1)
    # The reference lays out the windows: for each place, what the filter covers.
    return padded * max(math.prod(taps[:-2]), -(-taps[-1] // channels)), padded * math.prod(taps[:-2]) * taps[-1]


def _transposed(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    made = _extents(attrs["inputShape"])
    return made * 4, made * math.prod(shapes["filter"][0])


def _matrices(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    a, b = shapes["a"][0], shapes["b"][0]
    m, inner = reversed(a[-2:]) if attrs.get("transposeA") else a[-2:]
    n = b[-2] if attrs.get("transposeB") else b[-1]
    made = _broadcast([a[:-2], b[:-2]]) * m * n
    return made, made * inner


def _random(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    made = _extents(attrs["shape"])
    return 4 * made, 64 * made


def _multinomial(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    batch, classes = shapes["logits"][0]
    made = batch * int(attrs["numSamples"])
    return made * max(classes, 4), made * (classes + 64)


def _einsum(shapes: Shapes, attrs: Mapping[str, Any]) -> tuple[int, int]:
    terms = attrs["equation"].replace(" ", "").split("->")[0].split(",")
    labelled = zip("".join(terms), (n for shape in shapes["tensors"] for n in shape), strict=True)
    extents = dict(labelled)
    return math.prod(extents.values()), math.prod(extents.values())


_Rule = Callable[[Shapes, Mapping[str, Any]], int]
# Kernels whose output is larger than what their inputs broadcast to.
_GROWING: dict[str, _Rule] = {
    "Fill": lambda shapes, attrs: _extents(attrs["shape"]),
    "ScatterNd": lambda shapes, attrs: _extents(attrs["shape"]),
    "SparseToDense": lambda shapes, attrs: _extents(attrs["outputShape"]),
    "Range": _range,
    "LinSpace": lambda shapes, attrs: int(attrs["num"]),
    "Tile": lambda shapes, attrs: math.prod(_only(shapes)) * _extents(attrs["reps"]),
    "PadV2": lambda shapes, attrs: _padded(_only(shapes), attrs["paddings"]),
    "MirrorPad": lambda shapes, attrs: _padded(_only(shapes), attrs["paddings"]),
    "SpaceToBatchND": _space_to_batch,
    "OneHot": lambda shapes, attrs: math.prod(_only(shapes)) * int(attrs["depth"]),
    "ResizeBilinear": _resized,
    "ResizeNearestNeighbor": _resized,
    "CropAndResize": _cropped,
    "Transform": lambda shapes, attrs: _only(shapes)[0] * _extents(attrs["outputShape"]) * _only(shapes)[3],
    "GatherV2": _gathered,
    "GatherNd": _gathered_nd,
    "Diag": lambda shapes, attrs: math.prod(_only(shapes)) ** 2,
    "Bincount": lambda shapes, attrs: int(attrs["size"]) + math.prod(_only(shapes)),
    "DenseBincount": lambda shapes, attrs: (int(attrs["size"]) + 1) * math.prod(_only(shapes)),
    "UnsortedSegmentSum": lambda shapes, attrs: (int(attrs["numSegments"]) + 1) * math.prod(_only(shapes)),
}
# Kernels that do more than they make, as (elements, steps).
_PRODUCTS: dict[str, Callable[[Shapes, Mapping[str, Any]], tuple[int, int]]] = {
    "BatchMatMul": _matrices,
    "_FusedMatMul": _matrices,
    "Einsum": _einsum,
    "Conv2D": _convolution,
    "FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "FusedDepthwiseConv2D": _convolution,
    "Conv3D": _convolution,
    "Dilation2D": lambda shapes, attrs: _pool(shapes, {**attrs, "filterSize": shapes["filter"][0][:2]}),
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "AvgPool": _pool,
    "MaxPool": _pool,
    "MaxPoolWithArgmax": _pool,
    "AvgPool3D": _pool,
    "MaxPool3D": _pool,
    "RandomUniform": _random,
    "RandomUniformInt": _random,
    "RandomStandardNormal": _random,
    "TruncatedNormal": _random,
    "Multinomial": _multinomial,
}


# What a kernel on the host may make when values in the model, not shapes, say how much.
_MOST_ON_HOST = 1 << 26


def check_count(count: int, what: str) -> None:
    """Raise InvalidArgumentError when ``count`` elements are more than a kernel on the host may make.

    >>> check_count(1 << 40, "rows")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: 1099511627776 rows are more than the 67108864 that are allowed here
    """
    if count > _MOST_ON_HOST:
        raise InvalidArgumentError(f"{count} {what} are more than the {_MOST_ON_HOST} that are allowed here")
