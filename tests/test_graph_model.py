"""Graph models: naming, shapes, capture and replay, rewrites, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import f32, graph_model, i32, node, placeholder
from tfgl.engine import Engine
from tfgl.errors import DisposedError, InvalidArgumentError, ModelFormatError, UnsupportedOpError
from tfgl.graph.model import GraphModel


def affine(signature: dict[str, Any] | None = None) -> GraphModel:
    """y = relu(x * 2 + 1), z = x - 1."""
    nodes = [
        placeholder("x", (-1, 3)),
        node("scaled", "Mul", ["x", "two"]),
        node("shifted", "AddV2", ["scaled", "one"]),
        node("y", "Relu", ["shifted"]),
        node("z", "Sub", ["x", "one"]),
    ]
    return tfgl.load_graph_model(graph_model(nodes, {"two": f32(2.0), "one": f32(1.0)}, signature=signature))


def named_signature() -> dict[str, Any]:
    shape = {"dim": [{"size": "-1"}, {"size": "3"}]}
    return {
        "inputs": {"image": {"name": "x:0", "dtype": "DT_FLOAT", "tensorShape": shape}},
        "outputs": {"score": {"name": "y:0", "dtype": "DT_FLOAT"}, "rest": {"name": "z:0", "dtype": "DT_FLOAT"}},
    }


X = f32([[-1.0, 0.5, 2.0]])


@pytest.mark.parametrize("name", ["image", "x", "x:0"])
def test_inputs_go_by_key_node_or_tensor_name(gpu: Engine, name: str) -> None:
    with affine(named_signature()) as model:
        y, z = model.predict({name: X})
        np.testing.assert_array_equal(y.numpy(), [[0.0, 2.0, 5.0]])
        np.testing.assert_array_equal(z.numpy(), X - 1)


@pytest.mark.parametrize("inputs", [X, [X], X.tolist(), [X.tolist()][0]])
def test_inputs_come_as_array_or_list(gpu: Engine, inputs: Any) -> None:
    with affine(named_signature()) as model:
        assert model.execute(inputs, "score").numpy().tolist() == [[0.0, 2.0, 5.0]]


def test_any_node_can_be_fetched_and_fed(gpu: Engine) -> None:
    with affine() as model:
        shifted, x = model.execute(X, ["shifted", "x:0"])
        np.testing.assert_array_equal(shifted.numpy(), X * 2 + 1)
        np.testing.assert_array_equal(x.numpy(), X)
        fed = model.execute({"shifted": X}, "y")
        np.testing.assert_array_equal(fed.numpy(), np.maximum(X, 0))


def test_second_run_replays_without_new_textures_or_programs(gpu: Engine) -> None:
    with affine() as model:
        for tensor in model.predict(X):
            tensor.dispose()
        for tensor in model.predict(X):
            tensor.dispose()
        created, programs = gpu.pool.created, len(gpu.programs.programs)
        for k in range(20):
            y, z = model.predict(X + k)
            np.testing.assert_array_equal(y.numpy(), np.maximum((X + k) * 2 + 1, 0))
            y.dispose(), z.dispose()
        assert gpu.pool.created == created
        assert len(gpu.programs.programs) == programs
        assert model.stats.replays == 21


def test_a_later_run_leaves_earlier_outputs_alone(gpu: Engine) -> None:
    with affine() as model:
        outputs = [model.execute(X + k, "z") for k in range(6)]
        for k, z in enumerate(outputs):
            np.testing.assert_array_equal(z.numpy(), X + k - 1)


def test_shapes_are_inferred_anew(gpu: Engine) -> None:
    with affine() as model:
        for rows in (1, 4, 2, 4):
            batch = np.repeat(X, rows, 0)
            np.testing.assert_array_equal(model.execute(batch, "z").numpy(), batch - 1)
        assert model.stats.recordings == 3


def test_recordings_are_bounded(gpu: Engine) -> None:
    gpu.flags.max_recordings = 2
    try:
        with affine() as model:
            for rows in (1, 2, 3, 1, 2, 3):
                batch = np.repeat(X, rows, 0)
                np.testing.assert_array_equal(model.execute(batch, "z").numpy(), batch - 1)
            assert model.stats.recordings <= 2
    finally:
        gpu.flags.max_recordings = 16


def test_shape_arithmetic_stays_on_the_host(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (-1, -1, 2)),
        node("shape", "Shape", ["x"]),
        node("batch", "StridedSlice", ["shape", "zero", "one", "one"], shrink_axis_mask=1),
        node("target", "Pack", ["batch", "minus"], axis=0),
        node("y", "Reshape", ["x", "target"]),
    ]
    weights = {"zero": i32([0]), "one": i32([1]), "minus": i32(-1)}
    with tfgl.load_graph_model(graph_model(nodes, weights)) as model:
        x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
        np.testing.assert_array_equal(model.predict(x).numpy(), x.reshape(2, 6))
        np.testing.assert_array_equal(model.predict(x[:1]).numpy(), x[:1].reshape(1, 6))
        assert model.stats.replays == 0
        model.predict(x + 1)
        assert model.stats.replays == 1


def test_an_input_that_steers_shapes_guards_the_recording(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), placeholder("size", (2,), "DT_INT32"), node("y", "Reshape", ["x", "size"])]
    with tfgl.load_graph_model(graph_model(nodes)) as model:
        x = np.arange(6, dtype=np.float32)
        for size in ([2, 3], [3, 2], [2, 3], [6, 1]):
            found = model.predict({"x": x, "size": i32(size)})
            np.testing.assert_array_equal(found.numpy(), x.reshape(size))


def test_an_input_or_a_constant_may_be_an_output(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("same", "Identity", ["x"]), node("known", "Identity", ["c"])]
    with tfgl.load_graph_model(graph_model(nodes, {"c": f32([7.0])})) as model:
        for k in range(3):
            same, known = model.execute(f32([k]), ["same", "known"])
            assert same.numpy().tolist() == [k] and known.numpy().tolist() == [7.0]


def test_constants_are_folded_and_fusions_counted(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (-1, 4, 4, 2)),
        node("double", "Mul", ["kernel", "two"]),
        node("pad", "Pad", ["x", "frame"]),
        node("conv", "Conv2D", ["pad", "double"], strides=[1, 1, 1, 1], padding="VALID"),
        node(
            "norm", "FusedBatchNormV3", ["conv", "gamma", "beta", "mean", "variance"],
            epsilon=0.001, is_training=False, data_format="NHWC",
        ),
        node("y", "Relu6", ["norm"]),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(3, 3, 2, 5)).astype(np.float32),
        "two": f32(2.0),
        "frame": i32([[0, 0], [1, 1], [1, 1], [0, 0]]),
        "gamma": rng.normal(size=5).astype(np.float32),
        "beta": rng.normal(size=5).astype(np.float32),
        "mean": rng.normal(size=5).astype(np.float32),
        "variance": rng.uniform(0.5, 2, size=5).astype(np.float32),
    }
    x = rng.normal(size=(2, 4, 4, 2)).astype(np.float32)
    artifacts = graph_model(nodes, weights)
    with tfgl.load_graph_model(artifacts) as model:
        expected = {"constants": 1, "batch_norms": 1, "padding": 1, "activations": 2, "arguments": 0}
        assert {name: model.stats.fusions[name] for name in expected} == expected
        fused = model.predict(x).numpy()
        plain = model.execute(x, ["y", "conv"])[0].numpy()
    np.testing.assert_allclose(fused, plain, rtol=1e-5, atol=1e-5)
    expected = _batch_normed(x, weights)
    np.testing.assert_allclose(fused, expected, rtol=1e-5, atol=1e-5)


def _batch_normed(x: Any, weights: dict[str, Any]) -> Any:
    padded = np.pad(x.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    convolved = np.einsum("nhwcij,ijco->nhwo", windows, weights["kernel"].astype(np.float64) * 2)
    normed = (convolved - weights["mean"]) / np.sqrt(weights["variance"] + 0.001) * weights["gamma"] + weights["beta"]
    return np.clip(normed, 0, 6)


def test_fusion_off_gives_the_same(gpu: Engine) -> None:
    gpu.flags.fusion = False
    try:
        with affine() as model:
            assert model.execute(X, "y").numpy().tolist() == [[0.0, 2.0, 5.0]]
            assert model.stats.fusions == {}
    finally:
        gpu.flags.fusion = True


def test_intermediate_tensors(gpu: Engine) -> None:
    with affine() as model:
        with model.keep_intermediate_tensors():
            model.predict(X)
        kept = model.get_intermediate_tensors()
        np.testing.assert_array_equal(kept["scaled"][0].numpy(), X * 2)
        model.dispose_intermediate_tensors()
        assert model.get_intermediate_tensors() == {}


def test_members_of_the_original(gpu: Engine) -> None:
    with affine(named_signature()) as model:
        assert [(i.name, i.shape, i.dtype) for i in model.inputs] == [("x:0", (-1, 3), "float32")]
        assert [o.name for o in model.outputs] == ["y:0", "z:0"]
        assert (model.input_nodes, model.output_nodes) == (["x"], ["y", "z"])
        assert (model.input_keys, model.output_keys) == (["image"], ["score", "rest"])
        assert model.model_version == "1987.12"
        assert model.weights["two"][0].numpy() == 2
        assert set(model.predict_dict(X)) == {"score", "rest"}


def test_structured_outputs_come_as_dict(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("a", "Neg", ["x"]), node("b", "Abs", ["x"])]
    signature = {"inputs": {"x": {"name": "x:0"}}, "outputs": {"b": {"name": "b:0"}, "a": {"name": "a:0"}}}
    artifacts = graph_model(nodes, signature=signature, metadata={"structuredOutputKeys": ["a", "b"]})
    with tfgl.load_graph_model(artifacts) as model:
        found = model.predict(f32([-2.0]))
        assert isinstance(found, dict)
        assert {key: value.numpy().item() for key, value in found.items()} == {"a": 2.0, "b": 2.0}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"nope": X}, "no input 'nope'"),
        ({}, "missing input 'x'"),
        ([X, X], "1 inputs"),
        ({"x": X.astype(np.int32)}, "takes float32"),
        ({"x": X[0]}, r"takes shape \[\?, 3\]"),
        ({"x": f32([[1.0]])}, r"takes shape \[\?, 3\]"),
        ({"x": np.array([["a"]])}, "takes float32"),
        ({"x": [[1.0], [2.0, 3.0]]}, "regular array"),
    ],
)
def test_wrong_inputs_are_named(gpu: Engine, inputs: Any, message: str) -> None:
    with affine() as model, pytest.raises(InvalidArgumentError, match=message):
        model.predict(inputs)


def test_unknown_outputs_are_named(gpu: Engine) -> None:
    with affine() as model:
        with pytest.raises(InvalidArgumentError, match="no output 'nope'"):
            model.execute(X, "nope")
        with pytest.raises(InvalidArgumentError, match="output 3"):
            model.execute(X, "y:3")


def test_unsupported_ops_fail_at_load_with_their_node(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("odd", "NoSuchOp", ["x"])]
    with pytest.raises(UnsupportedOpError, match=r"NoSuchOp.*'odd'"):
        tfgl.load_graph_model(graph_model(nodes))


def test_cycles_fail_at_load(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("a", "Add", ["x", "b"]), node("b", "Neg", ["a"])]
    with pytest.raises(ModelFormatError, match="cycle"):
        tfgl.load_graph_model(graph_model(nodes))


def test_kernel_errors_name_the_node(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), placeholder("w", (-1,)), node("total", "AddV2", ["x", "w"])]
    with tfgl.load_graph_model(graph_model(nodes)) as model, pytest.raises(InvalidArgumentError, match="'total'"):
        model.predict([f32([1, 2]), f32([1, 2, 3])])


def test_a_failed_run_leaves_the_model_usable(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), placeholder("w", (-1,)), node("total", "AddV2", ["x", "w"])]
    with tfgl.load_graph_model(graph_model(nodes)) as model:
        with pytest.raises(InvalidArgumentError):
            model.predict([f32([1, 2]), f32([1, 2, 3])])
        assert model.predict([f32([1, 2]), f32([3, 4])]).numpy().tolist() == [4, 6]


def test_dispose_frees_the_weights_but_not_the_outputs(gpu: Engine) -> None:
    model = affine()
    _, z = model.predict(X)
    model.dispose()
    np.testing.assert_array_equal(z.numpy(), X - 1)
    with pytest.raises(DisposedError):
        model.predict(X)


def test_save_and_load_again(gpu: Engine, tmp_path: Path) -> None:
    with affine(named_signature()) as model:
        model.save(tmp_path / "saved")
    with tfgl.load_graph_model(tmp_path / "saved") as model:
        assert model.execute({"image": X}, "score").numpy().tolist() == [[0.0, 2.0, 5.0]]


def test_nothing_grows_over_many_inferences(gpu: Engine) -> None:
    descriptors = Path("/proc/self/fd")
    with affine() as model:
        model.predict(X), model.predict(X)
        before = (
            gpu.pool.total_bytes,
            gpu.live_tensors,
            len(list(descriptors.iterdir())) if descriptors.exists() else 0,
        )
        for _ in range(1000):
            for tensor in model.predict(X):
                tensor.dispose()
        after = (
            gpu.pool.total_bytes,
            gpu.live_tensors,
            len(list(descriptors.iterdir())) if descriptors.exists() else 0,
        )
    assert after == before


def test_warmup_compiles_before_the_first_input(gpu: Engine) -> None:
    with affine() as model:
        model.warmup()
        programs = len(gpu.programs.programs)
        model.predict(X)
        assert len(gpu.programs.programs) == programs


@pytest.mark.parametrize(
    ("equation", "shapes"), [("ii->i", [(4, 4)]), ("ii->", [(4, 4)]), ("iij,jk->ik", [(3, 3, 2), (2, 4)])]
)
def test_einsum_takes_diagonals(gpu: Engine, equation: str, shapes: list[tuple[int, ...]]) -> None:
    names = [f"x{k}" for k in range(len(shapes))]
    nodes = [placeholder(name, shape) for name, shape in zip(names, shapes, strict=True)]
    nodes.append(node("y", "Einsum", names, equation=equation, N=len(names)))
    arrays = [np.random.default_rng(k).normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)]
    with tfgl.load_graph_model(graph_model(nodes)) as model:
        np.testing.assert_allclose(model.predict(arrays).numpy(), np.einsum(equation, *arrays), rtol=1e-5, atol=1e-6)


def test_the_sign_of_what_is_not_a_number(gpu: Engine) -> None:
    x = np.resize(f32(np.nan, -np.inf, -2, 0, 3, np.inf), 300).astype(np.float32)
    with tfgl.load_graph_model(graph_model([placeholder("x", (-1,)), node("y", "Sign", ["x"])])) as model:
        for _ in range(2):
            np.testing.assert_array_equal(model.predict({"x": x}).numpy(), np.sign(x))
