"""The engine: layouts, pool, traces, recordings, accounts of tensors."""

from __future__ import annotations

import gc
import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tfgl
from tfgl.engine import Engine
from tfgl.gl.recording import Recording
from tfgl.gl.textures import size_class
from tfgl.kernels.elementwise import emit_elementwise, merged_strides
from tfgl.tensor import Tensor

Array = npt.NDArray[Any]


def random(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 63, 64, 65, 4096, 4097, 100_003])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_values_come_back_as_they_went(gpu: Engine, size: int, dtype: str) -> None:
    values = (np.arange(size) * 7919 % 65521 - 30000).astype(np.bool_ if dtype == "bool" else dtype)
    tensor = gpu.tensor(values)
    tensor.flat()
    tensor._host = None
    np.testing.assert_array_equal(tensor.numpy(), values)


def test_nan_infinity_and_subnormals_survive_a_copy(gpu: Engine) -> None:
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38, -1e-40], np.float32)
    tensor = gpu.tensor(values)
    tensor.flat()
    tensor._host = None
    np.testing.assert_array_equal(tensor.numpy().view(np.int32), values.view(np.int32))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 7, 3, 5), (1, 8, 9, 4), (3, 17, 2, 13), (1, 1, 40, 70)])
def test_tiles_and_back(gpu: Engine, shape: tuple[int, ...]) -> None:
    values = random(shape)
    tiled = _negated_in_tiles(gpu.tensor(values))
    assert tiled.is_tiled and not tiled.is_flat
    np.testing.assert_array_equal(tiled.numpy(), -values)


def _negated_in_tiles(x: Tensor) -> Tensor:
    x.tiles()
    return emit_elementwise([x], "-a", "float32")


def test_tiled_operands_broadcast_in_place(gpu: Engine) -> None:
    values, channels = random((2, 9, 5, 6)), random((6,), 1)
    tiled = _negated_in_tiles(gpu.tensor(values))
    scaled = emit_elementwise([tiled, gpu.tensor(channels)], "a * b", "float32")
    assert scaled.is_tiled
    np.testing.assert_array_equal(scaled.numpy(), -values * channels)
    lines = random((9, 1, 1), 2)
    other = emit_elementwise([tiled, gpu.tensor(lines)], "a + b", "float32")
    np.testing.assert_array_equal(other.numpy(), -values + lines)


def test_textures_are_reused(gpu: Engine) -> None:
    x = gpu.tensor(random((1000,)))
    for _ in range(3):
        emit_elementwise([x], "-a", "float32").dispose()
    created = gpu.pool.created
    for _ in range(20):
        emit_elementwise([x], "-a", "float32").dispose()
    assert gpu.pool.created == created


def test_a_trace_executes_at_its_end_and_replays_on_other_inputs(gpu: Engine) -> None:
    first, second = random((50, 50)), random((50, 50), 1)
    x = gpu.tensor(first)
    x.flat()
    with gpu.tracing() as trace:
        y = x
        for _ in range(5):
            y = emit_elementwise([y], "a * 2.0", "float32")
        gpu.flush()
        recording = Recording(gpu, trace.draws, [x.flat()], [y.flat()])
    np.testing.assert_array_equal(y.numpy(), first * 32)
    z = gpu.tensor(second)
    replayed = [Tensor(gpu, (50, 50), "float32").adopt(flat=b) for b in recording.replay([z.flat()])]
    np.testing.assert_array_equal(replayed[0].numpy(), second * 32)
    np.testing.assert_array_equal(y.numpy(), first * 32)
    recording.close()


def test_a_read_inside_a_trace_executes_what_is_pending(gpu: Engine) -> None:
    with gpu.tracing() as trace:
        y = emit_elementwise([gpu.tensor([3.0])], "a + 1.0", "float32")
        assert y.numpy().item() == 4
        z = emit_elementwise([y], "a * 2.0", "float32")
    assert z.numpy().item() == 8
    assert trace.reads == 1


def test_replays_allocate_nothing(gpu: Engine) -> None:
    x = gpu.tensor(random((300,)))
    x.flat()
    with gpu.tracing() as trace:
        y = emit_elementwise([emit_elementwise([x], "-a", "float32")], "a + 1.0", "float32")
        gpu.flush()
        recording = Recording(gpu, trace.draws, [x.flat()], [y.flat()])
    y.dispose()
    created = gpu.pool.created
    for _ in range(50):
        (buffer,) = recording.replay([x.flat()])
        Tensor(gpu, (300,), "float32").adopt(flat=buffer).dispose()
    assert gpu.pool.created == created
    recording.close()


def test_shapes_as_constants_give_the_same(gpu: Engine) -> None:
    a, b = random((4, 1, 6)), random((3, 1), 1)
    gpu.flags.shapes_as_constants = True
    try:
        baked = emit_elementwise([gpu.tensor(a), gpu.tensor(b)], "a - b", "float32").numpy()
    finally:
        gpu.flags.shapes_as_constants = False
    np.testing.assert_array_equal(baked, a - b)


def test_tidy_keep_and_dispose(gpu: Engine) -> None:
    kept: list[Tensor] = []

    def work() -> Tensor:
        kept.append(tfgl.keep(gpu.tensor([1.0])))
        gpu.tensor([2.0])
        return gpu.tensor([3.0])

    before = tfgl.memory().num_tensors
    result = tfgl.tidy(work)
    assert tfgl.memory().num_tensors == before + 2
    tfgl.dispose({"result": [result], "kept": kept})
    assert result.is_disposed and kept[0].is_disposed
    with pytest.raises(tfgl.errors.DisposedError):
        result.numpy()


def test_a_tensor_collected_on_another_thread_gives_its_texture_back(gpu: Engine) -> None:
    held = [emit_elementwise([gpu.tensor([1.0])], "-a", "float32")]
    live = gpu.pool.live_textures
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    gc.collect()
    gpu.collect_dead()
    assert gpu.pool.live_textures == live - 1


def test_another_threads_engine_is_refused(gpu: Engine) -> None:
    raised: list[BaseException] = []

    def use() -> None:
        try:
            gpu.tensor([1.0])
        except tfgl.TfglError as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert isinstance(raised[0], tfgl.errors.WrongThreadError)


def test_what_cannot_fit_names_itself(gpu: Engine) -> None:
    with pytest.raises(tfgl.errors.TensorTooLargeError, match="bytes"):
        gpu.device.flat_shape(2**40, "float")


@pytest.mark.parametrize(
    ("values", "shape", "dtype"),
    [
        ([1, 2, 3], (2,), None),
        ([[1], [2, 3]], None, None),
        ([2**40], None, "int32"),
        (["a"], None, "float32"),
        ([1j], None, "float32"),
    ],
)
def test_values_that_do_not_fit_are_refused(gpu: Engine, values: Any, shape: Any, dtype: Any) -> None:
    with pytest.raises(tfgl.errors.InvalidArgumentError):
        gpu.tensor(values, shape, dtype)


def test_size_classes_hold_and_avoid_powers_of_two() -> None:
    for extent in range(1, 5000):
        size = size_class(extent)
        assert size >= extent and size & (size - 1)
        assert size <= max(3, math.ceil(extent * 1.26) + 1)


def test_merged_strides_agree_with_numpy() -> None:
    dims, (a, b) = merged_strides([(2, 1, 4), (3, 4)], (2, 3, 4))
    assert math.prod(dims) == 24
    left, right = np.arange(8).reshape(2, 1, 4), np.arange(12).reshape(3, 4)
    wanted = [np.broadcast_to(x, (2, 3, 4)).ravel() for x in (left, right)]
    for steps, expected in zip((a, b), wanted, strict=True):
        found = sum(np.indices(dims)[k] * steps[k] for k in range(len(dims)))
        np.testing.assert_array_equal(np.ravel(found), expected)
