"""Non-maximum suppression of boxes."""

from __future__ import annotations

import math

import numpy as np

from ...errors import InvalidArgumentError
from ..reference.suppression import suppress_classes
from .call import Call, Value
from .registry import lower


def _limits(call: Call, scores: float | None = None) -> dict[str, float]:
    """The kernels' limits: how many, overlap, score."""
    return {
        "maxOutputSize": call.host_integer(2),
        "iouThreshold": float(call.host_scalar(3)),
        "scoreThreshold": float(call.host_scalar(4)) if scores is None else scores,
    }


def _boxes(call: Call) -> dict[str, Value]:
    return {"boxes": call.inputs[0], "scores": call.inputs[1]}


@lower("NonMaxSuppressionV2", inputs=4, kernels=("NonMaxSuppressionV3",), host=(2, 3))
def suppress_v2(call: Call) -> Value:
    """Indices of the boxes that stay, whatever their score."""
    return call.one("NonMaxSuppressionV3", _boxes(call), **_limits(call, -math.inf))


@lower("NonMaxSuppressionV3", inputs=5, kernels=("NonMaxSuppressionV3",), host=(2, 3, 4))
def suppress_v3(call: Call) -> Value:
    """Indices of the boxes that stay."""
    return call.one("NonMaxSuppressionV3", _boxes(call), **_limits(call))


@lower("NonMaxSuppressionV4", inputs=5, kernels=("NonMaxSuppressionV4",), host=(2, 3, 4))
def suppress_v4(call: Call) -> list[Value]:
    """Indices of the boxes that stay, and how many are valid."""
    pad = call.flag("pad_to_max_output_size")
    return call.many("NonMaxSuppressionV4", _boxes(call), **_limits(call), padToMaxOutputSize=pad)


@lower("NonMaxSuppressionV5", inputs=6, kernels=("NonMaxSuppressionV5", "PadV2"), host=(2, 3, 4, 5))
def suppress_v5(call: Call) -> list[Value]:
    """Indices and scores of the boxes that stay, and how many are valid."""
    limits = _limits(call)
    sigma = float(call.host_scalar(5))
    results = call.many("NonMaxSuppressionV5", _boxes(call), **limits, softNmsSigma=sigma)
    valid = results[0].shape[0]
    missing = int(limits["maxOutputSize"]) - valid
    if call.flag("pad_to_max_output_size") and missing:
        if missing > 1 << 26:
            raise InvalidArgumentError(f"max_output_size {int(limits['maxOutputSize'])} is too much to pad to")
        results = [call.one("PadV2", {"x": x}, paddings=[[0, missing]], constantValue=0) for x in results]
    return [*results, call.constant(np.array(valid, np.int32))]


@lower("CombinedNonMaxSuppression", inputs=6, host=(0, 1, 2, 3, 4, 5))
def suppress_combined(call: Call) -> list[Value]:
    """Boxes, scores, classes and counts of all classes together; TensorFlow.js lacks it."""
    results = suppress_classes(
        call.data(0),
        call.data(1),
        most_per_class=call.host_integer(2),
        most=call.host_integer(3),
        iou_threshold=float(call.host_scalar(4)),
        score_threshold=float(call.host_scalar(5)),
        pad_per_class=call.flag("pad_per_class"),
        clip_boxes=call.flag("clip_boxes", True),
    )
    return [call.constant(result) for result in results]
