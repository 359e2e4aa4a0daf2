"""TensorFlow op -> kernel calls, for any evaluator; `Call` is what an evaluator implements."""

from .call import DEAD, Call, Opaque, Outputs, Value
from .registry import Row, check_node, kernels_of, lower_node, row_of, rows, supported_ops

__all__ = [
    "DEAD",
    "Call",
    "Opaque",
    "Outputs",
    "Row",
    "Value",
    "check_node",
    "kernels_of",
    "lower_node",
    "row_of",
    "rows",
    "supported_ops",
]
