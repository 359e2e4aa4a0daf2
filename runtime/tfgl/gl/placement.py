"""Which textures a recording's intermediates share: those that are never needed at the same time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from .textures import TextureShape

# A tensor in a texture much wider than itself lies scattered over memory, and its draws become slower.
_MOST_WIDER = 4


@dataclass(frozen=True, slots=True)
class Span:
    """What a recording needs of a texture: room for ``shape`` from draw ``first`` to draw ``last``, both included."""

    shape: TextureShape
    first: int
    last: int


def place(spans: Sequence[Span], held: Sequence[TextureShape] = ()) -> tuple[list[int], list[TextureShape]]:
    """The number of the texture for each span, and the shapes of the textures that ``held`` ones do not suffice for.

    Largest spans first, each into a texture that is free in that time and has room for it, or grows by less than
    another texture would take ("greedy by size": Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net
    Inference, 2020).

    >>> small, large = (TextureShape("float", 16, height, 0) for height in (3, 5))
    >>> place([Span(large, 0, 1), Span(small, 1, 2), Span(small, 2, 3)])
    ([0, 1, 0], [TextureShape(kind='float', width=16, height=5, layers=0, storage=''), \
TextureShape(kind='float', width=16, height=3, layers=0, storage='')])
    """
    textures = [_Planned(shape, grows=False) for shape in held]
    places = [0] * len(spans)
    for number in sorted(range(len(spans)), key=lambda n: (-spans[n].shape.bytes, spans[n].first)):
        span = spans[number]
        free = [
            (growth, texture.shape.bytes, at)
            for at, texture in enumerate(textures)
            if (growth := texture.growth(span)) is not None and growth < span.shape.bytes
        ]
        if free:
            at = min(free)[2]
        else:
            at = len(textures)
            textures.append(_Planned(span.shape, grows=True))
        textures[at].take(span)
        places[number] = at
    return places, [texture.shape for texture in textures[len(held) :]]


class _Planned:
    """A texture that is there already, or will be, and when it is taken."""

    def __init__(self, shape: TextureShape, *, grows: bool) -> None:
        self.shape = shape
        self._grows = grows
        self._narrowest = shape.width
        self._taken: list[tuple[int, int]] = []

    def growth(self, span: Span) -> int | None:
        """By how many bytes it must grow to take ``span``; None where it cannot."""
        wanted = span.shape
        if (wanted.kind, wanted.layers) != (self.shape.kind, self.shape.layers):
            return None
        joint = self._joint(wanted)
        too_wide = joint.width > _MOST_WIDER * min(wanted.width, self._narrowest)
        if too_wide or (joint != self.shape and not self._grows) or not self._is_free(span):
            return None
        return joint.bytes - self.shape.bytes

    def take(self, span: Span) -> None:
        """Give it to ``span``."""
        self.shape = self._joint(span.shape)
        self._narrowest = min(self._narrowest, span.shape.width)
        insort(self._taken, (span.first, span.last))

    def _joint(self, wanted: TextureShape) -> TextureShape:
        width, height = max(self.shape.width, wanted.width), max(self.shape.height, wanted.height)
        return TextureShape(wanted.kind, width, height, wanted.layers)

    def _is_free(self, span: Span) -> bool:
        after = bisect_left(self._taken, (span.first, -1))
        if after < len(self._taken) and self._taken[after][0] <= span.last:
            return False
        return after == 0 or self._taken[after - 1][1] < span.first
