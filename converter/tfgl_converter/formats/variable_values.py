"""Which tensor of the checkpoint is the value of which variable of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import DataType, Edge, Graph, Node

from .protobuf_schema import message_class
from .source_model import Variable
from .tensor_bundle import OBJECT_GRAPH_KEY, Extents, TensorBundle
from .tracing import Scope

VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable", "_VarHandlesOp"})
_ASSIGNING = frozenset({"AssignVariableOp", "Assign"})


@dataclass(frozen=True)
class Restored:
    """What the graph restores into one of its nodes: a tensor of the checkpoint, or a part of it."""

    key: str
    extents: Extents = ()


def restored_by_graph(graph: Graph) -> dict[str, Restored]:
    """For each variable, what the restoring part of ``graph`` (the nodes behind its restore op) puts into it."""
    found: dict[str, Restored] = {}
    root = Scope(graph, graph.functions)
    for scope, node in root.nodes():
        if node.op not in _ASSIGNING or len(node.inputs) < 2:
            continue
        target_scope, target = scope.origin(node.inputs[0])
        if target_scope is not root:
            continue
        restored = _restored(scope, node.inputs[1])
        if restored is not None:
            found.setdefault(target.node, restored)
    return found


def _restored(scope: Scope, edge: Edge) -> Restored | None:
    scope, edge = scope.origin(edge)
    node = scope.graph.nodes[edge.node]
    if node.op == "RestoreV2" and len(node.inputs) == 3:
        names, slices = (_strings(scope, source) for source in node.inputs[1:])
        if names is None or edge.index >= len(names):
            return None
        spec = slices[edge.index] if slices is not None and edge.index < len(slices) else b""
        return Restored(names[edge.index].decode("utf-8", "replace"), slice_extents(spec.decode("utf-8", "replace")))
    return None


def _strings(scope: Scope, edge: Edge) -> list[bytes] | None:
    scope, edge = scope.origin(edge)
    value = scope.graph.constants.get(edge.node)
    if value is None:
        return None
    array = np.asarray(value)
    return [item for item in array.reshape(-1) if isinstance(item, bytes)] if array.dtype == object else None


def slice_extents(spec: str) -> Extents:
    """Start and length in each dimension of ``full shape, then start,length:start,length`` or ``-`` for all.

    >>> slice_extents("4 3 2,2:-"), slice_extents("")
    (((2, 2), (0, -1)), ())
    """
    if not spec:
        return ()
    extents = []
    for part in spec.split(" ")[-1].split(":"):
        start, comma, length = part.partition(",")
        try:
            extents.append((0, -1) if part == "-" else (int(start), int(length) if comma else -1))
        except ValueError:
            raise ModelFormatError(f"{spec!r} is no slice of a variable; expected such as '4 3 0,2:0,3'") from None
    return tuple(extents)


def restored_by_collections(meta_graph: Any) -> dict[str, Restored]:
    """The same from the collections of TensorFlow 1, where variables state their name and slice."""
    found: dict[str, Restored] = {}
    for name in ("variables", "trainable_variables", "model_variables"):
        if name not in meta_graph.collection_def:
            continue
        for data in meta_graph.collection_def[name].bytes_list.value:
            try:
                variable = message_class("VariableDef").FromString(data)
            except DecodeError:
                continue
            node = variable.variable_name.partition(":")[0]
            part = variable.save_slice_info_def
            if part.full_name:
                extents = tuple(
                    (int(start), int(length)) for start, length in zip(part.var_offset, part.var_shape, strict=False)
                )
                found.setdefault(node, Restored(part.full_name, extents))
            elif node:
                found.setdefault(node, Restored(node))
    return found


def restored_by_objects(bundle: TensorBundle) -> dict[str, Restored]:
    """The same from the object graph in the checkpoint, by the full names of variables."""
    if OBJECT_GRAPH_KEY not in bundle:
        return {}
    found: dict[str, Restored] = {}
    twice: set[str] = set()
    for item in bundle.message(OBJECT_GRAPH_KEY, "TrackableObjectGraph").nodes:
        for attribute in item.attributes:
            if attribute.name == "VARIABLE_VALUE" and attribute.full_name:
                if attribute.full_name in found:
                    twice.add(attribute.full_name)
                found[attribute.full_name] = Restored(attribute.checkpoint_key)
    # Layers of the same name have variables of the same name; those names say nothing.
    return {name: restored for name, restored in found.items() if name not in twice}


def variables_of(
    graph: Graph, bundle: TensorBundle | None, sources: Sequence[Mapping[str, Restored]]
) -> dict[str, Variable]:
    """The variables among the nodes of ``graph``; ``sources`` are asked in turn for what they hold."""
    found: dict[str, Variable] = {}
    for node in graph.nodes.values():
        if node.op not in VARIABLE_OPS:
            continue
        dtype = node.attrs.get("dtype")
        if not isinstance(dtype, DataType):
            raise ModelFormatError(f"{node}: it states no dtype")
        found[node.name] = _variable(node, dtype, bundle, sources)
    return found


def _variable(
    node: Node, dtype: DataType, bundle: TensorBundle | None, sources: Sequence[Mapping[str, Restored]]
) -> Variable:
    if bundle is None:
        return Variable(node.name, dtype, None)
    shared = node.attrs.get("shared_name")
    names = [node.name] + ([shared.decode("utf-8", "replace")] if isinstance(shared, bytes) and shared else [])
    candidates = [source[name] for source in sources for name in names if name in source]
    candidates += [Restored(name) for name in names]
    for restored in candidates:
        if restored.key not in bundle:
            continue
        value = bundle.array(restored.key, restored.extents)
        if bundle.dtype(restored.key) != dtype:
            raise ModelFormatError(
                f"{node} has dtype {dtype}, but {restored.key!r} in the checkpoint {bundle.path} has "
                f"{bundle.dtype(restored.key)}"
            )
        shape = node.attrs.get("shape")
        if isinstance(shape, tuple) and (
            len(shape) != value.ndim or any(a not in (-1, b) for a, b in zip(shape, value.shape, strict=True))
        ):
            raise ModelFormatError(
                f"{node} has shape {list(shape)}, but {restored.key!r} in the checkpoint {bundle.path} has "
                f"{list(value.shape)}"
            )
        return Variable(node.name, dtype, value, restored.key)
    return Variable(node.name, dtype, None)
