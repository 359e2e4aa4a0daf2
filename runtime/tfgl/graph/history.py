"""Which programs a model needed in earlier processes: built at load, before the first input."""

from __future__ import annotations

from collections.abc import Mapping

from tfgl_shaders.assembly import Source

from .. import __version__
from ..engine import Engine
from ..gl.known import KnownProgram
from ..ir.graph import Graph


class ProgramHistory:
    """The list of one model's programs in the program cache."""

    def __init__(self, graph: Graph, engine: Engine) -> None:
        self._engine = engine
        flags = engine.flags
        # With shapes baked in, a program serves one draw.
        self._on = flags.program_cache and not flags.shapes_as_constants
        self._model = _identity(graph, engine) if self._on else ""
        self._known: dict[Source, KnownProgram] = {}

    def build(self) -> None:
        """Build the programs that are known."""
        if self._on:
            self._known = {item.source: item for item in self._engine.programs.known.load(self._model)}
            self._engine.build(list(self._known.values()))

    def keep(self, needed: Mapping[Source, bytes]) -> None:
        """Write down the programs of the model's draws, each with the parameters of one, when one is not known yet."""
        new = {source: KnownProgram(source, block) for source, block in needed.items() if source not in self._known}
        if self._on and new:
            # The newest first: a list has its limit.
            self._known = {**new, **self._known}
            self._engine.programs.known.store(self._model, self._known.values())


def _identity(graph: Graph, engine: Engine) -> str:
    """A text that tells the graph from others, as far as that changes its programs; the values of weights do not."""
    flags = engine.flags
    lines = [__version__, str(flags.fusion), str(sorted(flags.fusions_off)), str(graph.signature)]
    for part in graph.parts:
        lines += [f"{node.name} {node.op} {' '.join(map(str, node.inputs))}" for node in part.nodes.values()]
        lines += [f"{name} {value.shape} {value.dtype}" for name, value in part.constants.items()]
    return "\n".join(lines)
