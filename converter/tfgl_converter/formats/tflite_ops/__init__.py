"""Operators of TensorFlow Lite -> ops of TensorFlow, a module for each family."""

from __future__ import annotations

from .custom import flex_operator
from .operator import Operator, TFLiteBuilder
from .registry import Rule, rule_of

__all__ = ["Operator", "Rule", "TFLiteBuilder", "flex_operator", "rule_of"]
