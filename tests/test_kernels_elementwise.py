"""Element-wise kernels against the float64 reference: unary, binary, Select, AddN, Cast."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from kernel_rows import EXTREMES, SHAPES, SPECIAL, check, compare, run
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.kernels.binary import BINARY
from tfgl.kernels.elementwise import emit_elementwise
from tfgl.kernels.unary import UNARY, as_floats
from tfgl.registry import kernels, run_kernel

# sin and its like: 3 ulp or so much, for arguments up to 1e4.
ABSOLUTE = {"Sin": 1e-7, "Cos": 1e-7, "Tan": 1e-7}
BROADCASTS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3, 7), ()),
    ((), (2, 3)),
    ((3, 8), (8,)),
    ((3, 7), (7,)),
    ((3, 1), (1, 5)),
    ((2, 3, 4), (3, 1)),
    ((2, 1, 3, 1, 2, 1), (4, 1, 5, 2, 3)),
    ((1, 1, 4), (2, 3, 1)),
    ((0, 3), (3,)),
    ((2, 0), (1, 1)),
]


def operands(name: str) -> tuple[str, ...]:
    return kernels()[name].inputs


def floats(*shape: int, seed: int = 0, scale: float = 3.0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * scale, np.float32)


def spread() -> np.ndarray:
    """Numbers of ordinary and of all magnitudes, and the special ones; 4099 of them."""
    random = np.random.default_rng(1)
    ordinary = random.uniform(-1, 1, 1500), random.uniform(-20, 20, 1500), random.uniform(-1e4, 1e4, 500)
    exponents = 10.0 ** random.uniform(-30, 30, 588) * random.choice([-1, 1], 588)
    return np.concatenate([*ordinary, exponents, SPECIAL]).astype(np.float32)


def test_registry_and_tables_agree() -> None:
    known = kernels()
    for name, unary in UNARY.items():
        assert known[name].inputs == ("x",)
        assert re.search(r"\ba\b", unary.floats)
    for name, binary in BINARY.items():
        assert len(known[name].inputs) == 2
        assert binary.floats or binary.ints
    assert as_floats("exp(a) + b", "a") == "exp(vec4(a)) + b"


@pytest.mark.parametrize("name", UNARY)
def test_unary_floats(gpu: Engine, name: str) -> None:
    x = spread()
    if name in ABSOLUTE:
        x = x[~(np.abs(x) > 1e4)]
    if name == "Sign":
        # The kernel gives 0 for NaN as in TensorFlow.js.
        assert run(gpu, name, {"x": np.array([np.nan], np.float32)}) == 0
        x = x[~np.isnan(x)]
    check(gpu, name, {"x": x}, absolute=ABSOLUTE.get(name, 0))


@pytest.mark.parametrize("name", UNARY)
def test_unary_ints_and_bools(gpu: Engine, name: str) -> None:
    x = EXTREMES if name not in ABSOLUTE else EXTREMES[:6]
    check(gpu, name, {"x": x}, absolute=ABSOLUTE.get(name, 0))
    check(gpu, name, {"x": np.array([True, False, True])})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_unary_shapes(gpu: Engine, shape: tuple[int, ...]) -> None:
    for name in ("Neg", "Exp", "IsNan"):
        check(gpu, name, {"x": floats(*shape)})
    for name in ("ZerosLike", "OnesLike"):
        for dtype in (np.float32, np.int32, np.bool_, np.complex64):
            check(gpu, name, {"x": floats(*shape).astype(dtype)})


@pytest.mark.parametrize("name", ["Neg", "Square", "Reciprocal", "ZerosLike", "OnesLike"])
def test_unary_complex(gpu: Engine, name: str) -> None:
    x = (floats(3, 5) + 1j * floats(3, 5, seed=1)).astype(np.complex64)
    check(gpu, name, {"x": x}, ulp=8, absolute=1e-6)


def test_unary_that_complex_has_not(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="complex64"):
        run(gpu, "Exp", {"x": np.array([1j], np.complex64)})


@pytest.mark.parametrize("name", [name for name, rule in BINARY.items() if rule.floats])
def test_binary_floats(gpu: Engine, name: str) -> None:
    a, b = operands(name)
    x, y = (
        np.resize(spread(), (40, 101)),
        np.random.default_rng(3).permutation(spread())[:4040].reshape(40, 101),
    )
    if name == "FloorDiv":
        # Its result is int32: beyond that range, and next to whole numbers, float64 says otherwise.
        x, y = np.rint(np.clip(x, -1e3, 1e3)), np.rint(np.clip(y, -50, 50)) + 0.5
    if name == "Pow":
        x, y = np.clip(np.abs(x), 1e-3, 1e3), np.clip(y, -12, 12)
    if name == "SquaredDifference":
        # The difference is rounded before it is squared.
        check(gpu, name, {a: x, b: y}, ulp=3)
        return
    check(gpu, name, {a: x, b: y})


@pytest.mark.parametrize(
    "name", [name for name, rule in BINARY.items() if rule.floats and name != "FloorDiv"]
)
def test_binary_special(gpu: Engine, name: str) -> None:
    a, b = operands(name)
    x = SPECIAL[np.abs(SPECIAL) != np.float32(3e38)]
    check(gpu, name, {a: x[:, None], b: x[None]})


@pytest.mark.parametrize("name", [name for name in BINARY if name != "Atan2"])
def test_binary_ints(gpu: Engine, name: str) -> None:
    a, b = operands(name)
    check(gpu, name, {a: EXTREMES[:, None], b: EXTREMES[None]}, ulp=3)


@pytest.mark.parametrize("name", [name for name in BINARY if name != "BitwiseAnd"])
def test_binary_bools_and_mixed(gpu: Engine, name: str) -> None:
    a, b = operands(name)
    truths = np.array([True, False, True, False])
    check(gpu, name, {a: truths, b: truths[::-1].copy()})
    check(gpu, name, {a: np.array([1, 2, 3, 4], np.int32), b: truths | True})
    mixed = {a: np.array([1, 2, 3, 4], np.int32), b: np.array([0.5, 2, 1.5, 4], np.float32)}
    check(gpu, name, mixed)
    check(gpu, name, {a: mixed[b], b: mixed[a]})


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_broadcasts(gpu: Engine, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    one, other = floats(*shapes[0]), floats(*shapes[1], seed=1)
    for name in ("Sub", "Less"):
        check(gpu, name, {"a": one, "b": other})
        check(gpu, name, {"a": other, "b": one})


@pytest.mark.parametrize("name", ["Add", "Sub", "Multiply", "RealDiv", "Equal", "NotEqual"])
def test_binary_complex(gpu: Engine, name: str) -> None:
    a = (floats(3, 4) + 1j * floats(3, 4, seed=1)).astype(np.complex64)
    b = (floats(4, seed=2) + 1j * floats(4, seed=3)).astype(np.complex64)
    b[0] = a[0, 0]
    check(gpu, name, {"a": a, "b": b}, ulp=8, absolute=1e-5)
    check(gpu, name, {"a": a, "b": floats(4, seed=2)}, ulp=8, absolute=1e-5)


def test_binary_errors(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="could not be broadcast"):
        run(gpu, "Add", {"a": floats(3), "b": floats(4)})
    with pytest.raises(InvalidArgumentError, match="int32"):
        run(gpu, "BitwiseAnd", {"a": floats(3), "b": floats(3)})
    with pytest.raises(InvalidArgumentError, match="complex64"):
        run(gpu, "Less", {"a": np.array([1j], np.complex64), "b": floats(1)})


def test_strings_compare_on_the_host(gpu: Engine) -> None:
    a, b = np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)
    assert run(gpu, "Equal", {"a": a, "b": b}).tolist() == [True, False]
    assert run(gpu, "Less", {"a": a, "b": b}).tolist() == [False, True]


def test_mod_of_far_apart_magnitudes(gpu: Engine) -> None:
    a = np.array([3e38, 1e30, -1e20, 16777216, 5.5, 1e-30, 1e10], np.float32)
    b = np.array([3, 7.1, 1e-10, 3, -2, 1, np.pi], np.float32)
    check(gpu, "Mod", {"a": a, "b": b}, ulp=1)


def test_floor_div_next_to_whole_numbers(gpu: Engine) -> None:
    b = np.arange(1, 2000, dtype=np.float32)
    n = np.resize(np.arange(1, 50, dtype=np.float32), b.shape)
    assert (run(gpu, "FloorDiv", {"a": b * n, "b": b}) == n).all()


@pytest.mark.parametrize(
    "attrs", [{"clipValueMin": -1.5, "clipValueMax": 2.25}, {"clipValueMin": -1e39, "clipValueMax": 0}]
)
def test_clip(gpu: Engine, attrs: dict[str, Any]) -> None:
    check(gpu, "ClipByValue", {"x": SPECIAL}, attrs, ulp=0)
    check(gpu, "ClipByValue", {"x": EXTREMES}, attrs)
    with pytest.raises(InvalidArgumentError, match="must be less than or equal"):
        run(gpu, "ClipByValue", {"x": SPECIAL}, {"clipValueMin": 2, "clipValueMax": 1})


def test_slopes(gpu: Engine) -> None:
    for attrs in ({}, {"alpha": 0.0}, {"alpha": -1.5}):
        x = SPECIAL[:-3] if attrs else SPECIAL
        check(gpu, "LeakyRelu", {"x": x}, attrs, ulp=1)
        check(gpu, "LeakyRelu", {"x": EXTREMES}, attrs, ulp=1)
        check(gpu, "Step", {"x": SPECIAL}, attrs)
        check(gpu, "Step", {"x": EXTREMES}, attrs)


def test_complex_abs(gpu: Engine) -> None:
    x = (floats(64) + 1j * floats(64, seed=1)).astype(np.complex64)
    x[:5] = [0, 3e30 + 4e30j, 1e-30j, complex(np.inf, np.nan), complex(np.nan, 1)]
    check(gpu, "ComplexAbs", {"x": x}, ulp=4)
    with pytest.raises(InvalidArgumentError, match="complex64"):
        run(gpu, "ComplexAbs", {"x": floats(2)})


@pytest.mark.parametrize("source", ["float32", "int32", "bool", "complex64"])
@pytest.mark.parametrize("target", ["float32", "int32", "bool", "complex64"])
def test_casts(gpu: Engine, source: str, target: str) -> None:
    numbers = np.array(
        [0, 1, -1, 0.9, -0.9, 1e-40, 2.5, 1e9, 3e9, -3e9, 2**31, -(2**31), np.inf, -np.inf, np.nan]
    )
    x = EXTREMES if source == "int32" else numbers.astype(source)
    check(gpu, "Cast", {"x": x}, {"dtype": target}, ulp=0.5)
    check(gpu, "Cast", {"x": np.zeros((0, 2), source)}, {"dtype": target})


def test_cast_of_strings_fails(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="string"):
        run(gpu, "Cast", {"x": np.array([b"1"], object)}, {"dtype": "int32"})


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_add_n(gpu: Engine, count: int) -> None:
    # Small whole numbers: any order of additions gives the same.
    terms = [np.rint(floats(3, 5, seed=seed)) for seed in range(count)]
    check(gpu, "AddN", {"tensors": terms}, ulp=0)
    check(gpu, "AddN", {"tensors": [term.astype(np.int32) for term in terms]})


def test_add_n_errors(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="same shape"):
        run(gpu, "AddN", {"tensors": [floats(2), floats(3)]})
    with pytest.raises(InvalidArgumentError, match="at least one"):
        run(gpu, "AddN", {"tensors": []})


@pytest.mark.parametrize(
    "shapes",
    [
        ((), (), ()),
        ((5,), (5,), (5,)),
        ((3,), (3, 4), (3, 4)),
        ((3, 1), (1, 5), ()),
        ((2,), (2, 3, 2), (2, 3, 2)),
    ],
    ids=str,
)
def test_select(gpu: Engine, shapes: tuple[tuple[int, ...], ...]) -> None:
    condition = np.random.default_rng(0).random(shapes[0]) > 0.5
    t, e = floats(*shapes[1]), floats(*shapes[2], seed=1)
    t.flat[0] = np.nan
    for dtype in (np.float32, np.int32, np.bool_, np.complex64):
        with np.errstate(invalid="ignore"):
            inputs = {"condition": np.asarray(condition), "t": t.astype(dtype), "e": e.astype(dtype)}
        check(gpu, "Select", inputs, ulp=0)


def test_select_keeps_nan_where_it_was(gpu: Engine) -> None:
    nan, one = np.full(4, np.nan, np.float32), np.ones(4, np.float32)
    got = run(gpu, "Select", {"condition": np.array([True, False, True, False]), "t": nan, "e": one})
    assert np.isnan(got).tolist() == [True, False, True, False]
    with pytest.raises(InvalidArgumentError, match="first dimension"):
        run(gpu, "Select", {"condition": np.array([True]), "t": floats(2, 2), "e": floats(2, 2)})


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_tiled_operands_stay_tiled(gpu: Engine, channels: int) -> None:
    x = floats(2, 9, 5, channels)
    tensor = gpu.tensor(x)
    tensor.tiles()
    tiled = emit_elementwise([tensor], "a + 0.0", "float32")
    for other in (x, floats(channels), floats(1)):
        result = run_kernel("Sub", {"a": tiled, "b": gpu.tensor(other)})
        assert not isinstance(result, list)
        assert result.is_tiled
        compare(result.numpy(), x.astype(np.float64) - other, 0.5)
    relu = run_kernel("Relu", {"x": tiled})
    assert not isinstance(relu, list)
    assert relu.is_tiled
    compare(relu.numpy(), np.maximum(x, 0).astype(np.float64), 0)
