"""Which programs a model needed in earlier processes: built at load, before the first input."""

from __future__ import annotations

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
        self._before = len(engine.programs.programs)
        self._known: frozenset[object] = frozenset()

    def build(self) -> None:
        """Build the programs that are known."""
        if self._on:
            listed = self._engine.programs.known.load(self._model)
            self._known = frozenset(item.source for item in listed)
            self._engine.build(listed)

    def keep(self) -> None:
        """Write down the programs needed since the model was loaded, when one of them is not known yet."""
        if not self._on:
            return
        made = list(self._engine.programs.programs.values())[self._before :]
        needed = [KnownProgram(program.source, program.block) for program in made if program.needed]
        if not self._known.issuperset(item.source for item in needed):
            self._engine.programs.known.store(self._model, needed)
            self._known = frozenset(item.source for item in needed)


def _identity(graph: Graph, engine: Engine) -> str:
    """A text that tells the graph from others, as far as that changes its programs; the values of weights do not."""
    flags = engine.flags
    lines = [__version__, str(flags.fusion), str(sorted(flags.fusions_off)), str(graph.signature)]
    for part in graph.parts:
        lines += [f"{node.name} {node.op} {' '.join(map(str, node.inputs))}" for node in part.nodes.values()]
        lines += [f"{name} {value.shape} {value.dtype}" for name, value in part.constants.items()]
    return "\n".join(lines)
