"""Special functions as series that are accurate to float rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfgl.ir.graph import Edge

from .registry import BOOL, Place, Unfit, rewrite

_REAL = Unfit("real numbers")
# Lanczos' approximation of the gamma function with g = 7, as XLA has it.
_LANCZOS = 7.0
_LANCZOS_BASE = 0.99999999999980993227684700473478
_LANCZOS_SERIES = (
    676.520368121885098567009190444019, -1259.13921672240287047156078755283, 771.3234287776530788486528258894,
    -176.61502916214059906584551354, 12.507343278686904814458936853, -0.13857109526572011689554707,
    9.984369578019570859563e-6, 1.50563273514931155834e-7,
)  # fmt: skip
# exp(x^2) erfc(x) over t = 1 / (1 + x/2): Numerical Recipes, "erfcc", within 1.2e-7 everywhere.
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip
# M. Giles, Approximating the erfinv function, single precision.
_ERFINV_CENTRE = (
    1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06, -3.5233877e-06,
    3.43273939e-07, 2.81022636e-08,
)  # fmt: skip
_ERFINV_TAIL = (
    2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322,
    0.000100950558, -0.000200214257,
)  # fmt: skip


class _Arithmetic:
    """Elementwise nodes beside one place, with numbers as operands."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, op: str, *operands: Edge | float) -> Edge:
        edges = [operand if isinstance(operand, Edge) else self.place.constant(operand) for operand in operands]
        return self.place.op(op, *edges)

    def polynomial(self, x: Edge, coefficients: Sequence[float]) -> Edge:
        """By Horner's rule, the constant term first."""
        found = self("Mul", x, coefficients[-1])
        for coefficient in coefficients[-2:0:-1]:
            found = self("Mul", self("AddV2", found, coefficient), x)
        return self("AddV2", found, coefficients[0])

    def where(self, condition: Edge, yes: Edge | float, no: Edge | float) -> Edge:
        return self("SelectV2", condition, yes, no)


@rewrite("Erfc")
def erfc(place: Place) -> Edge:
    """1 - erf(x) near zero; beyond, where that cancels, exp(-x^2) times a polynomial."""
    (x,) = place.inputs
    n = _Arithmetic(place)
    size = n("Abs", x)
    t = n("RealDiv", 1, n("AddV2", n("Mul", size, 0.5), 1))
    tail = n("Mul", t, n("Exp", n("Sub", n.polynomial(t, _ERFC), n("Square", x))))
    beyond = n.where(n("Less", x, 0), n("Sub", 2, tail), tail)
    return n.where(n("Less", size, 0.5), n("Sub", 1, n("Erf", x)), beyond)


@rewrite("Lgamma")
def lgamma(place: Place) -> Edge | Unfit:
    """Lanczos' series above 1/2; below it log(pi / |sin(pi x)|) - lgamma(1 - x)."""
    if place.dtype.stored != "float32":
        return _REAL
    n, x, reflected, z = _reflected(place)
    series, t, _ = _lanczos(n, z)
    # (z + 1/2) log t - t, so that neither infinity nor large numbers meet their like.
    log_t = n("Log", t)
    main = n("AddV2", n("Mul", n("Sub", n("AddV2", z, 0.5), n("RealDiv", t, log_t)), log_t), n("Log", series))
    main = n("AddV2", main, math.log(2 * math.pi) / 2)
    # The sine of what is beyond the whole number; at whole numbers it is 0 and the result infinite.
    size = n("Abs", x)
    part = n("Sub", size, n("Floor", size))
    part = n.where(n("Greater", part, 0.5), n("Sub", 1, part), part)
    sine = n("Log", n("Sin", n("Mul", part, math.pi)))
    mirrored = n("Sub", n("Sub", math.log(math.pi), sine), main)
    found = n.where(reflected, mirrored, main)
    return n.where(place.op("IsInf", x), math.inf, found)


@rewrite("Digamma")
def digamma(place: Place) -> Edge | Unfit:
    """The derivative of Lanczos' series above 1/2; below it, pi / tan(pi x) is taken off."""
    if place.dtype.stored != "float32":
        return _REAL
    n, x, reflected, z = _reflected(place)
    series, t, slope = _lanczos(n, z)
    main = n("Sub", n("AddV2", n("Log", t), n("RealDiv", slope, series)), n("RealDiv", _LANCZOS, t))
    part = n("AddV2", x, n("Abs", n("Floor", n("AddV2", x, 0.5))))
    mirrored = n("Sub", main, n("RealDiv", math.pi, n("Tan", n("Mul", part, math.pi))))
    whole = place.op("LogicalAnd", n("LessEqual", x, 0), n("Equal", x, n("Floor", x)), dtype=BOOL)
    return n.where(whole, math.nan, n.where(reflected, mirrored, main))


def _reflected(place: Place) -> tuple[_Arithmetic, Edge, Edge, Edge]:
    """x, whether it lies below 1/2, and one less than x or than 1 - x, which then lies above."""
    n, (x,) = _Arithmetic(place), place.inputs
    below = n("Less", x, 0.5)
    return n, x, below, n.where(below, n("Neg", x), n("Sub", x, 1))


def _lanczos(n: _Arithmetic, z: Edge) -> tuple[Edge, Edge, Edge]:
    """The series, z + 7.5, and the derivative of the series."""
    series: Edge | float = _LANCZOS_BASE
    slope: Edge | float = 0.0
    for index, coefficient in enumerate(_LANCZOS_SERIES):
        share = n("RealDiv", coefficient, n("AddV2", z, index + 1))
        series = n("AddV2", share, series)
        slope = n("Sub", slope, n("RealDiv", share, n("AddV2", z, index + 1)))
    assert isinstance(series, Edge) and isinstance(slope, Edge)
    return series, n("AddV2", z, _LANCZOS + 0.5), slope


@rewrite("Erfinv")
def erfinv(place: Place) -> Edge | Unfit:
    """Giles' two polynomials in -log(1 - x^2)."""
    return _erfinv(_Arithmetic(place), place.inputs[0]) if place.dtype.stored == "float32" else _REAL


@rewrite("Ndtri")
def ndtri(place: Place) -> Edge | Unfit:
    """The square root of 2 times erfinv(2p - 1)."""
    if place.dtype.stored != "float32":
        return _REAL
    n = _Arithmetic(place)
    return n("Mul", _erfinv(n, n("Sub", n("Mul", place.inputs[0], 2), 1)), math.sqrt(2))


def _erfinv(n: _Arithmetic, x: Edge) -> Edge:
    w = n("Neg", n("Log1p", n("Neg", n("Square", x))))
    centre = n.polynomial(n("Sub", w, 2.5), _ERFINV_CENTRE)
    tail = n.polynomial(n("Sub", n("Sqrt", w), 3), _ERFINV_TAIL)
    inside = n("Mul", n.where(n("Less", w, 5), centre, tail), x)
    return n.where(n("Equal", n("Abs", x), 1), n("Mul", x, math.inf), inside)
