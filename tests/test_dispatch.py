"""Programs run as compute shaders: the text, the way there, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tfgl import engine
from tfgl.engine import Engine
from tfgl.errors import NoDeviceError
from tfgl.flags import Flags
from tfgl.gl import raw
from tfgl.gl.device import open_device
from tfgl.gl.dispatch import ComputeDispatch, FragmentDispatch
from tfgl_shaders.assembly import OUTPUT_UNIT, Input, Source, Target, assemble

RELU = Source("elementwise", (Input("a", "float", "tiles", "same"),), "float", "tiles",
              defines=(("EXPRESSION", "max(a, 0.0)"), ("OPERANDS", "1")))  # fmt: skip


@pytest.fixture(params=[(8, 1), (1, 1), (5, 3)])
def compute(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine of compute shaders with workgroups that do and do not divide the outputs."""
    flags = Flags(dispatch="compute", workgroup=request.param)
    try:
        device = open_device(flags)
    except NoDeviceError as error:
        pytest.skip(str(error))
    made = Engine(device, flags)
    before = engine.use(made)
    yield made
    assert device.gl.GetError() == 0
    engine.use(before)
    made.close()


def test_the_same_body_is_a_fragment_and_a_compute_shader() -> None:
    fragment = assemble(RELU, Target("image", 8, 10))
    compute = assemble(RELU, Target("image", 8, 10, "compute", (16, 2)))
    assert "out vec4 out_7;" in fragment and "imageStore" not in fragment
    assert "layout(local_size_x = 16, local_size_y = 2) in;" in compute and "gl_FragCoord" not in compute
    assert compute.count("imageStore") == 8 and f"binding = {OUTPUT_UNIT}, rgba32f) writeonly" in compute
    body = [line for line in fragment.splitlines() if "max(a, 0.0)" in line]
    assert body and all(line in compute for line in body)


def test_results_that_workgroups_do_not_divide(compute: Engine) -> None:
    x = np.random.default_rng(3).normal(size=(2, 11, 13, 7)).astype(np.float32)
    given = compute.tensor(x)
    np.testing.assert_allclose(engine_run("Sum", {"x": given}, {"axis": [3]}), x.sum(3, dtype=np.float64), rtol=2e-5)
    pooled = engine_run("MaxPool", {"x": given}, {"filterSize": [2, 2], "strides": [2, 2], "pad": "valid"})
    np.testing.assert_array_equal(pooled, x[:, :10, :12].reshape(2, 5, 2, 6, 2, 7).max((2, 4)))
    integers = np.arange(-2000, 3000, dtype=np.int32)
    doubled = engine_run("Add", {"a": compute.tensor(integers), "b": compute.tensor(integers)}, {})
    np.testing.assert_array_equal(doubled, 2 * integers)


def engine_run(name: str, inputs: object, attrs: object) -> np.ndarray:
    import tfgl

    result = tfgl.run_kernel(name, inputs, attrs)  # type: ignore[arg-type]
    return np.asarray(result)


def test_compute_needs_images() -> None:
    with pytest.raises(NoDeviceError, match=r"need OpenGL 4\.3 .* used as GL 330 with the sampler accessor"):
        open_device(Flags(dispatch="compute", gl_version=330))
    with pytest.raises(NoDeviceError, match="use dispatch='fragment'"):
        open_device(Flags(dispatch="compute", accessor="sampler"))


def test_a_program_leaves_the_output_unit_free(gpu: Engine) -> None:
    compute = ComputeDispatch(gpu.device.gl, (8, 1))
    assert compute.max_inputs == OUTPUT_UNIT
    assert [arguments for _, arguments in compute.run_calls(4, (17, 3))][:2] == [(0, 17, 3, 4), (3, 3, 1)]
    draw = FragmentDispatch(gpu.device.gl, 8)
    assert [arguments for _, arguments in draw.run_calls(4, (17, 3))] == [(0, 4, 17, 3), (raw.TRIANGLES, 0, 3)]


@pytest.mark.parametrize("workgroup", [(0, 1), (8, -1), (64, 64), (8,), "8x1"])
def test_a_workgroup_that_no_device_has(workgroup: object) -> None:
    with pytest.raises(NoDeviceError, match="workgroup"):
        open_device(Flags(dispatch="compute", workgroup=workgroup))  # type: ignore[arg-type]
