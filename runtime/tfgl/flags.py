"""Switches of the runtime, each documented where it stands."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Literal

from .errors import InvalidArgumentError


def _cache_switch() -> bool:
    return os.environ.get("TFGL_CACHE", "1").lower() not in ("0", "off", "false", "no")


@dataclass(slots=True)
class Flags:
    """What can be switched; read when a device is opened unless a line says otherwise.

    Two environment variables exist: ``TFGL_CACHE_DIR`` (where caches live) and
    ``TFGL_CACHE`` (``0`` turns the program cache off, the default of
    ``program_cache``).

    >>> Flags(gl_version=330).gl_version
    330
    """

    backend: Literal["auto", "egl", "glfw"] = "auto"
    """Which way to a context: EGL first, then a hidden GLFW window (``auto``), or just one of them."""

    device_index: int | None = None
    """EGL device to open; None lets the driver choose."""

    gl_version: int | None = None
    """330 forces the GL 3.3 paths (samplers, no image units); None takes the best that the driver has."""

    accessor: Literal["auto", "image", "sampler"] = "auto"
    """How shaders read textures; ``auto`` takes images where there are image units in fragment shaders."""

    program_cache: bool = field(default_factory=_cache_switch)
    """Keep linked programs on disk; read at each compilation."""

    shapes_as_constants: bool = False
    """Bake parameters into shader text, one program per shape, as TensorFlow.js does; read at each draw."""

    fusion: bool = True
    """Fuse graph nodes at load; read when a model is loaded."""

    host_forward_limit: int = 128
    """Graph nodes on fewer elements, all of which the host already holds, run on the host (shape arithmetic)."""

    max_recordings: int = 16
    """Recordings that one model keeps, least recently used out first."""

    max_recorded_draws: int = 1 << 16
    """The longest recording; an inference of more draws, such as one with a very long loop, is never recorded."""

    def set(self, name: str, value: object) -> None:
        """Set a flag by name; InvalidArgumentError for a name that does not exist.

        >>> Flags().set("no_such", 1)
        Traceback (most recent call last):
        ...
        tfgl.errors.InvalidArgumentError: unknown flag 'no_such'; flags are backend, device_index, \
gl_version, accessor, program_cache, shapes_as_constants, fusion, host_forward_limit, max_recordings, \
max_recorded_draws
        """
        names = [f.name for f in fields(self)]
        if name not in names:
            raise InvalidArgumentError(f"unknown flag {name!r}; flags are {', '.join(names)}")
        setattr(self, name, value)


flags = Flags()
"""The flags of this process."""
