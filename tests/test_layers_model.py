"""Layers models: loading, predicting, describing; against NumPy and, where the zoo is there, against TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
from keras_files import ZOO, read_npz
from keras_layers import entry, functional, input_entry
from layers_cases import CASES, VOLUMES, read_case
from tfgl.engine import Engine
from tfgl.errors import DisposedError, InvalidArgumentError, ModelFormatError, TensorTooLargeError, UnsupportedOpError
from tfgl.io import ModelArtifacts, WeightSpec, save_artifacts

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def artifacts(topology: dict[str, Any] | None, weights: dict[str, Array], **members: Any) -> ModelArtifacts:
    return ModelArtifacts("layers-model", topology, weights=weights, **members)


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


WEIGHTS = {"a/kernel": normal(3, 4), "a/bias": normal(4), "b/kernel": normal(4, 2), "b/bias": normal(2)}


def dense_model(**members: Any) -> ModelArtifacts:
    first = entry("Dense", "a", units=4, activation="tanh", batch_input_shape=[None, 3])
    second = entry("Dense", "b", units=2, trainable=False)
    return artifacts(sequential(first, second), dict(WEIGHTS), **members)


def dense_output(x: Array) -> Array:
    wide = {name: value.astype(np.float64) for name, value in WEIGHTS.items()}
    hidden = np.tanh(x.astype(np.float64) @ wide["a/kernel"] + wide["a/bias"])
    result: Array = hidden @ wide["b/kernel"] + wide["b/bias"]
    return result


def two_ends() -> ModelArtifacts:
    """x (4,), y (4,) -> their sum, and a Dense layer of it inside a nested model."""
    inner = sequential(entry("Dense", "d", units=2, use_bias=False, batch_input_shape=[None, 4]))
    layers = [
        input_entry("x", [4]),
        input_entry("y", [4]),
        entry("Add", "sum", [[["x", 0, 0, {}], ["y", 0, 0, {}]]]),
        {**inner, "name": "net", "inbound_nodes": [[["sum", 0, 0, {}]]]},
    ]
    model = functional(layers, ["x", "y"], ["sum", ["net", 1, 0]])
    return artifacts(model, {"d/kernel": np.eye(4, 2, dtype=np.float32)})


@pytest.mark.parametrize("batch_size", [None, 1, 3, 32])
@pytest.mark.parametrize("samples", [1, 3, 7])
def test_predict_in_batches(gpu: Engine, samples: int, batch_size: int | None) -> None:
    x = normal(samples, 3)
    with tfgl.load_layers_model(dense_model()) as model:
        for given in (x, x.tolist(), [x], {"a_input": x}, tfgl.tensor(x), x.astype(np.float64)):
            result = model.predict(given, batch_size=batch_size)
            assert isinstance(result, tfgl.Tensor)
            np.testing.assert_allclose(result.numpy(), dense_output(x), rtol=2e-6, atol=2e-6)


def test_replays_and_stats(gpu: Engine) -> None:
    with tfgl.load_layers_model(dense_model()) as model:
        for _ in range(3):
            model.predict(normal(2, 3))
        assert (model.stats.recordings, model.stats.replays, len(model.stats.run_ms)) == (1, 2, 2)
        assert model.stats.first_ms is not None and model.stats.upload_bytes > 0


def test_several_inputs_and_outputs(gpu: Engine) -> None:
    x, y = normal(5, 4), normal(5, 4)
    with tfgl.load_layers_model(two_ends()) as model:
        assert [(info.name, info.shape, info.dtype) for info in model.inputs] == [
            ("x", (-1, 4), "float32"), ("y", (-1, 4), "float32"),
        ]  # fmt: skip
        assert [(info.name, info.shape) for info in model.outputs] == [("sum", (-1, 4)), ("net", (-1, 2))]
        for batch_size in (2, None):
            total, projected = model.predict({"y": y, "x": x}, batch_size=batch_size)
            np.testing.assert_allclose(total.numpy(), x + y, rtol=1e-6)
            np.testing.assert_allclose(projected.numpy(), (x + y)[:, :2], rtol=1e-6)
        assert list(model.predict_dict([x, y])) == ["sum", "net"]
        # A layer inside, by its path.
        np.testing.assert_allclose(model.execute([x, y], "net/d").numpy(), (x + y)[:, :2], rtol=1e-6)  # type: ignore[union-attr]
        with pytest.raises(InvalidArgumentError, match="x 5, y 4"):
            model.predict([x, y[:4]])
        with pytest.raises(InvalidArgumentError, match="missing input 'y'"):
            model.predict({"x": x})
        with pytest.raises(InvalidArgumentError, match=r"takes shape \[\?, 4\], got \[5, 3\]"):
            model.predict([x, y[:, :3]])
        with pytest.raises(InvalidArgumentError, match="batch_size"):
            model.predict([x, y], batch_size=0)


def test_every_layer_can_be_asked_for(gpu: Engine) -> None:
    # Channels first is turned twice in between, and the model itself leaves both turns out.
    first = {"pool_size": [2, 2], "data_format": "channels_first"}
    layers = [
        entry("MaxPooling2D", "pool", batch_input_shape=[None, 2, 4, 6], **first),
        entry("AveragePooling2D", "mean", **{**first, "pool_size": [2, 3]}),
    ]
    x = normal(2, 2, 4, 6)
    pooled = x.reshape(2, 2, 2, 2, 3, 2).max((3, 5))
    with tfgl.load_layers_model(artifacts(sequential(*layers), {})) as model:
        found = model.execute(x, ["pool", "mean"])
        assert isinstance(found, list)
        np.testing.assert_allclose(found[0].numpy(), pooled, rtol=1e-6)
        np.testing.assert_allclose(found[1].numpy(), pooled.mean((2, 3), keepdims=True), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.asarray(model.predict(x)), found[1].numpy(), rtol=1e-6, atol=1e-7)


def test_numbers_become_the_dtype_of_the_input(gpu: Engine) -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    layer = entry("Embedding", "e", input_dim=3, output_dim=2, batch_input_shape=[None, 2])
    model = artifacts(sequential(layer), {"e/embeddings": table})
    with tfgl.load_layers_model(model) as loaded:
        for dtype in (np.int32, np.int64, np.uint8, np.float32, np.float64):
            result = loaded.predict(np.array([[2, 0]], dtype))
            assert isinstance(result, tfgl.Tensor)
            np.testing.assert_array_equal(result.numpy(), [[[4, 5], [0, 1]]])
        for tensor in (tfgl.tensor([[2.0, 0.0]]), tfgl.tensor([[2, 0]])):
            np.testing.assert_array_equal(np.asarray(loaded.predict(tensor)), [[[4, 5], [0, 1]]])
        with pytest.raises(InvalidArgumentError, match="fractions"):
            loaded.predict(np.array([[0.5, 0]]))


def test_what_a_model_says_of_itself(gpu: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with tfgl.load_layers_model(dense_model(user_defined_metadata={"labels": ["x", "y"]})) as model:
        assert [(layer.name, layer.class_name, layer.output_shape) for layer in model.layers] == [
            ("a", "Dense", (-1, 4)), ("b", "Dense", (-1, 2)),
        ]  # fmt: skip
        assert [layer.count_params() for layer in model.layers] == [16, 10]
        assert model.get_layer("b").config["units"] == 2 and not model.get_layer("b").trainable
        assert [(weight.name, weight.trainable) for weight in model.weights] == [
            ("a/kernel", True), ("a/bias", True), ("b/kernel", False), ("b/bias", False),
        ]  # fmt: skip
        for weight, tensor in zip(model.weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(tensor.numpy(), WEIGHTS[weight.name])
        assert len(model.get_weights(trainable_only=True)) == 2
        assert model.user_defined_metadata == {"labels": ["x", "y"]} and model.count_params() == 26
        model.summary()
        shown = capsys.readouterr().out
        assert all(text in shown for text in ("net", "Dense", "[?, 4]", "16", "26"))
        with pytest.raises(InvalidArgumentError, match="no layer 'c'; its layers are 'a', 'b'"):
            model.get_layer("c")
    with pytest.raises(DisposedError):
        model.predict(normal(1, 3))
    with tfgl.load_layers_model(two_ends()) as model:
        assert model.get_layer("net/d").count_params() == model.get_layer("net").count_params() == 8
        model.summary(expand_nested=True)
        assert "  d" in capsys.readouterr().out


def test_saved_and_loaded_by_its_format(gpu: Engine, tmp_path: Path) -> None:
    x = normal(2, 3)
    with tfgl.load_layers_model(dense_model(training_config={"loss": "mse"}, user_defined_metadata={"k": 1})) as model:
        model.save(tmp_path / "saved", quantization={"a/kernel": "uint16"})
    text = json.loads((tmp_path / "saved" / "model.json").read_text())
    assert text["trainingConfig"] == {"loss": "mse"} and text["userDefinedMetadata"] == {"k": 1}
    with tfgl.load(tmp_path / "saved") as again:
        assert isinstance(again, tfgl.LayersModel)
        np.testing.assert_allclose(np.asarray(again.predict(x)), dense_output(x), rtol=1e-3, atol=1e-3)
    # Older files have no format.
    del text["format"]
    (tmp_path / "saved" / "model.json").write_text(json.dumps(text))
    with tfgl.load(tmp_path / "saved") as older:
        assert isinstance(older, tfgl.LayersModel)
    with pytest.raises(ModelFormatError, match="is a layers model, but a graph model was asked for"):
        tfgl.load_graph_model(tmp_path / "saved")


def test_where_the_shards_are_and_how_far_loading_is(gpu: Engine, tmp_path: Path) -> None:
    save_artifacts(dense_model(), tmp_path / "model")
    (tmp_path / "shards").mkdir()
    (tmp_path / "model" / "group1-shard1of1.bin").rename(tmp_path / "shards" / "weights.bin")
    x, fractions = normal(2, 3), list[float]()
    with pytest.raises(ModelFormatError, match=r"group1-shard1of1\.bin"):
        tfgl.load_layers_model(tmp_path / "model")
    with tfgl.load_layers_model(
        tmp_path / "model",
        weight_url_converter=lambda name: str(tmp_path / "shards" / "weights.bin"),
        on_progress=fractions.append,
    ) as model:
        np.testing.assert_allclose(np.asarray(model.predict(x)), dense_output(x), rtol=2e-6, atol=2e-6)
    assert fractions == sorted(fractions) and fractions[-1] == 1
    (tmp_path / "shards" / "weights.bin").rename(tmp_path / "shards" / "group1-shard1of1.bin")
    with tfgl.load_layers_model(tmp_path / "model", weight_path_prefix=str(tmp_path / "shards")) as model:
        model.warmup()
        before = model.stats.replays
        model.predict_on_batch(x[:1])
        assert model.stats.replays == before + 1


def test_optimizer_weights_are_no_weights_of_layers(gpu: Engine) -> None:
    model = dense_model(training_config={"loss": "mse"})
    model.weights["iter"] = np.zeros((), np.float32)
    model.weight_specs = [WeightSpec("iter", (), "float32", group="optimizer")]
    with tfgl.load_layers_model(model) as loaded:
        assert [weight.name for weight in loaded.weights] == list(WEIGHTS)
        assert loaded.training_config == {"loss": "mse"}


# -- bad files --------------------------------------------------------------


def changed(**weights: Array | None) -> ModelArtifacts:
    model = dense_model()
    for name, value in weights.items():
        name = name.replace("__", "/")
        if value is None:
            del model.weights[name]
        else:
            model.weights[name] = value
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (artifacts(None, {"a/kernel": normal(2, 2)}), "weights alone"),
        (artifacts({}, {}), "class_name"),
        (artifacts({"model_config": []}, {}), "model_config"),
        (changed(a__bias=None), "no bias for layer 'net/a'"),
        (changed(a__kernel=normal(5, 4)), r"'net/a' \(Dense\).*kernel.*\[5, 4\], expected \[3, 4\]"),
        (changed(a__kernel=normal(3, 5)), r"'net/a' \(Dense\).*\[3, 5\], expected \[3, 4\]"),
        (changed(b__bias=normal(3)), r"'net/b' \(Dense\).*bias"),
        (
            artifacts(
                sequential(entry("Conv2D", "c", filters=2, kernel_size=[3, 3], batch_input_shape=[None, 8, 8, 1])),
                {"c/kernel": normal(5, 5, 1, 2), "c/bias": normal(2)},
            ),
            r"'net/c' \(Conv2D\): the file's kernel has shape \[5, 5, 1, 2\].*2 filters of size \[3, 3\]",
        ),
        (changed(c__kernel=normal(3, 4)), "'c/kernel' belongs to no layer"),
        (changed(a__gamma=normal(4)), "'a/gamma' is none that layer 'a' has"),
        (artifacts(sequential(entry("Flatten", "f")), {}), "does not state the shape of its input"),
        (artifacts(sequential(entry("Dense", "a", batch_input_shape=[None, -7])), {}), "net"),
        (artifacts(sequential(entry("Dense", "a"), entry("Dense", "a")), {}), "two layers called 'a'"),
        (artifacts(functional([input_entry("x", [1])], ["x"], ["y"]), {}), "there is no layer 'y'"),
        (artifacts(functional([input_entry("x", [1])], ["z"], ["x"]), {}), "there is no layer 'z'"),
    ],
)
def test_damaged_models_are_refused(gpu: Engine, model: ModelArtifacts, words: str) -> None:
    with pytest.raises(ModelFormatError, match=words):
        tfgl.load_layers_model(model)


def test_without_strict_weights_of_no_layer_are_left_out(gpu: Engine) -> None:
    x = normal(2, 3)
    with tfgl.load_layers_model(changed(c__kernel=normal(3, 4), a__gamma=normal(4)), strict=False) as model:
        np.testing.assert_allclose(np.asarray(model.predict(x)), dense_output(x), rtol=2e-6, atol=2e-6)
    with pytest.raises(ModelFormatError, match="no bias"):
        tfgl.load_layers_model(changed(a__bias=None), strict=False)


def test_code_in_a_model_is_never_run(gpu: Engine) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA"}}
    for layer in (entry("Lambda", "l", function=["4wEAAAAAAAAA", None, None]), entry("Lambda", "l", function=code)):
        model = artifacts(sequential({**layer, "config": {**layer["config"], "batch_input_shape": [None, 2]}}), {})
        with pytest.raises(UnsupportedOpError, match="'net/l' is a Lambda"):
            tfgl.load_layers_model(model)
    with pytest.raises(UnsupportedOpError, match="'net/m' is of class 'Magic'"):
        tfgl.load_layers_model(artifacts(sequential(entry("Magic", "m", batch_input_shape=[None, 2])), {}))


def test_hostile_configurations(gpu: Engine) -> None:
    inner = entry("Flatten", "f", batch_input_shape=[None, 2])
    for depth in range(100):
        inner = {"class_name": "Sequential", "config": {"name": f"s{depth}", "layers": [inner]}}
    with pytest.raises(ModelFormatError, match="deep"):
        tfgl.load_layers_model(artifacts(inner, {}))
    huge = sequential(entry("RepeatVector", "r", n=1 << 40, batch_input_shape=[None, 1 << 20]))
    with pytest.raises(tfgl.TfglError):
        tfgl.load_layers_model(artifacts(huge, {})).predict(np.zeros((1, 1 << 20), np.float32))
    large = sequential(entry("ZeroPadding2D", "z", padding=[[1 << 30, 1], [1, 1]], batch_input_shape=[None, 4, 4, 1]))
    with tfgl.load_layers_model(artifacts(large, {})) as model, pytest.raises(TensorTooLargeError, match="'net/z/Pad'"):
        model.predict(np.zeros((1, 4, 4, 1), np.float32))
    circle = [
        input_entry("x", [1]),
        entry("Add", "a", [[["x", 0, 0, {}], ["b", 0, 0, {}]]]),
        entry("ReLU", "b", [[["a", 0, 0, {}]]]),
    ]
    with pytest.raises(ModelFormatError, match="circle"):
        tfgl.load_layers_model(artifacts(functional(circle, ["x"], ["b"]), {}))
    with pytest.raises(ModelFormatError, match="'layers' must be a list"):
        tfgl.load_layers_model(artifacts({"class_name": "Model", "config": {"name": "m", "layers": "x"}}, {}))


def test_open_lengths(gpu: Engine) -> None:
    weights = {"r/kernel": normal(2, 3), "r/recurrent_kernel": normal(3, 3), "r/bias": normal(3)}
    layer = entry("SimpleRNN", "r", units=3, return_sequences=True, batch_input_shape=[None, None, 2])
    with tfgl.load_layers_model(artifacts(sequential(layer), weights)) as model:
        for samples, steps in ((1, 1), (3, 4), (2, 9)):
            x, state, expected = normal(samples, steps, 2), np.zeros((samples, 3)), []
            for step in range(steps):
                inside = state @ weights["r/recurrent_kernel"] + weights["r/bias"]
                state = np.tanh(x[:, step] @ weights["r/kernel"] + inside)
                expected.append(state)
            result = np.asarray(model.predict(x, batch_size=2))
            np.testing.assert_allclose(result, np.stack(expected, 1), rtol=1e-5, atol=1e-5)


# -- TensorFlow.js' own ------------------------------------------------------


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_models_that_tensorflow_js_saved(gpu: Engine, folder: Path) -> None:
    if folder.name == "volumes" and not tfgl.kernel_names() >= VOLUMES:
        pytest.skip("convolution and pooling of volumes have no kernels yet")
    inputs, expected = read_case(folder)
    with tfgl.load(folder) as model:
        assert isinstance(model, tfgl.LayersModel)
        results = model.predict(inputs)
        for key, tensor, values in zip(
            model.output_keys, results if isinstance(results, list) else [results], expected, strict=True
        ):
            np.testing.assert_allclose(tensor.numpy(), values, rtol=2e-6, atol=2e-6, err_msg=key)


def test_what_tensorflow_js_saves_beside_the_weights(gpu: Engine, tmp_path: Path) -> None:
    folder = next(folder for folder in CASES if folder.name == "cnn")
    with tfgl.load_layers_model(folder) as model:
        assert model.user_defined_metadata == {"labels": ["a", "b", "c"], "version": 3}
        assert model.training_config is not None and model.training_config["metrics"] == ["accuracy"]
        assert not any("Adam" in weight.name or "iter" in weight.name for weight in model.weights)
        model.save(tmp_path / "again")
    before, after = (json.loads((path / "model.json").read_text()) for path in (folder, tmp_path / "again"))
    assert {key: before[key] for key in ("modelTopology", "trainingConfig", "userDefinedMetadata")} == {
        key: after[key] for key in ("modelTopology", "trainingConfig", "userDefinedMetadata")
    }
    assert before["weightsManifest"][0]["weights"] == after["weightsManifest"][0]["weights"]
    assert (folder / "weights.bin").read_bytes() == (tmp_path / "again" / "group1-shard1of1.bin").read_bytes()


# -- the zoo ----------------------------------------------------------------

CONVERTED = [
    pytest.param(folder.parent.parent, folder, id=f"{folder.parent.parent.name}-{folder.name}")
    for kind in ("h5_*", "k3_*")
    for folder in sorted(ZOO.glob(f"{kind}/tfjs/layers*"))
    if folder.is_dir() and folder.parent.parent.name != "h5_subclass_custom"
]
SOURCES = [
    pytest.param(path.parent, path, id=f"{path.parent.name}-{path.suffix[1:]}")
    for pattern in ("h5_*/model.h5", "k3_*/model.h5", "k3_*/model.keras")
    for path in sorted(ZOO.glob(pattern))
    if path.parent.name != "h5_subclass_custom"
]
needs_zoo = pytest.mark.skipif(not CONVERTED, reason=f"no zoo of models beside the checkout ({ZOO})")


def compare(model: tfgl.LayersModel, folder: Path, outputs_file: Path | None) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    for run in meta["runs"]:
        inputs, expected = read_npz(folder / run["inputs_file"]), read_npz(outputs_file or folder / run["outputs_file"])
        assert {info.name for info in model.inputs} == set(inputs)
        results = model.predict(inputs)
        found = dict(zip(model.output_keys, results if isinstance(results, list) else [results], strict=True))
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name].numpy(), values, rtol=meta["rtol"], atol=meta["atol"], err_msg=name)


@needs_zoo
@pytest.mark.parametrize(("folder", "converted"), CONVERTED)
def test_models_of_the_original_converter(gpu: Engine, folder: Path, converted: Path) -> None:
    own = converted.parent / f"{converted.name}.outputs.npz"
    with tfgl.load_layers_model(converted) as model:
        compare(model, folder, own if own.exists() else None)


@needs_zoo
@pytest.mark.parametrize(("folder", "source"), SOURCES)
def test_models_of_this_converter(gpu: Engine, tmp_path: Path, folder: Path, source: Path) -> None:
    from tfgl_converter import convert

    input_format = "keras_keras" if source.suffix == ".keras" else "keras"
    convert(source, tmp_path / "web", input_format=input_format, split_weights_by_layer=True)
    with tfgl.load(tmp_path / "web") as model:
        assert isinstance(model, tfgl.LayersModel)
        compare(model, folder, None)


@needs_zoo
def test_custom_layers_are_refused_by_name(gpu: Engine) -> None:
    with pytest.raises(UnsupportedOpError, match=r"sc' is of class 'heldout>Scale'"):
        tfgl.load_layers_model(ZOO / "h5_subclass_custom" / "tfjs" / "layers")
