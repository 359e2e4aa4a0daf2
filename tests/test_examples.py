"""The examples: the Keras file that ships is what its script trains, and converted it reads what NumPy reads."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

import tfgl_converter
from digits_model import DIGITS, DIGITS_H5
from tfgl.graph.model import graph_of
from tfgl.io import read_artifacts
from tfgl.ir.evaluate import evaluate
from tfgl_converter.formats.keras_hdf5 import read_keras_hdf5


@pytest.fixture(scope="module")
def train() -> ModuleType:
    pytest.importorskip("sklearn", reason="scikit-learn has the images")
    spec = importlib.util.spec_from_file_location("digits_train", DIGITS_H5.with_name("train.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules["digits_train"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored_weights() -> dict[str, np.ndarray]:
    with h5py.File(DIGITS_H5) as file:
        group = file["model_weights"]
        return {
            name.removesuffix(":0"): np.asarray(group[layer][name], np.float64)
            for layer in group.attrs["layer_names"].astype(str)
            for name in group[layer].attrs["weight_names"].astype(str)
        }


def test_the_converted_digits_read_what_numpy_reads(train: ModuleType) -> None:
    _, _, images, labels = train.digits()
    graph = graph_of(read_artifacts(DIGITS))
    found = evaluate(graph, {"image": images.astype(np.float32)}, ["probabilities"])["probabilities"]
    expected = train.predict(stored_weights(), images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found.argmax(axis=1) == labels).mean() > 0.98


def test_the_script_writes_the_file_that_ships(train: ModuleType, tmp_path: Path) -> None:
    weights = stored_weights()
    assert {name: value.shape for name, value in weights.items()} == train.SHAPES
    train.write(weights, tmp_path / "again.h5")
    again, shipped = read_keras_hdf5(tmp_path / "again.h5"), read_keras_hdf5(DIGITS_H5)
    assert again.config == shipped.config
    for one, other in zip(again.all_weights(), shipped.all_weights(), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(np.asarray(one.value), np.asarray(other.value))


def test_the_command_of_the_demo_gives_a_layers_model_too(tmp_path: Path) -> None:
    done = tfgl_converter.convert(DIGITS_H5, tmp_path / "web", input_format="keras")
    assert done.output_format == "tfjs_layers_model" and done.warnings == []
    assert done.inputs == {"image": ("float32", (-1, 8, 8, 1))}
    assert list(done.outputs) == ["probabilities"]
