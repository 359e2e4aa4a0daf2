"""The table of op rewrites and the pass that applies it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tfgl.ir.graph import AttrValue, DataType, Edge, Graph, Node

from ...tfjs_ops import TFJS_OPS
from ..editing import Array, Editor
from ..known_shapes import KnownShapes
from ..rewriting import PassContext, Rewritten

INT32 = DataType("int32")
BOOL = DataType("bool")


class Unfit(str):
    """What a node lacks for its rewrite, such as ``a constant axis``."""

    __slots__ = ()


# The outputs of the node in order, or what it lacks; None where the node is fine as it is.
Results = Edge | Sequence[Edge] | Unfit | None
Rule = Callable[["Place"], Results]

_rules: dict[str, Rule] = {}
_walked = False


class Place:
    """A node that is to be rewritten, and the means to write others in its stead."""

    def __init__(self, node: Node, editor: Editor, shapes: KnownShapes) -> None:
        """The place of ``node`` in the graph under ``editor``, whose ``shapes`` are those before any change."""
        self.node = node
        self.editor = editor
        self.shapes = shapes
        self.made: set[str] = set()

    @property
    def dtype(self) -> DataType:
        """The node's ``T``."""
        dtype = self.node.attrs.get("T")
        return dtype if isinstance(dtype, DataType) else DataType("float32")

    @property
    def inputs(self) -> tuple[Edge, ...]:
        """The node's data inputs."""
        return tuple(self.editor.resolve(edge) for edge in self.node.inputs)

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute of the node."""
        value = self.node.attrs.get(name)
        return default if value is None else value

    def op(self, op: str, *inputs: Edge, dtype: DataType | None = None, **attrs: AttrValue) -> Edge:
        """A new node beside this one, of this one's ``T`` unless ``dtype`` states another."""
        return self._made(self.editor.add(f"{self.node.name}/{op}", op, inputs, {"T": dtype or self.dtype, **attrs}))

    def plain(self, op: str, *inputs: Edge, attrs: Mapping[str, AttrValue]) -> Edge:
        """A new node beside this one with these attributes only."""
        return self._made(self.editor.add(f"{self.node.name}/{op}", op, inputs, attrs))

    def _made(self, edge: Edge) -> Edge:
        self.made.add(edge.node)
        return edge

    def constant(self, value: Any, dtype: DataType | None = None) -> Edge:
        """A new constant of this node's ``T``, or of ``dtype``."""
        wanted = dtype or self.dtype
        stored = wanted.stored
        array = np.asarray(value, np.dtype(stored if stored not in (None, "string") else object))
        return self._made(self.editor.constant(f"{self.node.name}/constant", array, wanted))

    def integers(self, *values: int) -> Edge:
        """A new int32 vector."""
        return self.constant(list(values), INT32)

    def scalar(self, value: int) -> Edge:
        """A new int32 scalar."""
        return self.constant(value, INT32)

    def value(self, i: int) -> Array | None:
        """The constant at input ``i``, None when it is computed."""
        array = self.editor.value(self.inputs[i])
        return None if array is None else np.asarray(array)

    def known_shape(self, i: int) -> tuple[int, ...] | None:
        """What the graph states of the shape of input ``i``: -1 for unknown sizes, None for nothing at all."""
        return self.shapes.of(self.node.inputs[i])

    def shape(self, edge: Edge) -> Edge:
        """The shape of ``edge``, when it runs."""
        return self.op("Shape", edge, out_type=INT32)

    def size(self, i: int, axis: int) -> Edge:
        """The size of input ``i`` along ``axis``, a scalar: a constant where the graph states it."""
        known = self.known_shape(i)
        if known is not None and -len(known) <= axis < len(known) and known[axis] >= 0:
            return self.scalar(known[axis])
        return self.at(self.shape(self.inputs[i]), axis)

    def at(self, vector: Edge, index: int) -> Edge:
        """Element ``index`` of an int32 vector."""
        begin, end = self.integers(index), self.integers(index + 1 if index != -1 else 0)
        return self.op(
            "StridedSlice", vector, begin, end, self.integers(1), dtype=INT32, Index=INT32,
            begin_mask=0, end_mask=1 if index == -1 else 0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=1,
        )  # fmt: skip

    def beyond(self, vector: Edge, index: int) -> Edge:
        """The int32 vector from element ``index`` on."""
        return self.op(
            "StridedSlice", vector, self.integers(index), self.integers(0), self.integers(1), dtype=INT32, Index=INT32,
            begin_mask=0, end_mask=1, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
        )  # fmt: skip

    def pack(self, *scalars: Edge) -> Edge:
        """A vector of int32 scalars."""
        return self.op("Pack", *scalars, dtype=INT32, N=len(scalars), axis=0)

    def reshaped(self, edge: Edge, leading: Sequence[int], axes: int, *tail: int) -> Edge:
        """``edge`` with its last ``axes`` axes laid out as ``tail``; ``leading`` is what is known of those before."""
        if list(leading).count(-1) <= 1:
            return self.op("Reshape", edge, self.integers(*leading, *tail), Tshape=INT32)
        front = self.op(
            "StridedSlice", self.shape(edge), self.integers(0), self.integers(-axes), self.integers(1), dtype=INT32,
            Index=INT32, begin_mask=1, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
        )  # fmt: skip
        wanted = self.op("ConcatV2", front, self.integers(*tail), self.scalar(0), dtype=INT32, N=2, Tidx=INT32)
        return self.op("Reshape", edge, wanted, Tshape=INT32)

    def expand(self, edge: Edge, axis: int, dtype: DataType | None = None) -> Edge:
        """One more axis of size 1."""
        return self.op("ExpandDims", edge, self.scalar(axis), dtype=dtype, Tdim=INT32)

    def range(self, count: Edge) -> Edge:
        """0 to ``count`` - 1."""
        return self.op("Range", self.scalar(0), count, self.scalar(1), Tidx=INT32)

    def cast(self, edge: Edge, source: DataType, target: DataType) -> Edge:
        """Values in another dtype."""
        return self.op("Cast", edge, SrcT=source, DstT=target)


def rewrite(*ops: str) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the rewrite of ``ops``."""

    def register(rule: Rule) -> Rule:
        for op in ops:
            if op in _rules:
                raise RuntimeError(f"op {op!r} has two rewrites")
            _rules[op] = rule
        return rule

    return register


def _table() -> dict[str, Rule]:
    global _walked
    if not _walked:
        package = importlib.import_module(__package__ or "")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _walked = True
    return _rules


def rewritten_ops() -> frozenset[str]:
    """The ops that have a rewrite; it may still not apply to every node.

    >>> "Softsign" in rewritten_ops()
    True
    """
    return frozenset(_table())


def rewrite_missing_ops(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with ops that TensorFlow.js lacks or runs otherwise expressed by ops that it has, if that is exact."""
    return _rewritten(graph, context, frozenset(_table()))


def rewrite_remaining_ops(graph: Graph, context: PassContext) -> Rewritten:
    """The same for lacking ops whose shapes are known only after others were folded."""
    return _rewritten(graph, context, frozenset(_table()) - TFJS_OPS)


def _rewritten(graph: Graph, context: PassContext, ops: frozenset[str]) -> Rewritten:
    rules = _table()
    found = [node for node in graph.nodes.values() if node.op in ops]
    if not found:
        return Rewritten(graph, 0)
    editor = Editor(graph, context.protected)
    shapes = KnownShapes(graph)
    count = 0
    for node in found:
        place = Place(node, editor, shapes)
        results = rules[node.op](place)
        if results is None or isinstance(results, Unfit):
            for name in place.made:
                editor.remove(name)
            continue
        _replace(node, [results] if isinstance(results, Edge) else list(results), editor, place.made)
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def rewrite_obstacle(graph: Graph, node: Node) -> str | None:
    """What ``node`` lacks for the rewrite of its op; None when no rewrite of the op is known.

    >>> rewrite_obstacle(Graph({}), Node("x", "Zeta")) is None
    True
    """
    rule = _table().get(node.op)
    found = None if rule is None else rule(Place(node, Editor(graph), KnownShapes(graph)))
    return str(found) if isinstance(found, Unfit) else None


def _replace(node: Node, results: list[Edge], editor: Editor, made: Collection[str]) -> None:
    """The last new node takes the name of the old one, so that names of layers stay."""
    last = editor.nodes[results[0].node]
    if len(results) == 1 and last.name in made and last.op != "Const" and not results[0].index:
        editor.remove(last.name)
        editor.put(Node(node.name, last.op, last.inputs, node.control_inputs, last.attrs, node.device))
    else:
        editor.replace_node(node, results)
