"""Loops and branches lowered, run as TensorFlow.js runs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dataflow import run
from graphs import FLOAT, apply, function, graph, node, ops
from tfgl.errors import ModelFormatError
from tfgl.ir.graph import DataType, Function, FunctionName, Graph, Node
from tfgl_converter.passes import PassContext, run_passes
from tfgl_converter.passes.constant_branches import constant_branches
from tfgl_converter.writers.graph_def import graph_to_json

INT = DataType("int32")
BOOL = DataType("bool")
X = node("x", "Placeholder", dtype=FLOAT)
P = node("p", "Placeholder", dtype=BOOL)


def branch(name: str, then: str, otherwise: str, *inputs: str, outputs: int = 1) -> Node:
    return node(
        name, "StatelessIf", *inputs, then_branch=FunctionName(then), else_branch=FunctionName(otherwise),
        Tcond=BOOL, Tin=[FLOAT] * (len(inputs) - 1), Tout=[FLOAT] * outputs,
    )  # fmt: skip


def loop(name: str, cond: str, body: str, *inputs: str) -> Node:
    names = {"cond": FunctionName(cond), "body": FunctionName(body)}
    return node(name, "While", *inputs, **names, T=[FLOAT] * len(inputs), parallel_iterations=10)


def lowered(before: Graph, *functions: Function, **context: Any) -> Graph:
    after, _ = run_passes(before.replace(functions={f.name: f for f in functions}), PassContext(**context))
    return after


LESS = function("less", ("i", "a"), ("c",), node("c", "Less", "i", "n"), n=np.float32(5))


@pytest.mark.parametrize(("taken", "expected"), [(True, 8.0), (False, -4.0)])
def test_a_branch(taken: bool, expected: float) -> None:
    double = function("double", ("a",), ("d",), node("d", "Mul", "a", "two"), two=np.float32(2))
    negate = function("negate", ("a",), ("n",), node("n", "Neg", "a"))
    after = lowered(graph(X, P, branch("y", "double", "negate", "p", "x"), outputs={"y": "y"}), double, negate)
    assert ops(after) == ["Identity", "Merge", "Mul", "Neg", "Switch"]
    assert run(after, {"x": np.float32(4), "p": taken})["y"] == expected


@pytest.mark.parametrize(("taken", "expected"), [(True, 1.0), (False, 2.0)])
def test_branches_that_return_constants_wait_for_the_choice(taken: bool, expected: float) -> None:
    one = function("one", ("a",), ("c",), c=np.float32(1))
    two = function("two", ("a",), ("s",), node("s", "Sqrt", "c"), c=np.float32(4))
    after = lowered(graph(X, P, branch("y", "one", "two", "p", "x"), outputs={"y": "y"}), one, two)
    assert run(after, {"x": np.float32(0), "p": taken})["y"] == expected


def test_a_loop_with_a_variable_that_nobody_needs() -> None:
    body = function(
        "body", ("i", "a"), ("j", "b"), node("j", "Add", "i", "one"), node("b", "Mul", "a", "one"), one=np.float32(1)
    )
    before = graph(X, loop("w", "less", "body", "zero", "x"), outputs={"y": "w:0"}, zero=np.float32(0))
    after = lowered(before.replace(signature=before.signature), LESS, body)
    assert ops(after).count("Enter") == 1
    assert run(after, {"x": np.float32(3)})["y"] == 5


def test_constants_that_a_loop_reads_stay_outside() -> None:
    cond = function("cond", ("i", "a", "k"), ("c",), node("c", "Less", "i", "n"), n=np.float32(3))
    body = function(
        "body", ("i", "a", "k"), ("j", "b", "k"), node("j", "Add", "i", "one"), node("b", "Mul", "a", "k"),
        one=np.float32(1),
    )  # fmt: skip
    before = graph(
        X,
        loop("w", "cond", "body", "zero", "x", "k"),
        node("y", "Identity", "w:1"),
        zero=np.float32(0),
        k=np.float32(2),
    )
    after = lowered(before, cond, body)
    assert ops(after).count("Enter") == 2
    assert run(after, {"x": np.float32(3)})["y"] == 24


def test_what_a_loop_only_reads_enters_once() -> None:
    cond = function("cond", ("i", "a", "k"), ("c",), node("c", "Less", "i", "k"))
    body = function(
        "body", ("i", "a", "k"), ("j", "b", "k"), node("j", "Add", "i", "one"), node("m", "Neg", "k"),
        node("b", "Add", "a", "m"), one=np.float32(1),
    )  # fmt: skip
    before = graph(
        X,
        node("k", "Add", "x", "x"),
        loop("w", "cond", "body", "zero", "x", "k"),
        node("y", "Identity", "w:1"),
        zero=np.float32(0),
    )
    after = lowered(before, cond, body)
    enters = [item for item in after.nodes.values() if item.op == "Enter"]
    (once,) = [item for item in enters if item.attrs["is_constant"]]
    assert len(enters) == 3 and ops(after).count("NextIteration") == 2
    assert next(item for item in after.nodes.values() if item.op == "LoopCond").control_inputs == (once.name,)
    # What the body makes of it alone is made in each iteration, not in the first one only.
    assert run(after, {"x": np.float32(2)})["y"] == 2 - 4 * 4


def test_a_condition_that_computes_with_what_it_only_reads() -> None:
    cond = function("cond", ("i", "k"), ("c",), node("n", "Neg", "k"), node("c", "Less", "i", "n"))
    body = function("body", ("i", "k"), ("j", "k"), node("j", "Add", "i", "one"), one=np.float32(1))
    before = graph(
        X, node("k", "Neg", "x"), loop("w", "cond", "body", "zero", "k"), outputs={"y": "w:0"}, zero=np.float32(0)
    )
    assert run(lowered(before, cond, body), {"x": np.float32(3)})["y"] == 3


def test_a_loop_that_is_never_entered_and_a_body_of_constants() -> None:
    body = function("body", ("i", "a"), ("j", "c"), node("j", "Add", "i", "one"), one=np.float32(1), c=np.float32(7))
    before = graph(X, node("s", "Neg", "x"), loop("w", "less", "body", "x", "s"), node("y", "Identity", "w:1"))
    after = lowered(before, LESS, body)
    assert run(after, {"x": np.float32(9)})["y"] == -9
    assert run(after, {"x": np.float32(2)})["y"] == 7


def nested() -> tuple[Graph, list[Function]]:
    inner = function(
        "inner", ("i", "a"), ("j", "b"), node("j", "Add", "i", "one"), node("b", "Add", "a", "one"), one=np.float32(1)
    )
    outer = function(
        "outer", ("i", "a"), ("j", "w"), node("j", "Add", "i", "one"), loop("in", "less", "inner", "zero", "a"),
        node("w", "Identity", "in:1"), one=np.float32(1), zero=np.float32(0),
    )  # fmt: skip
    before = graph(X, loop("out", "less", "outer", "zero", "x"), node("y", "Identity", "out:1"), zero=np.float32(0))
    return before, [LESS, inner, outer]


def test_a_loop_in_a_loop_starts_anew_each_time() -> None:
    before, functions = nested()
    assert run(lowered(before, *functions), {"x": np.float32(0)})["y"] == 25


def test_a_loop_in_a_branch_and_a_branch_in_a_loop() -> None:
    before, functions = nested()
    turn = function("turn", ("a",), ("w",), loop("in", "less", "pick", "zero", "a"), node("w", "Identity", "in:1"),
                    zero=np.float32(0))  # fmt: skip
    pick = function("pick", ("i", "a"), ("j", "b"), node("j", "Add", "i", "one"), node("q", "Less", "i", "two"),
                    branch("b", "up", "same", "q", "a"), one=np.float32(1), two=np.float32(2))  # fmt: skip
    up = function("up", ("a",), ("b",), node("b", "Add", "a", "ten"), ten=np.float32(10))
    same = function("same", ("a",), ("a",))
    before = graph(X, P, branch("y", "turn", "same", "p", "x"), outputs={"y": "y"})
    after = lowered(before, *functions, turn, pick, up, same)
    assert run(after, {"x": np.float32(1), "p": True})["y"] == 21
    assert run(after, {"x": np.float32(1), "p": False})["y"] == 1


@pytest.mark.parametrize(("index", "expected"), [(0, 1.0), (1, 2.0), (2, 3.0), (7, 3.0), (-1, 3.0)])
@pytest.mark.parametrize("kept", [False, True])
def test_a_case_with_any_index(index: int, expected: float, kept: bool) -> None:
    branches = [function(f"b{at}", ("a",), ("r",), node("r", "Add", "a", "c"), c=np.float32(at + 1)) for at in range(3)]
    case = node("y", "Case", "i", "x", branches=[FunctionName(f"b{at}") for at in range(3)], Tin=[FLOAT], Tout=[FLOAT])
    before = graph(X, node("i", "Placeholder", dtype=INT), case, outputs={"y": "y"})
    after = lowered(before, *branches, control_flow_v2=kept)
    if kept:
        graph_to_json(after)  # every argument of the functions is there
        assert {item.op for item in after.nodes.values()} == {"Placeholder", "Const", "Equal", "StatelessIf"}
    else:
        assert run(after, {"x": np.float32(0), "i": np.int32(index)})["y"] == expected


def test_constants_of_old_branches_wait() -> None:
    before = graph(
        P, node("s", "Switch", "p", "p"), node("no", "Identity", "s:0"), node("yes", "Identity", "s:1"),
        Node("one", "Const", (), ("yes",)), Node("two", "Const", (), ("no",)), node("y", "Merge", "two", "one"),
        node("z", "Identity", "y"), outputs={"z": "z"},
    )  # fmt: skip
    before = before.replace(constants={"one": np.float32(1), "two": np.float32(2)})
    after = lowered(before)
    assert run(after, {"p": True})["z"] == 1
    assert run(after, {"p": False})["z"] == 2


def test_handles_enter_functions_as_values() -> None:
    body = function(
        "body", ("i", "v"), ("j", "v"), node("r", "ReadVariableOp", "v", dtype=FLOAT), node("j", "Add", "i", "r")
    )
    before = graph(X, node("v", "VarHandleOp"), loop("w", "less", "body", "x", "v"), outputs={"y": "w"})
    after = lowered(before, LESS, body, variables={"v": lambda: np.float32(2)})
    assert run(after, {"x": np.float32(0)})["y"] == 6
    kept = lowered(before, LESS, body, variables={"v": lambda: np.float32(2)}, control_flow_v2=True)
    assert ops(kept) == ["While"]
    assert kept.functions["body"].graph.nodes["v"].attrs["dtype"] == "float32"


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([LESS], "'body' names no function"),
        ([LESS, function("body", ("i",), ("i",))], "gives 2 values .* takes 1"),
        ([LESS, function("body", ("i", "a"), ("i",))], "must return 2 values"),
        ([LESS, function("body", ("i", "a"), ("w", "w:1"), loop("w", "less", "body", "i", "a"))], "calls itself"),
    ],
)
def test_loops_that_cannot_be(functions: list[Function], message: str) -> None:
    before = graph(X, loop("w", "less", "body", "x", "x"), outputs={"y": "w"})
    with pytest.raises(ModelFormatError, match=message):
        lowered(before, *functions)


@pytest.mark.parametrize("taken", [False, True])
def test_branches_of_a_constant_predicate(taken: bool) -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("s", "Switch", "x", "p", T=FLOAT), node("n", "Neg", "s:0", T=FLOAT),
        node("e", "Exp", "s:1", T=FLOAT), node("t", "Switch", "e", "q", T=FLOAT),
        node("m", "Merge", "n", "e", T=FLOAT, N=2), node("y", "Abs", "m", T=FLOAT),
        node("q", "Placeholder", dtype=BOOL), p=np.bool_(taken), outputs={"y": "y"},
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    assert ops(after) == ["Abs", "Exp" if taken else "Neg"]


def test_a_branch_that_an_output_reads_stays() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("s", "Switch", "x", "p", T=FLOAT), node("n", "Neg", "s:0", T=FLOAT),
        node("e", "Exp", "s:1", T=FLOAT), p=np.bool_(True), outputs={"n": "n", "e": "e"},
    )  # fmt: skip
    after = apply(constant_branches, made)
    assert ops(after) == ["Exp", "Neg", "Switch"]


@pytest.mark.parametrize(("index", "expected"), [(0, -2.0), (1, np.exp(2.0)), (2, 4.0), (7, 4.0), (-1, 4.0)])
def test_a_switch_of_many_ways(index: int, expected: float) -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=()), node("i", "Placeholder", dtype=INT, shape=()),
        node("s", "_SwitchN", "x", "i", T=FLOAT, num_outs=3), node("n", "Neg", "s:0", T=FLOAT),
        node("e", "Exp", "s:1", T=FLOAT), node("q", "Square", "s:2", T=FLOAT),
        node("y", "Merge", "n", "e", "q", T=FLOAT, N=3), outputs={"y": "y"},
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    assert "_SwitchN" not in ops(after)
    np.testing.assert_allclose(run(after, {"x": np.float32(2), "i": np.int32(index)})["y"], expected, rtol=1e-6)
