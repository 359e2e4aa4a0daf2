"""TensorFlow Lite files: what the reader makes of operators, against TensorFlow Lite's own outputs and NumPy."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgl.errors import InvalidArgumentError, UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph
from tfgl.ir.graphdef import graph_from_json
from tfgl_converter import convert
from tfgl_converter.formats.source_model import SourceModel
from tfgl_converter.formats.tflite_model import read_tflite
from tfgl_converter.graph_conversion import convert_source_graph
from tflite_files import Op, Signature, Subgraph, Tensor, tflite_bytes

Arrays = dict[str, np.ndarray[Any, Any]]
DATA = Path(__file__).parent / "data" / "tflite"
sys.path.insert(0, str(DATA))
ZOO = Path(__file__).parents[2] / "shared" / "zoo" / "tflite_mlp"


def passed(source: SourceModel) -> Graph:
    """The graph as it is written."""
    artifacts = convert_source_graph(source).artifacts
    weights = {name: np.asarray(value) for name, value in artifacts.weights.items()}
    return graph_from_json(artifacts.model_topology, weights, artifacts.signature)


def run(path: Path, feeds: Mapping[str, Any], signature: str | None = None) -> Arrays:
    graph = passed(read_tflite(path, signature))
    return evaluate(graph, feeds, list(graph.outputs), precision="float32")


def written(tmp_path: Path, graph: Subgraph, **more: Any) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_bytes([graph], **more))
    return path


def golden(name: str, signature: str = "") -> tuple[Arrays, Arrays]:
    arrays = np.load(DATA / f"{name}.npz")
    prefix = f"{signature}/" if signature else ""
    sides = []
    for side in ("in", "out"):
        start = f"{prefix}{side}:"
        sides.append({key.removeprefix(start): arrays[key] for key in arrays.files if key.startswith(start)})
    return sides[0], sides[1]


def compare(found: Mapping[str, Any], expected: Arrays, steps: int = 0) -> None:
    """Floats to 1e-5 of the largest, integers to ``steps``."""
    assert set(found) == set(expected)
    for key, wanted in expected.items():
        got = np.asarray(found[key])
        assert got.shape == wanted.shape, key
        if wanted.dtype.kind == "f":
            atol = 1e-5 * max(1.0, float(np.abs(wanted).max(initial=0)))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=atol, err_msg=key)
        else:
            np.testing.assert_allclose(got.astype(np.int64), wanted.astype(np.int64), rtol=0, atol=steps, err_msg=key)


def _handmade() -> list[str]:
    return list(dict.fromkeys(key.partition("/")[0] for key in np.load(DATA / "handmade.npz").files))


@pytest.mark.parametrize("name", ["elementwise", "convolution", "recurrent", "shaping", "control_flow"])
def test_operators_compute_what_tensorflow_lite_computes(name: str) -> None:
    feeds, expected = golden(name)
    graph = passed(read_tflite(DATA / f"{name}.tflite"))
    unsupported = []
    for key, wanted in expected.items():
        needed = graph.prune([key])
        try:
            compare(evaluate(graph, {k: v for k, v in feeds.items() if k in graph.inputs}, [key], precision="float32"),
                    {key: wanted})  # fmt: skip
        except UnsupportedOpError as error:
            assert {node.op for node in needed.nodes.values()} & _LATER, error
            unsupported.append(key)
    if len(unsupported) == len(expected):
        pytest.skip(f"the reference has no {', '.join(sorted(_LATER))} yet")


# Ops of TensorFlow.js that the reference kernels do not have.
_LATER = {"RFFT", "Switch", "Merge", "Enter"}


@pytest.mark.parametrize("signature", _handmade())
def test_rare_operators_compute_what_tensorflow_lite_computes(signature: str) -> None:
    feeds, expected = golden("handmade", signature)
    compare(run(DATA / "handmade.tflite", feeds, signature), expected)


@pytest.mark.parametrize("signature", ["lstm", "lstm_all", "lstm_cifg", "rnn_sequence", "lstm_both_ways"])
def test_sequences_of_open_length_are_loops(tmp_path: Path, signature: str) -> None:
    from handmade import cases

    feeds, expected = golden("handmade", signature)
    graph = cases()[signature]
    for tensor in graph.tensors:
        if tensor.name in (*graph.inputs, *graph.outputs):
            tensor.signature = [-1, -1, tensor.shape[2]]
    path = written(tmp_path, graph)
    assert any(node.op == "StatelessWhile" for node in read_tflite(path).graph.nodes.values())
    compare(run(path, feeds), expected)


@pytest.mark.parametrize("kind", ["float16", "dynamic", "int8", "uint8", "int16x8"])
def test_quantised_networks_keep_the_dtypes_of_their_ends(kind: str) -> None:
    feeds, expected = golden(f"network_{kind}")
    source = read_tflite(DATA / f"network_{kind}.tflite")
    (key, given), (result, wanted) = *feeds.items(), *expected.items()
    assert source.graph.inputs[key].dtype == str(given.dtype)
    assert source.graph.outputs[result].dtype == str(wanted.dtype)
    found = run(DATA / f"network_{kind}.tflite", feeds)[result]
    if wanted.dtype.kind == "f":
        # int16x8 and dynamic quantise what floats keep.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 if kind == "float16" else 5e-3)
    else:
        np.testing.assert_allclose(found, wanted.astype(np.int64), rtol=0, atol=2)


@pytest.mark.skipif(not ZOO.is_dir(), reason="the model zoo is not beside this repository")
def test_the_zoo_converts() -> None:
    for entry in json.loads((ZOO / "meta.json").read_text())["runs"]:
        given, wanted = (np.load(ZOO / entry[f"{side}_file"]) for side in ("inputs", "outputs"))
        graph = passed(read_tflite(ZOO / entry["source"]))
        (key,), (result,) = graph.inputs, graph.outputs
        found = evaluate(graph, {key: given[given.files[0]]}, [result], precision="float32")[result]
        exact = wanted[wanted.files[0]]
        assert found.shape == exact.shape
        rough = "dynamic" in entry["source"] or "x8" in entry["source"]
        atol = 2 if exact.dtype == np.int8 else 2e-2 if rough else 1e-3
        np.testing.assert_allclose(found, exact.astype(np.float64), rtol=0, atol=atol)


def _dense(weights: Tensor, *others: Tensor, bias: str = "") -> Subgraph:
    units = weights.shape[0]
    op = Op("FULLY_CONNECTED", ["x", weights.name, bias], ["y"], "FullyConnectedOptions", {})
    return Subgraph(
        [Tensor("x", [1, weights.shape[1]]), weights, *others, Tensor("y", [1, units])], [op], ["x"], ["y"]
    )


def test_weights_of_a_scale_for_each_channel(tmp_path: Path) -> None:
    stored = np.array([[1, -2, 3], [100, 0, -128]], np.int8)
    scale = [0.5, 0.01]
    bias = Tensor("b", data=np.array([10, -4], np.int32), scale=[0.25, 0.5])
    graph = _dense(Tensor("w", data=stored, scale=scale), bias, bias="b")
    x = np.array([[1.0, 2.0, -1.0]], np.float32)
    expected = x @ (stored * np.array(scale)[:, None]).T + np.array([2.5, -2.0])
    np.testing.assert_allclose(run(written(tmp_path, graph), {"x": x})["y"], expected, rtol=1e-6)


def test_weights_of_four_bits(tmp_path: Path) -> None:
    values = np.array([[1, -2, 7], [-8, 0, 3]])
    halves = [int(value) & 15 for value in values.reshape(-1)]
    packed = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    graph = _dense(Tensor("w", [2, 3], "INT4", data=packed, scale=[0.5]))
    x = np.array([[1.0, 2.0, -1.0]], np.float32)
    np.testing.assert_allclose(run(written(tmp_path, graph), {"x": x})["y"], x @ (0.5 * values).T, rtol=1e-6)


@pytest.mark.parametrize("blocks", [False, True])
def test_sparse_weights(tmp_path: Path, blocks: bool) -> None:
    dense = np.zeros((4, 8), np.float32)
    dense[0, 4:] = [1, 2, 3, 4]
    dense[2, :4] = [5, 6, 7, 8]
    if blocks:
        # Rows dense, blocks of four columns compressed, their columns dense.
        sparsity = {"order": [0, 1, 2], "blocks": [1], "levels": [4, ([0, 1, 1, 2, 2], [1, 0]), 4]}
    else:
        sparsity = {"order": [0, 1], "levels": [4, ([0, 4, 4, 8, 8], [4, 5, 6, 7, 0, 1, 2, 3])]}
    values = np.arange(1, 9, dtype=np.float32)
    graph = _dense(Tensor("w", [4, 8], data=values.tobytes(), sparsity=sparsity))
    x = np.linspace(-1, 1, 8, dtype=np.float32)[None]
    np.testing.assert_allclose(run(written(tmp_path, graph), {"x": x})["y"], x @ dense.T, rtol=1e-6)


def test_buffers_behind_the_flatbuffer(tmp_path: Path) -> None:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = written(tmp_path, _dense(Tensor("w", data=weights)), behind=True)
    x = np.ones((1, 3), np.float32)
    assert run(path, {"x": x})["y"].tolist() == (x @ weights.T).tolist()


def test_large_weights_stay_in_their_file(tmp_path: Path) -> None:
    weights = np.arange(8192, dtype=np.int8).reshape(64, 128)
    source = read_tflite(written(tmp_path, _dense(Tensor("w", data=weights, scale=[0.5]))))
    (held,) = [value for value in source.graph.constants.values() if value.size == 8192]
    assert type(held).__name__ == "LazyArray" and held.dtype == np.float32 and held.shape == (128, 64)
    np.testing.assert_array_equal(np.asarray(held), 0.5 * weights.T)


def test_names_are_those_of_signatures_and_tensors(tmp_path: Path) -> None:
    graph = Subgraph(
        [Tensor("serving_default_a:0", [2]), Tensor("block/mul;block/add", [2]), Tensor("Partitioned:0", [2])],
        [Op("NEG", ["serving_default_a:0"], ["block/mul;block/add"]), Op("ABS", ["block/mul;block/add"],
                                                                         ["Partitioned:0"])],
        ["serving_default_a:0"], ["Partitioned:0"],
    )  # fmt: skip
    keys = {"_first input": "serving_default_a:0"}, {"best one": "Partitioned:0"}
    source = read_tflite(written(tmp_path, graph, signatures=[Signature("run", *keys)]))
    assert source.signature_key == "run"
    assert list(source.graph.inputs) == ["_first input"] and list(source.graph.outputs) == ["best one"]
    assert list(source.graph.nodes) == ["first_input", "block/mul", "best_one"]
    source = read_tflite(written(tmp_path, graph))
    assert list(source.graph.inputs) == ["serving_default_a"] and list(source.graph.outputs) == ["Partitioned"]


def test_a_signature_is_chosen_by_name(tmp_path: Path) -> None:
    graphs = [
        Subgraph([Tensor("x", [2]), Tensor("y", [2])], [Op(code, ["x"], ["y"])], ["x"], ["y"])
        for code in ("NEG", "ABS")
    ]
    ends = {"x": "x"}, {"y": "y"}
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_bytes(graphs, [Signature("first", *ends, 0), Signature("second", *ends, 1)]))
    x = np.array([-1.0, 2.0], np.float32)
    assert run(path, {"x": x}, "second")["y"].tolist() == [1.0, 2.0]
    with pytest.raises(InvalidArgumentError, match=r"no signature 'third'; it has 'first', 'second'"):
        read_tflite(path, "third")
    with pytest.raises(InvalidArgumentError, match=r"--signature_name: 'first', 'second'"):
        read_tflite(path)
    with pytest.raises(InvalidArgumentError, match=r"no signatures at all"):
        read_tflite(written(tmp_path, graphs[0]), "first")


def test_operators_that_nothing_serves_are_counted(tmp_path: Path) -> None:
    graph = Subgraph(
        [Tensor("x", [2]), Tensor("a/one", [2]), Tensor("y", [2])],
        [Op("custom:Magic", ["x"], ["a/one"]), Op("custom:Magic", ["a/one"], ["y"])],
        ["x"], ["y"],
    )  # fmt: skip
    path = written(tmp_path, graph)
    with pytest.raises(UnsupportedOpError, match=r"Magic \(2 nodes, the first 'a/one' in 'a'; no rewrite is known\)"):
        convert(path, tmp_path / "out", input_format="tflite")
    assert not (tmp_path / "out").exists()
    done = convert(path, tmp_path / "out", input_format="tflite", skip_op_check=True)
    assert done.ops["Magic"] == 2


def test_flex_operators_are_tensorflows_own(tmp_path: Path) -> None:
    from flatbuffers import flexbuffers

    from tfgl_converter.formats.protobuf_schema import message_class

    node = message_class("NodeDef")(name="n", op="Cumprod")
    node.attr["exclusive"].b = True
    node.attr["reverse"].b = False
    builder = flexbuffers.Builder()
    with builder.Vector():
        builder.String("Cumprod")
        builder.String(node.SerializeToString().decode("latin-1"))
    graph = Subgraph(
        [Tensor("x", [3]), Tensor("axis", data=np.array(0, np.int32)), Tensor("y", [3])],
        [Op("custom:FlexCumprod", ["x", "axis"], ["y"], custom=bytes(builder.Finish()))], ["x"], ["y"],
    )  # fmt: skip
    graph.tensors[1].shape = []
    x = np.array([2.0, 3.0, 4.0], np.float32)
    assert run(written(tmp_path, graph), {"x": x})["y"].tolist() == [1.0, 2.0, 6.0]


def test_transposed_convolution_of_mediapipe(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    filters, bias = rng.normal(size=(3, 2, 2, 4)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    x = rng.normal(size=(1, 3, 4, 4)).astype(np.float32)
    graph = Subgraph(
        [Tensor("x", x.shape), Tensor("w", data=filters), Tensor("b", data=bias), Tensor("y", [1, 6, 8, 3])],
        [Op("custom:Convolution2DTransposeBias", ["x", "w", "b"], ["y"], custom=struct.pack("<3i", 1, 2, 2))],
        ["x"], ["y"],
    )  # fmt: skip
    # Windows of the size of the stride do not overlap.
    expected = np.einsum("bhwi,ouvi->bhuwvo", x, filters).reshape(1, 6, 8, 3) + bias
    np.testing.assert_allclose(run(written(tmp_path, graph), {"x": x})["y"], expected, rtol=1e-5, atol=1e-5)


def _variable(*operators: Op) -> list[Subgraph]:
    handle = {"Container": "", "SharedName": "v"}
    start = Subgraph(
        [Tensor("h", [], "RESOURCE"), Tensor("c", data=np.array([1.0, 2.0], np.float32))],
        [Op("VAR_HANDLE", [], ["h"], "VarHandleOptions", handle), Op("ASSIGN_VARIABLE", ["h", "c"], [])], [], [],
    )  # fmt: skip
    names = ("x", "old", "new", "y")
    main = Subgraph(
        [Tensor("h", [], "RESOURCE"), *(Tensor(name, [2]) for name in names)],
        [Op("CALL_ONCE", [], [], "CallOnceOptions", {"InitSubgraphIndex": 1}),
         Op("VAR_HANDLE", [], ["h"], "VarHandleOptions", handle), *operators],
        ["x"], ["y"],
    )  # fmt: skip
    return [main, start]


def test_variables_have_the_values_of_their_place(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    read = Op("READ_VARIABLE", ["h"], ["old"])
    path.write_bytes(tflite_bytes(_variable(read, Op("ADD", ["x", "old"], ["y"], "AddOptions"))))
    assert run(path, {"x": np.array([10.0, 20.0], np.float32)})["y"].tolist() == [11.0, 22.0]
    assert read_tflite(path).warnings == ()
    steps = [
        read, Op("ADD", ["x", "old"], ["new"], "AddOptions"), Op("ASSIGN_VARIABLE", ["h", "new"], []),
        Op("READ_VARIABLE", ["h"], ["y"]),
    ]  # fmt: skip
    path.write_bytes(tflite_bytes(_variable(*steps)))
    assert run(path, {"x": np.array([10.0, 20.0], np.float32)})["y"].tolist() == [11.0, 22.0]
    (warning,) = read_tflite(path).warnings
    assert "'v' keeps a value between calls" in warning


def test_tables_hold_what_is_imported_once(tmp_path: Path) -> None:
    table = {"TableId": 3, "KeyDtype": 4, "ValueDtype": 4}
    keys, values = np.array([5, 6], np.int64), np.array([50, 60], np.int64)
    start = Subgraph(
        [Tensor("t", [], "RESOURCE"), Tensor("k", data=keys), Tensor("v", data=values)],
        [Op("HASHTABLE", [], ["t"], "HashtableOptions", table), Op("HASHTABLE_IMPORT", ["t", "k", "v"], [])], [], [],
    )  # fmt: skip
    main = Subgraph(
        [Tensor("t", [], "RESOURCE"), Tensor("x", [2], "INT64"), Tensor("d", data=np.array([-1], np.int64)),
         Tensor("y", [2], "INT64")],
        [Op("CALL_ONCE", [], [], "CallOnceOptions", {"InitSubgraphIndex": 1}),
         Op("HASHTABLE", [], ["t"], "HashtableOptions", table), Op("HASHTABLE_FIND", ["t", "x", "d"], ["y"])],
        ["x"], ["y"],
    )  # fmt: skip
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_bytes([main, start]))
    source = read_tflite(path)
    (found,) = source.tables.values()
    assert found.keys.tolist() == [5, 6] and found.values.tolist() == [50, 60]
    convert(path, tmp_path / "out", input_format="tflite")
    assert "modelInitializer" in json.loads((tmp_path / "out" / "model.json").read_text())


def test_composites_are_their_decompositions(tmp_path: Path) -> None:
    inner = Subgraph([Tensor("a", [2]), Tensor("b", [2])], [Op("NEG", ["a"], ["b"])], ["a"], ["b"], "inner")
    options = {"Name": "odml.thing", "DecompositionSubgraphIndex": 1}
    main = Subgraph(
        [Tensor("x", [2]), Tensor("y", [2])],
        [Op("STABLEHLO_COMPOSITE", ["x"], ["y"], "StableHLOCompositeOptions", options)], ["x"], ["y"],
    )  # fmt: skip
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_bytes([main, inner]))
    assert run(path, {"x": np.array([1.0, -2.0], np.float32)})["y"].tolist() == [-1.0, 2.0]


def test_integers_of_a_scale_go_in_and_come_out(tmp_path: Path) -> None:
    ends = {"type": "UINT8", "scale": [0.5], "zero": [10]}
    graph = Subgraph([Tensor("x", [4], **ends), Tensor("y", [4], **ends)], [Op("NEG", ["x"], ["y"])], ["x"], ["y"])
    path = written(tmp_path, graph)
    source = read_tflite(path)
    assert source.graph.inputs["x"].dtype == source.graph.outputs["y"].dtype == "uint8"
    (warning,) = source.warnings
    assert "input 'x' (uint8: 0.5 * (n - 10)), output 'y' (uint8: 0.5 * (n - 10))" in warning
    # 10 stands for 0, and -(30 - 10) lies below what uint8 holds.
    found = run(path, {"x": np.array([10, 12, 5, 30], np.uint8)})["y"]
    assert found.tolist() == [10, 8, 15, 0]


def test_pairs_of_quantise_and_dequantise_round(tmp_path: Path) -> None:
    graph = Subgraph(
        [Tensor("x", [3]), Tensor("q", [3], "INT8", scale=[0.5], zero=[0]), Tensor("y", [3])],
        [Op("QUANTIZE", ["x"], ["q"]), Op("DEQUANTIZE", ["q"], ["y"])], ["x"], ["y"],
    )  # fmt: skip
    found = run(written(tmp_path, graph), {"x": np.array([0.6, -1.1, 1000.0], np.float32)})["y"]
    assert found.tolist() == [0.5, -1.0, 63.5]
