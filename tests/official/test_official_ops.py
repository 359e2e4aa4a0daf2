"""Ops that the converter rewrites, run in the official TensorFlow.js, against what TensorFlow returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from official_runtime import OfficialRuntime
from op_rows import ROWS, Row, golden
from tfgl.io import save_artifacts
from tfgl_converter.passes import PassContext, run_passes
from tfgl_converter.writers.graph_model import graph_artifacts
from zoo_models import assert_close


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_rewritten_op(row: Row, official: OfficialRuntime, tmp_path: Path) -> None:
    after, _ = run_passes(row.graph(sized=True), PassContext())
    save_artifacts(graph_artifacts(after), tmp_path / "web")
    found = official.run(tmp_path / "web" / "model.json", row.feeds)
    for name, expected in zip(after.outputs, golden(row), strict=True):
        got = found[name]
        assert_close(got.astype(expected.dtype), expected, name, rtol=10 * row.rtol, atol=10 * row.atol)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
