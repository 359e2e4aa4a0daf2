"""Every kernel in NumPy and float64: what shaders are compared with, and what folds constants."""

from __future__ import annotations

from .registry import evaluate, evaluate_as, has, reference, reference_names

__all__ = ["evaluate", "evaluate_as", "has", "reference", "reference_names"]
