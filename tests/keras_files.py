"""Reads Keras HDF5 files for tests: configuration and the arrays of each layer in the file's order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"


def read_h5(path: Path) -> tuple[dict[str, Any], dict[str, list[np.ndarray[Any, Any]]], str]:
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
        group = file["model_weights"]
        weights = {
            name: [np.asarray(group[name][weight]) for weight in group[name].attrs["weight_names"]]
            for name in group.attrs["layer_names"]
        }
        return config, {name: arrays for name, arrays in weights.items() if arrays}, str(group.attrs["keras_version"])


def read_npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path) as arrays:
        return {name.replace("__", "/").removesuffix(":0"): arrays[name] for name in arrays.files}
