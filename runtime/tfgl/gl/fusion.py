"""Element-wise draws merged into the draws before or after them; draws that nobody reads dropped."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tfgl_shaders.assembly import Access, Input, Parameter, Source, Step

from .recording import Buffer, Draw

_WORD = 4
# A program grows with each step, with those that compute a function above all: the draws of a long loop, merged without
# end, would never be compiled.
_MOST_STEPS = 12
_MOST_FUNCTIONS = 3
_SUM = "(a + b)"
_CAST = "(vec4(a))"


@dataclass(frozen=True, slots=True)
class _Merge:
    """Two draws as one: which they are, what they become, the name of the fusion."""

    producer: int
    draw: Draw
    name: str


def fuse_draws(
    draws: Sequence[Draw],
    kept: Callable[[Buffer], bool],
    max_inputs: int,
    compiled: Collection[Source],
    fuses: Callable[[str], bool],
) -> tuple[list[Draw], Counter[str]]:
    """The draws with element-wise ones merged into others, and how many went by each fusion.

    Two draws merge when nothing else reads what is between them (``kept`` says
    whether a tensor does), both have the same place, and the inputs fit one
    program. ``fuses`` says which of `tfgl.flags.FUSIONS` are wanted. Merging two
    element-wise draws always saves a program; an element-wise tail goes into
    another kind of draw where that leaves no more programs than before: where the
    same pair stands at least twice, where the producer's program serves nobody
    else, or where the merged one is in ``compiled``.
    """
    current = _without_unread(list(draws), kept)
    counts: Counter[str] = Counter()
    while True:
        current, done = _merge_once(current, kept, max_inputs, compiled, fuses)
        if not done:
            return current, counts
        counts += done


def _without_unread(draws: list[Draw], kept: Callable[[Buffer], bool]) -> list[Draw]:
    read: set[int] = set()
    remaining: list[Draw] = []
    for draw in reversed(draws):
        if id(draw.output) in read or kept(draw.output):
            remaining.append(draw)
            read.update(id(buffer) for buffer in draw.inputs)
    return remaining[::-1]


def _merge_once(
    draws: list[Draw],
    kept: Callable[[Buffer], bool],
    max_inputs: int,
    compiled: Collection[Source],
    fuses: Callable[[str], bool],
) -> tuple[list[Draw], Counter[str]]:
    reads = Counter(id(buffer) for draw in draws for buffer in draw.inputs)
    maker = {id(draw.output): at for at, draw in enumerate(draws)}
    candidates: dict[int, _Merge] = {}
    for at, draw in enumerate(draws):
        if draw.source.constants:
            continue
        for position, buffer in enumerate(draw.inputs):
            producer = maker.get(id(buffer))
            if producer is None or reads[id(buffer)] != 1 or kept(buffer) or draws[producer].source.constants:
                continue
            found = _merged(draws[producer], draw, position, max_inputs)
            if found is not None and fuses(found[0]):
                candidates[at] = _Merge(producer, found[1], found[0])
                break
    uses = Counter(draw.source for draw in draws)
    pairs = Counter(merge.draw.source for merge in candidates.values())
    done: Counter[str] = Counter()
    gone: set[int] = set()
    changed: set[int] = set()
    result = list(draws)
    for at, merge in candidates.items():
        source = draws[merge.producer].source
        pays = (
            source.body == "elementwise"
            or pairs[merge.draw.source] >= min(2, uses[source])
            or merge.draw.source in compiled
        )
        if pays and merge.producer not in changed and at not in gone:
            result[at] = merge.draw
            gone.add(merge.producer)
            changed.add(at)
            done[merge.name] += 1
    return [draw for at, draw in enumerate(result) if at not in gone], done


def _merged(producer: Draw, consumer: Draw, position: int, max_inputs: int) -> tuple[str, Draw] | None:
    """The fusion that fits the two and one draw that does both, in the consumer's place; None where none fits."""
    first, second = producer.source, consumer.source
    if len(first.steps) + len(second.steps) >= _MOST_STEPS or _functions(first) + _functions(second) > _MOST_FUNCTIONS:
        return None
    elementwise = first.body == "elementwise"
    if elementwise and first.kind != first.inputs[0].kind and second.body in ("elementwise", "to_tiles"):
        inlined = _cast_inside(producer, consumer, position)
        if inlined is not None:
            return "casts", inlined
    if elementwise and second.body == "to_tiles" and position == 0:
        moved = _behind_tiling(producer, consumer, max_inputs)
        return None if moved is None else ("layouts", moved)
    if second.body != "elementwise" or second.inputs[position].access != "same":
        return None
    merged = _tail(producer, consumer, position, max_inputs)
    if merged is None:
        return None
    if elementwise:
        return "chains", merged
    others = [declared.access for at, declared in enumerate(second.inputs) if at != position]
    is_sum = dict(second.defines)["EXPRESSION"] == _SUM and others == ["same"]
    return "residual" if is_sum else "tails", merged


def _functions(source: Source) -> int:
    """How many of its expressions compute a function of their own."""
    return sum("math/" in text for text in _include_texts(source))


def _tail(producer: Draw, consumer: Draw, position: int, max_inputs: int) -> Draw | None:
    """The producer with the consumer's expression applied to what it computes."""
    first, second = producer.source, consumer.source
    running = second.inputs[position]
    others = [at for at in range(len(second.inputs)) if at != position]
    fits = (
        first.layout == second.layout == running.layout
        and first.kind == second.kind == running.kind
        and producer.output.viewport == consumer.output.viewport
        and producer.output.first_row == consumer.output.first_row
        and len(first.inputs) + len(others) <= max_inputs
        # The body reads it, not a step behind.
        and not any(name == running.name for step in second.steps for _, name in step.operands)
    )
    if not fits:
        return None
    words, later = _words(producer), _words(consumer)
    # The output's place and extents must be the same where both state them.
    places = {p.name: (p, held) for p, held in words.items() if _is_place(p)}
    if any(places.get(p.name, (p, held)) != (p, held) for p, held in later.items() if _is_place(p)):
        return None
    prefix = f"s{len(first.steps)}_"
    named = {second.inputs[at].name: prefix + second.inputs[at].name for at in others}
    rename = _renaming(later, named, prefix, dropped=running.name)
    inputs = [replace(second.inputs[at], name=named[second.inputs[at].name]) for at in others]
    steps = _as_steps(second, running.name, named, rename)
    for parameter, held in later.items():
        # The producer's words stand first, where they stood before.
        words.setdefault(replace(parameter, name=rename(parameter.name)), held)
    words = {p: held for p, held in words.items() if p.name}
    source = replace(
        first, inputs=(*first.inputs, *inputs), parameters=tuple(words), steps=(*first.steps, *steps)
    )
    buffers = (*producer.inputs, *(consumer.inputs[at] for at in others))
    return Draw(source, buffers, consumer.output, _packed(words), consumer.node, producer.drawn)


def _as_steps(source: Source, running: str, named: Mapping[str, str], rename: Callable[[str], str]) -> list[Step]:
    """What an element-wise program does to its operand ``running``, its other inputs under the names ``named``."""
    defines = dict(source.defines)
    read_by_steps = {name for step in source.steps for _, name in step.operands}
    operands = tuple((name, new) for name, new in named.items() if name not in read_by_steps)
    steps = [Step(rename(defines["EXPRESSION"]), running, operands, defines.get("INCLUDES", ""))]
    for step in source.steps:
        operands = tuple((variable, named[name]) for variable, name in step.operands)
        steps.append(replace(step, expression=rename(step.expression), operands=operands))
    return steps


def _renaming(
    words: Mapping[Parameter, bytes], named: Mapping[str, str], prefix: str, dropped: str
) -> Callable[[str], str]:
    """How parameters, and expressions with them, are written in another program: '' for those that go.

    What belongs to an input follows its name, the output's place stays, all others get ``prefix``.
    """
    inputs = {f"{name}_{suffix}": f"{new}_{suffix}" for name, new in named.items() for suffix in _OF_INPUTS}
    inputs |= {f"{dropped}_{suffix}": "" for suffix in _OF_INPUTS}
    table = {p.name: inputs.get(p.name, p.name if _is_place(p) else prefix + p.name) for p in words}
    if not table:
        return lambda text: text
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, table))})\b")
    return lambda text: pattern.sub(lambda match: table[match.group()], text)


# Parameters that accessors of an input use (`tfgl_shaders.assembly`).
_OF_INPUTS = ("first_row", "texels", "strides")


def _cast_inside(producer: Draw, consumer: Draw, position: int) -> Draw | None:
    """The consumer that reads the integers themselves; None unless the producer does nothing but convert them."""
    first, second = producer.source, consumer.source
    read, declared, buffer = first.inputs[0], second.inputs[position], producer.inputs[0]
    fits = (
        dict(first.defines)["EXPRESSION"] == _CAST
        and not first.steps
        and read.access == "same"
        and read.layout == first.layout
        and (buffer.viewport, buffer.first_row) == (producer.output.viewport, producer.output.first_row)
    )
    if not fits:
        return None
    defines, steps = dict(second.defines), list(second.steps)
    # An input is read by a step, or else by the body.
    readers = [at for at, step in enumerate(steps) if declared.name in dict(step.operands).values()]
    for at in readers:
        variable = next(name for name, input in steps[at].operands if input == declared.name)
        steps[at] = replace(steps[at], expression=_converted(steps[at].expression, variable))
    if not readers and second.body == "elementwise":
        defines["EXPRESSION"] = _converted(defines["EXPRESSION"], declared.name)
    inputs = (*second.inputs[:position], replace(declared, kind=read.kind), *second.inputs[position + 1 :])
    buffers = (*consumer.inputs[:position], buffer, *consumer.inputs[position + 1 :])
    source = replace(second, inputs=inputs, defines=tuple(defines.items()), steps=tuple(steps))
    return replace(consumer, source=source, inputs=buffers)


def _converted(expression: str, name: str) -> str:
    return re.sub(rf"\b{name}\b", f"vec4({name})", expression)


def _behind_tiling(producer: Draw, consumer: Draw, max_inputs: int) -> Draw | None:
    """A change of layout that then does what the element-wise producer did before; None where that cannot be.

    One operand has the shape of the result, and the others are one number or one number a channel.
    """
    first, second = producer.source, consumer.source
    defines, held = dict(first.defines), _words(producer)
    whole = [at for at, declared in enumerate(first.inputs) if declared.access == "same"]
    if len(whole) != 1 or first.kind != second.kind or len(first.inputs) + len(second.inputs) - 1 > max_inputs:
        return None
    # A fragment of the tiled output would have a long function once a line, and take three times as long to compile.
    if not _includes(first) <= _SHORT:
        return None
    running = first.inputs[whole[0]]
    read_by_steps = {name for step in first.steps for _, name in step.operands}
    # Integers are converted as they are read, so that nothing but their conversion may stand in the expression.
    bare = defines["EXPRESSION"].replace(f"vec4({running.name})", "")
    if running.name in read_by_steps or (running.kind != first.kind and re.search(rf"\b{running.name}\b", bare)):
        return None
    (channels,) = next(struct.unpack("<i", word) for p, word in _words(consumer).items() if p.name == "out_channels")
    others = [declared for declared in first.inputs if declared is not running]
    accesses = [_by_channel(declared, held, channels) for declared in others]
    prefix = f"e{len(second.steps)}_"
    named = {declared.name: prefix + declared.name for declared in others}
    flat = {p: word for p, word in held.items() if not _is_place(p) and not _belongs_to(p, first.inputs)}
    rename = _renaming(flat, {}, prefix, dropped="")
    steps = _as_steps(first, running.name, named, rename)
    inputs = [replace(second.inputs[0], kind=running.kind), *second.inputs[1:]]
    for declared, access in zip(others, accesses, strict=True):
        if access is None:
            return None
        inputs.append(replace(declared, name=named[declared.name], access=access))
    words = _words(consumer) | {replace(p, name=rename(p.name)): word for p, word in flat.items()}
    source = replace(second, inputs=tuple(inputs), parameters=tuple(words), steps=(*steps, *second.steps))
    buffers = tuple(buffer for at, buffer in enumerate(producer.inputs) if at != whole[0])
    read = (producer.inputs[whole[0]], *consumer.inputs[1:], *buffers)
    return Draw(source, read, consumer.output, _packed(words), consumer.node, producer.drawn)


# Files of functions so short that it does not matter how often a program has them.
_SHORT = frozenset(("math/nan", "math/hard", "math/precise", "math/rounding"))


def _includes(source: Source) -> set[str]:
    """The files that the expressions of an element-wise program need."""
    return {name for text in _include_texts(source) for name in text.split()}


def _include_texts(source: Source) -> list[str]:
    return [dict(source.defines).get("INCLUDES", ""), *(step.includes for step in source.steps)]


def _belongs_to(parameter: Parameter, inputs: Sequence[Input]) -> bool:
    return any(parameter.name == f"{declared.name}_{suffix}" for declared in inputs for suffix in _OF_INPUTS)


def _by_channel(declared: Input, words: Mapping[Parameter, bytes], channels: int) -> Access | None:
    """How a tiled output reads what a flat one reads as one number, or as a vector along its last axis."""
    held = {parameter.name: struct.unpack(f"<{parameter.slots}i", word) for parameter, word in words.items()}
    if declared.access == "scalar":
        return "scalar"
    if declared.access == "channels" and held[f"{declared.name}_texels"][0] * 4 == channels:
        return "channels"
    if declared.access == "broadcast":
        rank = held["out_rank"][0]
        extents, strides = held["out_dims"][:rank], held[f"{declared.name}_strides"][:rank]
        if extents[-1:] == (channels,) and strides == (*[0] * (rank - 1), 1):
            return "channels"
    return None


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


def _packed(words: Mapping[Parameter, bytes]) -> bytes:
    packed = b"".join(words.values())
    return packed + bytes(-len(packed) % 16)
