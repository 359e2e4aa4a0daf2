"""Softmax, log-softmax and the logistic function, written out in parts, as one op."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, Edge, Graph, Node

from .editing import Editor
from .known_shapes import KnownShapes
from .patterns import Formula
from .rewriting import PassContext, Rewritten


def fuse_softmax(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with exp(x - max x) / sum exp(x - max x) over the last axis as Softmax, and its logarithm.

    1 / (1 + exp(-x)) becomes Sigmoid, and y / (1 + exp(-x)) its product with y.
    """
    if not any(node.op == "Exp" for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    shapes: KnownShapes | None = None
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.nodes.values():
        if node.op not in ("RealDiv", "Sub", "Reciprocal"):
            continue
        formula = Formula(graph)
        x = _sigmoid(node, formula)
        op = "Sigmoid"
        numerator = node.inputs[0] if node.op == "RealDiv" and formula.number(node.inputs[0]) != 1 else None
        if x is None and node.op != "Reciprocal":
            shapes = shapes or KnownShapes(graph)
            formula = Formula(graph)
            x = _softmax(node, formula, shapes) if node.op == "RealDiv" else _log_softmax(node, formula, shapes)
            op = "Softmax" if node.op == "RealDiv" else "LogSoftmax"
        if x is None or not formula.enclosed(node, context.protected):
            continue
        types: dict[str, AttrValue] = {"T": node.attrs["T"]} if "T" in node.attrs else {}
        if op == "Sigmoid" and numerator is not None:
            share = editor.add(f"{node.name}/Sigmoid", op, (x,), types)
            editor.put(Node(node.name, "Mul", (numerator, share), (), types))
        else:
            editor.put(Node(node.name, op, (x,), (), types))
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _sigmoid(node: Node, formula: Formula) -> Edge | None:
    if node.op == "Sub":
        return None
    total = formula.node(node.inputs[-1], "Add", "AddV2")
    for one, power in () if total is None else (total.inputs, total.inputs[::-1]):
        raised = formula.node(power, "Exp") if formula.number(one) == 1 else None
        negated = None if raised is None else formula.node(raised.inputs[0], "Neg")
        if negated is not None:
            return negated.inputs[0]
    return None


def _softmax(node: Node, formula: Formula, shapes: KnownShapes) -> Edge | None:
    raised = formula.node(node.inputs[0], "Exp")
    total = formula.node(node.inputs[1], "Sum")
    if raised is None or total is None or total.inputs[0] != node.inputs[0] or not _last(total, formula, shapes):
        return None
    return _centred(raised.inputs[0], formula, shapes)


def _log_softmax(node: Node, formula: Formula, shapes: KnownShapes) -> Edge | None:
    log = formula.node(node.inputs[1], "Log")
    total = None if log is None else formula.node(log.inputs[0], "Sum")
    raised = None if total is None else formula.node(total.inputs[0], "Exp")
    if total is None or raised is None or raised.inputs[0] != node.inputs[0] or not _last(total, formula, shapes):
        return None
    return _centred(node.inputs[0], formula, shapes)


def _centred(edge: Edge, formula: Formula, shapes: KnownShapes) -> Edge | None:
    """x of x - max x. Without the maximum the parts overflow where softmax does not: that stays."""
    difference = formula.node(edge, "Sub")
    largest = None if difference is None else formula.node(difference.inputs[1], "Max")
    if difference is None or largest is None or largest.inputs[0] != difference.inputs[0]:
        return None
    return difference.inputs[0] if _last(largest, formula, shapes) else None


def _last(reduction: Node, formula: Formula, shapes: KnownShapes) -> bool:
    axes, shape = shapes.whole(reduction, 1), shapes.of(reduction.inputs[0])
    if reduction.attrs.get("keep_dims") is not True or axes is None or len(axes) != 1:
        return False
    return axes[0] == -1 or (shape is not None and axes[0] == len(shape) - 1)
