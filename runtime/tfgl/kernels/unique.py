"""Distinct slices, on the host."""

from __future__ import annotations

from ..ir.reference.unique import unique
from ..registry import host_kernel

host_kernel("Unique", unique)
