"""Models that TensorFlow.js' layers made and saved, with its outputs; data/layers/make_models.mjs wrote them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CASES = sorted(path.parent for path in (Path(__file__).parent / "data" / "layers").glob("*/case.json"))
# Kernels of an engine that some of them need.
VOLUMES = {"Conv3D", "MaxPool3D", "AvgPool3D"}


def read_case(folder: Path) -> tuple[dict[str, Array], list[Array]]:
    """Inputs by name, and the outputs in the model's order."""
    case = json.loads((folder / "case.json").read_text())
    return {entry["name"]: _array(entry) for entry in case["inputs"]}, [_array(entry) for entry in case["outputs"]]


def _array(entry: dict[str, Any]) -> Array:
    dtype = {"float32": "<f4", "int32": "<i4"}[entry["dtype"]]
    return np.frombuffer(base64.b64decode(entry["data"]), dtype).reshape(entry["shape"])
