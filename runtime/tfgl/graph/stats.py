"""What a model's life cost so far, phase by phase."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..gl.footprint import Footprint

if TYPE_CHECKING:
    from ..engine import Engine

_RUNS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class ProgramCost:
    """One compiled program: link and first draw, in milliseconds; drivers differ in which of them compiles."""

    label: str
    link_ms: float
    first_draw_ms: float
    from_disk_cache: bool

    @property
    def compile_ms(self) -> float:
        """Link plus first draw."""
        return self.link_ms + self.first_draw_ms


@dataclass(frozen=True, slots=True)
class Conversions:
    """Draws that do nothing but move a tensor from one layout to the other, and the bytes that they write."""

    draws: int = 0
    bytes: int = 0


@dataclass(slots=True)
class ModelStats:
    """Times in milliseconds, measured on the host's clock.

    ``first_ms`` is the whole first inference, input upload to outputs on the
    device; texture creation, compilation and uploads inside it are also reported
    apart. ``run_ms`` holds later inferences, most recent last, until their draws
    are with the driver (reading an output waits for them; `tfgl.profile` and
    ``tfgl bench`` time that too); ``replays`` how many of them replayed a recording.
    ``programs`` has those built at load, too, because an earlier process needed them for this model; their time,
    ``build_ms``, is part of ``load_ms`` and of ``compile_ms``.

    ``fusions`` counts what each of `tfgl.flags.FUSIONS` did, at load and in the newest recording;
    ``conversions`` has that recording's changes of layout by direction: ``to_flat``, ``to_tiles``.
    ``footprint`` is what that recording needs of the device's memory at least, in bytes;
    ``peak_texture_bytes`` the most that textures of this engine took, those that waited for a taker included.
    """

    read_ms: float = 0.0
    graph_ms: float = 0.0
    build_ms: float = 0.0
    upload_ms: float = 0.0
    upload_bytes: int = 0
    texture_ms: float = 0.0
    textures: int = 0
    texture_bytes: int = 0
    peak_texture_bytes: int = 0
    programs: list[ProgramCost] = field(default_factory=list)
    first_ms: float | None = None
    run_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_RUNS_KEPT))
    replays: int = 0
    recordings: int = 0
    draws: int = 0
    fusions: dict[str, int] = field(default_factory=dict)
    conversions: Mapping[str, Conversions] = field(default_factory=dict)
    footprint: Footprint = field(default_factory=Footprint)
    folded: int = 0

    @property
    def load_ms(self) -> float:
        """Reading, graph work, programs that are known to be needed, and weight upload."""
        return self.read_ms + self.graph_ms + self.build_ms + self.upload_ms

    @property
    def compile_ms(self) -> float:
        """Link and first draw of every program that this model was the first to need."""
        return sum(program.compile_ms for program in self.programs)


class EngineMeter:
    """Differences of an engine's counters between two moments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._upload = (engine.upload_seconds, engine.upload_bytes)
        self._textures = (engine.pool.create_seconds, engine.pool.created, engine.pool.total_bytes)
        self._programs = len(engine.programs.programs)

    def add_to(self, stats: ModelStats) -> None:
        """Add what happened since this meter was made."""
        engine = self._engine
        stats.upload_ms += (engine.upload_seconds - self._upload[0]) * 1e3
        stats.upload_bytes += engine.upload_bytes - self._upload[1]
        stats.texture_ms += (engine.pool.create_seconds - self._textures[0]) * 1e3
        stats.textures += engine.pool.created - self._textures[1]
        stats.texture_bytes += engine.pool.total_bytes - self._textures[2]
        stats.peak_texture_bytes = engine.pool.peak_total_bytes
        for program in list(engine.programs.programs.values())[self._programs :]:
            stats.programs.append(
                ProgramCost(program.source.label, program.link_ms, program.first_draw_ms, program.from_disk)
            )
