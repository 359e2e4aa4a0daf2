"""Ops that TensorFlow exports and TensorFlow.js lacks, written with ops that it has; one file a family."""

from __future__ import annotations

from .registry import rewrite_missing_ops, rewrite_obstacle, rewrite_remaining_ops, rewritten_ops

__all__ = ["rewrite_missing_ops", "rewrite_obstacle", "rewrite_remaining_ops", "rewritten_ops"]
