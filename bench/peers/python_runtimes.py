"""Runs a plain graph in TensorFlow, TensorFlow Lite or ONNX Runtime; needs no tfgl, only the runtime's own packages.

    python python_runtimes.py available            which of them this interpreter has, and why not, as JSON
    python python_runtimes.py RUNTIME FOLDER       FOLDER has graph.json, weights.npz and inputs.npz

Writes outputs.npz and prints a line of JSON about loading and the first run; then, for each number on stdin, a line
with the milliseconds of so many runs, inputs from NumPy and outputs in NumPy.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

Arrays = dict[str, Any]
Run = Callable[[], Arrays]

# The packages of each runtime; the version of the first is reported.
NEEDS = {
    "tensorflow": ["tensorflow"],
    "tflite": ["tensorflow"],
    "onnxruntime": ["onnxruntime", "tensorflow", "tf2onnx"],
}
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available() -> dict[str, str]:
    """By runtime, the packages that it lacks here; "" where there is none."""
    return {
        runtime: ", ".join(name for name in packages if importlib.util.find_spec(name) is None)
        for runtime, packages in NEEDS.items()
    }


def function_of(folder: Path, inputs: Arrays) -> Any:
    """The graph as a concrete function of TensorFlow that takes the inputs by position and gives outputs by key."""
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    graph = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    with np.load(folder / "weights.npz") as stored:
        weights = dict(stored)
    nodes = {node["name"]: node for node in graph["nodes"]}

    def evaluated(node: dict[str, Any], fed: Callable[[str], Any]) -> Any:
        made, attrs = getattr(tf.raw_ops, node["op"]), node.get("attr", {})
        wanted = inspect.signature(made).parameters
        op = op_def_registry.get(node["op"])
        sources = [fed(name) for name in node.get("input", []) if not name.startswith("^")]
        arguments: Arrays = {}
        # Python's name of an input may be another than the graph's; its place is not.
        for argument, name in zip(op.input_arg, wanted, strict=False):
            if argument.number_attr or argument.type_list_attr:
                count = len(sources) - (len(op.input_arg) - len(arguments) - 1)
                arguments[name] = [sources.pop(0) for _ in range(count)]
            else:
                arguments[name] = sources.pop(0)
        return made(**arguments, **{key: attribute(tf, value) for key, value in attrs.items() if key in wanted})

    def run(*tensors: Any) -> Arrays:
        fed = (graph["inputs"][key].partition(":")[0] for key in inputs)
        values: dict[str, Any] = dict(zip(fed, tensors, strict=True))

        def read(name: str) -> Any:
            source, _, position = name.partition(":")
            value = values[source]
            return value[int(position or 0)] if isinstance(value, (list, tuple)) else value

        # Depth first without recursion: a graph may be deeper than Python's stack.
        waiting = [name.partition(":")[0] for name in graph["outputs"].values()]
        while waiting:
            node = nodes[waiting[-1]]
            before = [name.lstrip("^").partition(":")[0] for name in node.get("input", [])]
            missing = [name for name in before if name not in values]
            if node["name"] in values:
                waiting.pop()
            elif missing:
                waiting += missing
            elif node["op"] == "Const":
                values[node["name"]] = tf.constant(weights[node["name"]])
            else:
                values[node["name"]] = evaluated(node, read)
        return {key: read(name) for key, name in graph["outputs"].items()}

    specs = [tf.TensorSpec(value.shape, value.dtype) for value in inputs.values()]
    return tf.function(run, input_signature=specs).get_concrete_function()


def attribute(tf: Any, value: dict[str, Any]) -> Any:
    """An attribute in protobuf JSON as what apply_op takes."""
    ((kind, held),) = value.items() if value else (("list", {}),)
    if kind == "list":
        return [attribute(tf, {key: item}) for key, items in held.items() for item in items]
    if kind == "s":
        return base64.b64decode(held)
    if kind == "i":
        return int(held)
    if kind == "f":
        return float(held)
    if kind == "type":
        types = tf.compat.v1.AttrValue.DESCRIPTOR.file.pool.FindEnumTypeByName("tensorflow.DataType")
        return tf.as_dtype(types.values_by_name[held].number if isinstance(held, str) else held)
    if kind == "shape":
        return None if held.get("unknownRank") else [int(dim.get("size", 0)) for dim in held.get("dim", [])]
    return held


def in_tensorflow(folder: Path, inputs: Arrays) -> Run:
    import tensorflow as tf

    function = function_of(folder, inputs)
    return lambda: {
        key: value.numpy() for key, value in function(*(tf.constant(value) for value in inputs.values())).items()
    }


def in_tflite(folder: Path, inputs: Arrays) -> Run:
    import tensorflow as tf

    function = function_of(folder, inputs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    interpreter = tf.lite.Interpreter(model_content=converter.convert(), num_threads=CORES)
    interpreter.allocate_tensors()
    # Both are named after their place: serving_default_1:0, Identity_1.
    places = [
        sorted(ends, key=lambda end: _place(end["name"]))
        for ends in (interpreter.get_input_details(), interpreter.get_output_details())
    ]
    keys = sorted(function.structured_outputs)

    def run() -> Arrays:
        for place, value in zip(places[0], inputs.values(), strict=True):
            interpreter.set_tensor(place["index"], value)
        interpreter.invoke()
        return {key: interpreter.get_tensor(place["index"]) for key, place in zip(keys, places[1], strict=True)}

    return run


def _place(name: str) -> int:
    """The number at the end of a tensor's name; 0 for the first, which has none."""
    digits = name.partition(":")[0].rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def in_onnxruntime(folder: Path, inputs: Arrays) -> Run:
    import onnxruntime
    import tf2onnx

    function = function_of(folder, inputs)
    names = [tensor.name for tensor in function.outputs]
    graph = tf2onnx.tfonnx.process_tf_graph(
        function.graph,
        input_names=[tensor.name for tensor in function.inputs],
        output_names=names,
        opset=17,
    )
    model = tf2onnx.optimizer.optimize_graph(graph).make_model("model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    named = dict(zip((tensor.name for tensor in function.inputs), inputs.values(), strict=True))
    keys = sorted(function.structured_outputs)
    return lambda: dict(zip(keys, session.run(names, named), strict=True))


def main() -> None:
    if sys.argv[1] == "available":
        print(json.dumps(available()))
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # What packages print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runtime, folder = sys.argv[1], Path(sys.argv[2])
    with np.load(folder / "inputs.npz") as stored:
        inputs = dict(stored)
    start = perf_counter()
    make = {"tensorflow": in_tensorflow, "tflite": in_tflite, "onnxruntime": in_onnxruntime}[runtime]
    try:
        run = make(folder, inputs)
        made = perf_counter()
        outputs = run()
    except Exception as error:
        # The last line is what is reported; messages of converters run over many.
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    done = perf_counter()
    np.savez(folder / "outputs.npz", **outputs)
    package = importlib.import_module(NEEDS[runtime][0])
    name = "ONNX Runtime" if runtime == "onnxruntime" else "TensorFlow"
    report = {"load_ms": (made - start) * 1e3, "first_ms": (done - made) * 1e3}
    print(json.dumps({**report, "threads": CORES, "versions": {name: package.__version__}}), file=answers)
    for line in sys.stdin:
        elapsed_ms = []
        for _ in range(int(line)):
            start = perf_counter()
            run()
            elapsed_ms.append((perf_counter() - start) * 1e3)
        print(json.dumps({"elapsed_ms": elapsed_ms}), file=answers)


if __name__ == "__main__":
    main()
