"""GraphDef JSON: attribute decoding, constants, functions, and everything that can be wrong."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

import numpy as np
import pytest

from tfgl.errors import ModelFormatError, TfglError
from tfgl.ir.attributes import decode_attr, decode_bytes, decode_shape, decode_tensor
from tfgl.ir.graph import DataType, Edge, FunctionName, TensorInfo, Versions
from tfgl.ir.graphdef import graph_from_json


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shape(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": str(size)} for size in sizes]}


MODEL: dict[str, Any] = {
    "node": [
        {
            "name": "x",
            "op": "Placeholder",
            "attr": {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": shape(-1, 2)}},
        },
        {
            "name": "w",
            "op": "Const",
            "attr": {
                "dtype": {"type": "DT_FLOAT"},
                "value": {"tensor": {"dtype": "DT_FLOAT", "tensorShape": shape(2, 3)}},
            },
        },
        {
            "name": "axis",
            "op": "Const",
            "attr": {"value": {"tensor": {"dtype": "DT_INT32", "tensorShape": {}, "intVal": [1]}}},
        },
        {
            "name": "y",
            "op": "_FusedMatMul",
            "input": ["x", "w"],
            "device": "/cpu",
            "attr": {
                "fused_ops": {"list": {"s": [b64(b"Relu")]}},
                "num_args": {"i": "0"},
                "epsilon": {"f": 0.0},
                "transpose_a": {"b": False},
                "_shapes": {"list": {"shape": [shape(-62, 3), {"unknownRank": True}]}},
            },
        },
        {"name": "s", "op": "Split", "input": ["axis", "y", "^x"], "attr": {"num_split": {"i": 3}}},
        {"name": "z", "op": "Add", "input": ["s:1", "s"]},
        {
            "name": "loop",
            "op": "While",
            "input": ["z"],
            "attr": {
                "cond": {"func": {"name": "cond"}},
                "body": {"func": {"name": "body", "attr": {}}},
                "output_shapes": {"list": {}},
            },
        },
    ],
    "library": {
        "function": [
            {
                "signature": {
                    "name": "body",
                    "inputArg": [{"name": "a", "type": "DT_FLOAT"}],
                    "outputArg": [{"name": "out", "type": "DT_FLOAT"}, {"name": "where", "type": "DT_INT32"}],
                },
                "nodeDef": [
                    {
                        "name": "k",
                        "op": "Const",
                        "attr": {
                            "dtype": {"type": "DT_INT32"},
                            "value": {"tensor": {"dtype": "DT_INT32", "tensorShape": {}}},
                        },
                    },
                    {"name": "top", "op": "TopKV2", "input": ["a", "k:output:0"]},
                ],
                "ret": {"out": "top:values:0", "where": "top:indices:0"},
            },
            {
                "signature": {
                    "name": "cond",
                    "inputArg": [{"name": "a", "type": "DT_FLOAT"}],
                    "outputArg": [{"name": "out", "type": "DT_BOOL"}],
                },
                "nodeDef": [{"name": "less", "op": "IsNan", "input": ["a"]}],
                "ret": {"out": "less:y:0"},
            },
        ]
    },
    "versions": {"producer": 987, "minConsumer": 12},
}
WEIGHTS = {"w": np.ones((2, 3), np.float32), "body/k": np.array(2, np.int32)}
SIGNATURE = {
    "inputs": {"in": {"name": "x:0", "dtype": "DT_FLOAT", "tensorShape": shape(-1, 2)}},
    "outputs": {
        "out": {"name": "loop:0"},
        "table": {"name": "z", "dtype": "DT_RESOURCE", "tensorShape": {}, "resourceId": 7},
    },
}


def test_a_whole_model() -> None:
    graph = graph_from_json(MODEL, WEIGHTS, SIGNATURE)
    assert list(graph.nodes) == ["x", "w", "axis", "y", "s", "z", "loop"]
    y = graph.nodes["y"]
    assert y.attrs == {
        "fused_ops": [b"Relu"],
        "num_args": 0,
        "epsilon": 0.0,
        "transpose_a": False,
        "_shapes": [(-1, 3), None],
    }
    assert y.device == "/cpu"
    assert graph.nodes["s"].inputs == (Edge("axis"), Edge("y"))
    assert graph.nodes["s"].control_inputs == ("x",)
    assert graph.nodes["z"].inputs == (Edge("s", 1), Edge("s"))
    assert graph.nodes["x"].attrs == {"dtype": DataType("float32"), "shape": (-1, 2)}
    assert isinstance(graph.nodes["loop"].attrs["body"], FunctionName)
    assert graph.versions == Versions(987, 12)
    assert graph.signature.inputs == {"in": TensorInfo("x:0", DataType("float32"), (-1, 2))}
    assert graph.signature.outputs["table"].resource_id == 7
    assert graph.signature.outputs["out"].shape is None
    assert graph.constants["axis"] == 1
    np.testing.assert_array_equal(graph.constants["w"], WEIGHTS["w"])
    body = graph.functions["body"]
    assert body.arguments == ("a",)
    assert body.result_names == ("out", "where")
    assert body.results == (Edge("top", 0), Edge("top", 1))
    assert body.graph.constants["k"] == 2
    assert body.graph.nodes["top"].inputs == (Edge("a"), Edge("k"))


def test_a_function_may_return_a_constant_that_the_converter_renamed() -> None:
    model = json.loads(json.dumps(MODEL))
    body = model["library"]["function"][0]
    body["nodeDef"][0]["name"] = "body/k"
    body["nodeDef"][1]["input"] = ["a", "body/k:output:0"]
    body["ret"]["where"] = "k:output:0"
    assert graph_from_json(model, WEIGHTS).functions["body"].results[1] == Edge("body/k")


def test_json_round_trip_changes_nothing() -> None:
    graph = graph_from_json(json.loads(json.dumps(MODEL)), WEIGHTS, SIGNATURE)
    assert graph.nodes == graph_from_json(MODEL, WEIGHTS, SIGNATURE).nodes


def test_structure_alone_needs_no_weights() -> None:
    assert set(graph_from_json(MODEL).constants) == {"axis"}


def test_a_missing_weight() -> None:
    with pytest.raises(ModelFormatError, match=r"node 'w' \(op Const\): the weights manifest has no 'w'"):
        graph_from_json(MODEL, {"body/k": WEIGHTS["body/k"]})


def test_weights_come_in_run_time_dtypes() -> None:
    weights = {"w": np.ones((2, 3), np.float64), "body/k": np.array(2, np.int64)}
    graph = graph_from_json(MODEL, weights)
    assert graph.constants["w"].dtype == np.float32
    assert graph.functions["body"].graph.constants["k"].dtype == np.int32


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ({"s": "TkhXQw=="}, b"NHWC"),
        ({"s": ""}, b""),
        ({"s": [78, 72]}, b"NH"),
        ({"s": "-_8="}, b"\xfb\xff"),
        ({"i": "-9223372036854775808"}, -(2**63)),
        ({"f": "NaN"}, float("nan")),
        ({"f": "-Infinity"}, float("-inf")),
        ({"f": 1}, 1.0),
        ({"b": True}, True),
        ({"type": "DT_INT64"}, "int64"),
        ({"type": 101}, "float32"),
        ({"shape": {"unknown_rank": True}}, None),
        ({"shape": {}}, ()),
        ({"shape": {"dim": [{"size": 3}, {"size": "-1", "name": "n"}]}}, (3, -1)),
        ({"list": {}}, []),
        ({"list": {"i": ["1", 2]}}, [1, 2]),
        ({"list": {"type": ["DT_BOOL"]}}, ["bool"]),
        ({"func": {"name": "f"}}, "f"),
    ],
)
def test_attributes(encoded: dict[str, Any], expected: object) -> None:
    decoded = decode_attr(encoded, "here")
    if expected != expected:
        assert decoded != decoded
    else:
        assert decoded == expected


@pytest.mark.parametrize(
    "encoded",
    [
        {"s": "not base64!"},
        {"s": 5},
        {"s": [300]},
        {"i": "x"},
        {"i": 1.5},
        {"i": True},
        {"i": "1" * 30},
        {"i": 1e300},
        {"f": "one"},
        {"f": True},
        {"f": None},
        {"b": 1},
        {"type": "DT_NONE"},
        {"type": 77},
        {"type": []},
        {"shape": []},
        {"shape": {"dim": [3]}},
        {"shape": {"dim": 3}},
        {"list": []},
        {"list": {"i": "1"}},
        {"func": {}},
        {"func": "f"},
        {"unknown": 1},
        {"tensor": 1},
    ],
)
def test_malformed_attributes(encoded: dict[str, Any]) -> None:
    with pytest.raises(ModelFormatError, match="here"):
        decode_attr(encoded, "here")


TENSORS = [
    (
        {"dtype": "DT_FLOAT", "tensorShape": shape(2), "floatVal": [1.5, "Infinity"]},
        np.float32([1.5, np.inf]),
    ),
    ({"dtype": "DT_FLOAT", "tensorShape": shape(3), "floatVal": [1, 2]}, np.float32([1, 2, 2])),
    ({"dtype": "DT_FLOAT", "tensorShape": shape(2, 2)}, np.zeros((2, 2), np.float32)),
    (
        {"dtype": "DT_FLOAT", "tensorShape": shape(2), "tensorContent": b64(np.float32([1, -2]).tobytes())},
        np.float32([1, -2]),
    ),
    ({"dtype": "DT_DOUBLE", "tensorShape": {}, "doubleVal": [0.1]}, np.float64(0.1)),
    ({"dtype": "DT_HALF", "tensorShape": shape(1), "halfVal": [15360]}, np.float16([1])),
    ({"dtype": "DT_BFLOAT16", "tensorShape": shape(1), "halfVal": [16256]}, np.float32([1])),
    ({"dtype": "DT_BFLOAT16", "tensorShape": shape(1), "tensorContent": b64(b"\x80\x3f")}, np.float32([1])),
    (
        {"dtype": "DT_INT32", "tensorShape": shape(2), "intVal": [-2147483648, 2147483647]},
        np.int32([-2147483648, 2147483647]),
    ),
    ({"dtype": "DT_INT64", "tensorShape": {}, "int64Val": ["-9223372036854775808"]}, np.int64(-(2**63))),
    ({"dtype": "DT_UINT8", "tensorShape": shape(2), "intVal": [255, 0]}, np.uint8([255, 0])),
    ({"dtype": "DT_UINT32", "tensorShape": {}, "uint32Val": [4294967295]}, np.uint32(4294967295)),
    ({"dtype": "DT_BOOL", "tensorShape": shape(2), "boolVal": [True, False]}, np.array([True, False])),
    ({"dtype": "DT_COMPLEX64", "tensorShape": {}, "scomplexVal": [1, -1]}, np.complex64(1 - 1j)),
    (
        {"dtype": "DT_STRING", "tensorShape": shape(2), "stringVal": [b64(b"a"), b64(b"\xff")]},
        np.array([b"a", b"\xff"], object),
    ),
    ({"dtype": 1, "tensor_shape": shape(0, 3)}, np.zeros((0, 3), np.float32)),
]


@pytest.mark.parametrize(("encoded", "expected"), TENSORS)
def test_tensors(encoded: dict[str, Any], expected: Any) -> None:
    decoded = decode_tensor(encoded, "here")
    assert decoded.dtype == np.asarray(expected).dtype
    assert decoded.shape == np.asarray(expected).shape
    np.testing.assert_array_equal(decoded, expected)


def test_a_large_splat_takes_no_memory() -> None:
    encoded = {"dtype": "DT_DOUBLE", "tensorShape": shape(1 << 14, 1 << 14), "doubleVal": [2]}
    node = {"name": "c", "op": "Const", "attr": {"value": {"tensor": encoded}}}
    constant = graph_from_json({"node": [node]}).constants["c"]
    assert constant.shape == (1 << 14, 1 << 14)
    assert constant.dtype == np.float32
    assert constant.strides == (0, 0)


@pytest.mark.parametrize(
    "encoded",
    [
        {"dtype": "DT_FLOAT", "tensorShape": shape(1), "floatVal": [1, 2]},
        {"dtype": "DT_FLOAT", "tensorShape": shape(2), "tensorContent": b64(b"1234")},
        {"dtype": "DT_FLOAT", "tensorShape": shape(-1), "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": {"unknownRank": True}, "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": shape(1 << 20, 1 << 20), "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": shape(*[1] * 40), "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": shape(0, 1 << 62)},
        {"dtype": "DT_INT32", "tensorShape": {}, "intVal": [1 << 40]},
        {"dtype": "DT_COMPLEX64", "tensorShape": {}, "scomplexVal": [1]},
        {"dtype": "DT_STRING", "tensorShape": {}, "tensorContent": b64(b"x")},
        {"dtype": "DT_RESOURCE", "tensorShape": {}},
        {"tensorShape": {}},
    ],
)
def test_malformed_tensors(encoded: dict[str, Any]) -> None:
    with pytest.raises(ModelFormatError, match="here"):
        decode_tensor(encoded, "here")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{"name": "a", "op": "Neg", "input": ["b"]}], r"node 'a' \(op Neg\) reads 'b', but .* no node 'b'"),
        ([{"name": "a", "op": "Neg", "input": ["^b"]}], r"node 'a' \(op Neg\) waits for 'b'"),
        ([{"name": "a", "op": "Neg", "input": ["a"]}], "cycle: 'a' -> 'a'"),
        ([{"name": "a", "op": "Neg", "input": ["a:-1"]}], r"node 'a' \(op Neg\): 'a:-1' is no tensor name"),
        ([{"name": "a", "op": "X"}, {"name": "b", "op": "X", "input": ["^a", "a"]}], "after a control input"),
        ([{"name": "a", "op": "NoOp"}, {"name": "a", "op": "NoOp"}], "two nodes are called 'a'"),
        ([{"op": "NoOp"}], "node number 0, 'name': expected a string, got None"),
        ([{"name": "a"}], "node 'a', 'op': expected a string"),
        ([5], "node number 0: expected an object, got 5"),
        ([{"name": "a", "op": "NoOp", "input": "x"}], r"node 'a' \(op NoOp\), 'input': expected a list"),
        (
            [{"name": "a", "op": "NoOp", "attr": {"T": {"type": 0.5}}}],
            r"node 'a' \(op NoOp\), attr 'T': expected",
        ),
        ([{"name": "a", "op": "Const"}], r"node 'a' \(op Const\): the weights manifest has no 'a'"),
    ],
)
def test_malformed_graphs(nodes: list[Any], message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        graph_from_json({"node": nodes}, {})


@pytest.mark.parametrize("topology", [None, [], {}, {"model_config": {}}, {"node": {}}, 3, "x"])
def test_what_is_no_graph(topology: object) -> None:
    with pytest.raises(ModelFormatError, match="modelTopology"):
        graph_from_json(topology)


def test_an_output_that_does_not_exist() -> None:
    with pytest.raises(ModelFormatError, match="output 'y': the graph has no node 'gone'"):
        graph_from_json({"node": []}, {}, {"outputs": {"y": {"name": "gone:0"}}})


def test_url_safe_bytes_and_zero_dimensions() -> None:
    assert decode_bytes("_-8", "here") == b"\xff\xef"
    assert decode_shape({"dim": [{}]}, "here") == (0,)


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    float("nan"),
    "",
    "x",
    "^",
    ":",
    "x:1",
    "DT_FLOAT",
    "DT_STRING",
    "99999999999999999999",
    [],
    [[]],
    {},
    {"a": {}},
    [None],
    {"dim": [{"size": "-5"}]},
    {"size": {}},
    2**70,
    "\ud800",
    "NaN",
]


def mutate(value: Any, chance: random.Random) -> Any:
    """One random change somewhere in a JSON value."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else []
        for key in keys:
            places.append((item, key))
            waiting.append(item[key])
    container, key = chance.choice(places)
    action = chance.randrange(4)
    if action == 0:
        del container[key]
    elif action == 1:
        other, other_key = chance.choice(places)
        container[key] = copy.deepcopy(other[other_key] if other_key in _keys(other) else None)
    elif action == 2 and isinstance(container, dict):
        container[str(chance.choice(JUNK))] = container.pop(key)
    else:
        container[key] = copy.deepcopy(chance.choice(JUNK))
    return value


def _keys(container: Any) -> Any:
    return container if isinstance(container, dict) else range(len(container))


@pytest.mark.parametrize("seed", range(20))
def test_mutations_raise_nothing_but_tfgl_errors(seed: int) -> None:
    chance = random.Random(seed)
    survived = 0
    for _ in range(150):
        case = copy.deepcopy({"topology": MODEL, "signature": SIGNATURE})
        for _ in range(chance.randint(1, 3)):
            mutate(case, chance)
        try:
            graph = graph_from_json(case.get("topology"), WEIGHTS, case.get("signature"))
            graph.prune(list(graph.outputs)).topological_order()
            survived += 1
        except TfglError as error:
            assert len(str(error)) < 1000
    assert 0 < survived < 150
