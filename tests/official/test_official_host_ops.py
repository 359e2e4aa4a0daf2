"""What the passes write for single ops, run in the official TensorFlow.js, against TensorFlow's own results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host_op_cases import CASES, GOLDENS, Case, decoded
from host_op_graphs import converted, graph_of
from official_runtime import OfficialRuntime
from tfgl.io import save_artifacts
from tfgl_converter.op_check import unsupported_ops
from tfgl_converter.passes.op_rewrites import rewritten_ops
from tfgl_converter.writers.graph_model import graph_artifacts

EXPECTED: dict[str, Any] = json.loads(GOLDENS.read_text())
# An op that TensorFlow.js has, and that it runs by the rules of JavaScript where the passes leave it as it is.
OWN_RULES = "StaticRegexReplace"
# Its reductions and selections make one element of none.
WRONG_WHEN_EMPTY = {"SegmentMax", "SegmentMin", "SegmentProd", "UnsortedSegmentSum"}
REWRITTEN = [case for case in CASES if case.op in rewritten_ops()]


@pytest.mark.parametrize("case", REWRITTEN, ids=lambda case: case.name)
def test_rewritten_op(case: Case, official: OfficialRuntime, tmp_path: Path) -> None:
    wanted = [decoded(stored) for stored in EXPECTED[case.name]]
    made, feeds = graph_of(case, len(wanted))
    after = converted(made)
    if case.op == OWN_RULES and after.nodes["made"].attrs["pattern"] == case.attrs["pattern"]:
        pytest.skip("TensorFlow.js has the op, and its own rules for patterns")
    if case.op in WRONG_WHEN_EMPTY and case.name.endswith("of nothing"):
        pytest.skip("TensorFlow.js reduces nothing to one element")
    lacking = unsupported_ops(after)
    if lacking:
        pytest.skip(f"tfgl alone runs {lacking[0].op}")
    save_artifacts(graph_artifacts(after, source="a test"), tmp_path / "web")
    found = official.run(tmp_path / "web" / "model.json", feeds)
    for at, want in enumerate(wanted):
        got = found[f"out{at}"]
        assert got.shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(got, want)
