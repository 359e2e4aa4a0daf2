"""Tensors: values on the device, on the host, or both."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from .dtypes import NUMPY, DType, check_dtype, dtype_of
from .errors import ContextLostError, DisposedError, InvalidArgumentError
from .gl.textures import Kind

if TYPE_CHECKING:
    from .engine import Engine
    from .gl.recording import Buffer

Shape = tuple[int, ...]

# Host copies of this many elements or fewer stay after an upload: they steer shapes.
_KEPT_ON_HOST = 128
_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiled layout of a (batch, height, width, channels) tensor."""

    batch: int
    height: int
    width: int
    channels: int
    blocks: int
    bands: int

    @property
    def rows(self) -> int:
        """Texel rows: one for each batch element, block of 4 channels and band of lines."""
        return self.batch * self.blocks * self.bands

    def parameters(self, prefix: str) -> dict[str, int]:
        """Shader parameters that describe it, each name with ``prefix``."""
        names = ("batch", "height", "width", "channels", "blocks", "bands")
        return {f"{prefix}_{name}": getattr(self, name) for name in names}


def as_images(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """``shape`` as (batch, height, width, channels): axes in front are ones, or merged into the batch.

    >>> as_images((5, 6)), as_images((2, 3, 4, 5, 6))
    ((1, 1, 5, 6), (6, 4, 5, 6))
    """
    height, width, channels = ((1,) * 3 + tuple(shape))[-3:]
    return math.prod(shape[:-3]), height, width, channels


def tiling(shape: Sequence[int], layers: int) -> Tiling:
    """Tiling of ``shape``, as (batch, height, width, channels), in bands of ``layers`` lines.

    >>> tiling((1, 9, 5, 6), 8).rows
    4
    """
    batch, height, width, channels = as_images(shape)
    return Tiling(batch, height, width, channels, -(-channels // 4), -(-height // layers))


OFF_GRID = 255 * 2.0**-24
"""By how many steps a file's minimum, a rounded number, may lie off the grid of its scale: 6e-8 of the range."""


@dataclass(frozen=True, slots=True)
class ByteCodes:
    """How bytes stand for floats: as ``(byte - zero) * scale``.

    >>> ByteCodes(0.5, 2)
    ByteCodes(scale=0.5, zero=2)
    """

    scale: float
    zero: int


class Tensor:
    """An immutable array of one dtype.

    Made by `tfgl.tensor` and by kernels. Its texture returns to the pool when
    Python collects it or `dispose` is called, whichever comes first.

    >>> import tfgl
    >>> t = tfgl.tensor([[1, 2], [3, 4]])
    >>> t.shape, t.dtype
    ((2, 2), 'int32')
    >>> t.numpy().sum()
    np.int64(10)
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_disposed",
        "_engine",
        "_flat",
        "_host",
        "_host_stays",
        "_parts",
        "_tiles",
        "codes",
        "derived",
        "dtype",
        "id",
        "kept",
        "origin",
        "persistent",
        "shape",
    )

    def __init__(
        self, engine: Engine, shape: Sequence[int], dtype: DType, *, host: npt.NDArray[Any] | None = None
    ) -> None:
        self._engine = engine
        self.shape: Shape = tuple(shape)
        self.dtype: DType = dtype
        self.id = next(_serial)
        self._host = host
        self._host_stays = False
        self._base: Tensor | None = None
        self._flat: Buffer | None = None
        self._tiles: Buffer | None = None
        self._parts: tuple[Tensor, Tensor] | None = None
        self._disposed = False
        self.persistent = False
        """A weight: what is derived from it outlives the call that derived it."""
        self.kept = False
        """Passed to `tfgl.keep`: no tidy scope disposes of it."""
        self.derived: dict[object, Tensor] | None = None
        self.codes: ByteCodes | None = None
        """Of a weight: how bytes can stand for its values."""
        self.origin: object = None
        """For whoever runs a graph: how the host can come to the values."""
        engine.register(self)

    # -- what it is ---------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine that it lives on."""
        return self._engine

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    rank = ndim

    @property
    def nbytes(self) -> int:
        """Bytes of its values, as NumPy counts them."""
        if self.dtype == "string":
            return sum(len(value or b"") for value in self.numpy().ravel())
        return self.size * NUMPY[self.dtype].itemsize

    @property
    def kind(self) -> Kind:
        """How its texels are stored: float32 as float, int32 and bool as int."""
        return "float" if self.dtype == "float32" else "int"

    @property
    def is_disposed(self) -> bool:
        """Whether `dispose` was called."""
        return self._disposed

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of a complex tensor."""
        self._check()
        if self._parts is None:
            raise InvalidArgumentError(f"a {self.dtype} tensor has no real and imaginary part")
        return self._parts

    @property
    def host(self) -> npt.NDArray[Any] | None:
        """Values that the host already holds; None when reading them would need the device.

        Those of a packed weight are float16, or bytes in its ``codes``, where the device is to keep them so.
        """
        return self._host

    # -- where it is --------------------------------------------------------

    def flat(self) -> Buffer:
        """Its buffer in the flat layout: uploaded or converted when it is not there yet."""
        self._check()
        if self._flat is None:
            shared = self._base is not None and not self._base.is_disposed
            self._flat = self.base.flat() if shared else self._engine.make_flat(self)
            self._flat.owners += 1
        return self._flat

    def tiles(self) -> Buffer | None:
        """Its buffer in the tiled layout, converted when not there yet; None when it does not fit the device."""
        self._check()
        if self._tiles is None:
            buffer = self._engine.make_tiles(self)
            if buffer is None:
                return None
            buffer.owners += 1
            self._tiles = buffer
        return self._tiles

    @property
    def is_tiled(self) -> bool:
        """Whether a tiled buffer is there already."""
        return self._tiles is not None

    @property
    def is_flat(self) -> bool:
        """Whether a flat buffer is there already."""
        return self._flat is not None

    def adopt(self, *, flat: Buffer | None = None, tiles: Buffer | None = None) -> Tensor:
        """Take part in owning buffers that hold this tensor's values; for the engine."""
        if flat is not None:
            flat.owners += 1
            self._flat = flat
        if tiles is not None:
            tiles.owners += 1
            self._tiles = tiles
        return self

    def adopt_parts(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Take the parts of a complex tensor; for the engine."""
        self._parts = (real, imaginary)
        return self

    def uploaded(self) -> None:
        """Called by the engine when the device holds the values; large host copies are dropped."""
        if self._host is not None and self._host.size > _KEPT_ON_HOST and not self._host_stays:
            self._host = None

    def become_weight(self, *, host_stays: bool) -> Tensor:
        """What is derived from it is from now on made once, and outlives the call that derived it.

        ``host_stays``: the values on the host are somebody else's, who keeps them, so they stay at hand.
        """
        self.persistent = self.kept = True
        self._host_stays = host_stays
        return self

    @property
    def base(self) -> Tensor:
        """The weight that it is a view of, or itself."""
        return self if self._base is None else self._base

    def view(self, shape: Sequence[int], dtype: DType | None = None) -> Tensor:
        """The same values under another shape of the same size; shares the buffer."""
        self._check()
        result = Tensor(self._engine, shape, dtype or self.dtype)
        if self.base.persistent and result.dtype == self.dtype:
            result._base = self.base
        if self._parts is not None:
            return result.adopt_parts(self._parts[0].view(shape), self._parts[1].view(shape))
        if self._host is not None:
            result._host = self._host.reshape(result.shape)
            if self.dtype in ("string", "complex64") or self._flat is None:
                return result
        tiles = self._tiles if as_images(result.shape) == as_images(self.shape) else None
        flat = self._flat if tiles is not None else self.flat()
        return result.adopt(flat=flat, tiles=tiles)

    # -- reading ------------------------------------------------------------

    def numpy(self) -> npt.NDArray[Any]:
        """The values as an array of its shape and dtype; waits for the device.

        Strings come as an object array of bytes, complex64 as NumPy's own.
        """
        self._check()
        if self._host is not None:
            return self._host.copy()
        if self._parts is not None:
            real, imaginary = self._parts
            out = np.empty(self.shape, np.complex64)
            out.real, out.imag = real.numpy(), imaginary.numpy()
            return out
        values = self._engine.read(self.flat(), self.size)
        return values.astype(NUMPY[self.dtype], copy=False).reshape(self.shape)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        values = self.numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python scalar."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """The values as nested lists."""
        return self.numpy().tolist()

    def _scalar(self) -> Any:
        if self.size != 1:
            raise InvalidArgumentError(
                f"only a tensor with one element becomes a scalar; this one has shape {self.shape}"
            )
        return self.numpy().reshape(()).item()

    def __float__(self) -> float:
        value: SupportsFloat = self._scalar()
        return float(value)

    def __int__(self) -> int:
        return int(self._scalar())

    def __index__(self) -> int:
        if self.dtype not in ("int32", "bool"):
            raise TypeError(f"a {self.dtype} tensor cannot be an index; an int32 one can")
        return int(self._scalar())

    def __bool__(self) -> bool:
        return bool(self._scalar())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a scalar tensor")
        return self.shape[0]

    def __repr__(self) -> str:
        if self._disposed:
            return f"Tensor(shape={self.shape}, dtype={self.dtype}, disposed)"
        return f"Tensor(shape={self.shape}, dtype={self.dtype})"

    # -- the end ------------------------------------------------------------

    def _check(self) -> None:
        if self._disposed:
            raise DisposedError(f"this tensor (shape {self.shape}, {self.dtype}) was used after dispose()")

    def dispose(self) -> None:
        """Give its texture back now; any further use raises DisposedError."""
        if not self._disposed:
            self._disposed = True
            self._free()

    def _free(self) -> None:
        engine = self._engine
        engine.unregister(self)
        held, self._flat, self._tiles, self._host = (self._flat, self._tiles), None, None, None
        for buffer in held:
            if buffer is not None:
                engine.release(buffer)
        if self._parts is not None:
            for part in self._parts:
                part.dispose()
            self._parts = None
        if self.derived is not None:
            for derived in self.derived.values():
                derived.dispose()
            self.derived = None

    def __del__(self) -> None:
        # An exception in __init__ leaves a tensor without fields; at exit modules may be gone.
        if not getattr(self, "_disposed", True):
            self._disposed = True
            try:
                self._free()
            except (AttributeError, TypeError, ContextLostError):
                pass
            except KeyboardInterrupt:
                # Python would only report it: what runs in a loop learns of it at its next step.
                self._engine.interrupted = True
                self._free()


def host_array(values: object, shape: Sequence[int] | None, dtype: str | None) -> tuple[npt.NDArray[Any], DType]:
    """``values`` as a contiguous array in one of the five dtypes, checked against ``shape``.

    >>> host_array([1.5, 2], None, None)[1]
    'float32'
    """
    if dtype == "string" or isinstance(values, (str, bytes)):
        array = np.asarray(values, dtype=object)
    else:
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise InvalidArgumentError(f"values are not a regular array: {error}") from None
    known = check_dtype(dtype) if dtype is not None else dtype_of(array)
    if known == "string":
        flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        # None is an element that was never set, as in a buffer of the original.
        if not all(isinstance(v, bytes) or v is None for v in flat):
            raise InvalidArgumentError("a string tensor takes bytes or str values")
        strings = np.empty(len(flat), dtype=object)
        strings[:] = flat
        array = strings.reshape(array.shape)
    else:
        array = _converted(array, known)
    if shape is not None:
        wanted = tuple(int(n) for n in shape)
        if any(n < 0 for n in wanted) or math.prod(wanted) != array.size:
            raise InvalidArgumentError(
                f"{array.size} values (shape {array.shape}) do not fill shape {wanted}, which takes {math.prod(wanted)}"
            )
        array = array.reshape(wanted)
    return array, known


def _converted(array: npt.NDArray[Any], dtype: DType) -> npt.NDArray[Any]:
    target = NUMPY[dtype]
    if array.dtype.kind in "OSUMmV":
        raise InvalidArgumentError(f"NumPy dtype {array.dtype} does not convert to {dtype}")
    if array.dtype.kind == "c" and dtype != "complex64":
        raise InvalidArgumentError(f"complex values do not convert to {dtype}; take .real, .imag or abs() first")
    if dtype == "int32" and array.dtype != target and array.size and array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        if low < -(2**31) or high >= 2**31:
            raise InvalidArgumentError(f"values from {low} to {high} do not fit int32")
    with np.errstate(invalid="ignore", over="ignore"):
        return np.ascontiguousarray(array.astype(target, copy=True)).reshape(array.shape)
