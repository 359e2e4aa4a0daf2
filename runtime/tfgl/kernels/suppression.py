"""Non-maximum suppression, on the host: which box stays depends on those before it."""

from __future__ import annotations

from ..ir.reference.suppression import non_max_suppression_v3, non_max_suppression_v4, non_max_suppression_v5
from ..registry import host_kernel

host_kernel("NonMaxSuppressionV3", non_max_suppression_v3)
host_kernel("NonMaxSuppressionV4", non_max_suppression_v4)
host_kernel("NonMaxSuppressionV5", non_max_suppression_v5)
