"""Readers of Keras HDF5, .keras and TensorFlow.js layers models, on files made here and on the zoo."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tfgl.errors import ModelFormatError
from tfgl.keras.files.layers_model import read_tfjs_layers
from tfgl.keras.files.normalization import normalized
from tfgl.keras.files.variables import snake_case, stored_paths
from tfgl_converter.formats.keras_classes import refuse_custom_layers
from tfgl_converter.formats.keras_hdf5 import read_keras_hdf5
from tfgl_converter.formats.keras_v3 import read_keras_v3

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo of models is not here")
KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.ones(3, np.float32)


def dense(name: str, **more: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": 3, **more}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def write_hdf5(path: Path, config: dict[str, Any], groups: dict[str, dict[str, np.ndarray]]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        weights = file.create_group("model_weights")
        for layer, values in groups.items():
            group = weights.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in values])
            for name, value in values.items():
                group[name] = value
    return path


def keras_zip(path: Path, config: dict[str, Any], values: dict[str, np.ndarray], compression: int = 0) -> Path:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, value in values.items():
            file[name] = value
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.8.0"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", stream.getvalue())
    return path


def test_whole_model(tmp_path: Path) -> None:
    values = {"d/kernel:0": KERNEL, "d/bias:0": BIAS}
    model = read_keras_hdf5(write_hdf5(tmp_path / "m.h5", sequential(dense("d")), {"d": values}))
    assert [(w.name, w.layer, w.variable) for w in model.all_weights()] == [
        ("d/kernel", ("d",), "kernel"),
        ("d/bias", ("d",), "bias"),
    ]
    assert model.keras_version == "2.15.0"
    np.testing.assert_array_equal(np.asarray(model.weights["d"][0].value), KERNEL)


def test_names_split_over_attributes(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "m.h5", sequential(dense("d")), {"d": {"d/kernel:0": KERNEL, "d/bias:0": BIAS}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        del group.attrs["weight_names"]
        group.attrs["weight_names0"], group.attrs["weight_names1"] = [b"d/kernel:0"], [b"d/bias:0"]
    assert [weight.variable for weight in read_keras_hdf5(path).all_weights()] == ["kernel", "bias"]


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"d"]
        group = file.create_group("d")
        group.attrs["weight_names"] = [b"d/kernel:0"]
        group["d/kernel:0"] = KERNEL
    model = read_keras_hdf5(path)
    assert model.config is None and model.weights["d"][0].name == "d/kernel"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_keras_zip(tmp_path: Path, compression: int) -> None:
    config = sequential(dense("x"), dense("y", use_bias=False))
    values = {"layers/dense/vars/0": KERNEL, "layers/dense/vars/1": BIAS, "layers/dense_1/vars/0": KERNEL + 1}
    path = keras_zip(tmp_path / "m.keras", config, values, compression)
    model = read_keras_v3(path)
    assert {p: list(v) for p, v in model.layer_weights().items()} == {("x",): ["kernel", "bias"], ("y",): ["kernel"]}
    np.testing.assert_array_equal(np.asarray(model.weights["y"][0].value), KERNEL + 1)
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def refused(read: Any, path: Path, *words: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        for weight in read(path).all_weights():
            np.asarray(weight.value)
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    assert all(word in message for word in words), message


def test_hdf5_that_is_cut_or_none(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "m.h5", sequential(dense("d")), {"d": {"d/kernel:0": KERNEL}})
    whole = path.read_bytes()
    refused(read_keras_hdf5, tmp_path / "absent.h5", "no such file")
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(read_keras_hdf5, path)
    path.write_bytes(b"PK not hdf5" * 100)
    refused(read_keras_hdf5, path, "no HDF5")


def test_hdf5_with_flipped_bytes_never_crashes(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "m.h5", sequential(dense("d")), {"d": {"d/kernel:0": KERNEL}})
    whole = bytearray(path.read_bytes())
    chance = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(whole), 8):
            damaged[place] ^= int(chance.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for weight in read_keras_hdf5(path).all_weights():
                np.asarray(weight.value)
        except ModelFormatError:
            continue


@pytest.mark.parametrize("kind", ["soft", "external", "external dataset", "virtual", "huge", "cycle"])
def test_hdf5_tricks(tmp_path: Path, kind: str) -> None:
    path = write_hdf5(tmp_path / "m.h5", sequential(dense("d")), {"d": {"d/kernel:0": KERNEL}})
    (tmp_path / "secret").write_bytes(bytes(1000))
    with h5py.File(path, "a") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        if kind == "soft":
            group["kernel:0"] = h5py.SoftLink("/elsewhere")
        elif kind == "external":
            group["kernel:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        elif kind == "external dataset":
            group.create_dataset("kernel:0", (6,), "f4", external=[(str(tmp_path / "secret"), 0, 24)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 3), "f4")
            layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2, 3))
            group.create_virtual_dataset("kernel:0", layout)
        elif kind == "huge":
            group.create_dataset("kernel:0", (1 << 40,), "f4", chunks=(1024,))
        else:
            group["kernel:0"] = file["model_weights/d"]
    refused(read_keras_hdf5, path)


def test_zip_tricks(tmp_path: Path) -> None:
    path = keras_zip(tmp_path / "m.keras", sequential(dense("d")), {"layers/dense/vars/0": KERNEL})
    whole = path.read_bytes()
    for size in (0, 50, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        refused(read_keras_v3, path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path.write_bytes(damaged)
    refused(read_keras_v3, path, "damaged")
    for entry in ("../out", "/etc/x", "a\\b"):
        path.write_bytes(whole)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(entry), "x")
        refused(read_keras_v3, path, "leads out")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(sequential(dense("d"))))
        with archive.open("model.weights.h5", "w") as stream:
            for _ in range(80):
                stream.write(bytes(1 << 20))
    refused(read_keras_v3, path, "expand")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "{}")
    refused(read_keras_v3, path, "config.json")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = keras_zip(tmp_path / "m.keras", sequential(dense("x")), {"layers/dense/vars/0": KERNEL})
    refused(read_keras_v3, path, "'x'", "layers/dense/vars/1")


def test_lambda_and_custom_layers_are_named_and_not_run(tmp_path: Path) -> None:
    for layer, words in (
        ({"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAA==", None, None]}}, "'l' is a Lambda"),
        ({"class_name": "p>Mine", "config": {"name": "m"}}, "'p>Mine'"),
        (
            {"class_name": "TimeDistributed", "config": {"name": "t", "layer": {"class_name": "Mine", "config": {}}}},
            "Mine",
        ),
    ):
        model = read_keras_hdf5(write_hdf5(tmp_path / "m.h5", sequential(dense("d"), layer), {}))
        with pytest.raises(ModelFormatError, match=words):
            refuse_custom_layers(model)
    refuse_custom_layers(model, ("Mine",))


def test_keras_3_calls_become_those_of_keras_2() -> None:
    def tensor(name: str, node: int = 0) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, 2], "keras_history": [name, node, 0]}}

    def call(*args: Any, **kwargs: Any) -> list[Any]:
        return [{"args": list(args), "kwargs": {"mask": None, **kwargs}}]

    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    inner = {**sequential(dense("d")), "name": "s", "module": "keras", "inbound_nodes": call(tensor("x"))}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 2], "name": "x"}, "inbound_nodes": []},
        inner,
        {"class_name": "Add", "module": "keras.layers", "config": {"name": "a", "dtype": policy},
         "inbound_nodes": call([tensor("x"), tensor("s")])},
        {"class_name": "MultiHeadAttention", "config": {"name": "m", "trainable": True},
         "inbound_nodes": call(tensor("a"), tensor("s"))},
        {"class_name": "Multiply", "module": "keras.src.ops.numpy", "config": {"name": "o"},
         "inbound_nodes": call(tensor("a"), tensor("m"))[:1]},
        {"class_name": "GetItem", "module": "keras.src.ops.numpy", "config": {"name": "g"},
         "inbound_nodes": [{"args": [tensor("o"), 0], "kwargs": {}}]},
    ]  # fmt: skip
    layers[4]["inbound_nodes"][0]["kwargs"] = {}  # type: ignore[index]
    model = {"class_name": "Functional", "config": {"name": "f", "layers": layers, "input_layers": ["x", 0, 0],
             "output_layers": {"b": ["g", 0, 0], "a": ["s", 0, 0]}}}  # fmt: skip
    config = normalized(model, "here")["config"]
    assert config["input_layers"] == [["x", 0, 0]]
    assert config["output_layers"] == [["s", 1, 0], ["g", 0, 0]]
    found = {layer["name"]: layer for layer in config["layers"]}
    assert found["a"]["inbound_nodes"] == [[["x", 0, 0, {}], ["s", 1, 0, {}]]]
    assert found["a"]["config"]["dtype"] == "float32"
    assert found["m"]["inbound_nodes"] == [[["a", 0, 0, {"value": ["s", 1, 0]}]]]
    assert found["o"]["class_name"] == "Multiply" and found["g"]["class_name"] == "Operation"


@needs_zoo
@pytest.mark.parametrize("name", ["k3_gru", "k3_mha", "k3_mlp", "k3_nested"])
def test_zoo_of_keras_3_reads_alike_from_all_its_files(name: str) -> None:
    first = read_keras_hdf5(ZOO / name / "model.h5").layer_weights()
    others = [read_keras_v3(ZOO / name / "model.keras").layer_weights()]
    others += [read_tfjs_layers(path).layer_weights() for path in (ZOO / name / "tfjs").glob("layers_from_keras")]
    for other in others:
        assert {path: set(own) for path, own in first.items()} == {path: set(own) for path, own in other.items()}
        for path, own in first.items():
            for variable, value in own.items():
                np.testing.assert_array_equal(np.asarray(value), np.asarray(other[path][variable]))


def test_where_keras_3_keeps_the_weights_of_attention() -> None:
    grouped = {"class_name": "GroupQueryAttention", "config": {"use_bias": False}}
    assert stored_paths(grouped) == [
        (f"_{part}_dense/vars/0", name)
        for part, name in {
            "query": "query/kernel", "key": "key/kernel", "value": "value/kernel", "output": "attention_output/kernel",
        }.items()
    ]  # fmt: skip
    # The class has another name inside of Keras, which is the one in files.
    assert snake_case("GroupQueryAttention") == "grouped_query_attention"
    both = {"class_name": "Attention", "config": {"use_scale": True, "score_mode": "concat"}}
    assert stored_paths(both) == [("vars/0", "scale"), ("vars/1", "concat_score_weight")]
    assert stored_paths({"class_name": "AdditiveAttention", "config": {}}) == [("vars/0", "scale")]


def test_a_configuration_in_shape_stays_as_it_is() -> None:
    """A layers model holds what was brought into shape when it was written, operations and nested models too."""

    def tensor(name: str) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}

    def layer(kind: str, name: str, module: str, *args: Any) -> dict[str, Any]:
        nodes = [{"args": list(args), "kwargs": {}}] if args else []
        return {"class_name": kind, "module": module, "config": {"name": name}, "name": name, "inbound_nodes": nodes}

    def model(name: str, *layers: dict[str, Any]) -> dict[str, Any]:
        ends = {"input_layers": [[f"{name}_in", 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
        entries = [layer("InputLayer", f"{name}_in", "keras.layers"), *layers]
        return {"class_name": "Functional", "config": {"name": name, "layers": entries, **ends}, "name": name}

    inner = model("inner", layer("NotEqual", "differs", "keras.src.ops.numpy", tensor("inner_in"), 0))
    inner["inbound_nodes"] = [{"args": [tensor("outer_in")], "kwargs": {}}]
    outer = model("outer", inner, layer("Any", "any", "keras.src.ops.numpy", tensor("inner")))
    once = normalized(outer, "here")
    assert once["config"]["layers"][1]["config"]["layers"][1]["inbound_nodes"] == [
        {"args": [["inner_in", 0, 0], 0], "kwargs": {}}
    ]
    assert normalized(copy.deepcopy(once), "here") == once


def test_vocabularies_that_layers_learned(tmp_path: Path) -> None:
    """The entries as Keras 3.15 and tf_keras 2.19 write them after ``adapt``."""

    def entry(kind: str, name: str, **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": name, "vocabulary": None, **config}, "name": name}

    layers = [
        entry("InputLayer", "x", batch_input_shape=[None, 1], dtype="string"), entry("TextVectorization", "t"),
        entry("StringLookup", "s", num_oov_indices=2, mask_token=""), entry("StringLookup", "given", vocabulary=["z"]),
        entry("IntegerLookup", "i", output_mode="multi_hot", mask_token=0),
    ]  # fmt: skip
    nested = {"class_name": "Sequential", "config": {"name": "inner", "layers": layers}, "name": "inner"}
    assets = {
        "text_vectorization": b"\n[UNK]\nthe\ndog", "string_lookup": b"\n[UNK]\n[UNK]\na\nb c",
        "string_lookup_1": b"[UNK]\nother", "integer_lookup": b"-1\n5\n3",
    }  # fmt: skip
    path = keras_zip(tmp_path / "m.keras", sequential(nested), {})
    with zipfile.ZipFile(path, "a") as archive:
        for group, data in assets.items():
            archive.writestr(f"assets/layers/sequential/layers/{group}/vocabulary.txt", data)
    model = read_keras_v3(path)
    assert model.config is not None
    read = {one["config"]["name"]: one["config"] for one in model.config["config"]["layers"][0]["config"]["layers"]}
    found = {name: read[name]["vocabulary"] for name in ("t", "s", "given", "i")}
    assert found == {"t": ["the", "dog"], "s": ["a", "b c"], "given": ["z"], "i": [5, 3]}
    broken = keras_zip(tmp_path / "broken.keras", sequential(entry("IntegerLookup", "i")), {})
    with zipfile.ZipFile(broken, "a") as archive:
        archive.writestr("assets/layers/integer_lookup/vocabulary.txt", b"-1\nfive")
    refused(read_keras_v3, broken, "vocabulary.txt", "no list of tokens")
