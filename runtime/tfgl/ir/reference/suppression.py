"""Non-maximum suppression: boxes by falling score, without those that overlap a better one too much."""

from __future__ import annotations

import heapq

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import shape_text
from .registry import Array, reference

# So many candidates are looked at together, against so many of those that stay.
_TOGETHER = 128
_AT_ONCE = 4096


def _corners(boxes: Array) -> Array:
    """Rows of lowest y, lowest x, highest y, highest x and area; a box may name any two opposite corners."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    area = (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1])
    return np.concatenate([low, high, area[:, None]], axis=1)


def _overlaps(some: Array, others: Array) -> Array:
    """Intersection over union of some rows of `_corners` with each of others; 0 where an area is not positive."""
    one, other = some[:, None], others[None]
    height = np.minimum(one[..., 2], other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    width = np.minimum(one[..., 3], other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    positive = (one[..., 4] > 0) & (other[..., 4] > 0)
    return np.where(positive, shared / np.where(positive, one[..., 4] + other[..., 4] - shared, 1), 0)


def suppress(
    boxes: Array, scores: Array, max_output_size: int, iou_threshold: float, score_threshold: float, sigma: float = 0.0
) -> tuple[Array, Array]:
    """(indices, scores) of the boxes that stay, int32 and the dtype of ``scores``, at most ``max_output_size``.

    ``boxes`` (count, 4) are y, x of two opposite corners, ``scores`` (count,). Only scores over
    ``score_threshold`` count; of equal scores the lower index comes first. A box goes when its intersection over
    union with one that stays exceeds ``iou_threshold``. With a ``sigma`` over 0, nothing goes for that: scores
    are weighted by exp(-overlap² / (2 sigma)) instead (Bodla et al., Soft-NMS), as in TensorFlow's kernel, whose
    arithmetic is that of the boxes' dtype.

    >>> boxes = np.float32([[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3]])
    >>> suppress(boxes, np.float32([0.8, 0.9, 0.7]), 10, 0.5, 0.0)[0].tolist()
    [1, 2]
    """
    _check(boxes, scores, max_output_size, iou_threshold, sigma)
    with np.errstate(all="ignore"):
        corners = _corners(boxes)
        order = np.flatnonzero(scores > score_threshold)
        order = order[np.argsort(-scores[order], kind="stable")]
        if sigma > 0:
            return _soft(corners, scores, order, max_output_size, score_threshold, sigma)
        indices = _greedy(corners, order, max_output_size, iou_threshold)
    return indices, scores[indices]


def _greedy(corners: Array, order: Array, most: int, threshold: float) -> Array:
    """Of the boxes in ``order`` those that no earlier one that stays overlaps by more than ``threshold``."""
    kept = np.zeros(0, np.int32)
    for begin in range(0, len(order), _TOGETHER):
        part = order[begin : begin + _TOGETHER]
        for start in range(0, len(kept), _AT_ONCE):
            earlier = corners[kept[start : start + _AT_ONCE]]
            part = part[~(_overlaps(corners[part], earlier) > threshold).any(axis=1)]
        covers = _overlaps(corners[part], corners[part]) > threshold
        alive = np.ones(len(part), np.bool_)
        for at in range(len(part)):
            if alive[at]:
                alive[at + 1 :] &= ~covers[at, at + 1 :]
        kept = np.concatenate([kept, part[alive].astype(np.int32)])[:most]
        if len(kept) == most:
            break
    return kept


def _soft(
    corners: Array, scores: Array, order: Array, most: int, score_threshold: float, sigma: float
) -> tuple[Array, Array]:
    kind = scores.dtype.type
    scale = kind(-0.5 / sigma)
    # Best first: negated score, index, and how many of the selected have weakened it already.
    waiting = [(-scores[i], int(i), 0) for i in order]
    heapq.heapify(waiting)
    kept: list[int] = []
    final = []
    while waiting and len(kept) < most:
        negated, index, seen = heapq.heappop(waiting)
        overlap = _overlaps(corners[index : index + 1], corners[kept[seen:]])[0][::-1]
        score = np.multiply.reduce(np.concatenate([[-negated], np.exp(scale * overlap * overlap)]), dtype=kind)
        if score == -negated:
            kept.append(index)
            final.append(score)
        elif score > score_threshold:
            heapq.heappush(waiting, (-score, index, len(kept)))
    return np.array(kept, np.int32), np.array(final, kind)


def _check(boxes: Array, scores: Array, most: int, iou_threshold: float, sigma: float) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InvalidArgumentError(f"boxes must have the shape [count, 4], got {shape_text(boxes.shape)}")
    if scores.shape != boxes.shape[:1]:
        raise InvalidArgumentError(
            f"scores has incompatible shape with boxes. Expected {boxes.shape[0]}, but was {shape_text(scores.shape)}"
        )
    if boxes.dtype.kind != "f" or scores.dtype.kind != "f":
        raise InvalidArgumentError(f"boxes and scores must be floats, got {boxes.dtype} and {scores.dtype}")
    if not 0 <= iou_threshold <= 1:
        raise InvalidArgumentError(f"iouThreshold must be in [0, 1], but was '{iou_threshold}'")
    if not sigma >= 0:
        raise InvalidArgumentError(f"softNmsSigma must not be negative, but was '{sigma}'")
    if most < 0:
        raise InvalidArgumentError(f"maxOutputSize must not be negative, got {most}")


@reference("NonMaxSuppressionV3")
def non_max_suppression_v3(
    boxes: Array, scores: Array, *, max_output_size: int, iou_threshold: float, score_threshold: float
) -> Array:
    """Indices of the boxes that stay."""
    return suppress(boxes, scores, int(max_output_size), iou_threshold, score_threshold)[0]


@reference("NonMaxSuppressionV4")
def non_max_suppression_v4(
    boxes: Array,
    scores: Array,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float,
    pad_to_max_output_size: bool = False,
) -> list[Array]:
    """Indices of the boxes that stay, filled up with zeros if asked for, and how many are valid."""
    indices = suppress(boxes, scores, int(max_output_size), iou_threshold, score_threshold)[0]
    valid = len(indices)
    if pad_to_max_output_size:
        check_count(int(max_output_size), "boxes")
        indices = np.concatenate([indices, np.zeros(int(max_output_size) - valid, np.int32)])
    return [indices, np.array(valid, np.int32)]


@reference("NonMaxSuppressionV5")
def non_max_suppression_v5(
    boxes: Array,
    scores: Array,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float,
    soft_nms_sigma: float = 0.0,
) -> list[Array]:
    """Indices and scores of the boxes that stay."""
    return list(suppress(boxes, scores, int(max_output_size), iou_threshold, score_threshold, soft_nms_sigma))


def suppress_classes(
    boxes: Array,
    scores: Array,
    *,
    most_per_class: int,
    most: int,
    iou_threshold: float,
    score_threshold: float,
    pad_per_class: bool = False,
    clip_boxes: bool = True,
) -> list[Array]:
    """[boxes, scores, classes, counts] of the best boxes of all classes together, for each image of a batch.

    ``boxes`` (batch, count, classes or 1, 4), ``scores`` (batch, count, classes). Each class is suppressed on its
    own, and what stays is ordered by score; the results (batch, most, ...), floats, are filled up with zeros, and
    ``counts`` (batch,), int32, says what is valid. ``pad_per_class`` takes fewer where the classes cannot give
    ``most``; ``clip_boxes`` cuts corners to 0..1.

    >>> boxes = np.float32([[[[0, 0, 1, 1]], [[0, 0, 1, 0.9]]]])
    >>> results = suppress_classes(boxes, np.float32([[[0.9, 0.1], [0.8, 0.7]]]), most_per_class=2, most=2,
    ...                            iou_threshold=0.5, score_threshold=0.5)
    >>> results[2].tolist(), results[3].tolist()
    ([[0.0, 1.0]], [2])
    """
    if boxes.ndim != 4 or boxes.shape[3] != 4 or scores.ndim != 3 or scores.shape[:2] != boxes.shape[:2]:
        raise InvalidArgumentError(
            f"boxes [batch, count, classes or 1, 4] and scores [batch, count, classes] do not fit: "
            f"{shape_text(boxes.shape)} and {shape_text(scores.shape)}"
        )
    batch, _, classes = scores.shape
    if boxes.shape[2] not in (1, classes):
        raise InvalidArgumentError(f"boxes are for {boxes.shape[2]} classes, scores for {classes}; 1 or as many fit")
    if most_per_class <= 0 or most <= 0:
        raise InvalidArgumentError(f"the numbers of boxes must be positive, got {most_per_class} and {most}")
    size = min(most, most_per_class * classes) if pad_per_class else most
    check_count(batch * size, "boxes")
    results = [np.zeros((batch, size, 4), boxes.dtype), *(np.zeros((batch, size), scores.dtype) for _ in range(2))]
    counts = np.zeros(batch, np.int32)
    for image in range(batch):
        found = []
        for kind in range(classes):
            own = boxes[image, :, min(kind, boxes.shape[2] - 1)]
            kept, values = suppress(own, scores[image, :, kind], most_per_class, iou_threshold, score_threshold)
            found.append((own[kept], values, np.full(len(kept), kind, scores.dtype)))
        joined = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        best = np.argsort(-joined[1], kind="stable")[:size]
        counts[image] = len(best)
        for result, values in zip(results, joined, strict=True):
            result[image, : len(best)] = values[best]
    if clip_boxes:
        results[0] = np.clip(results[0], 0, 1)
    return [*results, counts]
