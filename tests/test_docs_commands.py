"""The commands and the Python of the documents run as they are written, in their order."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from digits_model import DIGITS_H5
from tensorflow_files import add_constant, add_node, add_signature, dtype, new_saved_model, write_saved_model
from tfgl.cli import main as tfgl
from tfgl.graph.model import graph_of
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.ir.evaluate import evaluate
from tfgl.keras.files.layers_model import keras_model_of
from tfgl_converter import wizard
from tfgl_converter.cli import main as converter
from tfgl_converter.flags import FLAGS
from tfgl_converter.options import TARGETS
from tfgl_converter.writers.keras_hdf5 import write_keras_hdf5

ROOT = Path(__file__).resolve().parents[1]
README, CONVERTING = ROOT / "README.md", ROOT / "docs" / "converting.md"


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)


def commands(document: Path) -> list[list[str]]:
    text = "\n".join(block for block in blocks(document, "sh") if re.search(r"^tensorflowjs_converter ", block, re.M))
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files that the documents name: y = 2 x as TensorFlow saves it, the digits, a layer of somebody's own."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(DIGITS_H5, "model.h5")
    shutil.copytree(DIGITS_H5.parent, "examples/digits")
    message, meta_graph = new_saved_model()
    nodes = meta_graph.graph_def.node
    add_node(nodes, "x", "Placeholder", dtype=dtype("float32"))
    add_constant(nodes, "two", np.float32(2))
    add_node(nodes, "y", "Mul", "x", "two", T=dtype("float32"))
    add_signature(meta_graph, "serving_default", {"x": "x:0"}, {"y": "y:0"})
    write_saved_model(tmp_path / "saved_model", message)
    Path("frozen.pb").write_bytes(meta_graph.graph_def.SerializeToString())
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 2]}},
        {"class_name": "mine>Scale", "config": {"name": "sc", "factor": 10.0}},
    ]
    topology = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    model = keras_model_of(ModelArtifacts("layers-model", topology, weights={"sc/s": np.array([1, 2], np.float32)}))
    write_keras_hdf5(model, "custom.h5", custom_objects=["Scale"])
    (own,) = [block for block in blocks(CONVERTING, "python") if "tfjs_ops" in block]
    Path("own_layers.py").write_text(own)
    yield tmp_path
    sys.modules.pop("own_layers", None)


@pytest.mark.parametrize("document", [README, CONVERTING], ids=lambda path: path.name)
def test_commands_run(document: Path, sources: Path) -> None:
    listed = commands(document)
    assert len(listed) > 4
    for program, *arguments in listed:
        line = shlex.join([program, *arguments])
        if program == "tensorflowjs_wizard":
            assert wizard.main(["--help"]) == 0
        elif program == "tfgl":
            done = CliRunner().invoke(tfgl, arguments)
            assert done.exit_code == 0, f"{line}\n{done.output}"
        else:
            assert program == "tensorflowjs_converter"
            assert converter(arguments) == 0, line


def test_the_class_of_the_example_computes_what_it_says(sources: Path) -> None:
    (command,) = [words for words in commands(CONVERTING) if any("--custom_objects" in word for word in words)]
    assert converter(command[1:]) == 0
    graph = graph_of(read_artifacts(command[-1]))
    found = evaluate(graph, {"x": np.ones((1, 2), np.float32)}, list(graph.outputs))
    np.testing.assert_array_equal(next(iter(found.values())), [[10, 20]])


def test_python_runs(sources: Path) -> None:
    names: dict[str, Any] = {"array": np.linspace(-1, 1, 11, dtype=np.float32)}
    (code,) = [block for block in blocks(CONVERTING, "python") if "tfgl_converter.convert(" in block]
    exec(compile(code, str(CONVERTING), "exec"), names)
    assert (sources / "small_model" / "model.json").exists()
    again = names["stored"] * names["how"]["scale"] + names["how"]["min"]
    np.testing.assert_allclose(again, names["array"], atol=names["how"]["scale"])


def test_every_flag_and_format_is_described() -> None:
    text = CONVERTING.read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `-"))
    assert [flag.written for flag in FLAGS if f"`{flag.written}`" not in table] == []
    rows = {}
    for line in text.splitlines():
        cells = [re.findall(r"`(\w+)`", cell) for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] and cells[0][0] in TARGETS:
            rows[cells[0][0]] = tuple(name for name in cells[2])
    assert {source: set(targets) for source, targets in rows.items()} == {s: set(t) for s, t in TARGETS.items()}
    assert {source: targets[0] for source, targets in rows.items()} == {s: t[0] for s, t in TARGETS.items()}


def test_links_lead_somewhere() -> None:
    for document in (README, CONVERTING, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
