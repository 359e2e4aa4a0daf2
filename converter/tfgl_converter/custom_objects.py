"""Layer classes of the caller's own: imported because the caller names them, never because a model does.

A class says by a static method ``tfjs_ops(call)`` which ops its layers are; ``call`` is a `tfgl.keras.Call`. The names
of its weights are those in the file, or ``tfjs_weights``, in the file's order.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfgl.errors import InvalidArgumentError


def trusted_objects(wanted: Sequence[Any]) -> dict[str, Any]:
    """The classes by name; each is given itself or as ``module:Class``, whose module is imported and runs.

    Modules are looked for in the current folder and on the Python path. Raises InvalidArgumentError for text that is
    not ``module:Class``, modules that cannot be imported, and names that they lack.

    >>> trusted_objects(["fractions:Fraction"])
    {'Fraction': <class 'fractions.Fraction'>}
    """
    found = {}
    for item in wanted:
        value = _imported(item) if isinstance(item, str) else item
        name = getattr(value, "__name__", None)
        if not callable(value) or not isinstance(name, str):
            raise InvalidArgumentError(f"custom_objects: {item!r} is neither a class nor a function")
        found[name] = value
    return found


def layer_handlers(objects: Mapping[str, Any]) -> dict[str, tuple[Callable[[Any], Any], Sequence[str]]]:
    """For each class with ``tfjs_ops`` that function, and the names of its weights; a function serves itself.

    >>> layer_handlers({"int": int})
    {}
    """
    handlers: dict[str, tuple[Callable[[Any], Any], Sequence[str]]] = {}
    for name, value in objects.items():
        ops = getattr(value, "tfjs_ops", None if isinstance(value, type) else value)
        if ops is not None:
            handlers[name] = (ops, tuple(getattr(value, "tfjs_weights", ())))
    return handlers


def needs_keras(objects: Mapping[str, Any]) -> bool:
    """Whether one of the classes does not say itself which ops it is, so that Keras has to trace it.

    >>> needs_keras({"int": int}), needs_keras({})
    (True, False)
    """
    return len(layer_handlers(objects)) < len(objects)


def _imported(text: str) -> Any:
    module, _, member = text.partition(":")
    if not (member.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise InvalidArgumentError(f"custom_objects: {text!r} is not module:Class")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise InvalidArgumentError(f"custom_objects: {module!r} cannot be imported: {kind}: {error}") from error
    finally:
        sys.path.remove(here)
    if not hasattr(loaded, member):
        raise InvalidArgumentError(f"custom_objects: module {module!r} has no {member!r}")
    return getattr(loaded, member)
