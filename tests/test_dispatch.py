"""Programs run as compute shaders: the text, the way there, what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tfgl
from digits_model import DIGITS
from graph_models import graph_model, node, placeholder
from tfgl import engine
from tfgl.engine import Engine
from tfgl.errors import NoDeviceError
from tfgl.flags import Flags, flags
from tfgl.gl import raw
from tfgl.gl.device import open_device
from tfgl.gl.dispatch import ComputeDispatch, FragmentDispatch
from tfgl.kernels.elementwise import emit_elementwise
from tfgl_shaders.assembly import OUTPUT_UNIT, Dispatch, Input, Source, Target, assemble

WAYS: tuple[Dispatch, ...] = ("fragment", "compute")
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


# -- against fragments --------------------------------------------------------


@pytest.fixture
def opened(fresh_engines: Callable[..., Engine]) -> Callable[[Dispatch], Engine]:
    """Opens an engine with a program cache of the test's own, and makes it the current one."""
    if flags.gl_version == 330:
        pytest.skip("only the paths for OpenGL 3.3 were asked for")

    def start(dispatch: Dispatch) -> Engine:
        try:
            return fresh_engines(dispatch=dispatch)
        except NoDeviceError as error:
            pytest.skip(str(error))

    return start


def test_a_model_computes_the_same(opened: Callable[[Dispatch], Engine]) -> None:
    x = np.random.default_rng(3).random((5, 8, 8, 1), np.float32)
    results = []
    for dispatch in WAYS:
        made = opened(dispatch)
        with tfgl.load_graph_model(DIGITS) as model:
            found = [model.predict(x).numpy() for _ in range(3)]
            assert made.device.gl.GetError() == 0
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])
        results.append(found[0])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 33])
def test_nothing_is_written_beyond_the_output(compute: Engine, width: int) -> None:
    x = compute.tensor(np.random.default_rng(0).normal(size=(1, 9, width, 4)).astype(np.float32))
    x.tiles()
    with compute.tracing() as trace:
        ones = emit_elementwise([x], "a * 0.0 + 1.0", "float32")
        (draw,) = trace.draws
    texture, shape = draw.output.texture, draw.output.shape
    assert texture is not None and ones.is_tiled
    held = np.full((shape.layers, shape.height, shape.width, 4), 7, np.float32)
    texture.object.write(held.tobytes())
    compute.execute(draw)
    found = np.frombuffer(texture.object.read(), np.float32).reshape(held.shape)
    first, (columns, rows) = draw.output.first_row, draw.output.viewport
    held[:, first : first + rows, :columns] = 1
    np.testing.assert_array_equal(found, held)


def test_uploads_follow_what_was_computed_into_the_same_texture(compute: Engine) -> None:
    for turn in range(4):
        computed = emit_elementwise([compute.tensor(np.full(5000, turn, np.float32))], "a + 0.5", "float32")
        np.testing.assert_array_equal(computed.numpy(), np.full(5000, turn + 0.5))
        computed.dispose()
        uploaded = compute.tensor(np.full(5000, -turn, np.float32))
        np.testing.assert_array_equal(emit_elementwise([uploaded], "-a", "float32").numpy(), np.full(5000, turn))


def test_merged_draws_leave_the_output_its_unit(compute: Engine) -> None:
    names = [f"x{k}" for k in range(10)]
    nodes = [placeholder(name, (-1, 6)) for name in names]
    nodes += [node(f"s{k}", "AddV2", [names[0] if k == 1 else f"s{k - 1}", names[k]]) for k in range(1, 10)]
    feeds = {name: np.full((3, 6), 2.0**k, np.float32) for k, name in enumerate(names)}
    with tfgl.load_graph_model(graph_model(nodes, {})) as model:
        for _ in range(2):
            result = model.execute(feeds, "s9")
            assert not isinstance(result, list)
            np.testing.assert_array_equal(result.numpy(), np.full((3, 6), 1023.0))
    assert 2 < max(len(source.inputs) for source in compute.programs.programs) <= OUTPUT_UNIT


def test_programs_of_the_other_way_are_other_programs(opened: Callable[[Dispatch], Engine]) -> None:
    x = np.random.default_rng(3).random((1, 8, 8, 1), np.float32)
    for known in (False, True):
        for dispatch in WAYS:
            made = opened(dispatch)
            with tfgl.load_graph_model(DIGITS) as model:
                assert bool(model.stats.programs) is known, "programs known of earlier runs are built at load"
                model.predict(x).numpy()
            on_disk = [program.from_disk for program in made.programs.programs.values()]
            if made.device.info.program_binary_formats:
                assert all(on_disk) if known else not any(on_disk)
