"""What the passes write for ops of strings and sets, against TensorFlow's own results for the ops themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from graphs import FLOAT, INT, function, graph, node
from host_op_cases import CASES, GOLDENS, Case, decoded
from host_op_graphs import converted, graph_of
from tfgl.errors import UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, FunctionName, Graph, Node
from tfgl_converter.op_check import check_ops, unsupported_ops
from tfgl_converter.passes.op_rewrites import rewritten_ops
from tfgl_converter.passes.op_rewrites.portable_patterns import portable

EXPECTED: Mapping[str, Any] = json.loads(GOLDENS.read_text())
REWRITTEN = [case for case in CASES if case.op in rewritten_ops()]
# TensorFlow.js has no op that does these, so that they run in tfgl alone.
TFGL_ONLY = {
    "StringLower unicode", "StringLength in characters", "StringLength of broken characters",
    "StaticRegexFullMatch (?i)THE QUICK BROWN FOX", "StaticRegexFullMatch .", r"StaticRegexFullMatch \S+ \S",
    *(f"split v2 at {separator!r}, {most}" for separator in ("", ",", "a ", ";;") for most in (-1, 0, 1, 2)
      if (separator, most) != ("", -1)),
    "replace by input", "ranges of floats", "ragged gather of two", "ragged gather of one", "ragged of two to dense",
}  # fmt: skip


@pytest.mark.parametrize("case", REWRITTEN, ids=lambda case: case.name)
def test_rewritten_as_tensorflow(case: Case) -> None:
    wanted = [decoded(stored) for stored in EXPECTED[case.name]]
    made, feeds = graph_of(case, len(wanted))
    after = converted(made)
    assert bool(unsupported_ops(after)) == (case.name in TFGL_ONLY)
    got = evaluate(after, feeds, [f"out{at}" for at in range(len(wanted))], precision="float32")
    for at, want in enumerate(wanted):
        assert got[f"out{at}"].shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got[f"out{at}"], want, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(got[f"out{at}"], want)


def test_ops_that_tfgl_alone_runs_are_a_warning() -> None:
    said: list[str] = []
    nodes = {name: Node(name, op) for name, op in (("a/x", "StringUpper"), ("a/y", "StringUpper"), ("z", "Relu"))}
    check_ops(Graph(nodes), warn=said.append)
    assert said == [
        "TensorFlow.js lacks StringUpper (2 nodes, the first 'a/x' in 'a'; tfgl runs it, TensorFlow.js only where "
        "tf.registerOp adds it)"
    ]
    with pytest.raises(UnsupportedOpError, match=r"lacks 1 op of this model: Zeta \(1 node") as caught:
        check_ops(Graph({**nodes, "n": Node("n", "Zeta")}), warn=said.append)
    assert "StringUpper" not in str(caught.value)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (rb"a+b*?c{2,3}|(?:d)?$", rb"a+b*?c{2,3}|(?:d)?$"),
        (rb"[A-Cx-]\S*", rb"[\x41-\x43x\x2d][^\t\n\f\r ]*"),
        (rb"(?P<name>\w)[[:digit:]]\.", rb"([0-9\x41-\x5a_a-z])[0-9]\x2e"),
        (rb"\Aa\z", rb"^a$"),
        ("ñ".encode(), rb"\xf1"),
        (rb".", None),
        (rb".{3}", None),
        (rb"[^a]", None),
        (rb"(?i)a", None),
        (rb"\pL", None),
        (rb"\Qa.b\E", None),
        ("語".encode(), None),
        (rb"^*", None),
        (rb"a{", None),
        (b"\xff", None),
        (b"[", None),
        (b"\\", None),
    ],
)
def test_portable_patterns(pattern: bytes, expected: bytes | None) -> None:
    assert portable(pattern) == expected


def test_patterns_that_tensorflow_js_reads_otherwise_are_a_warning() -> None:
    said: list[str] = []
    attrs = {"plain": (rb"[a-z]+", b"_"), "group": (rb"(a)", rb"\1"), "capital": (b"a", b"B"), "empty": (b"a*", b"-")}
    nodes = [node(name, "StaticRegexReplace", "x", pattern=p, rewrite=r) for name, (p, r) in attrs.items()]
    check_ops(graph(node("x", "Placeholder", dtype=DataType("string")), *nodes), warn=said.append)
    assert len(said) == 1
    assert "StaticRegexReplace (3 nodes, the first 'group')" in said[0]


def test_ranges_of_integers_say_so() -> None:
    made = graph(node("n", "Placeholder", dtype=INT, shape=()), node("r", "Range", "zero", "n", "one"),
                 zero=np.int32(0), one=np.int32(1))  # fmt: skip
    assert converted(made).nodes["r"].attrs["Tidx"] == "int32"  # TensorFlow.js would count in floats


def test_functions_that_nothing_calls_leave() -> None:
    inner = function("f", ("a",), ("b",), node("b", "Neg", "a", T=FLOAT))
    made = graph(node("x", "Placeholder", dtype=FLOAT), node("y", "PartitionedCall", "x", f=FunctionName("f")))
    after = converted(made.replace(functions={"f": inner}))
    assert not after.functions
