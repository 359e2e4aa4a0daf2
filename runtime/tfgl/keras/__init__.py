"""Keras layers as TensorFlow ops: one set of layer semantics for the converter and for layers models."""

from .model import graph_of_keras
from .registry import Weight, layer, supported_layers
from .weights import LayerNode

__all__ = ["LayerNode", "Weight", "graph_of_keras", "layer", "supported_layers"]
