"""From a program's description to GLSL: accessors, parameters, includes, body.

A body (``*.glsl`` in this package) computes values and knows nothing of texture
coordinates. What it reads and writes through is emitted here:

========================  =====================================================
``x_at(i)``               element ``i`` of the flat input ``x`` (row-major order)
``x_texel(t)``            elements ``4t .. 4t+3`` of the flat input ``x``
``x_tile(w, row, layer)`` one texel of the tiled input ``x``
``x_texel_or_zero(t)``    the same, zeros where ``t`` is OUTSIDE (with any offset of
                          its size); ``x_tile_or_zero``: where ``row`` is
``VALUE``, ``VALUE4``     scalar and vector type of the output
``X_VALUE`` ...           the same for the input ``x``
``name``, ``name(k)``     a parameter, an element of an array parameter
========================  =====================================================

A body includes exactly one of the entry points ``element`` (it defines
``VALUE element(int i)``), ``texel`` (``VALUE4 texel(int t)``) or ``tile``
(``void tile(ivec2 at, out VALUE4 rows[LAYERS])``). The entry point defines
``run(ivec2 at)``, which computes the texel (or column of texels) at ``at`` and
hands it to ``write``; a ``main`` of a fragment or of a compute shader, emitted
here, calls it, so neither bodies nor entry points know which of them they are in.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["float", "int"]
Layout = Literal["flat", "tiles"]
Flavour = Literal["image", "sampler"]
Dispatch = Literal["fragment", "compute"]
Access = Literal["", "same", "scalar", "channels", "broadcast"]
Storage = Literal["", "half", "byte"]
ParameterValue = int | float | Sequence[int]

_INCLUDE = re.compile(r'^\s*#include\s+"([a-z0-9_/]+)"\s*$', re.MULTILINE)
_REQUIRES = re.compile(r"^//\s*requires:\s*(.+)$", re.MULTILINE)
_TYPES: dict[Kind, tuple[str, str]] = {"float": ("float", "vec4"), "int": ("int", "ivec4")}
_TEXEL_FORMATS: dict[Kind, str] = {"float": "rgba32f", "int": "rgba32i"}
_STORAGE_FORMATS: dict[Storage, str] = {"half": "rgba16f", "byte": "rgba8ui"}

OUTPUT_UNIT = 7
"""Image unit that a compute shader writes to; every device with image units has it, inputs lie below."""
REGION_LOCATION = 0
"""Uniform location of what a compute shader computes: columns, rows, first row."""

_MAIN: dict[Dispatch, str] = {
    "fragment": "void main() { run(ivec2(gl_FragCoord.xy)); }",
    "compute": "void main() { ivec2 at = ivec2(gl_GlobalInvocationID.xy);"
    " if (all(lessThan(at, region.xy))) run(at + ivec2(0, region.z)); }",
}


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that a program reads: its name in the body, its texels' kind, its layout.

    ``access`` gives the body ``x_here``, what of the input belongs to the output's
    place: the texel there (``same``), element 0 in every lane (``scalar``), the
    texel of the last axis (``channels``: a vector, or flat rows whose length
    divides by 4), or elements found with the parameters ``out_rank``,
    ``out_dims(k)`` and ``x_strides(k)`` (``broadcast``). ``storage``: how the
    texture has floats, as such, as half precision (which a sampler need not know), or
    as bytes, each of which stands for ``(byte - x_zero) * x_scale``.
    """

    name: str
    kind: Kind
    layout: Layout = "flat"
    access: Access = ""
    storage: Storage = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number, or an array of ``count`` ints, that a draw hands to its program."""

    name: str
    type: Kind
    count: int = 0  # 0: a scalar

    @property
    def slots(self) -> int:
        """Number of 32-bit words it takes in the uniform block."""
        return max(1, self.count)


@dataclass(frozen=True, slots=True)
class Step:
    """An element-wise expression that a program applies to its value before writing it.

    ``running`` is the variable that stands for the value; ``operands`` are pairs
    of another variable and the input that it reads.
    """

    expression: str
    running: str
    operands: tuple[tuple[str, str], ...] = ()
    includes: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that makes one program differ from another; hashable, no shapes in it.

    ``constants`` is empty unless shapes are baked in (one program per shape, as
    TensorFlow.js does): then it holds the words of the parameter block.
    """

    body: str
    inputs: tuple[Input, ...]
    kind: Kind
    layout: Layout = "flat"
    parameters: tuple[Parameter, ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    constants: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def label(self) -> str:
        """A short name for tables: body, defines, kinds."""
        detail = ",".join(value if name in ("EXPRESSION", "OP") else f"{name}={value}" for name, value in self.defines)
        kinds = ",".join(
            i.kind[0] + i.storage[:1] + ("t" if i.layout == "tiles" else "") + i.access[:1] for i in self.inputs
        )
        detail = " | ".join([detail, *(step.expression for step in self.steps)])
        return f"{self.body}({detail})[{kinds}>{self.kind[0]}{'t' if self.layout == 'tiles' else ''}]"


@dataclass(frozen=True, slots=True)
class Target:
    """What of the device a program's text depends on.

    ``workgroup``: columns and rows of texels that one workgroup of a compute shader serves.
    """

    flavour: Flavour
    layers: int
    width_log2: int
    dispatch: Dispatch = "fragment"
    workgroup: tuple[int, int] = (8, 1)


def parameters_of(values: Mapping[str, ParameterValue]) -> tuple[Parameter, ...]:
    """The declarations that fit ``values``.

    >>> parameters_of({"size": 3, "scale": 0.5, "dims": (1, 2)})[2]
    Parameter(name='dims', type='int', count=2)
    """
    return tuple(
        Parameter(name, "float" if isinstance(value, float) else "int", 0)
        if isinstance(value, (int, float))
        else Parameter(name, "int", len(value))
        for name, value in values.items()
    )


def pack_parameters(values: Mapping[str, ParameterValue]) -> bytes:
    """The uniform block's bytes for ``values``, in their order, padded to whole ``ivec4``.

    >>> len(pack_parameters({"size": 3, "dims": (1, 2, 3, 4)}))
    32
    """
    words = bytearray()
    for value in values.values():
        if isinstance(value, float):
            words += struct.pack("<f", _single(value))
        elif isinstance(value, int):
            words += struct.pack("<i", value)
        else:
            words += struct.pack(f"<{len(value)}i", *value)
    return bytes(words + bytes(-len(words) % 16)) or bytes(16)


def alignment(extent: int) -> dict[str, str]:
    """The define ALIGNED where texels of 4 fill ``extent``.

    It halves the code: most compilers for processors run both sides of a condition.

    >>> alignment(8), alignment(9)
    ({'ALIGNED': ''}, {})
    """
    return {} if extent % 4 else {"ALIGNED": ""}


def _single(value: float) -> float:
    """``value`` where struct can pack it as a float32; overflow becomes infinity as in NumPy."""
    if value - value == 0 and abs(value) > 3.4028235677973366e38:
        return float("inf") if value > 0 else float("-inf")
    return value


# `precise` came with GLSL 4.00; most drivers of GL 3.3 have it by this extension.
_VERSION_330 = (
    "#version 330 core",
    "#extension GL_ARB_gpu_shader5 : enable",
    "#ifdef GL_ARB_gpu_shader5",
    "#define PRECISE precise",
    "#endif",
)


@cache
def read(name: str) -> str:
    """Text of the GLSL file ``name`` (without ``.glsl``) of this package."""
    from importlib.resources import files  # slow to import, and importing tfgl reads no shader

    return files(__package__).joinpath(f"{name}.glsl").read_text(encoding="utf-8")


def assemble(source: Source, target: Target) -> str:
    """The fragment or compute shader of ``source`` on ``target``."""
    lines = ["#version 430 core"] if target.flavour == "image" else list(_VERSION_330)
    value, value4 = _TYPES[source.kind]
    lines += [f"#define VALUE {value}", f"#define VALUE4 {value4}"]
    lines += [f"#define {source.kind.upper()}_OUTPUT", f"#define {source.layout.upper()}_OUTPUT"]
    lines += [f"#define LAYERS {target.layers}", f"#define LAYERS_LOG2 {target.layers.bit_length() - 1}"]
    # Far below any row or texel, and far enough from where ints end to have offsets added.
    lines.append("#define OUTSIDE (-0x40000000)")
    lines += [f"#define WIDTH_LOG2 {target.width_log2}", f"#define WIDTH_MASK {(1 << target.width_log2) - 1}"]
    lines += [f"#define {name} {text}" for name, text in source.defines]
    lines += _outputs(source, target)
    lines += _parameters(source)
    for unit, declared in enumerate(source.inputs):
        lines += _accessor(declared, unit, target.flavour)
        lines += _here(declared, source.layout)
    included: set[str] = set()
    lines += _steps(source, included)
    lines.append(_expand(read(source.body), included, dict(source.defines)))
    lines.append(_MAIN[target.dispatch])
    return "\n".join(lines) + "\n"


def _steps(source: Source, included: set[str]) -> list[str]:
    """The function ``epilogue`` that the entry points call when EPILOGUE is defined."""
    if not source.steps:
        return []
    declared, place = ("ivec2 at, int line", "at, line") if source.layout == "tiles" else ("int t", "t")
    lines = ["#define EPILOGUE"]
    for number, step in enumerate(source.steps):
        lines.append(_expand("", included, {"INCLUDES": step.includes}))
        lines.append(f"VALUE4 step_{number}(VALUE4 {step.running}, {declared}) {{")
        lines += [f"{name.upper()}_VALUE4 {variable} = {name}_here({place});" for variable, name in step.operands]
        lines.append(f"return {step.expression}; }}")
    calls = "".join(f" v = step_{number}(v, {place});" for number in range(len(source.steps)))
    lines.append(f"VALUE4 epilogue(VALUE4 v, {declared}) {{{calls} return v; }}")
    return lines


def _expand(text: str, included: set[str], defines: Mapping[str, str]) -> str:
    """``text`` with its includes, and what those require, each written once."""

    def include(name: str) -> str:
        if name in included:
            return ""
        included.add(name)
        body = read(name)
        folder = name.rpartition("/")[0]
        required = [
            include(f"{folder}/{word}" if folder else word)
            for line in _REQUIRES.findall(body)
            for word in re.split(r"[,\s]+", line.strip())
            if word
        ]
        body = _INCLUDE.sub(lambda match: include(match.group(1)), body)
        return "\n".join([*required, _without_comments(body)])

    needed = "\n".join(include(name) for name in defines.get("INCLUDES", "").split())
    return needed + "\n" + _INCLUDE.sub(lambda match: include(match.group(1)), _without_comments(text))


def _without_comments(text: str) -> str:
    """``text`` without whole-line comments and empty lines: shorter to send and to hash."""
    kept = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("//"))
    return "\n".join(kept)


def _outputs(source: Source, target: Target) -> list[str]:
    """Where the program's values go, and the function ``write`` that puts them there."""
    value4 = _TYPES[source.kind][1]
    tiled = source.layout == "tiles"
    layers = range(target.layers if tiled else 1)
    if target.dispatch == "fragment":
        lines = [f"layout(location = {k}) out {value4} out_{k};" for k in layers]
        stores = [f"out_{k} = %s;" for k in layers]
    else:
        columns, rows = target.workgroup
        image = f"{'i' if source.kind == 'int' else ''}image2D{'Array' if tiled else ''}"
        lines = [
            f"layout(local_size_x = {columns}, local_size_y = {rows}) in;",
            f"layout(location = {REGION_LOCATION}) uniform ivec3 region;",
            f"layout(binding = {OUTPUT_UNIT}, {_TEXEL_FORMATS[source.kind]}) writeonly uniform {image} out_unit;",
        ]
        places = [f"ivec3(at, {k})" for k in layers] if tiled else ["at"]
        stores = [f"imageStore(out_unit, {place}, %s);" for place in places]
    if tiled:
        written = " ".join(store % f"rows[{k}]" for k, store in zip(layers, stores, strict=True))
        return [*lines, f"void write(ivec2 at, {value4} rows[LAYERS]) {{ {written} }}"]
    return [*lines, f"void write(ivec2 at, {value4} value) {{ {stores[0] % 'value'} }}"]


def _parameters(source: Source) -> list[str]:
    words = sum(parameter.slots for parameter in source.parameters)
    lines: list[str] = []
    if not source.constants:
        lines.append(f"layout(std140) uniform Parameters {{ ivec4 parameters[{max(1, (words + 3) // 4)}]; }};")
    at = 0
    for parameter in source.parameters:
        name = parameter.name
        if source.constants:
            held = source.constants[at : at + parameter.slots]
            if parameter.count:
                listed = ", ".join(map(str, held))
                lines.append(f"const int {name}_[{len(held)}] = int[{len(held)}]({listed});")
                lines.append(f"#define {name}(k) {name}_[k]")
            else:
                lines.append(f"#define {name} {_word(held[0], parameter.type)}")
        elif parameter.count:
            if at % 4:
                lines.append(f"#define {name}(k) parameters[({at} + (k)) >> 2][({at} + (k)) & 3]")
            else:
                lines.append(f"#define {name}(k) parameters[{at // 4} + ((k) >> 2)][(k) & 3]")
        else:
            word = f"parameters[{at // 4}].{'xyzw'[at % 4]}"
            lines.append(f"#define {name} {word if parameter.type == 'int' else f'intBitsToFloat({word})'}")
        at += parameter.slots
    return lines


def _word(word: int, kind: Kind) -> str:
    return (
        str(word)
        if kind == "int" and word != -(2**31)
        else f"int({word & 0xFFFFFFFF}u)"
        if kind == "int"
        else f"uintBitsToFloat({word & 0xFFFFFFFF}u)"
    )


def _accessor(declared: Input, unit: int, flavour: Flavour) -> list[str]:
    name, as_bytes = declared.name, declared.storage == "byte"
    prefix = "u" if as_bytes else "i" if declared.kind == "int" else ""
    value, value4 = _TYPES[declared.kind]
    array = "Array" if declared.layout == "tiles" else ""
    lines = [f"#define {name.upper()}_VALUE {value}", f"#define {name.upper()}_VALUE4 {value4}"]
    if flavour == "image":
        texel_format = _STORAGE_FORMATS.get(declared.storage, _TEXEL_FORMATS[declared.kind])
        lines.append(f"layout(binding = {unit}, {texel_format}) readonly uniform {prefix}image2D{array} {name}_unit;")
        fetch = f"imageLoad({name}_unit, %s)"
    else:
        lines.append(f"uniform {prefix}sampler2D{array} {name}_unit;")
        fetch = f"texelFetch({name}_unit, %s, 0)"
    if as_bytes:
        fetch = f"(vec4(ivec4({fetch}) - {name}_zero) * {name}_scale)"
    # Loads from images give zeros outside of them (OpenGL 4.3, 8.25); what a sampler fetches there is undefined.
    zeros_outside = flavour == "image" and not as_bytes
    if declared.layout == "tiles":
        read_tile = fetch % f"ivec3(w, row + {name}_first_row, layer)"
        return [
            *lines,
            f"{value4} {name}_tile(int w, int row, int layer) {{ return {read_tile}; }}",
            _or_zero(f"{name}_tile", "int w, int row, int layer", "row", value4, zeros_outside),
        ]
    read_texel = fetch % "ivec2(t & WIDTH_MASK, t >> WIDTH_LOG2)"
    return [
        *lines,
        f"{value4} {name}_texel(int t) {{ return {read_texel}; }}",
        _or_zero(f"{name}_texel", "int t", "t", value4, zeros_outside),
        f"{value} {name}_at(int i) {{ {value4} v = {name}_texel(i >> 2); int k = i & 3;"
        " return k < 2 ? (k == 0 ? v.x : v.y) : (k == 2 ? v.z : v.w); }",
    ]


def _or_zero(accessor: str, declared: str, tested: str, value4: str, zeros_outside: bool) -> str:
    """The accessor that gives zeros where ``tested`` is OUTSIDE; ``zeros_outside``: the texture's own does so."""
    arguments = ", ".join(word.split()[1] for word in declared.split(","))
    read = f"{accessor}({arguments})"
    if not zeros_outside:
        read = f"{tested} < 0 ? {value4}(0) : {read}"
    return f"{value4} {accessor}_or_zero({declared}) {{ return {read}; }}"


def _here(declared: Input, output: Layout) -> list[str]:
    """The accessor ``x_here`` of an input: by texel index for flat outputs, by place and line for tiled ones."""
    name = declared.name
    value4 = _TYPES[declared.kind][1]
    if not declared.access:
        return []
    if output == "tiles":
        body = {
            "same": f"{name}_tile(at.x, at.y, line)",
            "scalar": f"{value4}({name}_at(0))",
            "channels": f"{name}_texel(at.y - (at.y / out_blocks) * out_blocks)",
        }[declared.access]
        return [f"{value4} {name}_here(ivec2 at, int line) {{ return {body}; }}"]
    if declared.access != "broadcast":
        body = {
            "same": f"{name}_texel(t)",
            "scalar": f"{value4}({name}_at(0))",
            "channels": f"{name}_texel(t - (t / {name}_texels) * {name}_texels)",
        }[declared.access]
        return [f"{value4} {name}_here(int t) {{ return {body}; }}"]
    # One lane after another, in a loop whose end no compiler knows: unrolled, four loops of integer
    # divisions take three times as long to compile. Shifting the lanes along writes each in its turn.
    return [
        f"int {name}_offset(int i) {{ int offset = 0;",
        "for (int d = out_rank - 1; d >= 0; d--) { int q = i / out_dims(d);"
        f" offset += (i - q * out_dims(d)) * {name}_strides(d); i = q; }} return offset; }}",
        f"{value4} {name}_here(int t) {{ {value4} v = {value4}(0); int end = 4 * t + (out_size > 0 ? 4 : 0);",
        "int run = out_dims(out_rank - 1); int left = 0; int at = 0; for (int i = 4 * t; i < end; i++) {",
        f"if (left == 0) {{ at = {name}_offset(i); left = run - (i - (i / run) * run); }}",
        f"v = {value4}(v.yzw, {name}_at(at)); at += {name}_strides(out_rank - 1); left--; }} return v; }}",
    ]


VERTEX = """#version 330 core
#ifdef GL_ARB_separate_shader_objects
#extension GL_ARB_separate_shader_objects : enable
out gl_PerVertex { vec4 gl_Position; };
#endif
void main() {
    // One triangle that covers the viewport; no vertex buffer.
    gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}
"""
