"""``tfgl inspect``: what a model holds, without a GPU and without reading its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..tables import bytes_text
from .command import (
    Settings,
    existing_model,
    make_table,
    one_line,
    print_json,
    print_table,
    printable,
    shape_text,
    with_settings,
)

if TYPE_CHECKING:
    from ..io import ModelArtifacts, WeightSpec
    from ..ir.graph import Graph, TensorInfo


@click.command(short_help="Inputs, outputs, operations or layers, and weights.")
@click.argument("model", callback=existing_model)
@with_settings
def inspect(settings: Settings, model: str) -> None:
    """Inputs, outputs, operations or layers, and weights of MODEL; needs no GPU."""
    from ..io import read_artifacts

    artifacts = read_artifacts(model, with_weights=False)
    report = describe(artifacts)
    if settings.as_json:
        print_json({"model": model, **report})
        return
    _print(model, report)


def describe(artifacts: ModelArtifacts) -> dict[str, Any]:
    """What ``tfgl inspect --json`` prints of a model whose weights need not have been read."""
    report: dict[str, Any] = {
        "format": artifacts.format,
        "generated_by": artifacts.generated_by,
        "converted_by": artifacts.converted_by,
    }
    if artifacts.format == "graph-model":
        report |= _describe_graph(artifacts)
    else:
        report |= _describe_layers(artifacts)
    report["weights"] = _describe_weights(artifacts.weight_specs)
    report["metadata"] = sorted(artifacts.user_defined_metadata or {})
    return report


def _describe_graph(artifacts: ModelArtifacts) -> dict[str, Any]:
    from ..ir.graphdef import graph_from_json
    from ..ir.lowering import rows
    from ..registry import kernels
    from .ops import describe as describe_op

    graph = graph_from_json(artifacts.model_topology or {}, None, artifacts.signature)
    table, registered = rows(), kernels()
    counts = Counter(node.op for node in graph.nodes.values())
    in_functions = Counter(
        node.op for function in graph.functions.values() for node in function.graph.nodes.values()
    )
    unread = {"Placeholder", "Const"}
    operations = []
    for op, count in sorted((counts + in_functions).items(), key=lambda item: (-item[1], item[0])):
        row = describe_op(table[op], registered) if op in table else None
        supported = op in unread or (row is not None and row["supported"])
        operations.append(
            {
                "op": op,
                "count": count,
                "in_functions": in_functions[op],
                "supported": supported,
                "kernels": row["kernels"] if row else [],
                "missing_kernels": row["missing_kernels"] if row else [],
            }
        )
    unsupported = {entry["op"] for entry in operations if not entry["supported"]}
    needed = graph.prune(list(graph.outputs)) if graph.outputs else graph
    return {
        "versions": {"producer": graph.versions.producer, "min_consumer": graph.versions.min_consumer},
        "signature": bool(graph.signature.inputs or graph.signature.outputs),
        "inputs": [
            _describe_tensor(graph, key, info) for key, info in graph.inputs.items() if info.resource_id is None
        ],
        "outputs": [_describe_tensor(graph, key, info) for key, info in graph.outputs.items()],
        "nodes": len(graph.nodes),
        "functions": len(graph.functions),
        "ops": operations,
        "runs": not any(node.op in unsupported for part in needed.parts for node in part.nodes.values()),
    }


def _describe_tensor(graph: Graph, key: str, info: TensorInfo) -> dict[str, Any]:
    from ..ir.graph import placeholder_info

    dtype, shape = info.dtype, info.shape
    node = graph.nodes.get(info.edge.node)
    if node is not None and node.op.startswith("Placeholder"):
        stated = placeholder_info(node)
        dtype, shape = dtype or stated.dtype, stated.shape if shape is None else shape
    return {
        "key": key,
        "name": info.name,
        "dtype": None if dtype is None else str(dtype),
        "shape": None if shape is None else list(shape),
    }


def _describe_layers(artifacts: ModelArtifacts) -> dict[str, Any]:
    """The layers; of a model that cannot be built their classes, and why."""
    from ..errors import TfglError
    from ..layers.description import describe_unread

    report: dict[str, Any] = {"layer_classes": _layer_counts(artifacts), "runs": True, "reason": None, "layers": []}
    try:
        return report | describe_unread(artifacts).as_dict()
    except TfglError as error:
        return report | {"runs": False, "reason": str(error)}


def _layer_counts(artifacts: ModelArtifacts) -> list[dict[str, Any]]:
    """Classes of the outermost layers; [] for a configuration of another form."""
    place: Any = artifacts.model_topology or {}
    for key in ("model_config", "config"):
        if isinstance(place, Mapping):
            place = place.get(key, place)
    layers = place.get("layers", []) if isinstance(place, Mapping) else place
    if not isinstance(layers, list):
        return []
    classes = Counter(str(layer.get("class_name")) for layer in layers if isinstance(layer, Mapping))
    return [{"class": name, "count": count} for name, count in classes.most_common()]


def _describe_weights(specs: Sequence[WeightSpec]) -> dict[str, Any]:
    groups: dict[tuple[str, str | None], list[WeightSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.tensor_dtype, _stored(spec)), []).append(spec)
    return {
        "count": len(specs),
        "parameters": sum(spec.size for spec in specs),
        "bytes": sum(spec.least_bytes for spec in specs),
        "by_dtype": [
            {
                "dtype": dtype,
                "quantization": stored,
                "count": len(members),
                "parameters": sum(spec.size for spec in members),
                "bytes": sum(spec.least_bytes for spec in members),
            }
            for (dtype, stored), members in sorted(groups.items(), key=lambda item: str(item[0]))
        ],
        "tensors": [
            {
                "name": spec.name,
                "shape": list(spec.shape),
                "dtype": spec.tensor_dtype,
                "quantization": _stored(spec),
                "bytes": spec.least_bytes,
            }
            for spec in specs
        ],
    }


def _stored(spec: WeightSpec) -> str | None:
    """The dtype of a quantised weight's bytes."""
    return None if spec.quantization is None else str(spec.stored_dtype)


def _print(model: str, report: Mapping[str, Any]) -> None:
    versions = report.get("versions", {})
    made = ", ".join(f"{key} {versions[key]}" for key in versions)
    lines = [f"{model}: {report['format']}{f' ({made})' if made else ''}"]
    lines += [f"made by {report['generated_by']}"] if report["generated_by"] else []
    lines += [f"converted by {report['converted_by']}"] if report["converted_by"] else []
    click.echo(printable("; ".join(lines)))
    for part in ("inputs", "outputs"):
        if part in report:
            print_table(
                make_table(
                    part,
                    ["key", "tensor", "dtype", "shape"],
                    [(t["key"], t["name"], t["dtype"] or "?", shape_text(t["shape"])) for t in report[part]],
                )
            )
    if "ops" in report:
        print_table(
            make_table(
                f"{report['nodes']} nodes, {report['functions']} functions",
                ["operation", "count", "supported", "kernels"],
                [(op["op"], op["count"], _support(op), ", ".join(op["kernels"])) for op in report["ops"]],
                right=["count"],
            )
        )
    elif report["layers"]:
        from ..layers.description import layer_table

        print_table(layer_table("layers", report["layers"], expand_nested=True))
    else:
        rows = [(entry["class"], entry["count"]) for entry in report["layer_classes"]]
        print_table(make_table("layers", ["class", "count"], rows, right=["count"]))
    weights = report["weights"]
    print_table(
        make_table(
            f"{weights['count']} weights, {weights['parameters']} parameters, {bytes_text(weights['bytes'])}",
            ["dtype", "stored as", "weights", "parameters", "size"],
            [
                (w["dtype"], w["quantization"] or w["dtype"], w["count"], w["parameters"], bytes_text(w["bytes"]))
                for w in weights["by_dtype"]
            ],
            right=["weights", "parameters", "size"],
        )
    )
    layers = report["format"] == "layers-model"
    for text in report.get("warnings", ()):
        click.echo(printable(f"warning: {text}"))
    if report["runs"]:
        click.echo("every layer is supported" if layers else "every operation that the outputs need is supported")
    elif layers:
        click.echo(f"cannot be run: {one_line(report['reason'])}")
    else:
        names = ", ".join(op["op"] for op in report["ops"] if not op["supported"])
        click.echo(printable(f"cannot be run: {names} not supported"))


def _support(op: Mapping[str, Any]) -> str:
    if op["supported"]:
        return "yes"
    missing = ", ".join(op["missing_kernels"])
    return f"no (kernel {missing})" if missing else "no"
