"""Models from folders, files, memory and handlers; formats and signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from io_models import Example, assert_same_weights, every_dtype, plain
from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.ir.lazy_array import LazyArray, block_axis


@pytest.mark.parametrize("shard_bytes", [1, 7, 4096])
@pytest.mark.parametrize("lazy_weights", [False, True])
def test_every_dtype_is_decoded(tmp_path: Path, shard_bytes: int, lazy_weights: bool) -> None:
    example = every_dtype(shard_bytes)
    artifacts = read_artifacts(example.write(tmp_path), lazy_weights=lazy_weights)
    assert_same_weights(artifacts.weights, example.weights)
    assert [spec.name for spec in artifacts.weight_specs] == list(example.weights)


def test_members_of_model_json(tmp_path: Path) -> None:
    example = every_dtype()
    artifacts = read_artifacts(example.write(tmp_path))
    assert artifacts.format == "graph-model"
    assert artifacts.generated_by == "2.19.1"
    assert artifacts.converted_by == "TensorFlow.js Converter v4.22.0"
    assert artifacts.signature == example.model["signature"]
    assert artifacts.structured_output_keys == ["y"]
    assert artifacts.weights_manifest == example.model["weightsManifest"]
    assert artifacts.source == str(tmp_path / "model.json")


def test_file_folder_and_file_url_are_the_same_model(tmp_path: Path) -> None:
    example = plain()
    folder = example.write(tmp_path / "with space")
    (folder / "model.json").rename(folder / "other name.json")
    for source in (folder / "other name.json", str(folder / "other name.json"), (folder / "other name.json").as_uri()):
        assert_same_weights(read_artifacts(source).weights, example.weights)


def test_weights_in_a_subfolder(tmp_path: Path) -> None:
    example = plain()
    example.files = {"deep/er/w.bin": example.data}
    example.model["weightsManifest"][0]["paths"] = ["deep/er/w.bin"]
    assert_same_weights(read_artifacts(example.write(tmp_path)).weights, example.weights)


def test_lazy_weights_stay_in_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfgl.io.weights._LAZY_BYTES", 1)
    example = every_dtype(5)
    lazy = read_artifacts(example.write(tmp_path), lazy_weights=True).weights
    assert {name for name, value in lazy.items() if not isinstance(value, LazyArray)} == {"texts", "nothing", "scalar"}
    assert_same_weights({name: np.asarray(value) for name, value in lazy.items()}, example.weights)
    for name, value in lazy.items():
        if isinstance(value, LazyArray) and value.shape:
            blocks = list(value.blocks(1))
            assert all(block.dtype == value.dtype and block.shape[block_axis(value.shape)] == 1 for block in blocks)
            joined = np.concatenate(blocks, block_axis(value.shape))
            np.testing.assert_array_equal(joined, example.weights[name])
    next(file for file in tmp_path.iterdir() if file.name != "model.json").unlink()
    with pytest.raises(ModelFormatError, match="cannot be read: No such file"):
        for value in lazy.values():
            np.asarray(value)


def test_without_weights_no_shard_is_needed(tmp_path: Path) -> None:
    example = every_dtype()
    example.files = {}
    artifacts = read_artifacts(example.write(tmp_path), with_weights=False)
    assert len(artifacts.weight_specs) == len(example.weights) and not artifacts.weights


def handler_members(example: Example) -> dict[str, Any]:
    members = {key: value for key, value in example.model.items() if key != "weightsManifest"}
    members["weightSpecs"] = [spec for group in example.model["weightsManifest"] for spec in group["weights"]]
    members["weightData"] = example.data
    return members


class Handler:
    def __init__(self, result: object) -> None:
        self.result = result

    def load(self) -> Any:
        return self.result


def test_models_in_memory() -> None:
    example = every_dtype()
    members = handler_members(example)
    in_parts = {**members, "weightData": [example.data[:10], bytearray(example.data[10:])]}
    in_array = {**members, "weightData": np.frombuffer(example.data, np.uint8)}
    for source in (
        (example.model, example.data),
        members,
        Handler(members),
        Handler(in_parts),
        Handler(in_array),
        Handler((example.model, memoryview(example.data))),
    ):
        artifacts = read_artifacts(source)
        assert_same_weights(artifacts.weights, example.weights)
        assert artifacts.signature == example.model["signature"]


def test_artifacts_come_back_as_they_are() -> None:
    artifacts = ModelArtifacts("graph-model", {"node": []})
    assert read_artifacts(artifacts) is artifacts
    assert read_artifacts(Handler(artifacts)) is artifacts
    with pytest.raises(ModelFormatError, match="graph model, but a layers model"):
        read_artifacts(artifacts, expected_format="layers-model")


@pytest.mark.parametrize("source", [3, None, object(), Handler(None), Handler(4), [], b"model.json", ""])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        read_artifacts(source)


def test_hub_addresses_need_a_url(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="from_tf_hub"):
        read_artifacts(tmp_path, from_tf_hub=True)


def test_an_old_file_keeps_its_signature_in_the_metadata() -> None:
    example = plain()
    old = {"outputs": {"y": {"name": "old"}}}
    example.model |= {"signature": {"outputs": {}}, "userDefinedMetadata": {"signature": old}}
    assert read_artifacts((example.model, example.data)).signature == old
    example.model["userDefinedMetadata"]["signature"] = None
    assert read_artifacts((example.model, example.data)).signature == {"outputs": {}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"modelTopology": {"node": []}}, "graph-model"),
        ({"modelTopology": {"model_config": {}}}, "layers-model"),
        ({"modelTopology": {"class_name": "Sequential", "config": {}}}, "layers-model"),
        ({"modelTopology": None, "weightsManifest": []}, "layers-model"),
        ({"format": "layers-model", "modelTopology": None, "weightsManifest": []}, "layers-model"),
    ],
)
def test_files_without_a_format(members: dict[str, Any], expected: str) -> None:
    assert read_artifacts((members, b"")).format == expected


def test_progress_rises_to_one(tmp_path: Path) -> None:
    heard: list[float] = []
    read_artifacts(every_dtype().write(tmp_path), on_progress=heard.append)
    assert heard == sorted(set(heard)) and len(heard) > 5 and heard[-1] == 1.0


def test_another_folder_for_the_shards(tmp_path: Path) -> None:
    example = plain()
    example.write(tmp_path / "model")
    (tmp_path / "shards").mkdir()
    (tmp_path / "model" / "w.bin").rename(tmp_path / "shards" / "renamed")
    (tmp_path / "shards" / "w.bin").write_bytes(example.data)
    moved = read_artifacts(tmp_path / "model", weight_path_prefix=tmp_path / "shards")
    assert_same_weights(moved.weights, example.weights)
    named: list[str] = []

    def convert(name: str) -> Path:
        named.append(name)
        return tmp_path / "shards" / "renamed"

    assert_same_weights(read_artifacts(tmp_path / "model", weight_url_converter=convert).weights, example.weights)
    assert named == ["w.bin"]
    with pytest.raises(InvalidArgumentError, match="URL or a path"):
        read_artifacts(tmp_path / "model", weight_url_converter=lambda name: 3)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.h5", b"\x89HDF\r\n\x1a\nxx", "HDF5.*convert"),
        ("m.keras", b"PK\x03\x04", "zip.*convert"),
        ("m.tflite", b"\0\0\0\0TFL3", "Lite"),
        ("m.pb", b"\x0a\x00", "TensorFlow graph.*convert"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFormatError, match=message):
        read_artifacts(tmp_path / name)


@pytest.mark.parametrize(
    ("inside", "message"),
    [("saved_model.pb", "convert it first"), ("tensorflowjs_model.pb", "before 1.0"), ("x", "the folder that")],
)
def test_folders_without_model_json(tmp_path: Path, inside: str, message: str) -> None:
    (tmp_path / inside).write_bytes(b"")
    with pytest.raises(ModelFormatError, match=message):
        read_artifacts(tmp_path)


def test_a_layers_model_where_a_graph_model_is_asked(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"format": "layers-model", "modelTopology": {}}))
    with pytest.raises(ModelFormatError, match=r"is a layers model, but a graph model .*load_layers_model"):
        read_artifacts(tmp_path, expected_format="graph-model")
