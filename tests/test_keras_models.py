"""Models: nesting, sharing, several inputs and outputs, both forms of configuration, where weights are looked for."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from typing import Any

import numpy as np
import pytest

from keras_files import ZOO, read_h5
from keras_layers import Array, close, entry, functional, input_entry, normal
from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError, UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.keras import LayerNode, graph_of_keras, supported_layers


def sequential(name: str, *layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def dense(name: str, units: int, inbound: Any = None, **config: Any) -> dict[str, Any]:
    return entry("Dense", name, inbound, units=units, **config)


def ref(*names: str) -> list[Any]:
    return [[[name, 0, 0, {}] for name in names]]


def test_names_of_inputs_and_outputs() -> None:
    layers = [
        input_entry("a", [3]),
        input_entry("b", [3], "int32"),
        dense("z", 2, ref("a")),
        entry("Activation", "k", ref("b"), activation="linear"),
    ]
    model = functional(layers, ["a", "b"], ["z", "k", "z"])
    graph = graph_of_keras(model, {"z": [normal(3, 2), normal(2)]})
    assert [(key, info.name, info.dtype) for key, info in graph.inputs.items()] == [
        ("a", "a:0", "float32"),
        ("b", "b:0", "int32"),
    ]
    # Keys in the order of the model; nodes in the order of the keys, as TensorFlow's.
    assert [(key, info.name) for key, info in graph.outputs.items()] == [
        ("z", "Identity_1:0"),
        ("k", "Identity:0"),
        ("z_1", "Identity_2:0"),
    ]
    named = graph_of_keras(model, {"z": [normal(3, 2), normal(2)]}, output_names=["p", "q", "r"])
    assert list(named.outputs) == ["p", "q", "r"]
    with pytest.raises(InvalidArgumentError, match="the model has 3 outputs"):
        graph_of_keras(model, {"z": [normal(3, 2), normal(2)]}, output_names=["p"])
    assert "model/z/kernel" in graph.nodes and "model/z/MatMul" in graph.nodes


def test_an_input_that_nothing_reads_stays() -> None:
    model = functional([input_entry("a", [3]), input_entry("b", [2]), dense("z", 2, ref("a"))], ["a", "b"], ["z"])
    graph = graph_of_keras(model, {"z": [normal(3, 2), normal(2)]})
    assert set(graph.inputs) == {"a", "b"} and "b" in graph.nodes


def test_shared_layers_have_their_weights_once() -> None:
    layers = [
        input_entry("a", [3]),
        input_entry("b", [3]),
        dense("d", 2, [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]),
        entry("Subtract", "s", [[["d", 1, 0, {}], ["d", 0, 0, {}]]]),
    ]
    kernel, bias, a, b = normal(3, 2), normal(2), normal(4, 3), normal(4, 3)
    graph = graph_of_keras(functional(layers, ["a", "b"], ["s"]), {"d": [kernel, bias]})
    assert sum(node.op == "Const" for node in graph.nodes.values()) == 2
    close(evaluate(graph, {"a": a, "b": b}, ["s"])["s"], (b - a) @ kernel)


@pytest.mark.parametrize("offset", [0, 1], ids=["keras 3", "keras 2"])
def test_nested_models_are_called_from_their_first_or_second_node(offset: int) -> None:
    inner = functional([input_entry("i", [3]), dense("d", 3, ref("i"))], ["i"], ["d"])
    inner["config"]["name"] = "inner"
    calls = [[["x", 0, 0, {}]], [["inner", offset, 0, {}]]]
    layers = [input_entry("x", [3]), {**inner, "name": "inner", "inbound_nodes": calls}]
    model = functional(layers, ["x"], [("inner", offset + 1, 0)])
    kernel, bias, x = normal(3, 3), normal(3), normal(2, 3)
    expected = (x @ kernel + bias) @ kernel + bias
    for weights in (
        {"inner": [kernel, bias]},
        {"inner/d": [kernel, bias]},
        {("inner", "d"): {"kernel": kernel, "bias": lambda: bias}},
        {"inner": [("d/kernel:0", kernel), ("d/bias:0", bias)]},
    ):
        close(evaluate(graph_of_keras(model, weights), {"x": x}, ["inner"])["inner"], expected, 1e-5)


def test_lists_of_weights_have_the_trainable_ones_first() -> None:
    def block(**frozen: Any) -> LayerNode:
        layers = [dense("d", 2), entry("BatchNormalization", "b", axis=-1, **frozen), dense("e", 2, **frozen)]
        return LayerNode(sequential("s", *layers))

    def names(node: LayerNode) -> list[str]:
        return [f"{owner.name}/{weight.name}" for owner, weight in node.keras_order()]

    first = ["d/kernel", "d/bias"]
    assert names(block()) == [
        *first, "b/gamma", "b/beta", "e/kernel", "e/bias", "b/moving_mean", "b/moving_variance"
    ]  # fmt: skip
    assert names(block(trainable=False)) == [
        *first, "b/gamma", "b/beta", "b/moving_mean", "b/moving_variance", "e/kernel", "e/bias"
    ]  # fmt: skip


def test_sequential_without_input_layer() -> None:
    kernel, bias, x = normal(3, 2), normal(2), normal(2, 3)
    model = sequential("s", dense("d", 2, batch_input_shape=[None, 3]), entry("ReLU", "r"))
    graph = graph_of_keras(model, {"d": [kernel, bias]})
    assert list(graph.inputs) == ["d_input"]
    close(evaluate(graph, {"d_input": x}, ["r"])["r"], np.maximum(x @ kernel + bias, 0))
    built = sequential("s", dense("d", 2))
    built["config"]["build_input_shape"] = [None, 3]
    assert graph_of_keras(built, {"d": [kernel, bias]}).inputs["d_input"].shape == (-1, 3)
    with pytest.raises(ModelFormatError, match="does not state the shape of its input 'd_input'"):
        graph_of_keras(sequential("s", dense("d", 2)), {"d": [kernel, bias]})
    given = graph_of_keras(sequential("s", dense("d", 2)), {"d": [kernel, bias]}, input_shapes={"d_input": (None, 3)})
    assert given.outputs["d"].shape == (-1, 2)


def tensor3(name: str) -> dict[str, Any]:
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def keras3(class_name: str, name: str, args: list[Any], module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    named = {k: v for k, v in config.items() if k != "kwargs"}
    nodes = [{"args": args, "kwargs": config.get("kwargs", {})}] if args else []
    return {
        "module": module, "class_name": class_name, "config": {"name": name, **named}, "registered_name": None,
        "name": name, "inbound_nodes": nodes,
    }  # fmt: skip


def test_the_form_of_keras_3() -> None:
    layers = [
        keras3("InputLayer", "x", [], batch_shape=[None, 3], dtype="float32"),
        keras3(
            "Dense", "d", [tensor3("x")], units=3, dtype={"class_name": "DTypePolicy", "config": {"name": "float32"}}
        ),
        keras3("Add", "sum", [[tensor3("x"), tensor3("d")]]),
    ]
    config = {"name": "f", "layers": layers, "input_layers": ["x", 0, 0], "output_layers": {"y": ["sum", 0, 0]}}
    model = {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}
    kernel, bias, x = normal(3, 3), normal(3), normal(2, 3)
    graph = graph_of_keras(model, {"d": [kernel, bias]})
    close(evaluate(graph, {"x": x}, ["y"])["y"], x + x @ kernel + bias)


def operations_model(*layers: dict[str, Any], outputs: list[str]) -> Any:
    config = {
        "name": "f", "layers": [keras3("InputLayer", "x", [], batch_shape=[None, 3, 4], dtype="float32"), *layers],
        "input_layers": [["x", 0, 0]], "output_layers": [[name, 0, 0] for name in outputs],
    }  # fmt: skip
    return graph_of_keras({"class_name": "Functional", "config": config}, {})


NUMPY, NN = "keras.src.ops.numpy", "keras.src.ops.nn"
FULL = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
LATER = {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": None}}
OPERATIONS_3: list[tuple[dict[str, Any], Any]] = [
    (keras3("Add", "o", [tensor3("x"), 2.0], NUMPY), lambda x: x + 2),
    (keras3("Subtract", "o", [1.0, tensor3("x")], NUMPY), lambda x: 1 - x),
    (keras3("Multiply", "o", [tensor3("x"), tensor3("x")], NUMPY), lambda x: x * x),
    (keras3("TrueDivide", "o", [tensor3("x"), 4], NUMPY), lambda x: x / 4),
    (keras3("Mean", "o", [tensor3("x")], NUMPY, axis=1, keepdims=False), lambda x: x.mean(1)),
    (keras3("Max", "o", [tensor3("x")], NUMPY, axis=[1, 2], keepdims=True), lambda x: x.max((1, 2), keepdims=True)),
    (keras3("Reshape", "o", [tensor3("x")], NUMPY, newshape=[-1, 4, 3]), lambda x: x.reshape(-1, 4, 3)),
    (keras3("Transpose", "o", [tensor3("x")], NUMPY, axes=[0, 2, 1]), lambda x: x.transpose(0, 2, 1)),
    (keras3("ExpandDims", "o", [tensor3("x")], NUMPY, axis=-1), lambda x: x[..., None]),
    (keras3("GetItem", "o", [tensor3("x"), [FULL, 0]], NUMPY), lambda x: x[:, 0]),
    (keras3("GetItem", "o", [tensor3("x"), [FULL, LATER, -1]], NUMPY), lambda x: x[:, 1:, -1]),
    (
        keras3("GetItem", "o", [tensor3("x"), [{"class_name": "__ellipsis__", "config": {}}, 2]], NUMPY),
        lambda x: x[..., 2],
    ),
    (keras3("Concatenate", "o", [[tensor3("x"), tensor3("x")]], NUMPY, axis=-1), lambda x: np.concatenate([x, x], -1)),
    (keras3("Relu", "o", [tensor3("x")], NN), lambda x: np.maximum(x, 0)),
    (keras3("Matmul", "o", [tensor3("x"), np.eye(4).tolist()], NUMPY), lambda x: x),
    (keras3("Clip", "o", [tensor3("x")], NUMPY, x_min=-1.0, x_max=0.5), lambda x: np.clip(x, -1, 0.5)),
]


@pytest.mark.parametrize(
    ("layer", "expected"), OPERATIONS_3, ids=lambda v: v.get("class_name", "") if isinstance(v, dict) else ""
)
def test_operations_of_keras_3(layer: dict[str, Any], expected: Any) -> None:
    x = normal(2, 3, 4)
    close(evaluate(operations_model(layer, outputs=["o"]), {"x": x}, ["o"])["o"], expected(x))


OPERATIONS_2: list[tuple[str, str, Any, Any]] = [
    ("TFOpLambda", "__operators__.add", [["x", 0, 0, {"y": 3.0, "name": None}]], lambda x: x + 3),
    ("TFOpLambda", "math.subtract", [["_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0]}]], lambda x: 1 - x),
    ("TFOpLambda", "math.multiply", [["x", 0, 0, {"y": ["x", 0, 0]}]], lambda x: x * x),
    ("TFOpLambda", "math.reduce_mean", [["x", 0, 0, {"axis": [1], "keepdims": False}]], lambda x: x.mean(1)),
    ("TFOpLambda", "nn.relu", [["x", 0, 0, {}]], lambda x: np.maximum(x, 0)),
    ("TFOpLambda", "transpose", [["x", 0, 0, {"perm": [0, 2, 1]}]], lambda x: x.transpose(0, 2, 1)),
    ("TFOpLambda", "reshape", [["x", 0, 0, {"shape": [-1, 12]}]], lambda x: x.reshape(-1, 12)),
    ("TFOpLambda", "cast", [["x", 0, 0, {"dtype": "int32"}]], lambda x: x.astype(np.int32)),
    (
        "SlicingOpLambda", "__operators__.getitem",
        [["x", 0, 0, {"slice_spec": [{"start": None, "stop": None, "step": None}, 1, {"start": 1, "stop": 3}]}]],
        lambda x: x[:, 1, 1:3],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("class_name", "function", "inbound", "expected"), OPERATIONS_2, ids=lambda v: v if isinstance(v, str) else ""
)
def test_functions_of_keras_2(class_name: str, function: str, inbound: Any, expected: Any) -> None:
    x = normal(2, 3, 4)
    layers = [input_entry("x", [3, 4]), entry(class_name, "o", inbound, function=function)]
    graph = graph_of_keras(functional(layers, ["x"], ["o"]), {})
    close(evaluate(graph, {"x": x}, ["o"])["o"], expected(x))


def test_unknown_functions_are_refused_by_name() -> None:
    layers = [input_entry("x", [3]), entry("TFOpLambda", "o", ref("x"), function="linalg.svd")]
    with pytest.raises(UnsupportedOpError, match=r"layer 'model/o' \(TFOpLambda\): the function 'linalg.svd'"):
        graph_of_keras(functional(layers, ["x"], ["o"]), {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["layers"][1].update(inbound_nodes=ref("nowhere")), "reads layer 'nowhere', which does not exist"),
        (lambda c: c["layers"][1].update(inbound_nodes=ref("d")), "read each other in a circle"),
        (lambda c: c.update(output_layers=[["gone", 0, 0]]), "no layer 'gone'"),
        (lambda c: c.update(output_layers=[["d", 0, 3]]), "layer 'd' has no output 3"),
        (lambda c: c.update(input_layers=[["gone", 0, 0]]), "no layer 'gone'"),
        (lambda c: c["layers"].append(c["layers"][1]), "two layers called 'd'"),
        (lambda c: c["layers"][0]["config"].pop("batch_input_shape"), "does not state the shape of its input 'x'"),
    ],
)
def test_broken_models_say_what_is_wrong(change: Any, message: str) -> None:
    model = functional([input_entry("x", [3]), dense("d", 2, ref("x"))], ["x"], ["d"])
    change(model["config"])
    with pytest.raises(ModelFormatError, match=message):
        graph_of_keras(model, {"d": [normal(3, 2), normal(2)]})


def test_layer_table_has_what_tensorflow_js_has() -> None:
    reference = ZOO.parent / "reference" / "layers.json"
    if not reference.is_file():
        pytest.skip("no table of the original's layers beside the checkout")
    listed = {one["className"] for one in json.loads(reference.read_text())["layers"]}
    assert listed <= supported_layers()


def mutate(value: Any, chance: random.Random) -> Any:
    """One value somewhere inside exchanged."""
    odd = [None, -1, 0, 10**9, "x", [], {}, [1, 2], True, 1e308, "same", [[["x", 0, 0]]], {"class_name": "Dense"}]
    copied = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []
    waiting = [copied]
    while waiting:
        item = waiting.pop()
        for key in item if isinstance(item, dict) else range(len(item)):
            places.append((item, key))
            if isinstance(item[key], (dict, list)):
                waiting.append(item[key])
    item, key = chance.choice(places)
    if isinstance(item, dict) and chance.random() < 0.3:
        del item[key]
    else:
        item[key] = chance.choice(odd)
    return copied


@pytest.mark.parametrize(
    "name", ["h5_cnn_bn", "h5_nested", "h5_bilstm_masked", "h5_mha_relu", "h5_dot_attention", "k3_mha"]
)
def test_damaged_configurations_end_in_errors_of_ours(name: str) -> None:
    path = ZOO / name / "model.h5"
    if not path.is_file():
        pytest.skip(f"no zoo of models beside the checkout ({ZOO})")
    config, weights, version = read_h5(path)
    chance = random.Random(name)
    for _ in range(40):
        damaged: Any = mutate(config, chance)
        given: dict[str, list[Array]] = dict(weights)
        with contextlib.suppress(TfglError):
            graph_of_keras(damaged, given, keras_version=version)


class Waiting:
    """An array that is read when somebody needs its values."""

    shape, dtype, reads = (3, 2), np.dtype(np.float32), 0

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        Waiting.reads += 1
        return np.ones(self.shape, dtype or self.dtype)


def test_weights_that_need_no_change_stay_in_their_file() -> None:
    model = functional([input_entry("x", [3]), dense("d", 2, ref("x"))], ["x"], ["d"])
    kernel = Waiting()
    graph = graph_of_keras(model, {"d": {"kernel": kernel, "bias": np.zeros(2, np.float32)}})
    assert graph.constants["model/d/kernel"] is kernel and not Waiting.reads


def test_models_inside_wrappers_and_sequences() -> None:
    kernel, bias, x = normal(3, 2), normal(2), normal(2, 4, 3)
    inner = sequential("inner", dense("d", 2, batch_input_shape=[None, 3]))
    model = sequential("s", input_entry("x", [4, 3]), entry("TimeDistributed", "t", layer=inner))
    for weights in ({"t": [kernel, bias]}, {("t", "inner", "d"): {"kernel": kernel, "bias": bias}}):
        close(evaluate(graph_of_keras(model, weights), {"x": x}, ["t"])["t"], x @ kernel + bias)
    outer = sequential("outer", inner, entry("ReLU", "r"))
    graph = graph_of_keras(outer, {"inner": [kernel, bias]})
    (name,) = graph.inputs
    close(evaluate(graph, {name: x[:, 0]}, ["r"])["r"], np.maximum(x[:, 0] @ kernel + bias, 0))


def test_several_inputs_of_a_nested_model_by_order_and_by_name() -> None:
    layers = [input_entry("p", [3]), input_entry("q", [3]), entry("Subtract", "s", ref("p", "q"))]
    inner = functional(layers, ["p", "q"], ["s"])
    inner["config"]["name"] = "inner"
    a, b = normal(2, 3), normal(2, 3)
    for node in ([["a", 0, 0, {}], ["b", 0, 0, {}]], {"q": ["b", 0, 0, {}], "p": ["a", 0, 0, {}]}):
        nested = {**inner, "name": "inner", "inbound_nodes": [node]}
        model = functional([input_entry("a", [3]), input_entry("b", [3]), nested], ["a", "b"], [("inner", 1, 0)])
        close(evaluate(graph_of_keras(model, {}), {"a": a, "b": b}, ["inner"])["inner"], a - b)
