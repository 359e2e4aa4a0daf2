"""Models of sequences: graph models with random weights, written as the official converter writes Keras' and BERT's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tfgl.io import ModelArtifacts
from topologies import Builder
from topologies_images import batch_normalized


def bert(
    layers: int = 2, width: int = 128, heads: int = 2, tokens: int = 128, vocabulary: int = 30522
) -> ModelArtifacts:
    """BERT (Devlin et al. 2018), by default BERT-tiny (Turc et al. 2019): hidden states and the pooled first one."""
    builder = Builder()
    ids, mask, types = (builder.placeholder(name, (-1, tokens), "DT_INT32") for name in ("ids", "mask", "type_ids"))
    words = builder.normal(vocabulary, width, fan_in=1, gain=0.01)
    kinds = builder.normal(2, width, fan_in=1, gain=0.01)
    zero = builder.constant_of(0)
    x = builder.node("GatherV2", [words, ids, zero])
    x = builder.node("AddV2", [x, builder.normal(1, tokens, width, fan_in=1, gain=0.01)])
    x = builder.node("AddV2", [x, builder.node("GatherV2", [kinds, types, zero])])
    x = layer_norm(builder, x, width)

    # 0 where a token may be looked at and -10000 where not, for the scores of all heads and queries.
    seen = builder.node("Cast", [mask], SrcT={"type": "DT_INT32"}, DstT={"type": "DT_FLOAT"})
    seen = builder.node("Reshape", [seen, builder.whole(-1, 1, 1, tokens)])
    unseen = builder.node("Sub", [builder.constant_of(1.0), seen])
    barred = builder.node("Mul", [unseen, builder.constant_of(-10000.0)])

    for _ in range(layers):
        x = layer_norm(builder, builder.node("AddV2", [_attended(builder, x, barred, width, heads, tokens), x]), width)
        wide = gelu(builder, _dense(builder, x, width, 4 * width, tokens))
        x = layer_norm(builder, builder.node("AddV2", [_dense(builder, wide, 4 * width, width, tokens), x]), width)

    first = builder.node(
        "StridedSlice",
        [x, builder.whole(0, 0, 0), builder.whole(0, 1, 0), builder.whole(1, 1, 1)],
        **{key: {"i": str(value)} for key, value in _mask(begin=5, end=5, shrink=2).items()},
    )
    pooled = builder.node("Tanh", [builder.dense(first, width, width)])
    return builder.artifacts({"hidden": x, "pooled": pooled})


def _mask(begin: int = 0, end: int = 0, shrink: int = 0) -> dict[str, int]:
    return {
        "begin_mask": begin, "end_mask": end, "shrink_axis_mask": shrink, "ellipsis_mask": 0, "new_axis_mask": 0,
    }  # fmt: skip


def _dense(builder: Builder, x: str, inputs: int, outputs: int, tokens: int) -> str:
    """A dense layer on the last of three axes, which Keras brings to two."""
    matrix = builder.normal(inputs, outputs, fan_in=inputs, gain=1.0)
    rows = builder.node("Reshape", [x, builder.whole(-1, inputs)])
    product = builder.node("MatMul", [rows, matrix], transpose_a={"b": False}, transpose_b={"b": False})
    product = builder.node("Reshape", [product, builder.whole(-1, tokens, outputs)])
    return builder.node("BiasAdd", [product, builder.bias(outputs)])


def _attended(builder: Builder, x: str, barred: str, width: int, heads: int, tokens: int) -> str:
    """Self-attention of several heads, with the dense layer after it."""
    turned = builder.whole(0, 2, 1, 3)

    def by_heads() -> str:
        y = _dense(builder, x, width, width, tokens)
        y = builder.node("Reshape", [y, builder.whole(-1, tokens, heads, width // heads)])
        return builder.node("Transpose", [y, turned])

    query, key, value = by_heads(), by_heads(), by_heads()
    scores = builder.node("BatchMatMulV2", [query, key], adj_x={"b": False}, adj_y={"b": True})
    scores = builder.node("RealDiv", [scores, builder.constant_of(float(np.sqrt(width // heads)))])
    weights = builder.node("Softmax", [builder.node("AddV2", [scores, barred])])
    mixed = builder.node("BatchMatMulV2", [weights, value], adj_x={"b": False}, adj_y={"b": False})
    mixed = builder.node("Transpose", [mixed, turned])
    mixed = builder.node("Reshape", [mixed, builder.whole(-1, tokens, width)])
    return _dense(builder, mixed, width, width, tokens)


def gelu(builder: Builder, x: str) -> str:
    """x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016)."""
    scaled = builder.node("RealDiv", [x, builder.constant_of(float(np.sqrt(2.0)))])
    shares = builder.node("AddV2", [builder.node("Erf", [scaled]), builder.constant_of(1.0)])
    return builder.node("Mul", [x, builder.node("Mul", [shares, builder.constant_of(0.5)])])


def layer_norm(builder: Builder, x: str, width: int) -> str:
    """A layer norm over the last axis, as TensorFlow's moments and batch_normalization spell it out."""
    axes = builder.whole(-1)
    mean = builder.node("Mean", [x, axes], keep_dims={"b": True})
    variance = builder.node("Mean", [builder.node("SquaredDifference", [x, mean]), axes], keep_dims={"b": True})
    scale, offset = builder.vector(*np.linspace(0.5, 1.5, width)), builder.bias(width)
    return batch_normalized(builder, x, mean, variance, scale, offset, 1e-12)


def unrolled_lstm(steps: int = 28, features: int = 28, units: int = 128, classes: int = 10) -> ModelArtifacts:
    """Keras' LSTM (Hochreiter and Schmidhuber 1997) with unroll=True over a picture's lines; softmax."""
    builder = Builder()
    x = builder.placeholder("lines", (-1, steps, features))
    kernel = builder.normal(features, 4 * units, fan_in=features, gain=1.0)
    recurrent = builder.normal(units, 4 * units, fan_in=units, gain=1.0)
    bias = builder.bias(4 * units)
    turned = builder.node("Transpose", [x, builder.whole(1, 0, 2)])
    lines = builder.node("Unpack", [turned], num={"i": str(steps)}, axis={"i": "0"})
    batch = builder.node(
        "StridedSlice",
        [builder.node("Shape", [x]), builder.whole(0), builder.whole(1), builder.whole(1)],
        **{key: {"i": str(value)} for key, value in _mask(shrink=1).items()},
    )
    extents = builder.node("Pack", [batch, builder.constant_of(units)], N={"i": "2"}, axis={"i": "0"})
    h = c = builder.node("Fill", [extents, builder.constant_of(0.0)])
    axis = builder.constant_of(1)
    plain = {"transpose_a": {"b": False}, "transpose_b": {"b": False}}
    for step in range(steps):
        line = f"{lines}:{step}" if step else lines
        fresh = builder.node("MatMul", [line, kernel], **plain)
        both = builder.node("AddV2", [fresh, builder.node("MatMul", [h, recurrent], **plain)])
        gates = builder.node("Split", [axis, builder.node("BiasAdd", [both, bias])], num_split={"i": "4"})
        taken = builder.node("Sigmoid", [gates])
        kept = builder.node("Mul", [builder.node("Sigmoid", [f"{gates}:1"]), c])
        c = builder.node("AddV2", [kept, builder.node("Mul", [taken, builder.node("Tanh", [f"{gates}:2"])])])
        h = builder.node("Mul", [builder.node("Sigmoid", [f"{gates}:3"]), builder.node("Tanh", [c])])
    return builder.artifacts(builder.node("Softmax", [builder.dense(h, units, classes)]))


TOPOLOGIES: Mapping[str, Callable[[], ModelArtifacts]] = {
    "BERT-tiny": bert,
    "LSTM-unrolled": unrolled_lstm,
}
