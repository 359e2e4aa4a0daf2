"""Random graph models over the supported ops, made by a seed, for tests.

Every value knows which of its axes is the batch, so that a graph also runs with other batch sizes, and whether
float32 holds it exactly: where rounding could tip a comparison, a floor or an argmax, only exact values go in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph_models import Array, graph_model, node, placeholder
from tfgl.errors import TfglError
from tfgl.io import ModelArtifacts
from tfgl.ir.evaluate import evaluate_node
from tfgl.ir.graphdef import graph_from_json

BATCH = 2
_LARGEST_FLOAT = 64.0
_LARGEST_SIZE = 5000
# Ops that give exact results for exact operands, as long as those stay on a grid.
_EXACT = """
    Neg Abs Relu Relu6 Maximum Minimum Add AddV2 Sub Mul Square AddN Max Min Sum Cast SelectV2 Identity Reshape
    Transpose ConcatV2 Slice StridedSlice Pad PadV2 MirrorPad Split SplitV Pack Unpack ExpandDims Tile GatherV2
    ReverseV2 MaxPool ClipByValue ZerosLike OnesLike Floor Ceil Round Sign OneHot TopKV2 Fill Cumsum BiasAdd
    ResizeNearestNeighbor DepthToSpace SpaceToDepth
"""
_MOVES = frozenset(_EXACT.split())


@dataclass(frozen=True)
class Item:
    """One tensor of the graph under construction, with its value for the first inputs."""

    name: str
    value: Array
    batch: int | None
    exact: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def kind(self) -> str:
        return self.value.dtype.kind

    @property
    def free(self) -> list[int]:
        """Axes that are not the batch."""
        return [axis for axis in range(self.value.ndim) if axis != self.batch]


class RandomGraph:
    """A graph of 5 to 25 ops; ``artifacts`` is the model, ``inputs(seed, batch)`` makes feeds."""

    def __init__(self, seed: int, steps: Sequence[Callable[[RandomGraph], None]]) -> None:
        self.steps = steps
        self.rng = np.random.default_rng(seed)
        self.nodes: list[dict[str, Any]] = []
        self.weights: dict[str, Array] = {}
        self.items: list[Item] = []
        self.ops: list[str] = []
        self._shapes: dict[str, tuple[tuple[int, ...], str]] = {}
        self._count = 0
        self._feeds: dict[str, Array] = {}
        for index in range(self.pick([1, 1, 2])):
            rank = self.pick([2, 3, 4, 4, 4])
            shape = tuple(int(n) for n in self.rng.integers(1, 7, rank - 1))
            self._shapes[f"x{index}"] = (shape, "float32")
        if self.rng.random() < 0.25:
            self._shapes["k"] = ((int(self.rng.integers(1, 6)),), "int32")
        self._feeds = self.inputs(seed, BATCH)
        for name, (shape, dtype) in self._shapes.items():
            self.nodes.append(placeholder(name, (-1, *shape), "DT_FLOAT" if dtype == "float32" else "DT_INT32"))
            self.items.append(Item(name, self._feeds[name], 0, True))
        wanted = int(self.rng.integers(5, 26))
        for _ in range(8 * wanted):
            if len(self.ops) >= wanted:
                break
            self._step()
        read = {text for entry in self.nodes for text in entry["input"]}
        self.weights = {name: array for name, array in self.weights.items() if name in read}
        made = self.items[len(self._shapes) :]
        self.outputs = [made[-1].name] if made else [self.items[0].name]
        for item in made[:-1]:
            if self.rng.random() < 2.0 / len(made):
                self.outputs.append(item.name)
        if self.rng.random() < 0.1:
            self.outputs.append(self.items[0].name)
        self.artifacts: ModelArtifacts = graph_model(
            self.nodes,
            self.weights,
            signature={
                "inputs": {name: {"name": name} for name in self._shapes},
                "outputs": {f"out{i}": {"name": name} for i, name in enumerate(self.outputs)},
            },
        )

    def inputs(self, seed: int, batch: int) -> dict[str, Array]:
        """Feeds on a grid of eighths, which sums and products of a few keep exact."""
        rng = np.random.default_rng([seed, batch])
        return {
            name: (
                (rng.integers(-16, 17, (batch, *shape)) / 8).astype(np.float32)
                if dtype == "float32"
                else rng.integers(-5, 6, (batch, *shape)).astype(np.int32)
            )
            for name, (shape, dtype) in self._shapes.items()
        }

    # -- making nodes ---------------------------------------------------------

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array, dtype)
        return name

    def numbers(self, shape: tuple[int, ...]) -> str:
        return self.constant(self.rng.integers(-8, 9, shape) / 8)

    def some(self, *kinds: str, rank: int | None = None, exact: bool = False) -> Item:
        """A value that is there, the newest ones more often."""
        fitting = [
            item
            for item in self.items
            if item.kind in kinds and (rank is None or len(item.shape) == rank) and (item.exact or not exact)
        ]
        if not fitting:
            raise LookupError
        newest = fitting[-4:]
        return self.pick(newest) if self.chance(0.7) else self.pick(fitting)  # type: ignore[no-any-return]

    def add(
        self,
        op: str,
        inputs: Sequence[Item | str],
        batch: int | None,
        outputs: int = 1,
        batches: Any = None,
        **attrs: Any,
    ) -> list[Item]:
        """Append a node unless its values are too large or not finite; LookupError then."""
        names = [item if isinstance(item, str) else item.name for item in inputs]
        arrays = [self.weights[item] if isinstance(item, str) else item.value for item in inputs]
        self._count += 1
        name = f"n{self._count}_{op}"
        sources = {text.partition(":")[0] for text in names}
        described = node(name, op, names, **attrs)
        alone = graph_from_json({"node": [*(node(source, "Placeholder") for source in sources), described]})
        values = evaluate_node(alone.nodes[name], arrays, precision="float64")
        exact = op in _MOVES and all(item.exact for item in inputs if isinstance(item, Item))
        made = []
        for index, value in enumerate(values[:outputs]):
            assert value is not None
            kind = value.dtype.kind
            limit = _LARGEST_FLOAT if kind == "f" else 1e6
            if value.size > _LARGEST_SIZE or value.ndim > 6:
                raise LookupError
            if kind != "b" and value.size and not np.abs(value.astype(np.float64)).max() <= limit:
                raise LookupError
            on_grid = kind != "f" or bool((value * 1024 == np.floor(value * 1024)).all())
            made.append(Item(f"{name}:{index}" if index else name, value, batch, (exact and on_grid) or kind in "ib"))
        self.nodes.append(described)
        self.items += made
        self.ops.append(op)
        return made

    def _step(self) -> None:
        # What a step cannot do here (no fitting value, an axis of size 0, numbers too large) it leaves.
        with contextlib.suppress(LookupError, ValueError, TfglError):
            self.pick(self.steps)(self)

    def axes(self, item: Item) -> list[int]:
        free = item.free
        if not free:
            raise LookupError
        return sorted(int(a) for a in self.rng.choice(free, int(self.rng.integers(1, len(free) + 1)), replace=False))

    def partner(self, x: Item) -> Item | str:
        """Something that broadcasts against ``x`` without growing it: a value, or a constant."""
        fitting = [
            y
            for y in self.items
            if y.kind == x.kind and y.batch == x.batch and (y.shape == x.shape or len(y.shape) == len(x.shape))
            and all(n in (1, m) for n, m in zip(y.shape, x.shape, strict=True))
        ]  # fmt: skip
        if fitting and self.chance(0.6):
            return self.pick(fitting)  # type: ignore[no-any-return]
        shape = [1 if axis == x.batch or self.chance(0.3) else n for axis, n in enumerate(x.shape)]
        while shape and (shape[0] == 1) and self.chance(0.5):
            shape.pop(0)
        if x.kind == "f":
            return self.numbers(tuple(shape))
        if x.kind == "b":
            return self.constant(self.rng.random(shape) < 0.5, np.bool_)
        return self.constant(self.rng.integers(-4, 5, shape), np.int32)
