"""Single kernels and short sequences of them, at the sizes of convolutional networks and of transformers.

A kernel's time is that of the draws it records, run again as a replayed model
runs them until the device has finished: inputs on the device, in the layout that
a chain hands over, weights packed. Python's part of a call that records nothing
stands beside it. A sequence is a small graph that is loaded, fused and replayed
as any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pytest

import tfgl
from report import RESNET50
from tfgl.engine import Engine
from tfgl.gl.recording import Draw
from tfgl.io import ModelArtifacts
from topologies import Builder
from topologies_sequences import gelu, layer_norm

Shape = tuple[int, ...]

_SECONDS, _ROUNDS = 0.3, (5, 200)


@dataclass(frozen=True, slots=True)
class Weight:
    """An input that a model would hold as a constant: what is derived from it is derived once."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Indices:
    """An int32 input of values from 0 up to ``limit``."""

    shape: Shape
    limit: int


@dataclass(frozen=True, slots=True)
class Case:
    """One row. A plain shape is a float32 activation; ``flops`` counts a multiply-add as two.

    ``elements_read`` stands where not every element of the inputs is read once;
    ``tiled`` where a chain of convolutions hands the inputs over.
    """

    group: str
    name: str
    kernel: str
    inputs: Mapping[str, Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    flops: int = 0
    elements_read: int | None = None
    tiled: bool = False


def _product(name: str, a: Shape, b: Shape | Weight, *, transpose_b: bool = False, bias: bool = False) -> Case:
    shape = b.shape if isinstance(b, Weight) else b
    columns = shape[-2] if transpose_b else shape[-1]
    inputs: dict[str, Any] = {"a": a, "b": b}
    attrs: dict[str, Any] = {"transposeA": False, "transposeB": transpose_b}
    if bias:
        inputs["bias"] = Weight((columns,))
        attrs["activation"] = "relu"
    return Case("matmul", name, "_FusedMatMul" if bias else "BatchMatMul", inputs, attrs, 2 * prod(a) * columns)


def _convolution(group: str, name: str, x: Shape, size: int, channels: int, stride: int = 1) -> Case:
    height, width = -(-x[1] // stride), -(-x[2] // stride)
    flops = 2 * x[0] * height * width * size * size * x[3] * channels
    inputs = {"x": x, "filter": Weight((size, size, x[3], channels)), "bias": Weight((channels,))}
    attrs = {"strides": [stride, stride], "pad": "same", "activation": "relu"}
    return Case(group, name, "FusedConv2D", inputs, attrs, flops, tiled=True)


def _depthwise(name: str, x: Shape, stride: int = 1, size: int = 3) -> Case:
    flops = 2 * prod(x) // (stride * stride) * size * size
    inputs = {"x": x, "filter": Weight((size, size, x[3], 1)), "bias": Weight((x[3],))}
    attrs = {"strides": [stride, stride], "pad": "same", "activation": "relu6"}
    return Case("depthwise convolution", name, "FusedDepthwiseConv2D", inputs, attrs, flops, tiled=True)


def _transposed(name: str, dy: Shape, size: int, channels: int) -> Case:
    inputs = {"dy": dy, "filter": Weight((size, size, channels, dy[3]))}
    attrs = {"strides": [2, 2], "pad": "same", "inputShape": [dy[0], dy[1] * 2, dy[2] * 2, channels]}
    flops = 2 * prod(dy) * size * size * channels
    return Case("transposed convolution", name, "Conv2DBackpropInput", inputs, attrs, flops, tiled=True)


def _volume(name: str, x: Shape, size: int, channels: int) -> Case:
    inputs = {"x": x, "filter": Weight((size, size, size, x[4], channels))}
    flops = 2 * prod(x) * size**3 * channels
    return Case("3-D convolution", name, "Conv3D", inputs, {"strides": 1, "pad": "same"}, flops)


def _mean(name: str, x: Shape, axes: list[int]) -> Case:
    return Case("reductions", name, "Mean", {"x": x}, {"axis": axes, "keepDims": True})


def _resize(name: str, x: Shape, size: list[int]) -> Case:
    attrs = {"size": size, "alignCorners": False, "halfPixelCenters": True}
    return Case("resize", name, "ResizeBilinear", {"images": x}, attrs, tiled=x[3] > 4)


def _resnet50_layers() -> Iterator[Case]:
    """Every distinct convolution of ResNet50 (He et al. 2015, table 1), as topologies.resnet50 has them."""
    seen: set[str] = set()

    def layer(extent: int, size: int, in_channels: int, channels: int, stride: int = 1) -> Iterator[Case]:
        name = f"{size}x{size}, {extent}x{extent} {in_channels} -> {channels}" + (f", stride {stride}" * (stride > 1))
        if name not in seen:
            seen.add(name)
            yield _convolution(RESNET50, name, (1, extent, extent, in_channels), size, channels, stride)

    yield from layer(224, 7, 3, 64, 2)
    extent, channels = 56, 64
    for width, blocks, first_stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            yield from layer(extent, 1, channels, width, stride)
            yield from layer(extent // stride, 3, width, width)
            yield from layer(extent // stride, 1, width, 4 * width)
            if block == 0:
                yield from layer(extent, 1, channels, 4 * width, stride)
            extent, channels = extent // stride, 4 * width


IMAGE = (1, 112, 112, 96)  # the largest activation of MobileNetV2
BLOCK = (1, 56, 56, 256)  # ResNet50
TOKENS = (1, 128, 768)  # BERT base
SCORES = (1, 12, 128, 128)  # its attention
EMBEDDING = {"x": Weight((30522, 128)), "indices": Indices((1, 128), 30522)}
WINDOW = {"filterSize": [3, 3], "strides": [2, 2], "pad": "same"}
CUBE = {"filterSize": [2, 2, 2], "strides": [2, 2, 2], "pad": "same"}

CASES = [
    _product("512 x 512 x 512", (512, 512), Weight((512, 512))),
    _product("512 x 512 x 512, both activations", (512, 512), (512, 512)),
    _product("tokens 197 x 768 x 768", (197, 768), Weight((768, 768))),
    _product("vector 1280 x 1000, bias, relu", (1, 1280), Weight((1280, 1000)), bias=True),
    _product("tokens 128 x 768 x 3072, bias, relu", (128, 768), Weight((768, 3072)), bias=True),
    _product("attention q k^T, 12 heads", (12, 128, 64), (12, 128, 64), transpose_b=True),
    _product("attention scores x v, 12 heads", (12, 128, 128), (12, 128, 64)),
    *_resnet50_layers(),
    _convolution("1x1 convolution", "112x112 16 -> 96", (1, 112, 112, 16), 1, 96),
    _convolution("1x1 convolution", "56x56 128 -> 128", (1, 56, 56, 128), 1, 128),
    _convolution("1x1 convolution", "7x7 320 -> 1280", (1, 7, 7, 320), 1, 1280),
    _convolution("3x3 convolution", "224x224 3 -> 32, stride 2", (1, 224, 224, 3), 3, 32, 2),
    _depthwise("3x3 112x112x96", IMAGE),
    _depthwise("3x3 112x112x96, stride 2", IMAGE, 2),
    _depthwise("3x3 14x14x576", (1, 14, 14, 576)),
    _depthwise("5x5 28x28x240", (1, 28, 28, 240), 1, 5),
    _transposed("4x4 32x32 128 -> 64", (1, 32, 32, 128), 4, 64),
    _transposed("3x3 112x112 64 -> 32", (1, 112, 112, 64), 3, 32),
    _volume("3x3x3 16x32x32 16 -> 32", (1, 16, 32, 32, 16), 3, 32),
    _volume("1x1x1 16x32x32 32 -> 64", (1, 16, 32, 32, 32), 1, 64),
    *(Case("unary", f"{op} 112x112x96", op, {"x": IMAGE}) for op in ("Relu", "Exp", "Tanh", "Sigmoid", "Erf")),
    Case("binary", "Add 56x56x256, same shapes", "Add", {"a": BLOCK, "b": BLOCK}),
    Case("binary", "Add 56x56x256 + 256", "Add", {"a": BLOCK, "b": Weight((256,))}),
    Case("binary", "Multiply 56x56x256 x 1x1x256", "Multiply", {"a": BLOCK, "b": (1, 1, 1, 256)}),
    Case("binary", "Multiply 12x128x128 x 128x1", "Multiply", {"a": SCORES, "b": (128, 1)}),
    Case("binary", "Multiply 128x768 x scalar", "Multiply", {"a": TOKENS, "b": ()}),
    Case("softmax", "1x1000", "Softmax", {"logits": (1, 1000)}, {"dim": -1}),
    Case("softmax", "12x128x128", "Softmax", {"logits": SCORES}, {"dim": -1}),
    _mean("Mean 7x7x1280 over the image", (1, 7, 7, 1280), [1, 2]),
    _mean("Mean 128x768 over channels", TOKENS, [-1]),
    Case("reductions", "Sum of 112x112x96", "Sum", {"x": IMAGE}, {"axis": [0, 1, 2, 3], "keepDims": False}),
    Case("reductions", "ArgMax 56x56x256 over channels", "ArgMax", {"x": BLOCK}, {"axis": 3}),
    Case("pooling", "MaxPool 3x3 112x112x64, stride 2", "MaxPool", {"x": (1, 112, 112, 64)}, WINDOW, tiled=True),
    Case("pooling", "MaxPool3D 2x2x2 16x64x64x16", "MaxPool3D", {"x": (1, 16, 64, 64, 16)}, CUBE),
    _resize("bilinear 32x32x128 to 64x64", (1, 32, 32, 128), [64, 64]),
    _resize("bilinear 480x640x3 to 224x224", (1, 480, 640, 3), [224, 224]),
    Case("random numbers", "normal, 1000x1000", "RandomStandardNormal", {}, {"shape": [1000, 1000]}),
    Case("gather", "128 rows of 30522x128", "GatherV2", EMBEDDING, {"axis": 0, "batchDims": 0}, 0, 128 * (128 + 1)),
    Case("concat", "4 x 28x28x64 on channels", "Concat", {"tensors": [(1, 28, 28, 64)] * 4}, {"axis": 3}, tiled=True),
    Case("concat", "2 x 128x768 on tokens", "Concat", {"tensors": [TOKENS] * 2}, {"axis": 1}),
    Case("transpose", "128x12x64 to 12x128x64", "Transpose", {"x": (1, 128, 12, 64)}, {"perm": [0, 2, 1, 3]}),
    Case("transpose", "NHWC to NCHW 56x56x256", "Transpose", {"x": BLOCK}, {"perm": [0, 3, 1, 2]}),
]


@dataclass(frozen=True, slots=True)
class Graph:
    """One row of several operations on an activation ``shape``: what models spell out and tfgl fuses."""

    name: str
    build: Callable[[Builder, str], str]
    shape: Shape
    tiled: bool = False

    def artifacts(self) -> ModelArtifacts:
        """The graph as a model of one input "x" and one output "y"."""
        builder = Builder()
        return builder.artifacts(self.build(builder, builder.placeholder("x", self.shape)), "y")


def _attention(builder: Builder, x: str) -> str:
    """Softmax of scaled products of every token with every other, of three views of the same tokens."""
    scores = builder.node("BatchMatMulV2", [x, x], adj_x={"b": False}, adj_y={"b": True})
    weights = builder.node("Softmax", [builder.node("Mul", [scores, builder.constant_of(0.125)])])
    return builder.node("BatchMatMulV2", [weights, x], adj_x={"b": False}, adj_y={"b": False})


def _squeezed(builder: Builder, x: str) -> str:
    """Squeeze and excite (Hu et al. 2017) of 96 channels through 4."""
    pooled = builder.node("Mean", [x, builder.whole(1, 2)], keep_dims={"b": True})
    few = builder.convolution(pooled, 1, 96, 4, activation="Relu")
    gates = builder.node("Sigmoid", [builder.convolution(few, 1, 4, 96, activation=None)])
    return builder.node("Mul", [x, gates])


GRAPHS = [
    Graph("layer norm 128x768", lambda builder, x: layer_norm(builder, x, 768), TOKENS),
    Graph("GELU 128x3072", gelu, (1, 128, 3072)),
    Graph("attention, 12 heads of 128x64", _attention, (1, 12, 128, 64)),
    Graph("squeeze and excite 56x56x96", _squeezed, (1, 56, 56, 96), tiled=True),
]


def upload(engine: Engine, what: Any, generator: np.random.Generator, tiled: bool = False) -> Any:
    """The tensor, or list of tensors, that an input of a case stands for, on the device."""
    if isinstance(what, list):
        return [upload(engine, shape, generator, tiled) for shape in what]
    if isinstance(what, Indices):
        tensor = engine.tensor(generator.integers(0, what.limit, what.shape).astype(np.int32))
    else:
        shape = what.shape if isinstance(what, Weight) else what
        tensor = engine.tensor(generator.standard_normal(shape, np.float32))
    tensor.persistent = isinstance(what, Weight)
    if not (tiled and isinstance(what, tuple) and tensor.tiles()):
        tensor.flat()
    return tensor


def _row(case: Case) -> Any:
    return pytest.param(case, marks=pytest.mark.benchmark(group=case.group), id=f"{case.group}: {case.name}")


@pytest.mark.parametrize("case", [_row(case) for case in CASES])
def test_kernel(benchmark: Any, case: Case, fresh_engine: Engine) -> None:
    if case.kernel not in tfgl.kernel_names():
        pytest.skip(f"there is no kernel {case.kernel} yet")
    engine, generator = fresh_engine, np.random.default_rng(0)
    inputs = {name: upload(engine, what, generator, case.tiled) for name, what in case.inputs.items()}
    finish = engine.device.gl.Finish

    def call() -> tfgl.Tensor:
        output = tfgl.run_kernel(case.kernel, inputs, case.attrs)
        finish()
        assert isinstance(output, tfgl.Tensor)
        return output

    # The second call still may derive or convert something that later ones find.
    calls_ms = []
    for _ in range(5):
        start = perf_counter()
        call().dispose()
        calls_ms.append((perf_counter() - start) * 1e3)
    with engine.tracing() as trace:
        output = call()
    _give_textures(engine, trace.draws)

    def replay() -> None:
        for draw in trace.draws:
            engine.execute(draw)
        finish()

    read = case.elements_read
    if read is None:
        read = sum(map(_elements, case.inputs.values()))
    benchmark.extra_info.update(kernel=case.kernel, label=case.name, draws=len(trace.draws))
    benchmark.extra_info.update(flops=case.flops, call_ms=median(calls_ms))
    _measure(benchmark, engine, replay, 4 * (read + prod(output.shape)), case.flops)


@pytest.mark.benchmark(group="sequences")
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_sequence(benchmark: Any, graph: Graph, fresh_engine: Engine) -> None:
    engine = fresh_engine
    x = upload(engine, graph.shape, np.random.default_rng(0), graph.tiled)
    with tfgl.GraphModel(graph.artifacts()) as model:

        def run() -> None:
            output = model.execute({"x": x}, ["y"])
            engine.device.gl.Finish()
            for tensor in output if isinstance(output, list) else [output]:
                tensor.dispose()

        for _ in range(3):
            run()
        benchmark.extra_info.update(kernel="", label=graph.name, draws=model.stats.draws)
        _measure(benchmark, engine, run, 4 * 2 * prod(graph.shape))


def _give_textures(engine: Engine, draws: list[Draw]) -> None:
    """Textures for what draws hand to each other, and for inputs that nobody fills; they stay with the engine."""
    for buffer in (buffer for draw in draws for buffer in (*draw.inputs, draw.output)):
        if buffer.texture is None:
            buffer.texture = engine.pool.take(buffer.shape)


def _measure(benchmark: Any, engine: Engine, run: Callable[[], None], moved_bytes: int, flops: int = 0) -> None:
    """As many rounds as fit; rates and what was compiled."""
    start = perf_counter()
    run()
    fewest, most = _ROUNDS
    rounds = max(fewest, min(most, int(_SECONDS / (perf_counter() - start))))
    cpu_start = process_time()
    benchmark.pedantic(run, rounds=rounds)
    cpu_ms = (process_time() - cpu_start) / rounds * 1e3
    programs = engine.programs.programs.values()
    benchmark.extra_info.update(
        moved_bytes=moved_bytes,
        programs=len(programs),
        compile_ms=sum(program.compile_ms for program in programs),
        cpu_ms=cpu_ms,
        renderer=engine.device.info.renderer,
    )
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["gb_per_s"] = moved_bytes / seconds / 1e9
        if flops:
            benchmark.extra_info["gflop_per_s"] = flops / seconds / 1e9


def _elements(what: Any) -> int:
    if isinstance(what, list):
        return sum(map(_elements, what))
    return prod(what.shape if isinstance(what, (Weight, Indices)) else what)
