"""The converter's Python functions, those of the original's names included, without Keras, TensorFlow or JAX."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl_converter
from digits_model import DIGITS, DIGITS_H5
from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.io import read_artifacts
from tfgl_converter import Options, live_models

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason=f"no zoo of models beside the checkout ({ZOO})")
FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "jax")


@pytest.fixture
def without_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def import_module(name: str, package: str | None = None) -> Any:
        if name.split(".")[0] in FRAMEWORKS:
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(live_models.importlib, "import_module", import_module)
    for name in FRAMEWORKS:
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_names_are_there_and_loaded_when_asked_for() -> None:
    assert set(tfgl_converter.__all__) <= set(dir(tfgl_converter))
    for name in tfgl_converter.__all__:
        assert callable(getattr(tfgl_converter, name))
    with pytest.raises(AttributeError, match="'nothing'"):
        tfgl_converter.nothing  # noqa: B018
    code = (
        "import sys, tfgl_converter.live_models, tfgl_converter.quantizing; "
        f"print([m for m in {(*FRAMEWORKS, 'tensorflowjs')!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": ":".join(sys.path), "PATH": ""})  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@needs_zoo
def test_functions_of_the_original(tmp_path: Path) -> None:
    saved = ZOO / "sm_conv" / "saved_model"
    done = tfgl_converter.convert_tf_saved_model(
        str(saved), str(tmp_path / "a"), quantization_dtype_map={"uint8": "*Conv2D*"}, weight_shard_size_bytes=1000,
        metadata={"about": {"who": "me"}}, experiments=False, control_flow_v2=True,
    )  # fmt: skip
    assert done.weights is not None and {weight.dtype for weight in done.weights.quantized} == {"uint8"}
    model = json.loads((tmp_path / "a" / "model.json").read_text())
    assert model["userDefinedMetadata"]["about"] == {"who": "me"}
    assert len(model["weightsManifest"][0]["paths"]) > 1
    frozen = ZOO / "frozen_mlp"
    meta = json.loads((frozen / "meta.json").read_text())
    names = ",".join(key.removesuffix(":0") for key in meta["runs"][0]["outputs"])
    done = tfgl_converter.convert_tf_frozen_model(frozen / "frozen.pb", names, tmp_path / "b")
    topology = json.loads((tmp_path / "b" / "model.json").read_text())["modelTopology"]
    assert sum(done.ops.values()) == len(topology["node"])
    hub = ZOO / "hub_tf1" / json.loads((ZOO / "hub_tf1" / "meta.json").read_text())["source"]
    assert tfgl_converter.convert_tf_hub_module(hub, tmp_path / "c", skip_op_check=True).outputs
    with pytest.raises(InvalidArgumentError, match="unknown option 'quantisation'"):
        tfgl_converter.convert_tf_saved_model(saved, tmp_path / "d", quantisation=1)
    with pytest.raises(InvalidArgumentError, match="cannot quantise to 'int8'"):
        tfgl_converter.convert_tf_saved_model(saved, tmp_path / "d", quantization_dtype_map={"int8": True})
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16"])
def test_quantised_arrays_read_back_by_the_formula(dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    stored, how = tfgl_converter.quantize(values, dtype)
    assert stored.dtype == np.dtype(dtype) and stored.shape == values.shape
    if dtype == "float16":
        assert set(how) == {"dtype", "original_dtype"}
        np.testing.assert_array_equal(stored, values.astype(np.float16))
        return
    steps = 255 if dtype == "uint8" else 65535
    # The original's formulas, in float64.
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / steps
    low = -np.round(-low / scale) * scale
    assert how == {"dtype": dtype, "min": low, "scale": scale, "original_dtype": "float32"}
    clipped = np.clip(values.astype(np.float64), low, steps * scale + low)
    np.testing.assert_array_equal(stored, np.round((clipped - low) / scale))


def test_quantising_what_is_written(tmp_path: Path) -> None:
    done = tfgl_converter.quantize(DIGITS, {"uint8": ["*/kernel"], "float16": True}, tmp_path / "small")
    assert done.output_format == "tfjs_graph_model" and done.weights is not None
    assert {weight.dtype for weight in done.weights.quantized} == {"uint8", "float16"}
    before, after = read_artifacts(DIGITS), read_artifacts(tmp_path / "small")
    assert before.model_topology == after.model_topology and before.signature == after.signature
    for weight in done.weights.quantized:
        moved = np.abs(before.weights[weight.name].astype(np.float64) - after.weights[weight.name]).max()
        assert moved == pytest.approx(weight.largest_error, rel=1e-6)
    # In place, named by its model.json, and a layers model.
    tfgl_converter.convert(DIGITS_H5, tmp_path / "layers", input_format="keras")
    done = tfgl_converter.quantize(tmp_path / "layers" / "model.json", "uint16")
    assert done.output_format == "tfjs_layers_model" and done.path == tmp_path / "layers"
    stored = {spec.quantization.dtype for spec in read_artifacts(done.path).weight_specs if spec.quantization}
    assert stored == {"uint16"}


def test_lists_may_be_texts() -> None:
    options = Options(saved_model_tags="serve, gpu", output_node_names="a,b", passes="", quantize_uint8="*/kernel,b*")
    assert (options.saved_model_tags, options.output_node_names) == (["serve", "gpu"], ["a", "b"])
    assert (options.passes, options.quantization) == ([], {"uint8": ["*/kernel", "b*"]})


def test_metadata_stays_with_a_layers_model(tmp_path: Path) -> None:
    tfgl_converter.convert(DIGITS_H5, tmp_path / "a", input_format="keras", metadata={"a": [1], "b": {"c": 2}})
    for target in ("tfjs_layers_model", "tfjs_graph_model"):
        tfgl_converter.convert(tmp_path / "a", tmp_path / target, input_format="tfjs_layers_model",
                               output_format=target, metadata={"b": [3]})  # fmt: skip
        assert read_artifacts(tmp_path / target).user_defined_metadata == {"a": [1], "b": [3]}


def test_what_quantize_refuses(tmp_path: Path) -> None:
    for wrong in (np.ones(3), np.array([np.nan], np.float32), np.ones(3, np.int32)):
        with pytest.raises(InvalidArgumentError, match="quantise"):
            tfgl_converter.quantize(wrong, "uint8")
    with pytest.raises(InvalidArgumentError, match="'int4'"):
        tfgl_converter.quantize(np.ones(3, np.float32), "int4")
    with pytest.raises(InvalidArgumentError, match="one dtype"):
        tfgl_converter.quantize(np.ones(3, np.float32), "uint8", tmp_path / "out")  # type: ignore[call-overload]
    with pytest.raises(TfglError):
        tfgl_converter.quantize(tmp_path, "uint8")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("without_frameworks")
def test_without_frameworks_the_error_says_what_to_install(tmp_path: Path) -> None:
    tfgl_converter.convert(DIGITS_H5, tmp_path / "layers", input_format="keras")
    with pytest.raises(InvalidArgumentError, match="needs Keras, which is not installed: pip install"):
        tfgl_converter.load_keras_model(tmp_path / "layers" / "model.json")
    with pytest.raises(InvalidArgumentError, match="JAX is not installed"):
        tfgl_converter.convert_jax(lambda p, x: x, {}, input_signatures=[((1,), "f4")], model_dir=tmp_path / "jax")
    with pytest.raises(InvalidArgumentError, match="TensorFlow alone, which is not installed"):
        tfgl_converter.convert(tmp_path / "layers", tmp_path / "saved", input_format="tfjs_layers_model",
                               output_format="keras_saved_model")  # fmt: skip
    with pytest.raises(InvalidArgumentError, match="trace int takes TensorFlow, which is not installed"):
        tfgl_converter.convert(DIGITS_H5, tmp_path / "graph", input_format="keras", output_format="tfjs_graph_model",
                               custom_objects=[int])  # fmt: skip
    for convert in (tfgl_converter.save_keras_model, tfgl_converter.convert_keras_model_to_graph_model):
        with pytest.raises(InvalidArgumentError, match="expected a Keras model, got dict"):
            convert({}, tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["layers"]


def test_what_deserialize_refuses() -> None:
    with pytest.raises(ModelFormatError, match="modelTopology"):
        tfgl_converter.deserialize_keras_model(io.StringIO("{}"))
    with pytest.raises(ModelFormatError, match="not JSON"):
        tfgl_converter.deserialize_keras_model(b"{")
    with pytest.raises(InvalidArgumentError, match="got list"):
        tfgl_converter.deserialize_keras_model([])
    with pytest.raises(InvalidArgumentError, match="must be a list, got bytes"):
        tfgl_converter.deserialize_keras_model({"modelTopology": {}}, b"123")
