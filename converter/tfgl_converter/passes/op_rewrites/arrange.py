"""Ops that move data: rolls, blocks, permutations."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, DataType, Edge

from .layouts import channels_first
from .registry import INT32, Place, Unfit, rewrite


@rewrite("SpaceToDepth")
def space_to_depth(place: Place) -> Edge | Unfit:
    """Blocks of height and width move into the channels."""
    if channels_first(place):
        return _in_channels_first(place)
    block = int(place.attr("block_size", 0))
    known = place.known_shape(0)
    if known is not None and len(known) == 4 and min(known[1:]) > 0:
        _, height, width, depth = known
        split = place.integers(-1, height // block, block, width // block, block, depth)
        joined = place.integers(-1, height // block, width // block, block * block * depth)
    else:
        by = place.scalar(block)
        batch, height_e, width_e, depth_e = (place.size(0, axis) for axis in range(4))
        rows = place.op("FloorDiv", height_e, by, dtype=INT32)
        columns = place.op("FloorDiv", width_e, by, dtype=INT32)
        deep = place.op("Mul", depth_e, place.scalar(block * block), dtype=INT32)
        split = place.pack(batch, rows, by, columns, by, depth_e)
        joined = place.pack(batch, rows, columns, deep)
    blocks = place.op("Reshape", place.inputs[0], split, Tshape=INT32)
    moved = place.op("Transpose", blocks, place.integers(0, 1, 3, 2, 4, 5), Tperm=INT32)
    return place.op("Reshape", moved, joined, Tshape=INT32)


def _in_channels_first(place: Place) -> Edge | Unfit:
    """Blocks of the last two axes move before the channels: the offset in the block counts most."""
    block, known = int(place.attr("block_size", 0)), place.known_shape(0)
    if known is None or len(known) != 4 or min(known[1:]) <= 0:
        return Unfit("known sizes")
    _, depth, height, width = known
    rows, columns = height // block, width // block
    split = place.integers(-1, depth, rows, block, columns, block)
    blocks = place.op("Reshape", place.inputs[0], split, Tshape=INT32)
    turned = place.op("Transpose", blocks, place.integers(0, 3, 5, 1, 2, 4), Tperm=INT32)
    return place.op("Reshape", turned, place.integers(-1, block * block * depth, rows, columns), Tshape=INT32)


@rewrite("SpaceToBatch", "BatchToSpace")
def batch_blocks(place: Place) -> Edge:
    """The ops of N dimensions, with one block size for both."""
    block = int(place.attr("block_size", 2))
    x, frame = place.inputs
    types = {"Tblock_shape": INT32, "Tcrops" if place.node.op == "BatchToSpace" else "Tpaddings": INT32}
    return place.op(f"{place.node.op}ND", x, place.integers(block, block), frame, **types)


@rewrite("Roll")
def roll(place: Place) -> Edge | Unfit:
    """A gather along each axis."""
    shifts, axes = place.value(1), place.value(2)
    if axes is None:
        return Unfit("constant axes")
    x = place.inputs[0]
    for number, axis in enumerate(axes.reshape(-1).tolist()):
        if shifts is not None:
            by = place.scalar(int(shifts.reshape(-1)[number % shifts.size]))
        else:
            by = place.at(place.inputs[1], number) if axes.ndim else place.inputs[1]
        count = place.size(0, int(axis))
        moved = place.op("Sub", place.range(count), by, dtype=INT32)
        source = place.op("FloorMod", moved, count, dtype=INT32)
        x = _gather(place, x, source, int(axis))
    return x


@rewrite("ReverseSequence")
def reverse_sequence(place: Place) -> Edge | Unfit:
    """Positions before each row's length run backwards, the others stay."""
    batch, along = int(place.attr("batch_dim", 0)), int(place.attr("seq_dim", 1))
    known = place.known_shape(0)
    if known is not None:
        batch, along = batch % len(known), along % len(known)
    x, lengths = place.inputs
    order = None
    if (batch, along) != (0, 1):
        if known is None:
            return Unfit("an input of known rank")
        order = [batch, along, *(axis for axis in range(len(known)) if axis not in (batch, along))]
        x = place.op("Transpose", x, place.integers(*order), Tperm=INT32)
    steps = place.range(place.size(0, along))
    ends = place.expand(lengths, 1, INT32)
    mirrored = place.op("Sub", place.op("Sub", ends, place.scalar(1), dtype=INT32), steps, dtype=INT32)
    inside = place.op("Less", steps, ends, dtype=INT32)
    result = _gather(place, x, place.op("SelectV2", inside, mirrored, steps, dtype=INT32), 1, batch_dims=1)
    if order is None:
        return result
    return place.op(
        "Transpose", result, place.integers(*(order.index(axis) for axis in range(len(order)))), Tperm=INT32
    )


def _gather(place: Place, x: Edge, indices: Edge, axis: int, batch_dims: int = 0) -> Edge:
    attrs: dict[str, AttrValue] = {"Tparams": place.dtype, "Tindices": INT32, "Taxis": INT32, "batch_dims": batch_dims}
    return place.plain("GatherV2", x, indices, place.scalar(axis), attrs=attrs)


@rewrite("InvertPermutation")
def invert_permutation(place: Place) -> Edge:
    """The position of each number."""
    (x,) = place.inputs
    count = place.size(0, 0)
    positions = place.expand(x, 1, INT32)
    return place.op("ScatterNd", positions, place.range(count), place.shape(x), dtype=INT32, Tindices=INT32)


@rewrite("Empty")
def empty(place: Place) -> Edge | Unfit:
    """Zeros."""
    dtype = place.attr("dtype")
    if not isinstance(dtype, DataType) or dtype.stored not in ("float32", "int32", "bool"):
        return Unfit("numbers or booleans")
    return place.op("Fill", place.inputs[0], place.constant(0, dtype), dtype=dtype, index_type=INT32)


@rewrite("TopK")
def top_k(place: Place) -> list[Edge]:
    """TopKV2 with the number as an input."""
    found = place.op(
        "TopKV2", place.inputs[0], place.scalar(int(place.attr("k", 1))), sorted=place.attr("sorted", True)
    )
    return [found, Edge(found.node, 1)]
