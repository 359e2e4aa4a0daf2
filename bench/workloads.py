"""The models that are measured, each as files in a folder, and inputs for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tfgl
from tfgl.graph.runner import GraphRunner
from tfgl.io import ModelArtifacts, save_artifacts
from tfgl_converter.graph_conversion import convert_source_graph
from tfgl_converter.keras_conversion import read_keras_graph

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "model.h5"
PRETRAINED = ROOT / ".pretrained" / "models"


@dataclass(frozen=True, slots=True)
class Workload:
    """One model: a topology that is written to disk when it is needed, or a folder that is there."""

    name: str
    build: Callable[[], ModelArtifacts] | None = None
    folder: Path | None = None

    def files(self, scratch: Path) -> Path:
        """The folder with model.json; topologies are written into ``scratch``, once."""
        if self.folder is not None:
            return self.folder
        assert self.build is not None, f"workload {self.name} has neither files nor a topology"
        target = scratch / self.name
        if not target.exists():
            save_artifacts(self.build(), target)
        return target


def digits() -> ModelArtifacts:
    """The digits example as a graph model."""
    return convert_source_graph(read_keras_graph(DIGITS, "keras")).artifacts


def _topologies() -> Iterator[Workload]:
    """Those of every module `topologies*.py` beside this one."""
    for file in sorted(Path(__file__).parent.glob("topologies*.py")):
        for name, build in import_module(file.stem).TOPOLOGIES.items():
            yield Workload(name, build)


def workloads() -> list[Workload]:
    """Topologies with random weights, the digits example, and the pretrained models that are there."""
    found = sorted(file.parent for file in PRETRAINED.glob("*/model.json"))
    return [*_topologies(), Workload("digits", digits), *(Workload(folder.name, folder=folder) for folder in found)]


def inputs_of(model: GraphRunner, folder: Path, seed: int = 0) -> dict[str, Array]:
    """Random inputs by key, the same for the same seed; a free extent is 1.

    ``case.json`` beside a model gives shapes and ranges that the model does not
    say itself, as the tests of published models have it. Raises ValueError for
    an input whose rank nobody says.
    """
    file = folder / "case.json"
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")).get("inputs", {}) if file.exists() else {}
    generator = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for key, info in zip(model.input_keys, model.inputs, strict=True):
        extra = said.get(info.name.removesuffix(":0"), said.get(key, {}))
        shape: Sequence[int] | None = extra.get("shape", info.shape)
        if shape is None:
            raise ValueError(f"{folder.name}: input {key!r} has no fixed rank; give its shape in {file}")
        shape = [max(1, n) for n in shape]
        low, high = extra.get("range", (0, 1))
        if info.dtype == "float32":
            made[key] = (low + (high - low) * generator.random(shape)).astype(np.float32)
        else:
            made[key] = generator.integers(low, high + 1, shape).astype(np.int32 if info.dtype == "int32" else np.bool_)
    return made


def run_to_host(model: GraphRunner, inputs: dict[str, Array]) -> list[Array]:
    """One inference from inputs on the host to every output on the host; its textures go back to the pool."""
    outputs = model.execute(inputs, model.output_keys)
    values = []
    for tensor in [outputs] if isinstance(outputs, tfgl.Tensor) else outputs:
        values.append(tensor.numpy())
        tensor.dispose()
    return values
