"""Models on photographs against the official TensorFlow.js, whose outputs make_goldens.py wrote."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import tfgl

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / ".pretrained" / "golden"
CASES = sorted(file.parent for file in GOLDEN.glob("*/outputs.json"))
TOLERANCE = 1e-4  # of the largest magnitude of the same output
# One ulp of selfie's input moves its output by 5e-5; both sides are off from float64, by 1.0e-4 and 1.7e-4.
EXCEPTIONS = {"selfie": 4e-4}


def _read(folder: pathlib.Path, entry: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(entry["dtype"]).newbyteorder("<")
    return np.fromfile(folder / entry["file"], dtype).reshape(entry["shape"])


def _assert_close(name: str, actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    if not expected.size:
        return
    off = np.abs(actual.astype(np.float64) - expected)
    allowed = tolerance * np.abs(expected).max()
    worst = np.unravel_index(int(np.nan_to_num(off, nan=np.inf).argmax()), off.shape)
    # NaN is unequal to everything, so a NaN fails here too.
    assert off[worst] <= allowed, (
        f"{name}: {actual[worst]} at {worst}, expected {expected[worst]}, "
        f"off by {off[worst]}, allowed {allowed}"
    )


def _assert_same_indices(
    name: str, actual: np.ndarray, expected: np.ndarray, scores: np.ndarray | None
) -> None:
    wrong = actual != expected
    if scores is not None:
        if scores.shape[-1] < 2:
            return
        best = np.sort(scores, axis=-1)
        margin = best[..., -1] - best[..., -2]
        wrong &= (margin > 2 * TOLERANCE * np.abs(scores).max()).reshape(expected.shape)
    places = np.argwhere(wrong)[:5].tolist()
    assert not wrong.any(), f"{name}: {actual[wrong][:5]} at {places}, expected {expected[wrong][:5]}"


@pytest.mark.skipif(not CASES, reason="no goldens: `make pretrained` makes them (Node, npm)")
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_agrees_with_tensorflow_js(folder: pathlib.Path) -> None:
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    entries = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))["outputs"]
    names = [entry["name"] for entry in entries]
    expected = {entry["name"]: _read(folder, entry) for entry in entries}
    inputs = {entry["name"]: _read(folder, entry) for entry in case["inputs"]}

    outputs = tfgl.load(case["model"]).execute(inputs, names)

    tensors = outputs if isinstance(outputs, list) else [outputs]
    assert len(tensors) == len(names)
    for name, tensor in zip(names, tensors, strict=True):
        actual, wanted = tensor.numpy(), expected[name]
        assert (actual.shape, actual.dtype.name) == (wanted.shape, wanted.dtype.name), name
        if wanted.dtype.kind == "f":
            _assert_close(name, actual, wanted, EXCEPTIONS.get(folder.name.rpartition("-")[0], TOLERANCE))
        else:
            _assert_same_indices(name, actual, wanted, expected.get(case["index_of"].get(name)))
