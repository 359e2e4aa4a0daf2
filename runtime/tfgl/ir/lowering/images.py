"""Resizing, cropping and warping of images."""

from __future__ import annotations

from ...errors import InvalidArgumentError
from .call import Call, Value
from .registry import lower


@lower("ResizeBilinear", inputs=2, kernels=("ResizeBilinear", "Cast"), host=(1,))
@lower("ResizeNearestNeighbor", inputs=2, kernels=("ResizeNearestNeighbor",), host=(1,))
def resize(call: Call) -> Value:
    """images (batch, height, width, channels); bilinear results are float32 whatever comes in."""
    images, size = call.inputs[0], call.host_integers(1)
    if len(size) != 2 or min(size) < 1:
        raise InvalidArgumentError(f"size must be a height and a width, both positive, got {size}")
    if call.node.op == "ResizeBilinear" and images.dtype != "float32":
        images = call.one("Cast", {"x": images}, dtype="float32")
    return call.one(
        call.node.op,
        {"images": images},
        alignCorners=call.flag("align_corners"),
        halfPixelCenters=call.flag("half_pixel_centers"),
        size=size,
    )


@lower("CropAndResize", inputs=4, kernels=("CropAndResize", "Cast"), host=(3,))
def crop_and_resize(call: Call) -> Value:
    """Boxes (count, 4) of y1, x1, y2, x2 as fractions, each from the image that box_ind names."""
    image, boxes, box_ind, _ = call.inputs
    if image.dtype != "float32":
        image = call.one("Cast", {"x": image}, dtype="float32")
    return call.one(
        "CropAndResize",
        {"image": image, "boxes": boxes, "boxInd": box_ind},
        cropSize=call.host_integers(3),
        method=call.text("method", "bilinear"),
        extrapolationValue=call.number("extrapolation_value", 0.0),
    )


@lower("ImageProjectiveTransformV2", inputs=3, kernels=("Transform",), host=(2,))
@lower("ImageProjectiveTransformV3", inputs=4, kernels=("Transform",), host=(2, 3))
def transform(call: Call) -> Value:
    """A projective map per image; fill_mode says what lies beyond the edges."""
    image, transforms = call.inputs[:2]
    return call.one(
        "Transform",
        {"image": image, "transforms": transforms},
        interpolation=call.text("interpolation").lower(),
        fillMode=call.text("fill_mode", "CONSTANT").lower(),
        fillValue=float(call.host_scalar(3)) if len(call.inputs) > 3 else 0.0,
        outputShape=call.host_integers(2),
    )
