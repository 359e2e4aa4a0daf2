"""Which programs a model needed in earlier processes: built at load, before the first input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from tfgl_shaders.assembly import Layout, Source, Storage

from .. import __version__
from ..engine import Engine
from ..errors import ShaderError
from ..gl.known import KnownProgram
from ..gl.recording import Buffer, Draw
from ..gl.textures import Kind, TextureShape
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
            _build_programs(self._engine, self._known.values())

    def keep(self, needed: Mapping[Source, bytes]) -> None:
        """Write down the programs of the model's draws, each with the parameters of one, when one is not known yet."""
        new = {source: KnownProgram(source, block) for source, block in needed.items() if source not in self._known}
        if self._on and new:
            # The newest first: a list has its limit.
            self._known = {**new, **self._known}
            self._engine.programs.known.store(self._model, self._known.values())


def _build_programs(engine: Engine, known: Iterable[KnownProgram]) -> None:
    """Build programs before anything needs them, and draw one texel with each: many drivers compile only then."""
    device, programs = engine.device, engine.programs
    device.check()
    stand_ins: dict[TextureShape, Buffer] = {}
    results: dict[TextureShape, Buffer] = {}

    def stand_in(kind: Kind, layout: Layout, storage: Storage, among: dict[TextureShape, Buffer]) -> Buffer:
        shape = device.flat_shape(1, kind, storage) if layout == "flat" else device.tiles_shape(1, 1, kind)
        assert shape is not None, "one texel fits every device"
        if shape not in among:
            among[shape] = Buffer(shape, (1, 1))
            among[shape].texture = engine.pool.take(shape)
        return among[shape]

    try:
        for item in known:
            source = item.source
            if source in programs.programs or len(source.inputs) > programs.max_inputs:
                continue
            inputs = tuple(stand_in(read.kind, read.layout, read.storage, stand_ins) for read in source.inputs)
            output = stand_in(source.kind, source.layout, "", results)
            # A list of another version may name what does not exist any more.
            with suppress(ShaderError, OSError, ValueError):
                engine.program(Draw(source, inputs, output, item.parameters, ""))
    finally:
        for buffer in (*stand_ins.values(), *results.values()):
            if buffer.texture is not None:
                engine.pool.give(buffer.texture)


def _identity(graph: Graph, engine: Engine) -> str:
    """A text that tells the graph from others, as far as that changes its programs; of weights the values hardly do."""
    flags = engine.flags
    lines = [__version__, str(flags.fusion), str(sorted(flags.fusions_off)), flags.weights_on_gpu, str(graph.signature)]
    for part in graph.parts:
        lines += [f"{node.name} {node.op} {' '.join(map(str, node.inputs))}" for node in part.nodes.values()]
        lines += [f"{name} {value.shape} {value.dtype}" for name, value in part.constants.items()]
    return "\n".join(lines)
