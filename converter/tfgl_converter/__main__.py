"""``python -m tfgl_converter``: the same as ``tensorflowjs_converter``."""

from __future__ import annotations

from .cli import run

if __name__ == "__main__":
    run()
