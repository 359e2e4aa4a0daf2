"""`tfgl run`, and what all commands share: names, files, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from digits_model import DIGITS
from graph_models import graph_model, node, placeholder
from tfgl.cli import main
from tfgl.flags import flags
from tfgl.io import save_artifacts

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter")),
}
Array = npt.NDArray[Any]


def tfgl(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="tfgl")


def failed(result: Result, code: int) -> str:
    """The only line on stderr of a command that had to end with ``code``."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.strip().splitlines()
    return line


def child(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own that finds tfgl."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)


@pytest.fixture
def two_inputs(tmp_path: Path) -> Path:
    """scope/x + 2·y and scope/x · y: inputs called left and right by the signature, of scope/x and y."""
    info = {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "-1"}, {"size": "2"}]}}
    signature = {
        "inputs": {"left": {"name": "scope/x:0", **info}, "right": {"name": "y:0", **info}},
        "outputs": {"out/sum": {"name": "sum:0"}, "file": {"name": "product:0"}},
    }
    nodes = [
        placeholder("scope/x", (-1, 2)),
        placeholder("y", (-1, 2)),
        node("scope/double", "Mul", ["y", "two"]),
        node("sum", "AddV2", ["scope/x", "scope/double"]),
        node("product", "Mul", ["scope/x", "y"]),
    ]
    model = graph_model(nodes, {"two": np.float32(2).reshape(())}, signature=signature)
    return save_artifacts(model, tmp_path / "two").parent


def one_input(folder: Path, shape: tuple[int, ...], dtype: str = "DT_FLOAT") -> Path:
    """A model that gives back its input ``image``."""
    nodes = [placeholder("image", shape, dtype), node("y", "Identity", ["image"])]
    return save_artifacts(graph_model(nodes), folder / "one").parent


X = np.array([[1, 2], [3, 4]], np.float32)
Y = np.array([[10, 20], [30, 40]], np.float32)


@pytest.mark.parametrize(
    "left, right",
    [
        ("left", "right"),
        ("scope/x", "y"),
        ("scope/x:0", "y:0"),
        ("scope__x", "y"),
        ("scope__x:0", "right:0"),
    ],
)
def test_npz_names(two_inputs: Path, tmp_path: Path, left: str, right: str) -> None:
    np.savez(tmp_path / "in.npz", **{left: X, right: Y})
    result = tfgl("run", two_inputs, "--inputs", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    with np.load(tmp_path / "out.npz") as archive:
        assert sorted(archive.files) == ["file", "out/sum"]
        np.testing.assert_array_equal(archive["out/sum"], X + 2 * Y)
        np.testing.assert_array_equal(archive["file"], X * Y)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npz", "out.npz", "two"]


def test_output_keys_are_node_names_without_a_signature(tmp_path: Path) -> None:
    nodes = [placeholder("a/x", (2,)), node("a/y", "Neg", ["a/x"])]
    model = save_artifacts(graph_model(nodes), tmp_path / "m").parent
    np.save(tmp_path / "x.npy", np.array([1.0, -2.0]))  # float64, which float32 takes
    result = tfgl("run", model, "--input", f"a__x={tmp_path / 'x.npy'}", "--output", tmp_path / "out.npz")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out.npz") as archive:
        assert archive.files == ["a/y"]
        np.testing.assert_array_equal(archive["a/y"], np.array([-1, 2], np.float32))


def test_one_array_needs_no_name(tmp_path: Path) -> None:
    model = one_input(tmp_path, (-1, 2))
    np.savez(tmp_path / "in.npz", whatever=X)
    report = json.loads(tfgl("run", model, "--inputs", tmp_path / "in.npz", "--json").stdout)
    assert report["outputs"][0]["max"] == 4.0
    assert not report["random_inputs"]


def test_npz_and_single_inputs_together(two_inputs: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", left=X)
    np.save(tmp_path / "y.npy", Y)
    result = tfgl("run", two_inputs, "--inputs", tmp_path / "in.npz", "--input", f"y={tmp_path / 'y.npy'}", "--json")
    assert json.loads(result.stdout)["outputs"][0]["top"][0] == {"index": [1, 1], "value": 84.0}


def test_any_node_as_output(two_inputs: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", left=X, right=Y)
    for given, name in [("scope/double", "scope/double"), ("scope__double", "scope/double"), ("sum:0", "sum:0")]:
        result = tfgl(
            "run", two_inputs, "--inputs", tmp_path / "in.npz", "--outputs", f"{given},file", "--output", tmp_path / "o"
        )
        assert result.exit_code == 0, result.output
        with np.load(tmp_path / "o") as archive:
            assert archive.files == [name, "file"]


def test_random_inputs_follow_the_seed(two_inputs: Path) -> None:
    def outputs(*options: object) -> Any:
        return json.loads(tfgl("run", two_inputs, "--json", *options).stdout)["outputs"]

    assert outputs() == outputs("--seed", 0)
    assert outputs("--seed", 7) == outputs("--seed", 7)
    assert outputs("--seed", 7) != outputs("--seed", 8)
    assert outputs()[0]["shape"] == [1, 2]  # the free extent is 1


def test_summary(tmp_path: Path) -> None:
    model = one_input(tmp_path, (-1,))
    np.save(tmp_path / "x.npy", np.array([1, np.nan, 5, 5, -np.inf, 2, 3], np.float32))
    command = ["run", model, "--input", f"image={tmp_path / 'x.npy'}"]
    (output,) = json.loads(tfgl(*command, "--json").stdout)["outputs"]
    assert (output["name"], output["shape"], output["dtype"], output["nan"]) == ("y", [7], "float32", 1)
    assert (output["min"], output["mean"]) == ("NaN", "NaN")
    assert [(top["index"], top["value"]) for top in output["top"]] == [
        ([2], 5.0), ([3], 5.0), ([6], 3.0), ([5], 2.0), ([0], 1.0),
    ]  # fmt: skip
    shown = tfgl(*command)
    assert shown.exit_code == 0
    assert "top five" in shown.stdout and "5 at [2]" in shown.stdout
    assert "first inference" in shown.stderr
    assert tfgl(*command, "--quiet").stderr == ""


def test_json_alone_goes_to_stdout(two_inputs: Path, tmp_path: Path) -> None:
    result = tfgl("run", two_inputs, "--json", "--output", tmp_path / "out.npz")
    report = json.loads(result.stdout)
    assert report["output_file"] == str(tmp_path / "out.npz")
    assert [output["name"] for output in report["outputs"]] == ["out/sum", "file"]
    assert "2 outputs written" in result.stderr


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 6)) -> Array:
    """An image file of (width, height) ``size``, and its pixels as RGB."""
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path)
    return np.asarray(Image.open(path).convert("RGB"))


def image_output(model: Path, tmp_path: Path, image: Path, *options: object) -> Array:
    result = tfgl("run", model, "--input", f"image={image}", "--output", tmp_path / "out.npz", *options)
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out.npz") as archive:
        values: Array = archive["y"]
    return values


@pytest.mark.parametrize("suffix, mode", [("png", "RGB"), ("png", "RGBA"), ("png", "L"), ("jpg", "RGB"), ("png", "P")])
def test_images_become_rgb(tmp_path: Path, suffix: str, mode: str) -> None:
    pixels = picture(tmp_path / f"i.{suffix}", mode)
    values = image_output(one_input(tmp_path, (-1, -1, -1, 3)), tmp_path, tmp_path / f"i.{suffix}")
    np.testing.assert_allclose(values, pixels[None].astype(np.float32) / 255, atol=1e-7)


def test_image_range(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "i.png")
    model = one_input(tmp_path, (1, 6, 4, 3))
    values = image_output(model, tmp_path, tmp_path / "i.png", "--image-range", "-1..1")
    np.testing.assert_allclose(values, pixels[None] / 127.5 - 1, atol=1e-6)


def test_integer_inputs_keep_the_bytes_of_an_image(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "i.png")
    values = image_output(one_input(tmp_path, (1, 6, 4, 3), "DT_INT32"), tmp_path, tmp_path / "i.png")
    assert values.dtype == np.int32
    np.testing.assert_array_equal(values, pixels[None])


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((-1, 5, 7, 3), (1, 5, 7, 3)),
        ((1, 3, 5, 7), (1, 3, 5, 7)),
        ((5, 7, 3), (5, 7, 3)),
        ((1, 5, 7, 1), (1, 5, 7, 1)),
        ((1, 5, -1, 3), (1, 5, 4, 3)),
    ],
)
def test_images_fit_the_input(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    picture(tmp_path / "i.png")
    assert image_output(one_input(tmp_path, shape), tmp_path, tmp_path / "i.png").shape == expected


def test_images_are_resized_bilinearly(tmp_path: Path) -> None:
    """A ramp stays a ramp: what nearest neighbours would not give."""
    ramp = np.tile(np.arange(0, 240, 30, dtype=np.uint8)[None, :, None], (8, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "i.png")
    values = image_output(one_input(tmp_path, (1, 16, 16, 3)), tmp_path, tmp_path / "i.png", "--image-range", "0..255")
    np.testing.assert_allclose(values[0, 5, 1:15, 0], np.arange(14) * 15 + 7.5, atol=1)


def test_digits() -> None:
    report = json.loads(tfgl("run", DIGITS, "--json").stdout)
    (output,) = report["outputs"]
    assert output["name"] == "probabilities"
    assert output["mean"] == pytest.approx(0.1, abs=1e-6)


def test_signatures(two_inputs: Path, tmp_path: Path) -> None:
    assert tfgl("run", two_inputs, "--signature", "serving_default", "--json").exit_code == 0
    line = failed(tfgl("run", two_inputs, "--signature", "training"), 2)
    assert "'training'" in line and "serving_default" in line


def test_one_of_several_signatures(tmp_path: Path) -> None:
    nodes = [placeholder("x", (2,)), node("minus", "Neg", ["x"]), node("same", "Identity", ["x"])]
    signatures = {
        key: {"inputs": {"x": {"name": "x:0"}}, "outputs": {"y": {"name": f"{key}:0"}}} for key in ("minus", "same")
    }
    model = save_artifacts(graph_model(nodes, metadata={"signatures": signatures}), tmp_path / "m").parent
    for key, largest in (("minus", 1.0), ("same", 2.0)):
        np.savez(tmp_path / "in.npz", x=np.array([-1, 2], np.float32))
        result = tfgl("run", model, "--signature", key, "--inputs", tmp_path / "in.npz", "--json")
        assert json.loads(result.stdout)["outputs"][0]["max"] == largest
    assert "'minus', 'same'" in failed(tfgl("run", model, "--signature", "other"), 2)


def test_wrong_usage(two_inputs: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", left=X, right=Y)
    np.savez(tmp_path / "unknown.npz", left=X, other=Y)
    np.savez(tmp_path / "twice.npz", **{"left": X, "scope/x": Y})
    np.savez(tmp_path / "few.npz", left=X)
    np.savez(tmp_path / "shape.npz", left=X, right=np.ones((2, 3), np.float32))
    np.savez(tmp_path / "kind.npz", left=X, right=np.ones((2, 2), np.uint8))
    np.savez(tmp_path / "objects.npz", left=np.array([{}, 1], dtype=object), right=Y)
    (tmp_path / "text.npz").write_text("no archive")
    whole = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    pictures = one_input(tmp_path, (1, 4, 4, 3))
    run = ["run", two_inputs, "--inputs"]
    for command, words in [
        ([*run, tmp_path / "absent.npz"], ["absent.npz"]),
        ([*run, tmp_path / "unknown.npz"], ["'other'", "'left'", "'right'"]),
        ([*run, tmp_path / "twice.npz"], ["'left'", "twice"]),
        ([*run, tmp_path / "few.npz"], ["'right'", "missing"]),
        ([*run, tmp_path / "shape.npz"], ["'right'", "[?, 2]", "[2, 3]"]),
        ([*run, tmp_path / "kind.npz"], ["right", "float32", "uint8"]),
        ([*run, tmp_path / "objects.npz"], ["objects.npz", "Python objects"]),
        ([*run, tmp_path / "text.npz"], ["text.npz"]),
        ([*run, tmp_path / "cut.npz"], ["cut.npz", "damaged"]),
        ([*run, tmp_path / "good.npz", "--outputs", "nowhere"], ["'nowhere'"]),
        ([*run, tmp_path / "good.npz", "--output", tmp_path / "no" / "such" / "out.npz"], ["folder"]),
        (["run", two_inputs, "--input", "left"], ["NAME=FILE"]),
        (["run", two_inputs, "--input", f"left={tmp_path / 'bad.png'}"], ["'left'", "no single image"]),
        (["run", pictures, "--input", f"image={tmp_path / 'bad.png'}"], ["bad.png"]),
        (["run", two_inputs, "--input", f"left={tmp_path / 'absent.png'}"], ["absent.png"]),
        (["run", two_inputs, "--input", f"middle={tmp_path / 'good.npz'}"], ["'middle'"]),
        (["run", two_inputs, "--image-range", "bright"], ["0..1"]),
        (["run", two_inputs, "--seed", "-1"], ["--seed"]),
        (["run", two_inputs, "--device", "cuda"], ["egl:N"]),
        (["run", two_inputs, "--gl", "9.9"], ["--gl"]),
        (["run"], ["MODEL"]),
        (["run", tmp_path / "nowhere"], ["nowhere", "model.json"]),
        (["fly"], ["fly"]),
    ]:
        line = failed(tfgl(*command), 2)
        assert all(word in line for word in words), line


def test_failures(two_inputs: Path, tmp_path: Path) -> None:
    text = (two_inputs / "model.json").read_text()
    damaged = {
        "not JSON": (text[:-5], ["model.json"]),
        "unknown op": (text.replace('"AddV2"', '"Frobnicate"'), ["Frobnicate", "sum"]),
        "layers model": (json.dumps({"format": "layers-model", "modelTopology": {}}), ["class_name"]),
        "shard outside": (text.replace("group1-shard1of1.bin", "../group1-shard1of1.bin"), [".."]),
    }
    for name, (content, words) in damaged.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.json").write_text(content)
        (folder / "group1-shard1of1.bin").write_bytes((two_inputs / "group1-shard1of1.bin").read_bytes())
        line = failed(tfgl("run", folder, "--output", tmp_path / "out.npz"), 1)
        assert all(word in line for word in words), line
    assert not (tmp_path / "out.npz").exists()
    assert "empty" in failed(tfgl("run", make(tmp_path / "empty")), 1)


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_no_device_is_a_failure(two_inputs: Path) -> None:
    line = failed(tfgl("run", two_inputs, "--device", "egl:99"), 1)
    assert "no OpenGL 3.3 context" in line and "tfgl doctor" in line


def test_traceback_only_with_debug(two_inputs: Path, tmp_path: Path) -> None:
    for command, code in [(["run", two_inputs, "--device", "egl:99"], 1), (["run", two_inputs, "--outputs", "no"], 2)]:
        result = tfgl(*command, "--debug")
        assert result.exit_code == code
        assert "Traceback" in result.stderr
        assert result.stdout == ""


def test_an_error_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch, two_inputs: Path) -> None:
    def broken(*_: object) -> None:
        raise TypeError("two\nlines \x1b[2J")

    monkeypatch.setattr("tfgl.cli.arrays.random_inputs", broken)
    line = failed(tfgl("run", two_inputs), 1)
    assert "internal error, TypeError: two lines \\x1b[2J" in line


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = one_input(tmp_path, (2,))
    target = tmp_path / "out.npz"
    target.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tfgl.cli.arrays._write_members", full)
    assert "No space left" in failed(tfgl("run", model, "--output", target), 1)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out.npz"]


def test_written_file_has_the_usual_rights(tmp_path: Path) -> None:
    model = one_input(tmp_path, (2,))
    tfgl("run", model, "--output", tmp_path / "out.npz")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "out.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_output_may_be_a_device(tmp_path: Path) -> None:
    assert tfgl("run", one_input(tmp_path, (2,)), "--output", os.devnull, "--json").exit_code == 0
    assert not Path(os.devnull).is_file()


def test_gl_33(two_inputs: Path) -> None:
    result = tfgl("run", two_inputs, "--gl", "3.3", "--json")
    assert result.exit_code == 0, result.output
    other = json.loads(tfgl("run", two_inputs, "--json").stdout)
    assert json.loads(result.stdout)["outputs"] == other["outputs"]


def test_compute_shaders(two_inputs: Path) -> None:
    result = tfgl("run", two_inputs, "--dispatch", "compute", "--json")
    if flags.gl_version != 330:
        assert result.exit_code == 0, result.output
        other = json.loads(tfgl("run", two_inputs, "--json").stdout)
        assert json.loads(result.stdout)["outputs"] == other["outputs"]
    refused = tfgl("run", two_inputs, "--dispatch", "compute", "--gl", "3.3")
    assert refused.exit_code == 1
    assert "compute shaders were asked for" in refused.stderr


def test_every_command_has_the_options_of_all() -> None:
    def commands(group: Any) -> Iterator[Any]:
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else [command]

    found = list(commands(main))
    assert len(found) >= 7
    for command in found:
        names = {name for parameter in command.params for name in parameter.opts}
        assert {"--device", "--gl", "--dispatch", "--json", "--quiet", "--debug"} <= names, command.name
        assert command.help, command.name


def test_version_and_exit_codes_of_the_process() -> None:
    done = child("-m", "tfgl.cli", "--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "tfgl")
    assert child("-m", "tfgl.cli", "run", "no/such/model").returncode == 2
    helped = child("-m", "tfgl.cli", "run", "--help")
    assert helped.returncode == 0 and "--image-range" in helped.stdout


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_a_closed_pipe_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m tfgl.cli ops --json | head -c 10",
        shell=True, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr


def test_interrupt() -> None:
    script = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start background jobs with it ignored
import tfgl.cli, tfgl.profile
tfgl.profile.measure_warmup = lambda *_, **__: signal.raise_signal(signal.SIGINT)
tfgl.cli.main(["bench", sys.argv[1], "--json"])
"""
    done = child("-c", script, DIGITS)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "tfgl: interrupted")
