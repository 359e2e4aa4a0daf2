"""From layers models back into Keras files, and into layers models again: what has to be the same afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras_files import ZOO
from keras_layers import entry, functional, input_entry
from layers_cases import CASES, read_case
from tfgl.errors import ModelFormatError
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.ir.evaluate import evaluate
from tfgl.keras.files.graph import build_model
from tfgl.keras.files.layers_model import keras_model_of
from tfgl_converter import convert
from tfgl_converter.keras_conversion import read_keras
from tfgl_converter.writers.keras_hdf5 import write_keras_hdf5
from tfgl_converter.writers.keras_v3 import write_keras_v3

Array = np.ndarray[Any, Any]
SOURCES = [
    pytest.param(path, id=path.parent.name)
    for kind in ("h5_*", "k3_*")
    for path in sorted(ZOO.glob(f"{kind}/model.h5"))
    if path.parent.name != "h5_subclass_custom"
]
needs_zoo = pytest.mark.skipif(not SOURCES, reason=f"no zoo of models beside the checkout ({ZOO})")
# What each of the two Keras computes otherwise than TensorFlow.js, or has not.
REFUSED = {
    "h5": {"activations": "gelu_new", "shaping": "centres"},
    "keras": {
        **dict.fromkeys(
            ("activations", "cnn", "open_length", "recurrent", "states", "steps", "volumes"), "hard_sigmoid"
        ),
        "merging": "ThresholdedReLU",
        "shaping": "centres",
    },
}  # fmt: skip
FORMATS = {"h5": "keras", "keras": "keras_keras"}


def dense_model(**members: Any) -> ModelArtifacts:
    layer = entry("Dense", "d", units=2, batch_input_shape=[None, 3])
    topology = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    weights = {"d/kernel": np.arange(6, dtype=np.float32).reshape(3, 2), "d/bias": np.float32([1, 2])}
    return ModelArtifacts("layers-model", topology, weights=weights, **members)


@needs_zoo
@pytest.mark.parametrize("source", SOURCES)
def test_weights_come_back_bit_for_bit(tmp_path: Path, source: Path) -> None:
    (tmp_path / "labels.json").write_text('{"names": ["a", "b"]}')
    convert(source, tmp_path / "web", input_format="keras", metadata={"labels": tmp_path / "labels.json"})
    convert(tmp_path / "web", tmp_path / "again.h5", input_format="tfjs_layers_model", output_format="keras")
    before, after = read_keras(source, "keras"), read_keras(tmp_path / "again.h5", "keras")
    first, then = before.layer_weights(), after.layer_weights()
    # Twins of nested models have names of their own in between.
    assert [list(weights) for weights in first.values()] == [list(weights) for weights in then.values()]
    for (path, weights), again in zip(first.items(), then.values(), strict=True):
        for variable, value in weights.items():
            expected, found = np.asarray(value), np.asarray(again[variable])
            assert expected.dtype == found.dtype and expected.tobytes() == found.tobytes(), (path, variable)
    if str(before.keras_version).startswith("2"):
        assert after.training_config == before.training_config
    assert after.user_defined_metadata == {"labels": {"names": ["a", "b"]}}
    convert(tmp_path / "again.h5", tmp_path / "web2", input_format="keras")
    metadata = json.loads((tmp_path / "web2" / "model.json").read_text())["userDefinedMetadata"]
    assert metadata == {"labels": {"names": ["a", "b"]}}


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_models_of_tensorflow_js_become_keras_files(tmp_path: Path, folder: Path, suffix: str) -> None:
    target, options = tmp_path / f"model.{suffix}", {"input_format": "tfjs_layers_model"}
    if folder.name in REFUSED[suffix]:
        with pytest.raises(ModelFormatError, match=REFUSED[suffix][folder.name]):
            convert(folder, target, output_format=FORMATS[suffix], **options)
        assert not target.exists()
        return
    convert(folder, target, output_format=FORMATS[suffix], **options)
    inputs, expected = read_case(folder)
    graph = build_model(read_keras(target, FORMATS[suffix])).graph
    assert list(graph.inputs) == list(inputs)
    results = evaluate(graph, inputs, list(graph.outputs))
    for found, values in zip(results.values(), expected, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("write", [write_keras_hdf5, write_keras_v3])
def test_what_compile_said_in_tensorflow_js(tmp_path: Path, write: Any) -> None:
    optimizer = {"class_name": "Adam", "config": {"learningRate": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 1e-3}}
    training = {"loss": "cosine_proximity", "metrics": ["accuracy"], "optimizer_config": optimizer}
    model = dense_model(training_config=training, user_defined_metadata={"k": [1]})
    model.model_topology = {**(model.model_topology or {}), "keras_version": "tfjs-layers 4.22.0"}
    write(keras_model_of(model), tmp_path / "model")
    again = read_keras(tmp_path / "model", "keras")
    assert again.user_defined_metadata == {"k": [1]}
    assert again.training_config is not None
    assert again.training_config["loss"] == "cosine_similarity" and again.training_config["metrics"] == ["accuracy"]
    written = again.training_config["optimizer_config"]
    options = {"name": "Adam", "learning_rate": 0.25, "beta_1": 0.5, "beta_2": 0.75, "epsilon": 1e-3}
    assert (written["class_name"], written["config"]) == ("Adam", options)


def test_activations_whose_meaning_would_change_are_refused(tmp_path: Path) -> None:
    layers = [input_entry("x", [2]), entry("Activation", "a", [[["x", 0, 0, {}]]], activation="hard_sigmoid")]
    model = functional(layers, ["x"], ["a"])
    for version, write, other in (
        ("3.4.1", write_keras_v3, write_keras_hdf5), ("2.15.0", write_keras_hdf5, write_keras_v3),
    ):  # fmt: skip
        topology = {"keras_version": version, "model_config": model}
        keras_model = keras_model_of(ModelArtifacts("layers-model", topology))
        write(keras_model, tmp_path / "fits")
        with pytest.raises(ModelFormatError, match=r"'a'.*hard_sigmoid, which Keras .* another slope"):
            other(keras_model, tmp_path / "fits_not")
    assert not (tmp_path / "fits_not").exists()


def test_hdf5_says_nothing_that_keras_3_refuses(tmp_path: Path) -> None:
    inner = {"class_name": "LSTM", "config": {"name": "l", "units": 1, "time_major": False, "implementation": 2}}
    layer = entry("Bidirectional", "b", layer=inner, batch_input_shape=[None, 2, 3])
    topology = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    shapes = {"kernel": (3, 4), "recurrent_kernel": (1, 4), "bias": (4,)}
    weights = {
        f"b/{side}_l/{name}": np.ones(shape, np.float32)
        for side in ("forward", "backward")
        for name, shape in shapes.items()
    }
    write_keras_hdf5(keras_model_of(ModelArtifacts("layers-model", topology, weights=weights)), tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        config = json.loads(file.attrs["model_config"])
    first, second = config["config"]["layers"]
    assert (first["class_name"], first["config"]["name"]) == ("InputLayer", "b_input")
    assert second["config"]["layer"]["module"] == "keras.layers"
    assert second["config"]["layer"]["config"] == {"name": "l", "units": 1}


@pytest.mark.parametrize("stored", ["uint8", "uint16", "float16"])
def test_quantised_again(tmp_path: Path, stored: str) -> None:
    folder = next(folder for folder in CASES if folder.name == "nested")
    again = {"input_format": "tfjs_layers_model", "output_format": "tfjs_layers_model"}
    convert(folder, tmp_path / "small", **again, **{f"quantize_{stored}": True})
    # As it was, in shards of another size: the stored numbers are the same.
    convert(tmp_path / "small", tmp_path / "shards", **again, weight_shard_size_bytes=16)
    small, shards = (read_artifacts(tmp_path / name) for name in ("small", "shards"))
    assert len(list((tmp_path / "shards").glob("*.bin"))) > 1
    assert [spec.to_json() for spec in small.weight_specs] == [spec.to_json() for spec in shards.weight_specs]
    for name, value in small.weights.items():
        assert value.tobytes() == shards.weights[name].tobytes()
    # And dequantised in a Keras file.
    convert(tmp_path / "small", tmp_path / "model.h5", input_format="tfjs_layers_model", output_format="keras")
    found = read_keras(tmp_path / "model.h5", "keras")
    for one in found.all_weights():
        assert np.asarray(one.value).dtype == np.float32
    expected = {tuple(map(float, value.ravel())) for value in small.weights.values()}
    assert {tuple(map(float, np.asarray(one.value).ravel())) for one in found.all_weights()} == expected


def test_weights_alone_have_no_way_back(tmp_path: Path) -> None:
    model = ModelArtifacts("layers-model", None, weights={"d/kernel": np.ones((1, 1), np.float32)})
    with pytest.raises(ModelFormatError, match="holds weights without a model"):
        write_keras_hdf5(keras_model_of(model), tmp_path / "model.h5")
    assert not (tmp_path / "model.h5").exists()
