"""Ops that the converter rewrites, on inputs that matter; goldens/make_op_goldens.py runs them in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphs import DataType, Edge, Graph, Node, Signature, TensorInfo

Array = np.ndarray[Any, Any]
GOLDENS = Path(__file__).parent / "goldens" / "op_goldens.npz"


@dataclass(frozen=True)
class Row:
    """One node: inputs by TensorFlow's argument names in its order, those of ``fixed`` constants of the graph."""

    op: str
    inputs: Mapping[str, Array]
    fixed: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    # The rewrite needs sizes; without this it must also do with none known.
    sized: bool = False
    outputs: int = 1
    rtol: float = 1e-5
    atol: float = 1e-6
    name: str = ""

    @property
    def key(self) -> str:
        return f"{self.op}-{self.name}" if self.name else self.op

    def graph(self, *, sized: bool) -> Graph:
        """The node over placeholders, whose shapes are stated or open, and constants."""
        nodes: dict[str, Node] = {}
        constants: dict[str, Array] = {}
        for name, value in self.inputs.items():
            if name in self.fixed:
                nodes[name] = Node(name, "Const", attrs={"dtype": DataType(str(value.dtype))})
                constants[name] = value
            else:
                shape = value.shape if sized else (-1,) * value.ndim
                nodes[name] = Node(name, "Placeholder", attrs={"dtype": _dtype(value), "shape": shape})
        first = next(iter(self.inputs.values()))
        attrs = {"T": _dtype(first), **{key: _attr(value) for key, value in self.attrs.items()}}
        nodes["result"] = Node("result", self.op, tuple(Edge(name) for name in self.inputs), (), attrs)
        inputs = {name: TensorInfo(f"{name}:0", _dtype(value)) for name, value in self.feeds.items()}
        outputs = {f"o{i}": TensorInfo(f"result:{i}") for i in range(self.outputs)}
        return Graph(nodes, constants=constants, signature=Signature(inputs, outputs))

    @property
    def feeds(self) -> dict[str, Array]:
        return {name: value for name, value in self.inputs.items() if name not in self.fixed}


def _dtype(value: Array) -> DataType:
    return DataType(str(value.dtype))


def _attr(value: Any) -> Any:
    return value.encode() if isinstance(value, str) and not isinstance(value, DataType) else value


def _random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _ints(*shape: int, low: int = -50, high: int = 50) -> Array:
    return np.random.default_rng(1).integers(low, high, shape).astype(np.int32)


EDGES = np.float32([0, -0.0, 1, -1, 0.5, -0.5, 2.5, -3.5, 1e-3, -1e-3, 30, -30, 1e4, np.inf, -np.inf, np.nan])
POSITIVE = np.float32([1e-3, 0.1, 0.5, 1, 1.5, 2, 2.5, 3, 7.25, 30, 200, 1e5])
INTS = np.int32([0, 1, -1, 5, -7, 100, -100, 2**31 - 1, -(2**31), 65536, -65535, 123456789])
OTHERS = np.int32([3, 3, 3, -2, 2, 7, -7, 10, 16, 65535, 255, 987654321])
PAIRS = np.stack(np.meshgrid(EDGES, EDGES), 0)
IMAGE = _random(2, 6, 8, 4)
FIRST = np.ascontiguousarray(IMAGE.transpose(0, 3, 1, 2))
SQUARE = _random(2, 3, 3) + 3 * np.eye(3, dtype=np.float32)
POSITIVE_DEFINITE = (SQUARE @ SQUARE.transpose(0, 2, 1)).astype(np.float32)
COMPLEX = (_random(3, 4) + 1j * _random(3, 4, seed=1)).astype(np.complex64)
FLOAT, INT = DataType("float32"), DataType("int32")


def _unary(*ops: str, x: Array = EDGES, **more: Any) -> list[Row]:
    return [Row(op, {"x": x}, **more) for op in ops]


def _binary(*ops: str, x: Array, y: Array, name: str = "", **more: Any) -> list[Row]:
    return [Row(op, {"x": x, "y": y}, name=name, **more) for op in ops]


def _diagonals() -> list[Row]:
    rows = []
    for k in ((0, 0), (1, 1), (-2, -2), (-1, 1), (0, 2)):
        for shape in ((2, 4, 5), (5, 3)):
            for align in ("RIGHT_LEFT", "LEFT_RIGHT"):
                name = f"{k[0]}_{k[1]}_{shape[-2]}_{align}"
                span = np.int32(k if k[0] != k[1] else k[0])
                x = _random(*shape)
                rows.append(Row("MatrixDiagPartV3", {"input": x, "k": span, "padding_value": np.float32(7)},
                                ("k", "padding_value"), {"align": align}, True, name=name))  # fmt: skip
                count = k[1] - k[0] + 1
                length = min(shape[-2] + min(k[1], 0), shape[-1] - max(k[0], 0))
                held = _random(*shape[:-2], *([count] if count > 1 else []), length)
                rows.append(Row("MatrixSetDiagV3", {"input": x, "diagonal": held, "k": span}, ("k",),
                                {"align": align}, True, name=name))  # fmt: skip
                rows.append(Row("MatrixDiagV3", {"diagonal": held, "k": span, "num_rows": np.int32(shape[-2]),
                                "num_cols": np.int32(shape[-1]), "padding_value": np.float32(-1)},
                                ("k", "num_rows", "num_cols", "padding_value"), {"align": align}, True,
                                name=name))  # fmt: skip
    return rows


def _channels_first() -> list[Row]:
    kernel, deep = _random(3, 2, 4, 5), _random(3, 2, 4, 2)
    conv = {"strides": [1, 1, 2, 1], "padding": "SAME", "data_format": "NCHW", "dilations": [1, 1, 1, 1]}
    pool = {"ksize": [1, 1, 2, 3], "strides": [1, 1, 2, 2], "padding": "VALID", "data_format": "NCHW"}
    pads = [0, 0, 0, 0, 1, 2, 0, 1]
    vector = np.abs(_random(4)) + 1
    norm = {"scale": vector, "offset": _random(4), "mean": _random(4, seed=1), "variance": vector}
    last = {**conv, "strides": [1, 2, 1, 1], "data_format": "NHWC"}
    return [
        *[Row("Conv2D", {"input": IMAGE, "filter": _random(3, 2, 4 // groups, 8)}, ("filter",), last, True,
              name=f"groups_{groups}", rtol=1e-4, atol=1e-5) for groups in (2, 4)],
        Row("Conv2D", {"input": FIRST, "filter": _random(3, 2, 2, 6)}, ("filter",), conv, True, name="first_groups",
            rtol=1e-4, atol=1e-5),
        Row("Conv2D", {"input": FIRST, "filter": kernel}, ("filter",), conv, name="first", rtol=1e-4, atol=1e-5),
        Row("Conv2D", {"input": FIRST, "filter": kernel}, ("filter",),
            {**conv, "padding": "EXPLICIT", "explicit_paddings": pads}, name="first_pads", rtol=1e-4, atol=1e-5),
        Row("DepthwiseConv2dNative", {"input": FIRST, "filter": deep}, ("filter",),
            {**conv, "strides": [1, 1, 2, 2]}, name="first", rtol=1e-4, atol=1e-5),
        Row("AvgPool", {"value": FIRST}, (), pool, name="first"),
        Row("MaxPool", {"input": FIRST}, (), pool, name="first"),
        Row("BiasAdd", {"value": FIRST, "bias": vector}, ("bias",), {"data_format": "NCHW"}, name="first", sized=True),
        Row("FusedBatchNormV3", {"x": FIRST, **norm}, tuple(norm),
            {"epsilon": 1e-3, "data_format": "NCHW", "is_training": False}, name="first"),
        Row("FusedBatchNormV3", {"x": IMAGE, **norm, "mean": np.float32([]), "variance": np.float32([])},
            ("scale", "offset", "mean", "variance"), {"epsilon": 1e-3, "is_training": True}, name="training", outputs=3,
            rtol=1e-4, atol=1e-5),
        Row("DepthToSpace", {"input": FIRST}, (), {"block_size": 2, "data_format": "NCHW"}, name="first"),
        Row("SpaceToDepth", {"input": FIRST}, (), {"block_size": 2, "data_format": "NCHW"}, name="first", sized=True),
        Row("SpaceToDepth", {"input": IMAGE}, (), {"block_size": 2}),
    ]  # fmt: skip


def _images() -> list[Row]:
    rows = []
    for size in ((3, 4), (9, 14), (1, 1)):
        for half in (False, True):
            rows.append(Row("ResizeBicubic", {"images": IMAGE, "size": np.int32(size)}, ("size",),
                            {"align_corners": False, "half_pixel_centers": half}, True,
                            name=f"{size[0]}_{half}", rtol=1e-4, atol=1e-5))  # fmt: skip
        rows.append(Row("ResizeArea", {"images": IMAGE, "size": np.int32(size)}, ("size",), {"align_corners": False},
                        True, name=f"{size[0]}", rtol=1e-4, atol=1e-5))  # fmt: skip
        for kernel in ("lanczos3", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"):
            rows.append(Row("ScaleAndTranslate", {"images": IMAGE, "size": np.int32(size),
                            "scale": np.float32([size[0] / 6, size[1] / 9]), "translation": np.float32([0.3, -1.2])},
                            ("size", "scale", "translation"), {"kernel_type": kernel, "antialias": kernel != "box"},
                            True, name=f"{size[0]}_{kernel}", rtol=1e-4, atol=1e-5))  # fmt: skip
    return rows


def _quantized() -> list[Row]:
    x = np.concatenate([_random(40) * 3, np.float32([0, 6, -6, 100, -100])])
    rows = []
    for low, high in ((-1.0, 1.0), (0.0, 6.0), (-3.0, 0.5), (1.0, 4.0), (-2.0, -1.0), (0.0, 0.0)):
        for narrow in (False, True):
            given = {"min": np.float32(low), "max": np.float32(high)}
            rows.append(Row("FakeQuantWithMinMaxVars", {"inputs": x, **given}, ("min", "max"),
                            {"num_bits": 8, "narrow_range": narrow}, name=f"{low}_{high}_{narrow}"))  # fmt: skip
            for signed in (False, True):
                attrs = {"signed_input": signed, "num_bits": 6, "range_given": True, "narrow_range": narrow}
                if signed or low >= 0:
                    rows.append(Row("QuantizeAndDequantizeV2",
                                    {"input": x, "input_min": given["min"], "input_max": given["max"]}, (), attrs,
                                    name=f"{low}_{high}_{narrow}_{signed}"))  # fmt: skip
    rows += [
        Row("FakeQuantWithMinMaxArgs", {"inputs": x}, (), {"min": -2.0, "max": 5.0, "num_bits": 4}),
        Row("FakeQuantWithMinMaxVarsPerChannel", {"inputs": x.reshape(15, 3), "min": np.float32([-1, 0, 0]),
            "max": np.float32([1, 0, 3])}, ("min", "max"), {"num_bits": 8}),
        Row("QuantizeAndDequantizeV2", {"input": x, "input_min": np.float32(0), "input_max": np.float32(0)}, (),
            {"signed_input": True, "num_bits": 8, "range_given": False}, name="own_range"),
        Row("QuantizeAndDequantizeV2", {"input": x, "input_min": np.float32(-3), "input_max": np.float32(2)}, (),
            {"signed_input": True, "num_bits": 8, "range_given": True, "round_mode": "HALF_UP"}, name="half_up"),
    ]  # fmt: skip
    return rows


_LOGITS = _random(4, 5)
_MODULI = np.float32([3, -2, 2.5, 1e3])
ROWS: list[Row] = [
    *_unary("Softsign", "Rint", "Inv", "Erfc", "Digamma"),
    *_unary("Erfc", x=np.linspace(-5, 5, 41).astype(np.float32), name="dense", rtol=2e-5),
    *_unary("Lgamma", x=EDGES, rtol=2e-5, atol=2e-6),
    *_unary("Lgamma", "Digamma", x=np.concatenate([POSITIVE, np.float32([-0.3, -1.7, -2.5, -7.9])]), name="dense",
            rtol=3e-5, atol=3e-6),
    *_unary("Erfinv", x=np.float32([0, 1e-6, -1e-6, 0.3, -0.5, 0.9, 0.999, -0.99999, 1, -1, 1.5, np.nan]), rtol=2e-5),
    *_unary("Ndtri", x=np.float32([0.5, 0.3, 0.001, 0.999, 0.9, 0, 1]), rtol=3e-5),
    *_binary("Xlogy", "Xlog1py", "Xdivy", x=PAIRS[0], y=PAIRS[1]),
    *_binary("MulNoNan", x=PAIRS[0], y=PAIRS[1]),
    *_binary("ApproximateEqual", x=np.float32([1, 1, 0]), y=np.float32([1.1, 1.000001, 1]), attrs={"tolerance": 1e-4}),
    *_binary("TruncateDiv", "TruncateMod", "Div", x=INTS, y=OTHERS, name="int"),
    *_binary("TruncateDiv", "TruncateMod", x=EDGES[:12, None], y=_MODULI),
    *_binary("BitwiseAnd", "BitwiseOr", "BitwiseXor", x=INTS, y=OTHERS),
    *_binary("BitwiseXor", x=_ints(2, 1, 3), y=_ints(4, 1), name="broadcast"),
    *_binary("BitwiseAnd", x=np.int32(-6), y=np.int32(11), name="scalars"),
    *_binary("BitwiseOr", x=np.zeros((0, 3), np.int32), y=np.zeros((0, 3), np.int32), name="empty"),
    *_unary("Invert", "PopulationCount", x=INTS),
    *_binary("LeftShift", "RightShift", x=INTS, y=np.int32([0, 1, 30, 5, 4, 3, 2, 1, 1, 7, 8, 9])),
    *_binary("LeftShift", "RightShift", x=INTS, y=np.int32(3), fixed=("y",), name="fixed"),
    Row("L2Loss", {"t": _random(3, 4, 2)}),
    Row("Cross", {"a": _random(4, 3), "b": _random(4, 3, seed=1)}),
    Row("Cross", {"a": _ints(3), "b": _ints(3) + 1}, name="int"),
    Row("NthElement", {"input": _random(3, 7), "n": np.int32(2)}, ("n",)),
    Row("NthElement", {"input": _random(3, 7), "n": np.int32(0)}, ("n",), {"reverse": True}, name="reverse"),
    *[Row("CumulativeLogsumexp", {"x": np.float32([[-1000, 0, 3], [5, -np.inf, 700], [2, 2, -800]]),
          "axis": np.int32(a)}, ("axis",), {"exclusive": e, "reverse": r}, name=f"{a}_{e}_{r}")
      for a in (0, -1) for e in (False, True) for r in (False, True)],
    Row("HistogramFixedWidth", {"values": np.float32([-1, 0, 1.5, 2, 5, 15, 4.99]), "value_range": np.float32([0, 5]),
        "nbins": np.int32(5)}, ("value_range", "nbins")),
    Row("SoftmaxCrossEntropyWithLogits", {"features": _LOGITS, "labels": np.abs(_random(4, 5, seed=2))}, outputs=2),
    Row("SparseSoftmaxCrossEntropyWithLogits", {"features": _LOGITS, "labels": np.int32([0, 4, 2, 2])}, outputs=2),
    Row("UniqueWithCounts", {"x": np.int32([3, 1, 3, 3, 8, 1])}, attrs={"out_idx": INT}, outputs=3),
    Row("MatrixDeterminant", {"input": SQUARE}, sized=True, rtol=1e-4),
    Row("MatrixInverse", {"input": SQUARE}, sized=True, rtol=1e-4, atol=1e-5),
    Row("MatrixInverse", {"input": SQUARE}, (), {"adjoint": True}, True, name="adjoint", rtol=1e-4, atol=1e-5),
    Row("MatrixSolve", {"matrix": SQUARE, "rhs": _random(2, 3, 4)}, sized=True, rtol=1e-4, atol=1e-5),
    Row("LogMatrixDeterminant", {"input": -SQUARE}, sized=True, outputs=2, rtol=1e-4),
    Row("Cholesky", {"input": POSITIVE_DEFINITE}, sized=True, rtol=1e-4, atol=1e-5),
    *[Row("MatrixTriangularSolve", {"matrix": SQUARE, "rhs": _random(2, 3, 4)}, (), {"lower": lower, "adjoint": turned},
          True, name=f"{lower}_{turned}", rtol=1e-4, atol=1e-5) for lower in (True, False) for turned in (True, False)],
    Row("FFT2D", {"input": (_random(2, 3, 4) + 1j * _random(2, 3, 4, seed=1)).astype(np.complex64)}, (),
        {"Tcomplex": DataType("complex64")}, rtol=1e-4, atol=1e-5),
    Row("IFFT2D", {"input": (_random(3, 4) + 1j * _random(3, 4, seed=1)).astype(np.complex64)}, (),
        {"Tcomplex": DataType("complex64")}, rtol=1e-4, atol=1e-5),
    Row("FFT3D", {"input": (_random(2, 3, 4) + 1j * _random(2, 3, 4, seed=1)).astype(np.complex64)}, (),
        {"Tcomplex": DataType("complex64")}, rtol=1e-4, atol=1e-5),
    Row("Diag", {"diagonal": _random(2, 3)}, sized=True),
    Row("DiagPart", {"input": _random(2, 3, 2, 3)}, sized=True),
    Row("Roll", {"input": _random(3, 4), "shift": np.int32([1, -5]), "axis": np.int32([0, 1])}, ("shift", "axis")),
    Row("InvertPermutation", {"x": np.int32([2, 0, 1, 3])}),
    Row("ReverseSequence", {"input": _random(3, 5, 2), "seq_lengths": np.int32([0, 2, 5])}, (),
        {"seq_dim": 1, "batch_dim": 0}),
    Row("Bucketize", {"input": _random(3, 4)}, (), {"boundaries": [-1.0, 0.0, 0.5]}),
    Row("MatrixDiag", {"diagonal": _random(2, 3)}),
    Row("MatrixDiagPart", {"input": _random(2, 3, 5)}),
    Row("MatrixDiagPart", {"input": _random(5, 3)}, name="tall"),
    Row("RGBToHSV", {"images": np.abs(_random(4, 3))}, rtol=1e-4, atol=1e-5),
    Row("BatchMatMulV3", {"x": _random(2, 3, 4), "y": _random(2, 4, 5)}, (), {"Ta": FLOAT, "Tb": FLOAT, "Tout": FLOAT},
        rtol=1e-4, atol=1e-5),
    Row("TensorScatterAdd", {"tensor": _random(4, 2), "indices": np.int32([[0], [0], [3]]), "updates": _random(3, 2)}),
    Row("TensorScatterSub", {"tensor": _random(4, 2), "indices": np.int32([[1]]), "updates": _random(1, 2)}),
    *[Row("MatrixBandPart", {"input": _random(2, 4, 5), "num_lower": np.int32(low), "num_upper": np.int32(high)},
          ("num_lower", "num_upper"), name=f"{low}_{high}") for low in (-1, 0, 2) for high in (-1, 0, 1)],
    Row("MatrixBandPart", {"input": EDGES.reshape(4, 4), "num_lower": np.int32(-1), "num_upper": np.int32(0)},
        name="computed"),
    Row("Roll", {"input": _random(3, 4), "shift": np.int32([1, -5]), "axis": np.int32([0, 1])}, ("axis",),
        name="computed"),
    Row("Roll", {"input": _random(3, 4), "shift": np.int32(2), "axis": np.int32(-1)}, ("axis",), name="scalar"),
    Row("Diag", {"diagonal": _random(5)}, name="vector"),
    *_binary("TanhGrad", "SigmoidGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", x=_random(3, 4) ** 2 + 1,
             y=_random(3, 4)),
    *_binary("ReluGrad", "Relu6Grad", "LeakyReluGrad", "EluGrad", "SeluGrad", "SoftplusGrad", "SoftsignGrad",
             x=_random(3, 4), y=4 * _random(3, 4, seed=3)),
    Row("BiasAddGrad", {"out_backprop": IMAGE}),
    Row("RFFT2D", {"input": _random(2, 4, 8), "fft_length": np.int32([4, 8])}, ("fft_length",),
        {"Tcomplex": DataType("complex64"), "Treal": FLOAT}, True, rtol=1e-4, atol=1e-5),
    *[Row(f"TensorScatter{kind}", {"tensor": _random(4, 2), "indices": np.int32([[0], [0], [3]]),
          "updates": _random(3, 2, seed=5)}, sized=True) for kind in ("Max", "Min")],
    Row("TensorScatterMax", {"tensor": _ints(4, 2), "indices": np.int32([[1], [3]]), "updates": _ints(2, 2)},
        sized=True, name="int"),
    Row("Slice", {"input": COMPLEX, "begin": np.int32([0, 1]), "size": np.int32([-1, 2])}, ("begin", "size")),
    Row("ReverseV2", {"tensor": COMPLEX, "axis": np.int32([1])}, ("axis",)),
    *_diagonals(),
    *_channels_first(),
    *_images(),
    *_quantized(),
]  # fmt: skip


def golden(row: Row) -> list[Array]:
    """What TensorFlow returns for ``row``."""
    with np.load(GOLDENS) as archive:
        return [archive[f"{row.key}:{i}"] for i in range(row.outputs)]
