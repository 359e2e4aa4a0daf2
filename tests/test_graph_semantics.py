"""Graph models run over and over: replays see the values they are given, whatever is fed, kept, disposed or shared."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import Array, f32, graph_model, i32, node, placeholder
from random_graph_steps import STEPS
from random_graphs import BATCH, RandomGraph
from tfgl import engine as engines
from tfgl.engine import Engine
from tfgl.errors import DisposedError, InvalidArgumentError, TfglError
from tfgl.flags import Flags
from tfgl.gl.device import open_device
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph


# Models are Any here: what `predict` returns depends on the model, and each test knows its own.
def load(nodes: list[dict[str, Any]], weights: dict[str, Array] | None = None, **options: Any) -> Any:
    return tfgl.load_graph_model(graph_model(nodes, weights, **options))


def signature(inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """A signature whose keys are the tensors' own names."""
    return {kind: {key: {"name": key} for key in keys} for kind, keys in (("inputs", inputs), ("outputs", outputs))}


@contextmanager
def flag(engine: Engine, name: str, value: Any) -> Iterator[None]:
    before = getattr(engine.flags, name)
    engine.flags.set(name, value)
    try:
        yield
    finally:
        engine.flags.set(name, before)


def on_device(array: Array) -> tfgl.Tensor:
    """A tensor whose values the host does not hold."""
    result = tfgl.run_kernel("Add", {"a": tfgl.tensor(array), "b": tfgl.tensor(np.zeros((), array.dtype))})
    assert isinstance(result, tfgl.Tensor) and result.host is None
    return result


# -- what a recording depends on ------------------------------------------------


@pytest.mark.parametrize("steering", ["straight", "through a view", "through a cast"])
def test_a_fed_shape_on_the_device_guards_the_recording(gpu: Engine, steering: str) -> None:
    shape = {
        "straight": node("q", "Identity", ["s"]),
        "through a view": node("q", "Reshape", ["s", "flat"]),
        "through a cast": node("q", "Cast", ["s"], SrcT="DT_INT32", DstT="DT_INT64"),
    }[steering]
    nodes = [placeholder("x", (-1,)), placeholder("s", (-1,), "DT_INT32"), shape, node("y", "Reshape", ["x", "q"])]
    with load(nodes, {"flat": i32([2])}) as model:
        for extents in ((3, 4), (2, 6), (3, 4), (12, 1)):
            for size in (on_device(i32(extents)), i32(extents)):
                assert model.predict({"x": np.arange(12, dtype=np.float32), "s": size}).shape == extents


def test_one_tensor_for_two_inputs(gpu: Engine) -> None:
    with load([placeholder("x", (-1,)), placeholder("z", (-1,)), node("y", "Sub", ["x", "z"])]) as model:
        a, b = tfgl.tensor(f32([1.0, 2.0])), tfgl.tensor(f32([5.0, 5.0]))
        assert model.predict([a, a]).tolist() == [0.0, 0.0]
        assert model.predict([a, b]).tolist() == [-4.0, -3.0]
        assert model.predict([b, a]).tolist() == [4.0, 3.0]
        assert model.predict([b, b]).tolist() == [0.0, 0.0]


def test_a_weight_may_be_fed(gpu: Engine) -> None:
    weight = np.arange(300, dtype=np.float32)
    with load([placeholder("x", (-1,)), node("y", "Sub", ["x", "w"])], {"w": weight}) as model:
        assert not model.predict(model.weights["w"][0]).numpy().any()
        assert (model.predict(weight + 1).numpy() == 1).all()
        assert not model.predict(model.weights["w"][0]).numpy().any()


def test_complex_outputs_of_every_origin(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (-1,)),
        placeholder("z", (-1,)),
        node("n", "Neg", ["x"]),
        node("fed", "Complex", ["x", "z"]),
        node("mixed", "Complex", ["n", "x"]),
        node("half", "Complex", ["z", "c"]),
    ]
    with load(nodes, {"c": f32([1.0, 1.0])}) as model:
        for x, z in ((f32([1.0, 2.0]), f32([3.0, 4.0])), (f32([5.0, 6.0]), f32([7.0, 8.0]))):
            fed, mixed, half = (tensor.numpy() for tensor in model.predict([x, z]))
            np.testing.assert_array_equal(fed, x + 1j * z)
            np.testing.assert_array_equal(mixed, -x + 1j * x)
            np.testing.assert_array_equal(half, z + 1j)


def test_a_cast_that_moves_nothing_keeps_its_dtype(gpu: Engine) -> None:
    cast = node("y", "Cast", ["x"], SrcT="DT_BOOL", DstT="DT_INT32")
    with load([placeholder("x", (-1,), "DT_BOOL"), cast]) as model:
        for values in ([True, False], [False, True], [True, True]):
            y = model.predict(np.array(values))
            assert (y.dtype, y.numpy().dtype, y.tolist()) == ("int32", np.int32, [int(v) for v in values])


def test_inputs_and_constants_as_outputs(gpu: Engine) -> None:
    nodes = [placeholder("x", (2,)), node("y", "Neg", ["x"])]
    with load(nodes, {"c": f32([7.0, 7.0])}, signature=signature(["x"], ["x:0", "c:0", "y:0"])) as model:
        for values in ([1.0, 2.0], [3.0, 4.0]):
            fed = on_device(f32(values))
            x, c, y = model.predict(fed)
            fed.dispose()
            overwriting = on_device(f32([9.0, 9.0]))
            assert (x.tolist(), c.tolist(), y.tolist()) == (values, [7.0, 7.0], [-v for v in values])
            overwriting.dispose()


# -- feeding and fetching in the middle ------------------------------------------


def test_one_of_several_outputs_may_be_fed(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (4,)),
        node("s", "Split", ["axis", "x"], num_split=2),
        node("y", "Add", ["s", "s:1"]),
    ]
    with load(nodes, {"axis": i32(0)}) as model:
        for _ in range(2):
            fed = {"x": f32([1.0, 2.0, 3.0, 4.0]), "s:0": f32([10.0, 20.0])}
            assert model.execute(fed, "y").tolist() == [13.0, 24.0]


def test_a_fed_constant_reaches_what_was_folded(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (2,)),
        node("squared", "Mul", ["c", "c"]),
        node("y", "Mul", ["x", "squared"]),
        node("z", "Add", ["x", "c"]),
    ]
    with load(nodes, {"c": f32(2.0)}) as model:
        assert model.execute({"x": f32([1.0, 2.0]), "c": f32(3.0)}, "y").tolist() == [9.0, 18.0]
        assert model.execute({"x": f32([1.0, 2.0]), "c": tfgl.tensor(f32(5.0))}, "y").tolist() == [25.0, 50.0]
        assert model.execute({"x": f32([1.0, 2.0])}, "y").tolist() == [4.0, 8.0]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_nodes_that_were_folded_or_fused_can_be_fetched(gpu: Engine, layout: str) -> None:
    shape = (1, 3, 3, 2) if layout == "NHWC" else (1, 2, 3, 3)
    nodes = [
        placeholder("x", shape),
        node("conv", "Conv2D", ["x", "w"], strides=[1, 1, 1, 1], padding="SAME", data_format=layout),
        node("norm", "FusedBatchNormV3", ["conv", *"gbmv"], epsilon=0.0, is_training=False, data_format=layout),
        node("y", "Relu", ["norm"]),
    ]
    pair = {name: f32(values) for name, values in {"g": [2, 2], "b": [1, 1], "m": [1, 1], "v": [1, 1]}.items()}
    with load(nodes, {"w": np.ones((1, 1, 2, 2), np.float32), **pair}) as model:
        x = np.ones(shape, np.float32)
        assert model.stats.fusions["batch_norms"] == 1
        for _ in range(2):
            conv, norm, mean, y = (t.numpy() for t in model.execute(x, ["conv", "norm", "norm:1", "y"]))
            assert (conv == 2).all() and (norm == 3).all() and (y == 3).all() and mean.tolist() == [1, 1]
            assert (model.predict(x).numpy() == 3).all()


def test_a_name_that_a_rewrite_would_take_may_be_taken(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (2,)),
        node("s", "Split", ["axis", "c"], num_split=2),
        node("t", "Mul", ["s", "x"]),
        node("u", "Mul", ["s:1", "s/output_0"]),
        node("y", "Add", ["t", "u"]),
    ]
    weights = {"axis": i32(0), "c": f32([1.0, 2.0, 3.0, 4.0]), "s/output_0": f32([100.0, 100.0])}
    with load(nodes, weights) as model:
        assert model.predict(f32([1.0, 1.0])).tolist() == [301.0, 402.0]


def test_a_signature_input_whose_node_is_gone(gpu: Engine) -> None:
    nodes = [placeholder("x", (2,)), node("y", "Neg", ["x"])]
    with load(nodes, signature=signature(["x", "gone"], ["y"])) as model:
        assert model.predict({"x": f32([1.0, 2.0]), "gone": f32([0.0])}).tolist() == [-1.0, -2.0]
        assert model.predict({"x": f32([1.0, 2.0])}).tolist() == [-1.0, -2.0]


def test_intermediate_tensors_of_nodes_with_several_outputs(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (4,)),
        node("s", "Split", ["axis", "x"], num_split=2),
        node("y", "Add", ["s", "s:1"]),
    ]
    with load(nodes, {"axis": i32(0)}) as model:
        with model.keep_intermediate_tensors():
            y = model.predict(f32([1.0, 2.0, 3.0, 4.0]))
        kept = {name: [t.tolist() for t in tensors] for name, tensors in model.get_intermediate_tensors().items()}
        assert kept["s"] == [[1.0, 2.0], [3.0, 4.0]] and kept["y"] == [[4.0, 6.0]]
        model.dispose_intermediate_tensors()
        assert y.tolist() == [4.0, 6.0] and not model.get_intermediate_tensors()
        assert model.predict(f32([1.0, 1.0, 1.0, 1.0])).tolist() == [2.0, 2.0]


# -- life cycles --------------------------------------------------------------------

CHAIN = ["Neg", "Relu", "Square", "Abs", "Neg"]


def chain(ops: list[str] = CHAIN, shape: tuple[int, ...] = (-1,)) -> Any:
    """y = the ops one after the other."""
    names = ["x", *(f"n{i}" for i in range(len(ops) - 1)), "y"]
    return load([placeholder("x", shape), *(node(b, op, [a]) for a, b, op in zip(names, names[1:], ops, strict=False))])


def test_a_tidy_scope_changes_no_recording(gpu: Engine) -> None:
    x = np.arange(300, dtype=np.float32)
    with chain() as plain, chain() as tidied:
        plain.predict(x)
        tfgl.tidy(lambda: tidied.predict(x).numpy())
        assert tidied.stats.draws == plain.stats.draws
        kept = tfgl.tidy(lambda: tidied.predict(x))
        np.testing.assert_array_equal(kept.numpy(), plain.predict(x).numpy())


def test_constants_outlive_the_tidy_scope_of_the_first_run(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("y", "Neg", ["x"])]
    with load(nodes, {"c": np.arange(300, dtype=np.float32)}, signature=signature(["x"], ["y", "c"])) as model:
        tfgl.tidy(lambda: [t.numpy() for t in model.predict(f32([1.0]))] and None)
        for _ in range(2):
            assert model.predict(f32([1.0]))[1].numpy().sum() == 300 * 299 / 2


def test_outputs_feed_the_same_and_other_models(gpu: Engine) -> None:
    nodes = [placeholder("x", (-1,)), node("y", "Mul", ["x", "two"])]
    with load(nodes, {"two": f32(2.0)}) as double, chain(["Neg"]) as minus:
        value = double.predict(np.ones(300, np.float32))
        for _ in range(6):
            value = minus.predict(double.predict(value))
        assert (value.numpy() == 128).all()


def test_interleaved_models_and_shapes(gpu: Engine) -> None:
    rng = np.random.default_rng(0)
    with chain() as a, chain(["Square", "Neg", "Exp"]) as b:
        kept = []
        for turn in range(24):
            x = rng.standard_normal((5, 130, 7)[turn % 3]).astype(np.float32)
            kept.append((a.predict(x), -(np.maximum(-x, 0) ** 2)))
            kept.append((b.predict(x), np.exp(-(x**2))))
        for tensor, expected in kept:
            np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-5)


def test_inputs_may_be_disposed_right_after(gpu: Engine) -> None:
    outputs = []
    with chain(["Neg"]) as model:
        for turn in range(8):
            with_values = tfgl.tensor(np.full(300, turn, np.float32))
            outputs.append(model.predict(with_values))
            with_values.dispose()
        assert [t.numpy()[0] for t in outputs] == [-float(turn) for turn in range(8)]


def test_outputs_outlive_their_model(gpu: Engine) -> None:
    model = load(
        [placeholder("x", (-1,)), node("y", "Add", ["x", "c"]), node("k", "Identity", ["c"])],
        {"c": np.full(300, 2, np.float32)},
    )
    x = np.ones(300, np.float32)
    outputs = [tensor for _ in range(3) for tensor in model.predict(x)]
    model.dispose()
    with chain(["Neg"]) as other:
        junk = [other.predict(x) for _ in range(4)]
        assert [t.numpy()[0] for t in outputs] == [3.0, 2.0] * 3
        del junk
    with pytest.raises(DisposedError, match="load it again"):
        model.predict(x)


def test_one_recording_at_a_time(gpu: Engine) -> None:
    with flag(gpu, "max_recordings", 1), chain() as model:
        for turn in range(12):
            x = np.linspace(-1, 1, (3, 300, 17)[turn % 3], dtype=np.float32)
            np.testing.assert_allclose(model.predict(x).numpy(), -(np.maximum(-x, 0) ** 2), rtol=1e-6)
            assert model.stats.recordings == 1


def test_failures_in_the_middle_of_a_trace_leave_nothing(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (-1, 3)),
        node("a", "Exp", ["x"]),
        node("b", "Reshape", ["a", "shape"]),
        node("y", "Neg", ["b"]),
    ]
    with load(nodes, {"shape": i32([2, 3])}) as model:
        good = model.predict(np.zeros((2, 3), np.float32))
        gc.collect()
        tensors, textures = gpu.live_tensors, gpu.pool.live_textures
        for turn in range(5):
            with pytest.raises(InvalidArgumentError, match="'b'"):
                model.predict(np.ones((3 + turn, 3), np.float32))
        gc.collect()
        assert gpu.live_tensors == tensors and gpu.pool.live_textures == textures
        assert gpu.node == ""
        assert (model.predict(np.zeros((2, 3), np.float32)).numpy() == -1).all() and (good.numpy() == -1).all()


def test_textures_come_back(gpu: Engine) -> None:
    gc.collect()
    before, textures = gpu.live_tensors, gpu.pool.live_textures
    for _ in range(3):
        with chain() as model:
            for size in (3, 300, 3, 5000, 300):
                model.predict(np.ones(size, np.float32)).numpy()
    del model
    gc.collect()
    assert (gpu.live_tensors, gpu.pool.live_textures) == (before, textures)


@pytest.mark.parametrize(
    "inputs",
    [None, {}, [], {1: f32([1.0])}, {None: 1.0}, {"x": None}, {"x": {1.0}}, {"x": [[1.0], [1.0, 2.0]]}, object(), "ab",
     {"x": f32([1.0, 2.0]), "x:0": f32([1.0, 2.0])}, {"x": [1 << 70, 2]}, {"x:-1": f32([1.0])}, {"": f32([1.0])},
     np.array(["2020-01-01"], "M8[D]"), {"x": 1j * f32([1.0, 2.0])}, iter([1.0, 2.0]), {"x:9": f32([1.0, 2.0])}],
    ids=repr,
)  # fmt: skip
def test_odd_inputs_are_refused(gpu: Engine, inputs: Any) -> None:
    with chain(["Neg"], (2,)) as model:
        with pytest.raises(InvalidArgumentError):
            model.predict(inputs)
        assert model.predict(f32([1.0, 2.0])).tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("outputs", [5, [3], "", ["y", None], {"y": 1}, "y:3", "y:-1", [["y"]]], ids=repr)
def test_odd_outputs_are_refused(gpu: Engine, outputs: Any) -> None:
    with chain(["Neg"], (2,)) as model, pytest.raises(InvalidArgumentError):
        model.execute(f32([1.0, 2.0]), outputs)


# -- engines and threads --------------------------------------------------------------


def generating() -> Any:
    """x + [0, 1]: a kernel without inputs makes a tensor, which has to be on the model's own engine."""
    nodes = [placeholder("x", (2,)), node("r", "Range", ["zero", "limit", "one"]), node("y", "Add", ["x", "r"])]
    return load(nodes, {"zero": f32(0.0), "limit": f32(2.0), "one": f32(1.0)})


def test_a_model_stays_on_its_engine(gpu: Engine) -> None:
    flags = Flags(gl_version=gpu.flags.gl_version, fusion=False)
    other = engines.Engine(open_device(flags), flags)
    with flag(gpu, "fusion", False), generating() as here:
        engines.use(other)
        try:
            there = generating()
            for model, engine in ((here, gpu), (there, other), (here, gpu), (there, other)):
                y = model.predict(f32([1.0, 2.0]))
                assert y.engine is engine and y.tolist() == [1.0, 3.0]
            with pytest.raises(InvalidArgumentError, match="another engine"):
                here.predict(there.predict(f32([1.0, 2.0])))
            del y
            there.dispose()
        finally:
            engines.use(gpu)
            other.close()
            gpu.device.check()


def test_a_thread_with_an_engine_of_its_own(gpu: Engine) -> None:
    failures: list[BaseException] = []
    started, finished = threading.Event(), threading.Event()

    def work() -> None:
        try:
            flags = Flags(gl_version=gpu.flags.gl_version)
            engine = engines.Engine(open_device(flags), flags)
            engines.use(engine)
            with chain() as model:
                started.set()
                for turn in range(20):
                    x = np.linspace(-2, 2, 50 + turn % 3, dtype=np.float32)
                    np.testing.assert_allclose(model.predict(x).numpy(), -(np.maximum(-x, 0) ** 2), rtol=1e-6)
            engines.use(None)
            engine.close()
        except BaseException as error:
            failures.append(error)
        finally:
            started.set()
            finished.set()

    thread = threading.Thread(target=work)
    with chain(["Neg", "Exp"]) as model:
        thread.start()
        started.wait(60)
        while not finished.is_set():
            x = np.linspace(-2, 2, 40, dtype=np.float32)
            np.testing.assert_allclose(model.predict(x).numpy(), np.exp(-x), rtol=1e-6)
        thread.join(60)
        errors: list[BaseException] = []

        def misuse() -> None:
            try:
                model.predict(x)
            except TfglError as error:
                errors.append(error)

        stranger = threading.Thread(target=misuse)
        stranger.start()
        stranger.join(60)
        assert (model.predict(x).numpy() > 0).all()
    assert not failures, failures[0]
    assert [type(error).__name__ for error in errors] == ["WrongThreadError"]


def test_disposing_a_model_leaves_other_engines_alone(gpu: Engine) -> None:
    flags = Flags(gl_version=gpu.flags.gl_version)
    other = engines.Engine(open_device(flags), flags)
    x = np.linspace(-1, 1, 300, dtype=np.float32)
    engines.use(other)
    there = [chain() for _ in range(20)]
    for model in there:
        model.predict(x)
    engines.use(gpu)
    with chain(["Square", "Neg", "Exp"]) as here:
        for model in [*there, None]:
            np.testing.assert_allclose(here.predict(x).numpy(), np.exp(-(x**2)), rtol=1e-6)
            if model is not None:
                model.dispose()
    other.close()
    gpu.device.check()


def test_a_model_may_be_disposed_after_its_engine(gpu: Engine) -> None:
    flags = Flags(gl_version=gpu.flags.gl_version)
    other = engines.Engine(open_device(flags), flags)
    engines.use(other)
    model = chain()
    y = model.predict(f32([1.0]))
    engines.use(gpu)
    other.close()
    model.dispose()
    with pytest.raises(TfglError):
        y.numpy()
    gpu.device.check()


def test_a_model_that_is_forgotten_gives_everything_back(gpu: Engine) -> None:
    x = np.ones(300, np.float32)
    chain().predict(x)
    chain().predict(x)
    gc.collect()
    with chain(["Neg"]) as model:
        model.predict(x)
    gc.collect()
    tensors, textures = gpu.live_tensors, gpu.pool.live_textures
    for _ in range(5):
        load([placeholder("x", (-1,)), node("y", "Mul", ["x", "w"])], {"w": x}).predict(x)
    gc.collect()
    with chain(["Neg"]) as model:
        model.predict(x)
    gc.collect()
    assert (gpu.live_tensors, gpu.pool.live_textures) == (tensors, textures)


# -- random graphs against float64 -----------------------------------------------------

GRAPHS, PER_TEST = 160, 10


def compare(graph: Graph, feeds: dict[str, Array], outputs: dict[str, tfgl.Tensor], where: str) -> None:
    """Outputs against the float64 evaluation; floats to 1e-5 of the largest, or to what rounding does to the graph."""
    exact = evaluate(graph, feeds, outputs)
    rounded = evaluate(graph, feeds, outputs, precision="float32")
    for name, tensor in outputs.items():
        got, expected = tensor.numpy(), exact[name]
        assert got.shape == expected.shape == tensor.shape, f"{where}, {name}: {got.shape} for {expected.shape}"
        if expected.dtype.kind != "f":
            assert got.dtype == expected.dtype, f"{where}, {name}: {got.dtype} for {expected.dtype}"
            np.testing.assert_array_equal(got, expected, err_msg=f"{where}, {name}")
        elif got.size:
            # Where the graph amplifies, float32 between exact kernels is off by as much.
            amplified = 20 * float(np.abs(rounded[name].astype(np.float64) - expected).max())
            tolerance = 1e-5 * max(float(np.abs(expected).max()), 1e-3) + amplified
            difference = np.abs(got - expected)
            worst = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), got.shape)
            assert difference[worst] <= tolerance, f"{where}, {name}{list(worst)}: {got[worst]} for {expected[worst]}"


@pytest.mark.parametrize("first", range(0, GRAPHS // 2, PER_TEST))
def test_random_graphs(gpu: Engine, first: int) -> None:
    start = first if gpu.device.flavour == "image" else first + GRAPHS // 2
    for seed in range(start, start + PER_TEST):
        made = RandomGraph(seed, STEPS)
        keys = [f"out{i}" for i in range(len(made.outputs))]
        with tfgl.load_graph_model(made.artifacts) as model:
            # Captured, replayed on other values, captured for another batch, replayed again.
            for turn, batch in enumerate((BATCH, BATCH, 3, BATCH, 1)):
                feeds = made.inputs(seed + turn, batch)
                compare(model.graph, feeds, model.predict_dict(feeds), f"seed {seed}, turn {turn}")
            feeds = made.inputs(seed, BATCH)
            names = [item.name for item in made.items]
            tensors: Any = model.execute(feeds, names)
            by_name = dict(zip(names, tensors if isinstance(tensors, list) else [tensors], strict=True))
            compare(model.graph, feeds, by_name, f"seed {seed}, every node")
        with flag(gpu, "fusion", False), tfgl.load_graph_model(made.artifacts) as model:
            compare(model.graph, feeds, model.predict_dict(feeds), f"seed {seed}, unfused")
            with model.keep_intermediate_tensors():
                outputs: Any = model.predict_dict(feeds)
            assert list(outputs) == keys
            compare(model.graph, feeds, outputs, f"seed {seed}, kept")
