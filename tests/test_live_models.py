"""Live models of Keras 2, Keras 3 and JAX; each test needs the real framework and is skipped where it is absent."""

from __future__ import annotations

import glob
import json
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tfgl_converter
from digits_model import DIGITS_H5
from tfgl.errors import ModelFormatError
from tfgl.graph.model import graph_of
from tfgl.io import read_artifacts
from tfgl.ir.evaluate import evaluate

# TensorFlow and JAX warn of much when they are imported and traced.
pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).random((3, 6), np.float32)


def framework(name: str) -> ModuleType:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.fixture(params=["tf_keras", "keras"])
def keras(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = framework(request.param)
    if request.param == "keras":
        # A program that has imported Keras 3 alone.
        monkeypatch.delitem(sys.modules, "tf_keras", raising=False)
    return module


def dense_model(keras: ModuleType) -> Any:
    layers = [keras.Input((6,), name="x"), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def scale_class(keras: ModuleType) -> Any:
    class Scale(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def build(self, shape: Any) -> None:
            self.s = self.add_weight(shape=(shape[-1],), initializer="random_normal", name="s")

        def call(self, x: Any) -> Any:
            return x * self.s

    return Scale


def outputs(folder: Path, *values: Any) -> list[Any]:
    graph = graph_of(read_artifacts(folder))
    return list(evaluate(graph, dict(zip(graph.inputs, values, strict=True)), list(graph.outputs)).values())


def predicted(model: Any, x: Any) -> Any:
    return np.asarray(model.predict(x, verbose=0))


def test_a_model_saved_and_loaded(keras: ModuleType, tmp_path: Path) -> None:
    model = dense_model(keras)
    done = tfgl_converter.save_keras_model(model, tmp_path / "web", metadata={"a": {"b": 1}})
    assert done.output_format == "tfjs_layers_model" and sorted(done.files) == ["group1-shard1of1.bin", "model.json"]
    path = tmp_path / "web" / "model.json"
    assert json.loads(path.read_text())["userDefinedMetadata"] == {"a": {"b": 1}}
    shards = [Path(name).read_bytes() for name in sorted(glob.glob(str(tmp_path / "web" / "*.bin")))]
    for loaded in (
        tfgl_converter.load_keras_model(tmp_path / "web"),
        tfgl_converter.load_keras_model(path, use_unique_name_scope=True),
        tfgl_converter.load_keras_model(path, weights_data_buffers=shards),
        tfgl_converter.load_keras_model(path, weights_path_prefix=str(tmp_path / "web")),
        tfgl_converter.deserialize_keras_model(json.loads(path.read_text()), shards),
    ):
        assert isinstance(loaded, keras.Model)
        np.testing.assert_allclose(predicted(loaded, X), predicted(model, X), rtol=1e-6)
    fresh = tfgl_converter.load_keras_model(path, load_weights=False)
    assert isinstance(fresh, keras.Model)
    assert [tuple(w.shape) for w in fresh.get_weights()] == [tuple(w.shape) for w in model.get_weights()]
    assert not np.array_equal(fresh.get_weights()[0], model.get_weights()[0])


def test_a_live_model_as_a_graph(keras: ModuleType, tmp_path: Path) -> None:
    model = dense_model(keras)
    tfgl_converter.convert_keras_model_to_graph_model(model, tmp_path / "web", quantization_dtype_map={"float16": "x*"})
    np.testing.assert_allclose(outputs(tmp_path / "web", X)[0], predicted(model, X), rtol=1e-5, atol=1e-6)


def test_custom_layers_go_through_a_saved_model(keras: ModuleType, tmp_path: Path) -> None:
    framework("tensorflow")
    model = keras.Sequential([keras.Input((6,), name="x"), scale_class(keras)(), keras.layers.Dense(2)])
    done = tfgl_converter.convert_keras_model_to_graph_model(model, tmp_path / "web")
    assert done.input_format == "tf_saved_model"
    np.testing.assert_allclose(outputs(tmp_path / "web", X)[0], predicted(model, X), rtol=1e-5, atol=1e-6)
    with pytest.raises(ModelFormatError, match=r"^the model: layer .*Scale'"):
        tfgl_converter.save_keras_model(model, tmp_path / "layers")
    assert not (tmp_path / "layers").exists()


def test_a_keras_file_with_a_trusted_class(keras: ModuleType, tmp_path: Path) -> None:
    framework("tensorflow")
    scale = scale_class(keras)
    model = keras.Sequential([keras.Input((6,), name="x"), scale(), keras.layers.Dense(2)])
    name, input_format = ("m.keras", "keras_keras") if keras.__name__ == "keras" else ("m.h5", "keras")
    model.save(str(tmp_path / name))
    tfgl_converter.convert(tmp_path / name, tmp_path / "web", input_format=input_format,
                           output_format="tfjs_graph_model", custom_objects=[scale])  # fmt: skip
    np.testing.assert_allclose(outputs(tmp_path / "web", X)[0], predicted(model, X), rtol=1e-5, atol=1e-6)


def test_back_to_a_keras_saved_model(tmp_path: Path) -> None:
    keras = framework("tf_keras")
    model = dense_model(keras)
    tfgl_converter.save_keras_model(model, tmp_path / "web")
    tfgl_converter.convert(tmp_path / "web" / "model.json", tmp_path / "saved", input_format="tfjs_layers_model",
                           output_format="keras_saved_model")  # fmt: skip
    again = keras.models.load_model(str(tmp_path / "saved"))
    np.testing.assert_allclose(predicted(again, X), predicted(model, X), rtol=1e-6)


def test_the_digits_file_is_one_that_keras_reads(keras: ModuleType, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    expected = predicted(keras.models.load_model(str(DIGITS_H5), compile=False), images)
    tfgl_converter.convert(DIGITS_H5, tmp_path / "web", input_format="keras", output_format="tfjs_graph_model")
    np.testing.assert_allclose(outputs(tmp_path / "web", images)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "shapes"), [(3, None), (None, ["(b, 6)"])])
def test_a_jax_function(batch: int | None, shapes: list[str] | None, tmp_path: Path) -> None:
    jax = framework("jax")
    framework("tensorflow")
    generator = np.random.default_rng(1)
    params = {"w": generator.random((6, 3), np.float32), "more": [generator.random(3, np.float32)]}

    def apply(params: Any, x: Any) -> Any:
        return jax.numpy.tanh(x @ params["w"] + params["more"][0])

    signatures = [((batch, 6), np.float32)]
    tfgl_converter.convert_jax(
        apply, params, input_signatures=signatures, model_dir=tmp_path / "web", polymorphic_shapes=shapes
    )
    np.testing.assert_allclose(outputs(tmp_path / "web", X)[0], apply(params, X), rtol=1e-5, atol=1e-6)
