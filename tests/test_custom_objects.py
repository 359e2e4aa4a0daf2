"""Layer classes of the caller's own: refused without --custom_objects, never executed because a model names them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl_converter
from tfgl.errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from tfgl.graph.model import graph_of
from tfgl.io import ModelArtifacts, read_artifacts, save_artifacts
from tfgl.ir.evaluate import evaluate
from tfgl_converter.cli import main

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
HOME = ZOO / "h5_subclass_custom"
needs_zoo = pytest.mark.skipif(not HOME.exists(), reason=f"no zoo of models beside the checkout ({ZOO})")

MODULE = """
class Scale:
    @staticmethod
    def tfjs_ops(call):
        return call.b.binary("Mul", call.x, call.weight("s"))
"""
LAYERS = [
    {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 2]}},
    {"class_name": "mine>Affine", "config": {"name": "a", "offset": 0.5}},
]


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "own_layers.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_layers", None)


def layers_model(folder: Path, layers: list[dict[str, Any]] = LAYERS, **weights: Any) -> Path:
    topology = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    return save_artifacts(ModelArtifacts("layers-model", topology, weights=weights), folder).parent


def outputs(folder: Path, **feeds: Any) -> Any:
    graph = graph_of(read_artifacts(folder))
    return next(iter(evaluate(graph, feeds, list(graph.outputs)).values()))


@needs_zoo
def test_a_class_that_says_which_ops_it_is(own_module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--input_format=keras", "--output_format=tfjs_graph_model", "--quiet", str(HOME / "model.h5"), "web"]
    assert main(words) == 1
    assert "layer 'sc' is of class 'heldout>Scale'" in capsys.readouterr().err.replace("sequential/", "")
    assert "own_layers" not in sys.modules and not (own_module / "web").exists()
    path = list(sys.path)
    assert main(["--custom_objects=own_layers:Scale", *words]) == 0
    assert sys.path == path
    with np.load(HOME / "inputs.npz") as feeds, np.load(HOME / "outputs.npz") as expected:
        found = outputs(own_module / "web", x=feeds[feeds.files[0]])
        np.testing.assert_allclose(found, expected[expected.files[0]], rtol=1e-4, atol=1e-5)


@needs_zoo
def test_a_layers_model_keeps_the_class_for_whoever_registers_it(
    own_module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--input_format=keras", str(HOME / "model.h5"), "web"]
    assert main(words) == 1
    assert "not Keras' own" in capsys.readouterr().err
    assert main(["--custom_objects", "own_layers:Scale", *words]) == 0
    assert capsys.readouterr().err.startswith("warning: TensorFlow.js: ")
    model = json.loads((own_module / "web" / "model.json").read_text())
    layers = model["modelTopology"]["model_config"]["config"]["layers"]
    assert "heldout>Scale" in [layer["class_name"] for layer in layers]
    again = ["--custom_objects=own_layers:Scale", "--input_format=tfjs_layers_model", "--quiet", "web", "again.h5"]
    assert main(again) == 0 and (own_module / "again.h5").exists()


def test_configuration_and_names_for_weights(tmp_path: Path) -> None:
    class Affine:
        tfjs_weights = ("scale", "shift")

        @staticmethod
        def tfjs_ops(call: Any) -> Any:
            assert call.has("shift") and not call.has("bias")
            scaled = call.b.binary("Mul", call.x, call.weight("scale", (2,)))
            return call.b.add_(call.b.add_(scaled, call.weight("shift")), call.number("offset"))

    weights = {"a/0": np.array([2, 3], np.float32), "a/1": np.array([10, 20], np.float32)}
    source = layers_model(tmp_path / "m", **weights)
    options: dict[str, Any] = {"input_format": "tfjs_layers_model", "output_format": "tfjs_graph_model"}
    with pytest.raises(UnsupportedOpError, match="'mine>Affine'"):
        tfgl_converter.convert(source, tmp_path / "web", **options)
    tfgl_converter.convert(source, tmp_path / "web", custom_objects=[Affine], **options)
    x = np.array([[1, 1], [0, -1]], np.float32)
    np.testing.assert_array_equal(outputs(tmp_path / "web", x=x), x * [2, 3] + [10, 20] + 0.5)
    fewer = layers_model(tmp_path / "f", **{"a/0": weights["a/0"]})
    with pytest.raises(ModelFormatError, match=r"1 weights in the file, its class names 2: scale, shift"):
        tfgl_converter.convert(fewer, tmp_path / "no", custom_objects=[Affine], **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_layers", "'own_layers' is not module:Class"),
        ("own layers:Scale", "is not module:Class"),
        ("no_such_module:Scale", "'no_such_module' cannot be imported: ModuleNotFoundError"),
        ("own_layers:Other", "'own_layers' has no 'Other'"),
        ("own_layers:__doc__", "is neither a class nor a function"),
    ],
)
def test_names_that_are_wrong(name: str, message: str, own_module: Path) -> None:
    source = layers_model(own_module / "m")
    with pytest.raises(InvalidArgumentError, match=message):
        tfgl_converter.convert(source, "web", input_format="tfjs_layers_model", custom_objects=[name],
                               output_format="tfjs_graph_model")  # fmt: skip
    assert not (own_module / "web").exists()


def test_a_module_that_fails_or_ends_the_process_is_one_error(own_module: Path) -> None:
    (own_module / "own_layers.py").write_text("raise SystemExit(3)")
    with pytest.raises(InvalidArgumentError, match="cannot be imported: SystemExit: 3"):
        tfgl_converter.convert(layers_model(own_module / "m"), "web", input_format="tfjs_layers_model",
                               output_format="tfjs_graph_model", custom_objects=["own_layers:Scale"])  # fmt: skip


def test_a_trusted_class_does_not_make_lambdas_run(own_module: Path) -> None:
    layers = [*LAYERS[:1], {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None]}}]
    source = layers_model(own_module / "m", layers)
    for target in ("tfjs_graph_model", "tfjs_layers_model"):
        with pytest.raises(ModelFormatError, match=r"layer '(s/)?l' is a Lambda"):
            tfgl_converter.convert(source, "web", input_format="tfjs_layers_model", output_format=target,
                                   custom_objects=["own_layers:Scale"])  # fmt: skip
