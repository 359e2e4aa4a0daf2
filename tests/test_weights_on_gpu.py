"""Weights as halves and as bytes on the device: what they compute, what they take, when they are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from graph_models import Array, graph_model, node, placeholder
from tfgl.cli import main
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.flags import Flags
from tfgl.graph.model import GraphModel, graph_of
from tfgl.io import ModelArtifacts, read_artifacts, save_artifacts
from tfgl.io.manifest import WeightSpec
from tfgl.io.quantization import Quantization, QuantizedDType, dequantize
from tfgl.ir.evaluate import evaluate
from tfgl.layers.model import LayersModel
from tfgl.tensor import Tensor

# Sums of up to some hundred products of numbers around 1.
TOLERANCE = 2e-5


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(name: str, x: str, kernel: str, op: str = "Conv2D", **attrs: Any) -> dict[str, Any]:
    return node(name, op, [x, kernel], strides=[1, 1, 1, 1], padding="SAME", **attrs)


# Each reads one weight, called w, the way that another kernel packs it; the last takes it as it lies.
CASES: dict[str, tuple[list[dict[str, Any]], Array, Array]] = {
    "convolution": ([placeholder("x", (2, 9, 7, 6)), conv("y", "x", "w")], numbers(2, 9, 7, 6), numbers(3, 3, 6, 10)),
    "pointwise": ([placeholder("x", (1, 9, 9, 33)), conv("y", "x", "w")], numbers(1, 9, 9, 33), numbers(1, 1, 33, 18)),
    "depthwise": (
        [placeholder("x", (1, 9, 9, 12)), conv("y", "x", "w", "DepthwiseConv2dNative")],
        numbers(1, 9, 9, 12),
        numbers(3, 3, 12, 1),
    ),
    "transposed": (
        [
            node("extents", "Const", dtype="DT_INT32"),
            placeholder("x", (1, 5, 6, 7)),
            node("y", "Conv2DBackpropInput", ["extents", "w", "x"], strides=[1, 1, 1, 1], padding="SAME"),
        ],
        numbers(1, 5, 6, 7),
        numbers(3, 3, 9, 7),
    ),
    "volumes": (
        [
            placeholder("x", (1, 5, 6, 7, 5)),
            node("y", "Conv3D", ["x", "w"], strides=[1, 1, 1, 1, 1], padding="SAME"),
        ],
        numbers(1, 5, 6, 7, 5),
        numbers(2, 3, 3, 5, 6),
    ),
    "many rows": ([placeholder("x", (50, 70)), node("y", "MatMul", ["x", "w"])], numbers(50, 70), numbers(70, 30)),
    "few rows": ([placeholder("x", (2, 270)), node("y", "MatMul", ["x", "w"])], numbers(2, 270), numbers(270, 99)),
    "as it lies": ([placeholder("x", (2, 272)), node("y", "MatMul", ["x", "w"])], numbers(2, 272), numbers(272, 96)),
}


def artifacts_of(case: str, weight: Array) -> ModelArtifacts:
    nodes = CASES[case][0]
    weights: dict[str, Array] = {"w": weight}
    if case == "transposed":
        nodes, weights = nodes[1:], {**weights, "extents": np.array([1, 5, 6, 9], np.int32)}
    return graph_model(nodes, weights)


@contextmanager
def keeping(engine: Engine, how: Any, *, software: bool = True) -> Iterator[None]:
    """The engine as it is with that flag, on a driver of that kind."""
    flag, info = engine.flags.weights_on_gpu, engine.device.info
    engine.flags.weights_on_gpu, engine.device.info = how, replace(info, software=software)
    try:
        yield
    finally:
        engine.flags.weights_on_gpu, engine.device.info = flag, info


def run(engine: Engine, artifacts: ModelArtifacts, x: Array) -> tuple[list[Array], GraphModel]:
    """The outputs of two inferences, of which the second replays a recording, and the model."""
    model = GraphModel(artifacts, engine=engine)
    outputs = []
    for _ in range(2):
        result = model.execute({"x": x}, "y")
        assert not isinstance(result, list)
        outputs.append(result.numpy())
        result.dispose()
    return outputs, model


def expected(artifacts: ModelArtifacts, x: Array) -> Array:
    return evaluate(graph_of(artifacts), {"x": x.astype(np.float64)}, ["y"])["y"]


@pytest.mark.parametrize("case", CASES)
def test_float16_computes_with_the_rounded_weight(gpu: Engine, case: str) -> None:
    _, x, weight = CASES[case]
    rounded = weight.astype(np.float16).astype(np.float32)
    with keeping(gpu, "float16"):
        outputs, model = run(gpu, artifacts_of(case, weight), x)
    wanted = expected(artifacts_of(case, rounded), x)
    scale = np.abs(wanted).max()
    for output in outputs:
        np.testing.assert_allclose(output, wanted, rtol=0, atol=TOLERANCE * scale)
    # Rounding shows, so what was computed is not the float32 weight's result.
    assert np.abs(expected(artifacts_of(case, weight), x) - wanted).max() > 2 * TOLERANCE * scale
    half = model.stats.footprint.weights
    model.dispose()
    with keeping(gpu, "float32"):
        _, model = run(gpu, artifacts_of(case, weight), x)
    # A bias of zeros and extents that stay on the device are all that is not halved.
    assert half <= model.stats.footprint.weights / 2 + 32
    model.dispose()


def as_stored(case: str, *, low: float = -1.5) -> tuple[ModelArtifacts, Array, float]:
    """The model of a case with a weight that a file stores as uint8, the weight's values in float64, its range."""
    shape = CASES[case][2].shape
    # As files have it: the minimum is rounded, and a code stands for zero as nearly as that allows.
    scale = 0.0117
    zero = round(-low / scale)
    how = Quantization("uint8", scale, -zero * scale)
    codes = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    artifacts = artifacts_of(case, dequantize(codes, how))
    artifacts.weight_specs.append(WeightSpec("w", shape, "float32", how))
    return artifacts, codes * np.float64(how.scale) + how.minimum, 255 * scale


@pytest.mark.parametrize("case", CASES)
def test_uint8_computes_with_what_the_file_stores(gpu: Engine, case: str) -> None:
    artifacts, _, _ = as_stored(case)
    x = CASES[case][1]
    wanted = expected(artifacts, x)
    with keeping(gpu, "uint8"):
        outputs, model = run(gpu, artifacts, x)
    for output in outputs:
        np.testing.assert_allclose(output, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    narrow = model.stats.footprint.weights
    model.dispose()
    with keeping(gpu, "float32"):
        _, model = run(gpu, artifacts, x)
    # A bias of zeros and extents that stay on the device take as much as before.
    assert narrow <= model.stats.footprint.weights / 4 + 48
    model.dispose()


@pytest.mark.parametrize("low", [-1.5, 0.0, -255 * 0.0117])
def test_bytes_are_widened_within_rounding(gpu: Engine, low: float) -> None:
    artifacts, weight, extent = as_stored("as it lies", low=low)
    for row in (0, 100, 270):
        x = np.eye(272, dtype=np.float32)[row : row + 2]
        with keeping(gpu, "uint8"):
            outputs, model = run(gpu, artifacts, x)
        wanted = weight[row : row + 2]
        assert np.all(np.abs(outputs[1] - wanted) <= np.abs(wanted) * 2.0**-22 + extent * 1e-7)
        np.testing.assert_array_equal(outputs[1] == 0, np.abs(wanted) < extent * 1e-9)
        assert model.stats.footprint.weights < weight.size * 1.2
        model.dispose()


def test_uint8_leaves_other_weights_alone(gpu: Engine) -> None:
    _, x, weight = CASES["as it lies"]
    plain = artifacts_of("as it lies", weight)
    far, _, _ = as_stored("as it lies")
    far.weight_specs[:] = [WeightSpec("w", weight.shape, "float32", Quantization("uint8", 0.01, 5.0))]
    changed, _, _ = as_stored("as it lies")
    changed.weights["w"] = weight  # not what the specification says
    for artifacts in (plain, far, changed):
        results = {}
        for how in ("float32", "uint8"):
            with keeping(gpu, how):
                (results[how], *_), model = run(gpu, artifacts, x)
            assert model.stats.footprint.weights >= weight.nbytes
            model.dispose()
        np.testing.assert_array_equal(results["uint8"], results["float32"])


@pytest.mark.parametrize("stored, how", [("uint8", "uint8"), ("float16", "auto"), ("uint16", "uint8")])
def test_a_model_from_files(gpu: Engine, tmp_path: Path, stored: QuantizedDType, how: str) -> None:
    weight, x = numbers(1, 1, 48, 60), numbers(2, 9, 9, 48)
    nodes = [placeholder("x", (2, 9, 9, 48)), conv("y", "x", "w")]
    save_artifacts(graph_model(nodes, {"w": weight}), tmp_path, quantization={"w": stored})
    artifacts = read_artifacts(tmp_path)
    wanted = expected(artifacts, x)
    with keeping(gpu, how, software=False):
        outputs, model = run(gpu, artifacts, x)
    np.testing.assert_allclose(outputs[1], wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    # Of uint16 there is no narrow form: the flag says how bytes are kept.
    element = {"uint8": 1, "float16": 2, "uint16": 4}[stored]
    assert element * weight.size <= model.stats.footprint.weights <= 1.5 * element * weight.size
    model.dispose()


def test_a_layers_model_keeps_bytes_too(gpu: Engine) -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 272], "dtype": "float32"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 96, "use_bias": False}},
    ]
    topology = {"model_config": {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}}
    stored, weight, _ = as_stored("as it lies")
    spec = replace(stored.weight_specs[0], name="d/kernel")
    artifacts = ModelArtifacts("layers-model", topology, [spec], {"d/kernel": stored.weights["w"]})
    x = CASES["as it lies"][1]
    wanted = x.astype(np.float64) @ weight
    with keeping(gpu, "uint8"):
        model = LayersModel(artifacts, engine=gpu)
        result = model.predict(x)
        assert isinstance(result, Tensor)
        np.testing.assert_allclose(result.numpy(), wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    assert model.stats.footprint.weights < weight.size * 1.2
    result.dispose()
    model.dispose()


@pytest.mark.parametrize("case", CASES)
def test_auto_takes_halves_on_a_gpu_where_results_stay_the_same(gpu: Engine, case: str) -> None:
    _, x, weight = CASES[case]
    stored = artifacts_of(case, weight.astype(np.float16).astype(np.float32))
    with keeping(gpu, "float32"):
        (wide, *_), model = run(gpu, stored, x)
    full = model.stats.footprint.weights
    model.dispose()
    for software, most in ((True, full), (False, full / 2 + 32)):
        with keeping(gpu, "auto", software=software):
            outputs, model = run(gpu, stored, x)
        for output in outputs:
            np.testing.assert_array_equal(output, wide)
        assert full / 2 <= model.stats.footprint.weights <= most
        assert software == (model.stats.footprint.weights == full)
        model.dispose()


def test_auto_keeps_what_halves_cannot_hold(gpu: Engine) -> None:
    _, x, weight = CASES["as it lies"]
    stored = weight.astype(np.float16).astype(np.float32)
    stored[-1, -1] = np.float32(1 + 2.0**-11)  # between two halves
    with keeping(gpu, "auto", software=False):
        _, model = run(gpu, artifacts_of("as it lies", stored), x)
    assert model.stats.footprint.weights >= stored.nbytes
    model.dispose()


def test_values_beyond_halves_stay_float32(gpu: Engine) -> None:
    x = np.eye(2, 272, dtype=np.float32)
    weight = numbers(272, 96)
    for value, kept in ((65519.0, False), (-65520.0, True), (1e30, True)):
        weight[0, 0] = value
        with keeping(gpu, "float16"):
            outputs, model = run(gpu, artifacts_of("as it lies", weight), x)
        wanted = weight[:2] if kept else weight[:2].astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(outputs[0], wanted)
        assert kept == (model.stats.footprint.weights >= weight.nbytes)
        model.dispose()


def test_subnormal_halves_and_the_smallest_that_vanish(gpu: Engine) -> None:
    x = np.eye(2, 272, dtype=np.float32)
    weight = numbers(272, 96) * np.float32(2.0**-18)
    weight[0, :4] = (2.0**-24, 2.0**-25, -(2.0**-15), 2.0**-30)
    with keeping(gpu, "float16"):
        outputs, model = run(gpu, artifacts_of("as it lies", weight), x)
    np.testing.assert_array_equal(outputs[0][0, :4], np.float32([2.0**-24, 0, -(2.0**-15), 0]))
    np.testing.assert_allclose(outputs[0], weight[:2], rtol=0, atol=2.0**-25)
    model.dispose()


def test_a_weight_read_otherwise_too_is_not_rounded_there(gpu: Engine) -> None:
    weight, x = numbers(272, 96), numbers(2, 272)
    nodes = [placeholder("x", (2, 272)), node("m", "MatMul", ["x", "w"]), node("y", "AddV2", ["w", "zero"])]
    artifacts = graph_model(nodes, {"w": weight, "zero": np.zeros((1, 96), np.float32)})
    with keeping(gpu, "float16"):
        model = GraphModel(artifacts, engine=gpu)
        found = model.execute({"x": x}, ["m", "y"])
        assert isinstance(found, list)
        product, copied = (tensor.numpy() for tensor in found)
    np.testing.assert_array_equal(copied, weight)
    wanted = x.astype(np.float64) @ weight.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(product, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    for tensor in found:
        tensor.dispose()
    model.dispose()


def test_programs_are_as_many_as_with_float32(gpu: Engine) -> None:
    x, kernels = numbers(1, 9, 9, 8), {f"k{n}": numbers(3, 3, 8, 8, seed=n) / 8 for n in range(3)}
    nodes = [placeholder("x", (1, 9, 9, 8)), conv("a", "x", "k0"), conv("b", "a", "k1"), conv("y", "b", "k2")]
    built = {}
    for how in ("float32", "float16"):
        with keeping(gpu, how):
            _, model = run(gpu, graph_model(nodes, kernels), x)
        built[how] = len(model.stats.programs)
        model.dispose()
    # Samplers read halves with the program that reads floats; an image's format stands in its program.
    assert built["float16"] <= (gpu.device.flavour == "image")


def test_the_flag_takes_what_it_knows() -> None:
    flags = Flags()
    flags.set("weights_on_gpu", "float16")
    assert flags.weights_on_gpu == "float16"
    with pytest.raises(InvalidArgumentError, match="one of auto, float32, float16, uint8, got 'bfloat16'"):
        flags.set("weights_on_gpu", "bfloat16")


def test_the_command_line_says_how(tmp_path: Path) -> None:
    _, x, weight = CASES["as it lies"]
    save_artifacts(artifacts_of("as it lies", weight), tmp_path)
    np.savez(tmp_path / "in.npz", x=x)
    for how, kept in (("float32", weight), ("float16", weight.astype(np.float16))):
        options = ["--inputs", str(tmp_path / "in.npz"), "--output", str(tmp_path / "out.npz"), "--quiet"]
        result = CliRunner().invoke(main, ["run", str(tmp_path), "--weights-on-gpu", how, *options])
        assert result.exit_code == 0, result.output
        wanted = x.astype(np.float64) @ kept.astype(np.float64)
        with np.load(tmp_path / "out.npz") as found:
            np.testing.assert_allclose(found["y"], wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    result = CliRunner().invoke(main, ["run", str(tmp_path), "--weights-on-gpu", "int4"])
    assert result.exit_code == 2 and "'int4' is not one of 'auto', 'float32', 'float16', 'uint8'" in result.output
