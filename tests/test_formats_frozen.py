"""Frozen graphs: functions, constants, text form, what is no graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import tensorflow_files as tf_files
from tensorflow_files import Attr, add_constant, add_node, add_variable, dtype
from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Edge, FunctionName
from tfgl_converter.formats.frozen_graph import read_frozen_graph
from tfgl_converter.formats.protobuf_schema import message_class


def test_calls_by_the_functions_name_with_attributes(tmp_path: Path) -> None:
    graph = message_class("GraphDef")()
    add_node(graph.node, "x", "Placeholder", dtype=dtype("float32"), shape=(2,))
    add_node(graph.node, "half", "scale", "x", T=dtype("float32"), by=0.5)
    add_node(graph.node, "y", "scale", "half", T=dtype("float32"), by=3.0)
    function = graph.library.function.add()
    function.signature.name = "scale"
    function.signature.input_arg.add(name="v", type_attr="T")
    function.signature.output_arg.add(name="r", type_attr="T")
    function.signature.attr.add(name="T", type="type")
    function.signature.attr.add(name="by", type="float")
    add_node(function.node_def, "leaky", "LeakyRelu", "v", T=Attr(placeholder="T"), alpha=Attr(placeholder="by"))
    function.ret["r"] = "leaky:activations:0"
    path = tmp_path / "g.pb"
    path.write_bytes(graph.SerializeToString())
    model = read_frozen_graph(path, ["y"])
    assert model.graph.nodes["y"].op == "PartitionedCall"
    alphas = {
        name: function.graph.nodes["leaky"].attrs["alpha"] for name, function in model.graph.functions.items()
    }
    assert sorted(alphas.values()) == [0.5, 3.0]
    called = model.graph.nodes["half"].attrs["f"]
    assert isinstance(called, FunctionName) and alphas[called] == 0.5
    assert model.graph.functions[called].graph.nodes["v"].attrs["dtype"] == "float32"


def function_graph(op: str, *outputs: str, listed: bool = False) -> Any:
    graph = message_class("GraphDef")()
    add_node(graph.node, "x", "Placeholder", dtype=dtype("float32"), shape=(2,))
    add_node(graph.node, "y", "PartitionedCall", "x", f=Attr(func={"name": "f"}))
    function = graph.library.function.add()
    function.signature.name = "f"
    function.signature.input_arg.add(name="v", type=1)
    add_node(function.node_def, "n", op, "v", num_split=2)
    for i, output in enumerate(outputs):
        function.signature.output_arg.add(name=f"r{i}", type=1)
        function.ret[f"r{i}"] = output
    return graph


@pytest.mark.parametrize(
    ("op", "output", "index"),
    [
        ("TopKV2", "n:indices:0", 1),
        ("Split", "n:output:1", 1),
        ("SparseSplit", "n:output_shape:1", 5),
        ("Relu", "n:activations:0", 0),
        ("Relu", "v", 0),
        ("Relu", "v:0", 0),
    ],
)
def test_named_outputs(tmp_path: Path, op: str, output: str, index: int) -> None:
    (tmp_path / "g.pb").write_bytes(function_graph(op, output).SerializeToString())
    function = read_frozen_graph(tmp_path / "g.pb", ["y"]).graph.functions["f"]
    assert function.results == (Edge(output.partition(":")[0], index),)


@pytest.mark.parametrize(
    ("op", "outputs", "message"),
    [
        ("TopKV2", ["n:nothing:0"], "op TopKV2 has no output called 'nothing'"),
        ("OddOp", ["n:a:0", "n:b:0"], "op OddOp is unknown"),
        ("Relu", ["m:y:0"], "no node 'm'"),
        ("Relu", ["n:y:z"], "no tensor name"),
    ],
)
def test_named_outputs_that_are_not_there(tmp_path: Path, op: str, outputs: list[str], message: str) -> None:
    (tmp_path / "g.pb").write_bytes(function_graph(op, *outputs).SerializeToString())
    with pytest.raises(ModelFormatError, match=message):
        read_frozen_graph(tmp_path / "g.pb", ["y"])


def test_frozen_graph_as_text(tmp_path: Path) -> None:
    graph = message_class("GraphDef")()
    add_node(graph.node, "x", "Placeholder", dtype=dtype("float32"), shape=(-1, 2))
    add_constant(graph.node, "c", np.array([1, 2], np.float32))
    add_node(graph.node, "y", "Mul", "x", "c")
    add_node(graph.node, "unused", "NoSuchOp", "x")
    text = text_format.MessageToString(graph) + 'unknown_field { what: "ever" }\n'
    (tmp_path / "g.pbtxt").write_text(text)
    model = read_frozen_graph(tmp_path / "g.pbtxt", ["y:0"])
    assert list(model.graph.signature.inputs) == ["x"] and list(model.graph.signature.outputs) == ["y"]
    assert evaluate(model.graph, {"x": [[3.0, 4.0]]}, ["y"])["y"].tolist() == [[3, 8]]
    assert list(read_frozen_graph(tmp_path / "g.pbtxt").graph.signature.outputs) == ["y", "unused"]
    with pytest.raises(InvalidArgumentError, match="no node 'z'; nodes that nothing reads are 'y', 'unused'"):
        read_frozen_graph(tmp_path / "g.pbtxt", ["z"])
    (tmp_path / "g.pbtxt").write_text("node { name: 'x' ")
    with pytest.raises(ModelFormatError, match="is no GraphDef in text form"):
        read_frozen_graph(tmp_path / "g.pbtxt")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dict(dtype=1, float_val=[2.5]), np.full(4, 2.5, np.float32)),
        (dict(dtype=3, int_val=[1, 2]), np.array([1, 2, 2, 2], np.int32)),
        (dict(dtype=4, int_val=[255]), np.full(4, 255, np.uint8)),
        (dict(dtype=9), np.zeros(4, np.int64)),
        (dict(dtype=10, bool_val=[True, False]), np.array([True, False, False, False])),
        (dict(dtype=7, string_val=[b"s"]), np.array([b"s"] * 4, object)),
        (dict(dtype=14, half_val=[0x3FC0]), np.full(4, 1.5, np.float32)),
        (dict(dtype=19, half_val=[0x3E00]), np.full(4, 1.5, np.float16)),
        (dict(dtype=8, scomplex_val=[1, 2]), np.full(4, 1 + 2j, np.complex64)),
        (dict(dtype=14, tensor_content=b"\xc0\x3f" * 4), np.full(4, 1.5, np.float32)),
        (dict(dtype=24, float8_val=b"\x3c" * 4), np.full(4, 1, np.float32)),
        (dict(dtype=23, uint64_val=[1 << 63]), np.full(4, 1 << 63, np.uint64)),
    ],
    ids=str,
)
def test_constants(tmp_path: Path, value: Any, expected: np.ndarray[Any, Any]) -> None:
    graph = message_class("GraphDef")()
    tensor = message_class("TensorProto")(tensor_shape=tf_files.shape_message((4,)), **value)
    add_node(graph.node, "c", "Const", value=Attr(tensor=tensor))
    (tmp_path / "g.pb").write_bytes(graph.SerializeToString())
    array = read_frozen_graph(tmp_path / "g.pb", ["c"]).graph.constants["c"]
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (dict(dtype=1, tensor_content=b"abc"), (4,), "needs 16 bytes, got 3"),
        (dict(dtype=1, float_val=[1, 2]), (1,), "2 values for a tensor"),
        (dict(dtype=20), (), "dtype resource"),
        (dict(dtype=1), (-1,), "known shape"),
        (dict(dtype=1), (1 << 40,), "too large"),
        (dict(dtype=99), (), "no TensorFlow dtype"),
        (dict(dtype=7, string_val=[b"s"]), (1 << 21,), "too few"),
        (dict(dtype=1, float_val=[1]), (1 << 29,), "too few"),
    ],
    ids=str,
)
def test_constants_that_do_not_fit(tmp_path: Path, value: Any, shape: tuple[int, ...], message: str) -> None:
    graph = message_class("GraphDef")()
    tensor = message_class("TensorProto")(tensor_shape=tf_files.shape_message(shape), **value)
    add_node(graph.node, "c", "Const", value=Attr(tensor=tensor))
    (tmp_path / "g.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFormatError, match=f"node 'c'.*{message}"):
        read_frozen_graph(tmp_path / "g.pb", ["c"])
    add_node(graph.node, "x", "Placeholder", dtype=dtype("float32"))
    (tmp_path / "g.pb").write_bytes(graph.SerializeToString())
    assert list(read_frozen_graph(tmp_path / "g.pb", ["x"]).graph.nodes) == ["x"]


def test_graphs_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "g.pb"
    for data in (b"", b"\x00", b"\x89HDF\r\n\x1a\n" * 9, b"PK\x03\x04" * 40, bytes(range(256)) * 9):
        path.write_bytes(data)
        with pytest.raises(ModelFormatError):
            read_frozen_graph(path)
    graph = message_class("GraphDef")()
    add_node(graph.node, "a", "Neg", "b")
    add_node(graph.node, "b", "Neg", "a")
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFormatError, match="has a cycle"):
        read_frozen_graph(path, ["a"])
    graph.node[1].input[0] = "c"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFormatError, match="no node 'c'"):
        read_frozen_graph(path, ["a"])
    graph = message_class("GraphDef")()
    add_variable(graph.node, "w", (2,))
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFormatError, match="the graph is not frozen"):
        read_frozen_graph(path, ["w"])
