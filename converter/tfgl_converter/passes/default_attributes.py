"""Attributes that exporters leave out because TensorFlow knows their defaults; TensorFlow.js does not."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfgl.ir.graph import DataType, Graph

from .rewriting import PassContext, Rewritten

_LAYOUT: dict[str, Any] = {"data_format": b"NHWC"}
_CONVOLUTION: dict[str, Any] = {**_LAYOUT, "explicit_paddings": [], "dilations": [1, 1, 1, 1]}
_NORM: dict[str, Any] = {**_LAYOUT, "epsilon": 1e-4, "is_training": True}
_REDUCTION: dict[str, Any] = {"keep_dims": False}
_SCAN: dict[str, Any] = {"exclusive": False, "reverse": False}
_PRODUCT: dict[str, Any] = {"adj_x": False, "adj_y": False}
_RESIZE: dict[str, Any] = {"align_corners": False, "half_pixel_centers": False}
_VOLUME: dict[str, Any] = {"data_format": b"NDHWC"}

# From the op definitions of TensorFlow 2.19.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Conv2D": _CONVOLUTION,
    "DepthwiseConv2dNative": _CONVOLUTION,
    "Conv2DBackpropInput": _CONVOLUTION,
    "Conv3D": {**_VOLUME, "dilations": [1, 1, 1, 1, 1]},
    "_FusedConv2D": {**_CONVOLUTION, "epsilon": 1e-4, "leakyrelu_alpha": 0.2},
    "MaxPool": {**_LAYOUT, "explicit_paddings": []},
    "MaxPoolV2": _LAYOUT,
    "MaxPoolWithArgmax": {"include_batch_in_index": False},
    "AvgPool": _LAYOUT,
    "MaxPool3D": _VOLUME,
    "AvgPool3D": _VOLUME,
    "BiasAdd": _LAYOUT,
    "FusedBatchNorm": _NORM,
    "FusedBatchNormV2": _NORM,
    "FusedBatchNormV3": _NORM,
    "DepthToSpace": _LAYOUT,
    "SpaceToDepth": _LAYOUT,
    "LRN": {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.2},
    "MatMul": {"transpose_a": False, "transpose_b": False},
    "BatchMatMul": _PRODUCT,
    "BatchMatMulV2": _PRODUCT,
    "BatchMatMulV3": _PRODUCT,
    **{op: _REDUCTION for op in ("Sum", "Mean", "Prod", "Max", "Min", "All", "Any", "EuclideanNorm")},
    "Cumsum": _SCAN,
    "Cumprod": _SCAN,
    "Cast": {"Truncate": False},
    "ResizeBilinear": _RESIZE,
    "ResizeNearestNeighbor": _RESIZE,
    "CropAndResize": {"method": b"bilinear", "extrapolation_value": 0.0},
    "ImageProjectiveTransformV3": {"fill_mode": b"CONSTANT"},
    "ArgMax": {"output_type": DataType("int64")},
    "ArgMin": {"output_type": DataType("int64")},
    "OneHot": {"axis": -1},
    "Pack": {"axis": 0},
    "Unpack": {"axis": 0},
    "GatherV2": {"batch_dims": 0},
    "Squeeze": {"squeeze_dims": []},
    "StridedSlice": {
        "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0,
    },
    "TopKV2": {"sorted": True},
    "Shape": {"out_type": DataType("int32")},
    "ShapeN": {"out_type": DataType("int32")},
    "Size": {"out_type": DataType("int32")},
    "Unique": {"out_idx": DataType("int32")},
    "UniqueV2": {"out_idx": DataType("int32")},
    "ListDiff": {"out_idx": DataType("int32")},
    "Range": {"Tidx": DataType("int32")},
    "LowerBound": {"out_type": DataType("int32")},
    "UpperBound": {"out_type": DataType("int32")},
    "NonMaxSuppressionV4": {"pad_to_max_output_size": False},
    "NonMaxSuppressionV5": {"pad_to_max_output_size": False},
    "RandomUniform": {"seed": 0, "seed2": 0},
    "RandomUniformInt": {"seed": 0, "seed2": 0},
    "RandomStandardNormal": {"seed": 0, "seed2": 0},
    "TruncatedNormal": {"seed": 0, "seed2": 0},
    "Multinomial": {"seed": 0, "seed2": 0},
    "SparseToDense": {"validate_indices": True},
    "DenseBincount": {"binary_output": False},
    "StringSplit": {"skip_empty": True},
    "StaticRegexReplace": {"replace_global": True},
    "ReverseSequence": {"batch_dim": 0},
    "TensorArrayV3": {
        "element_shape": None, "dynamic_size": False, "clear_after_read": True, "identical_element_shapes": False,
        "tensor_array_name": b"",
    },
    "TensorArrayGatherV3": {"element_shape": None},
    "TensorArrayConcatV3": {"element_shape_except0": None},
    "TensorListStack": {"num_elements": -1},
    "TensorListSetItem": {"resize_if_index_out_of_bounds": False},
    "Enter": {"is_constant": False, "parallel_iterations": 10},
    "FakeQuantWithMinMaxVars": {"num_bits": 8, "narrow_range": False},
}  # fmt: skip


def fill_default_attributes(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with TensorFlow's defaults written out, where TensorFlow.js has none or others."""
    count = 0
    nodes = {}
    for name, node in graph.nodes.items():
        missing = {key: value for key, value in DEFAULTS.get(node.op, {}).items() if key not in node.attrs}
        if missing:
            count += 1
            node = dataclasses.replace(node, attrs={**node.attrs, **missing})
        nodes[name] = node
    return Rewritten(graph.replace(nodes=nodes) if count else graph, count)
