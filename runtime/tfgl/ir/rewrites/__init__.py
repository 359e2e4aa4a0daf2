"""Rewrites of a graph that keep its results, one a file; for the loader and for the converter.

Each takes a graph and the names that must stay, and returns the new graph with
the number of places it changed.
"""

from __future__ import annotations

from .bind_constants import bind_constants
from .fold_batch_norms import fold_batch_norms
from .fold_constants import fold_constants
from .fold_scales import fold_scales
from .fuse_activations import PORTABLE_ACTIVATIONS, fuse_activations
from .fuse_lstm_cells import fuse_lstm_cells
from .fuse_padding import fuse_padding
from .move_reshapes import move_reshapes
from .recognize_activations import recognize_clips, recognize_gelu, recognize_hard_swish, recognize_swish
from .recognize_layer_norms import recognize_layer_norms
from .recognize_normalizations import recognize_softmax, recognize_standardized

__all__ = [
    "PORTABLE_ACTIVATIONS",
    "bind_constants",
    "fold_batch_norms",
    "fold_constants",
    "fold_scales",
    "fuse_activations",
    "fuse_lstm_cells",
    "fuse_padding",
    "move_reshapes",
    "recognize_clips",
    "recognize_gelu",
    "recognize_hard_swish",
    "recognize_layer_norms",
    "recognize_softmax",
    "recognize_standardized",
    "recognize_swish",
]
