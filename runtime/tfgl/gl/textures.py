"""Textures, the shapes they come in, and the pool they return to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import moderngl
import numpy as np
import numpy.typing as npt

from tfgl_shaders.assembly import Storage

from ..errors import TensorTooLargeError
from . import raw

if TYPE_CHECKING:
    from .device import Device

Kind = Literal["float", "int"]
Layout = Literal["flat", "tiles"]


class _Format(NamedTuple):
    """A texel format: moderngl's dtype for it, GL's name, what is uploaded."""

    dtype: str
    internal: int
    upload: tuple[int, int]
    bytes_per_texel: int


_FORMATS: dict[tuple[Kind, Storage], _Format] = {
    ("float", ""): _Format("f4", raw.RGBA32F, (raw.RGBA, raw.FLOAT), 16),
    ("float", "half"): _Format("f2", raw.RGBA16F, (raw.RGBA, raw.HALF_FLOAT), 8),
    ("float", "byte"): _Format("u1", raw.RGBA8UI, (raw.RGBA_INTEGER, raw.UNSIGNED_BYTE), 4),
    ("int", ""): _Format("i4", raw.RGBA32I, (raw.RGBA_INTEGER, raw.INT), 16),
}


@dataclass(frozen=True, slots=True)
class TextureShape:
    """What makes two textures interchangeable."""

    kind: Kind
    width: int
    height: int
    layers: int  # 0: a plain 2-D texture
    storage: Storage = ""

    @property
    def format(self) -> _Format:
        """The format of its texels."""
        return _FORMATS[self.kind, self.storage]

    @property
    def bytes(self) -> int:
        """Bytes that it takes on the device."""
        return self.width * self.height * max(1, self.layers) * self.format.bytes_per_texel


@lru_cache(maxsize=4096)
def size_class(extent: int) -> int:
    """The smallest class that holds ``extent``: four steps an octave, never a power of two.

    Drivers (Mesa's llvmpipe among them) compile a shader anew when a texture's
    extent changes between a power of two and another number; keeping every
    extent of one direction on one side of that line makes a single variant.

    >>> [size_class(n) for n in (1, 3, 4, 8, 33, 100)]
    [3, 3, 5, 9, 40, 112]
    """
    if extent <= 3:
        return 3
    step = max(1, 1 << (extent.bit_length() - 3))
    rounded = -(-extent // step) * step
    return rounded + 1 if rounded & (rounded - 1) == 0 else rounded


class Texture:
    """A texture of the pool, with the framebuffer that renders into it."""

    __slots__ = ("_device", "_framebuffer", "glo", "object", "shape")

    def __init__(self, device: Device, shape: TextureShape) -> None:
        self._device = device
        self.shape = shape
        size = (shape.width, shape.height)
        dtype = shape.format.dtype
        context = device.context
        self.object: moderngl.Texture | moderngl.TextureArray
        if shape.layers:
            self.object = context.texture_array((*size, shape.layers), 4, dtype=dtype)
        else:
            self.object = context.texture(size, 4, dtype=dtype)
        self.object.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.glo: int = self.object.glo
        self._framebuffer = 0

    @property
    def framebuffer(self) -> int:
        """GL name of the framebuffer over every layer, made when first asked for."""
        if not self._framebuffer:
            gl = self._device.gl
            self._framebuffer = gl.layered_framebuffer(self.glo, max(1, self.shape.layers), self.shape.layers > 0)
        return self._framebuffer

    def bind_calls(self, unit: int, image: bool) -> list[tuple[Callable[..., object], tuple[int, ...]]]:
        """GL calls that make this texture readable at ``unit``."""
        if image:
            return [self.image_call(unit, raw.READ_ONLY)]
        gl = self._device.gl
        target = raw.TEXTURE_2D_ARRAY if self.shape.layers else raw.TEXTURE_2D
        return [(gl.ActiveTexture, (raw.TEXTURE0 + unit,)), (gl.BindTexture, (target, self.glo))]

    def image_call(self, unit: int, access: int) -> tuple[Callable[..., object], tuple[int, ...]]:
        """The GL call that makes every layer of this texture the image of ``unit``."""
        layered, internal = int(self.shape.layers > 0), self.shape.format.internal
        return self._device.gl.BindImageTexture, (unit, self.glo, 0, layered, 0, access, internal)

    def write(self, values: npt.NDArray[Any]) -> None:
        """Upload a flat array (C order; in the dtype of the texels' format) from the first texel on."""
        gl, width = self._device.gl, self.shape.width
        transfer = self.shape.format.upload
        gl.ActiveTexture(raw.TEXTURE0)
        gl.BindTexture(raw.TEXTURE_2D, self.glo)
        rows, rest = divmod(values.size, width * 4)
        if rows:
            gl.TexSubImage2D(raw.TEXTURE_2D, 0, 0, 0, width, rows, *transfer, values.ctypes.data)
        if rest:
            texels = -(-rest // 4)
            last = np.zeros(texels * 4, values.dtype)
            last[:rest] = values[rows * width * 4 :]
            gl.TexSubImage2D(raw.TEXTURE_2D, 0, 0, rows, texels, 1, *transfer, last.ctypes.data)

    def read(self, size: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int32]:
        """The first ``size`` elements; waits for the draws that write them."""
        out = self.array_for(size)
        self.read_to(out.ctypes.data, size)
        return out[:size]

    def array_for(self, size: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int32]:
        """An array for the whole texels of the rows that hold the first ``size`` elements."""
        columns, rows = self._extent(size)
        elements = columns * rows * 4
        return np.empty(elements, np.float32) if self.shape.kind == "float" else np.empty(elements, np.int32)

    def read_to(self, address: int, size: int) -> None:
        """Read what `array_for` has room for: to memory, or from a byte of the bound pixel buffer on."""
        gl = self._device.gl
        gl.BindFramebuffer(raw.FRAMEBUFFER, self.framebuffer)
        # Halves are widened on the way.
        gl.ReadPixels(0, 0, *self._extent(size), *_FORMATS[self.shape.kind, ""].upload, address)

    def _extent(self, size: int) -> tuple[int, int]:
        texels = -(-size // 4)
        return min(texels, self.shape.width), -(-texels // self.shape.width)

    def release(self) -> None:
        """Give texture and framebuffer back to the driver."""
        if self._framebuffer:
            self._device.gl.delete_framebuffer(self._framebuffer)
            self._framebuffer = 0
        self.object.release()


class TexturePool:
    """Free textures by shape; counts what it makes, for tests and for the warmup table."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._free: dict[TextureShape, list[Texture]] = {}
        self.created = 0
        self.create_seconds = 0.0
        self.live_textures = 0
        self.live_bytes = 0
        self.total_bytes = 0
        self.peak_bytes = 0
        self.peak_total_bytes = 0

    def take(self, shape: TextureShape) -> Texture:
        """A texture of ``shape``, a free one where there is one."""
        free = self._free.get(shape)
        texture = free.pop() if free else self._create(shape)
        self.live_textures += 1
        self.live_bytes += shape.bytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return texture

    def give(self, texture: Texture) -> None:
        """Return ``texture``; the pool keeps it for the next taker."""
        self._free.setdefault(texture.shape, []).append(texture)
        self.live_textures -= 1
        self.live_bytes -= texture.shape.bytes

    def _create(self, shape: TextureShape) -> Texture:
        start = perf_counter()
        try:
            texture = Texture(self._device, shape)
        except moderngl.Error as error:
            self.release_free()
            raise TensorTooLargeError(
                f"the driver refused a {shape.width}x{shape.height}x{max(1, shape.layers)} texture of "
                f"{shape.bytes} bytes, with {self.live_bytes} bytes in use ({error}); "
                "dispose of tensors, or run with smaller inputs or a smaller batch"
            ) from None
        self.created += 1
        self.total_bytes += shape.bytes
        self.peak_total_bytes = max(self.peak_total_bytes, self.total_bytes)
        self.create_seconds += perf_counter() - start
        return texture

    @property
    def free_textures(self) -> int:
        """Number of textures that wait for a taker."""
        return sum(map(len, self._free.values()))

    @property
    def free_bytes(self) -> int:
        """Bytes of the textures that wait for a taker."""
        return sum(shape.bytes * len(textures) for shape, textures in self._free.items())

    def release_free(self) -> None:
        """Give every free texture back to the driver."""
        for textures in self._free.values():
            for texture in textures:
                self.total_bytes -= texture.shape.bytes
                texture.release()
        self._free.clear()
