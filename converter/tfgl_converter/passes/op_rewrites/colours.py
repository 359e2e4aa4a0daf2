"""Colour spaces: TensorFlow's own formulas as elementwise ops on the three channels."""

from __future__ import annotations

from tfgl.ir.graph import Edge

from .registry import Place, rewrite

Three = tuple[Edge, Edge, Edge]


@rewrite("RGBToHSV")
def rgb_to_hsv(place: Place) -> Edge:
    """Hue, saturation and value, each from 0 to 1."""
    return _joined(place, _to_hsv(place, _channels(place)))


@rewrite("HSVToRGB")
def hsv_to_rgb(place: Place) -> Edge:
    """Red, green and blue."""
    return _joined(place, _to_rgb(place, _channels(place)))


@rewrite("AdjustHue")
def adjust_hue(place: Place) -> Edge:
    """The hue turned by a part of the circle."""
    hue, saturation, value = _to_hsv(place, _channels(place))
    turned = place.op("FloorMod", place.op("AddV2", hue, place.inputs[1]), place.constant(1))
    return _joined(place, _to_rgb(place, (turned, saturation, value)))


@rewrite("AdjustSaturation")
def adjust_saturation(place: Place) -> Edge:
    """The saturation times a factor, at most 1."""
    hue, saturation, value = _to_hsv(place, _channels(place))
    scaled = _unit(place, place.op("Mul", saturation, place.inputs[1]))
    return _joined(place, _to_rgb(place, (hue, scaled, value)))


def _channels(place: Place) -> Three:
    parts = place.op("Unpack", place.inputs[0], num=3, axis=-1)
    return parts, Edge(parts.node, 1), Edge(parts.node, 2)


def _joined(place: Place, channels: Three) -> Edge:
    return place.op("Pack", *channels, N=3, axis=-1)


def _unit(place: Place, x: Edge) -> Edge:
    return place.op("Minimum", place.op("Maximum", x, place.constant(0)), place.constant(1))


def _to_hsv(place: Place, rgb: Three) -> Three:
    red, green, blue = rgb
    zero, one = place.constant(0), place.constant(1)
    value = place.op("Maximum", place.op("Maximum", red, green), blue)
    span = place.op("Sub", value, place.op("Minimum", place.op("Minimum", red, green), blue))
    saturation = place.op("SelectV2", place.op("Greater", value, zero), place.op("RealDiv", span, value), zero)
    unit = place.op("RealDiv", one, place.op("Mul", place.constant(6), span))

    def part(a: Edge, b: Edge, base: float) -> Edge:
        return place.op("AddV2", place.op("Mul", unit, place.op("Sub", a, b)), place.constant(base))

    of_green_or_blue = place.op(
        "SelectV2", place.op("Equal", green, value), part(blue, red, 2 / 6), part(red, green, 4 / 6)
    )
    hue = place.op("SelectV2", place.op("Equal", red, value), part(green, blue, 0), of_green_or_blue)
    hue = place.op("SelectV2", place.op("Greater", span, zero), hue, zero)
    return place.op("SelectV2", place.op("Less", hue, zero), place.op("AddV2", hue, one), hue), saturation, value


def _to_rgb(place: Place, hsv: Three) -> Three:
    hue, saturation, value = hsv
    turned = place.op("Mul", hue, place.constant(6))
    rest = place.op("Sub", place.constant(1), saturation)

    def distance(centre: int) -> Edge:
        return place.op("Abs", place.op("Sub", turned, place.constant(centre)))

    def channel(share: Edge) -> Edge:
        mixed = place.op("AddV2", rest, place.op("Mul", saturation, _unit(place, share)))
        return place.op("Mul", mixed, value)

    return (
        channel(place.op("Sub", distance(3), place.constant(1))),
        channel(place.op("Sub", place.constant(2), distance(2))),
        channel(place.op("Sub", place.constant(2), distance(4))),
    )
