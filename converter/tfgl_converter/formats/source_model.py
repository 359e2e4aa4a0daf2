"""What every reader of a TensorFlow file gives: a graph, its variables, tables, signatures and assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfgl.ir.graph import DataType, Graph, Signature
from tfgl.ir.lazy_array import LazyArray

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the graph and where its value lies.

    ``value`` is None when the files hold none (the variable is set by the graph's own initialiser);
    ``key`` is its name in the checkpoint. A bfloat16 or float8 variable reads as float32, with its own ``dtype``.
    """

    node: str
    dtype: DataType
    value: LazyArray | None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A hash table: the node that makes it and what its initialiser puts into it.

    ``keys`` and ``values`` have one entry a row (``values`` may have more dimensions). int64 stays int64,
    strings are object arrays of bytes.
    """

    node: str
    key_dtype: DataType
    value_dtype: DataType
    keys: Array
    values: Array


@dataclass(frozen=True)
class SourceModel:
    """A model as its files have it, before any pass.

    - ``graph``: the nodes that the chosen signature needs, with ``graph.signature`` as its inputs and outputs.
      A TensorFlow 2 model calls its function by a (Stateful)PartitionedCall; nothing is inlined yet. Constants
      keep TensorFlow's own dtypes (int64, float64; bfloat16 as float32), and a large one is a LazyArray.
    - ``variables``: by the name of the node that makes the handle (VarHandleOp, VariableV2, ...).
    - ``tables``: hash tables by the name of their node.
    - ``signatures``: all that the file has; ``signature_key`` is the chosen one (None for a frozen graph).
    - ``structured_outputs``: keys of the outputs that the exported function returned as a flat dict, else None.
    - ``assets``: files that the graph reads, by the name of the node that holds their path.
    - ``metadata``: what a TensorFlow.js model has as ``userDefinedMetadata``.
    - ``asset_directory``: where the model keeps its assets, None without such a folder.
    - ``warnings``: what of the model's behaviour the graph does not have.
    """

    graph: Graph
    origin: str
    variables: Mapping[str, Variable] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    signature_key: str | None = None
    structured_outputs: tuple[str, ...] | None = None
    assets: Mapping[str, Path] = field(default_factory=dict)
    asset_directory: Path | None = None
    tags: tuple[str, ...] = ()
    tensorflow_version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
