"""Hash tables of a graph and what their initialisers, checkpoint or vocabulary files put into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgl.errors import ModelFormatError, TfglError
from tfgl.ir.graph import DataType, Edge, Graph, Node
from tfgl.ir.lazy_array import Array

from .source_model import Table
from .tensor_bundle import TensorBundle
from .tracing import Scope

TABLE_OPS = frozenset(
    {
        "HashTable",
        "HashTableV2",
        "AnonymousHashTable",
        "MutableHashTable",
        "MutableHashTableV2",
        "AnonymousMutableHashTable",
        "MutableHashTableOfTensors",
        "MutableHashTableOfTensorsV2",
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
    }
)
_FROM_ARRAYS = frozenset(
    {"LookupTableImport", "LookupTableImportV2", "InitializeTable", "InitializeTableV2", "LookupTableInsertV2"}
)
_FROM_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_DTYPES: dict[str, np.dtype[Any]] = {
    "string": np.dtype(object),
    "bfloat16": np.dtype(np.float32),
    **{
        name: np.dtype(name)
        for name in ("int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64", "bool")
    },
}
_MAX_FILE_BYTES = 1 << 30
# Column numbers of InitializeTableFromTextFile that mean something else.
_WHOLE_LINE, _LINE_NUMBER = -2, -1


def tables_of(
    graph: Graph, initializer: Graph | None, restorer: Graph | None, bundle: TensorBundle | None,
    assets: Mapping[str, Path],
) -> dict[str, Table]:
    """The hash tables among the nodes of ``graph``, filled as ``initializer`` and ``restorer`` would fill them.

    Raises ModelFormatError for a table whose contents cannot be told.
    """
    wanted = {node.name: node for node in graph.nodes.values() if node.op in TABLE_OPS}
    contents: dict[str, tuple[Array, Array]] = {}
    if wanted:
        for source in (initializer, restorer):
            if source is not None:
                _Filling(source, bundle, assets, wanted).into(contents)
    tables: dict[str, Table] = {}
    for name, node in wanted.items():
        key_dtype, value_dtype = node.attrs.get("key_dtype"), node.attrs.get("value_dtype")
        if not isinstance(key_dtype, DataType) or not isinstance(value_dtype, DataType):
            raise ModelFormatError(f"{node}: it states no dtypes of its keys and values")
        if name in contents:
            keys, values = contents[name]
        elif node.op.startswith("Mutable"):
            keys, values = _empty(key_dtype), _empty(value_dtype)
        else:
            raise ModelFormatError(f"{node}: nothing in the model fills this table")
        keys, values = _in_dtype(keys, key_dtype, node), _in_dtype(values, value_dtype, node)
        if keys.shape != values.shape[: keys.ndim]:
            raise ModelFormatError(f"{node}: it has keys of shape {keys.shape} and values of shape {values.shape}")
        tables[name] = Table(name, key_dtype, value_dtype, keys, values)
    return tables


def _in_dtype(array: Array, dtype: DataType, node: Node) -> Array:
    wanted = _DTYPES.get(dtype)
    # What was computed here comes in 32 bits.
    if wanted is None or array.dtype.kind != wanted.kind or not np.can_cast(array.dtype, wanted):
        raise ModelFormatError(f"{node}: expected contents of dtype {dtype}, got {array.dtype}")
    return array.astype(wanted, copy=False)


def _empty(dtype: DataType) -> Array:
    return np.empty(0, _DTYPES.get(dtype, np.dtype(np.float32)))


class _Filling:
    """Reads what the nodes of a graph put into tables."""

    def __init__(
        self, graph: Graph, bundle: TensorBundle | None, assets: Mapping[str, Path], wanted: Mapping[str, Node]
    ) -> None:
        self.root = Scope(graph, graph.functions)
        self.bundle = bundle
        self.assets = assets
        self.wanted = wanted

    def into(self, contents: dict[str, tuple[Array, Array]]) -> None:
        for scope, node in self.root.nodes():
            if node.op not in _FROM_ARRAYS and node.op not in _FROM_FILE:
                continue
            expected = 2 if node.op in _FROM_FILE else 3
            if len(node.inputs) != expected:
                raise ModelFormatError(f"{node}: expected {expected} inputs, got {len(node.inputs)}")
            target_scope, target = scope.origin(node.inputs[0])
            if target_scope is not self.root or target.node not in self.wanted:
                continue
            if node.op in _FROM_FILE:
                contents[target.node] = self._from_file(scope, node, self.wanted[target.node])
            else:
                keys, values = (self._value(scope, edge, node) for edge in node.inputs[1:3])
                contents[target.node] = (keys, values)

    def _value(self, scope: Scope, edge: Edge, reader: Node) -> Array:
        scope, edge = scope.origin(edge)
        node = scope.graph.nodes[edge.node]
        if edge.node in scope.graph.constants:
            return np.asarray(scope.graph.constants[edge.node])
        if node.op == "RestoreV2" and self.bundle is not None and len(node.inputs) == 3:
            names = self._value(scope, node.inputs[1], node).reshape(-1)
            if names.dtype == object and edge.index < names.size:
                return self.bundle.array(names[edge.index].decode("utf-8", "replace")).read()
        if not scope.arguments:
            # Keys that the graph computes from constants.
            from tfgl.ir.evaluate import evaluate

            try:
                return evaluate(scope.graph, {}, [str(edge)])[str(edge)]
            except (TfglError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                # Kernels check what shapes and attributes allow; damage may go beyond that.
                raise ModelFormatError(f"{reader}: the contents of its table cannot be computed: {error}") from None
        raise ModelFormatError(f"{reader}: the contents of its table come from {node}, not from constants")

    def _from_file(self, scope: Scope, node: Node, table: Node) -> tuple[Array, Array]:
        _, edge = scope.origin(node.inputs[1])
        path = self.assets.get(edge.node)
        if path is None:
            raise ModelFormatError(f"{node}: the vocabulary file of {table} is none of the model's assets")
        size = _int(node, "vocab_size", -1)
        offset = _int(node, "offset", 0)
        delimiter = node.attrs.get("delimiter", b"\t")
        lines = _lines(path)[offset:]
        if size >= 0:
            if len(lines) < size:
                raise ModelFormatError(f"{node}: {path} has {len(lines)} lines, expected {size}")
            lines = lines[:size]
        columns = []
        for index, key in ((_int(node, "key_index", _WHOLE_LINE), "key_dtype"), (
            _int(node, "value_index", _LINE_NUMBER), "value_dtype"
        )):
            columns.append(_column(lines, index, table.attrs.get(key), delimiter, f"{node}, {path}"))
        return columns[0], columns[1]


def _int(node: Node, name: str, default: int) -> int:
    value = node.attrs.get(name, default)
    return value if isinstance(value, int) else default


def _lines(path: Path) -> list[bytes]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ModelFormatError(f"{path}: over {_MAX_FILE_BYTES} bytes are too many for a vocabulary")
        data = path.read_bytes()
    except OSError as error:
        raise ModelFormatError(f"{path}: the vocabulary file cannot be read: {error.strerror or error}") from None
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def _column(lines: list[bytes], index: int, dtype: Any, delimiter: object, place: str) -> Array:
    """A column of the lines in the table's dtype; a key or value index of -2 is the whole line, -1 its number."""
    if dtype not in _DTYPES:
        raise ModelFormatError(f"{place}: a column cannot be of dtype {dtype}")
    if index == _LINE_NUMBER:
        numbers = np.arange(len(lines), dtype=np.int64)
        if dtype == "string":
            raise ModelFormatError(f"{place}: line numbers cannot be strings")
        return numbers.astype(str(dtype))
    texts = lines
    if index != _WHOLE_LINE:
        separator = delimiter if isinstance(delimiter, bytes) and delimiter else b"\t"
        rows = [line.split(separator) for line in lines]
        short = next((i for i, row in enumerate(rows) if index >= len(row)), None)
        if short is not None or index < 0:
            raise ModelFormatError(f"{place}: line {(short or 0) + 1} has no column {index}")
        texts = [row[index] for row in rows]
    if dtype == "string":
        strings = np.empty(len(texts), dtype=object)
        strings[:] = texts
        return strings
    kind = int if re.match("u?int", str(dtype)) else float
    try:
        return np.array([kind(text) for text in texts], dtype=str(dtype))
    except (ValueError, OverflowError, TypeError) as error:
        raise ModelFormatError(f"{place}: a value is no {dtype}: {error}") from None
