"""The graph IR: names, order, cycles, pruning."""

from __future__ import annotations

import pytest

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.graph import DataType, Edge, Function, FunctionName, Graph, Node, Signature, TensorInfo


def node(name: str, op: str, *inputs: str, control: tuple[str, ...] = (), **attrs: object) -> Node:
    return Node(name, op, tuple(Edge.parse(text) for text in inputs), control, attrs)  # type: ignore[arg-type]


def graph(*nodes: Node, **fields: object) -> Graph:
    return Graph({n.name: n for n in nodes}, **fields)  # type: ignore[arg-type]


DIAMOND = graph(
    node("out", "Add", "left", "right:1"),
    node("left", "Neg", "x"),
    node("right", "Split", "axis", "x"),
    node("axis", "Const"),
    node("x", "Placeholder", dtype=DataType("float32"), shape=(-1, 4)),
    node("stray", "Neg", "x"),
)


@pytest.mark.parametrize("text", ["", ":0", "x:", "x:-1", "x:1:2", "x:y", "x:99999999999", "x:²"])
def test_malformed_tensor_names(text: str) -> None:
    with pytest.raises(ModelFormatError):
        Edge.parse(text)


def test_topological_order() -> None:
    order = [n.name for n in DIAMOND.topological_order()]
    assert sorted(order) == sorted(DIAMOND.nodes)
    for n in DIAMOND.nodes.values():
        assert all(order.index(edge.node) < order.index(n.name) for edge in n.inputs)


def test_control_inputs_order_too() -> None:
    g = graph(node("late", "NoOp", control=("early",)), node("early", "NoOp"))
    assert [n.name for n in g.topological_order()] == ["early", "late"]


def test_a_chain_longer_than_the_recursion_limit() -> None:
    nodes = [node("n0", "Placeholder"), *(node(f"n{i}", "Neg", f"n{i - 1}") for i in range(1, 5000))]
    g = graph(*reversed(nodes))
    assert g.topological_order()[0].name == "n0"
    assert len(g.prune(["n4999"]).nodes) == 5000


@pytest.mark.parametrize("size", [1, 2, 30])
def test_a_cycle_is_named(size: int) -> None:
    nodes = [node(f"n{i}", "Neg", f"n{(i + 1) % size}") for i in range(size)]
    with pytest.raises(ModelFormatError, match=r"cycle: 'n0' -> .*'n0'"):
        graph(node("outside", "Neg", "n0"), *nodes).topological_order()


def test_loops_through_next_iteration_are_no_cycles() -> None:
    loop = graph(
        node("start", "Placeholder"),
        node("merge", "Merge", "start", "next"),
        node("body", "Neg", "merge"),
        node("next", "NextIteration", "body"),
    )
    assert [n.name for n in loop.topological_order()] == ["start", "merge", "body", "next"]


def test_prune() -> None:
    assert set(DIAMOND.prune(["out"]).nodes) == {"out", "left", "right", "axis", "x"}
    assert set(DIAMOND.prune(["out"], feeds=["left"]).nodes) == {"out", "left", "right", "axis", "x"}
    assert set(DIAMOND.prune(["out"], feeds=["left", "right"]).nodes) == {"out", "left", "right"}
    assert list(DIAMOND.prune(["right:1"]).nodes) == ["right", "axis", "x"]


def test_prune_keeps_what_it_needs_of_control_signature_and_functions() -> None:
    inner = graph(node("a", "Placeholder"), node("b", "StatelessIf", "a", then_branch=FunctionName("deep")))
    functions = {
        name: Function(name, (), (), (), body)
        for name, body in (("body", inner), ("deep", graph()), ("unused", graph()))
    }
    g = graph(
        node("x", "Placeholder"),
        node("check", "Assert", "x"),
        node("loop", "While", "x", control=("check",), body=FunctionName("body")),
        node("y", "Neg", "x"),
        functions=functions,
        signature=Signature({"in": TensorInfo("x:0")}, {"l": TensorInfo("loop:0"), "y": TensorInfo("y:0")}),
    )
    kept = g.prune(["l"])
    assert list(kept.nodes) == ["x", "check", "loop"]
    assert set(kept.functions) == {"body", "deep"}
    assert list(kept.signature.outputs) == ["l"]
    without = g.prune(["l"], control=False)
    assert list(without.nodes) == ["x", "loop"]
    assert without.nodes["loop"].control_inputs == ()


def test_consumers_count_a_reader_once() -> None:
    g = graph(node("x", "Placeholder"), node("y", "Mul", "x", "x"))
    assert [n.name for n in g.consumers["x"]] == ["y"]


def test_names_of_inputs_and_outputs() -> None:
    g = DIAMOND.replace(signature=Signature({"image": TensorInfo("x:0")}, {"sum": TensorInfo("out:0")}))
    for key in ("image", "x", "x:0"):
        assert g.input_edge(key) == Edge("x")
    for key in ("sum", "out", "out:0"):
        assert g.output_edge(key) == Edge("out")
    assert g.output_edge("right:1") == Edge("right", 1)
    with pytest.raises(InvalidArgumentError, match=r"no input 'z'.*'image'"):
        g.input_edge("z")
    with pytest.raises(InvalidArgumentError, match="no output 'a:b:c'"):
        g.output_edge("a:b:c")


def test_a_signature_input_may_name_a_node_that_was_optimized_away() -> None:
    g = DIAMOND.replace(signature=Signature({"unused": TensorInfo("gone:0")}, {"sum": TensorInfo("out:0")}))
    assert g.input_edge("unused") == Edge("gone")
    assert g.input_edge("gone:0") == Edge("gone")


def test_without_signature() -> None:
    assert list(DIAMOND.outputs) == ["out", "stray"]
    assert DIAMOND.inputs["x"] == TensorInfo("x", DataType("float32"), (-1, 4))


def test_the_unknown_node_message() -> None:
    with pytest.raises(InvalidArgumentError, match="no node 'nope'; it has 'out', 'left'"):
        DIAMOND.node("nope")
