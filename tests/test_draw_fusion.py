"""Draws merged into their producers compute the same, and only where that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tfgl_shaders
from tfgl.engine import Engine, Trace
from tfgl.kernels.elementwise import emit_elementwise
from tfgl.tensor import Tensor
from tfgl_shaders.assembly import read

Chain = Callable[[Engine, list[Tensor]], list[Tensor]]


def _inputs(engine: Engine, shape: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [engine.tensor(rng.normal(size=s).astype(np.float32)) for s in (shape, shape, shape[-1:], ())]


def _traced(engine: Engine, chain: Chain, shape: tuple[int, ...], fusion: bool) -> tuple[list[np.ndarray], Trace]:
    inputs = _inputs(engine, shape)
    before, engine.flags.fusion = engine.flags.fusion, fusion
    try:
        with engine.tracing() as trace:
            results = chain(engine, inputs)
    finally:
        engine.flags.fusion = before
    return [result.numpy() for result in results], trace


def _hard_swish(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    x = inputs[0]
    gate = emit_elementwise([emit_elementwise([x], "a + 3.0", "float32")], "min(max(a, 0.0), 6.0)", "float32")
    return [emit_elementwise([x, gate], "a * b / 6.0", "float32")]


def _channels_and_scalars(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    x, other, channels, scalar = inputs
    scaled = emit_elementwise([x, channels], "a * b", "float32")
    moved = emit_elementwise([scalar, scaled], "a - b", "float32")
    return [emit_elementwise([moved, other], "a + shift * b", "float32", parameters={"shift": 0.5})]


def _parameters_of_the_same_name(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    x = inputs[0]
    for alpha in (0.1, 0.3, 7.0):
        x = emit_elementwise([x], "a * alpha + 1.0", "float32", parameters={"alpha": alpha})
    return [x]


def _read_twice(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    shared = emit_elementwise([inputs[0]], "a * 2.0", "float32")
    return [emit_elementwise([shared], "a + 1.0", "float32"), emit_elementwise([shared], "a - 1.0", "float32")]


def _kept_by_a_tensor(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    middle = emit_elementwise([inputs[0]], "a * 2.0", "float32")
    return [middle, emit_elementwise([middle], "a + 1.0", "float32")]


def _to_bool(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    middle = emit_elementwise([inputs[0]], "a * 2.0", "float32")
    return [emit_elementwise([middle], "ivec4(greaterThan(a, vec4(0.0)))", "bool")]


def _unread(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
    emit_elementwise([inputs[0]], "a * 5.0", "float32")
    return [emit_elementwise([inputs[0]], "-a", "float32")]


@pytest.mark.parametrize(
    ("chain", "draws"),
    [
        (_hard_swish, 1),
        (_channels_and_scalars, 1),
        (_parameters_of_the_same_name, 1),
        (_read_twice, 3),
        (_kept_by_a_tensor, 2),
        (_to_bool, 2),
        (_unread, 1),
    ],
)
@pytest.mark.parametrize("shape", [(3, 5), (2, 9, 4, 8), (7,)])
def test_fused_draws_compute_the_same(gpu: Engine, chain: Chain, draws: int, shape: tuple[int, ...]) -> None:
    plain, _ = _traced(gpu, chain, shape, False)
    fused, trace = _traced(gpu, chain, shape, True)
    for a, b in zip(plain, fused, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-7, atol=1e-7)
    # A vector over channels whose length does not divide by 4 is read element by element, apart.
    allowed = draws + 1 if chain is _channels_and_scalars and shape == (3, 5) else draws
    assert len(trace.draws) <= allowed


def test_a_tail_goes_into_other_draws_where_the_pair_repeats(gpu: Engine) -> None:
    def blocks(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
        results = []
        for x in inputs[:2]:
            padded = engine.emit("fill", {}, x.shape, "float32", {"fill_value": 2.0})
            results.append(emit_elementwise([padded, x], "a * b", "float32"))
        return results

    plain, _ = _traced(gpu, blocks, (3, 5), False)
    fused, trace = _traced(gpu, blocks, (3, 5), True)
    for a, b in zip(plain, fused, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(trace.draws) == 2


def test_tiled_draws_fuse_in_place(gpu: Engine) -> None:
    def chain(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
        x, other, channels, _ = inputs
        x.tiles(), other.tiles()
        y = emit_elementwise([x, other], "a + b", "float32")
        assert y.is_tiled
        y = emit_elementwise([y, channels], "a * b", "float32")
        return [emit_elementwise([y], "exp2(a) - 1.0", "float32")]

    plain, _ = _traced(gpu, chain, (2, 9, 3, 6), False)
    fused, trace = _traced(gpu, chain, (2, 9, 3, 6), True)
    np.testing.assert_allclose(fused[0], plain[0], rtol=1e-6)
    assert sum(draw.source.body == "elementwise" for draw in trace.draws) == 1


@pytest.mark.parametrize(
    ("expression", "includes", "bodies"),
    [
        ("a * 3.0", "", ["to_tiles"]),
        ("max_nan(a, vec4(0.0))", "math/nan", ["to_tiles"]),
        ("erf_exact(a)", "math/error_function", ["elementwise", "to_tiles"]),
    ],
)
def test_long_functions_are_not_unrolled_over_lines(
    gpu: Engine, expression: str, includes: str, bodies: list[str]
) -> None:
    def chain(engine: Engine, inputs: list[Tensor]) -> list[Tensor]:
        y = emit_elementwise([inputs[0]], expression, "float32", includes=includes)
        y.tiles()
        return [emit_elementwise([y], "-a", "float32")]

    plain, _ = _traced(gpu, chain, (2, 9, 3, 6), False)
    fused, trace = _traced(gpu, chain, (2, 9, 3, 6), True)
    np.testing.assert_array_equal(fused[0], plain[0])
    assert [draw.source.body for draw in trace.draws][: len(bodies)] == bodies


def test_every_entry_point_applies_the_tail() -> None:
    for name in ("element", "texel", "tile"):
        assert "epilogue(" in read(name), f"{name}.glsl drops what was merged into its draw"
    entries = [
        path.stem for path in Path(tfgl_shaders.__file__).parent.glob("*.glsl") if "void run(" in path.read_text()
    ]
    assert sorted(entries) == ["element", "texel", "tile"]


def test_a_long_chain_is_cut_into_programs_that_compile(gpu: Engine) -> None:
    def chain(_: Engine, inputs: list[Tensor]) -> list[Tensor]:
        x = inputs[0]
        for _ in range(100):
            x = emit_elementwise([x], "a * 0.5 + 1.0", "float32")
        return [x]

    (result,), trace = _traced(gpu, chain, (3, 8), True)
    np.testing.assert_allclose(result, np.full((3, 8), 2.0), rtol=1e-6)
    assert 100 // 16 <= len(trace.draws) <= 20
    assert max(len(draw.source.steps) for draw in trace.draws) <= 12
