"""Hash tables: filled by the model's initialiser, asked by key, in graphs and in files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import attr as json_attr
from graph_models import f32, graph_model, i32, placeholder
from graph_models import node as json_node
from graphs import FLOAT, INT, graph, node
from runs import check, runner
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.graph.model import graph_of
from tfgl.io import ModelArtifacts
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Graph, Signature, TensorInfo

STRING, RESOURCE = DataType("string"), DataType("resource")


def strings(*values: Any) -> Any:
    return np.array(values, object)


def table_graph(
    keys: Any, values: Any, default: Any, *, key: str = "int32", value: str = "float32", by_id: bool = True
) -> Graph:
    """``y`` looks ``k`` up in a table that the initialiser fills; known by resource id, or by its name."""
    types = {"key_dtype": DataType(key), "value_dtype": DataType(value)}
    filling = graph(
        node("table", "HashTableV2", shared_name=b"t", **types),
        node("fill", "LookupTableImportV2", "table", "keys", "values", Tin=DataType(key), Tout=DataType(value)),
        node("handle", "Identity", "table", "^fill"),
        outputs={}, keys=np.asarray(keys), values=np.asarray(values),
    )  # fmt: skip
    filling = filling.replace(signature=Signature({}, {"handle": TensorInfo("handle:0", RESOURCE, (), 7)}))
    holder = node("t", "Placeholder", dtype=RESOURCE) if by_id else node("t", "HashTableV2", shared_name=b"t", **types)
    made = graph(
        node("k", "Placeholder", dtype=DataType(key)), holder,
        node("y", "LookupTableFindV2", "t", "k", "default"), node("n", "LookupTableSizeV2", "t"),
        outputs={"y": "y", "n": "n"}, default=np.asarray(default),
    )  # fmt: skip
    inputs = {"k": TensorInfo("k:0", DataType(key))}
    if by_id:
        inputs["t:0"] = TensorInfo("t:0", RESOURCE, (), 7)
    return made.replace(signature=Signature(inputs, made.signature.outputs), initializer=filling)


PLAIN = table_graph(i32([3, 5]), f32([0.5, 1.5]), f32(-1.0))
CASES: dict[str, tuple[Graph, Any, Any]] = {
    "numbers": (PLAIN, i32([[5, 4], [3, 3]]), f32([[1.5, -1], [0.5, 0.5]])),
    "by name": (table_graph(i32([3, 5]), f32([0.5, 1.5]), f32(-1.0), by_id=False), i32([5]), f32([1.5])),
    "a scalar key": (PLAIN, i32(5), f32(1.5)),
    "no keys": (table_graph(i32([3]), f32([0.5]), f32(-1.0)), np.zeros(0, np.int32), np.zeros(0, np.float32)),
    "text to numbers": (
        table_graph(strings(b"a", b"\xff"), i32([1, 2]), i32(0), key="string", value="int32"),
        strings(b"\xff", b"b", b"a"), i32([2, 0, 1]),
    ),
    "numbers to text": (
        table_graph(i32([3]), strings(b"three"), np.array(b"?", object), value="string"),
        i32([3, 4]), strings(b"three", b"?"),
    ),
    "bools": (
        table_graph(i32([3]), np.array([True]), np.array(False), value="bool"), i32([3, 4]), np.array([True, False]),
    ),
    "vectors": (
        table_graph(i32([3, 5]), f32([[1.0, 2.0], [3.0, 4.0]]), f32([-1.0, -2.0])), i32([[5, 4]]),
        f32([[[3.0, 4.0], [-1.0, -2.0]]]),
    ),
    "matrices of keys": (
        table_graph(i32([[3, 5]]), f32([[0.5, 1.5]]), f32(-1.0)), i32([5, 3]), f32([1.5, 0.5]),
    ),
    "the same key twice": (table_graph(i32([3, 3]), f32([0.5, 0.5]), f32(-1.0)), i32([3]), f32([0.5])),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_lookups(gpu: Engine, name: str) -> None:
    made, keys, expected = CASES[name]
    check(made, {"k": keys}, {"y": expected}, gpu)
    assert made.initializer is not None
    held = np.unique(made.initializer.constants["keys"].reshape(-1)).size
    check(made, {"k": keys}, {"n": np.int32(held)}, gpu)


@pytest.mark.parametrize(
    ("made", "keys", "message"),
    [
        (table_graph(i32([3, 3]), f32([0.5, 1.0]), f32(0.0)), i32([3]), "two values for the key 3"),
        (table_graph(i32([3, 4]), f32([0.5]), f32(0.0)), i32([3]), r"shape \[2\] of keys and \[1\] of values"),
        (table_graph(f32([3.0]), f32([0.5]), f32(0.0)), i32([3]), "keys of dtype int32, got float32"),
        (table_graph(i32([3]), i32([1]), f32(0.0)), i32([3]), "values of dtype float32, got int32"),
        (table_graph(i32([3]), f32([0.5]), i32(0)), i32([3]), "'y' .* the default of dtype float32, got int32"),
        (table_graph(i32([3]), f32([0.5]), f32([0.0, 1.0])), i32([3]), r"a default of shape \[2\]"),
    ],
)
def test_tables_that_do_not_fit(made: Graph, keys: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(made, {"k": keys}, ["y"])


def test_a_table_that_nothing_fills() -> None:
    made = table_graph(i32([3]), f32([0.5]), f32(0.0), by_id=False).replace(initializer=None)
    with pytest.raises(InvalidArgumentError, match=r"'y' \(op LookupTableFindV2\): table 't' was never filled"):
        evaluate(made, {"k": i32([3])}, ["y"])


def test_an_initialiser_that_makes_no_such_table() -> None:
    made = table_graph(i32([3]), f32([0.5]), f32(0.0))
    with pytest.raises(ModelFormatError, match="input 't:0' is resource 7"):
        evaluate(made.replace(initializer=None), {"k": i32([3])}, ["y"])
    assert made.initializer is not None
    wrong = Signature({}, {"handle": TensorInfo("keys:0", RESOURCE, (), 7)})
    with pytest.raises(ModelFormatError, match="'keys:0' is to be a table"):
        evaluate(made.replace(initializer=made.initializer.replace(signature=wrong)), {"k": i32([3])}, ["y"])


def test_a_tensor_is_no_table() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("y", "LookupTableFindV2", "x", "k", "d"),
        outputs={"y": "y"}, k=np.int32(1), d=np.float32(0),
    )  # fmt: skip
    with pytest.raises(InvalidArgumentError, match="expected a table, got a tensor of shape"):
        evaluate(made, {"x": f32([1.0])}, ["y"])


def embedding_model(initializer: bool = True) -> ModelArtifacts:
    """Words to numbers, numbers to rows of a matrix, rows through tanh: as the converter writes it."""
    holder = json_node("table", "Placeholder", dtype="DT_RESOURCE", shape=())
    found = json_node("ids", "LookupTableFindV2", ["table", "words", "unknown"], Tin="DT_STRING", Tout="DT_INT32")
    rows = json_node("rows", "GatherV2", ["matrix", "ids", "axis"])
    made = graph_model(
        [placeholder("words", (-1,), "DT_STRING"), holder, found, rows, json_node("y", "Tanh", ["rows"])],
        {"matrix": f32(np.arange(8).reshape(4, 2) / 8), "unknown": i32(3), "axis": i32(0)},
        signature={
            "inputs": {
                "table:0": {"name": "table:0", "dtype": "DT_RESOURCE", "tensorShape": {}, "resourceId": 4},
                "words": {"name": "words:0", "dtype": "DT_STRING", "tensorShape": {"dim": [{"size": "-1"}]}},
            },
            "outputs": {"y": {"name": "y:0", "dtype": "DT_FLOAT"}},
        },
    )
    types = {"key_dtype": json_attr("DT_STRING"), "value_dtype": json_attr("DT_INT32")}
    names = {"keys": strings(b"cat", b"dog"), "values": i32([0, 2])}
    made.weights.update(names)  # type: ignore[attr-defined]
    made.model_initializer = {
        "node": [
            *({"name": name, "op": "Const", "attr": {"dtype": json_attr("DT_INT32")}} for name in names),
            {"name": "made", "op": "HashTableV2", "attr": types},
            json_node("fill", "LookupTableImportV2", ["made", "keys", "values"]),
        ]
    }
    made.initializer_signature = {"outputs": {"made": {"name": "made:0", "resourceId": 4, "dtype": "DT_RESOURCE"}}}
    if not initializer:
        made.model_initializer = made.initializer_signature = None
    return made


def test_a_model_of_words_is_recorded_behind_its_table(gpu: Engine) -> None:
    matrix = np.arange(8).reshape(4, 2) / 8
    with tfgl.load_graph_model(embedding_model()) as model:
        assert model.input_keys == ["words"]
        for words, places in ([b"dog", b"bird"], [2, 3]), ([b"cat", b"cat"], [0, 0]), ([b"", b"dog"], [3, 2]):
            result = model.predict(strings(*words))
            assert isinstance(result, tfgl.Tensor)
            np.testing.assert_allclose(result.numpy(), np.tanh(matrix[places]), rtol=1e-5)
        assert model.stats.replays == 2
        ids = model.execute({"words": strings(b"dog")}, "ids")
        assert isinstance(ids, tfgl.Tensor)
        assert ids.numpy().tolist() == [2]
        with pytest.raises(InvalidArgumentError, match="missing input 'words'"):
            model.predict({})
        with pytest.raises(InvalidArgumentError, match="gives a table at output 0"):
            model.execute({"words": strings(b"dog")}, "table")


def test_a_model_without_its_initialiser_says_so(gpu: Engine) -> None:
    with pytest.raises(ModelFormatError, match="resource 4, which the model's initialiser does not make"):
        tfgl.load_graph_model(embedding_model(initializer=False))
    assert graph_of(embedding_model()).initializer is not None


def test_what_the_device_computes_may_be_looked_up(gpu: Engine) -> None:
    made = table_graph(i32([2, 3]), f32([0.5, 1.5]), f32(-1.0))
    made = made.replace(
        nodes={
            **made.nodes, "x": node("x", "Placeholder", dtype=FLOAT),
            "k": node("k", "ArgMax", "x", "zero", output_type=INT), "zero": node("zero", "Const"),
        },
        constants={**made.constants, "zero": np.int32(0)},
        signature=Signature(
            {"x": TensorInfo("x:0", FLOAT), "t:0": TensorInfo("t:0", RESOURCE, (), 7)}, made.signature.outputs
        ),
    )  # fmt: skip
    with runner(made, gpu) as model:
        for place, expected in ((3, 1.5), (0, -1.0), (2, 0.5)):
            result = model.execute({"x": np.eye(4, dtype=np.float32)[place]}, "y")
            assert isinstance(result, tfgl.Tensor)
            assert result.item() == expected
