"""What the converter writes for ops that TensorFlow.js lacks or runs wrong, against what TensorFlow returns."""

from __future__ import annotations

import numpy as np
import pytest

from op_rows import ROWS, Row, golden
from tfgl.ir.evaluate import evaluate
from tfgl.ir.lowering import supported_ops
from tfgl_converter.op_check import unsupported_ops
from tfgl_converter.passes import PassContext, run_passes
from zoo_models import assert_close


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_rewritten_op_returns_what_tensorflow_returns(row: Row, sized: bool) -> None:
    if row.sized and not sized:
        pytest.skip("the rewrite of this op needs sizes")
    after, _ = run_passes(row.graph(sized=sized), PassContext())
    assert unsupported_ops(after) == []
    if missing := {node.op for node in after.nodes.values()} - supported_ops():
        pytest.skip(f"not evaluated here, only in the official runtime: {', '.join(sorted(missing))}")
    found = evaluate(after, row.feeds, list(after.outputs))
    for (name, got), expected in zip(found.items(), golden(row), strict=True):
        assert_close(got.astype(expected.dtype), expected, name, rtol=row.rtol, atol=row.atol)
        if np.isrealobj(expected) and expected.dtype.kind == "f":
            np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
