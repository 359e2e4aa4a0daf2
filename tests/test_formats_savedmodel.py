"""SavedModels: the zoo against TensorFlow's outputs, small files of our own, damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import tensorflow_files as tf_files
from tensorflow_files import Attr, add_constant, add_node, add_signature, add_variable, dtype
from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Edge, FunctionName
from tfgl.ir.lazy_array import LazyArray
from tfgl_converter.formats import message_file
from tfgl_converter.formats.frozen_graph import read_frozen_graph
from tfgl_converter.formats.hub import read_hub_module
from tfgl_converter.formats.protobuf_schema import message_class
from tfgl_converter.formats.saved_model import read_saved_model
from tfgl_converter.formats.source_model import SourceModel
from tfgl_converter.formats.variable_values import slice_extents

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
SOURCES = {"tf_saved_model": "saved_model", "tf_hub": "module", "tf_frozen_model": "frozen.pb"}
MODELS = [
    folder.parent.name
    for folder in sorted(ZOO.glob("*/meta.json"))
    if any((folder.parent / name).exists() for name in SOURCES.values())
]
# What the evaluator of single nodes can run: no loops, tables, strings, random numbers, and ops that it has.
EVALUATED = {
    "frozen_mlp", "hub_tf1", "k3_mha", "k3_mlp", "sm_bert_tiny_tanhgelu", "sm_const_fold_core", "sm_conv", "sm_cumsum",
    "sm_einsum_ellipsis", "sm_float64_half", "sm_int_big", "sm_int_big_core", "sm_pool", "sm_resize",
    "sm_segment_core", "sm_unary_core", "sm_unused_input", "sm_wavenet", "tf1_savedmodel",
}  # fmt: skip
TABLES = {
    "sm_hash_int": {7: 0.1, 9: 0.3},
    "sm_hash_int_to_str": {0: b"zero", 2: b"two"},
    "sm_hash_str_f": {b"a": 1.5, b"b": -2.5},
    "tf1_savedmodel_table": {b"a": 1, b"c": 3},
}
needs_zoo = pytest.mark.skipif(not MODELS, reason=f"no zoo of models beside the checkout ({ZOO})")


def meta(name: str) -> Any:
    return json.loads((ZOO / name / "meta.json").read_text())


def read_zoo(name: str, signature: str | None = None) -> SourceModel:
    folder = ZOO / name
    if (folder / "frozen.pb").exists():
        return read_frozen_graph(folder / "frozen.pb", meta(name)["output_node_names"])
    if (folder / "module").exists():
        return read_hub_module(folder / "module", signature=signature)
    return read_saved_model(folder / "saved_model", signature=signature)


def load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=True) as arrays:
        return {key.replace("__", "/").removesuffix(":0"): arrays[key] for key in arrays}


@needs_zoo
@pytest.mark.parametrize("name", MODELS)
def test_zoo_is_read(name: str) -> None:
    for run in meta(name)["runs"]:
        model = read_zoo(name, run["signature"])
        if not name.startswith("frozen"):
            inputs = model.graph.signature.inputs
            assert set(run["inputs"]) == set(inputs) or len(inputs) == len(run["inputs"]) == 1
            assert len(model.graph.signature.outputs) == len(run["outputs"])
            assert model.tensorflow_version.startswith("2.19")
        for variable in model.variables.values():
            assert variable.value is not None, variable.node
            assert variable.value.read().shape == variable.value.shape
        for node in model.graph.nodes.values():
            called = node.attrs.get("f")
            assert not isinstance(called, FunctionName) or called in model.graph.functions


@needs_zoo
@pytest.mark.parametrize("name", sorted(set(MODELS) & EVALUATED))
def test_zoo_gives_tensorflows_outputs(name: str) -> None:
    freeze = pytest.importorskip("tfgl_converter.passes.freeze_variables").freeze_variables
    inline = pytest.importorskip("tfgl_converter.passes.inline_functions").inline_functions
    context_class = pytest.importorskip("tfgl_converter.passes.rewriting").PassContext
    about = meta(name)
    for run in about["runs"]:
        model = read_zoo(name, run["signature"])
        signature = model.graph.signature
        kept = frozenset(info.edge.node for info in (*signature.inputs.values(), *signature.outputs.values()))
        values = {key: variable.value.read for key, variable in model.variables.items() if variable.value is not None}
        context = context_class(kept, values)
        graph = freeze(inline(model.graph, context).graph, context).graph
        feeds = load(ZOO / name / run["inputs_file"])
        results = evaluate(graph, feeds, signature.outputs, precision="float32")
        for key, expected in load(ZOO / name / run["outputs_file"]).items():
            actual = results[key] if key in results else next(iter(results.values()))
            np.testing.assert_allclose(actual, expected, rtol=max(about["rtol"], 1e-4), atol=max(about["atol"], 1e-5))


@needs_zoo
@pytest.mark.parametrize("name", sorted(set(TABLES) & set(MODELS)))
def test_zoo_tables(name: str) -> None:
    table = read_zoo(name).tables["hash_table"]
    rows = dict(zip(table.keys.tolist(), table.values.tolist(), strict=True))
    for key, value in TABLES[name].items():
        assert rows[key] == (pytest.approx(value) if isinstance(value, float) else value)


@needs_zoo
@pytest.mark.parametrize("name", ["k3_mlp", "sm_hash_int", "sm_stateful_counter"])
def test_functions_stand_for_missing_signatures(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ZOO / name / "saved_model", folder)
    message = message_class("SavedModel").FromString((folder / "saved_model.pb").read_bytes())
    signatures = message.meta_graphs[0].signature_def
    for key in [key for key in signatures if not key.startswith("__")]:
        del signatures[key]
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    with_signature, without = read_zoo(name), read_saved_model(folder)
    assert list(without.signatures) == [{"k3_mlp": "serve"}.get(name, "f")]
    assert list(without.graph.signature.inputs) == list(with_signature.graph.signature.inputs)
    assert list(without.graph.signature.outputs) == list(with_signature.graph.signature.outputs)
    assert sorted(without.tables) == sorted(with_signature.tables)
    read = [
        sorted(variable.value.read().tobytes() for variable in model.variables.values() if variable.value is not None)
        for model in (with_signature, without)
    ]
    assert read[0] == read[1] and len(read[0]) == len(without.variables)


@needs_zoo
def test_large_values_stay_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = 0
    for name in ("frozen_mlp", "sm_nms", "sm_wavenet", "sm_const_fold_core"):
        whole = read_zoo(name)
        monkeypatch.setattr(message_file, "LARGE_BYTES", 32)
        left = read_zoo(name)
        monkeypatch.undo()
        graphs = [(whole.graph, left.graph)]
        graphs += [(whole.graph.functions[key].graph, left.graph.functions[key].graph) for key in whole.graph.functions]
        for a, b in graphs:
            assert a.nodes.keys() == b.nodes.keys() and a.constants.keys() == b.constants.keys()
            for key, value in a.constants.items():
                np.testing.assert_array_equal(value, np.asarray(b.constants[key]))
                lazy += isinstance(b.constants[key], LazyArray)
    assert lazy > 2


@needs_zoo
@pytest.mark.parametrize("name", ["sm_hash_int", "tf1_savedmodel_table", "frozen_mlp"])
def test_damaged_zoo_files_raise_nothing_else(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    frozen = name.startswith("frozen")
    if frozen:
        folder.mkdir()
        shutil.copy(ZOO / name / "frozen.pb", folder)
    else:
        shutil.copytree(ZOO / name / "saved_model", folder)
    file = folder / ("frozen.pb" if frozen else "saved_model.pb")
    whole = file.read_bytes()
    rng = np.random.default_rng(3)
    for at in rng.integers(0, len(whole), 60).tolist():
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ int(rng.integers(1, 256))]) + whole[at + 1 :]):
            file.write_bytes(data)
            try:
                if frozen:
                    read_frozen_graph(file, ["probs"])
                else:
                    read_saved_model(folder)
            except TfglError as error:
                assert str(error)


def restoring(graph: Any, keys: list[str], slices: list[str], targets: list[str], assign: str = "Assign") -> None:
    add_constant(graph.node, "save/names", np.array([key.encode() for key in keys], object))
    add_constant(graph.node, "save/slices", np.array([spec.encode() for spec in slices], object))
    add_constant(graph.node, "save/Const", np.array(b"model", object))
    add_node(graph.node, "save/RestoreV2", "RestoreV2", "save/Const", "save/names", "save/slices")
    for i, target in enumerate(targets):
        add_node(graph.node, f"save/Assign_{i}", assign, target, f"save/RestoreV2:{i}")
    waiting = [f"^save/Assign_{i}" for i in range(len(targets))]
    add_node(graph.node, "save/restore_all", "NoOp", *waiting)


def test_tensorflow_1_variables(tmp_path: Path) -> None:
    message, meta_graph = tf_files.new_saved_model()
    graph = meta_graph.graph_def
    add_node(graph.node, "x", "Placeholder", dtype=dtype("float32"), shape=(-1, 2))
    for part in range(2):
        add_variable(graph.node, f"w/part_{part}", (1, 3), "VariableV2")
        add_node(graph.node, f"w/part_{part}/read", "Identity", f"w/part_{part}")
    add_constant(graph.node, "axis", np.int32(0))
    add_node(graph.node, "w", "ConcatV2", "w/part_0/read", "w/part_1/read", "axis", N=2)
    add_node(graph.node, "y", "MatMul", "x", "w")
    restoring(graph, ["w", "w"], ["2 3 0,1:0,3", "2 3 1,1:0,3"], ["w/part_0", "w/part_1"])
    meta_graph.saver_def.restore_op_name = "save/restore_all"
    add_signature(meta_graph, "serving_default", {"x": "x:0"}, {"y": "y:0"})
    whole = np.arange(6, dtype=np.float32).reshape(2, 3)
    folder = tf_files.write_saved_model(tmp_path / "m", message)
    parts = [(((0, 1), (0, 3)), whole[:1]), (((1, 1), (0, 3)), whole[1:])]
    tf_files.write_bundle(folder / "variables" / "variables", {}, slices={"w": (whole.shape, parts)})
    model = read_saved_model(folder)
    assert sorted(model.variables) == ["w/part_0", "w/part_1"]
    for part in range(2):
        value = model.variables[f"w/part_{part}"].value
        assert value is not None
        np.testing.assert_array_equal(value.read(), whole[part : part + 1])
    assert "save/restore_all" not in model.graph.nodes
    assert model.graph.versions.producer == 1882 and model.tags == ("serve",)


def test_names_of_the_collections_when_nothing_restores(tmp_path: Path) -> None:
    message, meta_graph = tf_files.new_saved_model([])
    add_variable(meta_graph.graph_def.node, "module/w_1", (2,))
    add_variable(meta_graph.graph_def.node, "module/b", (2,))
    add_node(meta_graph.graph_def.node, "y", "AddV2", "module/w_1", "module/b")
    definition = message_class("VariableDef")(variable_name="module/w_1:0")
    definition.save_slice_info_def.full_name = "module/w"
    definition.save_slice_info_def.var_offset.append(2)
    definition.save_slice_info_def.var_shape.append(2)
    meta_graph.collection_def["variables"].bytes_list.value.append(definition.SerializeToString())
    add_signature(meta_graph, "default", {}, {"y": "y:0"})
    tensors = {"module/w": np.arange(4, dtype=np.float32), "module/b": np.ones(2, np.float32)}
    model = read_saved_model(tf_files.write_saved_model(tmp_path / "m", message, **tensors), ())
    values = {name: np.asarray(variable.value).tolist() for name, variable in model.variables.items()}
    assert values == {"module/w_1": [2, 3], "module/b": [1, 1]}


def test_restoring_function_says_which_tensor_is_whose(tmp_path: Path) -> None:
    """Two variables of the same name: only TensorFlow's own restoring function tells them apart."""
    message, meta_graph = tf_files.new_saved_model()
    graph = meta_graph.graph_def
    for name in ("w", "w_1"):
        add_variable(graph.node, name, (2,))
        add_node(graph.node, f"{name}/read", "ReadVariableOp", name, dtype=dtype("float32"))
    add_node(graph.node, "y", "Sub", "w/read", "w_1/read")
    add_node(graph.node, "saver_filename", "Placeholder", dtype=dtype("string"))
    add_node(
        graph.node, "restore", "StatefulPartitionedCall", "saver_filename", "w_1", "w",
        f=Attr(func={"name": "traced_restore"}),
    )  # fmt: skip
    function = graph.library.function.add()
    function.signature.name = "traced_restore"
    for name, number in (("file_prefix", 7), ("first", 20), ("second", 20)):
        function.signature.input_arg.add(name=name, type=number)
    add_constant(function.node_def, "names", np.array([b"a", b"b"], object))
    add_constant(function.node_def, "slices", np.array([b"", b""], object))
    add_node(function.node_def, "RestoreV2", "RestoreV2", "file_prefix", "names:output:0", "slices:output:0")
    for i, target in enumerate(("first", "second")):
        add_node(function.node_def, f"Identity_{i}", "Identity", f"RestoreV2:tensors:{i}")
        add_node(function.node_def, f"Assign_{i}", "AssignVariableOp", target, f"Identity_{i}:output:0")
    add_node(function.node_def, "done", "Identity", "file_prefix", "^Assign_0", "^Assign_1")
    function.signature.output_arg.add(name="identity", type=7)
    function.ret["identity"] = "done:output:0"
    meta_graph.saver_def.restore_op_name = "restore"
    add_signature(meta_graph, "serving_default", {}, {"y": "y:0"})
    tensors = {"a": np.array([1, 2], np.float32), "b": np.array([3, 4], np.float32)}
    model = read_saved_model(tf_files.write_saved_model(tmp_path / "m", message, **tensors))
    assert {name: variable.key for name, variable in model.variables.items()} == {"w": "b", "w_1": "a"}


@pytest.mark.parametrize(
    ("stored", "message"), [(np.ones(3, np.float32), r"has \[3\]"), (np.ones(2, np.int32), "dtype float32")]
)
def test_variable_that_does_not_fit(tmp_path: Path, stored: np.ndarray[Any, Any], message: str) -> None:
    saved, meta_graph = tf_files.new_saved_model()
    add_variable(meta_graph.graph_def.node, "w", (2,))
    add_signature(meta_graph, "serving_default", {}, {"y": "w:0"})
    with pytest.raises(ModelFormatError, match=message):
        read_saved_model(tf_files.write_saved_model(tmp_path / "m", saved, w=stored))


def test_variables_index_missing(tmp_path: Path) -> None:
    saved, meta_graph = tf_files.new_saved_model()
    add_variable(meta_graph.graph_def.node, "w", (2,))
    add_signature(meta_graph, "serving_default", {}, {"y": "w:0"})
    folder = tf_files.write_saved_model(tmp_path / "m", saved, w=np.ones(2, np.float32))
    (folder / "variables" / "variables.index").unlink()
    with pytest.raises(ModelFormatError, match=r"variables\.index: no such file"):
        read_saved_model(folder)


def vocabulary_model(folder: Path, lines: bytes, filename: str = "vocab.txt", **attrs: Any) -> Path:
    message, meta_graph = tf_files.new_saved_model()
    nodes = meta_graph.graph_def.node
    types = {"key_dtype": dtype("string"), "value_dtype": dtype("int64")}
    add_node(nodes, "table", "HashTableV2", **types)
    add_node(nodes, "x", "Placeholder", dtype=dtype("string"), shape=(-1, 2))
    add_constant(nodes, "default", np.int64(-1))
    add_node(nodes, "y", "LookupTableFindV2", "table", "x", "default")
    add_constant(nodes, "asset", np.array(b"", object))
    columns = {"key_index": -2, "value_index": -1, "vocab_size": -1, "delimiter": b"\t", **attrs}
    add_node(nodes, "init", "InitializeTableFromTextFileV2", "table", "asset", **columns)
    meta_graph.collection_def["table_initializer"].node_list.value.append("init")
    meta_graph.asset_file_def.add(filename=filename, tensor_info={"name": "asset:0"})
    add_signature(meta_graph, "serving_default", {"x": "x:0"}, {"y": "y:0"})
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "vocab.txt").write_bytes(lines)
    return tf_files.write_saved_model(folder, message)


@pytest.mark.parametrize(
    ("attrs", "rows"),
    [
        ({}, {b"a\t5": 0, b"b\t6": 1, b"c\t7": 2}),
        ({"key_index": 0, "value_index": 1}, {b"a": 5, b"b": 6, b"c": 7}),
        ({"vocab_size": 2}, {b"a\t5": 0, b"b\t6": 1}),
        ({"offset": 1}, {b"b\t6": 0, b"c\t7": 1}),
    ],
    ids=str,
)
def test_vocabulary_file(tmp_path: Path, attrs: Any, rows: Any) -> None:
    model = read_saved_model(vocabulary_model(tmp_path / "m", b"a\t5\nb\t6\r\nc\t7\n", **attrs))
    table = model.tables["table"]
    assert dict(zip(table.keys.tolist(), table.values.tolist(), strict=True)) == rows
    assert table.values.dtype == np.int64 and model.assets["asset"].name == "vocab.txt"


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"filename": "../../secret"}, "outside of the model's folder"),
        ({"filename": "gone.txt"}, "cannot be read"),
        ({"key_index": 0, "value_index": 3}, "line 1 has no column 3"),
        ({"key_index": 1, "value_index": 0}, "is no int64"),
        ({"vocab_size": 9}, "has 3 lines, expected 9"),
    ],
    ids=str,
)
def test_vocabulary_file_that_does_not_fit(tmp_path: Path, attrs: Any, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        read_saved_model(vocabulary_model(tmp_path / "m", b"a\t5\nb\t6\nc\t7\n", **attrs))


def test_table_that_nothing_fills(tmp_path: Path) -> None:
    message, meta_graph = tf_files.new_saved_model()
    add_node(meta_graph.graph_def.node, "t", "HashTableV2", key_dtype=dtype("int64"), value_dtype=dtype("int64"))
    add_node(meta_graph.graph_def.node, "y", "LookupTableSizeV2", "t")
    add_signature(meta_graph, "serving_default", {}, {"y": "y:0"})
    with pytest.raises(ModelFormatError, match="nothing in the model fills this table"):
        read_saved_model(tf_files.write_saved_model(tmp_path / "m", message))


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        (("LookupTableImportV2", "t"), "expected 3 inputs, got 1"),
        (("InitializeTableFromTextFileV2", "t"), "expected 2 inputs, got 1"),
        (("LookupTableImportV2", "t", "floats", "ints"), "expected contents of dtype int64, got float32"),
        (("LookupTableImportV2", "t", "ints", "more"), "keys of shape"),
        (("LookupTableImportV2", "t", "ints", "fed"), "cannot be computed"),
    ],
    ids=str,
)
def test_table_contents_that_do_not_fit(tmp_path: Path, initializer: tuple[str, ...], message: str) -> None:
    saved, meta_graph = tf_files.new_saved_model()
    nodes = meta_graph.graph_def.node
    add_node(nodes, "t", "HashTableV2", key_dtype=dtype("int64"), value_dtype=dtype("int64"))
    add_constant(nodes, "ints", np.arange(3))
    add_constant(nodes, "more", np.arange(4))
    add_constant(nodes, "floats", np.ones(3, np.float32))
    add_node(nodes, "fed", "Placeholder", dtype=dtype("int64"))
    add_node(nodes, "init", *initializer)
    meta_graph.collection_def["table_initializer"].node_list.value.append("init")
    add_node(nodes, "y", "LookupTableSizeV2", "t")
    add_signature(meta_graph, "serving_default", {}, {"y": "y:0"})
    with pytest.raises(ModelFormatError, match=message):
        read_saved_model(tf_files.write_saved_model(tmp_path / "m", saved))


def small_model(folder: Path, *signatures: str, tags: tuple[str, ...] = ("serve",)) -> Path:
    message, meta_graph = tf_files.new_saved_model(tags)
    add_node(meta_graph.graph_def.node, "x", "Placeholder", dtype=dtype("float32"), shape=(-1, 2))
    add_node(meta_graph.graph_def.node, "h", "TopKV2", "x")
    add_node(meta_graph.graph_def.node, "y", "Neg", "h:1")
    for key in signatures:
        add_signature(meta_graph, key, {"x": "x:0"}, {"out_10": "y:0", "out_2": "h:0"})
    return tf_files.write_saved_model(folder, message)


def test_choice_of_signature_and_tags(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "m", "a", "b", tags=("serve", "gpu"))
    with pytest.raises(InvalidArgumentError, match=r"no graph with the tags 'serve'.*'gpu,serve'"):
        read_saved_model(folder)
    with pytest.raises(InvalidArgumentError, match="no signature 'c'; it has 'a', 'b'"):
        read_saved_model(folder, ("gpu", "serve"), "c")
    with pytest.raises(InvalidArgumentError, match=r"choose one.*'a', 'b'"):
        read_saved_model(folder, ("gpu", "serve"))
    model = read_saved_model(folder, ["gpu", "serve"], "b")
    assert model.signature_key == "b" and list(model.signatures) == ["a", "b"]
    assert model.structured_outputs == ("out_2", "out_10")
    assert read_saved_model(small_model(tmp_path / "n", "only")).signature_key == "only"
    with pytest.raises(ModelFormatError, match="no signature and no function"):
        read_saved_model(small_model(tmp_path / "o"))


def test_file_or_folder_as_path(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "m", "serving_default")
    assert read_saved_model(folder / "saved_model.pb").origin == read_saved_model(str(folder)).origin
    binary = folder / "saved_model.pb"
    message = message_class("SavedModel").FromString(binary.read_bytes())
    binary.unlink()
    with pytest.raises(ModelFormatError, match=r"holds no saved_model\.pb"):
        read_saved_model(folder)
    (folder / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    assert list(read_saved_model(folder).graph.nodes) == ["x", "h", "y"]
    with pytest.raises(ModelFormatError, match="no such folder"):
        read_saved_model(tmp_path / "gone")


def test_fed_in_the_middle(tmp_path: Path) -> None:
    """A signature may start anywhere; what lies before is not needed and becomes a placeholder."""
    message, meta_graph = tf_files.new_saved_model()
    nodes = meta_graph.graph_def.node
    add_node(nodes, "serialized", "Placeholder", dtype=dtype("string"))
    add_node(nodes, "parse", "ParseExampleV2", "serialized")
    add_node(nodes, "y", "Sub", "parse", "parse:1")
    add_signature(meta_graph, "serving_default", {"a": "parse:0", "b": "parse:1"}, {"y": "y:0"})
    graph = read_saved_model(tf_files.write_saved_model(tmp_path / "m", message)).graph
    assert sorted(graph.nodes) == ["parse", "parse_output_1", "y"]
    assert graph.nodes["y"].inputs == (Edge("parse"), Edge("parse_output_1"))
    assert {key: info.name for key, info in graph.signature.inputs.items()} == {
        "a": "parse:0", "b": "parse_output_1:0",
    }  # fmt: skip
    feeds = {"a": np.full((1, 2), 3.0), "b": np.ones((1, 2))}
    assert evaluate(graph, feeds, ["y"])["y"].tolist() == [[2, 2]]


def test_functions_that_call_each_other_twice_a_level_end(tmp_path: Path) -> None:
    message, meta_graph = tf_files.new_saved_model()
    graph = meta_graph.graph_def
    add_variable(graph.node, "w", (2,))
    add_node(graph.node, "restore", "PartitionedCall", f=Attr(func={"name": "f0"}))
    for level in range(40):
        function = graph.library.function.add()
        function.signature.name = f"f{level}"
        for side in "ab" if level < 39 else "":
            add_node(function.node_def, side, "PartitionedCall", f=Attr(func={"name": f"f{level + 1}"}))
    meta_graph.saver_def.restore_op_name = "restore"
    add_signature(meta_graph, "serving_default", {}, {"y": "w:0"})
    with pytest.raises(ModelFormatError, match="make over 10000 calls"):
        read_saved_model(tf_files.write_saved_model(tmp_path / "m", message))


def test_slices() -> None:
    assert slice_extents("4 3 0,2:0,3") == ((0, 2), (0, 3))
    assert slice_extents("4 3 -:1,2") == ((0, -1), (1, 2))
    with pytest.raises(ModelFormatError, match="no slice of a variable"):
        slice_extents("4 a,b")
