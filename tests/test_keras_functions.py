"""Functions that stand in models, those of keras.ops and of TensorFlow, against NumPy and SciPy in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

from keras_layers import Array, close, entry, functional, input_entry, normal
from tfgl.errors import UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.keras import graph_of_keras

X, Y = normal(2, 3, 4), normal(2, 3, 4)


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 3, 4], "keras_history": [name, 0, 0]}}


def run(class_name: str, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any] | None = None) -> Any:
    """A function of keras.ops of x and y as HDF5 files have it: the module is not named."""
    layers = [
        {**input_entry("x", [3, 4]), "inbound_nodes": []},
        {**input_entry("y", [3, 4]), "inbound_nodes": []},
        entry(class_name, "f", [{"args": args, "kwargs": kwargs or {}}], **config),
    ]
    graph = graph_of_keras(functional(layers, ["x", "y"], ["f"]), {}, keras_version="3.10.0")
    results = evaluate(graph, {"x": X, "y": Y}, ["f"])["f"]
    stated = graph.outputs["f"].shape
    assert stated is not None and len(stated) == results.ndim
    assert all(s in (-1, n) for s, n in zip(stated, results.shape, strict=True)), (stated, results.shape)
    return results


x, y = tensor("x"), tensor("y")


def sliced(step: int | None = None) -> dict[str, Any]:
    return {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": step}}


WIDTHS = [[0, 0], [1, 2], [0, 1]]
ROWS: dict[str, tuple[str, dict[str, Any], list[Any], Array]] = {
    "minus a number": ("Subtract", {}, [x, 2.0], X - 2),
    "not equal": ("NotEqual", {}, [x, y], X != Y),
    "negative step": ("GetItem", {}, [x, [sliced(), sliced(step=-1)]], X[:, ::-1]),
    "arcsinh": ("Arcsinh", {}, [x], np.arcsinh(X)),
    "arctan2": ("Arctan2", {}, [x, y], np.arctan2(X, Y)),
    "isfinite": ("Isfinite", {}, [x], np.isfinite(X)),
    "ones like": ("OnesLike", {}, [x], np.ones_like(X)),
    "argmax": ("Argmax", {"axis": -1, "keepdims": False}, [x], X.argmax(-1)),
    "argmin with axis kept": ("Argmin", {"axis": 1, "keepdims": True}, [x], X.argmin(1)[:, None]),
    "argsort": ("Argsort", {"axis": 1}, [x], X.argsort(1)),
    "sort": ("Sort", {"axis": -1}, [x], np.sort(X, -1)),
    "cumsum": ("Cumsum", {"axis": 1}, [x], X.cumsum(1)),
    "cumprod": ("Cumprod", {"axis": 2}, [x], X.cumprod(2)),
    "einsum": ("Einsum", {"subscripts": "abc,adc->abd"}, [x, y], np.einsum("abc,adc->abd", X, Y)),
    "pad": ("Pad", {"pad_width": WIDTHS, "mode": "constant"}, [x], np.pad(X, WIDTHS)),
    "reflect": ("Pad", {"pad_width": WIDTHS, "mode": "reflect"}, [x], np.pad(X, WIDTHS, "reflect")),
    "take": ("Take", {"axis": 1}, [x, [0, -1]], X[:, [0, -1]]),
    "repeat": ("Repeat", {"axis": 1, "repeats": 2}, [x], X.repeat(2, 1)),
    "roll": ("Roll", {"axis": 1, "shift": 1}, [x], np.roll(X, 1, 1)),
    "roll the other way": ("Roll", {"axis": 2, "shift": -6}, [x], np.roll(X, -6, 2)),
    "move an axis": ("Moveaxis", {"source": 1, "destination": -1}, [x], np.moveaxis(X, 1, -1)),
    "variance": ("Var", {"axis": 1, "keepdims": False}, [x], X.var(1)),
    "deviation": ("Std", {"axis": [1, 2], "keepdims": True}, [x], X.std((1, 2), keepdims=True)),
    "log of a sum": ("Logsumexp", {"axis": -1, "keepdims": False}, [x], scipy.special.logsumexp(X, -1)),
    "log of two": ("Logaddexp", {}, [x, y], np.logaddexp(X, Y)),
    "norm": ("Norm", {"axis": -1, "keepdims": False, "ord": None}, [x], np.linalg.norm(X, axis=-1)),
    "difference": ("Diff", {"n": 2, "axis": -1}, [x], np.diff(X, 2, -1)),
    "vertically": ("Vstack", {}, [[x, y]], np.vstack([X, Y])),
    "horizontally": ("Hstack", {}, [[x, y]], np.hstack([X, Y])),
    "lower": ("Tril", {"k": -1}, [x], np.tril(X, -1)),
    "upper": ("Triu", {"k": 1}, [x], np.triu(X, 1)),
    "whole part": ("Trunc", {}, [x], np.trunc(X)),
    "count": ("CountNonzero", {"axis": [1]}, [x], np.count_nonzero(X, 1)),
    "digitize": ("Digitize", {"bins": [-1.0, 0.0, 1.0]}, [x], np.digitize(X, [-1.0, 0.0, 1.0])),
    "slice": ("Slice", {"shape": [2, 2, 3]}, [x, [0, 1, 0]], X[:2, 1:3, :3]),
    "broadcast": ("BroadcastTo", {"shape": [2, 3, 4]}, [x], X),
    "numbers in place of NaN": ("NanToNum", {"nan": 1.0, "posinf": None, "neginf": None}, [x], np.nan_to_num(X)),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_functions_of_keras_3(row: str) -> None:
    class_name, config, args, expected = ROWS[row]
    result = run(class_name, config, args)
    if expected.dtype.kind in "bi":
        assert result.tolist() == expected.tolist()
    else:
        close(result, expected, 1e-5)


@pytest.mark.parametrize(("sections", "expected"), [(2, np.split(X, 2, 2)[1]), ([1], np.split(X, [1], 2)[1])])
def test_split_has_several_outputs(sections: Any, expected: Array) -> None:
    second = {"class_name": "__keras_tensor__", "config": {"shape": [None, 3, 2], "keras_history": ["s", 0, 1]}}
    layers = [
        {**input_entry("x", [3, 4]), "inbound_nodes": []},
        entry("Split", "s", [{"args": [x], "kwargs": {}}], indices_or_sections=sections, axis=2),
        entry("Negative", "f", [{"args": [second], "kwargs": {}}]),
    ]
    graph = graph_of_keras(functional(layers, ["x"], ["f"]), {}, keras_version="3.10.0")
    close(-evaluate(graph, {"x": X}, ["f"])["f"], expected, 1e-6)


TENSORFLOW: dict[str, tuple[str, dict[str, Any], Array]] = {
    "one_hot": ("one_hot", {"depth": 3}, np.eye(3)[np.abs(X).astype(int) % 3]),
    "pad": ("compat.v1.pad", {"paddings": [[0, 0], [1, 0], [0, 0]]}, np.pad(X, [(0, 0), (1, 0), (0, 0)])),
    "gather": ("compat.v1.gather", {"indices": [2, 0], "axis": 1}, X[:, [2, 0]]),
    "slice": ("slice", {"begin": [0, 1, 0], "size": [-1, 2, 3]}, X[:, 1:3, :3]),
    "argmax": ("math.argmax", {"axis": 2}, X.argmax(2)),
    "bias": ("nn.bias_add", {"bias": [1.0, 2.0, 3.0, 4.0]}, X + np.arange(1, 5)),
    "sums": ("math.cumsum", {"axis": 1, "exclusive": True}, X.cumsum(1) - X),
    "variance": ("math.reduce_variance", {"axis": 1}, X.var(1)),
}


@pytest.mark.parametrize("row", TENSORFLOW)
def test_functions_of_tensorflow(row: str) -> None:
    function, kwargs, expected = TENSORFLOW[row]
    values = np.abs(X).astype(int) % 3 if row == "one_hot" else X
    layers = [
        input_entry("x", [3, 4], "int32" if row == "one_hot" else "float32"),
        entry("TFOpLambda", "f", [["x", 0, 0, kwargs]], function=function),
    ]
    graph = graph_of_keras(functional(layers, ["x"], ["f"]), {})
    close(evaluate(graph, {"x": values}, ["f"])["f"], expected, 1e-5)


def test_a_function_that_is_not_known_is_named() -> None:
    with pytest.raises(UnsupportedOpError, match=r"layer 'model/f' \(Operation\): the function 'Bartlett'"):
        run("Bartlett", {}, [x])
