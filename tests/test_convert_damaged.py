"""Damaged sources of every format, and a converter that is killed: one clear error, and nothing half-written."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

import tfgl_converter
from tfgl.errors import TfglError
from tfgl.io import read_artifacts

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
pytestmark = pytest.mark.skipif(not ZOO.is_dir(), reason=f"no zoo of models beside the checkout ({ZOO})")

GRAPH = {"output_format": "tfjs_graph_model"}
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "hdf5": ("h5_cnn_bn/model.h5", {"input_format": "keras"}),
    "hdf5 to graph": ("h5_nested/model.h5", {"input_format": "keras", **GRAPH}),
    "keras 3 weights": ("k3_mlp/model.weights.h5", {"input_format": "keras"}),
    "keras": ("k3_mha/model.keras", {"input_format": "keras_keras", **GRAPH}),
    "saved model": ("sm_conv/saved_model", {"input_format": "tf_saved_model"}),
    "saved model with loops": ("sm_nested_loops/saved_model", {"input_format": "tf_saved_model"}),
    "saved model with tables": ("sm_hash_int/saved_model", {"input_format": "tf_saved_model"}),
    "saved model of TF 1": ("tf1_savedmodel_table/saved_model", {"input_format": "tf_saved_model"}),
    "frozen": ("frozen_mlp/frozen.pb", {"input_format": "tf_frozen_model", "output_node_names": ["Identity"]}),
    "hub": ("hub_tf1/module", {"input_format": "tf_hub"}),
    "graph model": ("h5_cnn_bn/tfjs/graph_uint8", {"input_format": "tfjs_graph_model"}),
    "layers model": ("h5_cnn_bn/tfjs/layers", {"input_format": "tfjs_layers_model", "output_format": "keras"}),
    "tflite": ("tflite_mlp/model_fp32.tflite", {"input_format": "tflite"}),
}
RUNS = 12


def damaged(data: bytes, chance: random.Random) -> bytes:
    """``data`` cut off, with bytes changed, put in or taken out."""
    at, length = chance.randrange(len(data)), chance.randrange(1, 48)
    kind = chance.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + length :]
    if kind == 2:
        return data[:at] + data[max(0, at - length) : at] + data[at:]
    if kind == 3:
        return data[:at] + bytes([chance.choice((0, 255))]) * length + data[at + length :]
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 8))):
        changed[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(changed)


def copied(source: Path, folder: Path) -> tuple[Path, list[Path]]:
    """A copy that may be changed, and its files."""
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for place in [target, *target.rglob("*")]:
            place.chmod(0o755)
        return target, sorted(file for file in target.rglob("*") if file.is_file() and file.stat().st_size)
    shutil.copyfile(source, target)
    return target, [target]


def convert_or_refuse(source: Path, folder: Path, options: dict[str, Any]) -> bool:
    """Whether ``source`` was converted; else it was refused in one line and nothing is there."""
    before = set(os.listdir(folder))
    try:
        tfgl_converter.convert(source, folder / "out", **options)
    except (TfglError, OSError) as error:
        assert str(error).strip(), "an error without a word"
        assert set(os.listdir(folder)) == before
        return False
    return True


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_bytes(name: str, tmp_path: Path) -> None:
    path, options = SOURCES[name]
    chance = random.Random(name)
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        source, files = copied(ZOO / path, folder)
        file = chance.choice(files)
        file.write_bytes(damaged(file.read_bytes(), chance))
        convert_or_refuse(source, folder, options)


VALUES: tuple[Any, ...] = (
    None, 0, -1, 3, 2**31, 2**63, 1e308, -0.5, "", "x", "valid", "float16", [], {}, [None], [-1, -1], [1, 2, 3, 4, 5],
    {"class_name": "Lambda", "config": {}}, True, [[["a", 0, 0, {}]]],
)  # fmt: skip


def places_in(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in inside for found in places_in(item, (*place, key)))]


def with_other_values(value: Any, chance: random.Random) -> Any:
    """A JSON value with one to three members replaced, left out or doubled."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        *way, last = chance.choice(places_in(value)[1:])
        holder = value
        for key in way:
            holder = holder[key]
        kind = chance.randrange(4)
        if kind == 0:
            del holder[last]
        elif kind == 1 and isinstance(holder, list):
            holder.append(holder[last])
        else:
            holder[last] = chance.choice(VALUES)
    return value


@pytest.mark.parametrize("output_format", ["tfjs_graph_model", "tfjs_layers_model"])
@pytest.mark.parametrize("model", ["h5_cnn_bn", "h5_bilstm_masked", "h5_mha_relu", "h5_config_zoo", "h5_nested"])
def test_odd_configurations(model: str, output_format: str, tmp_path: Path) -> None:
    chance = random.Random(model + output_format)
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        source, _ = copied(ZOO / model / "model.h5", folder)
        with h5py.File(source, "r+") as file:
            config = with_other_values(json.loads(file.attrs["model_config"]), chance)
            file.attrs["model_config"] = json.dumps(config)
        convert_or_refuse(source, folder, {"input_format": "keras", "output_format": output_format})


def test_odd_configurations_of_keras_3(tmp_path: Path) -> None:
    chance = random.Random(3)
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        source = folder / "model.keras"
        with zipfile.ZipFile(ZOO / "k3_mha" / "model.keras") as given, zipfile.ZipFile(source, "w") as made:
            for name in given.namelist():
                data = given.read(name)
                if name == "config.json":
                    data = json.dumps(with_other_values(json.loads(data), chance)).encode()
                made.writestr(name, data)
        convert_or_refuse(source, folder, {"input_format": "keras_keras", **GRAPH})


@pytest.mark.parametrize("model", ["sm_conv/tfjs/graph", "h5_bilstm_masked/tfjs/layers"])
def test_odd_model_json(model: str, tmp_path: Path) -> None:
    chance = random.Random(model)
    kind = f"tfjs_{Path(model).name}_model"
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        source, _ = copied(ZOO / model, folder)
        members = with_other_values(json.loads((source / "model.json").read_text()), chance)
        (source / "model.json").write_text(json.dumps(members))
        convert_or_refuse(source, folder, {"input_format": kind, **GRAPH})


@pytest.mark.parametrize("exists", [False, True])
def test_killed_at_any_moment(exists: bool, tmp_path: Path) -> None:
    """The target is a whole model, the old or the new one, or there is none."""
    target = tmp_path / "web"
    command = [
        sys.executable, "-m", "tfgl_converter.cli", "--input_format=keras", "--output_format=tfjs_graph_model",
        "--weight_shard_size_bytes=4096", "--quiet", str(ZOO / "h5_unet" / "model.h5"), str(target),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    took = time.perf_counter() - started
    chance = random.Random(9)
    for _ in range(6):
        if not exists:
            shutil.rmtree(target, ignore_errors=True)
        process = subprocess.Popen(command, env=environment)
        time.sleep(took * chance.uniform(0.3, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (target / "model.json").exists():
            assert read_artifacts(target, expected_format="graph-model").weights
        else:
            assert not target.exists() or exists
