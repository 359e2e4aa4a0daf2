"""Programs that a model needed before are built while it loads; what is kept for that is refused when damaged."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import f32, graph_model, node, placeholder
from tfgl.engine import Engine
from tfgl.gl.cache import MODELS_LIMIT, ModelFiles, cache_info, clear_cache
from tfgl.gl.known import KnownProgram, KnownPrograms
from tfgl.graph.model import GraphModel
from tfgl.io.manifest import WeightSpec
from tfgl.io.quantization import Quantization, dequantize
from tfgl_shaders.assembly import Input, Parameter, Source, Step

SOURCE = Source(
    "elementwise",
    (Input("a", "float", access="same"), Input("b", "int", "tiles", "channels")),
    "float",
    "tiles",
    (Parameter("out_size", "int"), Parameter("scale", "float"), Parameter("dims", "int", 4)),
    (("EXPRESSION", "a"), ("OTHER", "1")),
    (),
    (Step("max(c, d)", "c", (("d", "b"),), "math"),),
)
X = f32([[-1.0, 0.5, 2.0], [3.0, -4.0, 0.0]])


def products(columns: int = 3) -> GraphModel:
    """y = softmax(x @ w), s = sum of x."""
    nodes = [
        placeholder("x", (-1, 3)),
        node("product", "MatMul", ["x", "w"]),
        node("y", "Softmax", ["product"]),
        node("s", "Sum", ["x", "axes"]),
    ]
    weights = {"w": np.eye(3, columns, dtype=np.float32), "axes": np.array([1], np.int32)}
    return tfgl.load_graph_model(graph_model(nodes, weights))


def run(model: GraphModel) -> None:
    results = model.execute(X, ["y", "s"])
    assert isinstance(results, list)
    powers = np.exp(X.astype(np.float64))
    np.testing.assert_allclose(results[0].numpy(), powers / powers.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(results[1].numpy(), X.sum(1), rtol=1e-6)


# -- with a driver ----------------------------------------------------------


def test_a_known_model_compiles_nothing_at_its_first_input(fresh_engines: Callable[..., Engine]) -> None:
    fresh_engines()
    with products() as model:
        assert not model.stats.programs, "nothing is known of a new model"
        run(model)
        needed = {program.label for program in model.stats.programs}
    assert needed
    engine = fresh_engines()
    with products() as model:
        assert {program.label for program in model.stats.programs} == needed
        made = len(engine.programs.programs)
        run(model)
        run(model)
        assert len(engine.programs.programs) == made == len(model.stats.programs)
        assert engine.device.gl.GetError() == 0


@pytest.mark.parametrize("how", ["float16", "uint8"])
def test_programs_that_read_narrow_weights_are_known_too(fresh_engines: Callable[..., Engine], how: str) -> None:
    quantization = Quantization("uint8", 0.25, -8.0)
    x = np.linspace(-1, 1, 2 * 144, dtype=np.float32).reshape(2, 144)
    weight = dequantize(np.arange(144 * 132).reshape(144, 132).astype(np.uint8), quantization)
    nodes = [placeholder("x", (-1, 144)), node("y", "MatMul", ["x", "w"])]
    artifacts = graph_model(nodes, {"w": weight})
    artifacts.weight_specs.append(WeightSpec("w", weight.shape, "float32", quantization))
    for known in (False, True):
        engine = fresh_engines(weights_on_gpu=how)
        with GraphModel(artifacts) as model:
            before = len(model.stats.programs)
            result = model.predict(x)
            assert isinstance(result, tfgl.Tensor)
            np.testing.assert_allclose(result.numpy(), x.astype(np.float64) @ weight, rtol=0, atol=1e-3)
            made = {program.source for program in engine.programs.programs.values()}
            assert len(model.stats.programs) == (before if known else len(made))
        stored = {read.storage for source in made for read in source.inputs}
        # A sampler need not know of halves.
        assert stored == {"", {"uint8": "byte", "float16": "half" if engine.device.flavour == "image" else ""}[how]}
    fresh_engines()
    with GraphModel(artifacts) as model:
        assert not model.stats.programs, "weights kept otherwise need other programs"


def test_another_graph_or_other_fusions_are_another_model(fresh_engines: Callable[..., Engine]) -> None:
    fresh_engines()
    with products() as model:
        run(model)
    fresh_engines()
    with products(4) as model:
        assert not model.stats.programs
    fresh_engines(fusion=False)
    with products() as model:
        assert not model.stats.programs
        run(model)
    fresh_engines(program_cache=False)
    with products() as model:
        assert not model.stats.programs
        run(model)


def test_a_model_lists_no_programs_of_another_one(fresh_engines: Callable[..., Engine], cache_folder: Path) -> None:
    fresh_engines()
    nodes = [placeholder("x", (-1, 3)), node("y", "Erf", ["x"])]
    with products() as model, tfgl.load_graph_model(graph_model(nodes, {})) as other:
        result = other.predict(X)
        assert isinstance(result, tfgl.Tensor)
        assert result.shape == X.shape
        run(model)
        assert len(list((cache_folder / "models").glob("*.json"))) == 2
    fresh_engines()
    with products() as model:
        assert model.stats.programs
        assert not [program.label for program in model.stats.programs if "erf" in program.label]
        assert 0 < model.stats.build_ms <= model.stats.load_ms


@pytest.mark.parametrize("damage", ["cut", "another form", "no such body", "no program"])
def test_a_list_that_is_of_no_use_does_no_harm(
    fresh_engines: Callable[..., Engine], cache_folder: Path, damage: str
) -> None:
    fresh_engines()
    with products() as model:
        run(model)
    (entry,) = (cache_folder / "models").glob("*.json")
    content = entry.read_bytes().partition(b"\n")[2]
    rows = json.loads(content)
    if damage == "another form":
        rows[0]["inputs"] = 5
    elif damage == "no such body":
        rows[0]["body"] = "no_such_body"
    elif damage == "no program":
        rows[0]["defines"].append(["main", "} not GLSL"])
    changed = content[:-5] if damage == "cut" else json.dumps(rows).encode()
    entry.write_bytes(hashlib.sha256(content if damage == "cut" else changed).hexdigest().encode() + b"\n" + changed)
    engine = fresh_engines()
    with products() as model:
        built = len(model.stats.programs)
        assert built == (len(rows) - 1 if damage.startswith("no ") else 0)
        run(model)
        assert engine.device.gl.GetError() == 0
    fresh_engines()
    with products() as model:
        assert len(model.stats.programs) == len(rows), "the list was not written anew"


# -- files ------------------------------------------------------------------


def test_a_list_comes_back_as_it_was(tmp_path: Path) -> None:
    program = KnownProgram(SOURCE, bytes(range(32)))
    known = KnownPrograms("driver", tmp_path)
    known.store("model", [program])
    assert known.load("model") == [program]
    assert known.load("another model") == []
    assert KnownPrograms("another driver", tmp_path).load("model") == []


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "double"},
        {"body": "../outside"},
        {"body": "/etc/outside"},
        {"defines": [["INCLUDES", "math/erf ../../outside"]]},
        {"layout": ""},
        {"inputs": [["a", "float", "flat"]]},
        {"inputs": [["a", "float", "flat", "none", ""]]},
        {"inputs": [["a", "float", "flat", "", "quarter"]]},
        {"parameters": [["n", "int", -1]]},
        {"parameters": [["n", "int", True]]},
        {"defines": [["A"]]},
        {"defines": [["A", 1]]},
        {"steps": [["a", "b", [["c"]], ""]]},
        {"body": None},
        {"block": "00"},
        {"block": "zz"},
    ],
)
def test_a_row_of_another_form_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    known = KnownPrograms("driver", tmp_path)
    known.store("model", [KnownProgram(SOURCE, bytes(32))])
    files = ModelFiles("driver", tmp_path)
    content = files.load("model")
    assert content is not None
    (row,) = json.loads(content)
    files.store("model", json.dumps([{**row, **change}]).encode())
    assert known.load("model") == []


def test_lists_are_bounded(tmp_path: Path) -> None:
    files = ModelFiles("driver", tmp_path)
    files.store("large", bytes(1 << 20))
    assert files.load("large") is None
    files.store("first", b"1")
    (path,) = (tmp_path / "models").iterdir()
    os.utime(path, (1, 1))
    for at in range(MODELS_LIMIT):
        files.store(str(at), b"[]")
    assert cache_info(tmp_path).models == MODELS_LIMIT
    assert files.load("first") is None
    assert files.load(str(MODELS_LIMIT - 1)) == b"[]"
    assert clear_cache(tmp_path).models == MODELS_LIMIT
    assert list(tmp_path.iterdir()) == []
