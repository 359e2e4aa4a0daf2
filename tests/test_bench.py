"""The benchmarks' own parts: the report, the rows, and models that load and compute what the reference computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compare
import draws
import fresh
import report
import report_peers
import tables
import tfgl
import tfgl_converter
import topologies
import topologies_images
import topologies_sequences
import workloads
from bench_kernels import CASES
from digits_model import DIGITS
from goals import GOALS
from plain_graph import write_plain_graph
from tfgl.engine import Engine
from tfgl.errors import NoDeviceError
from tfgl.gl.device import open_device
from tfgl.graph.model import graph_of
from tfgl.io import ModelArtifacts, save_artifacts
from tfgl.ir.evaluate import evaluate

MOST_PROGRAMS = 30


@pytest.fixture
def fresh_engine() -> Iterator[Engine]:
    """An engine that has compiled and created nothing yet."""
    flags = replace(tfgl.flags, program_cache=False)
    try:
        engine = Engine(open_device(flags), flags)
    except NoDeviceError as error:
        pytest.skip(f"no GL device: {error}")
    before = tfgl.engine.use(engine)
    yield engine
    tfgl.engine.use(before)
    engine.close()


# -- the report ---------------------------------------------------------------


def row(seconds: list[float], group: str = "", **extra_info: Any) -> dict[str, Any]:
    stats = {"median": sorted(seconds)[len(seconds) // 2], "data": seconds}
    return {"name": "n", "group": group, "stats": stats, "extra_info": extra_info}


def results(*rows: dict[str, Any], load: float = 0.0, **more: Any) -> dict[str, Any]:
    ours = {
        "renderer": "a driver",
        "driver": "4.5",
        "flavour": "image",
        "cores": 2,
        "load_before": [load, load, load],
        "load_after": [1.5, 0.5, 0.25],
        "system": "Linux x86_64",
        "versions": {"tfgl": "0.1.0"},
    }
    machine = {"cpu": {"brand_raw": "a processor"}, "python_version": "3.12.1", "tfgl": ours}
    return {"benchmarks": list(rows), "machine_info": machine, "datetime": "2030-01-02T03:04:05", **more}


STEADY = {"draws": 58, "programs": 12, "textures": 7, "texture_bytes": 2_000_000, "cpu_ms": 15.0}
FRESH = {"load_ms": 50.0, "first_ms": 150.0, "compile_ms": 120.0, "draws": 58, "programs": 12}
MODEL = [
    row([0.2], model="m", phase="cold", **FRESH),
    row([0.05], model="m", phase="warm", **{**FRESH, "load_ms": 20.0, "first_ms": 30.0}),
    row([0.009, 0.01, 0.011], model="m", phase="steady", **STEADY),
]
KERNEL = row(
    [0.001, 0.002, 0.004], "matmul", kernel="BatchMatMul", label="8 | 8", programs=2, compile_ms=90.0,
    gb_per_s=1.5, gflop_per_s=20.25, cpu_ms=3.0, call_ms=2.5, draws=4,
)  # fmt: skip


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")]


def test_models_are_one_line_each() -> None:
    found = cells(report.markdown(results(*MODEL)), "m")
    fresh_cells = ["200", "50.0 + 150", "50.0", "20.0 + 30.0"]
    assert found == ["m", *fresh_cells, "10.0", "9.10", "10.9", "15.0", "20.0", "5.00", "58", "12", "120", "7", "2.00"]


def test_a_model_without_some_rows_has_empty_cells() -> None:
    found = cells(report.markdown(results(MODEL[0])), "m")
    assert found == ["m", "200", "50.0 + 150", *[""] * 8, "58", "12", "120", "", ""]


def test_kernels_are_one_line_each() -> None:
    found = cells(report.markdown(results(KERNEL)), "matmul")
    call = ["2.50", "4", "2", "90.0"]
    assert found == ["matmul", "8 ¦ 8", "BatchMatMul", "2.00", "1.10", "3.80", "3.00", "20.2", "1.50", *call]


def test_speed_of_convolutions_is_a_geometric_mean() -> None:
    labels = {"1x1, 56x56 64 -> 64": 10.0, "1x1, 7x7 512 -> 64": 40.0, "3x3, 7x7 64 -> 64": 20.0, "7x7, 3 -> 64": 5.0}
    rows = [row([0.001], report.RESNET50, label=label, gflop_per_s=speed) for label, speed in labels.items()]
    text = report.speeds([*rows, KERNEL])
    assert "3 distinct 1x1 and 3x3 convolutions: **20.0 GFLOP/s** (1x1 20.0, 3x3 20.0, 7x7 5.00)" in text
    assert report.speeds([KERNEL]) == ""


def test_every_distinct_convolution_of_resnet50_is_a_row() -> None:
    artifacts = topologies.resnet50(32)
    assert artifacts.model_topology is not None
    convolutions = [node for node in artifacts.model_topology["node"] if node["op"] == "_FusedConv2D"]
    expected = {
        (artifacts.weights[node["input"][1]].shape, int(node["attr"]["strides"]["list"]["i"][1]))
        for node in convolutions
    }
    rows = [case for case in CASES if case.group == report.RESNET50]
    assert {(case.inputs["filter"].shape, case.attrs["strides"][0]) for case in rows} == expected
    assert len(rows) == len(expected)


def test_tables_have_as_many_columns_in_every_line() -> None:
    lines = [line for line in report.markdown(results(*MODEL, KERNEL)).splitlines() if line.startswith("|")]
    columns = [line.replace("\\|", "").count("|") for line in lines]
    assert columns == [17] * 3 + [14] * 3


@pytest.mark.parametrize(("load", "busy"), [(0.1, False), (0.4, False), (0.6, True), (3.0, True)])
def test_figures_from_a_busy_machine_are_marked(load: float, busy: bool) -> None:
    assert ("measured under load" in report.markdown(results(load=load))) == busy


def test_surroundings_are_named() -> None:
    text = report.markdown(results(commit_info={"id": "0123456789abcdef"}))
    named = ("a processor, 2 cores", "a driver, 4.5", "2030-01-02T03:04", "0123456789", "tfgl 0.1.0", "1.50 0.50")
    for expected in named:
        assert expected in text


def test_what_is_missing_is_named_with_its_reason() -> None:
    text = report.markdown(results(missing=[{"name": "test_x[y]", "outcome": "skipped", "reason": "no GL device"}]))
    assert "- test_x[y]: skipped, no GL device" in text
    assert "## Not measured" not in report.markdown(results())


def test_results_of_foreign_origin_are_reported_as_far_as_they_go() -> None:
    assert "No rows." in report.markdown({"benchmarks": [], "machine_info": {}})


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 3.0), (95, 4.8), (100, 5.0)])
def test_percentile(percent: float, expected: float) -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert tables.percentile(values, percent) == pytest.approx(expected)
    assert np.percentile(values, percent) == pytest.approx(expected)


def test_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        tables.percentile([], 50)


def test_report_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "r.json", tmp_path / "RESULTS.md"
    source.write_text(json.dumps(results(KERNEL)), encoding="utf-8")
    assert report.main([str(source), "--output", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == capsys.readouterr().out.removesuffix("\n")


def test_the_part_of_the_other_kind_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "r.json", tmp_path / "RESULTS.md"
    target.write_text("# Benchmarks\n\nstale figures\n\n# Beside other runtimes\n\nkept\n", encoding="utf-8")
    source.write_text(json.dumps(results(KERNEL)), encoding="utf-8")
    report.main([str(source), "--output", str(target)])
    text = target.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks") and "stale figures" not in text
    assert text.endswith("\n\n# Beside other runtimes\n\nkept\n")


def test_without_rows_the_old_report_stays(tmp_path: Path) -> None:
    target = tmp_path / "RESULTS.md"
    target.write_text("old")
    assert report.main([str(tmp_path / "absent.json"), "--output", str(target)]) == 0
    assert target.read_text() == "old"


# -- beside other runtimes -----------------------------------------------------


def starts(*totals_ms: float) -> list[dict[str, float]]:
    return [{"load_ms": total * 0.25, "first_ms": total * 0.75} for total in totals_ms]


def compared(model: str, **more: Any) -> dict[str, Any]:
    """Ours: 400 cold, 60 warm, 10 steady; WebGL: 1600, 300, 25; wasm: 100, 80, 9.5."""
    return {
        "model": model,
        "cold": {"ours": starts(400, 380, 420), "webgl": starts(1600, 1520, 2100), "wasm": starts(100)},
        "warm": {"ours": starts(60), "webgl": starts(300), "wasm": starts(80)},
        "steady": {
            "ours": [[9.0, 10.0, 12.0], [10.0, 10.0, 10.0]],
            "webgl": [[25.0], [25.0]],
            "wasm": [[9.5, 9.5], [9.5, 9.5]],
        },
        "details": {
            "ours": {"programs": 12},
            "webgl": {"programs": 67, "renderer": "ANGLE (a driver)"},
            "wasm": {"programs": None, "threads": 2},
        },
        "agreement": {"webgl": {"largest": 1e-5, "relative": 2e-6}, "wasm": "no output a: b"},
        "missing": {},
        **more,
    }


def beside(*rows: dict[str, Any], **more: Any) -> str:
    measured = {**results(), "comparison": list(rows), "missing": {}, "elapsed_s": 600.0, **more}
    return report_peers.markdown(measured)


def test_goals_are_judged_by_the_paired_ratios() -> None:
    found = cells(beside(compared("blazeface")), "blazeface")
    assert found[2:] == [
        "yes", "1600", "400", "4.00 [4.00, 4.50]", "25.0", "10.0", "2.50 [2.50, 2.50]", "9.50", "0.950 [0.950, 0.950]",
        "67", "12",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "change", "expected"),
    [
        ("MobileNetV2", {}, "yes"),
        ("MobileNetV2", {"details": {"ours": {"programs": 26}}}, "no: programs"),
        ("ResNet50", {}, "no: steady"),
        ("faceres", {}, "no: steady"),
        ("centernet", {"cold": {"ours": starts(400), "webgl": starts(1100)}}, "no: cold"),
        ("centernet", {"steady": {}}, "not measured"),
        ("a model without a goal", {}, ""),
    ],
)
def test_verdicts(model: str, change: dict[str, Any], expected: str) -> None:
    row = compared(model, **change)
    if model == "ResNet50":
        row["steady"]["wasm"] = [[9.4], [9.4]]
    if model == "faceres":
        row["steady"]["wasm"] = [[9.3], [9.3]]
    assert report_peers.reached(row) == expected


def test_every_goal_is_of_a_model_that_is_measured() -> None:
    published = {"blazeface", "movenet-lightning", "faceres", "selfie", "posenet", "centernet"}
    built = {workload.name for workload in workloads.workloads()}
    assert GOALS.keys() <= built | published
    assert str(GOALS["centernet"]) == "cold ≤ 0.333 × WebGL, steady ≤ 0.5 × WebGL, programs ≤ 60"


def test_starts_have_their_parts() -> None:
    text = beside(compared("m"))
    found = cells(text[text.index("## Cold and warm") :], "m")
    assert found[1:4] == ["100 + 300", "400 + 1200", "25.0 + 75.0"]
    assert found[4:] == ["15.0 + 45.0", "75.0 + 225", "20.0 + 60.0", "5.00 [5.00, 5.00]", "4.50", "6.00"]


def test_agreement_is_stated_or_what_keeps_from_it() -> None:
    text = beside(compared("m"))
    lines = [line for line in text[text.index("## Steady") :].splitlines() if line.startswith("| m ")]
    assert lines[0].endswith("| 1.0e-05 | 2.0e-06 |")
    assert "no output a: b" in lines[1]
    assert "WebGL draws with ANGLE (a driver)" in text and "threads of wasm: 2" in text


def test_what_could_not_be_compared_is_named() -> None:
    alone = compared("m", missing={"webgl": "out of | memory"}, agreement={})
    for phase in ("cold", "warm", "steady"):
        alone[phase] = {"ours": alone[phase]["ours"]}
    text = beside(alone, missing={"wasm": "no browser"})
    assert "- wasm: no browser" in text and "- m, webgl: out of \\| memory" in text
    columns = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")]
    assert columns == [14] * 3 + [11] * 3


def test_differences() -> None:
    ours = {"a": np.array([1.0, 3.0], np.float32), "n": np.array([2, 5], np.int32)}
    theirs = {"a:0": np.array([1.0, 4.0], np.float32), "n:0": np.array([2, 4], np.int32)}
    assert compare.differences(theirs, ours) == {"largest": 1.0, "relative": 0.25}
    assert compare.differences({"b": ours["a"]}, ours) == "no output a: b"
    assert compare.differences({**theirs, "n": np.zeros(3)}, ours) == "output n is [3], ours [2]"
    assert compare.differences({"e": np.zeros((0, 2))}, {"e": np.zeros((0, 2))}) == {"largest": 0.0, "relative": 0.0}
    same = np.array([np.nan, np.inf])
    assert compare.differences({"a": same}, {"a": same}) == {"largest": 0.0, "relative": 0.0}
    unlike = compare.differences({"a": np.array([np.nan])}, {"a": np.array([1.0])})
    assert isinstance(unlike, dict) and np.isnan(unlike["largest"])


def test_models_are_chosen_by_name() -> None:
    assert [workload.name for workload in compare.chosen("ResNet50,digits")] == ["ResNet50", "digits"]
    assert compare.chosen(None)[0].name == "MobileNetV2"
    with pytest.raises(ValueError, match="no model Foo"):
        compare.chosen("digits,Foo")


def test_without_peers_ours_is_measured_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        open_device(tfgl.flags).close()
    except NoDeviceError as error:
        pytest.skip(f"no GL device: {error}")
    monkeypatch.setattr(compare, "find_chromium", lambda: None)
    monkeypatch.setattr(compare, "RUNTIMES_SCRIPT", tmp_path / "lacking.py")
    (tmp_path / "lacking.py").write_text("""print('{"tensorflow": "", "tflite": "", "onnxruntime": "onnxruntime"}')""")
    written = tmp_path / "made" / "peers.json"
    arguments = ["--models", "digits", "--peers", "webgl,wasm,onnxruntime", "--quick", "--packages", str(tmp_path)]
    assert compare.main([*arguments, "--json", str(written)]) == 0
    shown = capsys.readouterr()
    assert "- webgl: no chromium" in shown.out and "wasm: left out" in shown.err
    assert "- onnxruntime: no package onnxruntime" in shown.out
    found = json.loads(written.read_text(encoding="utf-8"))
    (row,) = found["comparison"]
    assert len(row["cold"]["ours"]) == len(row["warm"]["ours"]) == 1
    assert len(row["steady"]["ours"]) == 3
    assert row["details"]["ours"]["from_disk_cache"] == row["details"]["ours"]["programs"]
    assert "node" not in found["machine_info"]


# -- graphs for other runtimes --------------------------------------------------


def test_fused_nodes_are_taken_apart_and_compute_the_same(tmp_path: Path) -> None:
    """The parts, evaluated by the reference, against the fused nodes of the same reference."""
    builder = topologies.Builder()
    x = builder.placeholder("x", (1, 6, 5, 3))
    y = builder.convolution(x, 3, 3, 4, activation="Relu6")
    y = builder.depthwise(y, 3, 4, activation="Elu")
    y = builder.node("Prelu", [y, builder.vector(0.5, -0.25, 2.0, 0.0)])
    y = builder.dense(builder.node("Reshape", [y, builder.whole(-1, 4)]), 4, 2)
    artifacts = builder.artifacts(y, "y")
    save_artifacts(artifacts, tmp_path / "model")
    write_plain_graph(tmp_path / "model", tmp_path)

    plain = json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert {node["op"] for node in plain["nodes"]} == {
        "Placeholder", "Const", "Conv2D", "DepthwiseConv2dNative", "MatMul", "BiasAdd", "Relu6", "Elu", "Relu", "Neg",
        "Mul", "Sub", "Reshape", "Identity",
    }  # fmt: skip
    assert (plain["inputs"], plain["outputs"]) == ({"x": "x:0"}, {"y": "Identity:0"})
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 6, 5, 3)).astype(np.float32)}
    taken_apart = replace(artifacts, model_topology={"node": plain["nodes"]})
    found, expected = (evaluate(graph_of(model), feeds, ["y"])["y"] for model in (taken_apart, artifacts))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_layers_models_become_graphs(tmp_path: Path) -> None:
    layers = tmp_path / "layers"
    tfgl_converter.convert(workloads.DIGITS, layers, input_format="keras", output_format="tfjs_layers_model")
    write_plain_graph(layers, tmp_path)
    plain = json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))
    with np.load(tmp_path / "weights.npz") as weights:
        assert {node["name"] for node in plain["nodes"] if node["op"] == "Const"} <= set(weights)
    assert len(plain["inputs"]) == len(plain["outputs"]) == 1


# -- rows and environments ----------------------------------------------------


def test_kernel_rows_are_told_apart() -> None:
    names = [(case.group, case.name) for case in CASES]
    assert len(set(names)) == len(names)


def test_flops_of_rows() -> None:
    flops = {case.name: case.flops for case in CASES}
    assert flops["512 x 512 x 512"] == 2 * 512**3
    assert flops["attention q k^T, 12 heads"] == 2 * 12 * 128 * 64 * 128
    assert flops["3x3, 56x56 64 -> 64"] == 2 * 56 * 56 * 9 * 64 * 64
    assert flops["3x3 112x112x96, stride 2"] == 2 * 56 * 56 * 9 * 96
    assert flops["4x4 32x32 128 -> 64"] == 2 * 32 * 32 * 16 * 128 * 64


def test_cold_has_every_cache_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFGL_CACHE", "0")
    monkeypatch.setenv("MESA_SHADER_CACHE_DISABLE", "true")
    cold, warm = fresh.cold_environment(tmp_path), fresh.warm_environment(tmp_path)
    assert cold["MESA_SHADER_CACHE_DISABLE"] == "true"
    assert cold["TFGL_CACHE_DIR"] == str(tmp_path)
    assert "TFGL_CACHE" not in cold  # a first visitor's cache is on, and empty
    assert "MESA_SHADER_CACHE_DISABLE" not in warm
    assert {warm["TFGL_CACHE_DIR"], warm["MESA_SHADER_CACHE_DIR"]} == {str(tmp_path / "tfgl"), str(tmp_path / "driver")}


def test_models_have_names_of_their_own() -> None:
    names = [workload.name for workload in workloads.workloads()]
    assert {"MobileNetV2", "MobileNetV1-0.25", "ResNet50", "digits"} <= set(names)
    assert len(set(names)) == len(names)


def test_topologies_are_written_once(tmp_path: Path) -> None:
    workload = workloads.Workload("small", lambda: topologies.mobilenet_v1(32, classes=7))
    folder = workload.files(tmp_path)
    written = (folder / "model.json").stat().st_mtime_ns
    assert workload.files(tmp_path) == folder
    assert (folder / "model.json").stat().st_mtime_ns == written


# -- models -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "size"),
    [(topologies.mobilenet_v1, 64), (topologies.resnet50, 32)],
    ids=["MobileNetV1-0.25", "ResNet50"],
)
def test_topology_computes_what_the_reference_computes(
    fresh_engine: Engine, build: Callable[..., ModelArtifacts], size: int
) -> None:
    artifacts = build(size, classes=10)
    with tfgl.GraphModel(artifacts) as model:
        assert_agrees(model, artifacts, size)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: topologies_images.efficientnet_b0(64, classes=10), id="EfficientNetB0"),
        pytest.param(lambda: topologies_images.style_transfer(28), id="style"),
        pytest.param(lambda: topologies_images.style_transfer(24, separable=True), id="style-separable"),
        pytest.param(lambda: topologies_sequences.bert(2, 24, 3, tokens=17, vocabulary=41), id="BERT"),
        pytest.param(lambda: topologies_sequences.bert(1, 32, 2, tokens=16, vocabulary=10), id="BERT-aligned"),
        pytest.param(lambda: topologies_sequences.unrolled_lstm(3, 5, units=12), id="LSTM"),
        pytest.param(lambda: topologies_sequences.unrolled_lstm(2, 8, units=128), id="LSTM-128"),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_other_topologies(fresh_engine: Engine, build: Callable[[], ModelArtifacts], batch: int) -> None:
    artifacts = build()
    with tfgl.GraphModel(artifacts) as model:
        generator = np.random.default_rng(1)
        inputs: dict[str, Any] = {}
        for key, info in zip(model.input_keys, model.inputs, strict=True):
            shape = [batch if n < 0 else n for n in info.shape or ()]
            highest = 9 if key == "ids" else 1
            whole = info.dtype == "int32"
            inputs[key] = (
                generator.integers(0, highest, shape, endpoint=True, dtype=np.int32)
                if whole
                else generator.random(shape, np.float32)
            )
        expected = evaluate(graph_of(artifacts), inputs, model.output_keys)
        for _ in range(2):  # captured, then replayed
            for key, values in zip(model.output_keys, workloads.run_to_host(model, inputs), strict=True):
                off = np.abs(values - expected[key])
                assert values.shape == expected[key].shape
                assert off.max() <= 1e-4 * np.abs(expected[key]).max(), f"{key} off by {off.max()} at {off.argmax()}"


def test_mobilenet_v2(fresh_engine: Engine, tmp_path: Path) -> None:
    """Few programs; a second inference compiles nothing and, with the first outputs released, creates no texture."""
    size = 96
    workload = workloads.Workload("small", lambda: topologies.mobilenet_v2(size))
    folder = workload.files(tmp_path)
    with tfgl.load_graph_model(folder) as model:
        inputs = assert_agrees(model, workload.build(), size) if workload.build else {}
        assert len(fresh_engine.programs.programs) <= MOST_PROGRAMS
        created, programs = fresh_engine.pool.created, len(fresh_engine.programs.programs)
        workloads.run_to_host(model, inputs)
        assert (fresh_engine.pool.created, len(fresh_engine.programs.programs)) == (created, programs)
        assert model.stats.replays == 1


def assert_agrees(model: tfgl.GraphModel, artifacts: ModelArtifacts, size: int) -> dict[str, Any]:
    """The first inference is within 1e-4 of the reference's largest value; returns its inputs."""
    inputs = {"image": np.random.default_rng(1).random((1, size, size, 3), np.float32)}
    (scores,) = workloads.run_to_host(model, inputs)
    expected = evaluate(graph_of(artifacts), inputs, ["scores"])["scores"]
    off = np.abs(scores - expected)
    assert scores.shape == expected.shape
    assert off.max() <= 1e-4 * np.abs(expected).max(), f"off by {off.max()} at {off.argmax()}"
    return inputs


def test_draws_of_a_replay(fresh_engine: Engine, tmp_path: Path) -> None:
    """One row a draw of the recording; operations and bytes follow from the shapes."""
    folder = workloads.Workload("small", lambda: topologies.mobilenet_v1(32, classes=7)).files(tmp_path)
    engine = draws.Watched(fresh_engine.device, fresh_engine.flags)
    tfgl.engine.use(engine)
    recorded = draws.recorded_draws(engine, folder)
    rows = draws.measured(engine, recorded, rounds=2)
    assert all(len(row.times_us) == 2 for row in rows)
    assert rows[0].conversion  # of the image
    first = next(row for row in rows if row.draw.source.body == "convolution")
    layers = engine.device.layers
    bands = -(-16 // layers)
    assert first.shape == "1x16x16x8"
    assert first.operations == 2 * (2 * bands * layers * 16 * 4) * 9 * 4
    image = -(-32 // layers) * layers * 32 * 16
    assert first.bytes >= image + 2 * bands * layers * 16 * 16


def test_a_fresh_process_reports_its_times(tmp_path: Path) -> None:
    try:
        open_device(tfgl.flags).close()
    except NoDeviceError as error:
        pytest.skip(f"no GL device: {error}")
    found = fresh.measure(DIGITS, fresh.cold_environment(tmp_path))
    assert found["first_ms"] >= found["compile_ms"] > 0
    assert found["load_ms"] > 0
    assert found["programs"] > found["from_disk_cache"] == 0


def test_a_failing_process_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="fresh process"):
        fresh.measure(tmp_path / "absent", fresh.cold_environment(tmp_path))
