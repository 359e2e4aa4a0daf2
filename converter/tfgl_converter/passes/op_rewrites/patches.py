"""Patches of images: slices of them, side by side."""

from __future__ import annotations

from tfgl.ir.graph import Edge

from .registry import INT32, Place, Unfit, rewrite


@rewrite("ExtractImagePatches")
def extract_image_patches(place: Place) -> Edge | Unfit:
    """For each place of the window one strided slice of the padded images; the slices are the new channels in order."""
    windows = [[int(n) for n in place.attr(name, ())] for name in ("ksizes", "strides", "rates")]
    padding = place.attr("padding")
    if any(len(window) != 4 or min(window) < 1 for window in windows) or padding not in (b"SAME", b"VALID"):
        return Unfit("windows, strides and rates of four sizes and padding SAME or VALID")
    sizes, strides, rates = (window[1:3] for window in windows)
    # How far the last place of the window lies from the first.
    reach = [(size - 1) * rate for size, rate in zip(sizes, rates, strict=True)]
    images = place.inputs[0]
    if padding == b"SAME":
        pads = _same(place, strides, reach)
        if pads is None:
            return Unfit("images of known height and width, or strides of 1")
        if any(map(any, pads)):
            images = place.op("Pad", images, place.constant([[0, 0], *pads, [0, 0]], INT32), Tpaddings=INT32)
    parts = [
        _part(place, images, (rates[0] * row, rates[1] * column), reach, strides)
        for row in range(sizes[0])
        for column in range(sizes[1])
    ]
    return parts[0] if len(parts) == 1 else place.op("ConcatV2", *parts, place.scalar(-1), N=len(parts), Tidx=INT32)


def _same(place: Place, strides: list[int], reach: list[int]) -> list[list[int]] | None:
    """Zeros before and behind rows and columns, so that each stride finds a patch."""
    known = place.known_shape(0)
    pads = []
    for axis in (0, 1):
        size = known[1 + axis] if known is not None and len(known) == 4 else -1
        if size < 0 and strides[axis] > 1:
            return None
        behind = (size - 1) % strides[axis] if size > 0 else 0
        total = max(reach[axis] - behind, 0)
        pads.append([total // 2, total - total // 2])
    return pads


def _part(place: Place, images: Edge, start: tuple[int, int], reach: list[int], strides: list[int]) -> Edge:
    ends = [start[axis] - reach[axis] for axis in (0, 1)]
    # An end of 0 would be the beginning: the mask says that there is none.
    open_ends = sum(1 << 1 + axis for axis in (0, 1) if not ends[axis])
    return place.op(
        "StridedSlice", images, place.integers(0, *start, 0), place.integers(0, *ends, 0),
        place.integers(1, *strides, 1), Index=INT32, begin_mask=0b1001, end_mask=0b1001 | open_ends, ellipsis_mask=0,
        new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip
