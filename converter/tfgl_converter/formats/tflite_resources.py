"""Variables and tables of a TensorFlow Lite model: what its CALL_ONCE subgraphs put into them.

A graph model has no variables. A read gives the value that the variable has at its place: the last one assigned
before it in the same subgraph, else the first one. The next call starts from the first values again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Edge, Node, Signature, TensorInfo
from tfgl.ir.lazy_array import Array
from tfgl.keras.builder import Tensor

from .source_model import Table
from .tflite_ops.operator import Operator, TFLiteBuilder
from .tflite_tensors import TENSOR_TYPES

_Key = tuple[str, str]
_KEY = "_variable"
_TABLE = "_table"


class Resources:
    """The variables and tables of one model."""

    def __init__(self) -> None:
        """Without any values."""
        self._first: dict[_Key, Array] = {}
        self._contents: dict[int, tuple[Array, Array]] = {}
        self.tables: dict[str, Table] = {}

    def handle(self, b: TFLiteBuilder, key: _Key) -> Tensor:
        """A node that stands for a variable until nothing reads it any more."""
        name = b.unique("/".join(filter(None, key)) or "variable")
        attrs: dict[str, Any] = {"dtype": DataType("float32"), "shape": None, _KEY: [part.encode() for part in key]}
        b.nodes[name] = Node(name, "VarHandleOp", attrs=attrs)
        return Tensor(Edge(name), (), "resource")

    def read(self, o: Operator) -> Tensor:
        """The variable's value as a tensor."""
        key = self._key(o)
        if key in o.b.assigned:
            return o.b.assigned[key]
        if key not in self._first:
            raise o.malformed(f"variable {_shown(key)} is read before anything gives it a value")
        return o.b.held(self._first[key], name=o.b.nodes[o.x(0).edge.node].name + "/value")

    def assign(self, o: Operator) -> None:
        """Another value from here on, or the first one where the model is being set up."""
        key = self._key(o)
        if o.around.sets_up:
            self._first[key] = _constant(o, 1)
            return
        if o.around.is_function:
            raise o.unsupported(f"variable {_shown(key)} changes inside of a loop, a branch or a called subgraph")
        o.around.warn(
            f"variable {_shown(key)} keeps a value between calls; a graph model has no variables, every call starts "
            "from its first value"
        )
        o.b.assigned[key] = o.x(1)

    def table(self, o: Operator) -> Tensor:
        """The node of a table, one for each in the main graph."""
        number = int(o.option("TableId"))
        name = f"hash_table_{number}"
        if name not in o.b.nodes:
            key_dtype, value_dtype = (_dtype(o, option) for option in ("KeyDtype", "ValueDtype"))
            attrs: dict[str, Any] = {"key_dtype": key_dtype, "value_dtype": value_dtype, _TABLE: number}
            o.b.nodes[name] = Node(name, "HashTableV2", attrs=attrs)
            if not o.around.sets_up:
                if number not in self._contents:
                    raise o.malformed(f"nothing fills table {number}")
                keys, values = self._contents[number]
                self.tables[name] = Table(name, key_dtype, value_dtype, keys, values)
        return Tensor(Edge(name), (), "resource")

    def fill(self, o: Operator) -> None:
        """Keys and values of a table while the model is being set up."""
        number = o.b.nodes[o.x(0).edge.node].attrs.get(_TABLE)
        if not o.around.sets_up or not isinstance(number, int):
            raise o.unsupported("tables are filled once, by a CALL_ONCE subgraph")
        self._contents[number] = (_constant(o, 1), _constant(o, 2))

    def _key(self, o: Operator) -> _Key:
        key = o.b.nodes[o.x(0).edge.node].attrs.get(_KEY)
        if not isinstance(key, list) or len(key) != 2:
            raise o.unsupported("its variable comes from outside of the subgraph")
        return key[0].decode(), key[1].decode()


def _constant(o: Operator, i: int) -> Array:
    """The value at input ``i``, computed where it is not stored."""
    x = o.x(i)
    held = o.b.value(x)
    if held is not None:
        return np.asarray(held)
    graph = o.b.graph(Signature({}, {"value": TensorInfo(str(x.edge))}))
    return evaluate(graph, {}, ["value"], precision="float32")["value"]


def _dtype(o: Operator, option: str) -> DataType:
    number = int(o.option(option))
    if not 0 <= number < len(TENSOR_TYPES):
        raise o.malformed(f"its {option} is {number}, which this version does not know")
    return DataType(TENSOR_TYPES[number][0])


def _shown(key: _Key) -> str:
    return repr("/".join(filter(None, key)))
