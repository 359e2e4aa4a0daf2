"""Reads Keras's configurations, those of Keras 2, of Keras 3 and of TensorFlow.js: layers, calls, values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ModelFormatError, TfglError

Config = Mapping[str, Any]
# Whose semantics a model has: where Keras 2, Keras 3 and TensorFlow.js compute otherwise.
Dialect = Literal["keras 2", "keras 3", "tfjs"]
MODELS = frozenset({"Sequential", "Functional", "Model"})


@contextmanager
def reading_configuration(where: str = "") -> Iterator[None]:
    """Inside the block whatever is odd in a model's configuration ends as a ModelFormatError that names ``where``.

    A configuration is data from strangers, and any member may be of any kind. ModelFormatErrors that do not name
    ``where`` get it in front.

    >>> with reading_configuration("model.json"):
    ...     {"units": 1}["name"]
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: model.json: the model's configuration cannot be read: KeyError: 'name'
    """
    place = f"{where}: " if where else ""
    try:
        yield
    except ModelFormatError as error:
        if where in str(error):
            raise
        raise type(error)(f"{place}{error}") from error
    except TfglError:
        raise
    except RecursionError:
        raise ModelFormatError(f"{place}the model's configuration is nested too deep") from None
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFormatError(f"{place}the model's configuration cannot be read: {reason}") from error


@dataclass(frozen=True, slots=True)
class Reference:
    """Output ``tensor`` of call number ``node`` of the layer called ``layer``.

    >>> Reference("dense", 0, 0).layer
    'dense'
    """

    layer: str
    node: int
    tensor: int


@dataclass(slots=True)
class LayerCall:
    """One call of a layer: arguments in which References stand for tensors."""

    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)

    def references(self) -> Iterator[Reference]:
        """All References of the arguments."""
        yield from references_of([self.args, list(self.kwargs.values())])


def references_of(value: Any) -> Iterator[Reference]:
    """The References anywhere inside lists and dicts.

    >>> list(references_of({"a": [Reference("x", 0, 0), 1.0]}))
    [Reference(layer='x', node=0, tensor=0)]
    """
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references_of(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references_of(item)


def layer_parts(entry: Any, place: str) -> tuple[str, dict[str, Any]]:
    """Class name and configuration of a layer; ModelFormatError when the entry has none.

    >>> layer_parts({"class_name": "Flatten", "config": {"name": "f"}}, "the model")
    ('Flatten', {'name': 'f'})
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("class_name"), str):
        raise ModelFormatError(f"{place}: expected a layer with 'class_name' and 'config', got {_shown(entry)}")
    config = entry.get("config", {})
    if isinstance(config, list):
        # The Sequential model of old files: its configuration is the list of its layers.
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise ModelFormatError(f"{place}: 'config' of a {entry['class_name']} must be an object, got {_shown(config)}")
    config = dict(config)
    if "name" not in config and isinstance(entry.get("name"), str):
        config["name"] = entry["name"]
    return str(entry["class_name"]), config


def calls_of(entry: Config, place: str) -> list[LayerCall]:
    """The calls that ``inbound_nodes`` of a layer lists.

    >>> calls_of({"inbound_nodes": [[["x", 0, 0, {"training": False}]]]}, "layer 'd'")
    [LayerCall(args=[Reference(layer='x', node=0, tensor=0)], kwargs={'training': False})]
    """
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise ModelFormatError(f"{place}: 'inbound_nodes' must be a list, got {_shown(nodes)}")
    return [_call(node, f"{place}, inbound_nodes[{i}]") for i, node in enumerate(nodes)]


def _call(node: Any, place: str) -> LayerCall:
    if isinstance(node, Mapping) and "args" in node:
        args, kwargs = node["args"], node.get("kwargs", {})
        if not isinstance(args, (list, tuple)) or not isinstance(kwargs, Mapping):
            raise ModelFormatError(f"{place}: expected lists of args and an object of kwargs, got {_shown(node)}")
        return LayerCall([_keras3(arg) for arg in args], {name: _keras3(value) for name, value in kwargs.items()})
    call = LayerCall()
    if isinstance(node, Mapping):
        call.args = [{name: _legacy(item, call, place) for name, item in node.items()}]
    elif isinstance(node, list):
        if node and _is_legacy(node):
            node = [node]
        found = [_legacy(item, call, place) for item in node]
        call.args = found if len(found) < 2 else [found]
    else:
        raise ModelFormatError(f"{place}: expected a list of inputs, got {_shown(node)}")
    return call


def _is_legacy(item: Any) -> bool:
    return (
        isinstance(item, (list, tuple))
        and len(item) in (3, 4)
        and isinstance(item[0], str)
        and type(item[1]) is int
        and (len(item) == 3 or isinstance(item[3], Mapping))
    )


def _legacy(item: Any, call: LayerCall, place: str) -> Any:
    if isinstance(item, list) and item and all(_is_legacy(part) for part in item):
        return [_legacy(part, call, place) for part in item]
    if not _is_legacy(item):
        raise ModelFormatError(f"{place}: expected [layer, node, tensor, kwargs], got {_shown(item)}")
    if len(item) == 4:
        call.kwargs.update({name: _legacy_argument(value) for name, value in item[3].items()})
    return _legacy_argument(item[:3])


def _legacy_argument(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if len(value) == 3 and isinstance(value[0], str) and type(value[1]) is int:
            if value[0] == "_CONSTANT_VALUE":
                return value[2]
            if type(value[2]) is int:
                return Reference(value[0], value[1], value[2])
        return [_legacy_argument(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _legacy_argument(item) for name, item in value.items()}
    return value


def _keras3(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            history = value.get("config", {}).get("keras_history")
            if not _is_legacy(history) or type(history[2]) is not int:
                raise ModelFormatError(f"a Keras tensor without keras_history: {_shown(value)}")
            return Reference(history[0], history[1], history[2])
        if value.get("class_name") in ("__tuple__", "__numpy__", "__tensor__"):
            inner = value.get("items", value.get("config", {}))
            return _keras3(inner.get("value") if isinstance(inner, Mapping) else inner)
        if value.get("class_name") == "__slice__":
            parts = value.get("config", {})
            return slice(*(_keras3(parts.get(name)) for name in ("start", "stop", "step")))
        return {name: _keras3(item) for name, item in value.items()}
    if _is_legacy(value) and len(value) == 3 and type(value[2]) is int:
        return Reference(value[0], value[1], value[2])
    if isinstance(value, (list, tuple)):
        return [_keras3(item) for item in value]
    return value


def endpoints(value: Any, place: str) -> Any:
    """``input_layers`` or ``output_layers`` with References; a structure of lists or dicts keeps its form.

    >>> endpoints(["x", 0, 0], "the model")
    [Reference(layer='x', node=0, tensor=0)]
    """
    if _is_legacy(value) and type(value[2]) is int:
        return [Reference(value[0], value[1], value[2])]
    if isinstance(value, Mapping):
        return {name: next(iter(references_of(endpoints(item, place)))) for name, item in value.items()}
    if isinstance(value, list):
        found = []
        for item in value:
            found += list(references_of(endpoints(item, place)))
        return found
    raise ModelFormatError(f"{place}: expected [layer, node, tensor] entries, got {_shown(value)}")


_OPERATIONS = re.compile(r"keras(\.src)?\.ops\b")


def is_operation(entry: Config) -> bool:
    """Whether a layer's entry is a function of keras.ops that stands in a model's graph.

    HDF5 files of Keras 3 do not name the module: there, a layer says whether it is trainable, or what its dtype is, and
    no function of a layer's name does.

    >>> is_operation({"class_name": "Subtract", "config": {"name": "s"}, "inbound_nodes": [{"args": [], "kwargs": {}}]})
    True
    """
    if entry.get("module"):
        return _OPERATIONS.match(str(entry["module"])) is not None
    from .registry import rows

    config, nodes, class_name = entry.get("config"), entry.get("inbound_nodes"), entry.get("class_name")
    return (
        isinstance(config, Mapping)
        and class_name != "Operation"
        and not {"trainable", "layers"} & set(config)
        and not ("dtype" in config and class_name in rows())
        and isinstance(nodes, list)
        and bool(nodes)
        and all(isinstance(node, Mapping) and "args" in node for node in nodes)
    )


def batch_shape(config: Config) -> tuple[int, ...] | None:
    """The input shape that a layer's configuration states, -1 for unknown sizes; None when it states none.

    >>> batch_shape({"batch_input_shape": [None, 3]})
    (-1, 3)
    """
    for key in ("batch_shape", "batch_input_shape"):
        if isinstance(config.get(key), (list, tuple)):
            return sizes_of(config[key], key)
    for key in ("input_shape", "shape"):
        if isinstance(config.get(key), (list, tuple)):
            return (-1, *sizes_of(config[key], key))
    return None


def sizes_of(values: Sequence[Any], place: str) -> tuple[int, ...]:
    """Sizes as integers, -1 for null; ModelFormatError for anything else.

    >>> sizes_of([None, 4], "shape")
    (-1, 4)
    """
    sizes = []
    for value in values:
        if value is None or value == -1:
            sizes.append(-1)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value) and value >= 0:
            sizes.append(int(value))
        else:
            raise ModelFormatError(f"{place}: expected sizes or null, got {_shown(values)}")
    return tuple(sizes)


def dtype_name(value: Any, default: str = "float32") -> str:
    """The name of a dtype or dtype policy.

    >>> dtype_name({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})
    'mixed_float16'
    """
    if isinstance(value, Mapping):
        value = value.get("config", {}).get("name") if isinstance(value.get("config"), Mapping) else None
    return value if isinstance(value, str) else default


def stored_dtype(name: str) -> str:
    """The dtype that values of a Keras dtype have in the graph: float32 for every float, int32 for every integer.

    >>> stored_dtype("mixed_float16"), stored_dtype("int64")
    ('float32', 'int32')
    """
    if name in ("string", "bool", "complex64"):
        return name
    return "int32" if name.startswith(("int", "uint")) else "float32"


def dialect_of(config: Any, version: str | None = None) -> Dialect:
    """Whose semantics a configuration has, by the ``keras_version`` of its file.

    >>> dialect_of({}, "tfjs-layers 4.22.0"), dialect_of({}, "3.4.1"), dialect_of({}, "2.15.0")
    ('tfjs', 'keras 3', 'keras 2')
    """
    if version is not None and version.startswith("tfjs"):
        return "tfjs"
    return "keras 3" if is_keras3(config, version) else "keras 2"


def is_keras3(config: Any, version: str | None = None) -> bool:
    """Whether Keras 3 wrote a configuration: by the stated version, else by the form of its entries.

    >>> is_keras3({"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}}), is_keras3({}, "2.15.0")
    (True, False)
    """
    if version and version[0].isdigit():
        # tf.keras stated TensorFlow's version at times, which is 2 as well.
        return int(version.split(".")[0]) >= 3
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if "batch_shape" in item or item.get("class_name") in ("__keras_tensor__", "DTypePolicy"):
                return True
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
