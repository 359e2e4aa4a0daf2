"""Ops whose work is on the host, against TensorFlow's own results: on the device's engine and on the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import graph_model, node, placeholder
from host_op_cases import CASES, GOLDENS, IMAGES, Array, Case, decoded, texts, whole
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.io import ModelArtifacts
from tfgl.ir.evaluate import evaluate, evaluate_node
from tfgl.ir.graph import DataType, Edge, Node
from tfgl.ir.graphdef import graph_from_json
from tfgl.ir.lowering import kernels_of, supported_ops
from tfgl.ir.reference import evaluate as evaluate_kernel
from tfgl.ir.reference.unicode import Faults
from tfgl.ir.reference.unicode import decoded as decoded_text
from tfgl.registry import kernels, run_kernel

_TYPES = {"f": "DT_FLOAT", "i": "DT_INT32", "b": "DT_BOOL", "O": "DT_STRING"}
EXPECTED: Mapping[str, Any] = json.loads(GOLDENS.read_text())


def _attr(name: str, value: Any) -> Any:
    if name in ("out_type", "dtype", "internal_type"):
        return f"DT_{'FLOAT' if value == 'float32' else value.upper()}"
    if isinstance(value, bytes):
        return value.decode()
    return [_attr(name, item) for item in value] if isinstance(value, list) else value


def model_of(case: Case, outputs: int) -> tuple[ModelArtifacts, dict[str, Array]]:
    """A model of the one node, an Identity behind each output, and its feeds."""
    feeds: dict[str, Array] = {}
    for name, value in case.inputs.items():
        for at, item in enumerate(value if isinstance(value, list) else [value]):
            feeds[f"{name}_{at}"] = item
    holders = [placeholder(name, item.shape, _TYPES[item.dtype.kind]) for name, item in feeds.items()]
    made = node("made", case.op, list(feeds), **{name: _attr(name, value) for name, value in case.attrs.items()})
    ends = [node(f"out{at}", "Identity", [f"made:{at}"]) for at in range(outputs)]
    return graph_model([*holders, made, *ends]), feeds


def compare(got: Array, want: Array) -> None:
    """Shape and values; floats to what float32 rounds in a few steps."""
    assert got.shape == want.shape
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", [case for case in CASES if case.op in supported_ops()], ids=lambda case: case.name)
def test_as_tensorflow(gpu: Engine, case: Case) -> None:
    wanted = [decoded(stored) for stored in EXPECTED[case.name]]
    artifacts, feeds = model_of(case, len(wanted))
    ends = [f"out{at}" for at in range(len(wanted))]
    graph = graph_from_json(artifacts.model_topology, artifacts.weights)
    found = evaluate(graph, feeds, ends, precision="float32")
    for end, want in zip(ends, wanted, strict=True):
        compare(found[end], want)
    with tfgl.load_graph_model(artifacts) as model:
        for _ in range(2):
            results = model.predict_dict(feeds)
            for end, want in zip(ends, wanted, strict=True):
                compare(results[end].numpy(), want)


def test_results_follow_the_values_that_are_fed(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (-1,)),
        node("twice", "AddV2", ["x", "x"]),
        node("where", "Where", ["x"]),
        node("unique", "Unique", ["twice"]),
        node("out", "Identity", ["unique:1"]),
    ]
    with tfgl.load_graph_model(graph_model(nodes)) as model:
        for x in ([1, 0, 1], [2, 3, 0], [0, 0, 0], [1, 0, 1]):
            results = model.execute({"x": np.float32(x)}, ["where", "unique", "out"])
            where, values, places = (result.numpy() for result in results)
            np.testing.assert_array_equal(where, np.argwhere(x))
            np.testing.assert_array_equal(values[places], 2 * np.float32(x))


def test_what_is_on_the_host_says_so() -> None:
    on_host = {name for name, kernel in kernels().items() if kernel.runs_on == "host"}
    assert on_host == {
        "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "RaggedRange", "SparseFillEmptyRows",
        "SparseReshape", "StaticRegexReplace", "StringNGrams", "StringSplit", "StringToHashBucketFast", "Unique",
    }  # fmt: skip
    assert kernels_of("Where") == ()


def test_kernels_take_values_that_only_the_device_has(gpu: Engine) -> None:
    data, ids = gpu.tensor(np.float32([[1, 2], [3, 4]])), gpu.tensor(whole(0, 2))
    doubled = run_kernel("Add", {"a": data, "b": data})
    places = run_kernel("Add", {"a": ids, "b": gpu.tensor(whole(0, -1))})
    for name, expected in (("SparseSegmentSum", [[2, 4], [6, 8]]), ("SparseSegmentMean", [[2, 4], [6, 8]])):
        got = run_kernel(name, {"data": doubled, "indices": places, "segmentIds": places})
        np.testing.assert_array_equal(got.numpy(), expected)


def test_nan_is_one_value_as_in_tensorflow_js() -> None:
    values, places = evaluate_kernel("Unique", {"x": np.float32([np.nan, 1, np.nan])}, {"axis": 0})
    np.testing.assert_array_equal(values, [np.nan, 1])
    np.testing.assert_array_equal(places, [0, 1, 0])


@pytest.mark.parametrize(
    ("kernel", "inputs", "attrs", "message"),
    [
        ("Unique", {"x": np.float32(1)}, {"axis": 0}, "rank 1 or higher"),
        ("SparseReshape", {"inputIndices": np.zeros((1, 2), np.int32), "inputShape": whole(2, 3), "newShape": whole(4)},
         {}, "has 4"),
        ("SparseFillEmptyRows",
         {"indices": np.int32([[0, 0]]), "values": np.float32([1]), "denseShape": whole(2**31 - 1, 1),
          "defaultValue": np.float32(0)}, {}, "more than the"),
        ("SparseSegmentSum", {"data": np.ones((2, 2)), "indices": whole(0), "segmentIds": whole(2**31 - 2)}, {},
         "more than the"),
        ("RaggedRange", {"starts": whole(0), "limits": whole(2**31 - 1), "deltas": whole(1)}, {}, "more than the"),
        ("RaggedRange", {"starts": np.float32([0]), "limits": np.float32([np.nan]), "deltas": np.float32([1])}, {},
         "Requires"),
        ("RaggedGather",
         {"paramsNestedSplits": [whole(0, 3, 2)], "paramsDenseValues": np.ones(3), "indices": whole(0)},
         {"outputRaggedRank": 1}, "ascending"),
        ("RaggedGather", {"paramsNestedSplits": [whole(0, 3)], "paramsDenseValues": np.ones(3), "indices": whole(1)},
         {"outputRaggedRank": 1}, r"indices\[0\] = 1 is not in"),
        ("RaggedTensorToTensor",
         {"shape": whole(2**16, 2**16), "values": np.ones(3), "defaultValue": np.float32(0),
          "rowPartitionTensors": [whole(0, 3)]}, {"rowPartitionTypes": ["ROW_SPLITS"]}, "more than the"),
        ("RaggedTensorToTensor",
         {"shape": whole(-1, -1), "values": np.ones(3), "defaultValue": np.float32(0),
          "rowPartitionTensors": [np.int32(2), whole(0, 7)]},
         {"rowPartitionTypes": ["FIRST_DIM_SIZE", "VALUE_ROWIDS"]}, "row 7"),
        ("StringNGrams", {"data": texts("a"), "dataSplits": whole(0, 1)},
         {"separator": "", "nGramWidths": [10**9], "leftPad": "xx", "rightPad": "", "padWidth": -1}, "more than the"),
        ("StringSplit", {"input": whole(1), "delimiter": texts("a").reshape(())}, {}, "string"),
        ("StringToHashBucketFast", {"input": texts("a")}, {"numBuckets": 2**40}, "int32"),
        ("StaticRegexReplace", {"x": texts("a")}, {"pattern": "(", "rewrite": ""}, "Invalid pattern: '\\('"),
        ("StaticRegexReplace", {"x": texts("a")}, {"pattern": "((a{1000}){1000}){1000}", "rewrite": ""}, "Invalid"),
        ("StaticRegexReplace", {"x": texts("a")}, {"pattern": r"(a)\1", "rewrite": ""}, "Invalid pattern"),
        ("NonMaxSuppressionV3", {"boxes": np.ones((2, 4)), "scores": np.ones(3)},
         {"maxOutputSize": 1, "iouThreshold": 0.5, "scoreThreshold": 0.0}, "incompatible"),
        ("NonMaxSuppressionV4", {"boxes": np.ones((2, 4)), "scores": np.ones(2)},
         {"maxOutputSize": 2**31 - 1, "iouThreshold": 0.5, "scoreThreshold": 0.0, "padToMaxOutputSize": True},
         "more than the"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(kernel: str, inputs: Any, attrs: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate_kernel(kernel, inputs, attrs)


def test_patterns_take_time_linear_in_the_text() -> None:
    evil = texts("a" * 200_000)
    for pattern in ("(a+)+$b", "(a|a)*b", "(a|aa)+c", "(.*)*x"):
        got = evaluate_kernel("StaticRegexReplace", {"x": evil}, {"pattern": pattern, "rewrite": "!"})
        np.testing.assert_array_equal(got, evil)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "message"),
    [
        ("StringToNumber", [texts("1", "one")], {}, "could not correctly convert string: one"),
        ("StringToNumber", [texts("2147483648")], {"out_type": DataType("int32")}, "2147483648"),
        ("StringToNumber", [texts("9" * 5000)], {}, "could not"),
        ("Substr", [texts("abc"), whole(4), whole(1)], {}, "pos 4 out of range for string b'abc' at index 0"),
        ("StringJoin", [texts("a"), texts("b", "c")], {}, "do not match"),
        ("AsString", [whole(1)], {"precision": 2}, "precision"),
        ("AsString", [np.ones(1)], {"width": 2**31 - 1}, "more than the"),
        ("AsString", [np.ones(1)], {"fill": b"%s"}, "fill"),
        ("StringLower", [texts("a")], {"encoding": b"latin"}, "encoding"),
        ("UnicodeDecode", [texts(b"\xff")], {"input_encoding": b"UTF-8", "errors": b"strict"}, "invalid UTF-8"),
        ("UnicodeDecode", [texts("a")], {"input_encoding": b"zip"}, "'zip' is not known"),
        ("DecodeBase64", [texts("a+b")], {}, "base64"),
        ("RegexFullMatch", [texts("a"), texts("[")], {}, "Invalid pattern"),
        ("UnsortedSegmentJoin", [texts("a"), whole(5), np.int32(2)], {}, r"not in \[0, 2\)"),
        ("DecodePng", [texts("no picture").reshape(())], {}, "expected a JPEG, PNG"),
        ("DecodePng", [texts(b"\x89PNG\r\n\x1a\n" + bytes(30)).reshape(())], {}, "expected|damaged"),
        ("DecodeJpeg", [texts((IMAGES / "rgb.jpeg").read_bytes()[:300])], {}, "damaged"),
        ("DecodePng", [texts((IMAGES / "rgb.png").read_bytes()[:60])], {}, "damaged"),
        ("RaggedTensorToSparse", [whole(0, 2), np.ones(3)], {}, "row splits"),
        ("CombinedNonMaxSuppression",
         [np.ones((1, 2, 3, 4)), np.ones((1, 2, 2)), np.int32(1), np.int32(1), np.float32(0.5), np.float32(0)], {},
         "fit"),
    ],
)  # fmt: skip
def test_bad_values_are_refused(op: str, inputs: list[Array], attrs: dict[str, Any], message: str) -> None:
    made = Node("made", op, tuple(Edge(f"x{at}") for at in range(len(inputs))), attrs=attrs)
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        evaluate_node(made, inputs)
    assert "made" in str(caught.value)


def test_small_files_make_no_large_strings() -> None:
    long, many = texts("x" * 100_000).reshape(()), np.zeros(50_000, np.int32)
    cases: list[tuple[str, list[Array], dict[str, Any]]] = [
        ("Substr", [long, many, many + 100_000], {}),
        ("StringJoin", [long, texts(*[""] * 50_000)], {}),
        ("RegexReplace", [long, texts("x").reshape(()), long], {}),
        ("StringNGrams", [texts(*["x" * 1000] * 1200), whole(0, 1200)], {"ngram_widths": [500], "separator": b""}),
    ]
    for op, inputs, attrs in cases:
        made = Node("made", op, tuple(Edge(f"x{at}") for at in range(len(inputs))), attrs=attrs)
        with pytest.raises(InvalidArgumentError, match="longer than 268435456 bytes"):
            evaluate_node(made, inputs)
    shapes = {
        "Substr": [texts(*"ab" * 5000).reshape(-1, 1), *[np.zeros((1, 10_000), np.int32)] * 2],
        "RaggedTensorToSparse": [whole(0), np.zeros((0, 1 << 20, 1 << 20), np.float32)],
    }
    for op, inputs in shapes.items():
        made = Node("made", op, tuple(Edge(f"x{at}") for at in range(len(inputs))))
        with pytest.raises(InvalidArgumentError, match="more than the"):
            evaluate_node(made, inputs)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16-BE", "UTF-32-BE"])
def test_long_texts_are_decoded_in_windows(encoding: str) -> None:
    text = "aé語😀" * 2000
    data = text.encode(encoding.lower())
    for cut in range(4):
        points, begins = decoded_text(data[: len(data) - cut], encoding, Faults())
        expected = list(data[: len(data) - cut].decode(encoding.lower(), "replace"))
        assert points == [ord(character) for character in expected]
        assert begins == sorted(set(begins))
    faulty = b"\xff" * 30_000
    assert len(decoded_text(faulty, "UTF-8", Faults())[0]) == 30_000
