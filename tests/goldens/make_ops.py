"""Writes ops.npz: what TensorFlow's CPU kernels give for the ops below with attributes away from their defaults.

    python tests/goldens/make_ops.py        # needs TensorFlow (2.19 made the file)
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("ops.npz")
Array = np.ndarray[Any, Any]
_rng = np.random.default_rng(0)

FLOATS = np.array([0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e30, -1e30, np.inf, -np.inf, np.nan, 3.7], np.float32)
INTS = np.array([0, 1, -1, 2, 3, -7, 46341, 2**24 + 1, 2**31 - 1, -(2**31), -(2**31) + 1], np.int32)
COLUMN = FLOATS[:, None]


def f(*shape: int) -> Array:
    return _rng.normal(size=shape).astype(np.float32)


def some(low: int, high: int, *shape: int) -> Array:
    return _rng.integers(low, high, shape).astype(np.int32)


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


def one(value: float) -> Array:
    return np.array(value, np.int32 if isinstance(value, int) else np.float32)


IMAGES, VOLUMES = f(1, 5, 6, 4), f(1, 3, 4, 5, 2)
LINES = (f(2, 8) + 1j * f(2, 8)).astype(np.complex64)
BOXES = np.sort(_rng.random((7, 2, 2)), axis=1).reshape(7, 4).astype(np.float32)
SCORES = _rng.random(7).astype(np.float32)
DIVISORS = INTS[(INTS != 0) & (INTS != -1)]
MAP = np.array([[1, 0.2, 0.5, -0.1, 0.9, 1, 0.01, 0]], np.float32)

# Op, its inputs in order (a list where the op takes any number), attributes.
ROWS: list[tuple[str, list[Any], dict[str, Any]]] = []


def row(op: str, *inputs: Any, **attrs: Any) -> None:
    ROWS.append((op, list(inputs), attrs))


_UNARY = """
    Abs Ceil Floor Round Rint Neg Sign Square Relu Relu6 Elu Selu Sigmoid Tanh Softplus Exp Expm1 Log Log1p
    Sqrt Rsqrt Reciprocal Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf IsNan IsInf IsFinite
    ZerosLike OnesLike Inv
"""
_UNARY_INTS = """
    Abs Neg Sign Square Relu
"""
_BINARY = """
    AddV2 Sub Mul Maximum Minimum SquaredDifference RealDiv Atan2 DivNoNan Xdivy MulNoNan Greater Less
    GreaterEqual LessEqual Equal NotEqual
"""
_BINARY_INTS = """
    AddV2 Sub Mul Maximum Minimum SquaredDifference Greater Equal BitwiseAnd BitwiseOr BitwiseXor
"""
_DIVISIONS = """
    FloorDiv FloorMod TruncateDiv TruncateMod Div
"""
for name in _UNARY.split():
    row(name, FLOATS)
for name in _UNARY_INTS.split():
    row(name, INTS)
row("LeakyRelu", FLOATS, alpha=0.3)
row("LogicalNot", np.array([True, False]))
for name in _BINARY.split():
    row(name, COLUMN, FLOATS[None])
for name in ("FloorMod", "FloorDiv", "Mod"):
    row(name, COLUMN[:11], np.array([3, -2, 0.7, -0.1], np.float32))
row("Pow", COLUMN, np.array([2, -1, 0.5, 3, 0], np.float32))
for name in _BINARY_INTS.split():
    row(name, INTS[:, None], INTS[None])
for name in _DIVISIONS.split():
    row(name, INTS[:, None], DIVISORS[None])
for name in ("LeftShift", "RightShift"):
    row(name, INTS[:, None], ints(0, 1, 5, 31))
row("Invert", INTS)
for name in ("LogicalAnd", "LogicalOr"):
    row(name, np.array([[True], [False]]), np.array([True, False]))
row("AddN", [f(2, 3), f(2, 3), f(2, 3)])
row("ApproximateEqual", f(5), f(5), tolerance=0.9)
row("Select", np.array([True, False]), f(2, 3), f(2, 3))
row("SelectV2", np.array([[True], [False]]), f(2, 3), f(3))
row("ClipByValue", FLOATS, one(-1.0), one(2.0))
for name in ("Sum", "Max", "Min", "Mean", "Prod"):
    for axes, keep in ((ints(1), True), (ints(0, 2), False), (ints(), False), (ints(-1), False)):
        row(name, f(3, 4, 5), axes, keep_dims=keep)
    row(name, some(-9, 9, 3, 4), ints(1))
for name in ("All", "Any"):
    row(name, f(3, 4) > 0, ints(1), keep_dims=True)
for name in ("ArgMax", "ArgMin"):
    row(name, np.round(f(3, 4, 5)), one(-2))
for name in ("Cumsum", "Cumprod"):
    for exclusive, reverse in ((False, False), (True, False), (False, True), (True, True)):
        row(name, f(3, 5), one(-1), exclusive=exclusive, reverse=reverse)
row("TopKV2", np.round(f(3, 9)), one(4))
row("Softmax", f(3, 4) * 5)
row("LogSoftmax", f(3, 4) * 5)
row("Bincount", some(0, 5, 9), one(4), f(9))
row("DenseBincount", some(0, 5, 2, 9), one(6), f(2, 9))
row("DenseBincount", some(0, 5, 2, 9), one(6), f(0), binary_output=True)
row("LowerBound", np.sort(f(2, 5)), f(2, 3))
row("UpperBound", np.sort(some(0, 4, 2, 5)), some(0, 4, 2, 3))
row("UnsortedSegmentSum", f(6, 3), some(-1, 4, 6), one(4))
row("SegmentSum", f(6, 3), ints(0, 0, 1, 3, 3, 3))
for padding in ("SAME", "VALID"):
    row("Conv2D", IMAGES, f(3, 2, 4, 5), strides=[1, 2, 1, 1], padding=padding, dilations=[1, 1, 2, 1])
    row("Conv2D", IMAGES, f(3, 2, 2, 6), strides=[1, 1, 1, 1], padding=padding)
    row("DepthwiseConv2dNative", IMAGES, f(3, 2, 4, 2), strides=[1, 2, 2, 1], padding=padding)
    row("DepthwiseConv2dNative", IMAGES, f(2, 2, 4, 2), strides=[1] * 4, padding=padding, dilations=[1, 2, 2, 1])
    for name in ("MaxPool", "AvgPool", "MaxPoolWithArgmax"):
        row(name, IMAGES, ksize=[1, 3, 2, 1], strides=[1, 2, 3, 1], padding=padding)
    row("MaxPoolV2", IMAGES, ints(1, 3, 2, 1), ints(1, 2, 3, 1), padding=padding)
    row("Dilation2D", IMAGES, f(3, 2, 4), strides=[1, 2, 1, 1], rates=[1, 1, 2, 1], padding=padding)
    row("Conv3D", VOLUMES, f(2, 3, 2, 2, 3), strides=[1, 1, 2, 2, 1], padding=padding)
    for name in ("MaxPool3D", "AvgPool3D"):
        row(name, VOLUMES, ksize=[1, 2, 3, 2, 1], strides=[1, 2, 1, 2, 1], padding=padding)
    size = (3, 3) if padding == "SAME" else (2, 3)
    gradient = f(1, *size, 5)
    row("Conv2DBackpropInput", ints(1, 5, 6, 4), f(3, 2, 4, 5), gradient, strides=[1, 2, 2, 1], padding=padding)
row("MaxPoolWithArgmax", f(2, 5, 6, 4), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME",
    include_batch_in_index=True)  # fmt: skip
frame = [0, 0, 1, 2, 0, 1, 0, 0]
row("Conv2D", IMAGES, f(3, 2, 4, 5), strides=[1, 1, 2, 1], padding="EXPLICIT", explicit_paddings=frame)
row("DepthwiseConv2dNative", IMAGES, f(3, 2, 4, 1), strides=[1] * 4, padding="EXPLICIT", explicit_paddings=frame)
row("Conv3DBackpropInputV2", ints(1, 3, 4, 5, 2), f(2, 3, 2, 2, 3), f(1, 2, 2, 3, 3), strides=[1, 2, 2, 2, 1],
    padding="SAME")  # fmt: skip
row("LRN", IMAGES, depth_radius=2, bias=1.5, alpha=0.3, beta=0.7)
row("BiasAdd", IMAGES, f(4))
row("BiasAdd", f(2, 3), f(3))
for name in ("ResizeBilinear", "ResizeNearestNeighbor"):
    for corners, half in ((False, False), (True, False), (False, True)):
        row(name, IMAGES, ints(4, 13), align_corners=corners, half_pixel_centers=half)
for method in ("bilinear", "nearest"):
    boxes = np.array([[0.1, 0.2, 0.9, 0.8], [-0.2, 0, 1.3, 1]], np.float32)
    row("CropAndResize", f(2, 5, 6, 3), boxes, ints(1, 0), ints(3, 4), method=method, extrapolation_value=-2.0)
for mode in ("CONSTANT", "WRAP"):
    row("ImageProjectiveTransformV3", IMAGES, MAP, ints(6, 5), one(3.0), interpolation="BILINEAR", fill_mode=mode)
row("ImageProjectiveTransformV2", IMAGES, MAP, ints(6, 5), interpolation="NEAREST")
row("BatchMatMulV2", f(2, 1, 3, 4), f(5, 4, 6))
row("BatchMatMulV2", f(2, 4, 3), f(2, 6, 4), adj_x=True, adj_y=True)
row("BatchMatMul", f(2, 3, 4), f(2, 4, 6))
row("MatMul", f(4, 3), f(5, 4), transpose_a=True, transpose_b=True)
row("MatMul", some(-9, 9, 3, 4), some(-9, 9, 4, 5))
row("Einsum", [f(2, 3, 4), f(4, 5)], equation="bij,jk->bik")
row("Einsum", [f(2, 3, 4)], equation="bij->jb")
row("MatrixBandPart", f(2, 4, 5), one(1), one(-1))
row("Transpose", f(2, 3, 4), ints(2, 0, 1))
row("Reshape", f(2, 6), ints(3, -1))
row("Squeeze", f(1, 3, 1), squeeze_dims=[0])
row("Squeeze", f(1, 3, 1))
row("ExpandDims", f(2, 3), one(-2))
pairs = np.array([[1, 0], [0, 2]], np.int32)
row("Pad", f(2, 3), pairs)
row("PadV2", f(2, 3), pairs, one(7.0))
for mode in ("REFLECT", "SYMMETRIC"):
    row("MirrorPad", f(3, 4), pairs, mode=mode)
row("SpaceToBatchND", f(2, 6, 8, 3), ints(2, 4), np.array([[0, 2], [4, 0]], np.int32))
row("BatchToSpaceND", f(8, 2, 3, 2), ints(2, 2), np.array([[0, 1], [1, 0]], np.int32))
row("DepthToSpace", f(2, 3, 4, 8), block_size=2)
row("SpaceToDepth", f(2, 4, 6, 3), block_size=2)
row("ConcatV2", [f(2, 3), f(2, 5)], one(-1))
row("Concat", one(1), [f(2, 3), f(2, 5)])
row("Pack", [f(2, 3), f(2, 3)], axis=-1)
row("Unpack", f(2, 3, 4), num=3, axis=1)
row("Split", one(-1), f(2, 6), num_split=3)
row("SplitV", f(2, 6), ints(1, -1, 2), one(1), num_split=3)
row("Slice", f(4, 5), ints(1, 2), ints(2, -1))
row("StridedSlice", f(4, 5, 6), ints(0, -1, 1), ints(3, -6, 0), ints(2, -2, 1), begin_mask=1, end_mask=4)
row("StridedSlice", f(4, 5, 6), ints(0, 1, 0), ints(0, 2, 0), ints(1, 1, 1), shrink_axis_mask=2, ellipsis_mask=1,
    new_axis_mask=4)  # fmt: skip
row("Gather", f(4, 3), some(0, 4, 2, 2))
row("GatherV2", f(2, 4, 3), some(0, 4, 2, 5), one(1), batch_dims=1)
row("GatherNd", f(3, 4, 5), some(0, 3, 2, 2))
row("ScatterNd", some(0, 4, 5, 1), f(5, 3), ints(4, 3))
for name in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub"):
    row(name, f(5, 3), ints(1, 4, 0).reshape(3, 1), f(3, 3))
row("SparseToDense", ints(0, 1, 2, 3).reshape(2, 2), ints(3, 5), f(2), one(-1.0))
row("SparseToDense", one(2), ints(4), one(3.0), one(-1.0))
row("Tile", f(2, 3), ints(2, 3))
row("Reverse", f(2, 3), np.array([True, False]))
row("ReverseV2", f(2, 3, 4), ints(-1, 0))
row("OneHot", some(-1, 4, 5), one(3), one(2.0), one(-1.0), axis=0)
row("OneHot", some(-1, 4, 2, 3), one(3), one(2), one(-1))
row("Fill", ints(2, 3), one(2.5))
row("Range", one(1.0), one(8.0), one(2.5))
row("Range", one(9), one(-3), one(-4))
row("LinSpace", one(1.0), one(3.0), one(5))
for name in ("Shape", "Size", "Rank"):
    row(name, f(2, 3))
row("ShapeN", [f(2, 3), f(1)])
row("BroadcastTo", f(3, 1), ints(2, 3, 4))
row("BroadcastArgs", ints(3, 1), ints(2, 1, 4))
row("Cast", np.array([1.7, -1.7, 0, 300.5], np.float32), DstT="int32")
row("Cast", FLOATS, DstT="bool")
row("Cast", INTS, DstT="float32")
row("Cast", np.array([True, False]), DstT="float32")
for name in ("FFT", "IFFT", "Real", "Imag", "ComplexAbs", "Conj"):
    row(name, LINES)
row("RFFT", f(2, 8), ints(6))
row("IRFFT", LINES[:, :5], ints(8))
row("Complex", f(3), f(3))
row("FakeQuantWithMinMaxVars", f(9), one(-1.0), one(2.0), num_bits=6, narrow_range=True)
row("Where", f(3, 4) > 0)
row("Unique", ints(3, 1, 3, 2, 1))
row("UniqueV2", ints(1, 2, 1, 2, 3, 4).reshape(3, 2), ints(0))
row("ListDiff", ints(1, 2, 3, 4, 2), ints(2, 9))
row("NonMaxSuppressionV2", BOXES, SCORES, one(4), one(0.3))
row("NonMaxSuppressionV3", BOXES, SCORES, one(6), one(0.3), one(0.4))
row("NonMaxSuppressionV4", BOXES, SCORES, one(6), one(0.3), one(0.4), pad_to_max_output_size=True)
row("NonMaxSuppressionV5", BOXES, SCORES, one(6), one(0.6), one(0.2), one(0.5))
row("SparseSegmentSum", f(5, 3), ints(0, 1, 4), ints(0, 0, 2))
row("SparseSegmentMean", f(5, 3), ints(0, 1, 4), ints(0, 0, 2))


def main() -> None:
    """Run every row and write the outputs, and the attributes with TensorFlow's defaults."""
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow.python.framework import op_def_registry

    def described(value: Any) -> Any:
        """An attribute as JSON: dtypes by the names of GraphDef."""
        return types_pb2.DataType.Name(value.as_datatype_enum) if isinstance(value, tf.DType) else value

    results: dict[str, Array] = {}
    attributes = []
    for number, (op, inputs, given) in enumerate(ROWS):
        definition, function = op_def_registry.get(op), getattr(tf.raw_ops, op)
        # Tensors, since arrays would be cast to the default dtype of the op.
        tensors = [list(map(tf.constant, v)) if isinstance(v, list) else tf.constant(v) for v in inputs]
        named = dict(zip(inspect.signature(function).parameters, tensors, strict=False))
        renamed = {"squeeze_dims": "axis"}
        run = function(**named, **{renamed.get(key, key): value for key, value in given.items()})
        outputs = list(run) if isinstance(run, (list, tuple)) else [run]
        results |= {f"{number}_{at}": output.numpy() for at, output in enumerate(outputs)}
        attrs: dict[str, Any] = {}
        for argument, value in zip(definition.input_arg, inputs, strict=True):
            first = np.asarray(value[0] if isinstance(value, list) else value)
            if argument.type_attr:
                attrs[argument.type_attr] = described(tf.as_dtype(first.dtype))
        for attr in definition.attr:
            if attr.name in given:
                value = given[attr.name]
                attrs[attr.name] = described(tf.as_dtype(value)) if attr.type == "type" else value
            elif attr.name not in attrs and attr.HasField("default_value"):
                kind = attr.default_value.WhichOneof("value")
                value = getattr(attr.default_value, kind)
                if kind == "type":
                    attrs[attr.name] = types_pb2.DataType.Name(value)
                elif kind in ("s", "i", "f", "b"):
                    attrs[attr.name] = value.decode() if kind == "s" else value
                elif kind == "list":
                    attrs[attr.name] = list(value.i)
        attributes.append({"op": op, "attrs": attrs, "outputs": len(outputs)})
    np.savez_compressed(FILE, attributes=np.array(json.dumps(attributes)), **results)
    print(f"{FILE}: {len(ROWS)} rows, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
