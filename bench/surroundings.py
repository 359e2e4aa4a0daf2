"""What figures depend on: machine, device, load, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import tfgl

_PACKAGES = ("numpy", "moderngl", "pytest-benchmark")


def of_tfgl(
    device: Mapping[str, Any], load_before: Sequence[float], versions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Device, cores, load averages before and now, and versions."""
    return {
        **device,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": list(load_before),
        "load_after": list(os.getloadavg()),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"tfgl": tfgl.__version__, **{name: _version(name) for name in _PACKAGES}, **(versions or {})},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
