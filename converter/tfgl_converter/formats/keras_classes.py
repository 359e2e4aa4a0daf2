"""Which layer classes are Keras' own; all others are custom code that no file holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.keras.files.model import Config, KerasModel, LayerPath, is_model, layer_name

# The layers of Keras 2.0 to 3.15 and of TensorFlow.js.
_KERAS = frozenset(
    [
        "Activation",
        "ActivityRegularization",
        "AdaptiveAveragePooling1D",
        "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D",
        "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D",
        "AdaptiveMaxPooling3D",
        "Add",
        "AdditiveAttention",
        "AlphaDropout",
        "Attention",
        "AugMix",
        "AutoContrast",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "AvgPool1D",
        "AvgPool2D",
        "AvgPool3D",
        "BatchNormalization",
        "Bidirectional",
        "CategoryEncoding",
        "CenterCrop",
        "Concatenate",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "ConvLSTM1D",
        "ConvLSTM1DCell",
        "ConvLSTM2D",
        "ConvLSTM2DCell",
        "ConvLSTM3D",
        "ConvLSTM3DCell",
        "Convolution1D",
        "Convolution2D",
        "Convolution3D",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "CuDNNGRU",
        "CuDNNLSTM",
        "CutMix",
        "Dense",
        "DenseFeatures",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Discretization",
        "Dot",
        "Dropout",
        "ELU",
        "EinsumDense",
        "Embedding",
        "Equalization",
        "Flatten",
        "GRU",
        "GRUCell",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalAvgPool1D",
        "GlobalAvgPool2D",
        "GlobalAvgPool3D",
        "GlobalMaxPool1D",
        "GlobalMaxPool2D",
        "GlobalMaxPool3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "GroupNormalization",
        "GroupQueryAttention",
        "GroupedQueryAttention",
        "HashedCrossing",
        "Hashing",
        "Identity",
        "InputLayer",
        "IntegerLookup",
        "LSTM",
        "LSTMCell",
        "Lambda",
        "LayerNormalization",
        "LeakyReLU",
        "LocallyConnected1D",
        "LocallyConnected2D",
        "Masking",
        "MaxNumBoundingBoxes",
        "MaxPool1D",
        "MaxPool2D",
        "MaxPool3D",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "Maximum",
        "MelSpectrogram",
        "Minimum",
        "MixUp",
        "MultiHeadAttention",
        "Multiply",
        "Normalization",
        "Operation",
        "PReLU",
        "Permute",
        "Pipeline",
        "RMSNormalization",
        "RNN",
        "RandAugment",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomCrop",
        "RandomElasticTransform",
        "RandomErasing",
        "RandomFlip",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHeight",
        "RandomHue",
        "RandomInvert",
        "RandomPerspective",
        "RandomPosterization",
        "RandomRotation",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomTranslation",
        "RandomWidth",
        "RandomZoom",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "Resizing",
        "ReversibleEmbedding",
        "STFTSpectrogram",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "SimpleRNNCell",
        "SlicingOpLambda",
        "Softmax",
        "Solarization",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "SpectralNormalization",
        "StackedRNNCells",
        "StringLookup",
        "Subtract",
        "SyncBatchNormalization",
        "TFOpLambda",
        "TensorFlowOpLayer",
        "TextVectorization",
        "ThresholdedReLU",
        "TimeDistributed",
        "UnitNormalization",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ]
)


def custom_layers(config: Config) -> Iterator[tuple[LayerPath, str]]:
    """Path and class of each layer whose code is not Keras' own, Lambda layers included.

    >>> layer = {"class_name": "package>Scale", "config": {"name": "s"}}
    >>> list(custom_layers({"class_name": "Sequential", "config": {"layers": [layer]}}))
    [(('s',), 'package>Scale')]
    """
    yield from _custom(config, ())


def refuse_custom_layers(model: KerasModel, allowed: Collection[str] = ()) -> None:
    """Raise ModelFormatError when the model has Lambda layers or layers of classes that are not Keras' own.

    ``allowed`` has the class names that the caller vouches for. Nothing of such a layer is ever executed here.
    """
    if model.config is None:
        return
    for path, kind in custom_layers(model.config):
        if kind in allowed or kind.rpartition(">")[2] in allowed:
            continue
        place = f"{model.source}: layer {'/'.join(path)!r}"
        if kind == "Lambda" or kind == "__lambda__":
            raise ModelFormatError(
                f"{place} is a Lambda layer: its Python code is not executed here, and TensorFlow.js has no such "
                "layer; replace it by layers or save the model as a SavedModel and convert that to a graph model"
            )
        raise ModelFormatError(
            f"{place} is of class {kind!r}, which is not Keras' own, and its code is not in the file; save the model "
            "as a SavedModel and convert that to a graph model, or name the class with --custom_objects"
        )


def _custom(model: Config, path: LayerPath) -> Iterator[tuple[LayerPath, str]]:
    for layer in model["config"]["layers"]:
        here = (*path, layer_name(layer))
        if is_model(layer):
            yield from _custom(layer, here)
            continue
        if layer["class_name"] not in _KERAS or layer["class_name"] == "Lambda":
            yield here, str(layer["class_name"])
        for key in ("layer", "backward_layer", "cell", "cells"):
            yield from _inside(layer["config"].get(key), here)


def _inside(value: Any, path: LayerPath) -> Iterator[tuple[LayerPath, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _inside(one, path)
    elif isinstance(value, dict) and isinstance(value.get("config"), dict) and "class_name" in value:
        inner = {"class_name": "Sequential", "config": {"layers": [value]}}
        yield from _custom(inner, path)
