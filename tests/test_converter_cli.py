"""tensorflowjs_converter as people type it: flags, exit codes, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfgl_converter.cli import main, make_parser, settle_optional_values

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "zoo"
SAVED_MODEL = ZOO / "sm_conv" / "saved_model"

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
    assert main([str(tmp_path / "missing\x1b[2J"), str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "\x1b" not in err and "there is no" in err


def test_version_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "Dependency versions:" in capsys.readouterr().out
    assert main(["--passes"]) == 0
    assert "fold_batch_norms" in capsys.readouterr().out


@needs_zoo
def test_a_conversion_into_a_folder_with_spaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "web model, new"
    (tmp_path / "about me.json").write_text('{"a": 1}')
    words = [
        f"--metadata=me:{tmp_path / 'about me.json'}",
        "--weight_shard_size_bytes",
        "1000",
        str(SAVED_MODEL),
        str(target),
    ]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == "" and "input  x" in out and "wrote" in out
    model = json.loads((target / "model.json").read_text())
    assert model["userDefinedMetadata"] == {"me": {"a": 1}}
    assert len(model["weightsManifest"][0]["paths"]) > 1
    assert model["convertedBy"].startswith("tfgl converter")
    assert os.listdir(tmp_path).count("web model, new") == 1 and len(os.listdir(tmp_path)) == 2


@needs_zoo
@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (["--quantize_uint8"], {"uint8"}),
        (["--quantize_uint16", "*Conv2D*"], {"uint16", None}),
        (["--quantize_float16=*"], {"float16"}),
        (["--quantize_uint8", "*Conv2D*", "--quantize_float16"], {"uint8", "float16"}),
        (["--quantization_bytes", "2"], {"uint16"}),
    ],
)
def test_quantisation(words: list[str], stored: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, str(SAVED_MODEL), str(tmp_path / "web")]) == 0
    entries = [entry for entry in manifest(tmp_path / "web").values() if entry["dtype"] == "float32"]
    found = {entry.get("quantization", {}).get("dtype") for entry in entries}  # type: ignore[attr-defined]
    assert found == stored
    assert "largest error" in capsys.readouterr().out


@needs_zoo
def test_ops_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(ZOO / "sm_strings_more" / "saved_model"), str(tmp_path / "web")]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "StringLower (" in err
    assert not (tmp_path / "web").exists()
    assert main(["--skip_op_check", "--quiet", *words]) == 0
    assert capsys.readouterr().out == ""


@needs_zoo
def test_limited_passes_and_no_record(tmp_path: Path) -> None:
    assert main(["--passes=strip_debug_ops", "--no_record", "--quiet", str(SAVED_MODEL), str(tmp_path / "web")]) == 0
    model = json.loads((tmp_path / "web" / "model.json").read_text())
    assert "_FusedConv2D" not in {item["op"] for item in model["modelTopology"]["node"]}
    assert not (tmp_path / "web" / "conversion.json").exists()


def test_help_names_the_flags() -> None:
    path = os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter"))
    command = [sys.executable, "-c", "import sys; from tfgl_converter.cli import main; sys.exit(main(['--help']))"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    for flag in ("--input_format", "--quantize_uint8", "--control_flow_v2", "--metadata"):
        assert flag in done.stdout
    listed = "import sys, tfgl_converter.cli; print([m for m in ('numpy', 'tfgl') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", listed],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
