"""A GL context, its limits, and the thread that it belongs to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapreplace
from typing import Any

import moderngl

from tfgl_shaders.assembly import Flavour, Storage, Target

from ..errors import ContextLostError, NoDeviceError, TensorTooLargeError, WrongThreadError
from ..flags import Flags
from . import raw
from .choices import LARGEST_WORKGROUP, Choices, decide, images_work, is_workgroup
from .dispatch import IMAGE_LIMIT, SAMPLER_LIMIT, ComputeDispatch, Dispatch, FragmentDispatch
from .textures import Kind, TextureShape, size_class

_EGL_DEVICES_TRIED = 8
# llvmpipe gives its threads squares of 64 x 64 texels, and draws 4 x 4 of them at once.
_SQUARE, _GRAIN = 64, 4
# With so many squares a thread, their borders matter no more.
_MANY_SQUARES = 16
_SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "swrast", "software rasterizer", "gdi generic")

INSTALL_HINT = (
    "on Debian or Ubuntu: apt-get install libegl1 libgl1 libgl1-mesa-dri (software driver and Mesa's GPU drivers); "
    "in a container with an NVIDIA GPU: run it with the 'graphics' driver capability "
    "(NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility) and install libegl1 libgl1; "
    "`tfgl doctor` prints what was tried"
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a driver says of itself, and what tfgl makes of it."""

    backend: str
    vendor: str
    renderer: str
    version: str
    version_code: int
    software: bool
    max_texture_size: int
    max_array_layers: int
    max_draw_buffers: int
    max_image_units: int
    fragment_images: int
    program_binary_formats: int
    timer_queries: bool
    parallel_compile: bool

    @property
    def identity(self) -> str:
        """What a compiled program depends on."""
        return "|".join((self.vendor, self.renderer, self.version))


class Device:
    """One context of one thread; the flavour and the layouts that fit it, or that ``choices`` ask for.

    Raises WrongThreadError when used from another thread and ContextLostError
    after ``close``.
    """

    def __init__(self, context: moderngl.Context, backend: str, flags: Flags, choices: Choices | None = None) -> None:
        self.context = context
        self.gl = raw.RawGL(context.mglo._context.load)
        self._thread = threading.get_ident()
        self._closed = False
        self.info = _describe(context, self.gl, backend, flags.gl_version)
        _check(self.info, flags)
        self.choices, self.origins = decide(self.info, flags)
        if choices is not None:
            self.choices = choices
        self.flavour: Flavour = self.choices.accessor
        self.layers = self.choices.layers
        workgroup = self.choices.workgroup
        self.target = Target(self.flavour, self.layers, self.choices.width_log2, flags.dispatch, workgroup)
        self.dispatch: Dispatch = _dispatch(self.gl, self.info, self.target)
        # Threads take whole workgroups of a compute shader, of which small outputs have enough, too.
        shares_squares = self.choices.astride and flags.dispatch == "fragment"
        self._threads = _threads_of_driver() if shares_squares else 1

    def check(self) -> None:
        """Raise unless this is the device's thread and it is open; make it the current context."""
        if self._thread != threading.get_ident():
            raise WrongThreadError(
                "this GL context belongs to another thread; use a model and its tensors on the thread that made "
                "them, or give each thread its own engine (tfgl.engine.use)"
            )
        if self._closed:
            raise ContextLostError("this GL context was closed; load the model again on a new one")
        if _current.device is not self:
            self.context.__enter__()  # type: ignore[no-untyped-call]
            _current.device = self

    @property
    def on_own_thread(self) -> bool:
        """Whether the calling thread may talk to the driver."""
        return self._thread == threading.get_ident() and not self._closed

    def flat_shape(self, elements: int, kind: Kind, storage: Storage = "") -> TextureShape:
        """Texture that holds ``elements`` in the flat layout.

        The width is the device's, or the next power of two for a tensor that
        takes less than one row; TensorTooLargeError over the driver's limit.
        """
        texels = max(1, -(-elements // 4))
        width = min(1 << self.choices.width_log2, max(16, 1 << (texels - 1).bit_length()))
        rows = -(-texels // width)
        height = size_class(rows)
        if height > self.info.max_texture_size:
            height = rows
        if height > self.info.max_texture_size:
            limit = self.info.max_texture_size * width * 16
            raise TensorTooLargeError(
                f"a tensor of {elements} elements ({elements * 4} bytes) exceeds the {limit} bytes that one texture of "
                f"this device holds ({self.info.renderer}, textures up to {self.info.max_texture_size}); use a smaller "
                "batch or input"
            )
        return TextureShape(kind, width, height, 0, storage)

    def tiles_shape(self, width: int, rows: int, kind: Kind) -> TextureShape | None:
        """Texture array that holds ``rows`` rows of ``width`` texels, or None over the driver's limits."""
        padded_width, padded_rows = size_class(width), size_class(rows)
        if max(padded_width, padded_rows) > self.info.max_texture_size:
            return None
        return TextureShape(kind, padded_width, padded_rows, self.layers)

    def first_row(self, width: int, rows: int) -> int:
        """The row of its texture where a tiled tensor of ``rows`` rows of ``width`` texels begins.

        0 on a GPU. A software driver shares an output out among threads by squares of the texture; where the squares'
        borders lie in a small tensor decides how evenly.
        """
        return _fairest_first_row(width, rows, self._threads) if self._threads > 1 else 0

    def close(self) -> None:
        """Destroy the context; every tensor on it is lost."""
        if not self._closed:
            self._closed = True
            # Releasing any context may leave none current.
            forget_current_context()
            self.context.release()


def _threads_of_driver() -> int:
    """How many threads a software driver draws with: LP_NUM_THREADS is llvmpipe's own limit."""
    cores = os.cpu_count() or 1
    named = os.environ.get("LP_NUM_THREADS", "")
    return min(cores, int(named)) if named.isdigit() else cores


@lru_cache(maxsize=4096)
def _fairest_first_row(width: int, rows: int, threads: int) -> int:
    """The first row, below `_SQUARE`, with which ``threads`` that each take the next square finish first.

    >>> _fairest_first_row(7, 64, 2), _fairest_first_row(7, 128, 2), _fairest_first_row(7, 80, 2)
    (32, 0, 24)
    """
    if (width // _SQUARE + 1) * rows > _MANY_SQUARES * threads * _SQUARE:
        return 0

    columns = [min(_SQUARE, width - x) for x in range(0, width, _SQUARE)]

    def finish(first_row: int) -> int:
        ends = [0] * threads
        for y in range(0, first_row + rows, _SQUARE):
            held = min(y + _SQUARE, first_row + rows) - max(y, first_row)
            for across in columns:
                heapreplace(ends, ends[0] + -(-held // _GRAIN) * -(-across // _GRAIN))
        return max(ends)

    return min(range(0, _SQUARE, _GRAIN), key=finish)


class _Current(threading.local):
    device: Device | None = None


_current = _Current()


def forget_current_context() -> None:
    """Say that another GL context was made current on this thread, by whoever: the next use switches back.

    Needed after making a moderngl context of one's own on a thread that uses tfgl.

    >>> forget_current_context()
    """
    _current.device = None


def open_device(flags: Flags, choices: Choices | None = None) -> Device:
    """The device that ``flags`` ask for: EGL first, then GLFW with a hidden window.

    ``choices`` come before what flags, measurements and facts of the driver say.

    Raises NoDeviceError that lists what was tried and what to install.
    """
    attempts: list[str] = []
    # Whatever happens next, the context that was current may not be it any more.
    forget_current_context()
    for backend, index in _ways(flags):
        try:
            context = create_context(backend, index)
        except Exception as error:  # drivers and loaders raise whatever they like
            reason = str(error).strip() or type(error).__name__
            # EGL's other devices mostly fail as its default did, and then say nothing new.
            if not attempts or not attempts[-1].endswith(f": {reason}"):
                attempts.append(f"{backend if index is None else f'{backend}:{index}'}: {reason}")
            continue
        try:
            device = Device(context, backend, flags, choices)
        except NoDeviceError:
            context.release()
            raise
        _current.device = device
        return device
    raise NoDeviceError(f"no OpenGL 3.3 context could be created ({'; '.join(attempts)}); {INSTALL_HINT}")


def _ways(flags: Flags) -> Iterator[tuple[str, int | None]]:
    """(backend, EGL device) in the order to try: EGL's default, its other devices, GLFW."""
    if flags.backend in ("auto", "egl"):
        yield "egl", flags.device_index
        if flags.device_index is None:
            yield from (("egl", index) for index in range(1, _EGL_DEVICES_TRIED))
    if flags.backend in ("auto", "glfw"):
        yield "glfw", None


def create_context(backend: str, device_index: int | None = None) -> moderngl.Context:
    """A bare context of GL 3.3 or better; raises whatever the loader raises."""
    if backend == "glfw":
        return _glfw_context()
    settings: dict[str, Any] = {"backend": "egl"}
    if device_index is not None:
        settings["device_index"] = device_index
    return moderngl.create_context(standalone=True, require=330, **settings)


def _glfw_context() -> moderngl.Context:
    import glfw  # loads a shared library, so not before it is needed

    # What it would warn of is in the error that is raised here.
    glfw.ERROR_REPORTING = "ignore"
    if not glfw.init():
        raise RuntimeError("GLFW found no window system (is DISPLAY or WAYLAND_DISPLAY set?)")
    glfw.window_hint(glfw.VISIBLE, False)
    glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, 3)
    glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, 3)
    glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
    glfw.window_hint(glfw.OPENGL_FORWARD_COMPAT, True)
    window = glfw.create_window(16, 16, "tfgl", None, None)
    if not window:
        raise RuntimeError("GLFW could not create a window with an OpenGL 3.3 context")
    glfw.make_context_current(window)
    context = moderngl.create_context(require=330)
    context.extra = window  # keeps the window as long as the context
    return context


def _describe(context: moderngl.Context, gl: raw.RawGL, backend: str, version_limit: int | None) -> DeviceInfo:
    info = context.info
    version = min(context.version_code, version_limit or context.version_code)
    renderer = str(info.get("GL_RENDERER", ""))
    images = version >= 420
    return DeviceInfo(
        backend=backend,
        vendor=str(info.get("GL_VENDOR", "")),
        renderer=renderer,
        version=str(info.get("GL_VERSION", "")),
        version_code=version,
        software=any(name in renderer.lower() for name in _SOFTWARE),
        max_texture_size=int(info["GL_MAX_TEXTURE_SIZE"]),
        max_array_layers=int(info["GL_MAX_ARRAY_TEXTURE_LAYERS"]),
        max_draw_buffers=min(int(info["GL_MAX_DRAW_BUFFERS"]), gl.integer(0x8CDF)),
        max_image_units=gl.integer(raw.MAX_IMAGE_UNITS) if images else 0,
        fragment_images=gl.integer(raw.MAX_FRAGMENT_IMAGE_UNIFORMS) if images else 0,
        program_binary_formats=gl.integer(raw.NUM_PROGRAM_BINARY_FORMATS) if context.version_code >= 410 else 0,
        timer_queries=context.version_code >= 330,
        parallel_compile=bool(
            {"GL_KHR_parallel_shader_compile", "GL_ARB_parallel_shader_compile"} & context.extensions
        ),
    )


def _check(info: DeviceInfo, flags: Flags) -> None:
    """Raise NoDeviceError where ``flags`` ask for what the context cannot do."""
    if flags.accessor == "image" and not images_work(info):
        raise NoDeviceError(
            f"the image accessor was asked for, but this context has GL {info.version_code} with "
            f"{info.fragment_images} image units in fragment shaders (430 and 8 are needed); use accessor='auto'"
        )
    if flags.workgroup is not None and not is_workgroup(flags.workgroup):
        raise NoDeviceError(
            "a workgroup is (columns, rows), two positive numbers whose product is at most "
            f"{LARGEST_WORKGROUP}; got {flags.workgroup!r}"
        )


def _dispatch(gl: raw.RawGL, info: DeviceInfo, target: Target) -> Dispatch:
    if target.dispatch == "fragment":
        return FragmentDispatch(gl, IMAGE_LIMIT if target.flavour == "image" else SAMPLER_LIMIT)
    if target.flavour != "image":
        raise NoDeviceError(
            f"compute shaders were asked for, but they need OpenGL 4.3 and textures read as images, and this context "
            f"({info.renderer}) is used as GL {info.version_code} with the {target.flavour} accessor; "
            "use dispatch='fragment'"
        )
    return ComputeDispatch(gl, target.workgroup)
