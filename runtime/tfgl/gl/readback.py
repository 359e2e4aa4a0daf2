"""Reading textures while the device goes on: through pixel buffers, each with a fence behind its read."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ..errors import ContextLostError
from . import raw
from .device import Device
from .textures import Texture

_WAIT_NANOSECONDS = 100_000_000


class Readback:
    """Elements of one texture on their way to the host."""

    def __init__(self, buffers: PixelBuffers, texture: Texture, size: int) -> None:
        self._buffers = buffers
        self._size = size
        self._array: npt.NDArray[Any] = texture.array_for(size)
        self._name = buffers.take(self._array.nbytes)
        gl = buffers.device.gl
        gl.BindBuffer(raw.PIXEL_PACK_BUFFER, self._name)
        texture.read_to(0, size)
        gl.BindBuffer(raw.PIXEL_PACK_BUFFER, 0)
        self._fence = gl.FenceSync(raw.SYNC_GPU_COMMANDS_COMPLETE, 0)
        buffers.fences.add(self._fence)

    def finish(self) -> npt.NDArray[Any]:
        """The elements; waits for them. To be called once."""
        device, array = self._buffers.device, self._array
        device.check()
        gl = device.gl
        # In slices, so that Ctrl-C is noticed.
        state = raw.TIMEOUT_EXPIRED
        while state == raw.TIMEOUT_EXPIRED:
            state = gl.ClientWaitSync(self._fence, raw.SYNC_FLUSH_COMMANDS_BIT, _WAIT_NANOSECONDS)
        if state == raw.WAIT_FAILED:
            raise ContextLostError("the driver lost what it was reading back; load the model again on a new context")
        gl.BindBuffer(raw.PIXEL_PACK_BUFFER, self._name)
        gl.GetBufferSubData(raw.PIXEL_PACK_BUFFER, 0, array.nbytes, array.ctypes.data)
        gl.BindBuffer(raw.PIXEL_PACK_BUFFER, 0)
        self._buffers.fences.discard(self._fence)
        gl.DeleteSync(self._fence)
        self._buffers.give(self._name)
        return array[: self._size]


class PixelBuffers:
    """Pixel buffers of one device, as many as reads are under way, used again and again.

    Several reads may be under way:

    >>> import tfgl
    >>> engine = tfgl.engine.current()
    >>> buffers = PixelBuffers(engine.device)
    >>> tensors = [tfgl.tensor([n, 0.5]) for n in range(3)]
    >>> reads = [buffers.read(tensor.flat().texture, tensor.size) for tensor in tensors]
    >>> [read.finish().tolist() for read in reads]
    [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]]
    >>> buffers.release()
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.fences: set[int] = set()
        self._bytes: dict[int, int] = {}
        self._free: list[int] = []

    def read(self, texture: Texture, size: int) -> Readback:
        """Begin to read the first ``size`` elements; the texture may be written again at once, in order."""
        self.device.check()
        return Readback(self, texture, size)

    def take(self, size: int) -> int:
        """GL name of a free buffer of ``size`` bytes at least."""
        gl = self.device.gl
        name = self._free.pop() if self._free else gl.buffer()
        if self._bytes.get(name, -1) < size:
            gl.BindBuffer(raw.PIXEL_PACK_BUFFER, name)
            gl.BufferData(raw.PIXEL_PACK_BUFFER, size, None, raw.STREAM_READ)
            gl.BindBuffer(raw.PIXEL_PACK_BUFFER, 0)
            self._bytes[name] = size
        return name

    def give(self, name: int) -> None:
        """Return a buffer that `take` gave."""
        self._free.append(name)

    def release(self) -> None:
        """Give all back to the driver; reads under way are abandoned."""
        gl = self.device.gl
        for fence in self.fences:
            gl.DeleteSync(fence)
        for name in self._bytes:
            gl.delete_buffer(name)
        self.fences.clear()
        self._bytes.clear()
        self._free.clear()
