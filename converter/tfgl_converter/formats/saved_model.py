"""SavedModel folders of TensorFlow 1 and 2: graph, signature, variables, tables and assets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.graph import Edge, Graph, Signature

from .graph_def import GraphReader
from .hash_tables import TABLE_OPS, tables_of
from .message_file import MessageFile
from .object_functions import with_function_signatures
from .signatures import (
    DEFAULT_SIGNATURE,
    INIT_SIGNATURE,
    choose_meta_graph,
    choose_signature,
    natural_order,
    signatures_of,
)
from .source_model import SourceModel
from .tensor_bundle import TensorBundle
from .variable_values import (
    VARIABLE_OPS,
    restored_by_collections,
    restored_by_graph,
    restored_by_objects,
    variables_of,
)

_INITIALIZERS = ("table_initializer", "saved_model_main_op", "legacy_init_op")


def read_saved_model(
    path: str | os.PathLike[str],
    tags: Sequence[str] = ("serve",),
    signature: str | None = None,
    *,
    default_signature: str = DEFAULT_SIGNATURE,
) -> SourceModel:
    """The SavedModel in folder ``path``: what its ``signature`` needs of the graph with just these ``tags``.

    Without ``signature`` it is ``default_signature``, or the only one. A model without signatures offers the
    functions of its root object by their names. Raises ModelFormatError for files that are missing or damaged,
    InvalidArgumentError for a signature or tags that the model does not have.
    """
    folder = Path(path)
    if folder.is_file() and folder.name.startswith("saved_model.pb"):
        folder = folder.parent
    file = MessageFile(model_file(folder), "SavedModel")
    if not file.message.meta_graphs:
        raise ModelFormatError(f"{file.path}: holds no graph, so it is no SavedModel")
    meta_graph = choose_meta_graph(file.message.meta_graphs, tags, str(file.path))
    bundle = bundle_of(folder)
    if not any(key != INIT_SIGNATURE for key in meta_graph.signature_def):
        with_function_signatures(meta_graph, bundle, str(file.path))
    signatures = signatures_of(meta_graph, str(file.path))
    key = choose_signature(signatures, signature, str(file.path), default_signature)
    info = meta_graph.meta_info_def
    reader = GraphReader(meta_graph.graph_def, file, info.stripped_op_list.op, str(file.path))
    for name, output in signatures[key].outputs.items():
        if output.edge.node not in reader.nodes:
            raise ModelFormatError(
                f"{file.path}, signature {key!r}: output {name!r} is {output.name!r}, which the graph lacks"
            )
    if not signatures[key].outputs:
        raise InvalidArgumentError(f"{file.path}, signature {key!r}: it has no outputs, so there is nothing to convert")
    graph = reader.graph([output.edge.node for output in signatures[key].outputs.values()], signatures[key])
    assets = _assets(meta_graph, folder)
    ops = {node.op for node in graph.nodes.values()}
    restorer = _restorer(meta_graph, reader) if ops & (VARIABLE_OPS | TABLE_OPS) else None
    sources = [restored_by_graph(restorer)] if restorer is not None else []
    sources.append(restored_by_collections(meta_graph))
    if bundle is not None and ops & VARIABLE_OPS:
        sources.append(restored_by_objects(bundle))
    initializer = _initializer(meta_graph, reader) if ops & TABLE_OPS else None
    return SourceModel(
        graph=graph,
        origin=str(folder),
        variables=variables_of(graph, bundle, sources),
        tables=tables_of(graph, initializer, restorer, bundle, assets),
        signatures=signatures,
        signature_key=key,
        structured_outputs=tuple(sorted(signatures[key].outputs, key=natural_order)),
        assets=assets,
        asset_directory=folder / "assets" if (folder / "assets").is_dir() else None,
        tags=tuple(sorted(info.tags)),
        tensorflow_version=info.tensorflow_version,
    )


def signatures_by_tags(path: str | os.PathLike[str]) -> dict[str, dict[str, Signature]]:
    """The signatures of each graph of a SavedModel, by the graph's tags between commas, then by key.

    Raises ModelFormatError for files that are missing or damaged.
    """
    folder = Path(path)
    file = MessageFile(model_file(folder), "SavedModel")
    found = {}
    for meta_graph in file.message.meta_graphs:
        if not any(key != INIT_SIGNATURE for key in meta_graph.signature_def):
            with_function_signatures(meta_graph, bundle_of(folder), str(file.path))
        found[",".join(sorted(meta_graph.meta_info_def.tags))] = signatures_of(meta_graph, str(file.path))
    return found


def is_keras_saved_model(path: str | os.PathLike[str]) -> bool:
    """Whether Keras saved the SavedModel with its layers; raises ModelFormatError for damaged files."""
    folder = Path(path)
    if (folder / "keras_metadata.pb").is_file() or (folder / "assets" / "saved_model.json").is_file():
        return True
    file = MessageFile(model_file(folder), "SavedModel")
    for meta_graph in file.message.meta_graphs[:1]:
        for node in meta_graph.object_graph_def.nodes[:1]:
            return "tf_keras" in str(node.user_object.identifier)
    return False


def model_file(folder: Path) -> Path:
    """The file of a SavedModel's folder that holds its graphs; ModelFormatError where there is none.

    >>> model_file(Path("missing"))
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: missing: no such folder; expected a SavedModel folder with saved_model.pb
    """
    if not folder.is_dir():
        raise ModelFormatError(f"{folder}: no such folder; expected a SavedModel folder with saved_model.pb")
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if (folder / name).is_file():
            return folder / name
    if (folder / "saved_model.cpb").is_file():
        raise ModelFormatError(
            f"{folder}: saved_model.cpb is the experimental split format, which cannot be read; save the model "
            "again without experimental_image_format"
        )
    raise ModelFormatError(f"{folder}: holds no saved_model.pb or saved_model.pbtxt, so it is no SavedModel")


def bundle_of(folder: Path) -> TensorBundle | None:
    """The variables of a SavedModel's folder, None where it keeps none; ModelFormatError when they are damaged.

    >>> bundle_of(Path("missing")) is None
    True
    """
    prefix = folder / "variables" / "variables"
    if prefix.with_name("variables.index").is_file():
        return TensorBundle(prefix)
    if any((folder / "variables").glob("variables.data-*")):
        raise ModelFormatError(f"{prefix}.index: no such file; without it the variables cannot be read")
    return None


def _restorer(meta_graph: Any, reader: GraphReader) -> Graph | None:
    name = meta_graph.saver_def.restore_op_name.partition(":")[0]
    return reader.graph([name]) if name in reader.nodes else None


def _initializer(meta_graph: Any, reader: GraphReader) -> Graph | None:
    names: dict[str, None] = {}
    for collection in _INITIALIZERS:
        if collection in meta_graph.collection_def:
            listed = meta_graph.collection_def[collection].node_list.value
            names.update(dict.fromkeys(name.partition(":")[0] for name in listed))
    if INIT_SIGNATURE in meta_graph.signature_def:
        for info in meta_graph.signature_def[INIT_SIGNATURE].outputs.values():
            names[info.name.partition(":")[0]] = None
    known = [name for name in names if name in reader.nodes]
    return reader.graph(known) if known else None


def _assets(meta_graph: Any, folder: Path) -> dict[str, Path]:
    """The asset files by the node that holds their path."""
    found: dict[str, Path] = {}
    root = (folder / "assets").resolve()
    for asset in meta_graph.asset_file_def:
        path = (root / asset.filename).resolve()
        if not asset.filename or not path.is_relative_to(root):
            raise ModelFormatError(f"{folder}: asset {asset.filename!r} lies outside of the model's folder")
        found[Edge.parse(asset.tensor_info.name).node] = path
    return found
