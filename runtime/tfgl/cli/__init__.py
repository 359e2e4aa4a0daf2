"""The tfgl command."""

from __future__ import annotations

from .. import __version__
from .bench import bench
from .cache import cache
from .command import Program
from .convert import convert
from .doctor import doctor
from .inspect import inspect
from .ops import ops
from .run import run

main = Program(
    "tfgl",
    help="Run TensorFlow.js models without a browser, on OpenGL. "
    "MODEL is a folder with model.json, a model.json, or an http(s) URL.",
    version=__version__,
    commands=[run, inspect, convert, bench, doctor, ops, cache],
)

__all__ = ["main"]
