"""A Keras model (Sequential or Functional, nested at will) as one graph of TensorFlow ops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgumentError, ModelFormatError
from ..ir.graph import DataType, Edge, Graph, Signature, TensorInfo
from .builder import Builder, Tensor
from .call import Context, Nested, call_layer, tensors_of
from .configuration import (
    MODELS,
    LayerCall,
    Reference,
    batch_shape,
    calls_of,
    dialect_of,
    dtype_name,
    endpoints,
    layer_parts,
    reading_configuration,
    references_of,
    sizes_of,
    stored_dtype,
)
from .weights import Arrays, LayerNode


@dataclass(frozen=True, slots=True)
class KerasGraph:
    """A Keras model as a graph, with its layers: ``root`` is the model, ``calls`` has the outputs of each call of each
    layer by the layer's path, ``layer_edges`` the first output of the first call of each layer of a model."""

    graph: Graph
    root: LayerNode
    calls: Mapping[str, Sequence[Sequence[Tensor]]]
    layer_edges: Mapping[str, Edge]


def graph_of_keras(
    config: Mapping[str, Any],
    weights: Mapping[str, Arrays] | Mapping[tuple[str, ...], Arrays],
    *,
    keras_version: str | None = None,
    output_names: Sequence[str] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    warn: Callable[[str], None] = lambda text: None,
    loops: bool = False,
) -> Graph:
    """The graph of a Keras model, with weights as constants and a signature keyed by layer names.

    ``config`` is the model's configuration (``class_name`` and ``config``) as Keras 2, Keras 3 or TensorFlow.js
    writes it. ``weights`` has the arrays of each layer by the layer's path (``dense``, or ``tower/dense`` inside a
    nested model; a tuple of names will do) as a list in Keras's order or as a mapping of variable names. A nested model
    may have all of its arrays in one list under its own name, as HDF5 files have them. An array may be given as
    (name, array), as a function that returns it, or as anything that np.asarray reads.

    Placeholders bear the names of the input layers, outputs those of the layers that make them (``lstm``,
    ``lstm_1`` where a layer makes several) unless ``output_names`` are given; the nodes of the outputs are called
    Identity, Identity_1 and so on in the order of the sorted keys, as TensorFlow calls them. The batch stays open.
    ``input_shapes`` gives inputs other shapes, such as a fixed length to a recurrent model that leaves it open.
    ``warn`` is called with a line for each behaviour that a graph cannot have, such as states kept between calls.
    Recurrent layers are loops over a length that is open, and written out step by step over one that is known; with
    ``loops`` these are loops too where that takes fewer nodes.

    Raises UnsupportedOpError for layers that have no ops (Lambda, custom classes), ModelFormatError for a
    configuration that cannot be, or weights that do not fit it.

    >>> import numpy as np
    >>> dense = {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [None, 2]}}
    >>> model = {"class_name": "Sequential", "config": {"name": "m", "layers": [dense]}}
    >>> graph = graph_of_keras(model, {"d": [np.ones((2, 1), np.float32), np.zeros(1, np.float32)]})
    >>> dict(graph.inputs)["d_input"].shape, list(graph.outputs)
    ((-1, 2), ['d'])
    """
    return build_keras(
        config,
        weights,
        keras_version=keras_version,
        output_names=output_names,
        input_shapes=input_shapes,
        warn=warn,
        loops=loops,
    ).graph


def build_keras(
    config: Mapping[str, Any],
    weights: Mapping[str, Arrays] | Mapping[tuple[str, ...], Arrays],
    *,
    keras_version: str | None = None,
    output_names: Sequence[str] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    warn: Callable[[str], None] = lambda text: None,
    loops: bool = False,
    keep_layers: bool = False,
) -> KerasGraph:
    """As `graph_of_keras`, with the layers beside the graph.

    With ``keep_layers`` the graph has the outputs of every layer, as `KerasGraph.layer_edges` says, also where the
    outputs of the model take a shorter way.

    >>> layer = {"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 2, 3]}}
    >>> model = build_keras({"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}, {})
    >>> [tensor.shape for tensor in model.calls["m/f"][0]]
    [(-1, 6)]
    """
    with reading_configuration():
        context = Context(Builder(), dialect_of(config, keras_version), warn, loops)
        return _graph(context, config, weights, output_names, input_shapes or {}, keep_layers)


def _graph(
    context: Context,
    config: Mapping[str, Any],
    weights: Mapping[Any, Arrays],
    output_names: Sequence[str] | None,
    input_shapes: Mapping[str, Sequence[int | None]],
    keep_layers: bool,
) -> KerasGraph:
    root = LayerNode(config)
    if not root.is_model:
        raise ModelFormatError(
            f"expected the configuration of a Sequential or Functional model, got class {root.class_name!r}; a "
            "subclassed model has no configuration to build from: export it as a SavedModel and convert that"
        )
    root.assign({key if isinstance(key, str) else "/".join(key): value for key, value in weights.items()})
    builder = context.builder
    feeds = _placeholders(builder, root, input_shapes)
    with builder.scope(root.name):
        named = model_outputs(context, root, feeds)
    keys = _output_keys([name for name, _ in named], output_names)
    outputs = {}
    for key in sorted(keys):
        tensor = named[keys.index(key)][1]
        result = builder.unary("Identity", tensor)
        outputs[key] = TensorInfo(f"{result.edge.node}:0", DataType(tensor.dtype), tensor.shape)
    inputs = {
        name: TensorInfo(f"{tensor.edge.node}:0", DataType(tensor.dtype), tensor.shape)
        for name, tensor in feeds.items()
    }
    signature = Signature(inputs, {key: outputs[key] for key in keys})
    edges = {
        node.path: context.calls[node.path][0][0].edge
        for node in _layers_of_models(root)
        if context.calls.get(node.path, [[]])[0]
    }
    graph = builder.graph(signature, edges.values() if keep_layers else ())
    return KerasGraph(graph, root, context.calls, edges)


def _layers_of_models(node: LayerNode) -> Iterator[LayerNode]:
    """The layers of a model and of those nested in it; what wrappers hold is called in ways of their own."""
    for child in node.children.values():
        yield child
        if child.is_model:
            yield from _layers_of_models(child)


def call_model(context: Context, node: LayerNode, args: Nested) -> list[Tensor]:
    """The outputs of a nested model, whose inputs are given in order or by name."""
    specs = input_layers(node)
    names = list(specs)
    given = args[0] if isinstance(args, (list, tuple)) and len(args) == 1 else args
    if isinstance(given, Mapping) and set(given) == set(names):
        tensors = [tensor for name in names for tensor in tensors_of(given[name])]
    else:
        tensors = tensors_of(given)
    if len(tensors) != len(names):
        raise ModelFormatError(f"model {node.path!r} takes {len(names)} inputs, got {len(tensors)}")
    return [tensor for _, tensor in model_outputs(context, node, dict(zip(names, tensors, strict=True)))]


def model_outputs(context: Context, node: LayerNode, feeds: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The outputs of a model and the names of the layers (or the keys) that they are known by."""
    for name, tensor in feeds.items():
        if name in node.children:
            context.called(node.children[name], [tensor])
    if node.class_name == "Sequential" or not _is_network(node):
        tensors = list(feeds.values())
        name = node.name
        for child in node.children.values():
            if child.class_name != "InputLayer":
                tensors = call_layer(context, child, [tensors])
                name = child.name
        return [(name, tensor) for tensor in tensors]
    return _functional(context, node, feeds)


def input_layers(node: LayerNode) -> dict[str, tuple[tuple[int, ...], str] | None]:
    """The inputs of a model by name, with shape and dtype as far as it states them.

    >>> dense = {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 2]}}
    >>> input_layers(LayerNode({"class_name": "Sequential", "config": {"name": "m", "layers": [dense]}}))
    {'d_input': ((-1, 2), 'float32')}
    """
    if _is_network(node):
        place = f"model {node.path!r}, input_layers"
        found = endpoints(node.config.get("input_layers"), place)
        names = [reference.layer for reference in references_of(found)]
        for name in names:
            if name not in node.children:
                raise ModelFormatError(f"{place}: there is no layer {name!r}")
        return {name: _input_of(node.children[name]) for name in names}
    if not node.children:
        raise ModelFormatError(f"model {node.path!r} has no layers")
    first = next(iter(node.children.values()))
    if first.class_name == "InputLayer":
        return {first.name: _input_of(first)}
    name = f"{first.name}_input"
    if first.is_model:
        inner = input_layers(first)
        return {name: next(iter(inner.values()))} if len(inner) == 1 else dict(inner)
    spec = _input_of(first)
    stated = node.config.get("build_input_shape")
    if spec is None and isinstance(stated, (list, tuple)) and all(not isinstance(s, (list, tuple)) for s in stated):
        dtype = "int32" if first.class_name == "Embedding" else "float32"
        spec = (sizes_of(stated, "build_input_shape"), dtype)
    return {name: spec}


def _is_network(node: LayerNode) -> bool:
    return "input_layers" in node.config


def _input_of(layer: LayerNode) -> tuple[tuple[int, ...], str] | None:
    shape = batch_shape(layer.config)
    if shape is None and layer.class_name == "Embedding":
        length = layer.config.get("input_length")
        shape = (-1, length if isinstance(length, int) else -1)
    if shape is None:
        return None
    dtype = stored_dtype(dtype_name(layer.config.get("dtype")))
    if layer.class_name != "InputLayer":
        dtype = "int32" if layer.class_name == "Embedding" else dtype
    return shape, dtype


def _placeholders(builder: Builder, root: LayerNode, shapes: Mapping[str, Sequence[int | None]]) -> dict[str, Tensor]:
    specs = input_layers(root)
    unknown = set(shapes) - set(specs)
    if unknown:
        raise InvalidArgumentError(
            f"the model has no input {sorted(unknown)[0]!r}; its inputs are {', '.join(map(repr, specs))}"
        )
    feeds = {}
    for name, spec in specs.items():
        if spec is None and name not in shapes:
            raise ModelFormatError(
                f"model {root.name!r} does not state the shape of its input {name!r}: it was saved before it was "
                "built; call it once or give its first layer an input shape, and save it again"
            )
        shape, dtype = spec if spec is not None else ((), "float32")
        if name in shapes:
            shape = sizes_of(list(shapes[name]), f"shape of input {name!r}")
        feeds[name] = builder.placeholder(name, shape, dtype)
    return feeds


def _output_keys(names: list[str], wanted: Sequence[str] | None) -> list[str]:
    if wanted is not None:
        if len(wanted) != len(names) or len(set(wanted)) != len(wanted):
            raise InvalidArgumentError(f"the model has {len(names)} outputs; {list(wanted)} are not as many names")
        return list(wanted)
    keys: list[str] = []
    for name in names:
        key, count = name, 0
        while key in keys:
            count += 1
            key = f"{name}_{count}"
        keys.append(key)
    return keys


def _functional(context: Context, node: LayerNode, feeds: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    place = f"model {node.path!r}"
    entries = {child.name: child for child in node.children.values()}
    calls: dict[str, list[LayerCall]] = {}
    for name, child in entries.items():
        calls[name] = [] if name in feeds else calls_of(child.entry, f"layer {child.path!r}")
    ends = endpoints(node.config.get("output_layers"), f"{place}, output_layers")
    first = _first_indices(calls, entries, references_of(ends))
    done: dict[tuple[str, int], list[Tensor]] = {(name, first.get(name, 0)): [tensor] for name, tensor in feeds.items()}
    # Each call runs once all it reads is there.
    waiting: dict[tuple[str, int], list[tuple[str, int]]] = {}
    missing: dict[tuple[str, int], int] = {}
    ready: deque[tuple[str, int]] = deque()
    for name, listed in calls.items():
        for i, call in enumerate(listed):
            key = (name, first.get(name, 0) + i)
            needs = {(reference.layer, reference.node) for reference in call.references()} - done.keys()
            missing[key] = len(needs)
            for need in needs:
                waiting.setdefault(need, []).append(key)
            if not needs:
                ready.append(key)
    while ready:
        name, index = key = ready.popleft()
        call = calls[name][index - first.get(name, 0)]
        args = _resolved(call.args, done, place)
        kwargs = _resolved(call.kwargs, done, place)
        done[key] = call_layer(context, entries[name], args, kwargs)
        for reader in waiting.get(key, ()):
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    outputs: list[tuple[str, Tensor]] = []
    for label, reference in _labelled(ends):
        if (reference.layer, reference.node) not in done:
            _report(reference, calls, done, place)
        outputs.append((label or reference.layer, _resolved(reference, done, place)))
    return outputs


def _labelled(ends: Any) -> list[tuple[str | None, Reference]]:
    if isinstance(ends, Mapping):
        return [(str(key), reference) for key, item in ends.items() for reference in references_of(item)]
    return [(None, reference) for reference in references_of(ends)]


def _first_indices(calls: Mapping[str, list[LayerCall]], entries: Mapping[str, LayerNode], ends: Any) -> dict[str, int]:
    """The index of each layer's first call.

    A model counts the call that made it as call 0 in Keras 2 and TensorFlow.js, and not in Keras 3. As every
    call that is written is read by something, the lowest index that is read tells.
    """
    lowest: dict[str, int] = {}
    references = [r for listed in calls.values() for call in listed for r in call.references()]
    for reference in [*references, *ends]:
        lowest[reference.layer] = min(reference.node, lowest.get(reference.layer, reference.node))
    return {
        name: 1
        for name, child in entries.items()
        if lowest.get(name, 0) == 1 and (child.is_model or len(calls.get(name, ())) == 1)
    }


def _resolved(value: Any, done: Mapping[tuple[str, int], list[Tensor]], place: str) -> Any:
    if isinstance(value, Reference):
        tensors = done.get((value.layer, value.node), [])
        if not 0 <= value.tensor < len(tensors):
            raise ModelFormatError(f"{place}: layer {value.layer!r} has no output {value.tensor}")
        return tensors[value.tensor]
    if isinstance(value, Mapping):
        return {name: _resolved(item, done, place) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolved(item, done, place) for item in value]
    return value


def _report(
    reference: Reference, calls: Mapping[str, list[LayerCall]], done: Mapping[tuple[str, int], Any], place: str
) -> None:
    """Raises the error that says why an output was not reached."""
    if reference.layer not in calls:
        raise ModelFormatError(f"{place}: there is no layer {reference.layer!r}, which an output names")
    for name, listed in calls.items():
        for call in listed:
            for read in call.references():
                if read.layer not in calls:
                    raise ModelFormatError(f"{place}: layer {name!r} reads layer {read.layer!r}, which does not exist")
    raise ModelFormatError(
        f"{place}: output {reference.layer!r} (call {reference.node}) cannot be reached from the inputs; its layers "
        "read each other in a circle, or a call that does not exist"
    )


__all__ = ["MODELS", "call_model", "graph_of_keras", "input_layers", "layer_parts"]
