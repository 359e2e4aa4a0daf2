"""Rewrites of a source graph into one that TensorFlow.js runs, one a file, and the order they run in."""

from __future__ import annotations

from .pipeline import ORDER, PASSES, PassRecord, Step, chosen_passes, run_passes
from .rewriting import PassContext, Rewritten

__all__ = ["ORDER", "PASSES", "PassContext", "PassRecord", "Rewritten", "Step", "chosen_passes", "run_passes"]
