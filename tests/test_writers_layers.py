"""Layers models written from Keras models, and Keras files written from layers models."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.keras.files.layers_model import keras_model_of, read_tfjs_layers
from tfgl.keras.files.model import KerasModel
from tfgl_converter.formats.keras_hdf5 import read_keras_hdf5
from tfgl_converter.formats.keras_v3 import read_keras_v3
from tfgl_converter.writers.implicit_masks import without_implicit_masks
from tfgl_converter.writers.keras_hdf5 import in_keras_order, write_keras_hdf5
from tfgl_converter.writers.keras_v3 import write_keras_v3
from tfgl_converter.writers.layers_model import write_layers_model

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo of models is not here")
# Where what is written differs on purpose: TensorFlow.js refuses the original's, or computes something else.
REPAIRED = {"h5_config_zoo", "h5_separable"}
REFUSED = {"h5_subclass_custom"}
VARIANTS: dict[str, dict[str, Any]] = {
    "layers": {},
    "layers_uint8": {"quantization": {"uint8": True}},
    "layers_uint16": {"quantization": {"uint16": True}},
    "layers_float16": {"quantization": {"float16": True}},
    "layers_split": {"split_weights_by_layer": True},
}
OFFICIAL = sorted(
    (path.parent.parent.parent.name, path.parent.name)
    for path in ZOO.glob("h5_*/tfjs/layers*/model.json")
    if path.parent.name in VARIANTS
)


def shards(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.bin")}


@needs_zoo
@pytest.mark.parametrize(("name", "variant"), OFFICIAL)
def test_same_files_as_the_original_converter(name: str, variant: str, tmp_path: Path) -> None:
    model = read_keras_hdf5(ZOO / name / "model.h5")
    if name in REFUSED:
        with pytest.raises(ModelFormatError, match="not Keras' own"):
            write_layers_model(model, tmp_path / "web")
        assert not list(tmp_path.iterdir())
        return
    write_layers_model(model, tmp_path / "web", **VARIANTS[variant])
    official = ZOO / name / "tfjs" / variant
    assert shards(tmp_path / "web") == shards(official)
    ours, theirs = (json.loads((folder / "model.json").read_bytes()) for folder in (tmp_path / "web", official))
    assert list(ours) == list(theirs)
    del ours["convertedBy"], theirs["convertedBy"]
    if name in REPAIRED:
        del ours["modelTopology"], theirs["modelTopology"]
    # Texts too, so that the order of keys counts.
    assert json.dumps(ours) == json.dumps(theirs)


@needs_zoo
@pytest.mark.parametrize("source", ["h5_nested/model.h5", "k3_nested/model.h5", "k3_nested/model.keras"])
def test_nested_models_get_a_name_for_every_weight(source: str, tmp_path: Path) -> None:
    read = read_keras_v3 if source.endswith(".keras") else read_keras_hdf5
    model = read(ZOO / source)
    result = write_layers_model(model, tmp_path / "web")
    assert result.renamed and not result.unsupported
    again = read_tfjs_layers(tmp_path / "web")
    assert sum(1 for _ in again.all_weights()) == sum(1 for _ in model.all_weights())
    written = json.loads((tmp_path / "web" / "model.json").read_bytes())
    assert "batch_shape" not in json.dumps(written) and "DTypePolicy" not in json.dumps(written)


@needs_zoo
@pytest.mark.parametrize("name", ["h5_nested", "h5_cnn_bn", "h5_bilstm_masked", "h5_unet", "h5_td_cnn_lstm"])
def test_back_to_keras_files_and_again(name: str, tmp_path: Path) -> None:
    write_layers_model(read_keras_hdf5(ZOO / name / "model.h5"), tmp_path / "web")
    model = read_tfjs_layers(tmp_path / "web")
    write_keras_hdf5(model, tmp_path / "m.h5")
    write_keras_v3(model, tmp_path / "m.keras")
    for again in (read_keras_hdf5(tmp_path / "m.h5"), read_keras_v3(tmp_path / "m.keras")):
        assert_same_weights(model, again)
    first = (tmp_path / "m.keras").read_bytes(), (tmp_path / "m.h5").read_bytes()
    write_keras_hdf5(model, tmp_path / "m.h5")
    write_keras_v3(model, tmp_path / "m.keras")
    assert first == ((tmp_path / "m.keras").read_bytes(), (tmp_path / "m.h5").read_bytes())


def assert_same_weights(a: KerasModel, b: KerasModel) -> None:
    first, second = a.layer_weights(), b.layer_weights()
    assert {path: set(own) for path, own in first.items()} == {path: set(own) for path, own in second.items()}
    for path, own in first.items():
        for variable, value in own.items():
            np.testing.assert_array_equal(np.asarray(value), np.asarray(second[path][variable]))


def layers_model(*layers: dict[str, Any], weights: dict[str, np.ndarray]) -> KerasModel:
    topology = {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}
    return keras_model_of(ModelArtifacts("layers-model", topology, weights=weights))


def dense(name: str, **more: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": 1, "use_bias": False, **more}}


def one(value: float = 1.0) -> np.ndarray:
    return np.full((1, 1), value, np.float32)


def test_what_tensorflow_js_would_refuse_is_respelt_or_reported(tmp_path: Path) -> None:
    model = layers_model(
        dense("a", activation="silu", kernel_initializer={"class_name": "LecunNormal", "config": {}},
              activity_regularizer={"class_name": "L2", "config": {"l2": 0.1}}),
        dense("b", activation="exponential", kernel_constraint={"class_name": "NonNeg", "config": {}}),
        dense("c", kernel_constraint={"class_name": "NonNeg", "config": {}}),
        {"class_name": "GRU", "config": {"name": "g", "reset_after": True}},
        weights={"a/kernel": one(), "b/kernel": one(-1), "c/kernel": one()},
    )  # fmt: skip
    result = write_layers_model(model, tmp_path / "web")
    a, b, c, _ = result.artifacts.model_topology["model_config"]["config"]["layers"]  # type: ignore[index]
    assert a["config"]["activation"] == "swish" and a["config"]["activity_regularizer"] is None
    assert a["config"]["kernel_initializer"]["class_name"] == "LeCunNormal"
    assert b["config"]["kernel_constraint"] is None and c["config"]["kernel_constraint"] is not None
    assert any("exponential" in text for text in result.unsupported)
    assert any("reset_after" in text for text in result.unsupported)


def test_weights_alone_have_no_topology(tmp_path: Path) -> None:
    model = keras_model_of(ModelArtifacts("layers-model", None, weights={"d/kernel": one()}))
    write_layers_model(model, tmp_path / "web")
    assert read_artifacts(tmp_path / "web").model_topology is None
    for write in (write_keras_hdf5, write_keras_v3):
        with pytest.raises(ModelFormatError, match="weights without a model"):
            write(model, tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["web"]


def test_input_from_nowhere_is_refused(tmp_path: Path) -> None:
    layer = {**dense("d"), "name": "d", "inbound_nodes": [[["x", 0, 0, {}]]]}
    topology = {"class_name": "Functional", "config": {"name": "f", "layers": [layer], "input_layers": [],
                "output_layers": [["d", 0, 0]]}}  # fmt: skip
    model = keras_model_of(ModelArtifacts("layers-model", topology))
    with pytest.raises(ModelFormatError, match="'d' gets its input from 'x'"):
        write_layers_model(model, tmp_path / "web")


def test_keras_order_of_nested_models() -> None:
    norm = {"class_name": "BatchNormalization", "config": {"name": "n", "scale": False}}
    inner = {
        "class_name": "Sequential",
        "config": {"name": "i", "layers": [dense("f", trainable=False), norm, dense("d")]},
    }
    names = ["f/kernel", "n/beta", "n/moving_mean", "n/moving_variance", "d/kernel"]
    model = layers_model(inner, weights={name: one() for name in names})
    assert [weight.name for weight in in_keras_order(model, "i")] == [
        "n/beta", "d/kernel", "f/kernel", "n/moving_mean", "n/moving_variance"
    ]  # fmt: skip


def test_keras_files_that_were_not_finished_do_not_appear(tmp_path: Path) -> None:
    def damaged() -> np.ndarray:
        raise ModelFormatError("cut")

    model = layers_model(dense("d"), weights={"d/kernel": one()})
    object.__setattr__(model.weights["d"][0].value, "_read", damaged)
    model.config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 1]  # type: ignore[index]
    for write in (write_keras_hdf5, write_keras_v3):
        (tmp_path / "m").write_bytes(b"earlier")
        with pytest.raises(ModelFormatError, match="cut"):
            write(model, tmp_path / "m")
        assert [path.name for path in tmp_path.iterdir()] == ["m"] and (tmp_path / "m").read_bytes() == b"earlier"
    with pytest.raises(InvalidArgumentError, match="is a folder"):
        write_keras_hdf5(model, tmp_path)


def test_keras_3_files_are_what_keras_3_reads(tmp_path: Path) -> None:
    model = layers_model(
        dense("a", batch_input_shape=[None, 1]), dense("b"), weights={"a/kernel": one(), "b/kernel": one(2)}
    )
    write_keras_v3(model, tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))
        assert [layer["class_name"] for layer in config["config"]["layers"]] == ["InputLayer", "Dense", "Dense"]
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["layers/dense_1/vars/0"][0, 0] == 2
    steep = layers_model(
        dense("a", activation="hard_sigmoid", batch_input_shape=[None, 1]), weights={"a/kernel": one()}
    )
    with pytest.raises(ModelFormatError, match="hard_sigmoid"):
        write_keras_v3(steep, tmp_path / "n.keras")


def test_masks_that_layers_hand_on_leave_the_calls() -> None:
    """Keras 3 names them in every call; a mask of another tensor stays, since nothing hands it on."""

    def operation(name: str, kind: str, *args: Any, **config: Any) -> dict[str, Any]:
        node = {"args": list(args), "kwargs": {}}
        return {
            "class_name": "Operation", "config": {"name": name, "operation": kind, **config}, "inbound_nodes": [node],
        }  # fmt: skip

    def recurrent(name: str, source: str, mask: str) -> dict[str, Any]:
        call = [source, 0, 0, {"mask": [mask, 0, 0]}]
        return {"class_name": "LSTM", "config": {"name": name, "return_sequences": True}, "inbound_nodes": [[call]]}

    layers = [
        {"class_name": "InputLayer", "config": {"name": "x"}, "inbound_nodes": []},
        {"class_name": "InputLayer", "config": {"name": "y"}, "inbound_nodes": []},
        {"class_name": "Masking", "config": {"name": "m", "mask_value": 0.5}, "inbound_nodes": [[["x", 0, 0, {}]]]},
        operation("n", "NotEqual", ["x", 0, 0], 0.5),
        operation("a", "Any", ["n", 0, 0], axis=-1, keepdims=False),
        operation("other", "NotEqual", ["y", 0, 0], 0.5),
        operation("b", "Any", ["other", 0, 0], axis=-1, keepdims=False),
        {"class_name": "Dropout", "config": {"name": "d"}, "inbound_nodes": [[["m", 0, 0, {}]]]},
        recurrent("first", "d", "a"),
        recurrent("second", "first", "a"),
        recurrent("third", "second", "b"),
    ]
    ends = {"input_layers": [["x", 0, 0], ["y", 0, 0]], "output_layers": [["third", 0, 0]]}
    inner = {"class_name": "Functional", "config": {"name": "inner", "layers": layers, **ends}}
    model = {"class_name": "Functional", "config": {"name": "outer", "layers": [inner], "output_layers": []}}
    found = without_implicit_masks(model)["config"]["layers"][0]["config"]["layers"]
    calls = {layer["config"]["name"]: layer["inbound_nodes"] for layer in found}
    assert list(calls) == ["x", "y", "m", "other", "b", "d", "first", "second", "third"]
    assert calls["first"] == [[["d", 0, 0, {}]]] and calls["second"] == [[["first", 0, 0, {}]]]
    assert calls["third"] == [[["second", 0, 0, {"mask": ["b", 0, 0]}]]]
    assert layers[8]["inbound_nodes"] == [[["d", 0, 0, {"mask": ["a", 0, 0]}]]]
