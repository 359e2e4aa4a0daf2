"""Every Keras model of the zoo as a graph, evaluated on the NumPy reference and compared with TensorFlow's outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tfgl_converter
from keras_files import ZOO, read_h5, read_npz
from keras_layers import values_of
from tfgl.errors import UnsupportedOpError
from tfgl.keras import graph_of_keras

MODELS = sorted(path for kind in ("h5_*", "k3_*") for path in ZOO.glob(f"{kind}/model.h5"))
REFUSED = {"h5_subclass_custom"}

pytestmark = pytest.mark.skipif(not MODELS, reason=f"no zoo of models beside the checkout ({ZOO})")


@pytest.mark.parametrize("path", [p for p in MODELS if p.parent.name not in REFUSED], ids=lambda p: p.parent.name)
def test_outputs_are_those_of_tensorflow(path: Path) -> None:
    config, weights, version = read_h5(path)
    graph = graph_of_keras(config, weights, keras_version=version, loops=True)
    meta = json.loads((path.parent / "meta.json").read_text())
    for run in meta["runs"]:
        feeds = read_npz(path.parent / run["inputs_file"])
        expected = read_npz(path.parent / run["outputs_file"])
        assert set(graph.inputs) == set(feeds)
        assert set(graph.outputs) == set(expected)
        results = values_of(graph, feeds)
        for name, array in expected.items():
            np.testing.assert_allclose(results[name], array, rtol=meta["rtol"], atol=meta["atol"], err_msg=name)
            stated = graph.outputs[name].shape
            assert stated is not None and len(stated) == array.ndim
            assert all(s in (-1, n) for s, n in zip(stated, array.shape, strict=True)), (stated, array.shape)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_custom_layers_are_refused_by_name(name: str) -> None:
    config, weights, version = read_h5(ZOO / name / "model.h5")
    with pytest.raises(UnsupportedOpError, match=r"sc' is of class 'heldout>Scale'.*SavedModel"):
        graph_of_keras(config, weights, keras_version=version)


@pytest.mark.parametrize("path", [p for p in MODELS if p.parent.name not in REFUSED], ids=lambda p: p.parent.name)
def test_no_more_nodes_than_the_original_writes(path: Path, tmp_path: Path) -> None:
    official = [*path.parent.glob("tfjs/graph/model.json"), *path.parent.glob("tfjs/graph_from_export/model.json")]
    if not official:
        pytest.skip("the original converter fails on this model")
    tfgl_converter.convert(path, tmp_path / "web", input_format="keras", output_format="tfjs_graph_model")
    ours, theirs = (
        json.loads(file.read_text())["modelTopology"]["node"] for file in (tmp_path / "web" / "model.json", official[0])
    )
    assert len(ours) <= len(theirs)
