"""Whole conversions of zoo models: outputs against TensorFlow's, nodes against the original converter's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl_converter
from graphs import FLOAT, graph, node
from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.graph.model import graph_of
from tfgl.io import ModelArtifacts, read_artifacts, save_artifacts
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph
from tfgl.ir.lazy_array import LazyArray
from tfgl.ir.lowering import supported_ops
from tfgl_converter.formats.source_model import SourceModel, Variable
from tfgl_converter.graph_conversion import GraphChoices, convert_source_graph
from tfgl_converter.op_check import unsupported_ops
from tfgl_converter.options import INPUT_FORMATS, OUTPUT_FORMATS, output_format_of
from tfgl_converter.writers.graph_def import graph_to_json
from zoo_models import assert_close

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
SOURCES = ("tf_saved_model", "tf_frozen_model", "tf_hub")
MODELS = [
    path.parent for path in sorted(ZOO.glob("*/meta.json")) if json.loads(path.read_text())["source_format"] in SOURCES
]
# Ops that have neither a place in TensorFlow.js nor an exact rewrite, and that tfgl runs.
LACKING = {"sm_strings_more": ["StringToNumber", "Substr"]}
# Other outputs than TensorFlow's: bfloat16 rounds, variables that change, one kernel's interpolation.
OTHER_NUMBERS = {"sm_float64_half", "sm_stateful_counter", "sm_image_transform", "sm_random"}
# Nodes more than the original, which gets these wrong: shapes of looked-up values, outputs that it loses, ellipses.
LARGER = {"sm_hash_str_f", "sm_search_ragged", "sm_einsum_ellipsis"}

needs_zoo = pytest.mark.skipif(not MODELS, reason=f"no zoo of models beside the checkout ({ZOO})")


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return {key.replace("__", "/").removesuffix(":0"): archive[key] for key in archive.files}


def options_for(meta: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"input_format": meta["source_format"]}
    if meta["source_format"] == "tf_frozen_model":
        options["output_node_names"] = [key.removesuffix(":0") for key in meta["runs"][0]["outputs"]]
    else:
        options["signature_name"] = meta["runs"][0].get("signature")
    if meta.get("tags"):
        options["saved_model_tags"] = meta["tags"]
    return options


def loaded(folder: Path) -> Graph:
    return graph_of(read_artifacts(folder, expected_format="graph-model"))


@needs_zoo
@pytest.mark.parametrize("home", MODELS, ids=lambda home: home.name)
def test_tensorflow_model(home: Path, tmp_path: Path) -> None:
    meta = json.loads((home / "meta.json").read_text())
    done = tfgl_converter.convert(home / meta["source"], tmp_path / "web", **options_for(meta))
    got = loaded(tmp_path / "web")
    assert [op.op for op in unsupported_ops(got)] == LACKING.get(home.name, [])
    assert len([text for text in done.warnings if "TensorFlow.js lacks" in text]) == len(LACKING.get(home.name, []))
    official = home / "tfjs" / "graph" / "model.json"
    if official.exists() and home.name not in LARGER:
        assert len(got.nodes) <= len(json.loads(official.read_text())["modelTopology"]["node"])
    if {item.op for item in got.nodes.values()} <= supported_ops() and home.name not in OTHER_NUMBERS:
        compare(got, home, meta)
        if any(item.op == "Switch" for item in got.nodes.values()):
            options = {**options_for(meta), "control_flow_v2": True}
            tfgl_converter.convert(home / meta["source"], tmp_path / "functions", **options)
            compare(loaded(tmp_path / "functions"), home, meta)


def compare(got: Graph, home: Path, meta: dict[str, Any]) -> None:
    for case in meta["runs"]:
        if case.get("signature") != meta["runs"][0].get("signature"):
            continue
        expected = arrays(home / case["outputs_file"])
        # Some files name outputs by the layers, and the model by output_0 and so on.
        keys = (
            dict(zip(sorted(expected), sorted(got.outputs), strict=True))
            if not set(expected) <= set(got.outputs)
            else {}
        )
        feeds = {key: value for key, value in arrays(home / case["inputs_file"]).items() if key in got.inputs}
        if not feeds:
            feeds = dict(zip(got.inputs, arrays(home / case["inputs_file"]).values(), strict=True))
        results = evaluate(got, feeds, [keys.get(key, key) for key in expected])
        for key, value in expected.items():
            rtol, atol = max(meta["rtol"], 1e-4), max(meta["atol"], 1e-5)
            assert_close(results[keys.get(key, key)], value, key, rtol=rtol, atol=atol)


@needs_zoo
@pytest.mark.parametrize("name", ["sm_conv", "h5_cnn_bn", "sm_hash_int", "sm_rnn_lstm_loop"])
def test_same_input_same_bytes(name: str, tmp_path: Path) -> None:
    meta = json.loads((ZOO / name / "meta.json").read_text())
    options: dict[str, Any] = {"input_format": "tf_saved_model"}
    source = ZOO / name / meta["source"]
    if name.startswith("h5"):
        options = {"input_format": "keras", "output_format": "tfjs_graph_model"}
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        tfgl_converter.convert(source, folder, **options)
        written.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert written[0] == written[1]
    assert "conversion.json" in written[0]


@needs_zoo
def test_keras_file_into_both_kinds(tmp_path: Path) -> None:
    home = ZOO / "h5_cnn_bn"
    meta = json.loads((home / "meta.json").read_text())
    done = tfgl_converter.convert(
        home / "model.h5", tmp_path / "graph", input_format="keras", output_format="tfjs_graph_model"
    )
    got = loaded(tmp_path / "graph")
    compare(got, home, meta)
    assert done.inputs and done.outputs and done.record is not None
    layers = tfgl_converter.convert(
        home / "model.h5",
        tmp_path / "layers",
        input_format="keras",
        split_weights_by_layer=True,
        quantize_uint8=["*/kernel"],
    )
    assert layers.output_format == "tfjs_layers_model"
    assert layers.weights is not None and {item.dtype for item in layers.weights.quantized} == {"uint8"}
    assert len(json.loads((tmp_path / "layers" / "model.json").read_text())["weightsManifest"]) > 1
    tfgl_converter.convert(
        tmp_path / "layers", tmp_path / "again", input_format="tfjs_layers_model", output_format="tfjs_layers_model"
    )
    tfgl_converter.convert(
        tmp_path / "layers", tmp_path / "lg", input_format="tfjs_layers_model", output_format="tfjs_graph_model"
    )
    assert sorted(loaded(tmp_path / "lg").outputs) == sorted(got.outputs)


@needs_zoo
def test_a_table_is_filled_by_the_initialiser(tmp_path: Path) -> None:
    tfgl_converter.convert(ZOO / "sm_hash_int" / "saved_model", tmp_path / "web")
    model = json.loads((tmp_path / "web" / "model.json").read_text())
    inside = [item["op"] for item in model["modelInitializer"]["node"]]
    assert inside.count("LookupTableImportV2") == inside.count("HashTableV2") == 2
    ids = [info["resourceId"] for info in model["initializerSignature"]["outputs"].values()]
    wanted = [info["resourceId"] for info in model["signature"]["inputs"].values() if "resourceId" in info]
    assert sorted(ids) == sorted(wanted) == [1, 2]


@needs_zoo
def test_a_graph_model_again_keeps_its_graph(tmp_path: Path) -> None:
    source = ZOO / "sm_conv" / "tfjs" / "graph"
    tfgl_converter.convert(
        source, tmp_path / "web", input_format="tfjs_graph_model", weight_shard_size_bytes=1000, quantize_float16=True
    )
    before = json.loads((source / "model.json").read_text())
    after = json.loads((tmp_path / "web" / "model.json").read_text())
    assert after["modelTopology"] == before["modelTopology"]
    assert len(after["weightsManifest"][0]["paths"]) > 1


def source_model(**fields: Any) -> SourceModel:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 2)), node("y", "Mul", "x", "c", T=FLOAT, _class=[b"loc"]),
        outputs={"out": "y"}, c=np.float32([1, 2]),
    )  # fmt: skip
    return SourceModel(made, "here", **fields)


def test_the_written_graph_has_what_the_original_writes() -> None:
    artifacts = convert_source_graph(source_model(), metadata={"who": "me"}).artifacts
    assert artifacts.model_topology is not None
    c, x, y = artifacts.model_topology["node"]
    assert c == {
        "name": "c", "op": "Const",
        "attr": {
            "dtype": {"type": "DT_FLOAT"},
            "value": {"tensor": {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]}}},
        },
    }  # fmt: skip
    assert x["attr"]["shape"] == {"shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}
    assert y == {"name": "y", "op": "Mul", "input": ["x", "c"], "attr": {"T": {"type": "DT_FLOAT"}}}
    assert artifacts.signature is not None
    assert artifacts.signature["outputs"]["out"]["name"] == "y:0"
    assert artifacts.user_defined_metadata == {"who": "me"}


def test_structured_outputs_need_a_dictionary() -> None:
    choices = GraphChoices(structured_outputs=True)
    with pytest.raises(InvalidArgumentError, match="flat dictionary"):
        convert_source_graph(source_model(), choices)
    artifacts = convert_source_graph(source_model(structured_outputs=("b", "a")), choices).artifacts
    assert artifacts.structured_output_keys == ["a", "b"]


def test_a_kept_loop_reads_back(tmp_path: Path) -> None:
    from test_passes_control_flow import nested

    before, functions = nested()
    before = before.replace(functions={f.name: f for f in functions})
    result = convert_source_graph(SourceModel(before, "here"), GraphChoices(control_flow_v2=True))
    save_artifacts(result.artifacts, tmp_path / "web")
    got = loaded(tmp_path / "web")
    assert set(got.functions) == {"less", "outer", "inner"}
    assert all(name.startswith(f"{key}/") for key, f in got.functions.items() for name in f.graph.constants)


def test_constants_of_functions_keep_their_own_names_apart() -> None:
    made = graph(node("x", "Placeholder", dtype=FLOAT), node("y", "Neg", "x"), outputs={"y": "y"})
    topology, weights = graph_to_json(made)
    assert topology["library"] == {} and weights == {}


def test_every_pair_of_formats_is_either_served_or_refused() -> None:
    served = 0
    for source in INPUT_FORMATS:
        assert output_format_of(source, None) in OUTPUT_FORMATS
        for target in OUTPUT_FORMATS:
            try:
                assert output_format_of(source, target) == target
                served += 1
            except InvalidArgumentError as error:
                assert f"Unsupported input_format - output_format pair: {source} - {target}" in str(error)
    assert served > 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_format": "tflit"}, "unknown input_format"),
        ({"output_format": "onnx"}, "unknown output_format"),
        ({"output_format": "keras"}, "Unsupported input_format - output_format pair: tf_saved_model - keras"),
        ({"input_format": "keras", "signature_name": "s"}, "signature_name serves"),
        ({"input_format": "keras", "saved_model_tags": ["a"]}, "saved_model_tags serves"),
        ({"input_format": "keras", "control_flow_v2": True}, "control_flow_v2 serves"),
        ({"weight_shard_size_bytes": 0}, "positive number"),
        ({"weight_shard_size_bytes": True}, "positive number"),
        ({"split_weights_by_layer": True}, "split_weights_by_layer serves"),
        ({"input_format": "tf_frozen_model"}, "output_node_names"),
        ({"input_format": "tfjs_layers_model", "quantize_uint8": True}, "quantization serves"),
        ({"metadata": {"a": "missing.json"}}, "no file 'missing.json'"),
        ({"passes": ["no"]}, "no pass 'no'"),
        ({"strip": True}, "strip"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    source = ZOO / "sm_unused_input" / "saved_model"
    if not source.exists():
        pytest.skip("no zoo")
    with pytest.raises(InvalidArgumentError, match=message):
        tfgl_converter.convert(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@needs_zoo
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("sm_conv/saved_model", {"signature_name": "none"}),
        ("sm_conv/saved_model", {"saved_model_tags": ["train"]}),
        ("sm_conv/meta.json", {}),
        ("sm_conv/meta.json", {"input_format": "keras"}),
        ("sm_conv/saved_model", {"input_format": "keras"}),
        ("h5_subclass_custom/model.h5", {"input_format": "keras", "output_format": "tfjs_graph_model"}),
        ("frozen_mlp/frozen.pb", {"input_format": "tf_frozen_model", "output_node_names": ["nowhere"]}),
        ("sm_conv/tfjs/graph", {"input_format": "tfjs_layers_model"}),
    ],
)
def test_bad_sources_leave_nothing_behind(path: str, options: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(TfglError) as caught:
        tfgl_converter.convert(ZOO / path, target, **options)
    assert isinstance(caught.value, (ModelFormatError, InvalidArgumentError))
    assert list(tmp_path.iterdir()) == []


@needs_zoo
def test_an_output_that_is_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        tfgl_converter.convert(ZOO / "sm_conv" / "saved_model", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_earlier_record_goes_with_its_model(tmp_path: Path) -> None:
    source = ZOO / "sm_unused_input" / "saved_model"
    if not source.exists():
        pytest.skip("no zoo")
    tfgl_converter.convert(source, tmp_path / "web")
    assert json.loads((tmp_path / "web" / "conversion.json").read_text())["source"]["format"] == "tf_saved_model"
    tfgl_converter.convert(source, tmp_path / "web", record=False)
    assert not (tmp_path / "web" / "conversion.json").exists()
    assert isinstance(read_artifacts(tmp_path / "web"), ModelArtifacts)


def test_large_weights_are_read_while_they_are_written(tmp_path: Path) -> None:
    reads = []

    def read() -> Any:
        reads.append(1)
        return np.ones((300, 200), np.float64)

    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("v", "VarHandleOp"),
        node("r", "ReadVariableOp", "v", dtype=FLOAT), node("y", "MatMul", "x", "r", T=FLOAT), outputs={"y": "y"},
    )  # fmt: skip
    value = LazyArray((300, 200), np.dtype(np.float64), read, "a file")
    source = SourceModel(made, "here", variables={"v": Variable("v", FLOAT, value)})
    result = convert_source_graph(source)
    assert reads == []
    save_artifacts(result.artifacts, tmp_path / "web")
    assert len(reads) == 1
    assert loaded(tmp_path / "web").constants["r"].dtype == np.float32
