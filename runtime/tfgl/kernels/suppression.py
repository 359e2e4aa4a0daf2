"""Non-maximum suppression, on the host: which box stays depends on those before it."""

from __future__ import annotations

from ..ir.reference.suppression import non_max_suppression_v3, non_max_suppression_v4, non_max_suppression_v5
from ..registry import kernel
from ..tensor import Tensor


@kernel("NonMaxSuppressionV3", runs_on="host")
def suppress(
    boxes: Tensor, scores: Tensor, *, max_output_size: int, iou_threshold: float, score_threshold: float
) -> Tensor:
    """Indices, int32, of the boxes that stay, the best score first."""
    kept = non_max_suppression_v3(
        boxes.numpy(),
        scores.numpy(),
        max_output_size=max_output_size,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
    )
    return boxes.engine.tensor(kept)


@kernel("NonMaxSuppressionV4", runs_on="host")
def suppress_padded(
    boxes: Tensor,
    scores: Tensor,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float,
    pad_to_max_output_size: bool = False,
) -> list[Tensor]:
    """[indices, how many of them are valid]; filled up with zeros if asked for."""
    results = non_max_suppression_v4(
        boxes.numpy(),
        scores.numpy(),
        max_output_size=max_output_size,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        pad_to_max_output_size=pad_to_max_output_size,
    )
    return [boxes.engine.tensor(result) for result in results]


@kernel("NonMaxSuppressionV5", runs_on="host")
def suppress_softly(
    boxes: Tensor,
    scores: Tensor,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float,
    soft_nms_sigma: float = 0.0,
) -> list[Tensor]:
    """[indices, scores] of the boxes that stay; with a sigma, overlaps only weaken scores."""
    results = non_max_suppression_v5(
        boxes.numpy(),
        scores.numpy(),
        max_output_size=max_output_size,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        soft_nms_sigma=soft_nms_sigma,
    )
    return [boxes.engine.tensor(result) for result in results]
