"""Models that live in a program: Keras models saved and loaded, Keras and JAX functions as graph models.

Keras, TensorFlow and JAX are imported here only, and only because the caller has a model of theirs or asks for one.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.io import ModelArtifacts, parse_model_json, read_artifacts
from tfgl.keras.files.layers_model import keras_model_of
from tfgl.keras.files.model import KerasModel

from .dispatch import Conversion, convert
from .original_arguments import options_from
from .writers.keras_hdf5 import write_keras_hdf5
from .writers.keras_spelling import for_keras_2, for_keras_3
from .writers.keras_v3 import write_keras_v3

# Where both are there: that of the original converter, unless the program has chosen.
_KERAS = ("tf_keras", "keras")


def save_keras_model(
    model: Any,
    artifacts_dir: str | os.PathLike[str],
    quantization_dtype_map: Mapping[str, Any] | None = None,
    weight_shard_size_bytes: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> Conversion:
    """Write a live Keras model, of Keras 2 or 3 on any backend, as a layers model into a folder; what was done.

    ``quantization_dtype_map`` maps float16, uint8 or uint16 to wildcards over weight names, or to True for all;
    ``metadata`` goes into userDefinedMetadata; other ``options`` are those of ``convert``.

    Raises InvalidArgumentError for what is no Keras model, ModelFormatError for layers that no layers model can have.

    >>> save_keras_model(object(), "web_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: expected a Keras model, got object
    """
    given: dict[str, Any] = {"quantization_dtype_map": quantization_dtype_map, "metadata": metadata, **options}
    if weight_shard_size_bytes is not None:
        given["weight_shard_size_bytes"] = weight_shard_size_bytes
    with tempfile.TemporaryDirectory(prefix="tfgl-") as folder:
        path, input_format = _saved(model, Path(folder))
        with _called("the model", path):
            return convert(
                path, artifacts_dir, input_format=input_format, output_format="tfjs_layers_model", **options_from(given)
            )


def convert_keras_model_to_graph_model(
    keras_model: Any, output_dir: str | os.PathLike[str], saved_model_tags: str = "serve", **options: Any
) -> Conversion:
    """Write a live Keras model as a graph model into a folder; what was done.

    Its layers become ops here, without TensorFlow. Where they cannot (custom layers, subclassed models), the model is
    exported as a SavedModel, which needs TensorFlow, and that is converted. ``options`` are those of the original
    (``quantization_dtype_map``, ``skip_op_check``, ``strip_debug_ops``, ``metadata`` ...) and of ``convert``.

    Raises InvalidArgumentError for what is no Keras model, UnsupportedOpError for ops that TensorFlow.js lacks.

    >>> convert_keras_model_to_graph_model(object(), "web_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: expected a Keras model, got object
    """
    chosen = options_from(options)
    with tempfile.TemporaryDirectory(prefix="tfgl-") as folder:
        try:
            path, input_format = _saved(keras_model, Path(folder))
            with _called("the model", path):
                return convert(path, output_dir, input_format=input_format, output_format="tfjs_graph_model", **chosen)
        except ModelFormatError as reason:
            if _imported("tensorflow") is None:
                raise ModelFormatError(f"{reason}; with TensorFlow installed its own export would be tried") from None
            exported = _exported(keras_model, Path(folder) / "saved_model")
        return convert(exported, output_dir, input_format="tf_saved_model", saved_model_tags=saved_model_tags, **chosen)


def load_keras_model(
    config_json_path: str | os.PathLike[str],
    weights_path_prefix: str | os.PathLike[str] | None = None,
    weights_data_buffers: bytes | Sequence[bytes] | None = None,
    load_weights: bool = True,
    use_unique_name_scope: bool = False,
) -> Any:
    """The live Keras model of a layers model: of tf_keras where it is there, or of the Keras that is imported already.

    ``config_json_path`` is its model.json or the folder of it. The weights come from ``weights_path_prefix``, a
    folder, or ``weights_data_buffers``, their bytes; by default they lie beside model.json. Without ``load_weights``
    the model has initial ones. ``use_unique_name_scope`` makes it under a name scope of its own.

    Raises InvalidArgumentError without Keras and for arguments that exclude each other, ModelFormatError for files
    that are damaged.

    >>> load_keras_model("model.json", "here", [b""])
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: weights_path_prefix and weights_data_buffers exclude each other
    """
    if weights_path_prefix is not None and weights_data_buffers is not None:
        raise InvalidArgumentError("weights_path_prefix and weights_data_buffers exclude each other")
    path = Path(os.fspath(config_json_path))
    if weights_data_buffers is not None and load_weights:
        file = path / "model.json" if path.is_dir() else path
        if not file.is_file():
            raise ModelFormatError(f"there is no {str(file)!r}; expected a layers model")
        config = parse_model_json(file.read_bytes(), str(file))
        artifacts = read_artifacts((config, _joined(weights_data_buffers)), expected_format="layers-model")
    else:
        artifacts = read_artifacts(
            path, expected_format="layers-model", with_weights=load_weights, weight_path_prefix=weights_path_prefix
        )
    return _loaded(artifacts, load_weights, use_unique_name_scope)


def deserialize_keras_model(
    config_json: Any, weight_data: Sequence[Any] | None = None, use_unique_name_scope: bool = False
) -> Any:
    """The live Keras model of a layers model in memory.

    ``config_json`` is the object of a model.json, its text or bytes, or a file of it; ``weight_data`` a list of the
    shards' bytes or files, None for a model with initial weights. Errors as load_keras_model raises them.

    >>> deserialize_keras_model("{}")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: config_json: Field "modelTopology" is missing from the JSON content
    """
    if hasattr(config_json, "read"):
        config_json = config_json.read()
    if isinstance(config_json, (str, bytes, bytearray)):
        data = config_json.encode() if isinstance(config_json, str) else bytes(config_json)
        config_json = parse_model_json(data, "config_json")
    if not isinstance(config_json, Mapping):
        raise InvalidArgumentError(f"config_json: expected JSON, its text or a file, got {type(config_json).__name__}")
    if "modelTopology" not in config_json:
        raise ModelFormatError('config_json: Field "modelTopology" is missing from the JSON content')
    config = dict(config_json)
    if weight_data:
        if isinstance(weight_data, (bytes, bytearray)) or not isinstance(weight_data, Sequence):
            raise InvalidArgumentError(f"weight_data must be a list, got {type(weight_data).__name__}")
        shards = [item.read() if hasattr(item, "read") else item for item in weight_data]
        artifacts = read_artifacts((config, _joined(shards)), expected_format="layers-model")
    else:
        artifacts = read_artifacts((config, b""), expected_format="layers-model", with_weights=False)
    return _loaded(artifacts, bool(weight_data), use_unique_name_scope)


def write_keras_saved_model(model: KerasModel, target: Path) -> None:
    """Write a Keras model as a Keras SavedModel, which TensorFlow does: it has to be installed, with a Keras.

    Keras 3 writes its own models; tf_keras, where it is there, those of Keras 2 and TensorFlow.js.

    Raises InvalidArgumentError when it is not, or when something that is no empty folder lies at ``target``.
    """
    if _imported("tensorflow") is None:
        raise InvalidArgumentError(
            "a Keras SavedModel is written by TensorFlow alone, which is not installed: pip install tensorflow, or "
            "convert to keras_keras or keras and call model.export in Keras"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgumentError(f"{target} is there already; a SavedModel needs a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        _exported(_from_file(model, Path(folder), _keras_of_its_time(model)), Path(folder) / "saved")
        if target.exists():
            target.rmdir()
        (Path(folder) / "saved").rename(target)


def convert_jax(
    apply_fn: Callable[..., Any],
    params: Any,
    *,
    input_signatures: Sequence[tuple[Sequence[int | None], Any]],
    model_dir: str | os.PathLike[str],
    polymorphic_shapes: Sequence[str] | None = None,
    **tfjs_converter_params: Any,
) -> Conversion:
    """Write a JAX function as a graph model into a folder; what was done. JAX and TensorFlow have to be installed.

    ``apply_fn(params, *inputs)`` is a model's forward pass, ``params`` a tree of arrays, which become weights.
    ``input_signatures`` holds shape and dtype of each input, None for a free size; ``polymorphic_shapes`` then says
    for each input which sizes are free and which of them are equal, in JAX's words (``"(b, ...)"``).
    ``tfjs_converter_params`` are the options of convert_keras_model_to_graph_model.

    Raises InvalidArgumentError without JAX or TensorFlow, UnsupportedOpError for ops that TensorFlow.js lacks.

    >>> convert_jax(lambda p, x: x, {}, input_signatures=[], model_dir="web_model", quantise="uint8")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: unknown option 'quantise'; ...
    """
    chosen = options_from(tfjs_converter_params)
    jax, tensorflow = _imported("jax"), _imported("tensorflow")
    if jax is None or tensorflow is None:
        lacking = "JAX" if jax is None else "TensorFlow"
        raise InvalidArgumentError(f"convert_jax goes from JAX through a SavedModel, and {lacking} is not installed")
    jax2tf = importlib.import_module("jax.experimental.jax2tf")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="tfgl-") as folder:
        # JAX warns that this way of it, the only one without XLA's own op, is an old one.
        warnings.simplefilter("ignore")
        function = jax2tf.convert(
            apply_fn,
            with_gradient=False,
            enable_xla=False,
            native_serialization=False,
            polymorphic_shapes=None if polymorphic_shapes is None else [None, *polymorphic_shapes],
        )
        leaves, tree = jax.tree_util.tree_flatten(params)
        module = tensorflow.Module()
        module.leaves = [tensorflow.Variable(leaf) for leaf in leaves]
        specs = [tensorflow.TensorSpec(shape, dtype) for shape, dtype in input_signatures]

        def call(*inputs: Any) -> Any:
            return function(jax.tree_util.tree_unflatten(tree, module.leaves), *inputs)

        module.call = tensorflow.function(call, input_signature=specs, autograph=False)
        path = Path(folder) / "saved_model"
        tensorflow.saved_model.save(module, str(path), signatures={"serving_default": module.call})
        return convert(path, model_dir, input_format="tf_saved_model", **chosen)


@contextmanager
def exported_with(source: Path, input_format: str, custom_objects: Mapping[str, Any]) -> Iterator[Path]:
    """The SavedModel that Keras exports of a Keras file with layers of the caller's own classes; it goes afterwards.

    ``custom_objects`` are Keras layers by class name. Raises InvalidArgumentError without TensorFlow, ModelFormatError
    for files that Keras cannot load with them.
    """
    needed = ", ".join(custom_objects)
    if _imported("tensorflow") is None:
        raise InvalidArgumentError(
            f"custom_objects: to trace {needed} takes TensorFlow, which is not installed; or give the class a static "
            "method tfjs_ops(call) that says which ops it is"
        )
    if input_format == "tfjs_layers_model":
        raise InvalidArgumentError(
            f"custom_objects: a layers model with {needed} needs a static method tfjs_ops(call) of the class"
        )
    keras = next(filter(None, map(_keras_of_layer, custom_objects.values())), None) or _chosen_keras()
    with tempfile.TemporaryDirectory(prefix="tfgl-") as folder:
        try:
            model = keras.models.load_model(str(source), custom_objects=dict(custom_objects), compile=False)
        except Exception as error:
            raise ModelFormatError(f"{source}: Keras cannot load it with {needed}: {error}") from error
        yield _exported(model, Path(folder) / "saved_model")


def _keras_of_layer(kind: Any) -> ModuleType | None:
    roots = {base.__module__.partition(".")[0] for base in getattr(kind, "__mro__", ())}
    return next((sys.modules[name] for name in _KERAS if name in roots and name in sys.modules), None)


def _saved(model: Any, folder: Path) -> tuple[Path, str]:
    """The file that the model writes of itself, and its format."""
    keras = _keras_of(model)
    old = _is_keras_2(keras)
    path, input_format = (folder / "model.h5", "keras") if old else (folder / "model.keras", "keras_keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that HDF5 is an old format
        try:
            model.save(str(path))
        except TfglError:
            raise
        except Exception as error:
            raise ModelFormatError(f"Keras cannot save {model!r} into a file: {error}") from error
    return path, input_format


@contextmanager
def _called(name: str, path: Path) -> Iterator[None]:
    """Errors inside speak of ``name`` instead of a file that nobody knows."""
    try:
        yield
    except ModelFormatError as error:
        raise type(error)(str(error).replace(str(path), name)) from error


def _keras_of(model: Any) -> ModuleType:
    """The Keras that a model belongs to."""
    for kind in type(model).__mro__:
        root = kind.__module__.partition(".")[0]
        if kind.__name__ == "Model" and root in _KERAS and root in sys.modules:
            return sys.modules[root]
    raise InvalidArgumentError(f"expected a Keras model, got {type(model).__name__}")


def _is_keras_2(keras: ModuleType) -> bool:
    return str(getattr(keras, "__version__", "2")).startswith("2")


def _exported(model: Any, folder: Path) -> Path:
    """The SavedModel that Keras makes of a model, through its functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if _is_keras_2(_keras_of(model)):
            model.save(str(folder), save_format="tf")
        else:
            quiet = {"verbose": False} if "verbose" in inspect.signature(model.export).parameters else {}
            model.export(str(folder), **quiet)
    return folder


def _loaded(artifacts: ModelArtifacts, with_weights: bool, own_scope: bool) -> Any:
    if artifacts.model_topology is None:
        raise ModelFormatError(f"{artifacts.source} holds weights without a model; give the whole model")
    model = keras_model_of(artifacts)
    keras = _chosen_keras()
    with _scope(keras, own_scope), tempfile.TemporaryDirectory(prefix="tfgl-") as folder:
        if with_weights:
            return _from_file(model, Path(folder), keras)
        assert model.config is not None
        respelt = (for_keras_2 if _is_keras_2(keras) else for_keras_3)(model.config, model.source, model.keras_version)
        return keras.models.model_from_json(json.dumps(respelt))


def _from_file(model: KerasModel, folder: Path, keras: ModuleType | None = None) -> Any:
    """The live model, through a file that its Keras reads."""
    keras = keras or _chosen_keras()
    path = folder / ("model.h5" if _is_keras_2(keras) else "model.keras")
    (write_keras_hdf5 if _is_keras_2(keras) else write_keras_v3)(model, path)
    return keras.models.load_model(str(path), compile=False)


def _scope(keras: ModuleType, own: bool) -> Any:
    if not own:
        return nullcontext()
    name = f"model_{uuid.uuid4().hex}"
    return keras.backend.name_scope(name) if _is_keras_2(keras) else keras.name_scope(name)


def _chosen_keras() -> ModuleType:
    """The Keras that the program has imported, else the one that the original takes, else the other."""
    for name in _KERAS:
        if name in sys.modules:
            return sys.modules[name]
    for name in _KERAS:
        found = _imported(name)
        if found is not None:
            return found
    raise InvalidArgumentError("a live Keras model needs Keras, which is not installed: pip install keras, or tf_keras")


def _keras_of_its_time(model: KerasModel) -> ModuleType:
    """The Keras that computes what a model means, Keras 3 for its own and else tf_keras, where it is installed."""
    names = reversed(_KERAS) if str(model.keras_version or "").startswith("3") else iter(_KERAS)
    return next(filter(None, map(_imported, names)), None) or _chosen_keras()


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _joined(buffers: Any) -> bytes:
    return (
        bytes(buffers)
        if isinstance(buffers, (bytes, bytearray, memoryview))
        else b"".join(map(bytes, cast(Any, buffers)))
    )
