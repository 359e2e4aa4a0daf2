"""Custom operators: TensorFlow's own by their NodeDef, and boxes of detectors."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from ..attribute_values import attr_value
from ..protobuf_schema import message_class
from .operator import Operator
from .registry import operator

_INT32 = DataType("int32")
_MOST_CLASSES = 512


def flex_operator(o: Operator) -> Sequence[Tensor]:
    """An op of TensorFlow: the options hold its name and its NodeDef."""
    definition = _read(o, lambda root: root.AsVector[1].AsStringBytes, "a NodeDef")
    try:
        message = message_class("NodeDef").FromString(bytes(definition))
    except DecodeError:
        raise o.malformed("its options hold no NodeDef") from None
    attrs = {}
    for key in sorted(message.attr):
        kind = message.attr[key].WhichOneof("value")
        if kind == "func" or (kind == "list" and message.attr[key].list.func):
            raise o.unsupported(f"its attribute {key!r} names a function of TensorFlow")
        if kind is not None:
            attrs[key] = attr_value(message.attr[key], None, f"{o.place}, attr {key!r}")
    op = message.op or o.name.removeprefix("custom:Flex")
    return o.results(op, o.all_inputs(), **attrs)


def _read(o: Operator, read: Any, what: str) -> Any:
    """What ``read`` finds in the options, a FlexBuffer; its runtime does not check offsets either."""
    from flatbuffers import flexbuffers

    try:
        return read(flexbuffers.GetRoot(bytearray(o.custom_options())))
    except (struct.error, TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise o.malformed(f"its options are no FlexBuffer with {what}") from None


def _options(o: Operator) -> Mapping[str, float]:
    """The numbers of a map."""

    def read(root: Any) -> dict[str, float]:
        entries = root.AsMap
        keys = [key.AsKey for key in _limited(entries.Keys)]
        values = [value for value in _limited(entries.Values)]
        return {
            key: float(value.AsFloat if value.IsFloat else value.AsBool if value.IsBool else value.AsInt)
            for key, value in zip(keys, values, strict=True)
            if value.IsFloat or value.IsInt or value.IsBool
        }

    found: dict[str, float] = _read(o, read, "a map of numbers")
    return found


def _limited(vector: Any) -> list[Any]:
    if len(vector) > 1000:
        raise ValueError
    return [vector[i] for i in range(len(vector))]


@operator("custom:TFLite_Detection_PostProcess")
def detection_postprocess(o: Operator) -> Sequence[Tensor]:
    """Boxes of anchors, non-max suppression, and the best as boxes, classes, scores and their number.

    Inputs: encodings (1, anchors, 4) of y, x, height, width relative to the anchors; class scores (1, anchors,
    classes), perhaps with a background before them; anchors (anchors, 4). Fast suppression looks at each anchor's best
    class, regular suppression at each class by itself. Places that no detection fills are zeros.
    """
    options = _options(o)
    try:
        limit, classes = int(options["max_detections"]), int(options["num_classes"])
        per_anchor = int(options["max_classes_per_detection"])
        scales = [options[f"{axis}_scale"] for axis in "yxhw"]
        overlap, lowest = options["nms_iou_threshold"], options["nms_score_threshold"]
    except KeyError as error:
        raise o.malformed(f"its options have no {error.args[0]}") from None
    b, scores = o.b, o.x(1)
    if scores.rank != 3 or scores.shape[0] not in (1, -1) or not 0 <= scores.shape[2] - classes <= 1:
        raise o.malformed(f"scores of shape {list(scores.shape)} do not hold {classes} classes of one image")
    if min(limit, classes, per_anchor) < 1 or min(scales) == 0:
        raise o.malformed("its numbers of detections and classes and its scales must be positive")
    offset = scores.shape[2] - classes
    scores = b.reshape(b.strided_slice(scores, [slice(None)] * 2 + [slice(offset, None)]), [-1, classes])
    boxes = _boxes(o, scales)
    suppression = _Suppression(o, boxes, limit, overlap, lowest)
    if options.get("use_regular_nms", 0):
        if classes > _MOST_CLASSES:
            raise o.unsupported(f"regular suppression of {classes} classes, more than {_MOST_CLASSES}")
        return suppression.regular(scores, classes, int(options.get("detections_per_class", 100)))
    return suppression.fast(scores, min(per_anchor, classes), per_anchor)


def _boxes(o: Operator, scales: Sequence[float]) -> Tensor:
    """Corners (ymin, xmin, ymax, xmax) of every anchor's box."""
    b = o.b
    encoded, anchors = b.reshape(o.x(0), [-1, o.x(0).shape[-1]]), o.x(2)

    def columns(x: Tensor, first: int) -> Tensor:
        return b.strided_slice(x, [slice(None), slice(first, first + 2)])

    sizes = columns(anchors, 2)
    shift = b.div(columns(encoded, 0), b.constant(scales[:2], "float32"))
    centres = b.add_(b.mul(shift, sizes), columns(anchors, 0))
    growth = b.unary("Exp", b.div(columns(encoded, 2), b.constant(scales[2:], "float32")))
    half = b.mul(b.mul(growth, sizes), 0.5)
    return b.concat([b.sub(centres, half), b.add_(centres, half)], 1)


class _Suppression:
    def __init__(self, o: Operator, boxes: Tensor, limit: int, overlap: float, lowest: float) -> None:
        self.o, self.b, self.boxes = o, o.b, boxes
        self.limit, self.overlap, self.lowest = limit, overlap, lowest

    def fast(self, scores: Tensor, kept: int, per_anchor: int) -> list[Tensor]:
        b = self.b
        best = b.reduce("Max", scores, [1])
        chosen = self._select(best, self.limit)
        values, classes = b.add_many(
            "TopKV2", [b.gather(scores, chosen), b.integers(kept)], [(-1, kept), (-1, kept)], sorted=True
        )
        classes = b.cast(Tensor(classes.edge, classes.shape, "int32"), "float32")
        boxes = b.expand(b.gather(self.boxes, chosen), 1)
        if kept > 1:
            boxes = b.tile(boxes, [1, kept, 1])
        number = self._count(chosen)
        missing = per_anchor - kept
        return [
            self._filled(part, number, missing) for part in (boxes, classes, values)
        ] + [b.reshape(b.cast(number, "float32"), [1])]

    def regular(self, scores: Tensor, classes: int, per_class: int) -> list[Tensor]:
        b = self.b
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for number, column in enumerate(b.unpack(scores, 1)):
            chosen = self._select(column, per_class)
            label = b.add("Fill", [b.expand(self._count(chosen), 0), b.constant(float(number), "float32")], (-1,),
                          "float32", T=DataType("float32"), index_type=_INT32)  # fmt: skip
            found.append((chosen, label, b.gather(column, chosen)))
        anchors, labels, values = (b.concat(list(part), 0) for part in zip(*found, strict=True))
        count = b.binary("Minimum", self._count(anchors), self.limit)
        best, order = b.add_many("TopKV2", [values, count], [(-1,), (-1,)], sorted=True)
        order = Tensor(order.edge, order.shape, "int32")
        boxes = b.gather(self.boxes, b.gather(anchors, order))
        parts = [b.expand(part, 1) for part in (boxes, b.gather(labels, order), best)]
        return [self._filled(part, count, 0) for part in parts] + [b.reshape(b.cast(count, "float32"), [1])]

    def _select(self, scores: Tensor, limit: int) -> Tensor:
        """Anchors that remain, best first."""
        b = self.b
        thresholds = [b.constant(value, "float32") for value in (self.overlap, self.lowest)]
        return b.add(
            "NonMaxSuppressionV3", [self.boxes, scores, b.integers(limit), *thresholds], (-1,), "int32",
            T_threshold=DataType("float32"),
        )  # fmt: skip

    def _count(self, x: Tensor) -> Tensor:
        return self.b.add("Size", [x], (), "int32", out_type=_INT32)

    def _filled(self, x: Tensor, count: Tensor, missing: int) -> Tensor:
        """(count, kept, ...) as (1, limit * per anchor, ...) with zeros behind."""
        b = self.b
        rest = b.reshape(b.sub(b.constant(self.limit, "int32"), count), [1])
        widths = [b.integers([0]), rest, b.integers([0, missing] + [0, 0] * (x.rank - 2))]
        pairs = b.reshape(b.concat(widths, 0), [x.rank, 2])
        shape = (self.limit, x.shape[1] + missing, *x.shape[2:])
        padded = b.add("Pad", [x, pairs], shape, Tpaddings=_INT32)
        return b.reshape(padded, [1, shape[0] * shape[1], *shape[2:]])


@operator("NON_MAX_SUPPRESSION_V4")
def non_max_suppression_v4(o: Operator) -> Sequence[Tensor]:
    """Indices of boxes, with zeros behind, and how many they are."""
    indices, _, number = _suppressed(o, None)
    return [indices, number]


@operator("NON_MAX_SUPPRESSION_V5")
def non_max_suppression_v5(o: Operator) -> Sequence[Tensor]:
    """Indices of boxes and their scores, with zeros behind, and how many they are."""
    return _suppressed(o, o.x(5))


def _suppressed(o: Operator, sigma: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    b = o.b
    boxes, scores, limit, overlap, lowest = (o.x(i) for i in range(5))
    # TensorFlow.js has no padding and no count in V5, so both are made here.
    sigma = b.constant(0.0, "float32") if sigma is None else sigma
    indices, values = b.add_many(
        "NonMaxSuppressionV5", [boxes, scores, limit, overlap, lowest, sigma], [(-1,), (-1,)],
        T_threshold=DataType("float32"), pad_to_max_output_size=False,
    )  # fmt: skip
    indices = Tensor(indices.edge, indices.shape, "int32")
    number = b.add("Size", [indices], (), "int32", out_type=_INT32)
    width = b.add("Pack", [b.constant(0, "int32"), b.sub(limit, number)], (2,), N=2, axis=0)
    pairs = b.reshape(width, [1, 2])
    total = b.value(limit)
    shape = (-1 if total is None else int(total),)
    return (
        b.add("Pad", [indices, pairs], shape, Tpaddings=_INT32),
        b.add("Pad", [values, pairs], shape, Tpaddings=_INT32),
        number,
    )


