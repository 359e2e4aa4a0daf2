"""Makes the .tflite files beside it, and what TensorFlow Lite computes with them: needs TensorFlow 2.19.

    python make_models.py            the committed files, a model for each group of operators
    python make_models.py --single FOLDER    a model for each operator, to look at one alone
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
KERNELS = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
Case = Callable[[dict[str, Any]], Any]


def _inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return {
        "image": normal(2, 9, 8, 4),
        "one": normal(1, 8, 6, 3),
        "volume": normal(1, 5, 6, 4, 2),
        "matrix": normal(3, 5),
        "other": normal(3, 5),
        "positive": (np.abs(normal(3, 5)) + 0.1).astype(np.float32),
        "stack": normal(2, 3, 5),
        "sequence": normal(2, 4, 3),
        "numbers": rng.integers(-9, 9, (3, 4)).astype(np.int32),
        "counts": rng.integers(1, 5, (3, 4)).astype(np.int32),
        "wide": rng.integers(-9, 9, (3, 4)).astype(np.int64),
        "truth": rng.integers(0, 2, (3, 5)).astype(bool),
        "falsehood": rng.integers(0, 2, (3, 5)).astype(bool),
        "places": np.array([2, 0, 1], np.int32),
        "boxes": np.sort(rng.uniform(size=(12, 2, 2)), axis=1).reshape(12, 4).astype(np.float32),
        "scores": rng.uniform(size=12).astype(np.float32),
        "flag": np.array(True),
        "limit": np.array(5, np.int32),
    }


INPUTS = _inputs()
_rng = np.random.default_rng(11)


def _weights(*shape: int) -> tf.Tensor:
    return tf.constant(_rng.normal(scale=0.4, size=shape).astype(np.float32))


ELEMENTWISE: dict[str, Case] = {
    "abs": lambda t: tf.abs(t["matrix"]),
    "ceil": lambda t: tf.math.ceil(t["matrix"]),
    "cos": lambda t: tf.cos(t["matrix"]),
    "elu": lambda t: tf.nn.elu(t["matrix"]),
    "exp": lambda t: tf.exp(t["matrix"]),
    "floor": lambda t: tf.floor(t["matrix"]),
    "log": lambda t: tf.math.log(t["positive"]),
    "logistic": lambda t: tf.sigmoid(t["matrix"]),
    "log_softmax": lambda t: tf.nn.log_softmax(t["matrix"]),
    "neg": lambda t: tf.negative(t["matrix"]),
    "relu": lambda t: tf.nn.relu(t["matrix"]),
    "relu6": lambda t: tf.nn.relu6(t["matrix"] * 5.0),
    "relu_n1_to_1": lambda t: tf.maximum(-1.0, tf.minimum(t["matrix"], 1.0)),
    "relu_0_to_1": lambda t: tf.maximum(0.0, tf.minimum(t["matrix"], 1.0)),
    "round": lambda t: tf.round(t["matrix"] * 3.0),
    "rsqrt": lambda t: tf.math.rsqrt(t["positive"]),
    "sign": lambda t: tf.sign(t["matrix"]),
    "sin": lambda t: tf.sin(t["matrix"]),
    "softmax": lambda t: tf.nn.softmax(t["matrix"]),
    "sqrt": lambda t: tf.sqrt(t["positive"]),
    "square": lambda t: tf.square(t["matrix"]),
    "tanh": lambda t: tf.tanh(t["matrix"]),
    "zeros_like": lambda t: tf.zeros_like(t["matrix"]) + t["matrix"],
    "add": lambda t: t["matrix"] + t["other"],
    "add_relu": lambda t: tf.nn.relu(t["matrix"] + t["other"]),
    "sub": lambda t: tf.nn.relu6(t["matrix"] - t["other"]),
    "mul": lambda t: t["matrix"] * t["other"],
    "div": lambda t: t["matrix"] / t["positive"],
    "div_integers": lambda t: tf.raw_ops.Div(x=t["numbers"], y=t["counts"]),
    "pow": lambda t: tf.pow(t["positive"], t["other"]),
    "maximum": lambda t: tf.maximum(t["matrix"], t["other"]),
    "minimum": lambda t: tf.minimum(t["matrix"], t["other"]),
    "squared_difference": lambda t: tf.math.squared_difference(t["matrix"], t["other"]),
    "floor_div": lambda t: tf.math.floordiv(t["numbers"], t["counts"]),
    "floor_mod": lambda t: tf.math.floormod(t["numbers"], t["counts"]),
    "floor_mod_float": lambda t: tf.math.floormod(t["matrix"], t["positive"]),
    "atan2": lambda t: tf.atan2(t["matrix"], t["other"]),
    "add_n": lambda t: tf.add_n([t["matrix"], t["other"], t["positive"]]),
    "less": lambda t: tf.less(t["matrix"], t["other"]),
    "greater": lambda t: tf.greater(t["matrix"], t["other"]),
    "equal": lambda t: tf.equal(t["numbers"], t["counts"]),
    "not_equal": lambda t: tf.not_equal(t["numbers"], t["counts"]),
    "less_equal": lambda t: tf.less_equal(t["matrix"], t["other"]),
    "greater_equal": lambda t: tf.greater_equal(t["matrix"], t["other"]),
    "logical_and": lambda t: tf.logical_and(t["truth"], t["falsehood"]),
    "logical_or": lambda t: tf.logical_or(t["truth"], t["falsehood"]),
    "logical_not": lambda t: tf.logical_not(t["truth"]),
    "leaky_relu": lambda t: tf.nn.leaky_relu(t["matrix"], 0.3),
    "hard_swish": lambda t: t["matrix"] * tf.nn.relu6(t["matrix"] + 3.0) * (1 / 6),
    "gelu_tanh": lambda t: tf.nn.gelu(t["matrix"], approximate=True),
    "select": lambda t: tf.where(t["truth"], t["matrix"], t["other"]),
    "select_rows": lambda t: tf.raw_ops.Select(
        condition=t["places"] > 0, x=t["matrix"], y=t["other"]
    ),
    "cast": lambda t: tf.cast(t["matrix"] * 5.0, tf.int32),
    "cast_truth": lambda t: tf.cast(t["truth"], tf.float32),
    "cast_wide": lambda t: tf.cast(t["wide"], tf.float32),
    "bitwise_xor": lambda t: tf.bitwise.bitwise_xor(t["numbers"], t["counts"]),
    "right_shift": lambda t: tf.bitwise.right_shift(t["numbers"], t["counts"]),
    "fake_quant": lambda t: tf.quantization.fake_quant_with_min_max_args(t["matrix"], -1.0, 1.5),
}

_ALPHA = _weights(1, 1, 4)
CONVOLUTION: dict[str, Case] = {
    "conv_same": lambda t: tf.nn.conv2d(t["image"], _weights(3, 3, 4, 5), 1, "SAME"),
    "conv_strided": lambda t: tf.nn.relu6(
        tf.nn.bias_add(tf.nn.conv2d(t["image"], _weights(3, 2, 4, 5), [2, 1], "VALID"), _weights(5))
    ),
    "conv_dilated": lambda t: tf.nn.conv2d(t["image"], _weights(3, 3, 4, 2), 1, "SAME", dilations=[2, 2]),
    "conv_grouped": lambda t: tf.nn.conv2d(t["image"], _weights(3, 3, 2, 6), 1, "SAME"),
    "depthwise": lambda t: tf.nn.relu(
        tf.nn.bias_add(tf.nn.depthwise_conv2d(t["image"], _weights(3, 3, 4, 1), [1, 2, 2, 1], "SAME"), _weights(4))
    ),
    "depthwise_multiplier": lambda t: tf.nn.depthwise_conv2d(t["image"], _weights(3, 3, 4, 2), [1, 1, 1, 1], "VALID"),
    "depthwise_dilated": lambda t: tf.nn.depthwise_conv2d(
        t["image"], _weights(3, 3, 4, 1), [1, 1, 1, 1], "SAME", dilations=[2, 2]
    ),
    "transposed": lambda t: tf.nn.bias_add(
        tf.nn.conv2d_transpose(t["image"], _weights(3, 3, 5, 4), [2, 18, 16, 5], 2, "SAME"), _weights(5)
    ),
    "transposed_valid": lambda t: tf.nn.conv2d_transpose(t["image"], _weights(3, 2, 5, 4), [2, 19, 16, 5], 2, "VALID"),
    "conv_3d": lambda t: tf.nn.conv3d(t["volume"], _weights(2, 3, 3, 2, 3), [1, 1, 2, 1, 1], "SAME"),
    "fully_connected": lambda t: tf.nn.relu(tf.matmul(t["matrix"], _weights(5, 4)) + _weights(4)),
    "fully_connected_stack": lambda t: tf.tensordot(t["stack"], _weights(5, 4), 1),
    "batch_matmul": lambda t: tf.matmul(t["stack"], t["stack"], transpose_b=True),
    "batch_matmul_first": lambda t: tf.matmul(t["stack"], t["stack"], transpose_a=True),
    "average_pool": lambda t: tf.nn.avg_pool2d(t["image"], [3, 2], [2, 1], "SAME"),
    "max_pool": lambda t: tf.nn.max_pool2d(t["image"], 3, 2, "VALID"),
    "prelu": lambda t: tf.nn.relu(t["image"]) + _ALPHA * -tf.nn.relu(-t["image"]),
    "l2_normalization": lambda t: tf.math.l2_normalize(t["matrix"], axis=-1),
    "local_response": lambda t: tf.nn.local_response_normalization(t["image"], 2, 1.0, 0.5, 0.75),
    "resize_bilinear": lambda t: tf.compat.v1.image.resize_bilinear(t["one"], [13, 5]),
    "resize_half_pixel": lambda t: tf.image.resize(t["one"], [13, 5]),
    "resize_corners": lambda t: tf.compat.v1.image.resize_bilinear(t["one"], [13, 5], align_corners=True),
    "resize_nearest": lambda t: tf.image.resize(t["one"], [13, 5], "nearest"),
    "resize_nearest_old": lambda t: tf.compat.v1.image.resize_nearest_neighbor(t["one"], [13, 5]),
    "resize_nearest_corners": lambda t: tf.compat.v1.image.resize_nearest_neighbor(
        t["one"], [13, 5], align_corners=True
    ),
    "space_to_depth": lambda t: tf.nn.space_to_depth(t["one"], 2),
    "depth_to_space": lambda t: tf.nn.depth_to_space(t["image"], 2),
    "space_to_batch": lambda t: tf.space_to_batch(t["one"], [2, 3], [[0, 0], [1, 2]]),
    "batch_to_space": lambda t: tf.batch_to_space(
        tf.space_to_batch(t["one"], [2, 2], [[0, 0], [0, 0]]) * 2.0, [2, 2], [[1, 0], [0, 2]]
    ),
}

SHAPING: dict[str, Case] = {
    "reshape": lambda t: tf.reshape(t["matrix"], [5, 3]),
    "squeeze": lambda t: tf.squeeze(t["one"] * 2.0, 0),
    "expand_dims": lambda t: tf.expand_dims(t["matrix"], 1),
    "transpose": lambda t: tf.transpose(t["image"], [0, 3, 1, 2]),
    "concatenation": lambda t: tf.concat([t["matrix"], t["other"]], -1),
    "pack": lambda t: tf.stack([t["matrix"], t["other"]], 1),
    "unpack": lambda t: tf.unstack(t["matrix"], axis=1)[3],
    "split": lambda t: tf.split(t["image"], 2, 3)[1],
    "split_v": lambda t: tf.split(t["matrix"], [1, 3, 1], 1)[1],
    "slice": lambda t: tf.slice(t["image"], [0, 1, 2, 0], [2, 4, -1, 3]),
    "strided_slice": lambda t: t["image"][:, 1:8:2, ..., ::-1],
    "strided_slice_shrunk": lambda t: t["image"][1, tf.newaxis, -3:, 2],
    "pad": lambda t: tf.pad(t["matrix"], [[1, 0], [2, 3]]),
    "pad_v2": lambda t: tf.pad(t["matrix"], [[1, 0], [2, 3]], constant_values=-2.5),
    "mirror_pad": lambda t: tf.pad(t["matrix"], [[1, 2], [2, 3]], "REFLECT"),
    "symmetric_pad": lambda t: tf.pad(t["matrix"], [[1, 2], [2, 3]], "SYMMETRIC"),
    "tile": lambda t: tf.tile(t["matrix"], [2, 3]),
    "broadcast_to": lambda t: tf.broadcast_to(t["matrix"], [2, 3, 5]),
    "shape": lambda t: tf.shape(t["matrix"]),
    "rank": lambda t: tf.rank(t["matrix"]),
    "fill": lambda t: tf.fill([2, 3], t["limit"]),
    "range": lambda t: tf.range(0, t["limit"]),
    "reverse": lambda t: tf.reverse(t["matrix"], [1]),
    "reverse_sequence": lambda t: tf.reverse_sequence(t["stack"], [2, 3], seq_axis=1, batch_axis=0),
    "gather": lambda t: tf.gather(t["matrix"], t["places"], axis=1),
    "gather_batch": lambda t: tf.gather(t["matrix"], [[0, 4], [1, 1], [3, 2]], axis=1, batch_dims=1),
    "gather_nd": lambda t: tf.gather_nd(t["matrix"], [[0, 1], [2, 4]]),
    "scatter_nd": lambda t: tf.scatter_nd([[1], [4], [1]], t["matrix"], [6, 5]),
    "sparse_to_dense": lambda t: tf.raw_ops.SparseToDense(
        sparse_indices=[[0, 1], [2, 3]], output_shape=[3, 5], sparse_values=t["positive"][0, :2], default_value=0.5
    ),
    "one_hot": lambda t: tf.one_hot(t["places"], 4, 2.0, -1.0, axis=0),
    "where": lambda t: tf.where(t["truth"]),
    "top_k": lambda t: tf.math.top_k(t["matrix"], 3)[0],
    "top_k_indices": lambda t: tf.math.top_k(t["matrix"], 3)[1],
    "arg_max": lambda t: tf.argmax(t["matrix"], 1),
    "arg_min": lambda t: tf.argmin(t["matrix"], 0, tf.int32),
    "cumsum": lambda t: tf.cumsum(t["matrix"], 1, exclusive=True, reverse=True),
    "sum": lambda t: tf.reduce_sum(t["image"], [1, 2]),
    "mean": lambda t: tf.reduce_mean(t["image"], [1, 2], keepdims=True),
    "prod": lambda t: tf.reduce_prod(t["matrix"], -1),
    "max": lambda t: tf.reduce_max(t["image"], [3]),
    "min": lambda t: tf.reduce_min(t["image"], [1]),
    "any": lambda t: tf.reduce_any(t["truth"], [1]),
    "all": lambda t: tf.reduce_all(t["truth"], [0]),
    "unique": lambda t: tf.unique(tf.reshape(t["numbers"], [12]))[0],
    "segment_sum": lambda t: tf.math.segment_sum(t["matrix"], [0, 0, 1]),
    "unsorted_segment_sum": lambda t: tf.math.unsorted_segment_sum(t["matrix"], [2, 0, 2], 4),
    "matrix_diag": lambda t: tf.linalg.diag(t["matrix"]),
    "matrix_set_diag": lambda t: tf.linalg.set_diag(t["stack"], t["matrix"][:2, :3]),
    "embedding": lambda t: tf.nn.embedding_lookup(_weights(6, 3), t["places"]),
    "dynamic_update_slice": lambda t: _update_slice(t["matrix"], t["other"][:2, :3], t["places"][:2]),
    "bucketize": lambda t: tf.raw_ops.Bucketize(input=t["matrix"], boundaries=[-1.0, 0.0, 0.5]),
    "nms": lambda t: tf.image.non_max_suppression_padded(
        t["boxes"], t["scores"], 6, 0.4, 0.2, pad_to_max_output_size=True
    )[0],
    "nms_v4": lambda t: tf.raw_ops.NonMaxSuppressionV4(
        boxes=t["boxes"], scores=t["scores"], max_output_size=6, iou_threshold=0.4, score_threshold=0.2,
        pad_to_max_output_size=True,
    )[1],
    "nms_v5": lambda t: tf.raw_ops.NonMaxSuppressionV5(
        boxes=t["boxes"], scores=t["scores"], max_output_size=6, iou_threshold=0.4, score_threshold=0.2,
        soft_nms_sigma=0.5, pad_to_max_output_size=True,
    )[1],
    "rfft_2d": lambda t: tf.abs(tf.signal.rfft2d(t["stack"][:, :2, :4])),
    "rfft": lambda t: tf.math.real(tf.signal.rfft(t["stack"], [8])),
}  # fmt: skip


def _update_slice(x: tf.Tensor, part: tf.Tensor, begin: tf.Tensor) -> tf.Tensor:
    from tensorflow.compiler.tf2xla.python import xla

    return xla.dynamic_update_slice(x, part, begin)


def _loop(t: dict[str, Any]) -> tf.Tensor:
    return tf.while_loop(
        lambda i, x: i < t["limit"], lambda i, x: (i + 1, x * 0.5 + tf.cast(i, tf.float32)), [0, t["matrix"]]
    )[1]


def _branch(t: dict[str, Any]) -> tf.Tensor:
    return tf.cond(t["flag"], lambda: t["matrix"] * 2.0, lambda: tf.nn.relu(t["matrix"]))


def _control_flow() -> dict[str, Case]:
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    # Not beside an LSTM: TensorFlow Lite shares the constant that is the first state, and the LSTM writes into it.
    return {"loop": _loop, "branch": _branch, "simple": _keras(keras.layers.SimpleRNN(3))}


KEPT: list[Any] = []


def _keras(layer: Any) -> Case:
    KEPT.append(layer)
    return lambda t: layer(t["sequence"])


def _recurrent() -> dict[str, Case]:
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    return {
        "lstm": _keras(layers.LSTM(3, return_sequences=True, bias_initializer="uniform")),
        "lstm_reversed": _keras(layers.LSTM(2, go_backwards=True)),
        "bidirectional": _keras(layers.Bidirectional(layers.LSTM(2, return_sequences=True))),
        "gru": _keras(layers.GRU(3)),
    }


def _network(t: dict[str, Any]) -> tf.Tensor:
    """A small network, for the ways to quantise."""
    x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(t["image"], _weights(3, 3, 4, 8), 2, "SAME"), _weights(8)))
    x = tf.nn.relu(tf.nn.depthwise_conv2d(x, _weights(3, 3, 8, 1), [1, 1, 1, 1], "SAME"))
    x = tf.concat([tf.nn.max_pool2d(x, 2, 2, "SAME"), tf.nn.avg_pool2d(x, 2, 2, "SAME")], 3)
    x = tf.reduce_mean(x + 0.25 * tf.tanh(x), [1, 2])
    # 1024 weights or more are quantised dynamically.
    return tf.nn.softmax(tf.matmul(tf.sigmoid(tf.matmul(x, _weights(16, 80)) + _weights(80)), _weights(80, 5)))


def groups() -> dict[str, dict[str, Case]]:
    """Cases by the name of the file that holds them."""
    return {
        "elementwise": ELEMENTWISE, "convolution": CONVOLUTION, "shaping": SHAPING, "control_flow": _control_flow(),
        "recurrent": _recurrent(),
    }  # fmt: skip


def convert(cases: dict[str, Case], kind: str = "float") -> bytes:
    """A model with an output for each case; ``kind`` is float, float16, dynamic, int8, int16x8 or uint8."""
    used: set[str] = set()

    class _Seen(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: str) -> Any:
            used.add(key)
            return super().__getitem__(key)

    def run(given: Any) -> dict[str, Any]:
        outputs = {}
        for name, case in cases.items():
            globals()["_rng"] = np.random.default_rng(zlib.crc32(name.encode()))
            outputs[name] = case(given)
        return outputs

    run(_Seen({key: tf.constant(value) for key, value in INPUTS.items()}))
    names = sorted(used)

    @tf.function(input_signature=[tf.TensorSpec(INPUTS[n].shape, INPUTS[n].dtype, n) for n in names])
    def serve(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return run(dict(zip(names, values, strict=True)))

    module = tf.Module()
    module.serve = serve
    module.layers = KEPT
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=serve)
        return _converted(tf.lite.TFLiteConverter.from_saved_model(folder), names, kind)


def _converted(converter: Any, names: list[str], kind: str) -> bytes:
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in ("int8", "uint8", "int16x8"):
        converter.representative_dataset = lambda: ({n: INPUTS[n] for n in names} for _ in range(8))
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if kind == "int16x8"
            else tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        ]
        if kind in ("int8", "uint8"):
            converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(kind)
    else:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert()


def run(model: bytes) -> dict[str, np.ndarray]:
    """The inputs (``in:``) and outputs (``out:``) of the interpreter without delegates, by key of the signature."""
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=KERNELS)
    runner = interpreter.get_signature_runner()
    stored = {}
    for key, detail in runner.get_input_details().items():
        value = INPUTS[key]
        if detail["dtype"] != value.dtype:
            scale, zero = detail["quantization"]
            limits = np.iinfo(detail["dtype"])
            value = np.clip(np.round(value / scale) + zero, limits.min, limits.max).astype(detail["dtype"])
        stored[f"in:{key}"] = value
    outputs = runner(**{key[3:]: value for key, value in stored.items()})
    return {**stored, **{f"out:{key}": value for key, value in outputs.items()}}


def write(folder: Path, name: str, model: bytes) -> None:
    """The model and its arrays."""
    arrays = run(model)
    (folder / f"{name}.tflite").write_bytes(model)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    print(f"{name}: {len(model)} bytes")


def write_handmade(folder: Path) -> None:
    """One file with a signature for each case; arrays under ``signature/in:key``."""
    from handmade import cases

    from tflite_files import Signature, tflite_bytes

    graphs = cases()
    signatures = [
        Signature(key, {name: name for name in graph.inputs}, {name: name for name in graph.outputs}, i)
        for i, (key, graph) in enumerate(graphs.items())
    ]
    model = tflite_bytes(list(graphs.values()), signatures)
    (folder / "handmade.tflite").write_bytes(model)
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=KERNELS)
    arrays = {}
    for key in graphs:
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        runner = interpreter.get_signature_runner(key)
        given = {
            name: rng.normal(size=detail["shape"]).astype(np.float32)
            for name, detail in runner.get_input_details().items()
        }
        try:
            outputs = runner(**given)
        except Exception as error:
            print(f"handmade {key}: {error}")
            continue
        arrays |= {f"{key}/in:{name}": value for name, value in given.items()}
        arrays |= {f"{key}/out:{name}": value for name, value in outputs.items()}
    np.savez_compressed(folder / "handmade.npz", **arrays)
    print(f"handmade: {len(model)} bytes")


def main() -> None:
    """Write what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--single", type=Path)
    parser.add_argument("--kind", default="float")
    parser.add_argument("--group")
    options = parser.parse_args()
    if options.single is None:
        for group, cases in groups().items():
            if options.group in (None, group):
                write(HERE, group, convert(cases))
        for kind in ("float16", "dynamic", "int8", "uint8", "int16x8"):
            if options.group in (None, f"network_{kind}"):
                write(HERE, f"network_{kind}", convert({"network": _network}, kind))
        if options.group in (None, "handmade"):
            write_handmade(HERE)
        return
    options.single.mkdir(parents=True, exist_ok=True)
    if options.group == "handmade":
        write_handmade(options.single)
        return
    for group, cases in groups().items():
        if options.group not in (None, group):
            continue
        for name, case in cases.items():
            try:
                write(options.single, f"{group}-{name}-{options.kind}", convert({name: case}, options.kind))
            except Exception as error:  # the converter or the kernel refuses
                print(f"{group}-{name}-{options.kind}: {type(error).__name__}: {str(error)[:300]}")


if __name__ == "__main__":
    main()
