"""Element-wise draws merged into the draws that make their operands; draws that nobody reads dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tfgl_shaders.assembly import Input, Parameter, Source, Step

from .recording import Buffer, Draw

_WORD = 4
# A merge into another kind of draw makes a new, longer program; it pays when it serves this many places.
_REPEATS = 2


def fuse_draws(
    draws: Sequence[Draw], kept: Callable[[Buffer], bool], max_inputs: int, compiled: Collection[Source]
) -> list[Draw]:
    """The draws with element-wise tails applied where their operand is computed.

    A draw of ``elementwise`` goes into the draw that makes one of its operands
    when nothing else reads that operand (``kept`` says whether a tensor does),
    both have the same layout, place and kind, and the inputs fit one program.
    Merging two element-wise draws always saves a program; merging into another
    draw is done where the same pair stands at least twice, or is in ``compiled``.
    """
    current = _without_unread(list(draws), kept)
    while True:
        current, changed = _merge_once(current, kept, max_inputs, compiled)
        if not changed:
            return current


def _without_unread(draws: list[Draw], kept: Callable[[Buffer], bool]) -> list[Draw]:
    read: set[int] = set()
    remaining: list[Draw] = []
    for draw in reversed(draws):
        if id(draw.output) in read or kept(draw.output):
            remaining.append(draw)
            read.update(id(buffer) for buffer in draw.inputs)
    return remaining[::-1]


def _merge_once(
    draws: list[Draw], kept: Callable[[Buffer], bool], max_inputs: int, compiled: Collection[Source]
) -> tuple[list[Draw], bool]:
    reads = Counter(id(buffer) for draw in draws for buffer in draw.inputs)
    maker = {id(draw.output): at for at, draw in enumerate(draws)}
    candidates: dict[int, tuple[int, Draw]] = {}  # consumer -> (producer, merged draw)
    for at, draw in enumerate(draws):
        if draw.source.body != "elementwise" or draw.source.constants:
            continue
        for position, (declared, buffer) in enumerate(zip(draw.source.inputs, draw.inputs, strict=True)):
            producer = maker.get(id(buffer))
            if producer is None or reads[id(buffer)] != 1 or kept(buffer) or declared.access != "same":
                continue
            merged = _merged(draws[producer], draw, position, max_inputs)
            if merged is not None:
                candidates[at] = (producer, merged)
                break
    counts = Counter(merged.source for _, merged in candidates.values())
    gone: set[int] = set()
    changed: set[int] = set()
    result = list(draws)
    for at, (producer, merged) in candidates.items():
        pays = (
            draws[producer].source.body == "elementwise"
            or counts[merged.source] >= _REPEATS
            or merged.source in compiled
        )
        if pays and producer not in changed and at not in gone:
            result[at] = merged
            gone.add(producer)
            changed.add(at)
    return [draw for at, draw in enumerate(result) if at not in gone], bool(changed)


def _merged(producer: Draw, consumer: Draw, position: int, max_inputs: int) -> Draw | None:
    """One draw that does both, in the consumer's place; None where they do not fit together."""
    first, second = producer.source, consumer.source
    running = second.inputs[position]
    others = list(zip(second.inputs, consumer.inputs, strict=True))
    del others[position]
    fits = (
        first.layout == second.layout == running.layout
        and first.kind == second.kind == running.kind
        and not first.constants
        and producer.output.viewport == consumer.output.viewport
        and len(first.inputs) + len(others) <= max_inputs
        and all(declared.access in ("same", "scalar", "channels") for declared, _ in others)
        and not second.steps
    )
    if not fits:
        return None
    words, later = _words(producer), _words(consumer)
    # The output's place and size, which every draw has among its parameters, must be the same.
    if any(later[p] != words.get(p) for p in later if _is_place(p)):
        return None
    prefix = f"s{len(first.steps)}_"
    operands: list[tuple[str, str]] = []
    inputs: list[Input] = list(first.inputs)
    for declared, _ in others:
        name = prefix + declared.name
        operands.append((declared.name, name))
        inputs.append(replace(declared, name=name))
    defines = dict(second.defines)
    expression = defines["EXPRESSION"]
    for parameter, held in later.items():
        if _is_place(parameter) or parameter.name == f"{running.name}_first_row":
            continue
        words[replace(parameter, name=prefix + parameter.name)] = held
        expression = re.sub(rf"\b{parameter.name}\b", prefix + parameter.name, expression)
    step = Step(expression, running.name, tuple(operands), defines.get("INCLUDES", ""))
    source = replace(first, inputs=tuple(inputs), parameters=tuple(words), steps=(*first.steps, step))
    packed = b"".join(words.values())
    buffers = (*producer.inputs, *(buffer for _, buffer in others))
    # The producer's words stand first, where they stood before.
    return Draw(source, buffers, consumer.output, packed + bytes(-len(packed) % 16), consumer.node, producer.drawn)


def _is_place(parameter: Parameter) -> bool:
    return parameter.name.startswith("out_")


def _words(draw: Draw) -> dict[Parameter, bytes]:
    """Each parameter with its bytes, in order."""
    held: dict[Parameter, bytes] = {}
    at = 0
    for parameter in draw.source.parameters:
        end = at + parameter.slots * _WORD
        held[parameter] = draw.parameters[at:end]
        at = end
    return held
