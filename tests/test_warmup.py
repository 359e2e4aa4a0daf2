"""model.warmup: its progress as counts, as a bar on a terminal, and silence in a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import softmax

import tfgl
from graph_models import f32, graph_model, node, placeholder
from tfgl import engine
from tfgl.engine import Engine
from tfgl.flags import Flags
from tfgl.gl.device import open_device
from tfgl.graph.model import GraphModel

W = np.arange(48, dtype=np.float32).reshape(6, 8)


class Stream(io.StringIO):
    """What is written to it; a terminal if it is told so."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def fresh() -> Iterator[Engine]:
    """An engine that has compiled nothing, the current one."""
    flags = Flags(program_cache=False)
    made = Engine(open_device(flags), flags)
    before = engine.use(made)
    yield made
    engine.use(before)
    made.close()


def two_heads() -> GraphModel:
    nodes = [
        placeholder("x", (-1, 6)),
        node("y", "Softmax", ["x"]),
        node("z", "MatMul", ["x", "w"], transpose_a=False, transpose_b=False),
    ]
    return tfgl.load_graph_model(graph_model(nodes, {"w": W}))


def test_a_function_hears_how_many_programs_are_compiled(fresh: Engine) -> None:
    heard: list[tuple[int, int]] = []
    with two_heads() as model:
        before = len(fresh.programs.programs)
        model.warmup(progress=lambda done, known: heard.append((done, known)))
        made = len(fresh.programs.programs) - before
        assert made > 1
        # All are known before the first is compiled, since nothing in this model depends on values.
        assert heard == [(done, made) for done in range(made + 1)]
        again: list[tuple[int, int]] = []
        model.warmup(progress=lambda done, known: again.append((done, known)))
        assert again == []
        model.predict(np.ones((1, 6), np.float32))
        assert len(heard) == made + 1, "the function hears nothing after the warmup"


def test_programs_found_on_the_way_are_counted(fresh: Engine) -> None:
    heard: list[tuple[int, int]] = []
    nodes = [
        placeholder("x", (4,)),
        node("positive", "Greater", ["x", "zero"]),
        node("where", "Where", ["positive"]),
        node("y", "Cast", ["where"], SrcT="DT_INT64", DstT="DT_FLOAT"),
        node("z", "Exp", ["y"]),
    ]
    with tfgl.load_graph_model(graph_model(nodes, {"zero": f32(0.0)})) as model:
        model.warmup(progress=lambda done, known: heard.append((done, known)))
    assert heard and all(done <= known for done, known in heard)
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1] == len(fresh.programs.programs)


@pytest.mark.parametrize(
    ("terminal", "progress", "drawn"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_the_bar(
    fresh: Engine, monkeypatch: pytest.MonkeyPatch, terminal: bool, progress: bool | None, drawn: bool
) -> None:
    stream = Stream(terminal)
    with two_heads() as model:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        if drawn and not terminal:
            # Rich draws nothing into a pipe unless the user forces it.
            monkeypatch.setenv("FORCE_COLOR", "1")
        model.warmup(progress=progress)
        monkeypatch.undo()
    assert ("compiling" in stream.getvalue()) is drawn


def test_an_error_in_the_function_is_raised_and_the_model_still_runs(fresh: Engine) -> None:
    def refuse(done: int, known: int) -> None:
        raise KeyError("enough")

    with two_heads() as model:
        with pytest.raises(KeyError, match="enough"):
            model.warmup(progress=refuse)
        x = np.float32([[1, 2, 3, 4, 5, 6]])
        y, z = model.predict(x)
        np.testing.assert_allclose(y.numpy(), softmax(x.astype(float), axis=1), rtol=1e-5)
        np.testing.assert_array_equal(z.numpy(), x @ W)
