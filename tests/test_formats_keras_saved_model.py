"""Keras SavedModels as layers models; ``data/keras_saved_models/make_models.py`` made them with tf_keras."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl_converter import convert
from tfgl_converter.formats.keras_saved_model import read_keras_saved_model
from tfgl_converter.formats.protobuf_schema import message_class
from tfgl_converter.keras_conversion import read_as_layers_model

Array = np.ndarray[Any, Any]
ARCHIVES = sorted((Path(__file__).parent / "data" / "keras_saved_models").glob("*.zip"))
NAMES = [path.stem for path in ARCHIVES if path.stem != "subclassed"]


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], Path]:
    def unpack(name: str) -> Path:
        with zipfile.ZipFile(next(path for path in ARCHIVES if path.stem == name)) as archive:
            archive.extractall(tmp_path / name)
        return tmp_path / name

    return unpack


def without_writers_notes(value: Any) -> Any:
    """Configurations without what each of Keras' writers adds of its own and no reader needs."""
    if isinstance(value, list):
        return [without_writers_notes(one) for one in value]
    if isinstance(value, dict):
        extra = ("module", "registered_name", "build_config")
        return {key: without_writers_notes(one) for key, one in value.items() if key not in extra}
    return value


@pytest.mark.parametrize("name", NAMES)
def test_the_same_as_from_hdf5(unpacked: Callable[[str], Path], name: str) -> None:
    folder = unpacked(name)
    saved = read_as_layers_model(folder / "saved_model", "keras_saved_model")
    other = read_as_layers_model(folder / "model.h5", "keras")
    assert list(saved.artifacts.weights) == list(other.artifacts.weights)
    assert saved.groups == other.groups
    for weight, value in other.artifacts.weights.items():
        np.testing.assert_array_equal(np.asarray(saved.artifacts.weights[weight]), np.asarray(value), err_msg=weight)
    topologies = [without_writers_notes(one.artifacts.model_topology) for one in (saved, other)]
    assert topologies[0] == topologies[1]
    assert saved.artifacts.generated_by == other.artifacts.generated_by


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_keras(gpu: Engine, unpacked: Callable[[str], Path], name: str) -> None:
    folder = unpacked(name)
    done = convert(folder / "saved_model", folder / "web", input_format="keras_saved_model")
    assert done.output_format == "tfjs_layers_model"
    with np.load(folder / "arrays.npz") as arrays, tfgl.load_layers_model(folder / "web") as model:
        results = model.predict({key[3:]: arrays[key] for key in arrays.files if key.startswith("in_")})
        for number, tensor in enumerate(results if isinstance(results, list) else [results]):
            np.testing.assert_allclose(tensor.numpy(), arrays[f"out_{number}"], rtol=1e-5, atol=1e-6)


def test_notes_of_older_versions_stand_in_the_objects(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("nested")
    new = read_as_layers_model(folder / "saved_model", "keras_saved_model").artifacts
    older = folder / "older"
    shutil.copytree(folder / "saved_model", older)
    notes = message_class("KerasMetadata").FromString((older / "keras_metadata.pb").read_bytes())
    model = message_class("SavedModel").FromString((older / "saved_model.pb").read_bytes())
    for note in notes.nodes:
        model.meta_graphs[0].object_graph_def.nodes[note.node_id].user_object.metadata = note.metadata
    (older / "saved_model.pb").write_bytes(model.SerializeToString())
    (older / "keras_metadata.pb").unlink()
    old = read_as_layers_model(older, "keras_saved_model").artifacts
    assert old.model_topology == new.model_topology and list(old.weights) == list(new.weights)
    for name, value in new.weights.items():
        np.testing.assert_array_equal(np.asarray(old.weights[name]), np.asarray(value))


def test_what_compile_said_is_kept(unpacked: Callable[[str], Path]) -> None:
    model = read_keras_saved_model(unpacked("dense") / "saved_model")
    assert model.training_config is not None and model.training_config["loss"] == "mse"
    assert model.keras_version is not None and model.keras_version.startswith("2.") and model.backend == "tensorflow"


def test_a_graph_model_comes_from_the_functions(gpu: Engine, unpacked: Callable[[str], Path]) -> None:
    for name in ("dense", "subclassed"):
        folder = unpacked(name)
        convert(
            folder / "saved_model", folder / "web", input_format="keras_saved_model", output_format="tfjs_graph_model"
        )
        with np.load(folder / "arrays.npz") as arrays, tfgl.load_graph_model(folder / "web") as model:
            (feed,) = (arrays[key] for key in arrays.files if key.startswith("in_"))
            np.testing.assert_allclose(np.asarray(model.predict(feed)), arrays["out_0"], rtol=1e-5, atol=1e-6)


def test_what_is_refused(unpacked: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"class 'Net', a subclass.*--output_format=tfjs_graph_model"):
        read_keras_saved_model(unpacked("subclassed") / "saved_model")
    folder = unpacked("dense") / "saved_model"
    with pytest.raises(InvalidArgumentError, match="tags 'train'"):
        read_keras_saved_model(folder, ("train",))
    notes = (folder / "keras_metadata.pb").read_bytes()
    (folder / "keras_metadata.pb").unlink()
    with pytest.raises(ModelFormatError, match="no notes of Keras 2 on its layers"):
        read_keras_saved_model(folder)
    (folder / "keras_metadata.pb").write_bytes(notes[: len(notes) // 2])
    with pytest.raises(ModelFormatError, match=r"keras_metadata\.pb"):
        read_keras_saved_model(folder)
    (folder / "keras_metadata.pb").write_bytes(notes.replace(b'"class_name"', b'"class_nome"'))
    with pytest.raises(ModelFormatError):
        read_keras_saved_model(folder)
    (folder / "keras_metadata.pb").write_bytes(notes)
    shutil.rmtree(folder / "variables")
    with pytest.raises(ModelFormatError, match="'dense/kernel' whose value is not among the saved ones"):
        convert(folder, tmp_path / "web", input_format="keras_saved_model")
    assert not (tmp_path / "web").exists()


def test_damaged_objects_end_as_errors(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("nested") / "saved_model"
    data = (folder / "saved_model.pb").read_bytes()
    model = message_class("SavedModel").FromString(data)
    for child in model.meta_graphs[0].object_graph_def.nodes[0].children:
        child.node_id = 1 << 20
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFormatError):
        read_keras_saved_model(folder)
    generator = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(data)
        for at in generator.integers(0, len(data), 12):
            damaged[at] = int(generator.integers(0, 256))
        (folder / "saved_model.pb").write_bytes(damaged[: int(generator.integers(len(data) // 2, len(data)))])
        try:
            for weight in read_keras_saved_model(folder).all_weights():
                weight.value.read()
        except TfglError:
            pass
