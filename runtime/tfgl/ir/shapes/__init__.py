"""Pure shape rules: the shape of a kernel's result, and which arguments are impossible; nothing of GL."""

from __future__ import annotations

from .axes import (
    Shape,
    broadcast_shapes,
    broadcast_to_shape,
    normalize_axes,
    normalize_axis,
    reduced_shape,
    shape_text,
    strides_of,
    transposed_shape,
)
from .contraction import Einsum, batch_matmul_shape, parse_einsum
from .convolution import (
    Convolution,
    conv2d_geometry,
    conv2d_transpose_geometry,
    conv3d_geometry,
    conv3d_transpose_geometry,
    pool2d_geometry,
    pool3d_geometry,
)
from .image import crop_and_resize_shape, nearest_sources, resize_scale, resize_scales, resize_shape
from .indexing import Gather, gather, gather_nd_shape, one_hot_shape, scatter_nd_dims, top_k_shape
from .joining import concat_shape, pack_shape, pad_shape, split_sizes, tile_shape, unpack_shape
from .rearrangement import (
    Rearrangement,
    batch_to_space,
    depth_to_space_shape,
    expand_dims_shape,
    range_length,
    reshape,
    space_to_batch,
)
from .slicing import StridedSlice, slice_bounds, strided_slice_plan

__all__ = [
    "Convolution",
    "Einsum",
    "Gather",
    "Rearrangement",
    "Shape",
    "StridedSlice",
    "batch_matmul_shape",
    "batch_to_space",
    "broadcast_shapes",
    "broadcast_to_shape",
    "concat_shape",
    "conv2d_geometry",
    "conv2d_transpose_geometry",
    "conv3d_geometry",
    "conv3d_transpose_geometry",
    "crop_and_resize_shape",
    "depth_to_space_shape",
    "expand_dims_shape",
    "gather",
    "gather_nd_shape",
    "nearest_sources",
    "normalize_axes",
    "normalize_axis",
    "one_hot_shape",
    "pack_shape",
    "pad_shape",
    "parse_einsum",
    "pool2d_geometry",
    "pool3d_geometry",
    "range_length",
    "reduced_shape",
    "reshape",
    "resize_scale",
    "resize_scales",
    "resize_shape",
    "scatter_nd_dims",
    "shape_text",
    "slice_bounds",
    "space_to_batch",
    "split_sizes",
    "strided_slice_plan",
    "strides_of",
    "tile_shape",
    "top_k_shape",
    "transposed_shape",
    "unpack_shape",
]
