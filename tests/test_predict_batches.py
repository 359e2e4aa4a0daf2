"""model.predict_batches: what predict computes, element by element, read back while the device goes on."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import f32, graph_model, node, placeholder
from tfgl.engine import Engine
from tfgl.errors import ContextLostError, DisposedError, InvalidArgumentError
from tfgl.flags import Flags
from tfgl.gl.device import open_device
from tfgl.graph.model import GraphModel
from tfgl.io import ModelArtifacts

Array = np.ndarray[Any, Any]


def load(*nodes: dict[str, Any], metadata: dict[str, Any] | None = None, **weights: Array) -> GraphModel:
    return tfgl.load_graph_model(graph_model(nodes, weights, metadata=metadata))


def two_outputs(metadata: dict[str, Any] | None = None) -> GraphModel:
    """y = 2 x, of (n, 3); s = its sums over columns, of (n)."""
    x = placeholder("x", (-1, 3))
    y = node("y", "Mul", ["x", "two"])
    total = node("s", "Sum", ["y", "axis"], keep_dims=False)
    outputs = {"y": {"name": "y:0", "dtype": "DT_FLOAT"}, "s": {"name": "s:0", "dtype": "DT_FLOAT"}}
    shape = {"dim": [{"size": "-1"}, {"size": "3"}]}
    signature = {"inputs": {"x": {"name": "x:0", "dtype": "DT_FLOAT", "tensorShape": shape}}, "outputs": outputs}
    weights = {"two": f32(2.0), "axis": np.int32([1])}
    return tfgl.load_graph_model(graph_model([x, y, total], weights, signature=signature, metadata=metadata))


def doubling() -> GraphModel:
    return load(placeholder("x", (-1, 3)), node("y", "Mul", ["x", "two"]), two=f32(2.0))


def samples(count: int, *shape: int) -> list[Array]:
    return [np.random.default_rng(n).normal(size=shape).astype(np.float32) for n in range(count)]


@pytest.mark.parametrize("depth", [1, 2, 3, 10])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_order(gpu: Engine, depth: int, count: int) -> None:
    given = samples(count, 2, 3)
    with doubling() as model:
        results = list(model.predict_batches(given, depth))
    assert len(results) == count
    for x, y in zip(given, results, strict=True):
        assert isinstance(y, np.ndarray) and y.dtype == np.float32
        np.testing.assert_array_equal(y, x * 2)


@pytest.mark.parametrize("size", [1, 4, 4093, 4096, 5001])
@pytest.mark.parametrize(
    ("op", "dtype", "expected"),
    [("Neg", "DT_FLOAT", np.negative), ("Neg", "DT_INT32", np.negative), ("LogicalNot", "DT_BOOL", np.logical_not)],
)
def test_dtypes(gpu: Engine, size: int, op: str, dtype: str, expected: Any) -> None:
    kind = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}[dtype]
    given = [np.random.default_rng(n).integers(-9, 9, size).clip(0 if kind is np.bool_ else -9).astype(kind)
             for n in range(4)]  # fmt: skip
    with load(placeholder("x", (-1,), dtype), node("y", op, ["x"])) as model:
        results = list(model.predict_batches(given))
    for x, y in zip(given, results, strict=True):
        assert isinstance(y, np.ndarray) and y.dtype == kind
        np.testing.assert_array_equal(y, expected(x))


def test_several_outputs_come_as_a_list(gpu: Engine) -> None:
    given = samples(5, 4, 3)
    with two_outputs() as model:
        for x, result in zip(given, model.predict_batches(given), strict=True):
            assert isinstance(result, list)
            y, total = result
            np.testing.assert_array_equal(y, x * 2)
            np.testing.assert_allclose(total, x.astype(float).sum(1) * 2, rtol=1e-5, atol=1e-6)


def test_structured_outputs_come_as_a_dict(gpu: Engine) -> None:
    given = samples(5, 4, 3)
    with two_outputs({"structuredOutputKeys": ["double", "sum"]}) as model:
        for x, result in zip(given, model.predict_batches(given), strict=True):
            assert isinstance(result, dict) and list(result) == ["double", "sum"]
            np.testing.assert_array_equal(result["double"], x * 2)


def test_shapes_may_change_from_element_to_element(gpu: Engine) -> None:
    given = [np.full((rows, 3), rows, np.float32) for rows in (1, 700, 2, 0, 1500, 1)]
    with two_outputs() as model:
        for x, result in zip(given, model.predict_batches(given, 3), strict=True):
            assert isinstance(result, list)
            np.testing.assert_array_equal(result[0], x * 2)
            np.testing.assert_array_equal(result[1], x.sum(1) * 2)


def test_strings_complex_numbers_and_what_the_host_holds(gpu: Engine) -> None:
    x, y = placeholder("x", (-1,)), placeholder("text", (-1,), "DT_STRING")
    nodes = [x, y, node("c", "Complex", ["x", "x"]), node("t", "Identity", ["text"]), node("n", "Shape", ["x"])]
    with load(*nodes) as model:
        given = [{"x": f32(np.arange(n)), "text": np.array([b"a", b"bc"], object)} for n in (1, 3, 300)]
        keys = model.output_keys
        for feeds, result in zip(given, model.predict_batches(given), strict=True):
            assert isinstance(result, list)
            found = dict(zip(keys, result, strict=True))
            assert found["c"].dtype == np.complex64
            np.testing.assert_array_equal(found["c"], feeds["x"] + 1j * feeds["x"])
            assert found["t"].tolist() == [b"a", b"bc"]
            assert found["n"].tolist() == [feeds["x"].size]


def test_tensors_and_outputs_that_are_inputs(gpu: Engine) -> None:
    given = [gpu.tensor(x) for x in samples(4, 200, 3)]
    with load(placeholder("x", (-1, 3)), node("y", "Identity", ["x"])) as model:
        for x, y in zip(given, model.predict_batches(given), strict=True):
            np.testing.assert_array_equal(y, x.numpy())
    for x in given:
        x.dispose()


def test_generators_are_taken_from_as_far_ahead_as_asked(gpu: Engine) -> None:
    taken: list[int] = []

    def elements() -> Iterator[Array]:
        for n in range(100):
            taken.append(n)
            yield np.full((1, 3), n, np.float32)

    with doubling() as model:
        results = model.predict_batches(elements(), depth=3)
        assert taken == []
        for n in range(5):
            np.testing.assert_array_equal(next(results), np.full((1, 3), 2 * n))
            assert taken == list(range(n + 4))
        results.close()
        assert len(taken) == 8
        with pytest.raises(StopIteration):
            next(results)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bad", [0, 2, 5])
def test_an_error_is_raised_in_its_place(gpu: Engine, depth: int, bad: int) -> None:
    given = samples(6, 2, 3)
    given[bad] = np.zeros((2, 4), np.float32)
    with doubling() as model:
        results = model.predict_batches(given, depth)
        for x in given[:bad]:
            np.testing.assert_array_equal(next(results), x * 2)
        with pytest.raises(InvalidArgumentError, match=r"input 'x' takes shape \[\?, 3\], got \[2, 4\]"):
            next(results)
        assert list(results) == []
        np.testing.assert_array_equal(next(model.predict_batches(given[bad - 1 :])), given[bad - 1] * 2)


def test_an_error_of_the_generator_is_raised_in_its_place(gpu: Engine) -> None:
    def elements() -> Iterator[Array]:
        yield f32([[1, 2, 3]])
        raise OSError("the camera is gone")

    with doubling() as model:
        results = model.predict_batches(elements())
        np.testing.assert_array_equal(next(results), [[2, 4, 6]])
        with pytest.raises(OSError, match="camera"):
            next(results)


def test_nothing_grows(gpu: Engine) -> None:
    given = samples(40, 5, 3)
    with two_outputs() as model:
        list(model.predict_batches(given[:5]))
        before = gpu.pool.total_bytes, gpu.pool.live_textures, gpu.live_tensors
        for _ in model.predict_batches(given, 3):
            assert gpu.live_tensors == before[2]
        results = model.predict_batches(given)
        next(results)
        results.close()
        assert (gpu.pool.total_bytes, gpu.pool.live_textures, gpu.live_tensors) == before


def test_pixel_buffers_are_as_many_as_reads_under_way(gpu: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    deleted: list[int] = []
    create, delete = gpu.device.gl.buffer, gpu.device.gl.delete_buffer

    def counted() -> int:
        made.append(create())
        return made[-1]

    monkeypatch.setattr(gpu.device.gl, "buffer", counted)
    monkeypatch.setattr(gpu.device.gl, "delete_buffer", lambda name: (deleted.append(name), delete(name)))
    with doubling() as model:
        list(model.predict_batches(samples(20, 5, 3), depth=2))
        assert len(made) == 3
        results = model.predict_batches(samples(20, 5, 3), depth=2)
        next(results)
        assert deleted == made[:3]
        del results  # closed in the middle by whoever collects it
        gc.collect()
        model.predict(samples(1, 5, 3)[0])
        assert sorted(deleted) == sorted(made)


def test_other_calls_in_between(gpu: Engine) -> None:
    given = samples(6, 2, 3)
    with doubling() as model, two_outputs() as other:
        first, second = model.predict_batches(given), other.predict_batches(given)
        for x, y, several in zip(given, first, second, strict=True):
            np.testing.assert_array_equal(y, x * 2)
            assert isinstance(several, list)
            np.testing.assert_array_equal(several[0], x * 2)
            between = model.predict(x + 1)
            assert isinstance(between, tfgl.Tensor)
            np.testing.assert_array_equal(between.numpy(), (x + 1) * 2)


def test_a_disposed_model_says_so_in_its_place(gpu: Engine) -> None:
    model = doubling()
    given = samples(6, 2, 3)
    results = model.predict_batches(given, depth=1)
    np.testing.assert_array_equal(next(results), given[0] * 2)
    model.dispose()
    np.testing.assert_array_equal(next(results), given[1] * 2)
    with pytest.raises(DisposedError):
        next(results)
    with pytest.raises(DisposedError):
        model.predict_batches(given)


def test_a_closed_context_and_a_generator_closed_elsewhere() -> None:
    flags = Flags()
    made = Engine(open_device(flags), flags)
    before = tfgl.engine.use(made)
    try:
        model = doubling()
        results, left = model.predict_batches(samples(6, 2, 3)), model.predict_batches(samples(6, 2, 3))
        next(results), next(left)
        thread = threading.Thread(target=left.close)
        thread.start()
        thread.join()
        np.testing.assert_array_equal(next(results), samples(2, 2, 3)[1] * 2)
        made.close()
        with pytest.raises(ContextLostError):
            list(results)
    finally:
        tfgl.engine.use(before)


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, None])
def test_depths_that_are_none(gpu: Engine, depth: Any) -> None:
    with doubling() as model, pytest.raises(InvalidArgumentError, match="depth must be a whole number of 1 or more"):
        model.predict_batches([], depth)


@pytest.mark.parametrize("batches", [{"x": f32([[1, 2, 3]])}, 3, "x"])
def test_one_element_is_no_iterable_of_elements(gpu: Engine, batches: Any) -> None:
    with doubling() as model, pytest.raises(InvalidArgumentError, match="wrap it in a list, or call predict"):
        model.predict_batches(batches)


def test_layers_models(gpu: Engine) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [None, 2]}}
    topology = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}
    weights = {"d/kernel": np.ones((2, 1), np.float32), "d/bias": np.zeros(1, np.float32)}
    # 70 samples take three of predict's own batches.
    given = [np.random.default_rng(n).integers(-9, 9, (n, 2)).astype(np.float32) for n in (1, 70, 3)]
    with tfgl.load_layers_model(ModelArtifacts("layers-model", topology, weights=weights)) as model:
        for x, y in zip(given, model.predict_batches(given), strict=True):
            np.testing.assert_array_equal(y, x.sum(1, keepdims=True))
