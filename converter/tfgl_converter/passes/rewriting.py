"""What a pass gets and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfgl.ir.graph import Graph

Array = np.ndarray[Any, Any]
ReadVariable = Callable[[], Array]


@dataclass(frozen=True)
class PassContext:
    """What every pass may know: the node names that must stay, the values of variables, and the choices.

    ``variables`` maps the name of a handle's node to a function that reads the value.

    >>> PassContext(frozenset({"y"})).strip_debug_ops
    True
    """

    protected: frozenset[str] = frozenset()
    variables: Mapping[str, ReadVariable] = field(default_factory=dict)
    strip_debug_ops: bool = True
    control_flow_v2: bool = False
    warn: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Rewritten:
    """The new graph, the number of places that changed, and where new nodes come from if names do not say it.

    >>> Rewritten(Graph({}), 0).count
    0
    """

    graph: Graph
    count: int
    origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


Pass = Callable[[Graph, PassContext], Rewritten]
