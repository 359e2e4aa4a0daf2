"""Convolutions and matrix products: the time of one draw, and what its programs took to compile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tfgl.engine import Engine
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor


@dataclass(frozen=True)
class Case:
    """A kernel, the shapes of its input and its weights, and how many multiplications it takes."""

    kernel: str
    x: tuple[int, ...]
    weights: tuple[int, ...]
    stride: int = 1

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, shape)) for shape in (self.x, self.weights))
        return f"{self.kernel} {shapes} /{self.stride}"

    @property
    def multiplications(self) -> int:
        """Multiplications of the definition, padding counted."""
        if self.kernel == "BatchMatMul":
            return self.x[0] * self.x[1] * self.weights[1]
        _, height, width, _ = self.x
        return -(-height // self.stride) * -(-width // self.stride) * int(np.prod(self.weights))

    @property
    def names(self) -> tuple[str, str]:
        """Names of the kernel's two inputs."""
        return ("a", "b") if self.kernel == "BatchMatMul" else ("x", "filter")

    @property
    def attrs(self) -> dict[str, Any]:
        """The kernel's attributes."""
        if self.kernel == "BatchMatMul":
            return {"transposeA": False, "transposeB": False}
        return {"strides": self.stride, "pad": "same", "dilations": 1, "dataFormat": "NHWC"}


CASES = [
    Case("BatchMatMul", (512, 512), (512, 512)),
    Case("BatchMatMul", (197, 768), (768, 768)),
    Case("BatchMatMul", (1, 1280), (1280, 1000)),
    Case("Conv2D", (1, 56, 56, 128), (1, 1, 128, 128)),
    Case("Conv2D", (1, 56, 56, 64), (3, 3, 64, 64)),
    Case("Conv2D", (1, 14, 14, 256), (3, 3, 256, 256)),
    Case("Conv2D", (1, 224, 224, 3), (3, 3, 3, 32), 2),
    Case("DepthwiseConv2dNative", (1, 112, 112, 96), (3, 3, 96, 1)),
    Case("DepthwiseConv2dNative", (1, 112, 112, 96), (3, 3, 96, 1), 2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def bench_draw(benchmark: Any, fresh_engine: Engine, case: Case) -> None:
    """From an input on the device, in the layout it came in, to a result of the kernel's own layout."""
    rng = np.random.default_rng(0)
    x, weights = (fresh_engine.tensor(rng.normal(size=s).astype(np.float32)) for s in (case.x, case.weights))
    weights.persistent = True
    if len(case.x) == 4:
        x.tiles()
    inputs = dict(zip(case.names, (x, weights), strict=True))

    def draw() -> None:
        result = run_kernel(case.kernel, inputs, case.attrs)
        assert isinstance(result, Tensor)
        fresh_engine.device.gl.Finish()

    draw()
    programs = fresh_engine.programs.programs.values()
    benchmark.extra_info["compile_ms"] = {p.source.label: round(p.compile_ms, 1) for p in programs}
    benchmark.pedantic(draw, rounds=15, warmup_rounds=2)
    benchmark.extra_info["gflops"] = round(2e-9 * case.multiplications / benchmark.stats.stats.min, 1)
