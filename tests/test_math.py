"""The exact GLSL functions against float64: worst error over edges, every exponent and random bit patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from scipy import special

from tfgl.gl.device import forget_current_context
from tfgl_shaders.assembly import read

moderngl = pytest.importorskip("moderngl")

WIDTH = 512
SMALLEST = float(np.finfo(np.float32).tiny)

_VERTEX = """#version 330 core
void main() {
    gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}
"""

_FRAGMENT = """#version {version} core
{functions}
uniform {prefix}sampler2D first;
uniform {prefix}sampler2D second;
out {vector} result;
void main() {{
    ivec2 at = ivec2(gl_FragCoord.xy);
    {vector} x = texelFetch(first, at, 0);
    {vector} y = texelFetch(second, at, 0);
    result = {expression};
}}
"""


def included(names: Iterable[str], done: set[str] | None = None) -> str:
    """Text of the files and of what they require, each once, what is required first."""
    done = set() if done is None else done
    text = ""
    for name in names:
        if name not in done:
            done.add(name)
            body = read(f"math/{name}")
            text += included(requirements(body), done) + body
    return text


def requirements(body: str) -> list[str]:
    """The words of the line ``// requires:``."""
    line = re.search(r"^// requires: (.+)$", body, re.MULTILINE)
    return line.group(1).split() if line else []


class Machine:
    """A context of its own that evaluates a GLSL expression of x and y over arrays."""

    def __init__(self) -> None:
        self.context = moderngl.create_context(standalone=True, backend="egl", require=330)
        forget_current_context()
        self.idle = self.context.simple_framebuffer((1, 1))

    def __call__(
        self, files: str, expression: str, x: np.ndarray, y: np.ndarray, version: int = 330
    ) -> np.ndarray:
        """The expression at each element; int32 arrays make integer textures."""
        integer = x.dtype == np.int32
        source = _FRAGMENT.format(
            version=version,
            functions=included(files.split()),
            prefix="i" if integer else "",
            vector="ivec4" if integer else "vec4",
            expression=expression,
        )
        rows = -(-x.size // (4 * WIDTH))
        size = (WIDTH, rows)
        kind = "i4" if integer else "f4"
        program = self.context.program(vertex_shader=_VERTEX, fragment_shader=source)
        held: list[Any] = [program]
        for unit, (name, values) in enumerate((("first", x), ("second", y))):
            padded = np.zeros(rows * WIDTH * 4, values.dtype)
            padded[: values.size] = values
            texture = self.context.texture(size, 4, padded.tobytes(), dtype=kind)
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
            texture.use(unit)
            if name in program:
                program[name].value = unit
            held.append(texture)
        target = self.context.texture(size, 4, dtype=kind)
        framebuffer = self.context.framebuffer([target])
        vertices = self.context.vertex_array(program, [])
        framebuffer.use()
        vertices.render(moderngl.TRIANGLES, vertices=3)
        result = np.frombuffer(target.read(), x.dtype)[: x.size].copy()
        self.idle.use()  # a framebuffer must not be bound when it is released
        for thing in (vertices, framebuffer, target, *held):
            thing.release()
        assert self.context.error == "GL_NO_ERROR"
        return result


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    try:
        made = Machine()
    except Exception as error:
        pytest.skip(f"no EGL device with OpenGL 3.3: {error}")
    yield made
    made.context.release()


# ---------------------------------------------------------------- arguments


def _around(values: np.ndarray, steps: int = 40) -> np.ndarray:
    """``values`` and their nearest floats on either side."""
    bits = values.astype(np.float32).view(np.int32)[:, None] + np.arange(-steps, steps + 1, dtype=np.int32)
    return bits.ravel().view(np.float32)


@cache
def arguments() -> np.ndarray:
    """Edges and their neighbours, every exponent, dense grids, random bit patterns; both signs; NaN and infinities."""
    random = np.random.default_rng(7)
    listed = (
        "1e-45 1e-20 6e-8 2.44e-4 0.25 0.41421356 0.5 0.625 0.70710677 1 1.41421356 2 2.4142137 3 4 9.01 10 16 17.33 30"
        " 44.36 87.33654 88.72284 89.41598 103.97 150 1e4 8388608 16777216 268435456 2147483648 1.8446744e19 3e38"
    )
    edges = np.concatenate(
        [
            np.array([*listed.split(), SMALLEST]).astype(np.float32),
            np.arange(1, 200) * np.pi / 4,
            np.arange(1, 60) * np.log(2) / 2,
        ]
    )
    exponents = np.arange(1, 255, dtype=np.int32)[:, None] << 23
    mantissas = random.integers(0, 1 << 23, (254, 200), dtype=np.int32)
    grids = [
        np.linspace(0, 1, 40001),
        np.linspace(0, 10, 40001),
        np.linspace(0, 100, 40001),
        np.linspace(0, 1e4, 40001),
    ]
    halves = np.arange(0, 300) / 2
    parts = [
        _around(edges),
        (exponents | mantissas).ravel().view(np.float32),
        *grids,
        halves,
        random.integers(0, 0x7F800000, 50000, dtype=np.int32).view(np.float32),
    ]
    positive = np.concatenate([np.asarray(part, np.float32) for part in parts])
    positive = positive[np.isfinite(positive)]
    special_values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    return np.concatenate([special_values, positive, -positive])


@cache
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Pairs of arguments: special by special, random by random over all magnitudes, bases with fitting exponents."""
    random = np.random.default_rng(11)
    magnitudes = "0 0.5 1 1.5 2 3 4 7 127 128 16777216 16777217 33554432 0.99999994 1.0000001 1e-30 1e30 3e38"
    few = np.array([*magnitudes.split(), SMALLEST, 1e-38, "inf"]).astype(np.float32)
    few = np.concatenate([few, -few, np.array([np.nan], np.float32)])
    grid = [part.ravel() for part in np.meshgrid(few, few)]
    count = 60000
    anything = random.integers(-(2**31), 2**31, (2, count), dtype=np.int64).astype(np.int32).view(np.float32)
    moderate = np.exp(random.uniform(-4, 4, (2, count))).astype(np.float32)
    moderate *= random.choice(np.array([-1, 1], np.float32), moderate.shape)
    whole = moderate.copy()
    whole[1] = np.round(whole[1])
    # Bases near 1 with large exponents, and powers near the ends of the range.
    base = np.exp2(random.uniform(-30, 30, count)).astype(np.float32)
    close = (1 + random.uniform(-0.4, 0.4, count) * np.exp2(random.uniform(-12, 0, count))).astype(np.float32)
    for_base = (random.uniform(-128, 128, count) / np.log2(base.astype(np.float64))).astype(np.float32)
    with np.errstate(divide="ignore"):
        for_close = (random.uniform(-128, 128, count) / np.log2(close.astype(np.float64))).astype(np.float32)
    columns = [grid, anything, moderate, whole, (base, for_base), (close, for_close)]
    return (
        np.concatenate([np.asarray(column[0], np.float32) for column in columns]),
        np.concatenate([np.asarray(column[1], np.float32) for column in columns]),
    )


# ---------------------------------------------------------------- comparison


def _flushed(values: np.ndarray) -> np.ndarray:
    """``values`` with 0 in place of subnormal ones."""
    return np.where(np.abs(values) < SMALLEST, np.copysign(0.0, values), values)


def errors_in_ulp(actual: np.ndarray, expected: np.ndarray, size: np.ndarray | float = 0.0) -> np.ndarray:
    """Distance in units of the last place of the float32 nearest to ``expected`` (float64).

    NaN for NaN and an infinity for the same one (or for what rounds to it) are
    0 apart, otherwise infinitely far. Subnormal results may be flushed. The unit
    is that of ``size`` where this is larger than the result.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rounded = expected.astype(np.float32)
        larger = np.fmax(np.abs(rounded), np.asarray(size, np.float32))
        unit = np.spacing(np.maximum(larger, np.float32(SMALLEST))).astype(np.float64)
        error = np.abs(actual.astype(np.float64) - expected) / unit
        largest = float(np.finfo(np.float32).max)
        # One ulp beyond the largest number either side of the border will do.
        border = np.isinf(actual) & (np.abs(expected) > largest * (1 - 2.0**-23)) & (actual * expected > 0)
    same = (np.isnan(actual) & np.isnan(expected)) | (actual == rounded) | border
    subnormal = (np.abs(expected) < SMALLEST * (1 + 2.0**-22)) & (np.abs(actual) <= SMALLEST * (1 + 2.0**-22))
    error = np.where(same | subnormal, 0.0, error)
    return np.where(np.isnan(error), np.inf, error)


@dataclass(frozen=True)
class Row:
    """A function: its files, its GLSL name, the float64 reference and the worst error it may have.

    ``size`` gives, where it is larger than the result, the number whose unit
    errors are measured in. ``more`` are further arguments; ``vectors`` is set
    for functions of vec4 alone.
    """

    name: str
    files: str
    reference: Callable[..., np.ndarray]
    ulp: float = 2.0
    two: bool = False
    size: Callable[[np.ndarray], np.ndarray] | None = None
    more: str = ""
    vectors: bool = False


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def _sigmoid_flushed(x: np.ndarray) -> np.ndarray:
    # The factor that may be 0 because it is subnormal makes the product wrong by that much.
    return np.abs(x) * np.float32(SMALLEST * 2.0**23)


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x + 3, 0, 6) / 6


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _selu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, 1.0507009873554805 * x, 1.7580993408473766 * np.expm1(np.minimum(x, 0)))


def _nan_sign(x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), x, np.sign(x))


ROWS = [
    Row("exp_exact", "exponential", np.exp),
    Row("expm1_exact", "exponential", np.expm1),
    Row("log_exact", "logarithm", np.log),
    Row("log1p_exact", "logarithm", np.log1p),
    Row("tanh_exact", "hyperbolic", np.tanh),
    Row("sinh_exact", "hyperbolic", np.sinh),
    Row("cosh_exact", "hyperbolic", np.cosh),
    Row("asinh_exact", "inverse_hyperbolic", np.arcsinh),
    Row("acosh_exact", "inverse_hyperbolic", np.arccosh),
    Row("atanh_exact", "inverse_hyperbolic", np.arctanh),
    Row("sigmoid_exact", "sigmoid", _sigmoid),
    Row("swish_exact", "swish", lambda x: x * _sigmoid(x), 3.0, size=_sigmoid_flushed, vectors=True),
    Row("hard_sigmoid", "hard", _hard_sigmoid, more=", 0.16666667", vectors=True),
    Row("hard_swish", "hard", lambda x: x * _hard_sigmoid(x), 3.0, more=", 0.16666667", vectors=True),
    # 1 + erf and 1 + tanh cancel for negative numbers: the error is one of the argument.
    Row("gelu_exact", "gelu", lambda x: 0.5 * x * (1 + special.erf(x / np.sqrt(2))), size=np.abs, vectors=True),
    Row("gelu_tanh", "gelu_tanh", _gelu_tanh, size=np.abs, vectors=True),
    Row("softplus_exact", "softplus", _softplus),
    Row("elu_exact", "elu", _elu),
    Row("selu_exact", "elu", _selu),
    Row("sin_exact", "trigonometric", np.sin),
    Row("cos_exact", "trigonometric", np.cos),
    Row("tan_exact", "trigonometric", np.tan),
    Row("asin_exact", "inverse_trigonometric", np.arcsin),
    Row("acos_exact", "inverse_trigonometric", np.arccos),
    Row("atan_exact", "inverse_trigonometric", np.arctan),
    Row("atan2_exact", "inverse_trigonometric", np.arctan2, two=True),
    Row("erf_exact", "error_function", special.erf),
    Row("pow_exact", "power", np.power, 2.0, two=True),
    Row("divide_exact", "division", np.divide, 2.5, two=True),
    Row("reciprocal_exact", "division", np.reciprocal, 2.5),
    Row("sqrt_exact", "division", np.sqrt),
    Row("rsqrt_exact", "division", lambda x: 1 / np.sqrt(x)),
    Row("round_even", "rounding", np.round, 0.0),
    Row("sign_nan", "nan", _nan_sign, 0.0),
    Row("max_nan", "nan", np.maximum, 0.0, two=True),
    Row("min_nan", "nan", np.minimum, 0.0, two=True),
]


def measure(machine: Machine, row: Row, version: int, scalar: bool) -> tuple[float, str]:
    """Worst error in ulp, and where it is."""
    x, y = pairs() if row.two else (arguments(), arguments())
    call = f"{row.name}(%s, %s)" if row.two else f"{row.name}(%s{row.more})"
    if scalar and not row.vectors:
        lanes = (call % ((f"x.{c}", f"y.{c}") if row.two else f"x.{c}") for c in "xyzw")
        expression = f"vec4({', '.join(lanes)})"
    else:
        expression = call % (("x", "y") if row.two else "x")
    actual = machine(row.files, expression, x, y, version)
    worst = np.full(x.shape, np.inf)
    size = row.size(np.where(np.isfinite(x), x, 0)) if row.size else 0.0
    # Whether an argument that is subnormal counts as itself or as 0 is the machine's choice.
    with np.errstate(all="ignore"):
        for flush_x in (False, True):
            for flush_y in (False, True) if row.two else (False,):
                first = _flushed(x.astype(np.float64)) if flush_x else x.astype(np.float64)
                second = _flushed(y.astype(np.float64)) if flush_y else y.astype(np.float64)
                expected = row.reference(*(first, second)[: 1 + row.two])
                worst = np.minimum(worst, errors_in_ulp(actual, expected, size))
        wide = (x.astype(np.float64), y.astype(np.float64))[: 1 + row.two]
        expected = row.reference(*wide)
    at = int(np.argmax(worst))
    return float(worst[at]), (
        f"{row.name}: {worst[at]:.3g} ulp at element {at}: x = {x[at]!r}"
        + (f", y = {y[at]!r}" if row.two else "")
        + f": {actual[at]!r}, expected {expected[at]!r};"
        f" {np.count_nonzero(worst > row.ulp)} of {x.size} worse than {row.ulp}"
    )


def test_the_measure_itself() -> None:
    one, nan, inf = np.float32(1), np.float32("nan"), np.float32("inf")
    actual = np.array([one, np.nextafter(one, inf), nan, one, nan, inf, inf, 0], np.float32)
    expected = np.array([1.0, 1.0, np.nan, np.nan, 1.0, np.inf, 1e39, 1e-40])
    assert errors_in_ulp(actual, expected).tolist() == [0, 1, 0, np.inf, np.inf, 0, 0, 0]


@pytest.mark.parametrize("version", [330, 430])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_function(machine: Machine, row: Row, version: int) -> None:
    if machine.context.version_code < version:
        pytest.skip(f"the device has OpenGL {machine.context.version_code}")
    worst, where = measure(machine, row, version, scalar=version == 330)
    assert worst <= row.ulp, where


def _same(actual: np.ndarray, expected: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    wrong = ~((actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    at = int(np.argmax(wrong))
    assert not wrong.any(), (
        f"element {at}: x = {x[at]!r}, y = {y[at]!r}: {actual[at]!r}, expected {expected[at]!r};"
        f" {np.count_nonzero(wrong)} of {x.size} differ"
    )


@pytest.mark.parametrize("name", ["nan", "inf", "finite"])
def test_predicates(machine: Machine, name: str) -> None:
    x = arguments()
    actual = machine("nan", f"vec4(is_{name}(x))", x, x)
    expected = getattr(np, "is" + name)(x).astype(np.float32)
    _same(actual, expected, x, x)
    lanes = ", ".join(f"float(is_{name}(x.{c}))" for c in "xyzw")
    _same(machine("nan", f"vec4({lanes})", x, x), expected, x, x)


def test_clamp_gives_nan_for_nan(machine: Machine) -> None:
    x = arguments()
    x = x[(x.view(np.int32) & 0x7F800000) != 0]  # subnormal ones may be flushed
    _same(
        machine("nan", "clamp_nan(x, vec4(0.0), vec4(6.0))", x, x),
        np.clip(x, np.float32(0), np.float32(6)),
        x,
        x,
    )


def _quotient_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Float pairs for floored division: all of pairs() whose quotient is normal, near multiples, large quotients."""
    random = np.random.default_rng(5)
    divisor = np.exp(random.uniform(-3, 3, 40000)).astype(np.float32)
    multiple = (divisor * np.round(np.exp(random.uniform(0, 9, divisor.size)))).astype(np.float32)
    multiple = (multiple.view(np.int32) + random.integers(-1, 2, multiple.size, dtype=np.int32)).view(
        np.float32
    )
    small = random.integers(-50, 50, (2, 20000)).astype(np.float32)
    x, y = pairs()
    x = np.concatenate([x, multiple, -multiple, multiple, small[0]])
    y = np.concatenate([y, divisor, divisor, -divisor, small[1]])
    # What involves numbers near the subnormal ones may be flushed in between.
    normal = ((np.abs(x) > 1e-30) | (x == 0)) & ((np.abs(y) > 1e-30) | (y == 0))
    normal |= np.isnan(x) | np.isnan(y)
    return x[normal], y[normal]


def test_floored_quotient(machine: Machine) -> None:
    x, y = _quotient_pairs()
    with np.errstate(all="ignore"):
        quotient = x / y
        expected = np.floor(quotient)
        normal = (np.abs(quotient) >= SMALLEST) | (quotient == 0) | np.isnan(quotient)
    # TensorFlow: floor of the correctly rounded quotient; negative subnormal quotients may be flushed.
    actual = machine("division", "floor_div(x, y)", x, y)
    _same(actual[normal], expected[normal], x[normal], y[normal])


def test_floored_remainder(machine: Machine) -> None:
    x, y = _quotient_pairs()
    with np.errstate(all="ignore"):
        remainder = np.fmod(x, y)
        expected = np.where((remainder != 0) & ((remainder < 0) != (y < 0)), remainder + y, remainder)
    _same(machine("division", "floor_mod(x, y)", x, y), expected, x, y)


def _integers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    few = np.array(
        [0, 1, 2, 3, 7, 10, 31, 32, 33, 255, 46341, 65536, 2**24, 2**24 + 1, 2**30, 2**31 - 2, 2**31 - 1],
        np.int64,
    )
    few = np.concatenate([few, -few, [-(2**31)]])
    wide = random.integers(-(2**31), 2**31, (2, 50000))
    scaled = wide >> random.integers(0, 31, wide.shape)
    x, y = (part.ravel() for part in np.meshgrid(few, few))
    return np.concatenate([x, wide[0], scaled[0]]).astype(np.int32), np.concatenate(
        [y, wide[1], scaled[1]]
    ).astype(np.int32)


def _wrapped(values: Iterable[int]) -> np.ndarray:
    return np.array([(int(value) + 2**31) % 2**32 - 2**31 for value in values], np.int64).astype(np.int32)


def _truncated(x: int, y: int) -> int:
    return 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _power(x: int, n: int) -> int:
    if n < 0:
        return 0 if abs(x) != 1 else x if n % 2 else 1
    return pow(x, n, 2**32)


INTEGERS: list[tuple[str, Callable[[int, int], int]]] = [
    ("multiply_exact", lambda x, y: x * y),
    ("truncate_div", _truncated),
    ("truncate_mod", lambda x, y: x - y * _truncated(x, y) if y else 0),
    ("floor_div", lambda x, y: x // y if y else 0),
    ("floor_mod", lambda x, y: x % y if y else 0),
    ("pow_exact", _power),
]


@pytest.mark.parametrize("name, reference", INTEGERS, ids=[row[0] for row in INTEGERS])
def test_integers(machine: Machine, name: str, reference: Callable[[int, int], int]) -> None:
    x, y = _integers()
    expected = _wrapped(reference(int(a), int(b)) for a, b in zip(x, y, strict=True))
    _same(machine("integer", f"{name}(x, y)", x, y), expected, x, y)
    lanes = ", ".join(f"{name}(x.{c}, y.{c})" for c in "xyzw")
    _same(machine("integer", f"ivec4({lanes})", x, y), expected, x, y)


FILES = sorted(
    path.name.removesuffix(".glsl")
    for path in files("tfgl_shaders").joinpath("math").iterdir()
    if path.name.endswith("glsl")
)


def test_every_file_is_tested() -> None:
    tested = {name for row in ROWS for name in row.files.split()} | {"integer"}
    tested |= {name for file in tested for name in requirements(read(f"math/{file}"))}
    assert tested == set(FILES)


@pytest.mark.parametrize("version", [330, 420, 430])
def test_all_files_fit_together(machine: Machine, version: int) -> None:
    if machine.context.version_code < version:
        pytest.skip(f"the device has OpenGL {machine.context.version_code}")
    source = _FRAGMENT.format(
        version=version, functions=included(FILES), prefix="", vector="vec4", expression="exp_exact(x)"
    )
    machine.context.program(vertex_shader=_VERTEX, fragment_shader=source).release()


@pytest.mark.parametrize("name", FILES)
def test_local_names_are_short(name: str) -> None:
    # A program's parameters are macros of four letters or more: they would replace a local name.
    body = re.sub(r"//.*", "", read(f"math/{name}"))
    declared = re.findall(r"\b(?:float|int|[biu]?vec4)\s+([A-Za-z_]\w*)\s*(?=[=;,)])", body)
    assert [word for word in declared if len(word) > 3] == []
