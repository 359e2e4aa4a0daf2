"""What a recording needs of the device's memory at least."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .recording import Buffer, Draw, Lifetimes


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of texels that hold data, by what holds them.

    ``weights``: what draws read and no draw writes, inputs apart. ``live``: the largest sum of inputs, intermediates
    and outputs that are needed at one draw. No run needs less than both together.

    >>> Footprint(weights=64, live=32).least
    96
    """

    weights: int = 0
    live: int = 0

    @property
    def least(self) -> int:
        """Bytes that a run needs at least."""
        return self.weights + self.live


def footprint_of(draws: Sequence[Draw], inputs: Iterable[Buffer], outputs: Iterable[Buffer]) -> Footprint:
    """The footprint of ``draws``; inputs, which are the caller's, live all the time, and outputs up to the end.

    >>> footprint_of([], [], [])
    Footprint(weights=0, live=0)
    """
    fed = {id(buffer): buffer for buffer in inputs}
    lives = Lifetimes.of(draws)
    buffers, first = lives.buffers, lives.first
    last = lives.last | {id(buffer): len(draws) - 1 for buffer in outputs}
    weights = sum(buffer.bytes for key, buffer in buffers.items() if key not in first and key not in fed)
    change = [0] * (len(draws) + 1)
    for key, start in first.items():
        if key not in fed:
            change[start] += buffers[key].bytes
            change[last[key] + 1] -= buffers[key].bytes
    alive = most = sum(buffer.bytes for buffer in fed.values())
    for difference in change:
        alive += difference
        most = max(most, alive)
    return Footprint(weights, most)
