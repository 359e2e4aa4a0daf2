"""tensorflowjs_converter as people type it: flags, exit codes, messages."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from digits_model import DIGITS_H5
from tensorflow_files import add_node, dtype
from tfgl.cli import main as tfgl
from tfgl.io import DEFAULT_SHARD_BYTES
from tfgl_converter.cli import main
from tfgl_converter.dispatch import _DISPATCH
from tfgl_converter.flags import FLAGS, command_of, make_parser, options_of, settle_optional_values
from tfgl_converter.formats.protobuf_schema import message_class
from tfgl_converter.options import TARGETS, Options

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "zoo"
SAVED_MODEL = ZOO / "sm_conv" / "saved_model"
# The digits example as a graph model.
GRAPH = ["--input_format=keras", "--output_format=tfjs_graph_model", str(DIGITS_H5)]

needs_zoo = pytest.mark.skipif(not SAVED_MODEL.exists(), reason=f"no zoo of models beside the checkout ({ZOO})")


def manifest(folder: Path) -> dict[str, dict[str, object]]:
    groups = json.loads((folder / "model.json").read_text())["weightsManifest"]
    return {entry["name"]: entry for group in groups for entry in group["weights"]}


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        (["in", "out"], ["in", "out"]),
        (["--quantize_uint8", "in", "out"], ["in", "out", "--quantize_uint8"]),
        (["--quantize_uint8", "a,b", "in", "out"], ["in", "out", "--quantize_uint8=a,b"]),
        (["in", "--quantize_uint8", "a", "out"], ["in", "out", "--quantize_uint8=a"]),
        (["in", "out", "--quantize_uint8", "a"], ["in", "out", "--quantize_uint8=a"]),
        (["--quantize_uint8", "--quantize_float16", "a", "in", "out"],
         ["in", "out", "--quantize_uint8", "--quantize_float16=a"]),
        (["--quantize_uint8", "a", "--quantize_float16", "b", "in", "out"],
         ["in", "out", "--quantize_uint8=a", "--quantize_float16=b"]),
        (["--strip_debug_ops", "False", "in", "out"], ["in", "out", "--strip_debug_ops=False"]),
        (["--control_flow_v2", "in", "out"], ["in", "out", "--control_flow_v2"]),
        (["--signature_name", "-odd", "in", "out"], ["in", "out", "--signature_name=-odd"]),
        (["--quiet", "--", "-in", "out"], ["--quiet", "--", "-in", "out"]),
    ],
)  # fmt: skip
def test_flags_with_optional_values_leave_the_paths_alone(words: list[str], settled: list[str]) -> None:
    assert settle_optional_values(words) == settled


@pytest.mark.parametrize(
    ("text", "value"), [("=False", False), ("=false", False), ("=", False), ("=0", False), ("", True), ("=True", True)]
)
@pytest.mark.parametrize("flag", ["strip_debug_ops", "use_structured_outputs_names", "control_flow_v2", "experiments"])
def test_truth_values_are_real(flag: str, text: str, value: bool) -> None:
    assert getattr(make_parser().parse_args(settle_optional_values([f"--{flag}{text}", "in", "out"])), flag) is value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing input_path argument"),
        (["in"], "Missing output_path argument"),
        (["in", "out", "more"], "unrecognized arguments: more"),
        (["--input_format=tflit", "in", "out"], "invalid choice: 'tflit'"),
        (["--weight_shard_size_bytes=-1", "in", "out"], "no positive number"),
        (["--strip_debug_ops=maybe", "in", "out"], "neither true nor false"),
        (["--metadata=a", "in", "out"], "is not key:path"),
        (["--quantization_bytes=1", "--quantize_uint8", "in", "out"], "cannot stand together"),
        (["--signature", "s", "in", "out"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert message in err and err.startswith("tensorflowjs_converter: ")


def test_failure_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert main(["--input_format=keras", str(tmp_path / "bad.h5"), str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "bad.h5" in err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.h5"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing\x1b[2J", "out"], "there is no 'missing\\x1b[2J'"),
        (["--input_format=keras", "--output_format=keras", ".", "out"],
         "Unsupported input_format - output_format pair: keras - keras; keras converts to tfjs_layers_model or tfjs_g"),
        (["--input_format=keras", "--signature_name=s", ".", "out"], "signature_name serves tf_saved_model"),
        (["--input_format=tf_frozen_model", ".", "out"], "needs output_node_names"),
        (["--quantize_uint8", "--quantize_float16=", ".", "out"], "quantize_float16 and quantize_uint8 are both asked"),
        (["--passes=prune,gone", ".", "out"], "there is no pass 'gone'; passes are open_signature"),
        (["--passes=prune", "--input_format=keras", ".", "out"], "passes serves output_format tfjs_graph_model"),
        (["--metadata=a:gone.json", ".", "out"], "metadata 'a': there is no file 'gone.json'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_wrong_usage(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "\x1b" not in err and message in err
    assert not list(tmp_path.iterdir())


def test_every_option_is_a_flag_and_every_pair_of_formats_is_dispatched() -> None:
    named = {flag.name for flag in FLAGS}
    assert {field.name for field in dataclasses.fields(Options)} - named == {"record"}
    assert "no_record" in named
    assert set(_DISPATCH) == {(source, target) for source, targets in TARGETS.items() for target in targets}
    assert Options().weight_shard_size_bytes == DEFAULT_SHARD_BYTES
    parsed = options_of(make_parser().parse_args(["in", "out"]))
    assert Options(**parsed) == Options()


def test_metadata_paths_may_have_colons_and_commas() -> None:
    given = make_parser().parse_args(["--metadata=a:/x,y:z.json, b:/w.json", "in", "out"])
    assert options_of(given)["metadata"] == {"a": "/x", "y": "z.json", "b": "/w.json"}
    given = make_parser().parse_args(["--metadata=a:C:/x, and y.json,b:/w.json", "in", "out"])
    assert options_of(given)["metadata"] == {"a": "C:/x, and y.json", "b": "/w.json"}


@pytest.mark.parametrize(
    "words",
    [
        ["--input_format=keras", "--quantize_uint8", "a b.h5", "it's out"],
        ["--quantize_uint16=a/*,b", "--control_flow_v2", "--strip_debug_ops=False", "--saved_model_tags=", "in", "out"],
        ["--metadata=a:x,b:y z", "--no_record", "--weight_shard_size_bytes", "99", "--", "-in", "out"],
        ["--passes=prune,simplify", "--split_weights_by_layer", "--output_node_names=a,b", "in", "out"],
    ],
)
def test_a_command_says_what_it_was_made_of(words: list[str]) -> None:
    given = make_parser().parse_args(settle_optional_values(words))
    options = options_of(given)
    command = command_of(given.input_path, given.output_path, options)
    again = make_parser().parse_args(settle_optional_values(shlex.split(command)[1:]))
    assert options_of(again) == options
    assert (again.input_path, again.output_path) == (given.input_path, given.output_path)


def test_version_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "Dependency versions:" in capsys.readouterr().out
    assert main(["--passes"]) == 0
    assert "fold_batch_norms" in capsys.readouterr().out


def test_a_conversion_into_a_folder_with_spaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "web model, new"
    (tmp_path / "about me.json").write_text('{"a": 1}')
    words = [
        f"--metadata=me:{tmp_path / 'about me.json'}",
        "--weight_shard_size_bytes",
        "1000",
        *GRAPH,
        str(target),
    ]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == "" and "input   image" in out and "checked read back" in out and "wrote" in out
    model = json.loads((target / "model.json").read_text())
    assert model["userDefinedMetadata"] == {"me": {"a": 1}}
    assert len(model["weightsManifest"][0]["paths"]) > 1
    assert model["convertedBy"].startswith("tfgl converter")
    assert os.listdir(tmp_path).count("web model, new") == 1 and len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (["--quantize_uint8"], {"uint8"}),
        (["--quantize_uint16", "*conv*"], {"uint16", None}),
        (["--quantize_float16=*"], {"float16"}),
        (["--quantize_uint8", "*conv*", "--quantize_float16"], {"uint8", "float16"}),
        (["--quantization_bytes", "2"], {"uint16"}),
    ],
)
def test_quantisation(words: list[str], stored: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *GRAPH, str(tmp_path / "web")]) == 0
    entries = [entry for entry in manifest(tmp_path / "web").values() if entry["dtype"] == "float32"]
    found = {entry.get("quantization", {}).get("dtype") for entry in entries}  # type: ignore[attr-defined]
    assert found == stored
    assert "largest error" in capsys.readouterr().out


@needs_zoo
def test_a_model_of_another_format_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, found in (
        (["--input_format=tf_saved_model", str(DIGITS_H5)], "keras"),
        (["--input_format=keras", str(SAVED_MODEL)], "tf_saved_model"),
        (["--input_format=tfjs_layers_model", str(ZOO / "sm_conv" / "tfjs" / "graph")], "tfjs_graph_model"),
        (["--input_format=tf_frozen_model", "--output_node_names=y", str(DIGITS_H5)], "keras"),
    ):
        assert main([*words, str(tmp_path / "web")]) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and f"--input_format={found}" in err
    assert not list(tmp_path.iterdir())


def test_keras_outputs_by_name(tmp_path: Path) -> None:
    assert main(["--quiet", "--use_structured_outputs_names", *GRAPH, str(tmp_path / "web")]) == 0
    model = json.loads((tmp_path / "web" / "model.json").read_text())
    assert model["userDefinedMetadata"] == {"structuredOutputKeys": ["probabilities"]}
    assert list(model["signature"]["outputs"]) == ["probabilities"]


def test_the_report_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--json", "--quantize_uint8=*conv*", *GRAPH, str(tmp_path / "web")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert err == "" and report["checked"] is True
    assert report["bytes"] == sum(path.stat().st_size for path in (tmp_path / "web").iterdir())
    topology = json.loads((tmp_path / "web" / "model.json").read_text())["modelTopology"]
    assert sum(report["ops"].values()) == len(topology["node"]) == report["passes"][-1]["nodes_after"]
    stored = {name: entry for name, entry in manifest(tmp_path / "web").items() if "quantization" in entry}
    assert {weight["name"] for weight in report["weights"]["quantized"]} == set(stored)
    assert all(weight["bytes_saved"] > 0 and weight["largest_error"] > 0 for weight in report["weights"]["quantized"])


def test_tfgl_convert_is_the_same_command(tmp_path: Path) -> None:
    words = ["convert", "--quiet", "--input_format", "keras", "--quantize_uint8", str(DIGITS_H5), str(tmp_path / "a")]
    done = CliRunner().invoke(tfgl, words)
    assert (done.exit_code, done.output) == (0, "")
    assert main(["--quiet", *words[2:-1], str(tmp_path / "b")]) == 0
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"]
    assert files[0] == files[1]
    words = ["convert", "--json", "--input_format=keras", "--", str(DIGITS_H5), str(tmp_path / "a")]
    done = CliRunner().invoke(tfgl, words)
    assert json.loads(done.stdout)["output_format"] == "tfjs_layers_model"
    done = CliRunner().invoke(tfgl, ["convert", "in"])
    assert done.exit_code == 2 and done.stderr.startswith("tfgl convert: Missing output_path")
    assert "--quantize_uint8" in CliRunner().invoke(tfgl, ["convert", "--help"]).stdout


def test_a_terminal_gets_stages(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tfgl_converter.cli", *GRAPH, str(tmp_path / "web")]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=child, check=True)
    os.close(child)
    shown = os.read(parent, 1 << 16).decode()
    os.close(parent)
    assert "rewriting the graph" in shown and "checking what was written" in shown
    assert b"rewriting" not in done.stdout


def test_ops_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = message_class("GraphDef")()
    add_node(graph.node, "x", "Placeholder", dtype=dtype("string"), shape=(2,))
    add_node(graph.node, "number", "StringToNumber", "x", out_type=dtype("float32"))
    add_node(graph.node, "a/z", "Zeta", "number", "number", T=dtype("float32"))
    (tmp_path / "g.pb").write_bytes(graph.SerializeToString())
    words = ["--input_format=tf_frozen_model", str(tmp_path / "g.pb"), str(tmp_path / "web"), "--output_node_names"]
    assert main([*words, "a/z"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Zeta (1 node, the first 'a/z' in 'a'" in err
    assert not (tmp_path / "web").exists()
    assert main(["--skip_op_check", "--quiet", *words, "a/z"]) == 0
    assert capsys.readouterr().out == ""
    # What tfgl runs and TensorFlow.js does not is written, and said.
    assert main([*words, "number"]) == 0
    err = capsys.readouterr().err
    assert "warning: TensorFlow.js lacks StringToNumber (1 node, the first 'number'; tfgl runs it" in err


def test_limited_passes_and_no_record(tmp_path: Path) -> None:
    assert main(["--passes=strip_debug_ops", "--no_record", "--quiet", *GRAPH, str(tmp_path / "web")]) == 0
    model = json.loads((tmp_path / "web" / "model.json").read_text())
    assert "_FusedConv2D" not in {item["op"] for item in model["modelTopology"]["node"]}
    assert not (tmp_path / "web" / "conversion.json").exists()


def environment() -> dict[str, str]:
    path = os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter"))
    return {**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "100"}


def test_help_names_the_flags() -> None:
    command = [sys.executable, "-c", "import sys; from tfgl_converter.cli import main; sys.exit(main(['--help']))"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    for flag in ("--input_format", "--quantize_uint8", "--control_flow_v2", "--metadata"):
        assert flag in done.stdout
    listed = "import sys, tfgl_converter.cli; print([m for m in ('numpy', 'tfgl') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", listed],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
