"""Writes op_goldens.npz beside this file: what TensorFlow returns for the rows of op_rows.py.

    PYTHONPATH=tests:runtime:shaders:converter python tests/goldens/make_op_goldens.py

Needs TensorFlow; made with 2.19.
"""

from __future__ import annotations

import inspect
import io
import zipfile
from typing import Any

import numpy as np
import tensorflow as tf

from op_rows import GOLDENS, ROWS, Row


def outputs(row: Row) -> list[np.ndarray[Any, Any]]:
    types = ("T", "Ta", "Tb", "Tcomplex", "Tout", "Treal")
    attrs = {key: value for key, value in row.attrs.items() if key not in types}
    if row.op == "BatchMatMulV3":
        attrs["Tout"] = tf.float32
    attrs = {key: tf.as_dtype(str(value)) if key == "out_idx" else value for key, value in attrs.items()}
    # Channels first needs oneDNN or a GPU; the reference is channels last between transpositions.
    if attrs.get("data_format") == "NCHW":
        return [_channels_first(row, attrs)]
    found = _run(row.op, [tf.constant(value) for value in row.inputs.values()], attrs)
    parts = list(found) if isinstance(found, (tuple, list)) else [found]
    return [np.asarray(part) for part in parts[: row.outputs]]


def _run(op: str, inputs: list[Any], attrs: dict[str, Any]) -> Any:
    run = getattr(tf.raw_ops, op)
    # The arguments of raw ops are named as TensorFlow names them, inputs first.
    names = list(inspect.signature(run).parameters)
    return run(**dict(zip(names, inputs, strict=False)), **attrs)


def _channels_first(row: Row, attrs: dict[str, Any]) -> np.ndarray[Any, Any]:
    first, *rest = row.inputs.values()
    inputs = [tf.transpose(first, [0, 2, 3, 1]), *map(tf.constant, rest)]
    changed = {**attrs, "data_format": "NHWC"}
    for key in ("strides", "ksize", "dilations"):
        if key in changed:
            changed[key] = [changed[key][axis] for axis in (0, 2, 3, 1)]
    if pads := changed.get("explicit_paddings"):
        changed["explicit_paddings"] = [*pads[:2], *pads[4:], *pads[2:4]]
    found = _run(row.op, inputs, changed)
    return np.asarray(tf.transpose(found[0] if isinstance(found, tuple) else found, [0, 3, 1, 2]))


def main() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
    # As savez_compressed, but the same bytes each time.
    with zipfile.ZipFile(GOLDENS, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in ROWS:
            for index, value in enumerate(outputs(row)):
                held = io.BytesIO()
                np.save(held, value)
                archive.writestr(zipfile.ZipInfo(f"{row.key}:{index}.npy"), held.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
