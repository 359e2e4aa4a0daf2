"""Signatures for SavedModels that were saved without any: from the functions of their root object."""

from __future__ import annotations

from typing import Any

from .tensor_bundle import TensorBundle


def with_function_signatures(meta_graph: Any, bundle: TensorBundle | None, where: str) -> None:
    """Add to ``meta_graph`` a signature, and a call in its graph, for each function of the root object."""
