"""tensorflowjs_wizard: questions in their order, answers that are checked, the command that is printed and run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits_model import DIGITS, DIGITS_H5
from tfgl_converter import wizard
from tfgl_converter.cli import main as convert
from tfgl_converter.detection import detect_format

pytest.importorskip("questionary", reason="the wizard's extra is not installed")
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason=f"no zoo of models beside the checkout ({ZOO})")
ENTER, DOWN, CLEAR, CTRL_C = "\r", "\x1b[B", "\x15", "\x03"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DIGITS_H5, tmp_path / "my model.h5")
    return tmp_path


@pytest.fixture
def typed() -> Iterator[Any]:
    """A function that runs the wizard on keys that were typed ahead."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):

        def run(*texts: str, arguments: tuple[str, ...] = ()) -> int:
            keys.send_text("".join(texts))
            keys.close()  # a question too many is an error instead of waiting for ever
            return wizard.main(list(arguments))

        yield run


def command_in(output: str) -> list[str]:
    (line,) = [line for line in output.splitlines() if line.startswith("tensorflowjs_converter ")]
    return shlex.split(line)[1:]


def test_a_keras_file_by_defaults(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    # Path; the detected format; layers model; no compression; shard size; split; metadata; folder.
    assert typed("my model.h5\r", ENTER, ENTER, ENTER, ENTER, ENTER, ENTER, ENTER) == 0
    out = capsys.readouterr().out
    assert command_in(out) == ["--input_format=keras", "--output_format=tfjs_layers_model", "my model.h5", "web_model"]
    assert "group1-shard1of1.bin" in out and "checked" in out
    assert sorted(path.name for path in (here / "web_model").iterdir()) == ["group1-shard1of1.bin", "model.json"]
    # What was printed can be pasted: the same files.
    first = {path.name: path.read_bytes() for path in (here / "web_model").iterdir()}
    shutil.rmtree(here / "web_model")
    assert convert(command_in(out)) == 0
    assert {path.name: path.read_bytes() for path in (here / "web_model").iterdir()} == first


def test_every_answer_reaches_the_command(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "about, me.json").write_text('{"by": "us"}')
    answers = [
        "nothing here\r", CLEAR, "my model.h5\r", ENTER, DOWN, ENTER,  # an answer that is refused; a graph model
        DOWN, DOWN, DOWN, ENTER, CLEAR, "*/kernel,*bias\r",  # uint8 for these
        CLEAR, "0\r", CLEAR, "1000\r",  # another that is refused
        "me:about\r", CLEAR, "me:about, me.json\r", CLEAR, "it's out\r",
    ]  # fmt: skip
    assert typed(*answers) == 0
    assert command_in(capsys.readouterr().out) == [
        "--input_format=keras", "--output_format=tfjs_graph_model", "--quantize_uint8=*/kernel,*bias",
        "--weight_shard_size_bytes=1000", "--metadata=me:about, me.json", "my model.h5", "it's out",
    ]  # fmt: skip
    model = json.loads((here / "it's out" / "model.json").read_text())
    assert model["userDefinedMetadata"] == {"me": {"by": "us"}}
    quantised = {entry["name"] for entry in model["weightsManifest"][0]["weights"] if "quantization" in entry}
    assert len(quantised) == 8 and len(model["weightsManifest"][0]["paths"]) > 10


@needs_zoo
@pytest.mark.parametrize(("key", "flags"), [("n", []), ("y", ["--control_flow_v2=True"])])
def test_a_saved_model_and_control_flow(
    key: str, flags: list[str], here: Path, typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(ZOO / "sm_rnn_lstm_loop" / "saved_model")
    # Path, format, tags, signature, compression, shard size, op check, debug ops, control flow, metadata, folder.
    answers = [f"{source}\r", ENTER, ENTER, ENTER, ENTER, ENTER, "n", "n", key, ENTER, ENTER]
    assert typed(*answers) == 0
    command = command_in(capsys.readouterr().out)
    assert command[2:] == ["--signature_name=serving_default", "--strip_debug_ops=False", *flags, source, "web_model"]
    ops = {node["op"] for node in json.loads((here / "web_model" / "model.json").read_text())["modelTopology"]["node"]}
    assert ("Switch" in ops) != bool(flags)


def test_a_hub_module_by_its_url(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://tfhub.dev/google/imagenet/mobilenet_v1_100_224/classification/1?a=b&c=d"
    # URL, format, compression, shard size, op check, debug ops, control flow, metadata, folder.
    answers = [f"{url}\r", ENTER, DOWN, ENTER, ENTER, ENTER, "y", ENTER, "n", ENTER, ENTER]
    assert typed(*answers, arguments=("--dryrun",)) == 0
    assert command_in(capsys.readouterr().out) == [
        "--input_format=tf_hub", "--output_format=tfjs_graph_model", "--skip_op_check", "--quantize_float16=*", url,
        "web_model",
    ]  # fmt: skip


@needs_zoo
def test_signatures_are_listed_with_their_tensors(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def select(message: str, choices: dict[str, str], default: str | None) -> str:
        asked.append((message, choices))
        return default or next(iter(choices))

    monkeypatch.setattr(wizard, "_select", select)
    options = wizard._ask_signature(str(ZOO / "sm_conv" / "saved_model"), "tf_saved_model")
    assert options == {"signature_name": "serving_default"}
    (_, tags), (_, signatures) = asked
    assert tags == {"serve": "serve"}
    assert "inputs: x float32 [2, 9, 10, 4]" in signatures["serving_default"]
    assert "outputs: " in signatures["serving_default"] and "and 9 more" in signatures["serving_default"]


@needs_zoo
def test_a_frozen_graph_asks_for_its_outputs(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(ZOO / "frozen_mlp" / "frozen.pb")
    # What nothing reads is offered; a name that the graph lacks is refused.
    answers = [f"{source}\r", ENTER, CLEAR, "gone\r", CLEAR, "Softmax:9x\r", CLEAR]
    meta = json.loads((ZOO / "frozen_mlp" / "meta.json").read_text())
    output = next(iter(meta["runs"][0]["outputs"])).removesuffix(":0")
    assert typed(*answers, f"{output}\r", ENTER, ENTER, ENTER, ENTER, arguments=("--dryrun",)) == 0
    assert f"--output_node_names={output}" in command_in(capsys.readouterr().out)


def test_back_to_keras_and_overwriting(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(["--quiet", "--input_format=keras", "my model.h5", "web"]) == 0
    (here / "model.h5").write_bytes(b"mine")
    # The file is there: not overwritten, then another name.
    assert typed("web/model.json\r", ENTER, ENTER, ENTER, "n", CLEAR, "other.h5\r") == 0
    assert command_in(capsys.readouterr().out) == [
        "--input_format=tfjs_layers_model", "--output_format=keras", "web", "other.h5"
    ]  # fmt: skip
    assert (here / "model.h5").read_bytes() == b"mine" and (here / "other.h5").exists()


def test_a_dry_run_writes_nothing(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.iterdir())
    assert typed("my model.h5\r", ENTER, ENTER, ENTER, ENTER, ENTER, ENTER, ENTER, arguments=("--dryrun",)) == 0
    assert command_in(capsys.readouterr().out)[-2:] == ["my model.h5", "web_model"]
    assert sorted(here.iterdir()) == before


def test_a_failed_conversion_is_the_exit_status(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.h5").write_bytes(DIGITS_H5.read_bytes()[:5000])
    assert typed("bad.h5\r", ENTER, ENTER, ENTER, ENTER, ENTER, ENTER, ENTER) == 1
    assert "bad.h5" in capsys.readouterr().err
    assert not (here / "web_model").exists()


def test_answers_that_end(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("my model.h5\r", ENTER) == 2
    assert "answers ended" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["my model.h5"]


def test_ctrl_c(here: Path, typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("my model.h5\r", CTRL_C) == 130
    assert capsys.readouterr().err == "tensorflowjs_wizard: interrupted\n"


def test_without_questionary_and_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("--dry", "--nothing", "model.h5"):
        assert wizard.main([word]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and err.startswith("tensorflowjs_wizard: ") and word in err
    monkeypatch.setitem(sys.modules, "questionary", None)
    assert wizard.main([]) == 1
    assert "pip install 'tfgl[wizard]'" in capsys.readouterr().err


@needs_zoo
def test_formats_are_detected_from_what_is_there(here: Path) -> None:
    assert detect_format("my model.h5") == ("keras", "my model.h5")
    assert detect_format(str(DIGITS / "model.json")) == ("tfjs_graph_model", str(DIGITS))
    saved = ZOO / "sm_conv" / "saved_model"
    assert detect_format(str(saved / "saved_model.pb")) == ("tf_saved_model", str(saved))
    assert detect_format(str(ZOO / "k3_nested" / "model.keras"))[0] == "keras_keras"
    assert {detect_format(str(path))[0] for path in (ZOO / "tflite_mlp").glob("*.tflite")} == {"tflite"}
    assert detect_format(str(ZOO / "frozen_mlp" / "frozen.pb"))[0] == "tf_frozen_model"
    hub = ZOO / "hub_tf1"
    assert detect_format(str(hub / json.loads((hub / "meta.json").read_text())["source"]))[0] == "tf_hub"
    assert detect_format(str(here))[0] is None
    (here / "model.json").write_text("{")
    assert detect_format(str(here))[0] is None


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals on this system")
def test_on_a_terminal(here: Path) -> None:
    import pty

    roots = os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter"))
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": roots}
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tfgl_converter.wizard"]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment, cwd=here)
    os.close(child)
    shown = b""
    questions = ("Where is", "format is it in", "do you want?", "compress", "bytes", "by layer", "Metadata", "folder")
    answers = [(question.encode(), "my model.h5\r" if question == "Where is" else "\r") for question in questions]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += os.read(parent, 4096)
        except OSError:
            break  # the other end is closed
        if b"\x1b[6n" in shown:
            os.write(parent, b"\x1b[1;1R")  # where the cursor is, which terminals tell
            shown = shown.replace(b"\x1b[6n", b"")
        if answers and answers[0][0] in shown:
            os.write(parent, answers.pop(0)[1].encode())
    os.close(parent)
    assert process.wait(timeout=60) == 0, shown.decode(errors="replace")
    assert (here / "web_model" / "model.json").exists() and not answers
