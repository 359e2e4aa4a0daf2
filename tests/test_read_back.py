"""Written models that do not agree with themselves are found before they take their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgl.errors import ModelFormatError
from tfgl.io import ModelArtifacts, save_artifacts
from tfgl_converter.read_back import read_back

DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [None, 2]}}
LAYERS = {"class_name": "Sequential", "config": {"name": "s", "layers": [DENSE]}}


def graph(folder: Path, **weights: Any) -> Path:
    tensor = {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]}}
    nodes = [
        {"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
        {"name": "c", "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}, "value": {"tensor": tensor}}},
        {"name": "y", "op": "Mul", "input": ["x", "c"], "attr": {"T": {"type": "DT_FLOAT"}}},
    ]
    return save_artifacts(ModelArtifacts("graph-model", {"node": nodes}, weights=weights), folder).parent  # type: ignore[no-any-return]


def test_what_agrees_is_described(tmp_path: Path) -> None:
    _, contents = read_back(graph(tmp_path / "m", c=np.ones(2, np.float32)))
    assert contents.ops == {"Placeholder": 1, "Const": 1, "Mul": 1}
    layers = ModelArtifacts("layers-model", LAYERS, weights={"d/kernel": np.ones((2, 1), np.float32),
                                                             "d/bias": np.ones(1, np.float32)})  # fmt: skip
    _, contents = read_back(save_artifacts(layers, tmp_path / "l").parent)
    assert contents.inputs == {"d": (None, (-1, 2))} and contents.ops == {"Dense": 1}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "manifest has no 'c'"),
        ({"c": np.ones(3, np.float32)}, r"'c' states float32 \[2\], its weight is float32 \[3\]"),
        ({"c": np.ones(2, np.int32)}, r"its weight is int32"),
        ({"c": np.ones(2, np.float32), "e": np.ones(2, np.float32)}, "takes the weight 'e'"),
    ],
)
def test_graphs_and_weights_that_differ(weights: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=message):
        read_back(graph(tmp_path / "m", **weights))


def test_a_layer_without_a_variable_and_a_short_shard(tmp_path: Path) -> None:
    layers = ModelArtifacts("layers-model", LAYERS, weights={"d/kernel": np.ones((2, 1), np.float32)})
    with pytest.raises(ModelFormatError, match=r"layer 'd' .Dense. has no 'bias'"):
        read_back(save_artifacts(layers, tmp_path / "l").parent)
    folder = graph(tmp_path / "m", c=np.ones(2, np.float32))
    (folder / "group1-shard1of1.bin").write_bytes(b"1234567")
    with pytest.raises(ModelFormatError, match="after 7"):
        read_back(folder)
    (folder / "model.json").write_text(json.dumps({"format": "graph-model"}))
    with pytest.raises(ModelFormatError, match="does not read back"):
        read_back(folder)


def test_what_fails_the_check_does_not_appear(tmp_path: Path) -> None:
    artifacts = ModelArtifacts("graph-model", {"node": []}, weights={"w": np.ones(2, np.float32)})

    def check(folder: Path) -> None:
        assert (folder / "model.json").exists()
        raise ModelFormatError("no")

    for name in ("new", "old"):
        (tmp_path / "old").mkdir(exist_ok=True)
        with pytest.raises(ModelFormatError, match="no"):
            save_artifacts(artifacts, tmp_path / name, check=check)
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
