"""GL calls that moderngl lacks, through the loader of moderngl's own context.

Framebuffers over single layers of a texture array, image units, program
binaries, draws without a vertex array object of moderngl's, and a texture
binding that needs no Python object. Every context that moderngl can make (EGL,
GLX, WGL, CGL) has the loader, so nothing here is bound to a platform.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_char, c_char_p, c_float, c_int, c_int64, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any

from ..errors import ShaderError

COLOR_ATTACHMENT0 = 0x8CE0
COMPILE_STATUS = 0x8B81
COMPUTE_SHADER = 0x91B9
DRAW_FRAMEBUFFER = 0x8CA9
FRAGMENT_SHADER = 0x8B30
FRAGMENT_SHADER_BIT = 0x0002
FRAMEBUFFER = 0x8D40
FRAMEBUFFER_BARRIER_BIT = 0x0400
FRAMEBUFFER_COMPLETE = 0x8CD5
INFO_LOG_LENGTH = 0x8B84
INVALID_INDEX = 0xFFFFFFFF
LINK_STATUS = 0x8B82
MAX_FRAGMENT_IMAGE_UNIFORMS = 0x90CE
MAX_IMAGE_UNITS = 0x8F38
NO_ERROR = 0
NUM_PROGRAM_BINARY_FORMATS = 0x87FE
PROGRAM_BINARY_LENGTH = 0x8741
PROGRAM_BINARY_RETRIEVABLE_HINT = 0x8257
PROGRAM_SEPARABLE = 0x8258
QUERY_RESULT = 0x8866
READ_ONLY = 0x88B8
RGBA16F = 0x881A
RGBA32F = 0x8814
RGBA8UI = 0x8D7C
RGBA32I = 0x8D82
RGBA = 0x1908
RGBA_INTEGER = 0x8D99
FLOAT = 0x1406
HALF_FLOAT = 0x140B
INT = 0x1404
UNSIGNED_BYTE = 0x1401
PIXEL_PACK_BUFFER = 0x88EB
SCISSOR_TEST = 0x0C11
SHADER_IMAGE_ACCESS_BARRIER_BIT = 0x0020
STREAM_READ = 0x88E1
SYNC_FLUSH_COMMANDS_BIT = 0x0001
SYNC_GPU_COMMANDS_COMPLETE = 0x9117
TEXTURE0 = 0x84C0
TEXTURE_2D = 0x0DE1
TEXTURE_2D_ARRAY = 0x8C1A
TEXTURE_FETCH_BARRIER_BIT = 0x0008
TEXTURE_UPDATE_BARRIER_BIT = 0x0100
TIME_ELAPSED = 0x88BF
TIMEOUT_EXPIRED = 0x911B
TRIANGLES = 0x0004
UNIFORM_BUFFER = 0x8A11
VERTEX_SHADER = 0x8B31
VERTEX_SHADER_BIT = 0x0001
WAIT_FAILED = 0x911D
WRITE_ONLY = 0x88B9

# name -> (result type, argument types); GL 3.3 core unless noted.
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ActiveTexture": (None, (c_uint,)),
    "AttachShader": (None, (c_uint, c_uint)),
    "BeginQuery": (None, (c_uint, c_uint)),
    "BindBuffer": (None, (c_uint, c_uint)),
    "BindBufferRange": (None, (c_uint, c_uint, c_uint, c_int64, c_int64)),
    "BindFramebuffer": (None, (c_uint, c_uint)),
    "BindTexture": (None, (c_uint, c_uint)),
    "BindVertexArray": (None, (c_uint,)),
    "BufferData": (None, (c_uint, c_int64, c_void_p, c_uint)),
    "CheckFramebufferStatus": (c_uint, (c_uint,)),
    "ClientWaitSync": (c_uint, (c_void_p, c_uint, c_uint64)),
    "CompileShader": (None, (c_uint,)),
    "CreateProgram": (c_uint, ()),
    "CreateShader": (c_uint, (c_uint,)),
    "DeleteBuffers": (None, (c_int, POINTER(c_uint))),
    "DeleteFramebuffers": (None, (c_int, POINTER(c_uint))),
    "DeleteProgram": (None, (c_uint,)),
    "DeleteQueries": (None, (c_int, POINTER(c_uint))),
    "DeleteShader": (None, (c_uint,)),
    "DeleteSync": (None, (c_void_p,)),
    "DeleteVertexArrays": (None, (c_int, POINTER(c_uint))),
    "Disable": (None, (c_uint,)),
    "DrawArrays": (None, (c_uint, c_int, c_int)),
    "DrawBuffers": (None, (c_int, POINTER(c_uint))),
    "Enable": (None, (c_uint,)),
    "EndQuery": (None, (c_uint,)),
    "FenceSync": (c_void_p, (c_uint, c_uint)),
    "Finish": (None, ()),
    "Flush": (None, ()),
    "FramebufferTexture2D": (None, (c_uint, c_uint, c_uint, c_uint, c_int)),
    "FramebufferTextureLayer": (None, (c_uint, c_uint, c_uint, c_int, c_int)),
    "GenBuffers": (None, (c_int, POINTER(c_uint))),
    "GenFramebuffers": (None, (c_int, POINTER(c_uint))),
    "GenQueries": (None, (c_int, POINTER(c_uint))),
    "GenVertexArrays": (None, (c_int, POINTER(c_uint))),
    "GetBufferSubData": (None, (c_uint, c_int64, c_int64, c_void_p)),
    "GetError": (c_uint, ()),
    "GetIntegerv": (None, (c_uint, POINTER(c_int))),
    "GetProgramInfoLog": (None, (c_uint, c_int, POINTER(c_int), POINTER(c_char))),
    "GetProgramiv": (None, (c_uint, c_uint, POINTER(c_int))),
    "GetQueryObjectui64v": (None, (c_uint, c_uint, POINTER(c_uint64))),
    "GetShaderInfoLog": (None, (c_uint, c_int, POINTER(c_int), POINTER(c_char))),
    "GetShaderiv": (None, (c_uint, c_uint, POINTER(c_int))),
    "GetUniformBlockIndex": (c_uint, (c_uint, c_char_p)),
    "GetUniformLocation": (c_int, (c_uint, c_char_p)),
    "LinkProgram": (None, (c_uint,)),
    "ReadPixels": (None, (c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)),
    "Scissor": (None, (c_int, c_int, c_int, c_int)),
    "ShaderSource": (None, (c_uint, c_int, POINTER(c_char_p), POINTER(c_int))),
    "TexSubImage2D": (None, (c_uint, c_int, c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)),
    "Uniform1i": (None, (c_int, c_int)),
    "Uniform3i": (None, (c_int, c_int, c_int, c_int)),
    "UniformBlockBinding": (None, (c_uint, c_uint, c_uint)),
    "UseProgram": (None, (c_uint,)),
    "Viewport": (None, (c_int, c_int, c_int, c_int)),
    # GL 4.1
    "BindProgramPipeline": (None, (c_uint,)),
    "GenProgramPipelines": (None, (c_int, POINTER(c_uint))),
    "UseProgramStages": (None, (c_uint, c_uint, c_uint)),
    "GetProgramBinary": (None, (c_uint, c_int, POINTER(c_int), POINTER(c_uint), c_void_p)),
    "ProgramBinary": (None, (c_uint, c_uint, c_void_p, c_int)),
    "ProgramParameteri": (None, (c_uint, c_uint, c_int)),
    # GL 4.2
    "BindImageTexture": (None, (c_uint, c_uint, c_int, c_ubyte, c_int, c_uint, c_uint)),
    "MemoryBarrier": (None, (c_uint,)),
    # GL 4.3
    "DispatchCompute": (None, (c_uint, c_uint, c_uint)),
}


class RawGL:
    """Typed GL entry points of one context, each loaded when first used.

    ``gl.Viewport(0, 0, 4, 4)`` is ``glViewport``; an entry point that the
    driver lacks raises AttributeError.
    """

    def __init__(self, load: Callable[[str], int]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        try:
            result, arguments = _SIGNATURES[name]
        except KeyError:
            raise AttributeError(name) from None
        address = self._load(f"gl{name}")
        if not address:
            raise AttributeError(f"this driver has no gl{name}")
        function = ctypes.CFUNCTYPE(result, *arguments)(address)
        setattr(self, name, function)
        return function

    def has(self, name: str) -> bool:
        """Whether the driver gives an address for ``gl<name>``."""
        return hasattr(self, name)

    def integer(self, name: int) -> int:
        """``glGetIntegerv`` of one value; 0 where the driver does not know ``name``."""
        value = c_int(0)
        self.GetIntegerv(name, byref(value))
        self.GetError()
        return value.value

    def _generated(self, entry_point: str) -> int:
        """One new name from a ``glGen...``."""
        name = c_uint(0)
        getattr(self, entry_point)(1, byref(name))
        return name.value

    def layered_framebuffer(self, texture: int, layers: int, array: bool) -> int:
        """A framebuffer whose colour attachment k is layer k of ``texture``."""
        name = self._generated("GenFramebuffers")
        self.BindFramebuffer(FRAMEBUFFER, name)
        if array:
            for layer in range(layers):
                self.FramebufferTextureLayer(FRAMEBUFFER, COLOR_ATTACHMENT0 + layer, texture, 0, layer)
        else:
            self.FramebufferTexture2D(FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D, texture, 0)
        attachments = (c_uint * layers)(*(COLOR_ATTACHMENT0 + layer for layer in range(layers)))
        self.DrawBuffers(layers, attachments)
        return name

    def delete_framebuffer(self, name: int) -> None:
        """Delete one framebuffer."""
        self.DeleteFramebuffers(1, byref(c_uint(name)))

    def vertex_array(self) -> int:
        """An empty vertex array object: the vertex shader needs no attribute."""
        return self._generated("GenVertexArrays")

    def delete_vertex_array(self, name: int) -> None:
        """Delete one vertex array object."""
        self.DeleteVertexArrays(1, byref(c_uint(name)))

    def buffer(self) -> int:
        """A new buffer object, empty."""
        return self._generated("GenBuffers")

    def delete_buffer(self, name: int) -> None:
        """Delete one buffer object."""
        self.DeleteBuffers(1, byref(c_uint(name)))

    def query(self) -> int:
        """A new query object."""
        return self._generated("GenQueries")

    def delete_query(self, name: int) -> None:
        """Delete one query object."""
        self.DeleteQueries(1, byref(c_uint(name)))

    def query_result(self, name: int) -> int:
        """Result of a query; waits for it."""
        value = c_uint64(0)
        self.GetQueryObjectui64v(name, QUERY_RESULT, byref(value))
        return value.value

    def compile(self, stage: int, text: str) -> int:
        """Start compiling a shader; its status is asked for at link."""
        shader: int = self.CreateShader(stage)
        encoded = c_char_p(text.encode())
        self.ShaderSource(shader, 1, byref(encoded), None)
        self.CompileShader(shader)
        return shader

    def link(self, shaders: Sequence[int], *, retrievable: bool, separable: bool = False) -> int:
        """A program of ``shaders``, linked; ShaderError with the driver's log when it fails.

        A ``separable`` one has some of the stages, and runs in a `pipeline` with others.
        """
        program: int = self.CreateProgram()
        if separable:
            self.ProgramParameteri(program, PROGRAM_SEPARABLE, 1)
        for shader in shaders:
            self.AttachShader(program, shader)
        if retrievable:
            self.ProgramParameteri(program, PROGRAM_BINARY_RETRIEVABLE_HINT, 1)
        self.LinkProgram(program)
        if not self.linked(program):
            log = self._logs(program, shaders)
            self.DeleteProgram(program)
            raise ShaderError(log)
        return program

    def pipeline(self, vertex: int, fragment: int) -> int:
        """A program pipeline of two separable programs."""
        name = self._generated("GenProgramPipelines")
        self.UseProgramStages(name, VERTEX_SHADER_BIT, vertex)
        self.UseProgramStages(name, FRAGMENT_SHADER_BIT, fragment)
        return name

    def linked(self, program: int) -> bool:
        """Link status; waits for the driver's compiler."""
        status = c_int(0)
        self.GetProgramiv(program, LINK_STATUS, byref(status))
        return bool(status.value)

    def _logs(self, program: int, shaders: Sequence[int]) -> str:
        texts: list[str] = []
        for name, length, read in [
            (program, self.GetProgramiv, self.GetProgramInfoLog),
            *((shader, self.GetShaderiv, self.GetShaderInfoLog) for shader in shaders),
        ]:
            size = c_int(0)
            length(name, INFO_LOG_LENGTH, byref(size))
            if size.value > 1:
                buffer = ctypes.create_string_buffer(size.value)
                read(name, size.value, None, buffer)
                texts.append(buffer.value.decode(errors="replace").strip())
        return "\n".join(texts) or "the driver gave no log"

    def program_binary(self, program: int) -> tuple[int, bytes]:
        """(format, bytes) of a linked program; empty bytes where the driver gives none."""
        size = c_int(0)
        self.GetProgramiv(program, PROGRAM_BINARY_LENGTH, byref(size))
        if size.value <= 0:
            return 0, b""
        buffer = ctypes.create_string_buffer(size.value)
        written, binary_format = c_int(0), c_uint(0)
        self.GetProgramBinary(program, size.value, byref(written), byref(binary_format), buffer)
        return binary_format.value, buffer.raw[: written.value]

    def program_from_binary(self, binary_format: int, data: bytes) -> int | None:
        """A program of a binary that this driver made before; None when it refuses it."""
        program: int = self.CreateProgram()
        self.ProgramBinary(program, binary_format, data, len(data))
        if self.linked(program):
            return program
        self.DeleteProgram(program)
        while self.GetError() != NO_ERROR:
            pass
        return None

    def float_pointer(self, count: int) -> Any:
        """A float array for calls that write one."""
        return (c_float * count)()
