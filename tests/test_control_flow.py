"""Loops and branches on an engine: what is recorded, what is not, what stays behind, what cannot be fetched."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tfgl
from control_programs import FLOAT, INT, graph_of
from graphs import function, graph, node
from runs import check, runner
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, FunctionName, Graph, Node
from tfgl.ir.loops import LOOP, raise_loops
from tfgl.ir.lowering import supported_ops
from tfgl.ir.rewrites import bind_constants

X = np.array([1.0, 2.0, 3.0], np.float32)
ADD_N_TIMES = graph_of([("while", "i", [("x", "AddV2", "x", "y")])], functions=False)
ADD_N_TIMES_V2 = graph_of([("while", "i", [("x", "AddV2", "x", "y")])], functions=True)


def feeds(i: int, x: Any = X, y: float = 0.25) -> dict[str, Any]:
    return {"x": x, "y": np.full(3, y, np.float32), "i": np.int32(i), "j": np.int32(0)}


def value(model: tfgl.graph.runner.GraphRunner, inputs: dict[str, Any], name: str = "x_out") -> Any:
    result = model.execute(inputs, name)
    assert isinstance(result, tfgl.Tensor)
    return result.numpy()


@pytest.mark.parametrize("made", [ADD_N_TIMES, ADD_N_TIMES_V2], ids=["frames", "functions"])
def test_a_loop_of_known_length_is_replayed(gpu: Engine, made: Graph) -> None:
    with runner(made, gpu) as model:
        for turns, y in ((3, 0.25), (3, 0.5), (3, 0.75), (5, 0.25), (5, 0.5), (0, 0.5), (3, 1.0)):
            np.testing.assert_allclose(value(model, feeds(turns, y=y)), X + turns * y)
        # One recording for each length, since the length was fed.
        assert model.stats.recordings == 3
        assert model.stats.replays == 4
        kept = gpu.flags.max_recordings
        for turns in range(kept + 4):
            value(model, feeds(turns))
        assert model.stats.recordings == kept


def test_a_length_that_stays_on_the_device_is_read_as_a_guard(gpu: Engine) -> None:
    with runner(ADD_N_TIMES, gpu) as model:
        for turns in (2, 2, 3):
            counter = tfgl.tensor(np.full((), turns, np.int32))
            counter.flat()
            counter._host = None
            np.testing.assert_allclose(value(model, {**feeds(0), "i": counter}), X + turns * 0.25)
        assert model.stats.recordings == 2


def test_a_loop_that_depends_on_what_the_device_computes_runs_unrecorded(gpu: Engine) -> None:
    program = [("while", 6, [("x", "Sub", "x", 1)], "x positive")]
    with runner(graph_of(program, functions=False), gpu) as model:
        for start, turns in ((X, 2), (X * 0, 0), (X + 9, 6), (X, 2)):
            np.testing.assert_allclose(value(model, feeds(0, np.clip(start, -8, 8))), np.clip(start, -8, 8) - turns)
        assert model.stats.replays == model.stats.recordings == 0


def test_two_hundred_inferences_leave_nothing_behind(gpu: Engine) -> None:
    dynamic = graph_of([("while", 3, [("x", "Sub", "x", 1)], "x positive")], functions=True)
    for made in (ADD_N_TIMES, ADD_N_TIMES_V2, dynamic):
        with runner(made, gpu) as model:
            for turns in (3, 4):
                value(model, feeds(turns))
            before = tfgl.memory()
            for at in range(200):
                value(model, feeds(3 + at % 2, y=at / 64))
                now = tfgl.memory()
                assert (now.num_tensors, now.num_live) == (before.num_tensors, before.num_live)
                assert now.texture_bytes + now.free_bytes <= before.texture_bytes + before.free_bytes


def test_a_loop_that_is_too_long_to_be_recorded_keeps_no_draws(gpu: Engine) -> None:
    before, gpu.flags.max_recorded_draws = gpu.flags.max_recorded_draws, 50
    try:
        program = [("while", 200, [("x", "Mul", "x", "y"), ("y", "Mul", "y", "x")])]
        with runner(graph_of(program, functions=False), gpu) as model:
            start = gpu.pool.total_bytes
            for _ in range(2):
                np.testing.assert_allclose(value(model, feeds(0, X / 4, 0.5)), np.zeros(3), atol=1e-6)
            assert model.stats.recordings == model.stats.replays == 0
            assert gpu.pool.total_bytes - start < 200 * 4 * 16
    finally:
        gpu.flags.max_recorded_draws = before


@contextmanager
def interrupted(after_s: float) -> Iterator[None]:
    """KeyboardInterrupt as Ctrl-C raises it, but not where Python begins to collect an object and swallows it."""

    def interrupt(_: int, frame: Any) -> None:
        if frame is not None and frame.f_code.co_name == "__del__":
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, after_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def endless(*, device: bool) -> Graph:
    """A loop whose condition, on the host or on the device, always holds."""
    on_device = (node("s", "Sum", "x", "axis"), node("t", "Less", "s", "high"))
    constants = {"top": np.int32(1 << 30), "axis": np.array([0], np.int32), "high": np.float32(1e9)}
    test = on_device if device else (node("t", "Less", "i", "top"),)
    cond = function("cond", ("x", "i"), ("t",), *test, **constants)
    body = function("body", ("x", "i"), ("y", "i"), node("y", "Sin", "x"))
    names = {"cond": FunctionName("cond"), "body": FunctionName("body")}
    nodes = (node("x", "Placeholder", dtype=FLOAT), node("w", "While", "x", "zero", **names))
    return graph(*nodes, outputs={"y": "w"}, zero=np.int32(0)).replace(functions={f.name: f for f in (cond, body)})


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
@pytest.mark.parametrize("device", [False, True], ids=["host", "device"])
def test_an_endless_loop_can_be_interrupted(gpu: Engine, device: bool) -> None:
    with runner(endless(device=device), gpu) as model:
        with pytest.raises(KeyboardInterrupt), interrupted(0.3):
            model.execute({"x": X})
        # And the engine is as it was.
        np.testing.assert_allclose(tfgl.run_kernel("Neg", {"x": tfgl.tensor(X)}).numpy(), -X)  # type: ignore[union-attr]


def test_nodes_inside_loops_are_named_when_they_are_asked_for(gpu: Engine) -> None:
    inner = next(name for name, item in ADD_N_TIMES.nodes.items() if item.op == "NextIteration")
    with runner(ADD_N_TIMES, gpu) as model:
        with pytest.raises(InvalidArgumentError, match=r"\(op NextIteration\) lies inside a loop"):
            model.execute(feeds(1), inner)
        with pytest.raises(InvalidArgumentError, match=r"\(op NextIteration\) lies inside a loop"):
            model.execute({**feeds(1), inner: X})
        *_, leaving = (name for name, item in ADD_N_TIMES.nodes.items() if item.op == "Exit")
        np.testing.assert_allclose(value(model, feeds(2), leaving), X + 0.5)
        with model.keep_intermediate_tensors():
            model.execute(feeds(2))
        kept = model.get_intermediate_tensors()
        assert leaving in kept and set(kept) < set(ADD_N_TIMES.nodes)
        model.dispose_intermediate_tensors()
    with pytest.raises(InvalidArgumentError, match="lies inside a loop"):
        evaluate(ADD_N_TIMES, feeds(1), [inner])


def test_a_branch_that_was_not_taken_gives_nothing(gpu: Engine) -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("p", "Placeholder", dtype=DataType("bool")),
        node("s", "Switch", "x", "p"), node("no", "Neg", "s"), node("yes", "Identity", "s:1"),
        node("m", "Merge", "no", "yes"), outputs={"m": "m", "which": "m:1", "no": "no"},
    )  # fmt: skip
    for taken in (False, True):
        check(made, {"x": X, "p": np.array(taken)}, {"m": X if taken else -X, "which": np.int32(taken)}, gpu)
    with runner(made, gpu) as model, pytest.raises(InvalidArgumentError, match=r"'no' .* its branch was not taken"):
        model.execute({"x": X, "p": np.array(True)}, "no")
    with pytest.raises(InvalidArgumentError, match=r"'no' .* its branch was not taken"):
        evaluate(made, {"x": X, "p": np.array(True)}, ["no"])


def test_a_loop_of_two_exits_and_a_tensor_array(gpu: Engine) -> None:
    frame = {"frame_name": b"loop"}
    made = graph(
        node("n", "Placeholder", dtype=INT), node("x", "Placeholder", dtype=FLOAT),
        node("a", "TensorArrayV3", "n", dtype=FLOAT),
        node("ei", "Enter", "zero", **frame), node("ex", "Enter", "x", **frame), node("ef", "Enter", "a:1", **frame),
        node("ea", "Enter", "a", is_constant=True, **frame), node("en", "Enter", "n", is_constant=True, **frame),
        node("mi", "Merge", "ei", "ni"), node("mx", "Merge", "ex", "nx"), node("mf", "Merge", "ef", "nf"),
        node("less", "Less", "mi", "en"), node("c", "LoopCond", "less"),
        node("si", "Switch", "mi", "c"), node("sx", "Switch", "mx", "c"), node("sf", "Switch", "mf", "c"),
        node("one", "Const", "^si"), node("half", "Const", "^si"),
        node("i", "AddV2", "si:1", "one"), node("ni", "NextIteration", "i"),
        node("h", "Mul", "sx:1", "half"), node("nx", "NextIteration", "h"),
        node("w", "TensorArrayWriteV3", "ea", "si:1", "h", "sf:1", T=FLOAT), node("nf", "NextIteration", "w"),
        node("xi", "Exit", "si"), node("xx", "Exit", "sx"), node("xf", "Exit", "sf"),
        node("all", "Range", "zero", "n", "step", Tidx=INT),
        node("g", "TensorArrayGatherV3", "a", "all", "xf", dtype=FLOAT),
        outputs={"i": "xi", "x": "xx", "g": "g"}, zero=np.int32(0), step=np.int32(1),
    )  # fmt: skip
    made = made.replace(constants={**made.constants, "one": np.int32(1), "half": np.float32(0.5)})
    for n in (1, 4, 300):
        rows = np.stack([X * 0.5 ** (at + 1) for at in range(n)])
        expected = {"i": np.int32(n), "x": rows[-1], "g": rows}
        check(made, {"n": np.int32(n), "x": X}, expected, gpu if n < 300 else None)
    with runner(made, gpu) as model:
        # More places than what the host computes of itself are still no reason to read the device.
        for _ in range(2):
            np.testing.assert_allclose(value(model, {"n": np.int32(200), "x": X}, "g")[0], X / 2)
        assert model.stats.replays == 1


def test_functions_call_functions_and_share_constants(gpu: Engine) -> None:
    weights = np.arange(9, dtype=np.float32).reshape(3, 3) / 8
    inner = function("inner", ("a", "m"), ("p",), node("p", "MatMul", "a", "m"))
    outer = function("outer", ("a", "m"), ("q",), node("r", "PartitionedCall", "a", "m", f=FunctionName("inner")),
                     node("q", "StatefulPartitionedCall", "r", "m", f=FunctionName("inner")))  # fmt: skip
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("y", "PartitionedCall", "x", "w", f=FunctionName("outer")),
        outputs={"y": "y"}, w=weights,
    )  # fmt: skip
    made = made.replace(functions={f.name: f for f in (inner, outer)})
    check(made, {"x": X[None]}, {"y": X[None].astype(np.float64) @ weights @ weights}, gpu)


@pytest.mark.parametrize(("at", "expected"), [(0, -X), (1, X * X), (2, X), (7, X), (-1, X)])
def test_a_case_of_branches(gpu: Engine, at: int, expected: Any) -> None:
    functions = [
        function("negative", ("a",), ("r",), node("r", "Neg", "a")),
        function("square", ("a",), ("r",), node("r", "Square", "a")),
        function("same", ("a",), ("a",)),
    ]
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("k", "Placeholder", dtype=INT),
        node("y", "StatelessCase", "k", "x", branches=[FunctionName(f.name) for f in functions]), outputs={"y": "y"},
    )  # fmt: skip
    check(made.replace(functions={f.name: f for f in functions}), {"x": X, "k": np.int32(at)}, {"y": expected}, gpu)


@pytest.mark.parametrize(
    ("condition", "taken"),
    [(np.float32(0.5), True), (np.float32(0), False), (np.int32(-1), True), (np.zeros((0, 2), np.float32), False),
     (np.zeros(3, np.float32), True), (np.array(b"", object), False), (np.array(b"no", object), True)],
)  # fmt: skip
def test_conditions_of_other_kinds(gpu: Engine, condition: Any, taken: bool) -> None:
    branches = [function("t", ("a",), ("r",), node("r", "Neg", "a")), function("e", ("a",), ("a",))]
    names = {"then_branch": FunctionName("t"), "else_branch": FunctionName("e")}
    dtype = DataType({"f": "float32", "i": "int32", "O": "string"}[condition.dtype.kind])
    made = graph(node("x", "Placeholder", dtype=FLOAT), node("c", "Placeholder", dtype=dtype),
                 node("y", "If", "c", "x", **names), outputs={"y": "y"})  # fmt: skip
    made = made.replace(functions={f.name: f for f in branches})
    check(made, {"x": X, "c": condition}, {"y": -X if taken else X}, gpu)


def loop_parts() -> dict[str, Node]:
    frame = {"frame_name": b"loop"}
    nodes = [
        node("x", "Placeholder", dtype=FLOAT), node("e", "Enter", "x", **frame), node("m", "Merge", "e", "n"),
        node("c", "LoopCond", "p"), node("s", "Switch", "m", "c"), node("n", "NextIteration", "s:1"),
        node("y", "Exit", "s"), node("p", "Placeholder", dtype=DataType("bool")),
    ]  # fmt: skip
    return {item.name: item for item in nodes}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ([node("y", "Exit", "x")], r"'y' \(op Exit\) belongs to no loop"),
        ([node("n", "NextIteration", "x")], r"'n' \(op NextIteration\) belongs to no loop"),
        ([node("e", "Enter", "x")], "'e' .*attr 'frame_name': expected a string"),
        ([node("e", "Enter", frame_name=b"loop")], "'e' .* has 0 inputs; its op takes 1"),
        ([node("m", "Merge", "e", "n", "n")], "must read one Enter and one NextIteration"),
        ([node("z", "Neg", "s"), node("y", "Identity", "z")], None),
        ([node("e2", "Enter", "x", frame_name=b"other"), node("y", "Add", "e2", "m")], "out of the loop"),
        ([node("e2", "Enter", "m", frame_name=b"loop"), node("y", "Exit", "e2")], "enters the loop 'loop'"),
        ([node("y", "_Loop", "x")], "no op of TensorFlow"),
    ],
)  # fmt: skip
def test_loops_that_cannot_be(changed: list[Node], message: str | None) -> None:
    made = Graph({**loop_parts(), **{item.name: item for item in changed}})
    if message is None:
        raise_loops(made)
        with pytest.raises(InvalidArgumentError, match="lies inside a loop"):
            evaluate(made, {"x": X, "p": np.array(False)}, ["y"])
        return
    with pytest.raises(ModelFormatError, match=message):
        raise_loops(made)


def calling(*functions: Any, **attrs: Any) -> Graph:
    made = graph(node("x", "Placeholder", dtype=FLOAT), node("y", "While", "x", **attrs), outputs={"y": "y"})
    return made.replace(functions={f.name: f for f in functions})


NO = function("no", ("a",), ("f",), f=np.array(False))
TRUE = function("yes", ("a",), ("f",), f=np.array(True))


def repeated(body: Any, cond: str = "no") -> Graph:
    """A loop of the function ``body``, which is called no."""
    return calling(TRUE, body, cond=FunctionName(cond), body=FunctionName("no"))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (calling(NO, cond=FunctionName("no"), body=b"no"), "attr 'body': expected the name of a function"),
        (repeated(NO, cond="gone"), "no function 'gone'"),
        (repeated(function("no", ("a", "b"), ("a",))), "takes 2 values, got 1"),
        (repeated(function("no", ("a",), ("a", "a"))), "returns 2 values, expected 1"),
        (repeated(function("no", ("a",), ("a", "a")), cond="yes"), "takes 1 values and returns 2"),
        (repeated(function("no", ("a",), ("r",), node("r", "PartitionedCall", "a", f=FunctionName("no"))), cond="yes"),
         "more than 64 deep"),
        (repeated(function("no", ("a",), ("r:1",), node("r", "Neg", "a")), cond="yes"), "'no' returns 'r:1'"),
    ],
)  # fmt: skip
def test_functions_that_cannot_be(made: Graph, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        evaluate(made, {"x": X}, ["y"])


def test_ops_inside_functions_are_checked_at_load(gpu: Engine) -> None:
    body = function("b", ("a",), ("r",), node("r", "NoSuchOp", "a"))
    made = calling(NO, body, cond=FunctionName("no"), body=FunctionName("b"))
    with pytest.raises(UnsupportedOpError, match=r"NoSuchOp \(1x, first node 'r'\)"):
        runner(made, gpu)


def test_an_error_inside_a_loop_names_the_way_there() -> None:
    body = function("b", ("a",), ("r",), node("r", "MatMul", "a", "a"))
    made = calling(TRUE, body, cond=FunctionName("yes"), body=FunctionName("b"))
    with pytest.raises(InvalidArgumentError, match=r"'y' \(op While\): node 'r' \(op MatMul\): "):
        evaluate(made, {"x": X[None]}, ["y"])


def test_weights_that_go_round_a_loop_are_weights_inside(gpu: Engine) -> None:
    weights, bias = np.arange(9, dtype=np.float32).reshape(3, 3) / 16, np.float32([0.5, -0.5, 0.25])
    cond = function("cond", ("i", "a", "m", "b"), ("t",), node("t", "Less", "i", "two"), two=np.int32(2))
    step = (
        node("p", "MatMul", "a", "m"), node("q", "BiasAdd", "p", "b"), node("r", "Relu", "q"),
        node("j", "AddV2", "i", "one"), node("same", "Identity", "m"),
    )  # fmt: skip
    body = function("body", ("i", "a", "m", "b"), ("j", "r", "same", "b"), *step, one=np.int32(1))
    names = {"cond": FunctionName("cond"), "body": FunctionName("body")}
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("w", "While", "zero", "x", "weights", "bias", **names),
        outputs={"y": "w:1"}, zero=np.int32(0), weights=weights, bias=bias,
    ).replace(functions={f.name: f for f in (cond, body)})  # fmt: skip
    expected = X[None].astype(np.float64)
    for _ in range(2):
        expected = np.maximum(expected @ weights + bias, 0)
    check(made, {"x": X[None]}, {"y": expected}, gpu)
    with runner(made, gpu) as model:
        assert model.stats.fusions["arguments"] == 4  # of both functions
        assert model.stats.fusions["activations"] == 2


def test_arguments_that_change_are_no_constants() -> None:
    changing = function("f", ("a", "b"), ("b", "a"))
    cond = function("c", ("a", "b"), ("t",), node("t", "Less", "a", "five"), five=np.float32(5))
    names = {"cond": FunctionName("c"), "body": FunctionName("f")}
    made = graph(node("w", "While", "one", "two", **names), outputs={"w": "w"}, one=np.float32(1), two=np.float32(2))
    assert bind_constants(made.replace(functions={f.name: f for f in (changing, cond)}))[1] == 0
    # A function that is called twice may be given different ones.
    call = {"f": FunctionName("f")}
    twice = graph(
        node("y", "PartitionedCall", "one", "two", **call), node("z", "PartitionedCall", "two", "two", **call),
        one=np.float32(1), two=np.float32(2),
    )  # fmt: skip
    assert bind_constants(twice.replace(functions={"f": changing}))[1] == 0


def test_weights_of_loops_and_functions_go_by_their_names_in_the_file(gpu: Engine) -> None:
    body = function("b", ("x",), ("r",), node("r", "Mul", "x", "b/two"), **{"b/two": np.float32(2)})
    call = (node("x", "Placeholder", dtype=FLOAT), node("y", "PartitionedCall", "x", f=FunctionName("b")))
    with runner(graph(*call, outputs={"y": "y"}).replace(functions={"b": body}), gpu) as model:
        assert set(model._executor.weights) == {"b/two"}
    with runner(ADD_N_TIMES, gpu) as model:
        assert set(model._executor.weights) <= set(ADD_N_TIMES.constants)
        assert value(model, feeds(2)).shape == (3,)


def test_ops_that_only_rewrites_make_are_not_listed() -> None:
    assert LOOP not in supported_ops()
    assert {"While", "Enter", "Switch", "TensorListStack", "HashTableV2"} <= supported_ops()
