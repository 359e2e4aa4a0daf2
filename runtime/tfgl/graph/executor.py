"""Runs a graph on an engine: traced once for given input shapes, replayed afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfgl_shaders.assembly import Source

from ..dtypes import DType
from ..engine import LAYOUT_CHANGES, Engine
from ..gl.footprint import Footprint, footprint_of
from ..gl.recording import Buffer, Draw, Recording
from ..ir.graph import Edge, Graph
from ..ir.tables import Resources
from ..tensor import ByteCodes, Tensor
from .front import Front, what_is_left
from .prepared import Array, Feeds, PreparedGraph, named, own_tensor
from .run import Fed, Run, held_values
from .stats import Conversions

_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a replay finds a real tensor: in an output slot, in what was fed, or in a constant."""

    slot: int | None = None
    fed: Edge | None = None
    kept: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Output:
    """One fetched tensor: its only part, or the real and the imaginary one."""

    shape: tuple[int, ...]
    dtype: DType
    parts: tuple[_Part, ...]


@dataclass(slots=True)
class _Captured:
    """A recording with the host values that it depends on."""

    recording: Recording
    guards: dict[Edge, bytes]
    order: tuple[Edge, ...]
    outputs: list[_Output]
    fusions: Mapping[str, int]
    conversions: Mapping[str, Conversions]
    footprint: Footprint


class Executor(PreparedGraph):
    """Executes the nodes of one graph; owns its weights and its recordings."""

    def __init__(
        self,
        graph: Graph,
        engine: Engine,
        resources: Resources | None = None,
        codes: Mapping[int, ByteCodes] | None = None,
    ) -> None:
        super().__init__(graph, engine, resources, codes)
        self._captured: OrderedDict[_Key, list[_Captured]] = OrderedDict()
        self._dynamic: set[_Key] = set()
        self._fronts: dict[_Key, Front] = {}
        self.programs: dict[Source, bytes] = {}
        """The programs of all recordings so far, each with the parameters of one of its draws."""
        self.replays = 0

    @property
    def recordings(self) -> int:
        """How many recordings are kept."""
        return sum(map(len, self._captured.values()))

    @property
    def recorded_draws(self) -> int:
        """Draws of the newest recording."""
        newest = self._newest
        return newest.recording.draws if newest else 0

    @property
    def draw_fusions(self) -> Mapping[str, int]:
        """How often each fusion of draws was done in the newest recording."""
        newest = self._newest
        return newest.fusions if newest else {}

    @property
    def conversions(self) -> Mapping[str, Conversions]:
        """Changes of layout in the newest recording, by direction."""
        newest = self._newest
        return newest.conversions if newest else {}

    @property
    def footprint(self) -> Footprint:
        """What the newest recording needs of the device's memory at least."""
        newest = self._newest
        return newest.footprint if newest else Footprint()

    @property
    def _newest(self) -> _Captured | None:
        return next((captured[-1] for captured in reversed(self._captured.values())), None)

    def close(self) -> None:
        """Release weights and recordings."""
        for captured in self._captured.values():
            for item in captured:
                item.recording.close()
        self._captured.clear()
        super().close()

    # -- running ------------------------------------------------------------

    def run(
        self, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge], *, capture: bool = True
    ) -> list[Tensor]:
        """The tensors at ``fetches``; ``hosts`` are the fed values that the host holds.

        The first run for given shapes is traced and recorded, later ones replay
        the recording. ``capture=False`` runs node by node, for debugging.
        """
        # A profile wants to see the kernels, which a replay does not run.
        if not capture or self.engine.kernel_log is not None:
            return Run(self).fetch(feeds, fetches)
        front = self._front(tuple(feeds), tuple(fetches))
        if not front.has_host_ops and all(tensor.dtype != "string" for tensor in feeds.values()):
            return self._run_recorded(feeds, hosts, fetches)
        known = {**feeds, **front.run(self, feeds)}
        left = [edge for edge in fetches if edge not in known or (edge in feeds and feeds[edge].dtype != "string")]
        rest, held = what_is_left(self, known, hosts, left)
        recorded = iter(self._run_recorded(rest, held, left) if left else ())
        return [next(recorded) if edge in left else own_tensor(self.graph, known, edge) for edge in fetches]

    def _front(self, feeds: tuple[Edge, ...], fetches: tuple[Edge, ...]) -> Front:
        front = self._fronts.get((feeds, fetches))
        if front is None:
            front = self._fronts[feeds, fetches] = Front(self.plan(feeds, fetches))
        return front

    def _run_recorded(
        self, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge]
    ) -> list[Tensor]:
        key = (tuple((edge, tensor.shape, tensor.dtype) for edge, tensor in feeds.items()), tuple(fetches))
        replayable = all(t.dtype in ("float32", "int32", "bool") for t in feeds.values())
        if replayable and key not in self._dynamic:
            for captured in self._captured.get(key, ()):
                if all(held_values(edge, feeds, hosts).tobytes() == guard for edge, guard in captured.guards.items()):
                    self._captured.move_to_end(key)
                    self.replays += 1
                    return self._replay(captured, feeds)
            return self._capture(key, feeds, hosts, fetches)
        with self.engine.tracing(record=False) as trace:
            return Run(self, trace=trace).fetch(feeds, fetches)

    def run_kept(self, feeds: Feeds, fetches: Sequence[Edge]) -> tuple[dict[Edge, Tensor], list[Tensor]]:
        """Every tensor outside loops and functions that is computed on the way, and those at ``fetches``."""
        plan = self.plan(tuple(feeds), fetches)
        edges = [Edge(node.name, index) for node in plan.nodes for index in sorted(plan.read[node.name])]
        values = Run(self).values(feeds, [*edges, *fetches])
        kept = {edge: value.view(value.shape) for edge in edges if isinstance(value := values.get(edge), Tensor)}
        return kept, [own_tensor(self.graph, values, edge) for edge in fetches]

    def _capture(
        self, key: _Key, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge]
    ) -> list[Tensor]:
        engine = self.engine
        aliases: dict[Edge, Tensor] = {}
        inputs: dict[Edge, Buffer] = {}
        for edge, tensor in feeds.items():
            # A tensor and a buffer of its own for each input: what the caller's tensor has cached is not there at
            # the next replay, and one tensor that is fed twice, or a weight that is fed, may then be two.
            with named(engine, f"input {str(edge)!r}"):
                source = tensor.flat()
            buffer = Buffer(source.shape, source.viewport)
            buffer.texture = source.texture
            buffer.owners = 1  # for ever, since the texture is the caller's
            aliases[edge] = Tensor(engine, tensor.shape, tensor.dtype).adopt(flat=buffer)
            inputs[edge] = buffer
        fed = {id(buffer): edge for edge, buffer in inputs.items()}
        stand_ins = {identity: Fed(feeds[edge], edge, hosts) for identity, edge in fed.items()}
        recording = None
        with engine.tracing() as trace:
            trace.inputs = frozenset(fed)
            run = Run(self, stand_ins, trace)
            results = run.fetch(aliases, fetches)
            buffers: list[Buffer] = []
            found = [_buffers(result, buffers) for result in results]
            if trace.reads or not trace.recorded or any(own is None for own in found):
                self._dynamic.add(key)
            else:
                draws = engine.hand_over()
                recording = Recording(engine, draws, list(inputs.values()), buffers)
                self.programs.update((draw.source, draw.parameters) for draw in draws)
                position = {id(buffer): at for at, buffer in enumerate(recording.outputs)}
                outputs = [
                    _output(result, own or [], position, fed) for result, own in zip(results, found, strict=True)
                ]
                fusions, conversions = dict(trace.fusions), conversions_among(trace.draws)
                footprint = footprint_of(trace.draws, inputs.values(), buffers)
                self._keep(
                    key, _Captured(recording, run.guards, tuple(feeds), outputs, fusions, conversions, footprint)
                )
        if recording is not None:
            recording.replay(list(inputs.values()), recording.outputs)
            engine.draw_count += recording.draws
        return [_owned(result, own or [], fed, feeds) for result, own in zip(results, found, strict=True)]

    def _keep(self, key: _Key, captured: _Captured) -> None:
        self._captured.setdefault(key, []).append(captured)
        while self.recordings > max(1, self.engine.flags.max_recordings):
            oldest = next(iter(self._captured))
            self._captured[oldest].pop(0).recording.close()
            if not self._captured[oldest]:
                del self._captured[oldest]

    def _replay(self, captured: _Captured, feeds: Feeds) -> list[Tensor]:
        engine = self.engine
        engine.device.check()
        engine.collect_dead()
        buffers = captured.recording.replay([feeds[edge].flat() for edge in captured.order])
        engine.draw_count += captured.recording.draws
        results: list[Tensor] = []
        for output in captured.outputs:
            dtype: DType = output.dtype if len(output.parts) == 1 else "float32"
            parts = []
            for part in output.parts:
                if part.slot is not None:
                    parts.append(Tensor(engine, output.shape, dtype).adopt(flat=buffers[part.slot]))
                elif part.fed is not None:
                    parts.append(_as_fed(feeds[part.fed], output.shape, dtype))
                else:
                    assert part.kept is not None
                    parts.append(part.kept.view(output.shape))
            results.append(parts[0] if len(parts) == 1 else _complex(output.shape, parts))
        return results


def conversions_among(draws: Sequence[Draw]) -> dict[str, Conversions]:
    """The draws that only change a layout, by direction."""
    found: dict[str, Conversions] = {}
    for draw in draws:
        if draw.source.body in LAYOUT_CHANGES and not draw.source.steps:
            before = found.get(draw.source.body, Conversions())
            found[draw.source.body] = Conversions(before.draws + 1, before.bytes + draw.output.bytes)
    return found


def _as_fed(tensor: Tensor, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """A tensor of its own with the texels of a fed one, which a cast of bools to integers leaves as they are."""
    if dtype == tensor.dtype:
        return tensor.view(shape)
    return Tensor(tensor.engine, shape, dtype).adopt(flat=tensor.flat())


def _complex(shape: tuple[int, ...], parts: Sequence[Tensor]) -> Tensor:
    real, imaginary = parts
    return Tensor(real.engine, shape, "complex64").adopt_parts(real, imaginary)


def _parts_of(result: Tensor) -> tuple[Tensor, ...]:
    return result.parts if result.dtype == "complex64" else (result,)


def _buffers(result: Tensor, buffers: list[Buffer]) -> list[Buffer | None] | None:
    """The flat buffer of each part (None: the host alone holds it), added to ``buffers``; None for strings."""
    if result.dtype == "string":
        return None
    found = [part.flat() if part.host is None else None for part in _parts_of(result)]
    for buffer in found:
        if buffer is not None and all(buffer is not other for other in buffers):
            buffers.append(buffer)
    return found


def _output(
    result: Tensor, found: Sequence[Buffer | None], position: Mapping[int, int], fed: Mapping[int, Edge]
) -> _Output:
    parts = []
    for tensor, buffer in zip(_parts_of(result), found, strict=True):
        if buffer is not None and id(buffer) in position:
            parts.append(_Part(slot=position[id(buffer)]))
        elif buffer is not None and id(buffer) in fed:
            parts.append(_Part(fed=fed[id(buffer)]))
        else:
            # A constant: no draw of the trace made it. It outlives a tidy scope around this run.
            kept = tensor.view(tensor.shape)
            kept.kept = True
            parts.append(_Part(kept=kept))
    return _Output(result.shape, result.dtype, tuple(parts))


def _owned(result: Tensor, found: Sequence[Buffer | None], fed: Mapping[int, Edge], feeds: Feeds) -> Tensor:
    """``result``, with the fed tensors' own buffers in place of those of their stand-ins."""
    edges = [fed.get(id(buffer)) for buffer in found]
    if not any(edges):
        return result
    parts = [
        tensor.view(tensor.shape) if edge is None else _as_fed(feeds[edge], tensor.shape, tensor.dtype)
        for tensor, edge in zip(_parts_of(result), edges, strict=True)
    ]
    return parts[0] if len(parts) == 1 else _complex(result.shape, parts)
