"""Small graphs for tests of passes: nodes written as lines, evaluated before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Edge, Function, Graph, Node, Signature, TensorInfo
from tfgl_converter.passes import PassContext, Rewritten

Array = np.ndarray[Any, Any]
FLOAT = DataType("float32")
INT = DataType("int32")


def node(name: str, op: str, *inputs: str, **attrs: Any) -> Node:
    """A node whose inputs are written ``name`` or ``name:index``, or ``^name`` to wait."""
    data = tuple(Edge.parse(text) for text in inputs if not text.startswith("^"))
    control = tuple(text[1:] for text in inputs if text.startswith("^"))
    return Node(name, op, data, control, attrs)


def graph(*nodes: Node, outputs: Mapping[str, str] | None = None, **constants: Any) -> Graph:
    """A graph of these nodes and constants; outputs are those that nothing reads unless stated."""
    values = {name: np.asarray(value) for name, value in constants.items()}
    consts = [Node(name, "Const", attrs={"dtype": DataType(str(value.dtype))}) for name, value in values.items()]
    named = {item.name: item for item in (*consts, *nodes)}
    made = Graph(named, constants=values)
    ends = outputs if outputs is not None else {name: name for name in made.outputs}
    inputs = {item.name: TensorInfo(f"{item.name}:0", _dtype(item)) for item in made.placeholders}
    infos = {key: TensorInfo(f"{Edge.parse(name).node}:{Edge.parse(name).index}", FLOAT) for key, name in ends.items()}
    return made.replace(signature=Signature(inputs, infos))


def _dtype(placeholder: Node) -> DataType:
    dtype = placeholder.attrs.get("dtype")
    return dtype if isinstance(dtype, DataType) else FLOAT


def function(
    name: str, arguments: tuple[str, ...], results: tuple[str, ...], *nodes: Node, **constants: Any
) -> Function:
    """A function that returns the edges written in ``results``."""
    holders = [Node(argument, "Placeholder", attrs={"dtype": FLOAT}) for argument in arguments]
    inner = graph(*holders, *nodes, outputs={f"r{i}": edge for i, edge in enumerate(results)}, **constants)
    edges = tuple(Edge.parse(edge) for edge in results)
    return Function(name, arguments, tuple(f"r{i}" for i in range(len(results))), edges, inner)


def ops(of: Graph) -> list[str]:
    """The ops without constants and placeholders, sorted."""
    return sorted(item.op for item in of.nodes.values() if item.op not in ("Const", "Placeholder"))


def protected(of: Graph) -> frozenset[str]:
    """The names that the signature uses."""
    return frozenset(info.edge.node for info in (*of.inputs.values(), *of.outputs.values()))


def apply(
    run: Callable[[Graph, PassContext], Rewritten],
    before: Graph,
    feeds: Mapping[str, Any] | None = None,
    **context: Any,
) -> Graph:
    """The graph after a pass; when ``feeds`` are given, its outputs must be those of the graph before."""
    after = run(before, PassContext(protected(before), **context)).graph
    after.topological_order()
    if feeds is not None:
        expected = evaluate(before, feeds, before.outputs)
        got = evaluate(after, feeds, before.outputs)
        for key, value in expected.items():
            assert got[key].shape == value.shape
            np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-6, err_msg=key)
    return after


def numbers(*shape: int, seed: int = 0) -> Array:
    """Random float32 numbers around zero."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
