"""Each pass on graphs made by hand: what changes, what must not, and that results stay."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import FLOAT, apply, function, graph, node, numbers, ops
from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Function, FunctionName, Node
from tfgl_converter.passes import ORDER, PASSES, PassContext, chosen_passes, run_passes
from tfgl_converter.passes.biases import normalize_biases
from tfgl_converter.passes.clean_nodes import drop_control_inputs, remove_identities, strip_debug_ops
from tfgl_converter.passes.common_subexpressions import merge_common_subexpressions
from tfgl_converter.passes.fold_scales import fold_scales
from tfgl_converter.passes.freeze_variables import freeze_variables
from tfgl_converter.passes.fuse_prelu import fuse_prelu
from tfgl_converter.passes.inline_functions import inline_functions
from tfgl_converter.passes.open_signature import open_signature
from tfgl_converter.passes.prepare import prepare_constants
from tfgl_converter.passes.simplify import simplify

X = node("x", "Placeholder", dtype=FLOAT)
CONV = {"strides": [1, 1, 1, 1], "padding": b"SAME", "data_format": b"NHWC", "dilations": [1, 1, 1, 1], "T": FLOAT}


def call(name: str, function_name: str, *inputs: str) -> Node:
    return node(name, "PartitionedCall", *inputs, f=FunctionName(function_name))


def test_calls_become_nodes_of_nested_functions() -> None:
    inner = function("inner", ("a",), ("n", "a"), node("n", "Neg", "a"))
    outer = function("outer", ("a", "b"), ("s",), call("c", "inner", "a"), node("s", "Sub", "c:1", "b"))
    before = graph(X, node("y", "Relu", "x"), call("f", "outer", "x", "y"), outputs={"out": "f"})
    before = before.replace(functions={"inner": inner, "outer": outer})
    after = apply(inline_functions, before)
    assert "PartitionedCall" not in ops(after)
    assert "f/s" in after.nodes
    assert evaluate(after, {"x": [-2.0, 3.0]}, ["out"])["out"].tolist() == [-2.0, 0.0]


def test_outputs_beyond_the_first_follow_the_call() -> None:
    pair = function("pair", ("a",), ("n", "e"), node("n", "Neg", "a"), node("e", "Exp", "a"))
    before = graph(X, call("f", "pair", "x"), outputs={"first": "f", "second": "f:1"}).replace(functions={"pair": pair})
    after = apply(inline_functions, before)
    got = evaluate(after, {"x": 0.0}, ["first", "second"])
    assert (float(got["first"]), float(got["second"])) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({}, "has no such function"),
        ({"f": function("f", ("a",), ("c",), call("c", "f", "a"))}, "calls itself"),
        ({"f": function("f", ("a", "b"), ("a",))}, r"gives 1 inputs .* takes 2"),
    ],
)
def test_calls_that_cannot_be_inlined(functions: dict[str, Function], message: str) -> None:
    before = graph(X, call("c", "f", "x"), outputs={"y": "c"}).replace(functions=functions)
    with pytest.raises(ModelFormatError, match=message):
        inline_functions(before, PassContext())


def test_growth_by_calls_of_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfgl_converter.passes.inline_functions.MAX_NODES", 1000)
    functions = {"f0": function("f0", ("a",), ("n",), node("n", "Neg", "a"))}
    for level in range(1, 40):
        lower = f"f{level - 1}"
        functions[f"f{level}"] = function(f"f{level}", ("a",), ("d",), call("c", lower, "a"), call("d", lower, "c"))
    before = graph(X, call("y", "f39", "x"), outputs={"y": "y"}).replace(functions=functions)
    with pytest.raises(ModelFormatError, match=r"more than .* nodes"):
        inline_functions(before, PassContext())


def test_the_signatures_function_becomes_the_graph() -> None:
    serve = function("serve", ("image", "handle"), ("Identity",), node("r", "ReadVariableOp", "handle"),
                     node("m", "Mul", "image", "r"), node("Identity", "Identity", "m"))  # fmt: skip
    before = graph(
        node("serving_x", "Placeholder", dtype=FLOAT, shape=(-1, 2)), node("v", "VarHandleOp"),
        node("c", "StatefulPartitionedCall", "serving_x", "v", f=FunctionName("serve")), outputs={"out": "c"},
    ).replace(functions={"serve": serve})  # fmt: skip
    after = apply(open_signature, before)
    assert set(after.nodes) == {"image", "v", "r", "m", "Identity"}
    assert after.nodes["image"].attrs["shape"] == (-1, 2)
    assert after.outputs["out"].name == "Identity:0"
    assert after.inputs["serving_x"].name == "image:0"


def test_variables_become_constants_under_the_first_readers_name() -> None:
    before = graph(
        X, node("v", "VarHandleOp", dtype=DataType("resource")), node("r1", "ReadVariableOp", "v", dtype=FLOAT),
        node("r2", "ReadVariableOp", "v", dtype=FLOAT), node("m", "Mul", "x", "r1"), node("y", "Mul", "m", "r2"),
    )  # fmt: skip
    after = apply(freeze_variables, before, variables={"v": lambda: np.float32([3])})
    assert set(after.constants) == {"r1"}
    assert evaluate(after, {"x": [2.0]}, ["y"])["y"].tolist() == [18.0]


def test_gathers_from_variables() -> None:
    before = graph(
        node("x", "Placeholder", dtype=DataType("int32")), node("v", "VarHandleOp"),
        node("y", "ResourceGather", "v", "x", dtype=FLOAT, Tindices=DataType("int32"), batch_dims=0),
    )  # fmt: skip
    after = apply(freeze_variables, before, variables={"v": lambda: numbers(4, 2)})
    assert ops(after) == ["GatherV2", "VarHandleOp"]
    np.testing.assert_array_equal(evaluate(after, {"x": [2]}, ["y"])["y"], numbers(4, 2)[[2]])


def test_a_read_after_assignments_sees_them() -> None:
    before = graph(
        X, node("v", "VarHandleOp"), node("a", "AssignAddVariableOp", "v", "x", dtype=FLOAT),
        node("b", "AssignSubVariableOp", "v", "two", "^a", dtype=FLOAT),
        node("r", "ReadVariableOp", "v", "^b", dtype=FLOAT),
        node("y", "Neg", "r"), outputs={"y": "y"}, two=np.float32(2),
    )  # fmt: skip
    told: list[str] = []
    after = apply(freeze_variables, before, variables={"v": lambda: np.float32(10)}, warn=told.append)
    assert evaluate(after, {"x": 5.0}, ["y"])["y"] == -13
    assert "starts from the saved value" in told[0]


def test_old_reference_variables() -> None:
    before = graph(X, node("v", "VariableV2", dtype=FLOAT), node("i", "Identity", "v"), node("y", "Add", "x", "i"))
    after = apply(freeze_variables, before, variables={"v": lambda: np.float32([1])})
    assert evaluate(after, {"x": [2.0]}, ["y"])["y"].tolist() == [3.0]


def test_debug_ops_leave_and_stay_on_demand() -> None:
    before = graph(
        X, node("c", "CheckNumerics", "x"), node("a", "Assert", "x"), node("y", "Neg", "c", "^a"), outputs={"y": "y"}
    )
    assert ops(apply(strip_debug_ops, before)) == ["Neg"]
    assert "Assert" in ops(apply(strip_debug_ops, before, strip_debug_ops=False))


def test_control_edges_and_identities_leave() -> None:
    before = graph(
        X, node("i", "Identity", "x", "^x"), node("s", "StopGradient", "i"), node("y", "Identity", "s", "^i")
    )
    after = apply(remove_identities, apply(drop_control_inputs, before, {"x": [1.0]}), {"x": [1.0]})
    assert set(after.nodes) == {"x", "y"}


def test_equal_nodes_merge_and_random_ones_do_not() -> None:
    before = graph(
        X, node("a", "Exp", "x"), node("b", "Exp", "x"), node("s", "Shape", "x"),
        node("r", "RandomUniform", "s"), node("q", "RandomUniform", "s"), node("y", "AddN", "a", "b", "r", "q"),
    )  # fmt: skip
    assert ops(apply(merge_common_subexpressions, before)).count("Exp") == 1
    assert ops(apply(merge_common_subexpressions, before)).count("RandomUniform") == 2


def test_chains_of_equal_nodes_merge_in_one_go() -> None:
    before = graph(
        X, node("a", "Exp", "x"), node("b", "Exp", "x"), node("c", "Mul", "a", "one"), node("d", "Mul", "b", "uno"),
        node("y", "Add", "c", "d"), one=np.float32(2), uno=np.float32(2),
    )  # fmt: skip
    after = apply(merge_common_subexpressions, before, {"x": [1.0]})
    assert ops(after) == ["Add", "Exp", "Mul"]


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        ([node("y", "AddV2", "x", "zero"), node("z", "Neg", "y")], ["Neg"]),
        ([node("y", "Sub", "zero", "x"), node("z", "Exp", "y")], ["Exp", "Sub"]),
        ([node("y", "Sub", "six", "x"), node("z", "Neg", "y")], ["Sub"]),
        ([node("y", "Neg", "x"), node("w", "AddV2", "six", "y"), node("z", "Exp", "w")], ["Exp", "Sub"]),
        ([node("y", "Neg", "x"), node("w", "Sub", "six", "y"), node("z", "Exp", "w")], ["AddV2", "Exp"]),
        ([node("y", "Mul", "x", "x", T=FLOAT), node("z", "Exp", "y")], ["Exp", "Square"]),
        ([node("y", "Pow", "x", "two", T=FLOAT), node("z", "Exp", "y")], ["Exp", "Square"]),
        ([node("y", "Sqrt", "x", T=FLOAT), node("w", "RealDiv", "one", "y", T=FLOAT), node("z", "Abs", "w")],
         ["Abs", "Rsqrt"]),
        ([node("y", "RealDiv", "one", "x", T=FLOAT), node("z", "Abs", "y")], ["Abs", "Reciprocal"]),
        ([node("y", "Equal", "x", "six", T=FLOAT), node("w", "LogicalNot", "y"),
          node("z", "Cast", "w", SrcT=DataType("bool"), DstT=FLOAT)], ["Cast", "NotEqual"]),
        ([node("y", "Less", "x", "six", T=FLOAT), node("w", "LogicalNot", "y"),
          node("z", "Cast", "w", SrcT=DataType("bool"), DstT=FLOAT)], ["Cast", "Less", "LogicalNot"]),
        ([node("y", "Greater", "x", "zero", T=FLOAT), node("w", "Cast", "y", SrcT=DataType("bool"),
          DstT=DataType("int32")), node("z", "Cast", "w", SrcT=DataType("int32"), DstT=FLOAT)], ["Cast", "Greater"]),
        ([node("y", "Maximum", "tenth", "x", T=FLOAT), node("w", "Minimum", "y", "six", T=FLOAT),
          node("z", "Exp", "w")], ["ClipByValue", "Exp"]),
        ([node("y", "Maximum", "six", "x", T=FLOAT), node("w", "Minimum", "y", "tenth", T=FLOAT),
          node("z", "Exp", "w")], ["Exp", "Maximum", "Minimum"]),
        ([node("y", "Mul", "one", "x"), node("z", "Neg", "y")], ["Neg"]),
        ([node("y", "Mul", "ones", "x"), node("z", "Neg", "y")], ["Mul", "Neg"]),
        ([node("y", "RealDiv", "x", "one"), node("z", "Neg", "y")], ["Neg"]),
        ([node("y", "Neg", "x"), node("w", "Neg", "y"), node("z", "Exp", "w")], ["Exp"]),
        ([node("y", "Transpose", "x", "swap"), node("w", "Transpose", "y", "swap"), node("z", "Exp", "w")], ["Exp"]),
        ([node("y", "Transpose", "x", "same"), node("z", "Exp", "y")], ["Exp"]),
        ([node("y", "Reshape", "x", "flat"), node("z", "Reshape", "y", "square")], ["Reshape"]),
        ([node("y", "Maximum", "x", "zero", T=FLOAT), node("z", "Exp", "y")], ["Exp", "Relu"]),
        ([node("y", "Relu", "x"), node("w", "Minimum", "six", "y", T=FLOAT), node("z", "Exp", "w")], ["Exp", "Relu6"]),
        ([node("y", "Mul", "tenth", "x"), node("w", "Maximum", "y", "x", T=FLOAT), node("z", "Exp", "w")],
         ["Exp", "LeakyRelu"]),
        ([node("y", "Pad", "x", "frame"), node("z", "Exp", "y")], ["Exp"]),
        ([node("y", "Tile", "x", "once"), node("z", "Exp", "y")], ["Exp"]),
        ([node("y", "Cast", "x", SrcT=FLOAT, DstT=DataType("float16")), node("z", "Exp", "y")], ["Exp"]),
        ([node("y", "Cast", "x", SrcT=FLOAT, DstT=DataType("int32")), node("z", "Abs", "y")], ["Abs", "Cast"]),
    ],
)  # fmt: skip
def test_arithmetic_that_changes_nothing(nodes: list[Node], left: list[str]) -> None:
    before = graph(
        X, *nodes, zero=np.float32(0), one=np.float32(1), ones=np.ones((3, 1, 1), np.float32), six=np.float32(6),
        two=np.float32(2), tenth=np.float32(0.1), swap=np.int32([1, 0]), same=np.int32([0, 1]), flat=np.int32([-1]),
        square=np.int32([2, 2]), frame=np.zeros((2, 2), np.int32), once=np.int32([1, 1]),
    )  # fmt: skip
    before = before.prune(["z"]).replace(signature=before.signature)
    before = graph(*(n for n in before.nodes.values() if n.op != "Const"), outputs={"z": "z"}, **before.constants)
    after = apply(simplify, before, {"x": [[-1.5, 2.0], [8.0, 0.25]]})
    assert ops(after.prune(["z"])) == left


def test_a_bias_needs_one_number_a_channel_and_a_sole_reader() -> None:
    product = node("p", "MatMul", "x", "w", T=FLOAT)
    feeds = {"x": numbers(2, 3)}
    vector = graph(X, product, node("y", "AddV2", "b", "p"), w=numbers(3, 4), b=numbers(4, seed=1))
    assert ops(apply(normalize_biases, vector, feeds)) == ["BiasAdd", "MatMul"]
    matrix = graph(X, product, node("y", "AddV2", "p", "b"), w=numbers(3, 4), b=numbers(2, 4, seed=1))
    assert ops(apply(normalize_biases, matrix, feeds)) == ["AddV2", "MatMul"]
    wider = graph(X, product, node("y", "AddV2", "p", "b"), w=numbers(3, 4), b=numbers(2, 1, 1, 4))
    assert ops(apply(normalize_biases, wider, feeds)) == ["AddV2", "MatMul"]
    shared = graph(X, product, node("y", "AddV2", "p", "b"), node("z", "Neg", "p"), w=numbers(3, 4), b=numbers(4))
    assert ops(apply(normalize_biases, shared, feeds)) == ["AddV2", "MatMul", "Neg"]
    less = graph(X, product, node("y", "Sub", "p", "b"), w=numbers(3, 4), b=numbers(4))
    assert ops(apply(normalize_biases, less, feeds)) == ["BiasAdd", "MatMul"]


@pytest.mark.parametrize("op", ["AddV2", "BiasAdd"])
def test_a_bias_of_zeros_goes_unless_an_activation_follows(op: str) -> None:
    nodes = [X, node("p", "MatMul", "x", "w", T=FLOAT), node("q", op, "p", "b"), node("y", "Exp", "q")]
    zero = {"w": numbers(3, 4), "b": np.zeros(4, np.float32)}
    assert ops(apply(normalize_biases, graph(*nodes, **zero), {"x": numbers(2, 3)})) == ["Exp", "MatMul"]
    nodes[-1] = node("y", "Relu", "q")
    assert ops(apply(normalize_biases, graph(*nodes, **zero), {"x": numbers(2, 3)})) == ["BiasAdd", "MatMul", "Relu"]


def test_two_biases_become_one() -> None:
    before = graph(
        X, node("p", "Conv2D", "x", "w", **CONV), node("q", "BiasAdd", "p", "b"), node("y", "Add", "q", "c"),
        w=numbers(1, 1, 2, 3), b=numbers(3), c=numbers(1, 1, 1, 3, seed=2),
    )  # fmt: skip
    assert ops(apply(normalize_biases, before, {"x": numbers(1, 2, 2, 2)})) == ["BiasAdd", "Conv2D"]


@pytest.mark.parametrize("op", ["Mul", "RealDiv"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2dNative", "MatMul"])
def test_factors_behind_products_are_folded(kind: str, with_bias: bool, op: str) -> None:
    shape = (2, 3) if kind == "MatMul" else (1, 4, 4, 2)
    kernel = numbers(3, 4) if kind == "MatMul" else numbers(3, 3, 2, 2)
    attrs = {"T": FLOAT} if kind == "MatMul" else CONV
    nodes = [X, node("p", kind, "x", "w", **attrs)]
    if with_bias:
        nodes.append(node("q", "BiasAdd", "p", "b"))
    channels = {"MatMul": 4, "Conv2D": 2}.get(kind, 4)
    before = graph(
        *nodes,
        node("y", op, "q" if with_bias else "p", "s"),
        w=kernel,
        b=numbers(channels),
        s=numbers(channels, seed=3),
    )
    after = apply(fold_scales, before.prune(["y"]), {"x": numbers(*shape)})
    assert op not in ops(after)


def test_a_factor_for_each_row_stays() -> None:
    before = graph(
        X, node("p", "MatMul", "x", "w", T=FLOAT), node("y", "Mul", "p", "s"), w=numbers(3, 4), s=numbers(2, 1)
    )
    assert ops(apply(fold_scales, before, {"x": numbers(2, 3)})) == ["MatMul", "Mul"]


def test_batch_norm_written_as_arithmetic_disappears() -> None:
    before = graph(
        X, node("p", "Conv2D", "x", "w", **CONV), node("q", "AddV2", "p", "b"), node("m", "Mul", "q", "s"),
        node("t", "AddV2", "m", "o"), node("y", "Relu", "t"), node("Identity", "Identity", "y"),
        w=numbers(3, 3, 2, 4), b=numbers(4), s=numbers(4, seed=1), o=numbers(4, seed=2),
    )  # fmt: skip
    after, record = run_passes(before, PassContext())
    assert ops(after) == ["Identity", "_FusedConv2D"]
    feeds = {"x": numbers(1, 5, 5, 2)}
    np.testing.assert_allclose(
        evaluate(after, feeds, ["Identity"])["Identity"], evaluate(before, feeds, ["Identity"])["Identity"], atol=1e-5
    )
    assert {"p", "q", "m", "t", "y"} <= set(record.origins["y"])


def test_prelu_is_recognised_with_its_slope() -> None:
    parts = [X, node("n", "Neg", "x"), node("r", "Relu", "n"), node("m", "Mul", "a", "r"), node("p", "Relu", "x")]
    slope = numbers(1, 1, 3)
    added = graph(*parts, node("y", "AddV2", "m", "p"), a=-slope)
    after = apply(fuse_prelu, added, {"x": numbers(2, 4, 3)})
    assert ops(after) == ["Prelu"]
    assert [value.shape for name, value in after.constants.items() if name != "a"] == [(3,)]
    taken = graph(*parts, node("y", "Sub", "p", "m"), a=slope)
    assert ops(apply(fuse_prelu, taken, {"x": numbers(2, 4, 3)})) == ["Prelu"]


def test_an_activation_without_bias_is_not_fused_for_tensorflow_js() -> None:
    before = graph(X, node("p", "MatMul", "x", "w", T=FLOAT), node("y", "Relu", "p"), w=numbers(3, 4))
    after, _ = run_passes(before, PassContext())
    assert ops(after) == ["MatMul", "Relu"]


def test_the_largest_int64_stays_the_end_of_a_slice() -> None:
    before = graph(X, node("y", "Neg", "x"), c=np.int64([2**63 - 1, -(2**63), 5, 2**32 + 7]), h=np.float16([1]))
    after = prepare_constants(before, PassContext()).graph
    assert after.constants["c"].tolist() == [2**31 - 1, -(2**31), 5, 7]
    assert after.constants["h"].dtype == np.float32


def test_passes_are_chosen_by_name() -> None:
    assert chosen_passes(None) == ORDER
    assert "fuse_prelu" in chosen_passes(["fuse_prelu"])
    assert "simplify" not in chosen_passes(["fuse_prelu"])
    with pytest.raises(InvalidArgumentError, match="there is no pass 'fuse'"):
        chosen_passes(["fuse"])
    assert all(run.__doc__ for run in PASSES.values())


def test_unused_inputs_stay_and_the_record_counts() -> None:
    before = graph(X, node("unused", "Placeholder", dtype=FLOAT), node("y", "Neg", "x"), outputs={"y": "y"})
    after, record = run_passes(before, PassContext())
    assert set(after.nodes) == {"x", "unused", "y"}
    assert record.origins == {"x": ("x",), "unused": ("unused",), "y": ("y",)}
    assert [step.name for step in record.steps] == list(ORDER)


def test_functions_that_stay_are_rewritten_too() -> None:
    branch = function("b", ("a",), ("n",), node("i", "Identity", "a"), node("n", "Softsign", "i", T=FLOAT))
    before = graph(
        X, node("p", "Placeholder", dtype=DataType("bool")),
        node("y", "If", "p", "x", then_branch=FunctionName("b"), else_branch=FunctionName("b"), Tin=[FLOAT],
             Tout=[FLOAT]),
        outputs={"y": "y"},
    ).replace(functions={"b": branch})  # fmt: skip
    after, _ = run_passes(before, PassContext(control_flow_v2=True))
    assert ops(after) == ["If"]
    assert ops(after.functions["b"].graph) == ["Abs", "AddV2", "RealDiv"]
