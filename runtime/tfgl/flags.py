"""Switches of the runtime, each documented where it stands."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Literal

from .errors import InvalidArgumentError


def _cache_switch() -> bool:
    return os.environ.get("TFGL_CACHE", "1").lower() not in ("0", "off", "false", "no")


FUSIONS = {
    "lstm_cells": "a step of an LSTM is one node",
    "constants": "nodes on constants are computed at load",
    "batch_norms": "batch normalisation goes into the weights of the convolution before it",
    "layer_norms": "a layer norm spelt out is one node",
    "clips": "minima and maxima with 0 and 6 become relu and relu6",
    "swish": "x sigmoid(x) becomes one activation",
    "hard_swish": "relu6(x + 3) / 6, and x times it, become one activation",
    "gelu": "gelu spelt out with erf, erfc or tanh becomes one activation",
    "standardized": "(x - mean) / sqrt(variance + epsilon) of any other form is one node",
    "softmax": "softmax spelt out with exp, max and sum becomes the kernel",
    "scales": "constants that a convolution or matrix product is multiplied by, or that are added, go into its weights",
    "padding": "a frame of zeros becomes the padding of the convolution after it",
    "reshapes": "bias and activation behind a change of shape of a matrix product go before that",
    "activations": "bias and activation go into the convolution or matrix product before them",
    "arguments": "constants that a function is called with become its own",
    "chains": "element-wise draws become one",
    "tails": "element-wise draws go into the draw of another kernel that makes their operand",
    "casts": "integers are converted to floats where an element-wise draw reads them",
    "layouts": "element-wise draws on what then changes its layout go into that change",
    "residual": "the sum with another tensor goes into the draw that makes one of the two",
}
"""Each fusion by its name, and what it does; the first ones rewrite a graph at load, the others merge draws."""

WEIGHTS_ON_GPU = ("auto", "float32", "float16", "uint8")
"""What the flag ``weights_on_gpu`` may be."""


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

    dispatch: Literal["fragment", "compute"] = "fragment"
    """How programs run: as fragment shaders, or as compute shaders of the same bodies (OpenGL 4.3, image accessor)."""

    workgroup: tuple[int, int] | None = None
    """Columns and rows of texels that a workgroup of a compute shader serves; None takes the device's."""

    program_cache: bool = field(default_factory=_cache_switch)
    """Keep linked programs on disk; read at each compilation."""

    shapes_as_constants: bool = False
    """Bake parameters into shader text, one program per shape, as TensorFlow.js does; read at each draw."""

    fusion: bool = True
    """Fuse graph nodes at load and draws at capture; False switches all of `FUSIONS` off."""

    fusions_off: Collection[str] = frozenset()
    """Names of `FUSIONS` not to use; all others are. Read when a model is loaded and when it runs for new shapes."""

    weights_on_gpu: Literal["auto", "float32", "float16", "uint8"] = "auto"
    """How the device keeps filters and matrices of products; read when a weight is packed, in a model's first run.

    ``float16`` rounds them to half precision, which takes half the memory and bandwidth: by a part in 2^11 at most
    from 2^-14 on, by 2^-25 below, and infinities stay; a weight with a finite value of 65520 or more stays float32.
    ``uint8`` keeps those that the file stores as uint8 in bytes, a quarter of the memory, which shaders widen: within
    2^-22 of a value or 1e-7 of the weight's range of what the file says. It takes those whose range has the zero, as
    converters see to, and which no fusion has scaled or folded; all others stay float32.
    ``auto`` takes float16 on a GPU for weights of which each value is a half already, as in files that store float16,
    so that results are the same; float32 for all others, and with a software driver, which would only widen them.
    Biases, and weights that other ops read, are float32.
    """

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
gl_version, accessor, dispatch, workgroup, program_cache, shapes_as_constants, fusion, fusions_off, \
weights_on_gpu, host_forward_limit, max_recordings, max_recorded_draws
        """
        names = [f.name for f in fields(self)]
        if name not in names:
            raise InvalidArgumentError(f"unknown flag {name!r}; flags are {', '.join(names)}")
        if name == "fusions_off":
            _check_fusions(value)
        if name == "weights_on_gpu" and value not in WEIGHTS_ON_GPU:
            raise InvalidArgumentError(f"weights_on_gpu is one of {', '.join(WEIGHTS_ON_GPU)}, got {value!r}")
        setattr(self, name, value)

    def fuses(self, name: str) -> bool:
        """Whether the fusion ``name`` is used; InvalidArgumentError when ``fusions_off`` names one that is none.

        >>> Flags(fusions_off={"residual"}).fuses("residual"), Flags(fusions_off={"residual"}).fuses("tails")
        (False, True)
        >>> Flags(fusions_off={"residuals"}).fuses("tails")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        tfgl.errors.InvalidArgumentError: no fusion 'residuals'; those of fusions_off are ...
        """
        _check_fusions(self.fusions_off)
        return self.fusion and name not in self.fusions_off


def _check_fusions(names: object) -> None:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InvalidArgumentError(f"fusions_off takes a set of names, got {names!r}")
    for name in names:
        if name not in FUSIONS:
            raise InvalidArgumentError(f"no fusion {name!r}; those of fusions_off are {', '.join(FUSIONS)}")


flags = Flags()
"""The flags of this process."""
