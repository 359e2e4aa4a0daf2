"""``tfgl run``, ``inspect`` and ``bench`` with layers models, named by their layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from keras_layers import entry
from layers_cases import CASES, read_case
from tfgl.cli import main
from tfgl.io import ModelArtifacts, save_artifacts
from tfgl.layers.model import load_layers_model

MERGING = next(folder for folder in CASES if folder.name == "merging")


def tfgl(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def answer(*arguments: object) -> Any:
    result = tfgl(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def sequential(folder: Path, *layers: dict[str, Any], **weights: Any) -> Path:
    topology = {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}
    named = {name.replace("__", "/"): value for name, value in weights.items()}
    return Path(save_artifacts(ModelArtifacts("layers-model", topology, weights=named), folder)).parent


def test_run_by_the_names_of_layers(tmp_path: Path) -> None:
    inputs, expected = read_case(MERGING)
    np.savez(tmp_path / "in.npz", **inputs)
    result = tfgl("run", MERGING, "--inputs", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out.npz") as outputs:
        assert set(outputs.files) == {"concatenate_Concatenate1", "cosine", "sharedDense"}
        for name, values in zip(("concatenate_Concatenate1", "cosine", "sharedDense"), expected, strict=True):
            np.testing.assert_allclose(outputs[name], values, rtol=2e-6, atol=2e-6)
    # One that is inside, and an input by itself.
    for name, value in inputs.items():
        np.save(tmp_path / f"{name}.npy", value)
    given = [f"--input={name}={tmp_path / name}.npy" for name in inputs]
    result = tfgl("run", MERGING, *given, "--outputs", "cosine,sharedDense", "--output", tmp_path / "two.npz")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "two.npz") as outputs:
        assert set(outputs.files) == {"cosine", "sharedDense"}


def test_integers_and_images_become_what_the_input_takes(tmp_path: Path) -> None:
    pool = entry("GlobalAveragePooling2D", "mean", batch_input_shape=[None, 4, 4, 3])
    model = sequential(tmp_path / "image", pool)
    Image.new("RGB", (4, 4), (255, 0, 51)).save(tmp_path / "red.png")
    report = answer("run", model, "--input", f"mean_input={tmp_path / 'red.png'}")
    (output,) = report["outputs"]
    assert output["name"] == "mean" and output["shape"] == [1, 3]
    assert output["max"] == pytest.approx(1) and output["mean"] == pytest.approx(0.4, abs=1e-6)
    np.save(tmp_path / "whole.npy", np.full((2, 4, 4, 3), 7, np.int64))
    assert answer("run", model, "--input", f"mean_input={tmp_path / 'whole.npy'}")["outputs"][0]["mean"] == 7


def test_wrong_usage(tmp_path: Path) -> None:
    for arguments, words in (
        (("run", MERGING, "--signature", "serving_default"), ["layers model", "no signatures"]),
        (("run", MERGING, "--outputs", "nothing"), ["nothing", "cosine"]),
        (("run", MERGING, "--input", f"middle={tmp_path / 'x.npy'}"), ["x.npy"]),
    ):
        result = tfgl(*arguments)
        assert result.exit_code == 2 and not result.stdout, result.output
        assert all(word in result.stderr for word in words), result.stderr
    huge = sequential(tmp_path / "huge", entry("Flatten", "f", batch_input_shape=[None, 1 << 16, 1 << 14]))
    result = tfgl("run", huge)
    assert result.exit_code == 1 and "too large to be made up" in result.stderr


def test_behaviour_that_is_lost_is_said_once(tmp_path: Path) -> None:
    # Stateful layers keep their states between calls; a graph has none.
    shapes = {"kernel": (3, 2), "recurrent_kernel": (2, 2), "bias": (2,)}
    weights = {f"r__{name}": np.ones(shape, np.float32) for name, shape in shapes.items()}
    layer = entry("SimpleRNN", "r", units=2, stateful=True, batch_input_shape=[1, 4, 3])
    model = sequential(tmp_path / "stateful", layer, **weights)
    result = tfgl("run", model)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1 and "'net/r'" in lines[0] and "state" in lines[0]
    assert answer("inspect", model)["warnings"]
    with pytest.warns(UserWarning, match="'net/r'"):
        load_layers_model(model)


def test_bench_and_inspect() -> None:
    (row,) = answer("bench", MERGING, "--runs", 2)["models"]
    assert row["steady"]["runs"] == 2 and row["draws"] > 0
    report = answer("inspect", MERGING)
    assert [info["key"] for info in report["inputs"]] == ["left", "right_Side"]
    assert report["parameters"] == 24 and report["runs"] is True
    assert {entry["class"] for entry in report["layer_classes"]} >= {"Dense", "PReLU", "Dot"}
