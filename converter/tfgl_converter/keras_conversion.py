"""Keras files and layers models: read by format, as a graph, as a layers model, and back into Keras files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.keras.configuration import reading_configuration
from tfgl.keras.files.model import KerasModel

from .custom_objects import layer_handlers
from .formats.source_model import SourceModel
from .read_back import Contents, contents_of_layers, read_back_keras
from .writers.layers_model import LayersModel, layers_model_of
from .writers.whole_file import whole_file


def read_keras(source: str | os.PathLike[str], input_format: str, tags: Sequence[str] | None = None) -> KerasModel:
    """The Keras model at ``source``: HDF5 for ``keras``, a .keras file for ``keras_keras``, a SavedModel of Keras 2
    for ``keras_saved_model`` (of the graph with just these ``tags``, by default serve), else a layers model.

    Raises ModelFormatError for a file that is damaged, or is of another format, which it names.
    """
    path = Path(os.fspath(source))
    if input_format == "tfjs_layers_model":
        from tfgl.keras.files.layers_model import read_tfjs_layers

        return read_tfjs_layers(path)
    if input_format == "keras_saved_model":
        from .formats.keras_saved_model import read_keras_saved_model

        return read_keras_saved_model(path, ("serve",) if tags is None else tuple(tags))
    if path.is_dir():
        hint = "; it holds a SavedModel: --input_format=tf_saved_model" if (path / "saved_model.pb").exists() else ""
        raise ModelFormatError(f"{path} is a folder, expected a Keras file{hint}")
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] == b"PK\x03\x04":
        # The original tells the two apart by the flag; the file says it itself.
        from .formats.keras_v3 import read_keras_v3 as read
    else:
        from .formats.keras_hdf5 import read_keras_hdf5 as read
    with reading_configuration(str(path)):
        return read(path)


def read_keras_graph(
    source: str | os.PathLike[str], input_format: str, custom_objects: Mapping[str, Any] | None = None
) -> SourceModel:
    """The graph of a Keras model, its weights as constants.

    ``custom_objects`` are classes of the caller by name; each says by ``tfjs_ops`` what ops its layers are.

    Raises ModelFormatError for files without a configuration, UnsupportedOpError for layers that have no ops.
    """
    from tfgl.keras import custom_layers
    from tfgl.keras.files.graph import build_model

    model = read_keras(source, input_format)
    told: list[str] = []
    with custom_layers(layer_handlers(custom_objects or {})):
        graph = build_model(model, warn=told.append, loops=True).graph
    version = f"keras v{model.keras_version}" if model.keras_version else ""
    # Keras' own export names the outputs of a model by its layers, as the graph's signature does.
    outputs = tuple(sorted(graph.signature.outputs))
    return SourceModel(
        graph,
        model.source,
        structured_outputs=outputs,
        tensorflow_version=version,
        metadata=model.user_defined_metadata or {},
        warnings=tuple(told),
    )


def read_as_layers_model(
    source: str | os.PathLike[str],
    input_format: str,
    custom_objects: Collection[str] = (),
    tags: Sequence[str] | None = None,
) -> LayersModel:
    """The layers model of the Keras model at ``source``; errors as read_keras and layers_model_of raise them."""
    model = read_keras(source, input_format, tags)
    with reading_configuration(model.source):
        contents_of_layers(model)  # raises for inputs that no layers model can state
        return layers_model_of(model, custom_objects=custom_objects)


def write_keras(model: KerasModel, target: Path, output_format: str, custom_objects: Collection[str] = ()) -> Contents:
    """Write a model as a Keras file, HDF5 for ``keras``, .keras for ``keras_keras``; what it has, read back.

    Raises what the writers raise, and ModelFormatError for a file that does not read back; no file appears then.
    """
    if output_format == "keras":
        from .writers.keras_hdf5 import write_keras_hdf5 as write
    else:
        from .writers.keras_v3 import write_keras_v3 as write
    with reading_configuration(model.source):
        contents_of_layers(model)  # raises for inputs that no Keras file can state
        with whole_file(target) as scratch:
            write(model, scratch, custom_objects=custom_objects)
            return read_back_keras(model, read_keras(scratch, output_format))
