"""Graphs of the cases of host_op_cases.py, before and after the converter's passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphs import graph, node
from host_op_cases import Array, Case
from tfgl.ir.graph import DataType, Graph
from tfgl_converter.passes import PassContext, run_passes

_NAMES = {"f": "float32", "i": "int32", "b": "bool", "O": "string", "c": "complex64"}


def dtype_of(array: Array) -> DataType:
    """TensorFlow's name of the dtype."""
    return DataType(_NAMES[array.dtype.kind])


# What exporters write as constants, besides scalars.
_FIXED = frozenset({"shape", "dense_shape", "weights"})


def graph_of(case: Case, outputs: int) -> tuple[Graph, dict[str, Array]]:
    """The graph of one node, scalars and shapes as constants and the rest as placeholders, and the feeds of those."""
    feeds: dict[str, Array] = {}
    constants: dict[str, Array] = {}
    names = []
    for name, value in case.inputs.items():
        for at, item in enumerate(value if isinstance(value, list) else [value]):
            names.append(f"{name}_{at}")
            (constants if name in _FIXED or not item.ndim else feeds)[names[-1]] = item
    holders = [
        node(name, "Placeholder", dtype=dtype_of(item), shape=tuple([-1] * item.ndim)) for name, item in feeds.items()
    ]
    attrs: dict[str, Any] = dict(case.attrs)
    for name in {"out_type", "dtype", "internal_type"} & set(attrs):
        attrs[name] = DataType(attrs[name])
    # Which input has the dtype `T`, where that is not the first.
    telling = {"RaggedTensorToTensor": "values", "RaggedBincount": "weights", "SparseBincount": "weights"}
    first = case.inputs.get(telling.get(case.op, "data"), next(iter(case.inputs.values())))
    attrs.setdefault("T", dtype_of(first[0] if isinstance(first, list) else first))
    if case.op == "RaggedGather":
        attrs["Tvalues"] = dtype_of(case.inputs["params_dense_values"])
    ends = {f"out{at}": f"made:{at}" if at else "made" for at in range(outputs)}
    made = graph(*holders, node("made", case.op, *names, **attrs), outputs=ends)
    for name, value in constants.items():
        made = _with_constant(made, name, value)
    return made, feeds


def _with_constant(made: Graph, name: str, value: Array) -> Graph:
    nodes = {name: node(name, "Const", dtype=dtype_of(value)), **made.nodes}
    return made.replace(nodes=nodes, constants={**made.constants, name: np.asarray(value)})


def converted(made: Graph) -> Graph:
    """The graph after all passes."""
    return run_passes(made, PassContext())[0]
