"""Keras layers as TensorFlow ops: one set of layer semantics for the converter and for layers models."""

from .call import Call
from .model import graph_of_keras
from .registry import Weight, custom_layers, layer, supported_layers
from .weights import LayerNode

__all__ = ["Call", "LayerNode", "Weight", "custom_layers", "graph_of_keras", "layer", "supported_layers"]
