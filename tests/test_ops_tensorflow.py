"""Ops of graphs with attributes away from their defaults, against TensorFlow: by the reference and by shaders."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import tfgl
from goldens.make_ops import FILE, ROWS
from graph_models import Array, graph_model, node, placeholder
from tfgl.engine import Engine
from tfgl.ir.evaluate import evaluate_node
from tfgl.ir.graphdef import graph_from_json

# Of values about 1: sums of some dozen products, and polynomials of single precision.
TOLERANCE = 2e-5
_TYPES = {"f": "DT_FLOAT", "i": "DT_INT32", "b": "DT_BOOL", "c": "DT_COMPLEX64"}

with np.load(FILE) as _stored:
    RESULTS = dict(_stored)
ATTRIBUTES: list[dict[str, Any]] = json.loads(str(RESULTS["attributes"]))


def described(number: int) -> tuple[dict[str, Any], list[Array]]:
    """The node of a row as JSON, and its inputs."""
    op, inputs, _ = ROWS[number]
    known = ATTRIBUTES[number]
    assert known["op"] == op, "the rows have changed: run tests/goldens/make_ops.py"
    arrays = [array for value in inputs for array in (value if isinstance(value, list) else [value])]
    return node("y", op, [f"x{k}" for k in range(len(arrays))], **known["attrs"]), arrays


def compare(got: Array | None, number: int, output: int) -> None:
    want = RESULTS[f"{number}_{output}"]
    if want.dtype.kind == "i":
        want = want.astype(np.int32)
    if got is None:
        return  # an output that only training reads
    assert got.shape == want.shape
    assert got.dtype.kind == want.dtype.kind
    if want.dtype.kind in "ib":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE)


ALL = [pytest.param(number, id=f"{number} {row[0]}") for number, row in enumerate(ROWS)]


@pytest.mark.parametrize("number", ALL)
def test_reference(number: int) -> None:
    entry, arrays = described(number)
    graph = graph_from_json({"node": [*(placeholder(name, ()) for name in entry["input"]), entry]})
    with np.errstate(all="ignore"):
        outputs = evaluate_node(graph.nodes["y"], arrays)
    for output in range(ATTRIBUTES[number]["outputs"]):
        compare(outputs[output], number, output)


@pytest.mark.parametrize("number", ALL)
def test_shaders(gpu: Engine, number: int) -> None:
    entry, arrays = described(number)
    holders = [
        placeholder(name, array.shape, _TYPES[array.dtype.kind])
        for name, array in zip(entry["input"], arrays, strict=True)
    ]
    names = [f"y:{k}" if k else "y" for k in range(ATTRIBUTES[number]["outputs"])]
    feeds = dict(zip(entry["input"], arrays, strict=True))
    before = gpu.flags.host_forward_limit
    # Nothing is small enough for the host.
    gpu.flags.set("host_forward_limit", 0)
    try:
        with tfgl.load_graph_model(graph_model([*holders, entry])) as model:
            for _ in range(2):  # traced, then replayed
                found = model.execute(feeds, names)
                for output, tensor in enumerate(found if isinstance(found, list) else [found]):
                    compare(tensor.numpy(), number, output)
                    tensor.dispose()
    finally:
        gpu.flags.set("host_forward_limit", before)
