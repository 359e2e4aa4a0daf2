"""Writes host_ops.json: what TensorFlow (2.19) gives for the cases of host_op_cases.py.

python tests/goldens/make_host_ops.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from host_op_cases import CASES, GOLDENS, Case, encoded

# Inputs that TensorFlow wants in int64.
INT64 = {"SparseFillEmptyRows": {"indices", "dense_shape"}, "SparseReshape": {"input_indices", "input_shape",
         "new_shape"}, "SparseTensorDenseMatMul": {"a_indices", "a_shape"}, "SparseReduceSum": {"input_indices",
         "input_shape"}, "RaggedBincount": {"splits"}, "SparseCross": {"indices", "values", "shapes", "dense_inputs"},
         "SparseBincount": {"indices", "dense_shape"}}  # fmt: skip


def given(case: Case, name: str, value: Any) -> Any:
    """The input as TensorFlow takes it."""
    if isinstance(value, list):
        return [given(case, name, item) for item in value]
    if value.dtype == object:
        return tf.constant(value.tolist(), tf.string, value.shape)
    return tf.constant(value.astype(np.int64) if name in INT64.get(case.op, ()) else value)


def outputs(case: Case) -> list[Any]:
    """All outputs of the case as arrays, those of a list one by one."""
    inputs = {name: given(case, name, value) for name, value in case.inputs.items()}
    attrs = dict(case.attrs)
    attrs.pop("N", None)
    for name in {"out_type", "dtype", "internal_type"} & set(attrs):
        attrs[name] = tf.as_dtype(attrs[name])
    result = getattr(tf.raw_ops, case.op)(**inputs, **attrs)
    flat = tf.nest.flatten(result)
    return [np.asarray(item.numpy(), dtype=object if item.dtype == tf.string else None) for item in flat]


def main() -> None:
    """Run every case and write what came."""
    found = {case.name: [encoded(array) for array in outputs(case)] for case in CASES}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    GOLDENS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
