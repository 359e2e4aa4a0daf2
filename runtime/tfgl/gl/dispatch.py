"""How a program is executed over an output: as a fragment shader, or as a compute shader."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tfgl_shaders.assembly import OUTPUT_UNIT, REGION_LOCATION

from . import raw

if TYPE_CHECKING:
    from .textures import Texture

GLCall = tuple[Callable[..., object], tuple[int, ...]]

IMAGE_LIMIT = 8
SAMPLER_LIMIT = 16
# A texture that a dispatch wrote may next be read by a shader (as an image or a sampler), read back
# through a framebuffer, or be overwritten by an upload.
_BARRIERS = (
    raw.SHADER_IMAGE_ACCESS_BARRIER_BIT
    | raw.TEXTURE_FETCH_BARRIER_BIT
    | raw.TEXTURE_UPDATE_BARRIER_BIT
    | raw.FRAMEBUFFER_BARRIER_BIT
)


class Dispatch(Protocol):
    """The GL calls that run a bound program over the first texels of a texture."""

    stage: int
    """Kind of the shader that the assembled text is."""
    max_inputs: int
    """How many tensors one program can read."""

    def output_call(self, texture: Texture) -> GLCall:
        """The call that makes ``texture`` what the program writes."""

    def run_calls(self, first_row: int, viewport: tuple[int, int]) -> list[GLCall]:
        """The calls that compute ``viewport`` (columns, rows) texels of it, from row ``first_row`` on."""


class FragmentDispatch:
    """One triangle over a framebuffer, whose attachments are the layers of the output."""

    stage = raw.FRAGMENT_SHADER

    def __init__(self, gl: raw.RawGL, max_inputs: int) -> None:
        self._gl = gl
        self.max_inputs = max_inputs
        self._draw: GLCall = (gl.DrawArrays, (raw.TRIANGLES, 0, 3))

    def output_call(self, texture: Texture) -> GLCall:
        """Bind the texture's framebuffer."""
        return self._gl.BindFramebuffer, (raw.DRAW_FRAMEBUFFER, texture.framebuffer)

    def run_calls(self, first_row: int, viewport: tuple[int, int]) -> list[GLCall]:
        """Set the viewport and draw."""
        return [(self._gl.Viewport, (0, first_row, *viewport)), self._draw]


class ComputeDispatch:
    """Workgroups of ``columns`` by ``rows`` texels that write an image; needs OpenGL 4.3 and inputs read as images."""

    stage = raw.COMPUTE_SHADER
    max_inputs = min(IMAGE_LIMIT, OUTPUT_UNIT)

    def __init__(self, gl: raw.RawGL, workgroup: tuple[int, int]) -> None:
        self._gl = gl
        self._workgroup = workgroup
        self._barrier: GLCall = (gl.MemoryBarrier, (_BARRIERS,))

    def output_call(self, texture: Texture) -> GLCall:
        """Bind every layer of the texture to the image unit of outputs."""
        return texture.image_call(OUTPUT_UNIT, raw.WRITE_ONLY)

    def run_calls(self, first_row: int, viewport: tuple[int, int]) -> list[GLCall]:
        """Say which texels to compute, dispatch enough workgroups for it, and order what follows after their writes."""
        groups = (-(-texels // of_group) for texels, of_group in zip(viewport, self._workgroup, strict=True))
        return [
            (self._gl.Uniform3i, (REGION_LOCATION, *viewport, first_row)),
            (self._gl.DispatchCompute, (*groups, 1)),
            self._barrier,
        ]
