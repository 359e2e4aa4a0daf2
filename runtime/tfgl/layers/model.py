"""Layers models: loaded from model.json and shards, run by the names of their layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import engine as engines
from ..engine import Engine
from ..errors import InvalidArgumentError
from ..graph.reading import byte_codes, read_model
from ..graph.runner import GraphRunner, Inputs, InputValue, ModelTensorInfo, input_array
from ..graph.stats import ModelStats
from ..io import ModelArtifacts, save_artifacts
from ..ir.graph import Edge
from ..keras.files.layers_model import training_config_of
from ..registry import run_one
from ..tensor import Tensor
from .description import read_layers
from .layer import Array, Layer, LayerWeight

if TYPE_CHECKING:
    from rich.table import Table

# Keras's and TensorFlow.js' own.
DEFAULT_BATCH_SIZE = 32


class LayersModel(GraphRunner):
    """A TensorFlow.js layers model on the calling thread's engine.

    Made by `tfgl.load_layers_model`. Inputs are known by the names of the input layers, outputs by those of the layers
    that make them (``lstm``, ``lstm_1`` where one layer makes several). As in Keras, numbers of any dtype become the
    input's dtype.
    """

    def __init__(
        self, artifacts: ModelArtifacts, *, engine: Engine | None = None, strict: bool = True, read_ms: float = 0.0
    ) -> None:
        start = perf_counter()
        built, self._description = read_layers(artifacts, strict=strict)
        self._artifacts = artifacts
        self._layer_edges = built.layer_edges
        stats = ModelStats(read_ms=read_ms, graph_ms=(perf_counter() - start) * 1e3)
        # The rewrites that make the graph faster compute with constants.
        constants = {name: np.asarray(value) for name, value in built.graph.constants.items()}
        graph = built.graph.replace(constants=constants)
        super().__init__(graph, engine or engines.current(), stats, byte_codes(artifacts))

    # -- what it is ---------------------------------------------------------

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._description.name

    @property
    def inputs(self) -> list[ModelTensorInfo]:
        """The inputs in the order that a list of values has, by the names of their layers."""
        return list(self._description.inputs)

    @property
    def outputs(self) -> list[ModelTensorInfo]:
        """The outputs in the order that `predict` returns them, by the names of their layers."""
        return list(self._description.outputs)

    @property
    def layers(self) -> list[Layer]:
        """The outermost layers in the order of the file."""
        return list(self._description.layers)

    def get_layer(self, name: str) -> Layer:
        """The layer of that name, ``tower/dense`` for one inside a nested model; InvalidArgumentError without one."""
        waiting = list(self._description.layers)
        for layer in waiting:
            if layer.path == name:
                return layer
            waiting += layer.layers
        listed = ", ".join(repr(layer.name) for layer in self._description.layers[:12])
        raise InvalidArgumentError(f"the model has no layer {name!r}; its layers are {listed}")

    @property
    def weights(self) -> list[LayerWeight]:
        """All weights, the trainable ones first, as TensorFlow.js lists them."""
        return list(self._description.weights)

    def get_weights(self, trainable_only: bool = False) -> list[Tensor]:
        """The values of `weights` as tensors of the caller's own."""
        self._check()
        wanted = [weight for weight in self.weights if weight.trainable or not trainable_only]
        return [self._engine.tensor(weight.numpy()) for weight in wanted]

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return self._description.parameters

    @property
    def user_defined_metadata(self) -> Mapping[str, Any] | None:
        """``userDefinedMetadata`` of model.json."""
        return self._artifacts.user_defined_metadata

    @property
    def training_config(self) -> Mapping[str, Any] | None:
        """How the model was compiled, as the file has it; None where it does not say."""
        return training_config_of(self._artifacts)

    @property
    def warnings(self) -> list[str]:
        """What of the layers' behaviour this model does not have, such as states kept between calls."""
        return list(self._description.warnings)

    def summary_table(self, *, expand_nested: bool = False) -> Table:
        """Name, class, output shape and parameters of each layer as a table of rich.

        With ``expand_nested`` the layers of nested models and wrappers follow theirs, indented.
        """
        return self._description.table(expand_nested=expand_nested)

    def summary(self, *, expand_nested: bool = False) -> None:
        """Print `summary_table`."""
        from rich.console import Console

        Console(markup=False, highlight=False, emoji=False).print(self.summary_table(expand_nested=expand_nested))

    # -- running ------------------------------------------------------------

    def output_edge(self, name: str) -> Edge:
        """An output, the first output of the first call of a layer (``tower/dense`` inside a nested model), or a node.

        Raises InvalidArgumentError when nothing is called so.
        """
        path = f"{self.name}/{name}"
        if name not in self._source_graph.outputs and path in self._layer_edges:
            return self._layer_edges[path]
        return super().output_edge(name)

    def predict(self, inputs: Inputs, *, batch_size: int | None = DEFAULT_BATCH_SIZE) -> Tensor | list[Tensor]:
        """The outputs for any number of samples, computed ``batch_size`` at a time: one tensor, or a list.

        ``inputs`` is an array or a tensor, a list of them in the order of `inputs`, or a dict by input layer.
        ``batch_size`` None takes all samples at once. Raises InvalidArgumentError when an input is missing, unknown,
        of a shape that does not fit, or when inputs differ in their numbers of samples.
        """
        if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int)):
            raise InvalidArgumentError(f"batch_size must be a whole number or None, got {batch_size!r}")
        if batch_size is not None and batch_size < 1:
            raise InvalidArgumentError(f"batch_size must be 1 or more, got {batch_size}")
        keys = self.output_keys
        named = {self._key_of(edge): value for edge, (_, value) in self._named(inputs).items()}
        samples = _samples(named)
        if batch_size is None or samples is None or samples <= batch_size:
            return _one_or_all(self._run(named, keys))
        parts = [self._run(part, keys) for part in _batches(named, samples, batch_size)]
        outputs = []
        for number, key in enumerate(keys):
            column = [part[number] for part in parts]
            for at, tensor in enumerate(column):
                expected = min(batch_size, samples - at * batch_size)
                if not tensor.shape or tensor.shape[0] != expected:
                    raise InvalidArgumentError(
                        f"output {key!r} has shape {list(tensor.shape)} for {expected} samples, so that batches of it "
                        "cannot be joined; pass batch_size=None"
                    )
            outputs.append(run_one("Concat", {"tensors": column}, {"axis": 0}))
        return _one_or_all(outputs)

    def predict_on_batch(self, inputs: Inputs) -> Tensor | list[Tensor]:
        """The outputs for one batch, computed at once; errors as `predict` raises them."""
        return self.predict(inputs, batch_size=None)

    def __call__(self, inputs: Inputs) -> Tensor | list[Tensor]:
        """As `predict_on_batch`."""
        return self.predict_on_batch(inputs)

    def _key_of(self, edge: Edge) -> str:
        for key, info in self._source_graph.inputs.items():
            if info.edge == edge:
                return key
        return str(edge)

    def _cast(self, name: str, value: Tensor, info: ModelTensorInfo) -> Tensor:
        if "string" in (value.dtype, info.dtype) or value.dtype == "complex64":
            return super()._cast(name, value, info)
        return run_one("Cast", {"x": value}, {"dtype": info.dtype})

    def _input_array(self, name: str, value: InputValue, info: ModelTensorInfo) -> Array:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InvalidArgumentError(f"input {name!r}: values are not a regular array: {error}") from None
        if array.dtype.kind not in "fiub" or info.dtype not in ("float32", "int32", "bool"):
            return input_array(name, value, info)
        if info.dtype == "float32":
            with np.errstate(over="ignore"):
                return array.astype(np.float32)
        if array.dtype.kind == "f":
            whole = np.trunc(array)
            if not np.array_equal(whole, array):
                raise InvalidArgumentError(f"input {name!r} takes {info.dtype}, got numbers with fractions; round them")
            array = whole.astype(np.int64)
        return input_array(name, array if info.dtype == "int32" else array != 0, info)

    # -- the rest -----------------------------------------------------------

    def save(self, target: Any, **options: Any) -> Any:
        """Write model.json and shards into the folder ``target``, or hand them to an IO handler's ``save``.

        Options are those of `tfgl.io.save_artifacts`.
        """
        self._check()
        return save_artifacts(self._artifacts, target, **options)

    def __repr__(self) -> str:
        return f"LayersModel({self.name!r}, inputs={self.input_keys}, outputs={self.output_keys})"


def load_layers_model(
    source: Any,
    *,
    strict: bool = True,
    on_progress: Callable[[float], None] | None = None,
    weight_path_prefix: str | None = None,
    weight_url_converter: Callable[[str], str] | None = None,
    headers: Mapping[str, str] | None = None,
    stream_weights: bool = False,
    progress: bool | None = None,
) -> LayersModel:
    """The layers model at ``source``: a folder, a model.json, an http(s) URL, or an IO handler with ``load()``.

    It may come from TensorFlow.js' own ``save``, from its converter, or from this one, of Keras 2 and Keras 3.
    Without ``strict``, weights of the file that belong to no layer are left out; weights that a layer misses are an
    error in any case, because a layer without values computes noise. The other options are those of
    `tfgl.load_graph_model`.

    Raises ModelFormatError for damaged or foreign files and for weights that do not fit, UnsupportedOpError that
    names the layer and its class, DownloadError for URLs. Warns of behaviour that the model will not have.

    >>> dense = {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [None, 2]}}
    >>> topology = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}
    >>> weights = {"d/kernel": np.ones((2, 1), np.float32), "d/bias": np.zeros(1, np.float32)}
    >>> model = load_layers_model(ModelArtifacts("layers-model", topology, weights=weights))
    >>> model.predict(np.float32([[1, 2], [3, 4]])).numpy().tolist()
    [[3.0], [7.0]]
    """
    artifacts, read_ms = read_model(
        source,
        "layers-model",
        progress=progress,
        on_progress=on_progress,
        weight_path_prefix=weight_path_prefix,
        weight_url_converter=weight_url_converter,
        headers=headers,
        stream_weights=stream_weights,
    )
    model = LayersModel(artifacts, strict=strict, read_ms=read_ms)
    for text in model.warnings:
        warnings.warn(f"{artifacts.source}: {text}", stacklevel=2)
    return model


def _samples(named: Mapping[str, InputValue]) -> int | None:
    """How many samples there are; None where that cannot be told from the values."""
    counts: dict[str, int] = {}
    for key, value in named.items():
        shape = np.shape(value) if not isinstance(value, Tensor) else value.shape
        if not shape:
            return None
        counts[key] = shape[0]
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InvalidArgumentError(f"inputs differ in their numbers of samples: {listed}")
    return next(iter(counts.values()), None)


def _batches(named: Mapping[str, InputValue], samples: int, batch_size: int) -> Iterator[dict[str, InputValue]]:
    for start in range(0, samples, batch_size):
        end = min(samples, start + batch_size)
        yield {key: _slice(value, start, end) for key, value in named.items()}


def _slice(value: InputValue, start: int, end: int) -> InputValue:
    if not isinstance(value, Tensor):
        return value[start:end] if hasattr(value, "__getitem__") else np.asarray(value)[start:end]
    begin, size = [start, *[0] * (len(value.shape) - 1)], [end - start, *value.shape[1:]]
    return run_one("Slice", {"x": value}, {"begin": begin, "size": size})


def _one_or_all(outputs: Sequence[Tensor]) -> Tensor | list[Tensor]:
    return outputs[0] if len(outputs) == 1 else list(outputs)
