"""TensorFlow.js models from Python, without a browser."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import engine as engine
from . import errors as errors
from .engine import Engine as Engine
from .errors import TfglError as TfglError
from .flags import Flags as Flags
from .flags import flags as flags
from .memory import MemoryInfo as MemoryInfo
from .memory import dispose as dispose
from .memory import keep as keep
from .memory import memory as memory
from .memory import tidy as tidy
from .memory import tidy_scope as tidy_scope
from .registry import kernel_names as kernel_names
from .registry import run_kernel as run_kernel
from .tensor import Tensor as Tensor

if TYPE_CHECKING:
    from . import profile as profile
    from .graph.model import GraphModel as GraphModel
    from .graph.model import load_graph_model as load_graph_model
    from .layers.model import LayersModel as LayersModel
    from .layers.model import load_layers_model as load_layers_model
    from .loading import load as load

__version__ = "0.1.0"

# Loaded when first asked for: they would double what importing tfgl takes. A name -> the module that has it.
_LATER = {
    "GraphModel": "graph.model",
    "LayersModel": "layers.model",
    "load": "loading",
    "load_graph_model": "graph.model",
    "load_layers_model": "layers.model",
    "profile": "profile",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f".{_LATER[name]}", __name__)
        value = globals()[name] = module if name == _LATER[name] else getattr(module, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


def tensor(values: object, shape: Sequence[int] | None = None, dtype: str | None = None) -> Tensor:
    """A tensor of ``values`` on the calling thread's engine.

    ``dtype`` is one of float32, int32, bool, complex64 and string; without it
    the values' own kind decides (float64 becomes float32, int64 int32 where the
    values fit). Raises InvalidArgumentError when values and shape disagree.

    >>> tensor([[1.0, 2.0]]).shape
    (1, 2)
    """
    return engine.current().tensor(values, shape, dtype)
