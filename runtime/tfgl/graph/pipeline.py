"""Many inferences in a row: while one is drawn, the next is uploaded and the one before is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ..dtypes import NUMPY
from ..engine import Engine
from ..gl.readback import PixelBuffers
from ..tensor import Tensor

Array = npt.NDArray[Any]
HostOutputs: TypeAlias = Array | list[Array] | dict[str, Array]
_Element = TypeVar("_Element")
_End = object()


def pipelined(
    elements: Iterator[_Element],
    predict: Callable[[_Element], Tensor | list[Tensor] | dict[str, Tensor]],
    engine: Engine,
    depth: int,
) -> Generator[HostOutputs, None, None]:
    """What ``predict`` computes of each element, as arrays, in order; ``depth`` elements are taken ahead.

    The outputs are disposed of. An error, of ``elements`` as of ``predict``, is raised after the results of the
    elements before it, and ends the iteration.

    >>> import tfgl
    >>> doubled = lambda value: tfgl.run_kernel("Add", {"a": tfgl.tensor(value), "b": tfgl.tensor(value)})
    >>> results = pipelined(iter([[1.0], [2.0], [3.0]]), doubled, tfgl.engine.current(), depth=2)
    >>> [array.tolist() for array in results]
    [[2.0], [4.0], [6.0]]
    """
    buffers = PixelBuffers(engine.device)
    under_way: deque[Callable[[], HostOutputs]] = deque()
    failure: Exception | None = None
    try:
        while failure is None:
            try:
                element = next(elements, _End)
                if element is _End:
                    break
                under_way.append(_begin(predict(element), buffers))  # type: ignore[arg-type]
            except Exception as error:
                failure = error
            if len(under_way) > depth:
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()
        if failure is not None:
            raise failure
    finally:
        failure = None  # its traceback refers to this frame
        # Python may close a generator on another thread, or in the middle of another context's work.
        engine.retire(buffers.release, now=False)


def _begin(outputs: Tensor | list[Tensor] | dict[str, Tensor], buffers: PixelBuffers) -> Callable[[], HostOutputs]:
    """Begin to read ``outputs``, and dispose of them: the driver reads before it draws into their textures again."""
    tensors = (
        [outputs] if isinstance(outputs, Tensor) else list(outputs.values() if isinstance(outputs, dict) else outputs)
    )
    try:
        reads = [_reading(tensor, buffers) for tensor in tensors]
    finally:
        for tensor in tensors:
            tensor.dispose()
    # The device begins now, not when the driver's queue is full.
    buffers.device.gl.Flush()

    def finish() -> HostOutputs:
        arrays = [read() for read in reads]
        if isinstance(outputs, dict):
            return dict(zip(outputs, arrays, strict=True))
        return arrays[0] if isinstance(outputs, Tensor) else arrays

    return finish


def _reading(tensor: Tensor, buffers: PixelBuffers) -> Callable[[], Array]:
    """Begin to read one tensor; what is returned waits for its values."""
    if tensor.host is not None:
        values = tensor.numpy()
        return lambda: values
    if tensor.dtype == "complex64":
        real, imaginary = (_reading(part, buffers) for part in tensor.parts)

        def joined() -> Array:
            out = np.empty(tensor.shape, np.complex64)
            out.real, out.imag = real(), imaginary()
            return out

        return joined
    texture = tensor.flat().texture
    assert texture is not None, "outputs have been drawn"
    read = buffers.read(texture, tensor.size)
    return lambda: read.finish().astype(NUMPY[tensor.dtype], copy=False).reshape(tensor.shape)
