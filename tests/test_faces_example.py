"""The face detection example: anchors, decoding and suppression; what it says without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FACES = Path(__file__).parents[1] / "examples" / "faces"
sys.path.insert(0, str(FACES))

from boxes import Face, anchors, decode, overlap, suppressed  # noqa: E402


def test_anchors_are_those_of_the_published_models() -> None:
    back = anchors(256, (16, 32, 32, 32))
    assert back.shape == (2 * 16 * 16 + 6 * 8 * 8, 2)
    # Two a cell, row by row, then six a cell of the layers that share a stride.
    np.testing.assert_allclose(back[:4], [[1 / 32, 1 / 32]] * 2 + [[3 / 32, 1 / 32]] * 2)
    np.testing.assert_allclose(back[512:519], [[1 / 16, 1 / 16]] * 6 + [[3 / 16, 1 / 16]])
    assert anchors(128, (8, 16, 16, 16)).shape == (896, 2)


def test_boxes_lie_around_their_anchors() -> None:
    regressors = np.zeros((2, 16), np.float32)
    regressors[1, :6] = [10, -20, 50, 30, 5, 0]
    (face,) = decode(regressors, np.array([-3.0, 3.0]), np.array([[0.5, 0.5], [0.2, 0.6]]), 100, 0.5)
    assert face.score == pytest.approx(1 / (1 + np.exp(-3)))
    np.testing.assert_allclose(face.box, [0.05, 0.25, 0.55, 0.55], rtol=1e-6)
    np.testing.assert_allclose(face.keypoints[:2], [[0.25, 0.6], [0.2, 0.6]], rtol=1e-6)


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.8], [0.9, 0, 1.9, 1]], np.float32)
    points = np.zeros((6, 2), np.float32)
    found = suppressed([Face(score, box, points) for score, box in zip((0.9, 0.6, 0.5), boxes, strict=True)])
    assert [face.score for face in found] == [0.9, 0.5]
    np.testing.assert_allclose(found[0].box, [0, 0, 1, (0.9 + 0.6 * 0.8) / 1.5], rtol=1e-6)
    assert overlap(boxes[0], boxes[0]) == 1 and overlap(boxes[0], boxes[0] + 5) == 0


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--package", "missing.whl"], 1)])
def test_without_the_package_it_says_so_in_one_line(tmp_path: Path, arguments: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, str(FACES / "demo.py"), *arguments], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PIP_NO_INDEX": "1", "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == status
    assert done.stderr.startswith("no face detector: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
