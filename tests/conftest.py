"""What holds for the whole test session: options, caches of its own, order."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tfgl import engine
from tfgl.engine import Engine
from tfgl.flags import Flags, flags
from tfgl.gl.device import open_device

# No deadline: the first draw of a program may compile for half a second.
# Derandomized: a failure that comes and goes from run to run is not found again.
settings.register_profile("tfgl", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("tfgl")

# Scripts that make golden files need TensorFlow, Keras or Node, and hold no tests.
collect_ignore_glob = ["**/make_*.py", "make_*.py"]

_cache: pytest.StashKey[tempfile.TemporaryDirectory[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gl", choices=["3.3"], help="run on the paths for that OpenGL version (samplers, no image units)"
    )
    parser.addoption(
        "--dispatch", choices=["compute"], help="run programs as compute shaders; only where images are read"
    )
    parser.addoption("--pretrained", action="store_true", help="run the tests on published models, tests/pretrained")
    parser.addoption(
        "--tfjs", metavar="DIR", help="the folder of node_modules with @tensorflow/tfjs; without it npm fetches one"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Tests neither see nor fill the program cache of the user who runs them.
    config.stash[_cache] = tempfile.TemporaryDirectory(prefix="tfgl-tests-")
    os.environ["TFGL_CACHE_DIR"] = config.stash[_cache].name
    if config.getoption("--gl") == "3.3":

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


# -- the device ---------------------------------------------------------------

_WAYS = {"image": Flags(), "sampler": Flags(gl_version=330), "compute": Flags(dispatch="compute")}
# Modules that run as compute shaders, too, without being asked: between them they have each entry point and layout.
_AS_COMPUTE = {
    "test_tiny.py",
    "test_engine.py",
    "test_draw_fusion.py",
    "test_kernels_pooling.py",
    "test_kernels_random.py",
    "test_kernels_scans.py",
    "test_weights_on_gpu.py",
}
_engines: dict[str, Engine] = {}


def _engine_of(way: str) -> Engine:
    if way not in _engines:
        flags = _WAYS[way]
        if way == "compute" and _engine_of("image").device.flavour != "image":
            pytest.skip("this device has no compute shaders")
        device = open_device(flags)
        if way == "image" and device.flavour != "image":
            device.close()
            pytest.skip("this device has no image units in fragment shaders")
        _engines[way] = Engine(device, flags)
    return _engines[way]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gpu" not in metafunc.fixturenames:
        return
    ways = ["image", "sampler"]
    if metafunc.config.getoption("--gl") == "3.3":
        ways = ["sampler"]
    elif metafunc.config.getoption("--dispatch") == "compute":
        ways = ["compute"]
    elif metafunc.module.__file__ and os.path.basename(metafunc.module.__file__) in _AS_COMPUTE:
        ways.append("compute")
    metafunc.parametrize("gpu", ways, indirect=True)


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The current engine, once for each way of running programs; no GL error and no tensor may be left behind."""
    current = _engine_of(request.param)
    before = engine.use(current)
    current.device.check()
    live = current.live_tensors
    yield current
    current.device.check()
    error = current.device.gl.GetError()
    if current.live_tensors > live:
        gc.collect()  # takes as long as many a test, so only where it may matter
    left = current.live_tensors - live
    engine.use(before)
    if before is not None:
        before.device.check()
    assert error == 0, f"the test left GL error {error:#x}"
    assert left <= 0, f"the test left {left} tensors alive"


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("TFGL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fresh_engines(cache_folder: Path) -> Iterator[Callable[..., Engine]]:
    """Opens an engine that has no programs yet, and makes it the current one."""
    made: list[Engine] = []
    before = engine.use(None)

    def start(**settings: Any) -> Engine:
        if made:
            made[-1].close()
        chosen = Flags(gl_version=flags.gl_version, program_cache=True)
        for name, value in settings.items():
            chosen.set(name, value)
        made.append(Engine(open_device(chosen), chosen))
        engine.use(made[-1])
        return made[-1]

    yield start
    engine.use(before)
    for one in made:
        one.close()
