"""Which weight of a file belongs to which layer: by weight names (HDF5, layers models), by paths (Keras 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ...errors import ModelFormatError
from ...ir.lazy_array import LazyArray
from .model import Config, KerasWeight, LayerPath, Leaf, inner_layer, is_model, layer_name, leaves_of
from .variables import canonical_variable, numbered, snake_case, stored_paths, variable_names

Named = tuple[str, LazyArray]

# Keras 3 and the first Keras 2 that wrote such files; leading underscores are left out of all paths here.
_CONTAINERS = ("layers", "layer_checkpoint_dependencies")


def assign_by_name(
    config: Config | None, groups: Mapping[str, Sequence[Named]], where: str, *, strict: bool = True
) -> dict[str, list[KerasWeight]]:
    """The weights of each layer of the outermost model, each with its layer's path and its variable.

    ``groups`` has the weights as the file lists them, by that layer's name; the group ``""`` may hold weights of
    any layer. Without a configuration the names alone decide. Raises ModelFormatError when a weight belongs to
    no layer; without ``strict`` it is left out.

    >>> import numpy as np
    >>> value = LazyArray((), np.dtype("float32"), lambda: np.zeros((), np.float32), "here")
    >>> dense = {"class_name": "Dense", "config": {"name": "d", "use_bias": False}}
    >>> model = {"class_name": "Sequential", "config": {"layers": [dense]}}
    >>> found = assign_by_name(model, {"": [("d/kernel", value)]}, "f")
    >>> found["d"][0].layer, found["d"][0].variable
    (('d',), 'kernel')
    """
    leaves = [] if config is None else list(leaves_of(config))
    by_leaf: dict[LayerPath, list[Named]] = {}
    placed: list[tuple[str, Named, Leaf | None]] = []
    for group, weights in groups.items():
        candidates = [leaf for leaf in leaves if not group or leaf.path[0] == group]
        for name, value in weights:
            leaf = _leaf_of(name, candidates, by_leaf)
            if leaf is None and config is not None:
                if not strict:
                    continue
                raise ModelFormatError(
                    f"{where}: weight {name!r} belongs to no layer of the model; its layers are "
                    f"{_listed([layer_name(layer) for layer in config['config']['layers']])}"
                )
            if leaf is not None:
                by_leaf.setdefault(leaf.path, []).append((name, value))
            placed.append((group, (name, value), leaf))
    variables = {leaf.path: leaf_variables(leaf, by_leaf[leaf.path]) for leaf in leaves if leaf.path in by_leaf}
    result: dict[str, list[KerasWeight]] = {}
    for group, (name, value), leaf in placed:
        if leaf is None:
            layer = group or name.split("/")[0]
            rest = name.split("/")
            variable = "/".join(rest[1:] if rest[0] == layer and len(rest) > 1 else rest)
            result.setdefault(layer, []).append(KerasWeight(name, value, (layer,), variable))
        else:
            variable = variables[leaf.path].pop(0)
            result.setdefault(leaf.path[0], []).append(KerasWeight(name, value, leaf.path, variable))
    return result


def _leaf_of(name: str, candidates: Sequence[Leaf], taken: Mapping[LayerPath, Sequence[Named]]) -> Leaf | None:
    if len(candidates) == 1:
        return candidates[0]
    parts = name.split("/")[:-1]
    # Outer names come first, so that the leftmost piece that names a layer is it.
    for number, part in enumerate(parts):
        found = [leaf for leaf in candidates if leaf.path[-1] == part]
        if not found:
            continue
        inside = [leaf for leaf in found if set(leaf.path[:-1]) <= set(parts[:number])] if number else []
        for leaf in [*inside, *found]:
            if all(name != known for known, _ in taken.get(leaf.path, ())):
                return leaf
    # Keras 2 gives the weights of a layer inside a wrapper the wrapper's name.
    for part in parts:
        found = [leaf for leaf in candidates if part in leaf.path[:-1]]
        if len(found) == 1:
            return found[0]
    return None


def leaf_variables(leaf: Leaf, weights: Sequence[Named]) -> list[str]:
    """The variable of each weight of a layer: by its name where the names make sense, else by its position.

    >>> import numpy as np
    >>> value = LazyArray((), np.dtype("float32"), lambda: np.zeros((), np.float32), "here")
    >>> leaf = Leaf(("d",), {"class_name": "Dense", "config": {"name": "d"}}, True)
    >>> leaf_variables(leaf, [("d/Variable", value), ("d/Variable_1", value)])
    ['kernel', 'bias']
    """
    guessed = []
    for name, _ in weights:
        parts = name.split("/")
        named = leaf.path[-1] in parts[:-1]
        parts = parts[parts.index(leaf.path[-1]) + 1 :] if named else parts[-1:]
        guessed.append(canonical_variable(leaf.layer, parts))
    known = variable_names(leaf.layer)
    if known is not None and len(known) == len(guessed) and set(known) != set(guessed):
        return list(known)
    return guessed


def assign_by_path(
    config: Config,
    arrays: Mapping[str, LazyArray],
    groups: Iterable[str],
    names: Mapping[str, str],
    where: str,
) -> dict[str, list[KerasWeight]]:
    """The weights of a model saved by Keras 3: ``layers/dense_1/vars/0`` is a Dense layer's first variable.

    ``arrays`` by path, ``groups`` the paths of all groups, ``names`` the layer's name of a group where the file
    states it. Raises ModelFormatError when a layer's weights are missing.
    """
    files = {_plain(path): value for path, value in arrays.items()}
    return _PathReader(files, {_plain(group) for group in groups}, names, where).read(config)


class _PathReader:
    def __init__(self, files: dict[str, LazyArray], groups: set[str], names: Mapping[str, str], where: str) -> None:
        self._files = files
        self._groups = groups
        self._names = {_plain(path): name for path, name in names.items()}
        self._where = where
        self._result: dict[str, list[KerasWeight]] = {}
        # Keras writes a layer that two models share once, where it comes first.
        self._places: dict[tuple[str, str], str] = {}

    def read(self, config: Config) -> dict[str, list[KerasWeight]]:
        self._container(config, "", ())
        return self._result

    def _container(self, model: Config, prefix: str, path: LayerPath) -> None:
        layers = [layer for layer in model["config"]["layers"] if layer["class_name"] != "InputLayer"]
        places = self._locate(layers, prefix)
        for layer, place in zip(layers, places, strict=True):
            here = (*path, layer_name(layer))
            inner = inner_layer(layer)
            if is_model(layer):
                self._container(layer, place, here)
            elif inner is not None and is_model(inner):
                self._container(inner, f"{place}/layer", (*here, layer_name(inner)))
            else:
                self._leaf(layer, place, here)

    def _locate(self, layers: Sequence[Config], prefix: str) -> list[str]:
        """The group of each layer."""
        base = next(
            (f"{prefix}/{one}".strip("/") for one in _CONTAINERS if f"{prefix}/{one}".strip("/") in self._groups), ""
        )
        kinds = [group_name(layer) for layer in layers]
        present: dict[str, list[str]] = {}
        for group in sorted(self._groups, key=_natural):
            parent, _, name = group.rpartition("/")
            if base and parent == base:
                present.setdefault(re.sub(r"_\d+$", "", name), []).append(group)
                present.setdefault(name, []) if name != re.sub(r"_\d+$", "", name) else None
        places = []
        for layer, kind, exact in zip(layers, kinds, numbered(kinds), strict=True):
            place = f"{base}/{exact}" if base else ""
            stated = self._names.get(f"{place}/vars")
            if place not in self._groups or (stated is not None and stated != layer_name(layer)):
                place = self._named(base, layer) or self._in_order(base, layer, kind, layers, kinds, present) or place
            shared = self._places.get((kind, layer_name(layer)))
            if shared is not None and place not in self._groups:
                place = shared
            self._places.setdefault((kind, layer_name(layer)), place)
            places.append(place)
        return places

    def _named(self, base: str, layer: Config) -> str | None:
        wanted, kind = layer_name(layer), group_name(layer)
        for path, name in self._names.items():
            group = path.rpartition("/")[0]
            parent, _, last = group.rpartition("/")
            if name == wanted and base and parent == base and re.fullmatch(rf"{re.escape(kind)}(_\d+)?", last):
                return group
        return None

    def _in_order(
        self,
        base: str,
        layer: Config,
        kind: str,
        layers: Sequence[Config],
        kinds: Sequence[str],
        present: Mapping[str, Sequence[str]],
    ) -> str | None:
        """Keras 2 counts a layer with weights twice, so that only the order of the groups tells."""
        alike = [one for one, its in zip(layers, kinds, strict=True) if its == kind]
        groups = [g for g in present.get(kind, ()) if re.fullmatch(rf"{re.escape(kind)}(_\d+)?", g.rpartition("/")[2])]
        if len(alike) != len(groups) or any(f"{group}/vars" in self._names for group in groups):
            return None
        return groups[next(number for number, one in enumerate(alike) if one is layer)]

    def _leaf(self, layer: Config, place: str, path: LayerPath) -> None:
        expected = stored_paths(layer)
        if expected is not None:
            found = [(f"{place}/{_plain(inside)}", variable) for inside, variable in expected]
            missing = [name for name, _ in found if name not in self._files]
            if missing:
                raise ModelFormatError(
                    f"{self._where}: layer {'/'.join(path)!r} ({layer['class_name']}) has no weight {missing[0]!r} in "
                    "the file; it is cut, or was written by a Keras version that is not known here"
                )
        else:
            start = f"{place}/"
            inside = sorted((name for name in self._files if place and name.startswith(start)), key=_natural)
            found = [(name, _free_variable(name[len(start) :])) for name in inside if "seed_generator" not in name]
        for name, variable in found:
            weight = KerasWeight(f"{path[-1]}/{variable}", self._files[name], path, variable)
            self._result.setdefault(path[0], []).append(weight)


def assign_without_config(
    arrays: Mapping[str, LazyArray], names: Mapping[str, str], where: str
) -> dict[str, list[KerasWeight]]:
    """The weights of a file of Keras 3 that holds nothing else, under the layers' own names as far as it has them."""
    stated = {_plain(path): name for path, name in names.items()}
    result: dict[str, list[KerasWeight]] = {}
    for path in sorted(arrays, key=_natural):
        group, _, number = _plain(path).rpartition("/vars/")
        parts = group.split("/")
        if not group or parts[0] not in _CONTAINERS or "seed_generator" in parts:
            continue
        layer = _layer_place(parts)
        name = stated.get(f"{'/'.join(layer)}/vars", layer[-1])
        kind = re.sub(r"_\d+$", "", layer[-1])
        known = _KNOWN_BY_GROUP.get(kind, ())
        inside = parts[len(layer) :]
        if inside == ["cell"]:
            inside = []
        variable = known[int(number)] if number.isdigit() and int(number) < len(known) else number
        variable = "/".join([*inside, variable])
        top = stated.get(f"{'/'.join(layer[:2])}/vars", layer[1])
        result.setdefault(top, []).append(KerasWeight(f"{name}/{variable}", arrays[path], (top, name), variable))
    if not result:
        raise ModelFormatError(f"{where} holds no weights of Keras layers")
    return result


# BatchNormalization without scale or centre cannot be told from its file; four variables can.
_KNOWN_BY_GROUP: dict[str, tuple[str, ...]] = {
    snake_case(kind): tuple(variable_names({"class_name": kind, "config": {}}) or ())
    for kind in [
        "Dense",
        "EinsumDense",
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "Conv1DTranspose",
        "Conv2DTranspose",
        "Conv3DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "LSTM",
        "GRU",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "Embedding",
        "PReLU",
    ]
}
_KNOWN_BY_GROUP["einsum_dense"] = ("kernel", "bias")


def _layer_place(parts: list[str]) -> list[str]:
    """The pieces of a path up to the innermost layer."""
    last = max(number for number, part in enumerate(parts) if part in _CONTAINERS)
    return parts[: last + 2]


def _free_variable(path: str) -> str:
    parts = [part for part in path.split("/") if part != "vars"]
    return "/".join(parts)


def group_name(layer: Config) -> str:
    """What Keras 3 calls the group of a layer in its files, before it numbers them.

    >>> group_name({"class_name": "Conv2D", "config": {}})
    'conv2d'
    """
    kind = str(layer["class_name"])
    if kind == "Model":
        kind = "Functional"
    if kind == "Operation":
        kind = str(layer["config"].get("operation", kind))
    return snake_case(kind)


def _plain(path: str) -> str:
    return "/".join(part.lstrip("_") or part for part in path.strip("/").split("/"))


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", path)]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
