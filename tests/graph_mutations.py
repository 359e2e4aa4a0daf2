"""Random damage to a graph model's model.json and bytes, for tests."""

from __future__ import annotations

import base64
import contextlib
import random
from typing import Any

import numpy as np

from tfgl.ir.lowering import supported_ops

_NUMBERS = [0, -1, 1, 2, 3, -2, 7, 2**31 - 1, -(2**31), 2**31, 2**40, 2**62, 10**6, 65536]
_LEAVES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    "x",
    "",
    [],
    {},
    2**31,
    2**62,
    "9999999999",
    float("nan"),
    [1, 2],
    "DT_INT32",
    "DT_STRING",
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside nested lists and dicts."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((*path, key), *paths(item, (*path, key)))]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


class Mutation:
    """Random damage to a model.json and its bytes."""

    def __init__(self, model: dict[str, Any], data: bytes, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = model
        self.data = bytearray(data)
        kinds = (self.leaf, self.deletion, self.op, self.inputs, self.attribute, self.spec, self.bytes, self.steering)
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            # An earlier mutation may have taken away what this one would change.
            with contextlib.suppress(KeyError, TypeError, IndexError, AttributeError, ValueError):
                self.random.choice(kinds)()

    @property
    def nodes(self) -> list[Any]:
        found = self.model["modelTopology"]["node"]
        assert isinstance(found, list)
        return found

    def leaf(self) -> None:
        path = self.random.choice(paths(self.model))
        at(self.model, path[:-1])[path[-1]] = self.random.choice(_LEAVES)

    def deletion(self) -> None:
        path = self.random.choice(paths(self.model))
        del at(self.model, path[:-1])[path[-1]]

    def op(self) -> None:
        self.random.choice(self.nodes)["op"] = self.random.choice(sorted(supported_ops()))

    def inputs(self) -> None:
        inputs = self.random.choice(self.nodes).setdefault("input", [])
        name = self.random.choice(self.nodes)["name"] + self.random.choice(["", "", ":0", ":1", ":7"])
        kind = self.random.randrange(4)
        if kind == 0:
            inputs[self.random.randrange(len(inputs))] = name
        elif kind == 1:
            inputs.append(name)
        elif kind == 2:
            inputs.pop(self.random.randrange(len(inputs)))
        else:
            self.random.shuffle(inputs)

    def attribute(self) -> None:
        value = self.random.choice(list(self.random.choice([n for n in self.nodes if n.get("attr")])["attr"].values()))
        number = str(self.random.choice(_NUMBERS))
        if value.get("list", {}).get("i"):
            value["list"]["i"][self.random.randrange(len(value["list"]["i"]))] = number
        elif "shape" in value:
            value["shape"] = {"dim": [{"size": number} for _ in range(self.random.randrange(8))]}
        elif "s" in value:
            text = self.random.choice([b"SAME", b"VALID", b"NCHW", b"EXPLICIT", b"", b"\xff"])
            value["s"] = base64.b64encode(text).decode()
        elif "f" in value:
            value["f"] = self.random.choice(["NaN", "Infinity", -1, 0, 1e300])
        elif "i" in value:
            value["i"] = number
        elif "type" in value:
            value["type"] = self.random.choice(["DT_INT32", "DT_BOOL", "DT_STRING", "DT_COMPLEX64", "DT_RESOURCE"])
        else:
            value["b"] = not value["b"]

    def spec(self) -> None:
        spec = self.random.choice(self.model["weightsManifest"][0]["weights"])
        kind = self.random.randrange(4)
        if kind == 0:
            spec["dtype"] = self.random.choice(["int32", "bool", "float32", "uint8", "string", "complex64"])
        elif kind == 1:
            self.random.shuffle(spec["shape"])
        elif kind == 2:
            spec["shape"] = [int(np.prod(spec["shape"]))]
        else:
            spec["quantization"] = {"dtype": "uint8", "min": self.random.choice([0.0, 1e38]), "scale": 1.0}

    def bytes(self) -> None:
        kind, place = self.random.randrange(3), self.random.randrange(len(self.data) // 4) * 4
        if kind == 0:
            del self.data[place:]
        elif kind == 1:
            self.data += b"1234"
        else:
            self.data[place : place + 4] = np.float32(self.random.choice([np.nan, np.inf, 1e38])).tobytes()

    def steering(self) -> None:
        # The first weight is the shape of a Reshape.
        self.data[:8] = np.array([self.random.choice(_NUMBERS) for _ in range(2)]).astype(np.int32).tobytes()
