"""What MediaPipe's face detectors mean: anchors, boxes and keypoints out of raw outputs, and the best of them.

Anchors after the options of MediaPipe's SsdAnchorsCalculator as published with the models, decoding after
TensorsToDetectionsCalculator, suppression after NonMaxSuppressionCalculator with weighted overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

KEYPOINTS = ("right eye", "left eye", "nose", "mouth", "right ear", "left ear")
# Scores are limited before the sigmoid, as the published graphs do.
_MOST_LOGIT = 100.0


@dataclass(frozen=True)
class Face:
    """A face: its score, its box (left, top, right, bottom) and six keypoints (x, y), all from 0 to 1."""

    score: float
    box: Floats
    keypoints: Floats


def anchors(size: int, strides: Sequence[int]) -> Floats:
    """The centres (x, y) of all anchors, (anchors, 2), from 0 to 1.

    Every layer has two anchors a cell (one for the aspect ratio 1 and one between two scales); layers of the same
    stride that follow each other share their cells. All anchors have the size of the image.

    >>> anchors(256, (16, 32, 32, 32)).shape
    (896, 2)
    """
    found = []
    layer = 0
    while layer < len(strides):
        stride = strides[layer]
        same = 1
        while layer + same < len(strides) and strides[layer + same] == stride:
            same += 1
        cells = -(-size // stride)
        ys, xs = np.mgrid[0:cells, 0:cells]
        centres = np.stack([xs, ys], axis=-1).reshape(-1, 2)
        found.append(np.repeat((centres + 0.5) / cells, 2 * same, axis=0))
        layer += same
    return np.concatenate(found).astype(np.float32)


def decode(regressors: Floats, logits: Floats, centres: Floats, size: int, lowest: float) -> list[Face]:
    """Faces of a score of at least ``lowest``, best first.

    ``regressors``: (anchors, 16), x and y of the centre, width, height, then x and y of the keypoints, in pixels from
    the anchor; ``logits``: (anchors,).
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MOST_LOGIT, _MOST_LOGIT)))
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= lowest]
    faces = []
    for i in order:
        points = regressors[i].reshape(-1, 2) / size
        centre, half = points[0] + centres[i], points[1] / 2
        faces.append(Face(float(scores[i]), np.concatenate([centre - half, centre + half]), points[2:] + centres[i]))
    return faces


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes.

    >>> overlap(np.array([0, 0, 2, 1]), np.array([1, 0, 3, 1]))
    0.3333333333333333
    """
    width, height = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    shared = float(width * height)
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0.0


def suppressed(faces: Sequence[Face], limit: float = 0.3) -> list[Face]:
    """One face for each group that overlaps its best by more than ``limit``: their means, weighted by score."""
    waiting = list(faces)
    kept = []
    while waiting:
        best = waiting[0]
        group = [face for face in waiting if face is best or overlap(face.box, best.box) > limit]
        waiting = [face for face in waiting if all(face is not member for member in group)]
        weights = np.array([face.score for face in group])
        box = np.average([face.box for face in group], axis=0, weights=weights)
        points = np.average([face.keypoints for face in group], axis=0, weights=weights)
        kept.append(Face(best.score, box.astype(np.float32), points.astype(np.float32)))
    return kept
