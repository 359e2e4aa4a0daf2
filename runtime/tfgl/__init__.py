"""TensorFlow.js models from Python, without a browser."""

from __future__ import annotations

from collections.abc import Sequence

from . import engine as engine
from . import errors as errors
from .engine import Engine as Engine
from .errors import TfglError as TfglError
from .flags import Flags as Flags
from .flags import flags as flags
from .graph.model import GraphModel as GraphModel
from .graph.model import load_graph_model as load_graph_model
from .memory import MemoryInfo as MemoryInfo
from .memory import dispose as dispose
from .memory import keep as keep
from .memory import memory as memory
from .memory import tidy as tidy
from .memory import tidy_scope as tidy_scope
from .registry import kernel_names as kernel_names
from .registry import run_kernel as run_kernel
from .tensor import Tensor as Tensor

__version__ = "0.1.0"


def tensor(values: object, shape: Sequence[int] | None = None, dtype: str | None = None) -> Tensor:
    """A tensor of ``values`` on the calling thread's engine.

    ``dtype`` is one of float32, int32, bool, complex64 and string; without it
    the values' own kind decides (float64 becomes float32, int64 int32 where the
    values fit). Raises InvalidArgumentError when values and shape disagree.

    >>> tensor([[1.0, 2.0]]).shape
    (1, 2)
    """
    return engine.current().tensor(values, shape, dtype)
