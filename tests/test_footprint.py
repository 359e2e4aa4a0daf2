"""Bytes that recordings need at least, against sums by hand."""

from __future__ import annotations

import numpy as np

from graph_models import graph_model, node, placeholder
from tfgl.engine import Engine
from tfgl.gl.footprint import Footprint, footprint_of
from tfgl.gl.recording import Buffer, Draw
from tfgl.gl.textures import TextureShape
from tfgl.graph.model import GraphModel
from tfgl_shaders.assembly import Source

TEXEL = 16


def buffer(texels: int, layers: int = 0) -> Buffer:
    return Buffer(TextureShape("float", 1024, 1024, layers), (texels, 1))


def draw(output: Buffer, *inputs: Buffer) -> Draw:
    return Draw(Source("texel", (), "float"), inputs, output, bytes(16), "")


def test_a_chain_needs_two_of_its_tensors() -> None:
    x, a, b, y, w = buffer(1), buffer(10), buffer(20), buffer(5), buffer(100)
    found = footprint_of([draw(a, x, w), draw(b, a), draw(y, b, w)], [x], [y])
    assert found == Footprint(weights=100 * TEXEL, live=(1 + 10 + 20) * TEXEL)
    assert found.least == 131 * TEXEL


def test_a_branch_lives_up_to_its_last_reader() -> None:
    x, a, b, c, y = buffer(1), buffer(10), buffer(20), buffer(30), buffer(5)
    found = footprint_of([draw(a, x), draw(b, a), draw(c, b), draw(y, a, c)], [x], [y])
    assert found == Footprint(weights=0, live=(1 + 10 + 20 + 30) * TEXEL)


def test_outputs_live_up_to_the_end_and_layers_count() -> None:
    x, a, b, y = buffer(1), buffer(10, layers=8), buffer(20), buffer(40)
    found = footprint_of([draw(a, x), draw(b, x), draw(y, b)], [x], [a, y])
    assert found == Footprint(weights=0, live=(1 + 8 * 10 + 20 + 40) * TEXEL)


def test_a_model_reports_it(gpu: Engine) -> None:
    left, right = np.ones((64, 32), np.float32), np.ones((32, 8), np.float32)
    nodes = [
        placeholder("x", (4, 64)),
        node("h", "MatMul", ["x", "left"]),
        node("y", "MatMul", ["h", "right"]),
    ]
    model = GraphModel(graph_model(nodes, {"left": left, "right": right}), engine=gpu)
    assert model.stats.footprint == Footprint()
    np.testing.assert_array_equal(model.predict(np.ones((4, 64), np.float32)).numpy(), np.full((4, 8), 2048))
    stats = model.stats
    # Two matrices, and the texel of zeros that stands for a bias with each of them.
    matrices = left.nbytes + right.nbytes
    assert matrices <= stats.footprint.weights <= matrices + 2 * TEXEL
    # x, which is the caller's, with h and y.
    assert stats.footprint.live == 4 * (4 * 64 + 4 * 32 + 4 * 8)
    assert stats.peak_texture_bytes >= stats.footprint.least
    model.dispose()
