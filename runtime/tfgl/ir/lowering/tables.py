"""Hash tables: made, filled and asked on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from ..tables import Table
from .call import Call, Value
from .registry import lower


def _table(call: Call) -> Table:
    table = call.inputs[0]
    if not isinstance(table, Table):
        raise InvalidArgumentError(f"expected a table, got a tensor of shape {list(table.shape)}")
    return table


@lower("HashTable", "HashTableV2", inputs=0)
@lower("MutableHashTable", "MutableHashTableV2", "MutableHashTableOfTensors", "MutableHashTableOfTensorsV2", inputs=0)
def hash_table(call: Call) -> Any:
    """The table of this name, which is the same at every evaluation."""
    keys, values = call.dtype("key_dtype"), call.dtype("value_dtype")
    mutable = call.node.op.startswith("Mutable")
    return call.table(lambda: Table(f"table {call.node.name!r}", keys, values, mutable=mutable))


@lower(
    "LookupTableImport", "LookupTableImportV2", "InitializeTable", "InitializeTableV2",
    inputs=3, host=(1, 2), opaque=(0,),
)  # fmt: skip
def fill(call: Call) -> list[Value]:
    """Keys and values put into a table; no output."""
    _table(call).fill(call.data(1), call.data(2))
    return []


@lower("LookupTableFind", "LookupTableFindV2", inputs=3, host=(1, 2), opaque=(0,))
def find(call: Call) -> Value:
    """The values at keys; the default for those that are not there."""
    return call.constant(_table(call).find(call.data(1), call.data(2)))


@lower("LookupTableSize", "LookupTableSizeV2", inputs=1, opaque=(0,))
def size(call: Call) -> Value:
    """How many keys there are, int32."""
    return call.constant(np.array(len(_table(call)), np.int32))
