"""Element-wise kernels of two tensors: a table of GLSL expressions over broadcast operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..dtypes import DType, upcast
from ..errors import InvalidArgumentError
from ..registry import kernel
from ..tensor import Tensor
from .elementwise import emit_elementwise
from .unary import as_floats, cast_to


@dataclass(frozen=True, slots=True)
class Binary:
    """How a kernel computes from the vectors ``a`` and ``b``.

    ``floats`` serves operands of which one is float32, ``ints`` int32 and bool;
    without ``ints`` those are converted. ``complex``, when there is one, holds
    the real and the imaginary part over a + ib and c + id. ``result`` is the
    dtype of the result where it does not follow the operands.
    """

    floats: str
    ints: str = ""
    includes: str = ""
    result: Literal["", "bool", "int32"] = ""
    complex: tuple[str, ...] = ()
    strings: bool = False


def _compare(function: str) -> Binary:
    return Binary(f"ivec4({function}(a, b))", f"ivec4({function}(a, b))", result="bool", strings=True)


def _logic(operator: str) -> Binary:
    expression = f"ivec4(truth(a)) {operator} ivec4(truth(b))"
    return Binary(expression, expression, "arithmetic", "bool")


_QUOTIENTS = "arithmetic math/division math/integer"

BINARY: dict[str, Binary] = {
    "Add": Binary("a + b", "a + b", complex=("a + c", "b + d")),
    "Atan2": Binary("atan2_exact(a, b)", includes="math/inverse_trigonometric"),
    "BitwiseAnd": Binary("", "a & b"),
    "EluGrad": Binary("a * choose(greaterThanEqual(b, vec4(0.0)), vec4(1.0), b + 1.0)", includes="arithmetic"),
    "Equal": Binary(
        "ivec4(equal(a, b))",
        "ivec4(equal(a, b))",
        result="bool",
        complex=("ivec4(equal(a, c)) & ivec4(equal(b, d))",),
        strings=True,
    ),
    "FloorDiv": Binary("truncated(floor_div(a, b))", "floor_div(a, b)", _QUOTIENTS, "int32"),
    "Greater": _compare("greaterThan"),
    "GreaterEqual": _compare("greaterThanEqual"),
    "Less": _compare("lessThan"),
    "LessEqual": _compare("lessThanEqual"),
    "LogicalAnd": _logic("&"),
    "LogicalOr": _logic("|"),
    "LogicalXor": _logic("^"),
    "Maximum": Binary("larger(a, b)", "larger(a, b)", "arithmetic"),
    "Minimum": Binary("smaller(a, b)", "smaller(a, b)", "arithmetic"),
    "Mod": Binary("floor_mod(a, b)", "floor_mod(a, b)", _QUOTIENTS),
    "Multiply": Binary("a * b", "a * b", complex=("a * c - b * d", "a * d + b * c")),
    "NotEqual": Binary(
        "ivec4(notEqual(a, b))",
        "ivec4(notEqual(a, b))",
        result="bool",
        complex=("ivec4(notEqual(a, c)) | ivec4(notEqual(b, d))",),
        strings=True,
    ),
    "Pow": Binary("pow_exact(a, b)", "pow_exact(a, b)", "math/power math/integer"),
    "Prelu": Binary("choose(lessThan(a, vec4(0.0)), a * b, a)", includes="arithmetic"),
    "RealDiv": Binary(
        "divide_exact(a, b)",
        "truncate_div(a, b)",
        _QUOTIENTS,
        complex=("(a * c + b * d) / (c * c + d * d)", "(b * c - a * d) / (c * c + d * d)"),
    ),
    "SquaredDifference": Binary("(a - b) * (a - b)", "(a - b) * (a - b)"),
    "Sub": Binary("a - b", "a - b", complex=("a - c", "b - d")),
}


def emit_binary(name: str, a: Tensor, b: Tensor) -> Tensor:
    """The kernel ``name`` of `BINARY` on two tensors of any dtypes."""
    rule = BINARY[name]
    dtype = upcast(a.dtype, b.dtype)
    if dtype == "complex64":
        return _on_complex(name, rule, cast_to(a, "complex64"), cast_to(b, "complex64"))
    if dtype == "float32":
        if not rule.floats:
            raise InvalidArgumentError(f"{name} only supports int32 data type; got {a.dtype} and {b.dtype}")
        ints = [operand for operand, tensor in zip("ab", (a, b), strict=True) if tensor.kind == "int"]
        expression = as_floats(rule.floats, *ints)
        result: DType = rule.result or "float32"
    elif rule.ints:
        expression, result = rule.ints, rule.result or "int32"
    else:
        expression, result = as_floats(rule.floats, "a", "b"), rule.result or "float32"
    return emit_elementwise([a, b], expression, result, includes=rule.includes)


def _on_complex(name: str, rule: Binary, a: Tensor, b: Tensor) -> Tensor:
    if not rule.complex:
        raise InvalidArgumentError(f"{name} does not take complex64; take Real, Imag or ComplexAbs first")
    parts = [*a.parts, *b.parts]
    if rule.result == "bool":
        return emit_elementwise(parts, rule.complex[0], "bool")
    if name in ("Add", "Sub"):
        sign = "+" if name == "Add" else "-"
        pairs = zip(a.parts, b.parts, strict=True)
        real, imaginary = (emit_elementwise(pair, f"a {sign} b", "float32") for pair in pairs)
    else:
        real, imaginary = (emit_elementwise(parts, part, "float32") for part in rule.complex)
    return Tensor(a.engine, real.shape, "complex64").adopt_parts(real, imaginary)


def _register(name: str, rule: Binary) -> None:
    def of_dy(dy: Tensor, y: Tensor) -> Tensor:
        return emit_binary(name, dy, y)

    def of_x(x: Tensor, alpha: Tensor) -> Tensor:
        return emit_binary(name, x, alpha)

    def of_a(a: Tensor, b: Tensor) -> Tensor:
        return emit_binary(name, a, b)

    # The registry reads the operands' names from the signature.
    function: Callable[[Tensor, Tensor], Tensor] = {"EluGrad": of_dy, "Prelu": of_x}.get(name, of_a)
    function.__name__ = function.__qualname__ = name.lower()
    function.__doc__ = f"{name} of broadcast operands: {rule.floats or rule.ints}."
    kernel(name, strings=rule.strings)(function)


for _name, _rule in BINARY.items():
    _register(_name, _rule)
