"""Einsum that is a plain matrix product becomes one, which every backend has and which biases fuse into."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, DataType, Graph, Node

from .rewriting import PassContext, Rewritten


def einsum_products(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with such Einsum of two tensors as MatMul, or as BatchMatMulV2 when axes stand before the last two.

    Only where nothing has to be transposed or reshaped: ``bsh,hd->bsd`` and ``bnth,bnsh->bnts`` do.
    """
    nodes = dict(graph.nodes)
    count = 0
    for node in graph.nodes.values():
        product = _product(node) if node.op == "Einsum" else None
        if product is not None:
            nodes[node.name] = product
            count += 1
    return Rewritten(graph.replace(nodes=nodes) if count else graph, count)


def _product(node: Node) -> Node | None:
    equation = node.attrs.get("equation")
    dtype = node.attrs.get("T")
    if not isinstance(equation, bytes) or len(node.inputs) != 2 or dtype != "float32":
        return None
    text = equation.decode("ascii", "replace").replace(" ", "")
    terms, arrow, result = text.partition("->")
    left, comma, right = terms.partition(",")
    spelled = [left, right, result]
    if not arrow or not comma or any(len(set(term)) < len(term) or not term.isalpha() for term in spelled):
        return None
    for swapped in (False, True):
        first, second = (right, left) if swapped else (left, right)
        turned = _turned(first, second, result)
        if turned is not None:
            inputs = node.inputs[::-1] if swapped else node.inputs
            plain = len(first) == len(second) == 2
            names = ("transpose_a", "transpose_b") if plain else ("adj_x", "adj_y")
            attrs: dict[str, AttrValue] = {"T": DataType("float32"), names[0]: turned[0], names[1]: turned[1]}
            op = "MatMul" if plain else "BatchMatMulV2"
            return Node(node.name, op, inputs, node.control_inputs, attrs, node.device)
    return None


def _turned(first: str, second: str, result: str) -> tuple[bool, bool] | None:
    """Which operands are transposed in the product of the last two axes of both; None when the result is not that."""
    if min(len(first), len(second), len(result)) < 2:
        return None
    outer, row, column = result[:-2], result[-2], result[-1]
    # One of them may lack the outer axes, which it then is the same for.
    if not {first[:-2], second[:-2]} <= {outer, ""} or outer not in (first[:-2], second[:-2]):
        return None
    inner = set(first[-2:]) - {row}
    if len(inner) != 1 or set(second[-2:]) != {*inner, column} or inner & set(result) or row not in first[-2:]:
        return None
    return first[-2] != row, second[-1] != column
