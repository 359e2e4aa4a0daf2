"""What is to be reached beside other runtimes in the same run: the one place that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """At most these shares of another runtime's time, and so many programs; None where nothing is asked."""

    cold_of_webgl: float | None = None
    steady_of_webgl: float | None = None
    steady_of_wasm: float | None = None
    programs: int | None = None

    def __str__(self) -> str:
        """The goal in a cell of a table."""
        parts = [
            f"{what} ≤ {share:.3g} × {peer}"
            for what, share, peer in (
                ("cold", self.cold_of_webgl, "WebGL"),
                ("steady", self.steady_of_webgl, "WebGL"),
                ("steady", self.steady_of_wasm, "wasm"),
            )
            if share is not None
        ]
        if self.programs is not None:
            parts.append(f"programs ≤ {self.programs}")
        return ", ".join(parts)

    def missed(self, ratios: Mapping[str, float | None], programs: int | None) -> list[str] | None:
        """What is not reached, in words; None where something that the goal needs was not measured.

        ``ratios`` are the peer's time over ours: "cold webgl", "steady webgl", "steady wasm".

        >>> Goal(cold_of_webgl=1 / 3, programs=25).missed({"cold webgl": 2.5}, 25)
        ['cold']
        """
        wanted = {
            "cold webgl": self.cold_of_webgl,
            "steady webgl": self.steady_of_webgl,
            "steady wasm": self.steady_of_wasm,
        }
        missed = []
        for name, share in wanted.items():
            if share is None:
                continue
            ratio = ratios.get(name)
            if ratio is None:
                return None
            if ratio * share < 1 - 1e-9:
                missed.append(name.split()[0])
        if self.programs is not None:
            if programs is None:
                return None
            if programs > self.programs:
                missed.append("programs")
        return missed


_THIRD_AND_HALF = Goal(cold_of_webgl=1 / 3, steady_of_webgl=1 / 2)

GOALS: Mapping[str, Goal] = {
    "MobileNetV2": Goal(cold_of_webgl=1 / 3, steady_of_webgl=1 / 2.5, programs=25),
    "ResNet50": Goal(steady_of_wasm=1.05),
    "EfficientNetB0": _THIRD_AND_HALF,
    "BERT-tiny": _THIRD_AND_HALF,
    "LSTM-unrolled": _THIRD_AND_HALF,
    "style-transfer": _THIRD_AND_HALF,
    "blazeface": _THIRD_AND_HALF,
    "movenet-lightning": Goal(cold_of_webgl=1 / 3, steady_of_webgl=1 / 2, programs=40),
    "faceres": Goal(cold_of_webgl=1 / 3, steady_of_wasm=1.05),
    "selfie": _THIRD_AND_HALF,
    "posenet": _THIRD_AND_HALF,
    "centernet": Goal(cold_of_webgl=1 / 3, steady_of_webgl=1 / 2, programs=60),
}

# With warm caches: the first inference after loading, and both together, over a steady one.
WARM_FIRST_OF_STEADY = 3
WARM_TOTAL_OF_STEADY = 10

# The geometric mean over ResNet50's distinct 1x1 and 3x3 convolutions, on two cores.
CONVOLUTIONS_GFLOP_PER_S = 20
