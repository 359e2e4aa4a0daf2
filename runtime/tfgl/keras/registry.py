"""The layer table: Keras class name -> how its configuration becomes ops; rows come from ``tfgl.keras.layers``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UnsupportedOpError

if TYPE_CHECKING:
    from .builder import Tensor
    from .call import Call

Handler = Callable[["Call"], "Tensor | Sequence[Tensor]"]
# What a layer does to the mask of its first input: passes it on, drops it, or says itself what its outputs have.
Masking = Literal["pass", "drop", "own"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight of a layer: its name, the configuration key that switches it on, whether training changes it.

    >>> Weight("bias", when="use_bias").present({"use_bias": False})
    False
    """

    name: str
    when: str | None = None
    trainable: bool = True
    default: bool = True

    def present(self, config: Mapping[str, Any]) -> bool:
        """Whether a layer with this configuration has it."""
        return self.when is None or bool(config.get(self.when, self.default))


WeightList = Sequence[Weight] | Callable[[Mapping[str, Any]], Sequence[Weight]]
# The configurations (class_name and config) of the layers that a layer holds, by name, in the order of their weights.
Children = Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Row:
    """How the layers of one class become ops.

    >>> row_of("Dense").weight_list({"use_bias": False})
    [Weight(name='kernel', when=None, trainable=True, default=True)]
    """

    class_name: str
    handler: Handler
    weights: WeightList = ()
    children: Children | None = None
    masking: Masking = "drop"
    takes: int | None = 1
    # Of a class that is not Keras' own: all weights that the file has for the layer, and their names in order.
    free_weights: Sequence[str] | None = None

    def weight_list(self, config: Mapping[str, Any]) -> list[Weight]:
        """The weights of a layer with this configuration, in Keras's order."""
        listed = self.weights(config) if callable(self.weights) else self.weights
        return [weight for weight in listed if weight.present(config)]


_rows: dict[str, Row] = {}
_walked = False
_custom: ContextVar[Mapping[str, Row]] = ContextVar("custom_layers")


@contextmanager
def custom_layers(handlers: Mapping[str, tuple[Handler, Sequence[str]]]) -> Iterator[None]:
    """Inside the block, layers of classes that are not Keras' own become ops by these functions.

    Keys are class names, without the package under which a program registered them. With a function come names for
    the weights of a layer in the file's order; without any the file's own names serve.

    >>> with custom_layers({"Twice": (lambda call: call.b.binary("Mul", call.x, 2.0), ())}):
    ...     row_of("mine>Twice", "t").class_name
    'Twice'
    """
    rows = {
        name: Row(name, handler, takes=None, free_weights=tuple(weights))
        for name, (handler, weights) in handlers.items()
    }
    token = _custom.set(rows)
    try:
        yield
    finally:
        _custom.reset(token)


def layer(
    *class_names: str,
    weights: WeightList = (),
    children: Children | None = None,
    masking: Masking = "drop",
    takes: int | None = 1,
) -> Callable[[Handler], Handler]:
    """Registers the decorated function for layers of these classes; a second row for a class raises.

    ``takes`` is the number of input tensors, None for any number.
    """

    def register(handler: Handler) -> Handler:
        for class_name in class_names:
            if class_name in _rows:
                raise RuntimeError(f"layer {class_name!r} has two rows in the layer table")
            _rows[class_name] = Row(class_name, handler, weights, children, masking, takes)
        return handler

    return register


def rows() -> dict[str, Row]:
    """The whole table by class name.

    >>> rows()["Conv2D"].class_name
    'Conv2D'
    """
    global _walked
    if not _walked:
        package = importlib.import_module(f"{__package__}.layers")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _walked = True
    return _rows


def supported_layers() -> set[str]:
    """The class names that become ops, models included.

    >>> {"Dense", "LSTM"} <= supported_layers()
    True
    """
    return {*rows(), "Sequential", "Functional", "Model"}


def row_of(class_name: str, name: str = "", package: str | None = None) -> Row:
    """The row of a class; UnsupportedOpError that names layer and class when there is none.

    >>> row_of("Lambda", "scale")
    Traceback (most recent call last):
    tfgl.errors.UnsupportedOpError: layer 'scale' is a Lambda: it holds Python code, which is never run; replace it by
    layers of Keras (Rescaling, Activation, Multiply, ...), or convert a SavedModel, which holds its ops
    """
    where = f"layer {name!r}" if name else "a layer"
    # What a program registered under a name of its own has a ">" in it, whatever the part behind says.
    known = rows().get(_RENAMED.get(class_name, class_name))
    if known is not None and package is None:
        return known
    custom = _custom.get({}).get(class_name.rpartition(">")[2])
    if custom is not None:
        return custom
    if class_name == "Lambda":
        raise UnsupportedOpError(
            f"{where} is a {class_name}: it holds Python code, which is never run; replace it by layers of Keras "
            "(Rescaling, Activation, Multiply, ...), or convert a SavedModel, which holds its ops"
        )
    if class_name in _LACKING and package is None:
        raise UnsupportedOpError(
            f"{where} is a {class_name}, which is not supported: {_LACKING[class_name]}; leave it out and do "
            "its work before or after, or convert a SavedModel, which holds its ops"
        )
    shown = f"{package}>{class_name}" if package and ">" not in class_name else class_name
    raise UnsupportedOpError(
        f"{where} is of class {shown!r}, which is no layer of Keras that is known here; if it is a class of your own, "
        "export the model as a SavedModel, which holds its ops, and convert that, or name it with --custom_objects"
    )


# Layers of Keras that have no row, and why.
_LACKING = {
    "HashedCrossing": "it works on strings or by hashes, for which a file of Keras holds no ops",
    **dict.fromkeys(("MelSpectrogram", "STFTSpectrogram"), "its transform is not built yet"),
    **dict.fromkeys(
        ("AbstractRNNCell", "DenseFeatures", "FeatureSpace", "KernelDensity"),
        "its kind of layer is not built yet",
    ),
    **dict.fromkeys(("TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"), "it runs another framework's code"),
}
# Names of older files.
_RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "UnifiedGRU": "GRU",
    "GRUV2": "GRU",
    "UnifiedLSTM": "LSTM",
    "LSTMV2": "LSTM",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution1DTranspose": "Conv1DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "LayerNormalizationV1": "LayerNormalization",
}
