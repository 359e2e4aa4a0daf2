"""Rewrites of a graph that keep its results, one a file; for the loader and for the converter.

Each takes a graph and the names that must stay, and returns the new graph with
the number of places it changed.
"""

from __future__ import annotations

from .bind_constants import bind_constants
from .fold_batch_norms import fold_batch_norms
from .fold_constants import fold_constants
from .fuse_activations import fuse_activations
from .fuse_lstm_cells import fuse_lstm_cells
from .fuse_padding import fuse_padding

__all__ = [
    "bind_constants",
    "fold_batch_norms",
    "fold_constants",
    "fuse_activations",
    "fuse_lstm_cells",
    "fuse_padding",
]
