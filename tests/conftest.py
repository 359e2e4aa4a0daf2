"""What holds for the whole test session: options, caches of its own, order."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings

# No deadline: the first draw of a program may compile for half a second.
# Derandomized: a failure that comes and goes from run to run is not found again.
settings.register_profile("tfgl", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("tfgl")

_cache: pytest.StashKey[tempfile.TemporaryDirectory[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gl", choices=["3.3"], help="run on the paths for that OpenGL version (samplers, no image units)"
    )
    parser.addoption(
        "--pretrained", action="store_true", help="run the tests on published models, tests/pretrained"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Tests neither see nor fill the program cache of the user who runs them.
    config.stash[_cache] = tempfile.TemporaryDirectory(prefix="tfgl-tests-")
    os.environ["TFGL_CACHE_DIR"] = config.stash[_cache].name
    if config.getoption("--gl") == "3.3":
        from tfgl.flags import flags

        flags.gl_version = 330


def pytest_unconfigure(config: pytest.Config) -> None:
    if _cache in config.stash:
        config.stash[_cache].cleanup()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # test_tiny proves the machine; what fails after it is not the machine's fault.
    items.sort(key=lambda item: item.path.name != "test_tiny.py")
    if config.getoption("--pretrained"):
        return
    left_out = [item for item in items if item.path.parent.name == "pretrained"]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.path.parent.name != "pretrained"]
