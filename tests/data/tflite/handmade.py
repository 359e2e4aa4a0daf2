"""Subgraphs of operators that TensorFlow's own converter seldom or never writes."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tflite_files import Op, Subgraph, Tensor

_rng = np.random.default_rng(5)
BATCH, STEPS, FEATURES, UNITS, PROJECTED = 2, 3, 4, 3, 2


def _w(*shape: int, scale: float = 0.5) -> np.ndarray:
    return _rng.normal(scale=scale, size=shape).astype(np.float32)


def _graph(name: str, op: Op, inputs: list[Tensor], constants: list[Tensor], outputs: list[Tensor]) -> Subgraph:
    return Subgraph([*inputs, *constants, *outputs], [op], [x.name for x in inputs], [y.name for y in outputs], name)


def _one(code: str, x: Any, constants: dict[str, Any], shape: list[int], options: Any = ("", {})) -> Subgraph:
    """An operator with input x, constants behind it, and one output."""
    inputs = [Tensor("x", x)]
    held = [Tensor(key, data=value) for key, value in constants.items()]
    op = Op(code, ["x", *constants], ["y"], *options)
    return _graph(code, op, inputs, held, [Tensor("y", shape)])


def _lstm(
    *, cifg: bool = False, peephole: bool = False, projection: bool = False, norm: bool = False, clip: float = 0.0,
    time_major: bool = False,
) -> Subgraph:  # fmt: skip
    hidden = PROJECTED if projection else UNITS
    held: list[Tensor] = []

    def put(key: str, given: bool, *shape: int) -> str:
        if not given:
            return ""
        held.append(Tensor(key, data=_w(*shape)))
        return key

    gates = ("i", "f", "c", "o")
    names = [put(f"w_{g}", g != "i" or not cifg, UNITS, FEATURES) for g in gates]
    names += [put(f"r_{g}", g != "i" or not cifg, UNITS, hidden) for g in gates]
    names += [put(f"p_{g}", peephole and (g != "i" or not cifg), UNITS) for g in ("i", "f", "o")]
    names += [put(f"b_{g}", g != "i" or not cifg, UNITS) for g in gates]
    names += [put("proj", projection, PROJECTED, UNITS), put("proj_b", projection, PROJECTED)]
    states = [Tensor("h", [BATCH, hidden], variable=True), Tensor("cell", [BATCH, UNITS], variable=True)]
    names += ["h", "cell"]
    if norm:
        names += [put(f"n_{g}", g != "i" or not cifg, UNITS) for g in gates]
    shape = [STEPS, BATCH, FEATURES] if time_major else [BATCH, STEPS, FEATURES]
    out = [*shape[:2], hidden]
    options = {"FusedActivationFunction": 4, "CellClip": clip, "ProjClip": clip, "TimeMajor": time_major}
    op = Op("UNIDIRECTIONAL_SEQUENCE_LSTM", ["x", *names], ["y"], "UnidirectionalSequenceLSTMOptions", options)
    return _graph("lstm", op, [Tensor("x", shape)], [*held, *states], [Tensor("y", out)])


def _bidirectional_lstm(merged: bool, aux: bool = False) -> Subgraph:
    held: list[Tensor] = []
    names: list[str] = []
    for side in ("fw", "bw"):
        for kind, shapes in (("w", (UNITS, FEATURES)), ("r", (UNITS, UNITS))):
            for gate in "ifco":
                held.append(Tensor(f"{side}_{kind}_{gate}", data=_w(*shapes)))
                names.append(held[-1].name)
        names += [""] * 3
        for gate in "ifco":
            held.append(Tensor(f"{side}_b_{gate}", data=_w(UNITS)))
            names.append(held[-1].name)
        names += ["", ""]
    states = [Tensor(f"{side}_{kind}", [BATCH, UNITS], variable=True) for side in ("fw", "bw") for kind in "hc"]
    held += states
    names += [state.name for state in states]
    # The interpreter reads unset memory where outputs are merged and batches come first.
    lead = [STEPS, BATCH] if merged else [BATCH, STEPS]
    inputs = [Tensor("x", [*lead, FEATURES])]
    if aux:
        inputs.append(Tensor("aux", [*lead, FEATURES]))
        names.append("aux")
        for side in ("fw", "bw"):
            for gate in "ifco":
                held.append(Tensor(f"{side}_aux_{gate}", data=_w(UNITS, FEATURES)))
                names.append(held[-1].name)
    else:
        names += [""] * 9
    outs = [Tensor("y", [*lead, UNITS * (2 if merged else 1)])]
    if not merged:
        outs.append(Tensor("z", [*lead, UNITS]))
    options = {"FusedActivationFunction": 4, "MergeOutputs": merged, "TimeMajor": merged}
    op = Op("BIDIRECTIONAL_SEQUENCE_LSTM", ["x", *names], [o.name for o in outs], "BidirectionalSequenceLSTMOptions",
            options)  # fmt: skip
    return _graph("bidirectional_lstm", op, inputs, held, outs)


def _rnn(sequence: bool) -> Subgraph:
    held = [
        Tensor("w", data=_w(UNITS, FEATURES)), Tensor("r", data=_w(UNITS, UNITS)), Tensor("b", data=_w(UNITS)),
        Tensor("h", [BATCH, UNITS], variable=True),
    ]  # fmt: skip
    lead = [BATCH, STEPS] if sequence else [BATCH]
    code, options = ("UNIDIRECTIONAL_SEQUENCE_RNN", "SequenceRNNOptions") if sequence else ("RNN", "RNNOptions")
    op = Op(code, ["x", "w", "r", "b", "h"], ["y"], options, {"FusedActivationFunction": 1})
    return _graph(code, op, [Tensor("x", [*lead, FEATURES])], held, [Tensor("y", [*lead, UNITS])])


def _bidirectional_rnn() -> Subgraph:
    held = []
    names = []
    for side in ("fw", "bw"):
        part = [
            Tensor(f"{side}_w", data=_w(UNITS, FEATURES)), Tensor(f"{side}_r", data=_w(UNITS, UNITS)),
            Tensor(f"{side}_b", data=_w(UNITS)), Tensor(f"{side}_h", [BATCH, UNITS], variable=True),
        ]  # fmt: skip
        held += part
        names += [tensor.name for tensor in part]
    op = Op("BIDIRECTIONAL_SEQUENCE_RNN", ["x", *names, "", "", ""], ["y"], "BidirectionalSequenceRNNOptions",
            {"FusedActivationFunction": 4, "MergeOutputs": True})  # fmt: skip
    shape = [BATCH, STEPS]
    return _graph("brnn", op, [Tensor("x", [*shape, FEATURES])], held, [Tensor("y", [*shape, 2 * UNITS])])


def _svdf() -> Subgraph:
    rank, memory = 2, 5
    held = [
        Tensor("features", data=_w(UNITS * rank, FEATURES)), Tensor("time", data=_w(UNITS * rank, memory)),
        Tensor("bias", data=_w(UNITS)), Tensor("state", [BATCH, memory * UNITS * rank], variable=True),
    ]  # fmt: skip
    op = Op("SVDF", ["x", "features", "time", "bias", "state"], ["y"], "SVDFOptions",
            {"Rank": rank, "FusedActivationFunction": 1})  # fmt: skip
    return _graph("svdf", op, [Tensor("x", [BATCH, FEATURES])], held, [Tensor("y", [BATCH, UNITS])])


def _basic_lstm() -> Subgraph:
    inputs = [Tensor("x", [BATCH, FEATURES]), Tensor("h", [BATCH, UNITS]), Tensor("c", [BATCH, UNITS])]
    held = [Tensor("w", data=_w(4 * UNITS, FEATURES + UNITS)), Tensor("b", data=_w(4 * UNITS))]
    outs = [
        Tensor("y", [BATCH, UNITS]), Tensor("state", [BATCH, UNITS]), Tensor("joined", [BATCH, FEATURES + UNITS]),
        Tensor("sums", [BATCH, 4 * UNITS]),
    ]  # fmt: skip
    op = Op("LSTM", ["x", "h", "w", "b", "c"], ["y", "state", "joined", "sums"], "LSTMOptions",
            {"KernelType": 1, "FusedActivationFunction": 4})  # fmt: skip
    graph = _graph("basic_lstm", op, inputs, held, outs)
    graph.outputs = ["y", "state"]
    return graph


def _detection(regular: bool, background: bool, per_anchor: int = 1) -> Subgraph:
    anchors, classes, limit = 9, 3, 5
    side = np.stack(np.meshgrid([0.2, 0.5, 0.8], [0.2, 0.5, 0.8], indexing="ij"), -1).reshape(-1, 2)
    held = Tensor("anchors", data=np.concatenate([side, np.full((9, 2), 0.4)], 1).astype(np.float32))
    b = flexbuffers.Builder()
    numbers = {
        "max_detections": limit, "max_classes_per_detection": per_anchor, "num_classes": classes,
        "detections_per_class": 4, "use_regular_nms": regular, "nms_iou_threshold": 0.3, "nms_score_threshold": 0.1,
        "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
    }  # fmt: skip
    with b.Map():
        for key, value in numbers.items():
            b.Key(key)
            b.Bool(value) if isinstance(value, bool) else b.Int(value) if isinstance(value, int) else b.Float(value)
    inputs = [Tensor("boxes", [1, anchors, 4]), Tensor("scores", [1, anchors, classes + background])]
    count = limit * per_anchor
    places = [Tensor(name, [1, count]) for name in ("classes", "best")]
    outs = [Tensor("y", [1, count, 4]), *places, Tensor("number", [1])]
    op = Op("custom:TFLite_Detection_PostProcess", ["boxes", "scores", "anchors"], [o.name for o in outs],
            custom=bytes(b.Finish()))  # fmt: skip
    return _graph("detection", op, inputs, [held], outs)


def _offset_slice() -> Subgraph:
    ends = {key: np.array(value, np.int32) for key, value in (("b", [1, 0]), ("e", [2, 3]), ("s", [1, 2]))}
    return _one("STRIDED_SLICE", [4, 5], ends, [2, 2], ("StridedSliceOptions", {"Offset": True}))


def _stablehlo() -> Subgraph:
    tensors = [Tensor("x", [2, 3]), Tensor("y", [2, 3])]
    chain = [
        ("STABLEHLO_ADD", ["x", "y"]), ("STABLEHLO_MULTIPLY", ["0", "y"]), ("STABLEHLO_MAXIMUM", ["1", "x"]),
        ("STABLEHLO_MINIMUM", ["2", "y"]),
    ]  # fmt: skip
    operators = [Op(code, inputs, [str(i)]) for i, (code, inputs) in enumerate(chain)]
    return Subgraph([*tensors, *(Tensor(str(i), [2, 3]) for i in range(len(chain)))], operators, ["x", "y"],
                    [str(len(chain) - 1)])  # fmt: skip


def cases() -> dict[str, Subgraph]:
    """Subgraphs by the key of their signature; all from one seed."""
    global _rng
    _rng = np.random.default_rng(5)
    pool = {"Padding": 0, "StrideW": 2, "StrideH": 1, "FilterWidth": 3, "FilterHeight": 2}
    transposed = {"Padding": 0, "StrideW": 2, "StrideH": 2, "FusedActivationFunction": 1}
    return {
        "lstm": _lstm(),
        "lstm_cifg": _lstm(cifg=True, time_major=True),
        "lstm_all": _lstm(peephole=True, projection=True, norm=True, clip=0.4),
        "lstm_cifg_peephole": _lstm(cifg=True, peephole=True, projection=True),
        "lstm_both_ways": _bidirectional_lstm(True),
        "lstm_two_outputs": _bidirectional_lstm(False),
        "lstm_auxiliary": _bidirectional_lstm(True, aux=True),
        "basic_lstm": _basic_lstm(),
        "rnn": _rnn(False),
        "rnn_sequence": _rnn(True),
        "rnn_both_ways": _bidirectional_rnn(),
        "svdf": _svdf(),
        "detection_fast": _detection(False, True),
        "detection_two_classes": _detection(False, False, 2),
        "detection_regular": _detection(True, True),
        "l2_pool": _one("L2_POOL_2D", [1, 4, 5, 2], {}, [1, 4, 3, 2], ("Pool2DOptions", pool)),
        "transposed_relu": _graph(
            "t",
            Op("TRANSPOSE_CONV", ["size", "w", "x", "b"], ["y"], "TransposeConvOptions", transposed),
            [Tensor("x", [1, 3, 4, 2])],
            [Tensor("size", data=np.array([1, 6, 8, 3], np.int32)), Tensor("w", data=_w(3, 3, 3, 2)),
             Tensor("b", data=_w(3))],
            [Tensor("y", [1, 6, 8, 3])],
        ),
        "fused_n1_to_1": _one(
            "MUL", [2, 3], {"c": _w(3, scale=3)}, [2, 3], ("MulOptions", {"FusedActivationFunction": 2})
        ),
        "softmax_beta": _one("SOFTMAX", [2, 3], {}, [2, 3], ("SoftmaxOptions", {"Beta": 2.5})),
        "l2_normalization": _one("L2_NORMALIZATION", [2, 3], {}, [2, 3], ("L2NormOptions", {})),
        "keep_dims": _one(
            "FULLY_CONNECTED", [2, 3, 4], {"w": _w(5, 4), "b": _w(5)}, [2, 3, 5],
            ("FullyConnectedOptions", {"KeepNumDims": True}),
        ),
        "fewer_rows": _one("FULLY_CONNECTED", [2, 3, 4], {"w": _w(5, 8)}, [3, 5], ("FullyConnectedOptions", {})),
        "offset_slice": _offset_slice(),
        "gelu": _one("GELU", [2, 3], {}, [2, 3], ("GeluOptions", {"Approximate": True})),
        "gelu_exact": _one("GELU", [2, 3], {}, [2, 3], ("GeluOptions", {"Approximate": False})),
        "relu_0_to_1": _one("RELU_0_TO_1", [2, 3], {}, [2, 3]),
        "stablehlo": _stablehlo(),
    }  # fmt: skip


def transpose_options(padding: int, stride_width: int, stride_height: int) -> bytes:
    """The options of MediaPipe's Convolution2DTransposeBias."""
    return struct.pack("<3i", padding, stride_width, stride_height)
