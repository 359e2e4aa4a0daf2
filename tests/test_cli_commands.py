"""`tfgl inspect`, `ops`, `cache`, `doctor` and `bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from digits_model import DIGITS
from graph_models import graph_model, node, placeholder
from tfgl.cli import main
from tfgl.gl import probe
from tfgl.gl.cache import cache_directory, cache_info
from tfgl.io import ModelArtifacts, save_artifacts
from tfgl.ir.lowering import supported_ops
from tfgl.registry import kernel_names, kernels

ROOT = Path(__file__).resolve().parent.parent


def tfgl(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="tfgl")


def answer(*arguments: object) -> Any:
    result = tfgl(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# -- inspect ----------------------------------------------------------------


def test_inspect_digits() -> None:
    report = answer("inspect", DIGITS)
    assert report["format"] == "graph-model"
    assert report["inputs"] == [{"key": "image", "name": "image:0", "dtype": "float32", "shape": [-1, 8, 8, 1]}]
    assert [output["key"] for output in report["outputs"]] == ["probabilities"]
    counts = {entry["op"]: entry["count"] for entry in report["ops"]}
    assert counts["_FusedConv2D"] == 2 and counts["Const"] == 9
    assert all(entry["supported"] for entry in report["ops"])
    assert report["runs"] is True
    weights = report["weights"]
    assert weights["count"] == 9 == len(weights["tensors"])
    assert weights["bytes"] == (DIGITS / "group1-shard1of1.bin").stat().st_size


def test_inspect_needs_neither_weights_nor_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("inspect opened a device")

    monkeypatch.setattr("tfgl.gl.device.create_context", refuse)
    monkeypatch.setattr("tfgl.engine.current", refuse)
    (tmp_path / "model.json").write_bytes((DIGITS / "model.json").read_bytes())
    assert answer("inspect", tmp_path)["weights"]["count"] == 9
    assert tfgl("inspect", tmp_path).exit_code == 0


def test_inspect_quantised_weights(tmp_path: Path) -> None:
    weights = {"w": np.linspace(-1, 1, 100, dtype=np.float32), "n": np.arange(3, dtype=np.int32)}
    nodes = [placeholder("x", (100,)), node("y", "Mul", ["x", "w"]), node("z", "Identity", ["n"])]
    save_artifacts(graph_model(nodes, weights), tmp_path / "m", quantization={"w": "uint8"})
    report = answer("inspect", tmp_path / "m")["weights"]
    assert report["by_dtype"] == [
        {"dtype": "float32", "quantization": "uint8", "count": 1, "parameters": 100, "bytes": 100},
        {"dtype": "int32", "quantization": None, "count": 1, "parameters": 3, "bytes": 12},
    ]


def test_inspect_says_what_is_not_supported(tmp_path: Path) -> None:
    nodes = [placeholder("x", (2,)), node("\x1b[2Jy", "Frobnicate", ["x"])]
    model = save_artifacts(graph_model(nodes), tmp_path / "m")
    report = answer("inspect", model)
    (entry,) = [entry for entry in report["ops"] if entry["op"] == "Frobnicate"]
    assert entry["supported"] is False and report["runs"] is False
    shown = tfgl("inspect", model)
    assert "Frobnicate not supported" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_inspect_a_layers_model(tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 3, "batch_input_shape": [None, 2]}}
    relu = {"class_name": "ReLU", "config": {"name": "r"}}
    topology = {"model_config": {"class_name": "Sequential", "config": {"name": "s", "layers": [dense, relu]}}}
    weights = {"d/kernel": np.ones((2, 3), np.float32), "d/bias": np.ones(3, np.float32)}
    save_artifacts(ModelArtifacts("layers-model", topology, weights=weights), tmp_path / "m")
    (tmp_path / "m" / "group1-shard1of1.bin").unlink()  # weights are not read
    report = answer("inspect", tmp_path / "m")
    assert report["layer_classes"] == [{"class": "Dense", "count": 1}, {"class": "ReLU", "count": 1}]
    assert report["inputs"] == [{"key": "d_input", "name": "d_input", "dtype": "float32", "shape": [-1, 2]}]
    assert [info["key"] for info in report["outputs"]] == ["r"]
    assert [(layer["name"], layer["output_shapes"], layer["parameters"]) for layer in report["layers"]] == [
        ("d", [[[-1, 3]]], 9), ("r", [[[-1, 3]]], 0),
    ]  # fmt: skip
    assert report["runs"] is True and report["parameters"] == report["trainable_parameters"] == 9
    shown = tfgl("inspect", tmp_path / "m").stdout
    assert "Dense" in shown and "[?, 3]" in shown and "every layer is supported" in shown


def test_inspect_a_layers_model_that_cannot_be_built(tmp_path: Path) -> None:
    layers = [{"class_name": "Dense", "config": {"name": "d"}}, {"class_name": "Magic", "config": {"name": "m"}}]
    topology = {"model_config": {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}}
    (tmp_path / "model.json").write_text(json.dumps({"format": "layers-model", "modelTopology": topology}))
    report = answer("inspect", tmp_path)
    assert report["layer_classes"] == [{"class": "Dense", "count": 1}, {"class": "Magic", "count": 1}]
    assert report["runs"] is False and "'Magic'" in report["reason"]
    assert "Magic" in tfgl("inspect", tmp_path).stdout


def test_inspect_failures(tmp_path: Path) -> None:
    assert tfgl("inspect", tmp_path / "nowhere").exit_code == 2
    (tmp_path / "model.json").write_text("{}")
    result = tfgl("inspect", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")


# -- ops --------------------------------------------------------------------


def test_ops_is_the_registry() -> None:
    report = answer("ops")
    assert {row["op"] for row in report["ops"]} == supported_ops()
    assert {row["name"] for row in report["kernels"]} == kernel_names()
    places = {name: kernel.runs_on for name, kernel in kernels().items()}
    assert {row["name"]: row["runs_on"] for row in report["kernels"]} == places
    for row in report["ops"]:
        on_host = [name for name in row["kernels"] if places.get(name) == "host"]
        assert not on_host or "host" in row["runs_on"], row


def test_ops_table() -> None:
    shown = tfgl("ops").stdout
    assert "_FusedConv2D" in shown and "shader" in shown and "host" in shown


# -- cache ------------------------------------------------------------------


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFGL_CACHE_DIR", str(tmp_path))
    before = answer("cache", "info")
    assert (before["directory"], before["programs"], before["bytes"]) == (str(tmp_path), 0, 0)
    (tmp_path / "programs" / "ab").mkdir(parents=True)
    (tmp_path / "programs" / "ab" / "one.bin").write_bytes(b"12345")
    (tmp_path / "notes.txt").write_text("not ours to delete")
    assert answer("cache", "info")["bytes"] == 5
    assert "1 programs, 5 B" in tfgl("cache", "info").stdout
    assert answer("cache", "clear")["removed"] == {"programs": 1, "bytes": 5}
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "deleted 0 programs" in tfgl("cache", "clear").stdout
    assert tfgl("cache", "empty").exit_code == 2


# -- bench ------------------------------------------------------------------


def test_bench() -> None:
    report = answer("bench", DIGITS, DIGITS, "--runs", 4)
    assert len(report["models"]) == 2
    for warmup in report["models"]:
        # Each model is measured on a context of its own: the second one compiles too.
        assert warmup["programs"] and warmup["first_ms"] > 0
        assert warmup["steady"]["runs"] == 4
        assert warmup["steady"]["p5_ms"] <= warmup["steady"]["median_ms"] <= warmup["steady"]["p95_ms"]
        assert warmup["first_to_steady"] == pytest.approx(warmup["first_ms"] / warmup["steady"]["median_ms"])
        assert warmup["compile_ms"] == pytest.approx(sum(program["compile_ms"] for program in warmup["programs"]))
    assert tfgl("bench").exit_code == 2
    assert tfgl("bench", DIGITS, "--runs", 0).exit_code == 2


def test_bench_table() -> None:
    shown = tfgl("bench", DIGITS, "--runs", 2).stdout
    for phase in ("load", "upload", "texture creation", "compile", "first inference", "steady", "first ÷ steady"):
        assert phase in shown


# -- doctor -----------------------------------------------------------------


@pytest.fixture(scope="module")
def report() -> Any:
    return answer("doctor")


def test_doctor_finds_a_device(report: Any) -> None:
    by_device = {attempt["device"]: attempt for attempt in report["attempts"]}
    chosen = by_device[report["chosen"]]
    assert chosen["works"] and chosen["error"] is None
    found = chosen["report"]
    assert found["float32_render"] == found["int32_render"] == found["layered_render"] == "ok"
    assert found["compute_dispatch"] == "ok" or found["image_load_store"] != "ok"
    assert found["max_texture_size"] >= 1024
    assert {"image_load_store", "timer_query", "program_binary", "parallel_compile", "software"} <= set(found)
    assert "glfw" in by_device
    for attempt in by_device.values():
        assert attempt["works"] or attempt["error"]


def test_doctor_lists_caches(report: Any) -> None:
    ours = report["caches"][0]
    assert (ours["owner"], ours["directory"]) == ("tfgl", str(cache_directory()))
    assert ours["bytes"] == cache_info().bytes


def test_doctor_names_software_drivers(report: Any) -> None:
    for attempt in report["attempts"]:
        if attempt["works"] and "llvmpipe" in attempt["report"]["renderer"]:
            assert attempt["report"]["software"] is True


def test_doctor_for_people() -> None:
    shown = tfgl("doctor").stdout
    assert "chosen" in shown and "caches of compiled programs" in shown


def test_doctor_of_one_device() -> None:
    assert [attempt["device"] for attempt in answer("doctor", "--device", "egl:0")["attempts"]] == ["egl:0"]


def test_doctor_in_gl_33() -> None:
    report = answer("doctor", "--device", "egl:0", "--gl", "3.3")["attempts"][0]["report"]
    assert (report["version_code"], report["flavour"]) == (330, "sampler")
    assert report["compute_dispatch"].startswith("no: compute shaders were asked for")


def test_doctor_tunes(monkeypatch: pytest.MonkeyPatch) -> None:
    from tfgl import tuning

    def eight_by_eight_is_faster(flags: object, dispatch: str, candidates: Any) -> list[float]:
        return [50.0 if dispatch == "compute" and c.workgroup == (8, 8) else 70.0 for c in candidates]

    monkeypatch.setattr(tuning, "_measure", eight_by_eight_is_faster)
    try:
        report = answer("doctor", "--device", "egl:0", "--tune")
        measured = {trial["choice"]: trial["candidate"] for trial in report["trials"] if trial["chosen"]}
        if report["choices"]["accessor"] == "image":
            assert measured["workgroup"] == "8x8" and report["choices"]["workgroup"] == [8, 8]
        assert "chosen" in tfgl("doctor", "--device", "egl:0", "--tune").stdout
        attempt = answer("doctor", "--device", "egl:0")["attempts"][0]
        assert attempt["report"]["choices"]["layers"] == [report["choices"]["layers"], "measured"]
        assert "measured" in tfgl("doctor", "--device", "egl:0").stdout
        assert answer("cache", "info")["devices"] == 1
    finally:
        tfgl("cache", "clear")
    assert answer("cache", "info")["devices"] == 0


def test_doctor_fails_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(question: str, options: object, *_: object, **__: object) -> Any:
        return ({"devices": 0, "error": "no EGL library"}, None) if question == "egl" else (None, "crashed (SIGSEGV)")

    monkeypatch.setattr(probe, "ask", no_library)
    for options in ([], ["--json"]):
        result = tfgl("doctor", *options)
        assert result.exit_code == 1
        assert "SIGSEGV" in result.stdout
    report = json.loads(tfgl("doctor", "--json").stdout)
    assert report["chosen"] is None
    assert [attempt["error"] for attempt in report["attempts"]] == ["no EGL library", "crashed (SIGSEGV)"]
