"""What holds for all benchmarks: caches of their own, a device for each row, what the machine was doing."""

from __future__ import annotations

import os
import tempfile
import textwrap
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import tfgl
from surroundings import of_tfgl
from tfgl.engine import Engine
from tfgl.errors import NoDeviceError
from tfgl.flags import Flags
from tfgl.gl.device import open_device

_cache: pytest.StashKey[tempfile.TemporaryDirectory[str]] = pytest.StashKey()
_load: pytest.StashKey[list[float]] = pytest.StashKey()
_missing: list[dict[str, str]] = []
_device: dict[str, Any] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_cache] = tempfile.TemporaryDirectory(prefix="tfgl-bench-")
    config.stash[_load] = [*os.getloadavg()]
    # Neither see nor fill the caches of the user who measures.
    os.environ["TFGL_CACHE_DIR"] = config.stash[_cache].name
    # The compile times of rows in this process are those of a driver that has never seen the program. Drivers read
    # this when the first context is made. Fresh processes get an environment of their own.
    os.environ["MESA_SHADER_CACHE_DISABLE"] = "true"
    os.environ["__GL_SHADER_DISK_CACHE"] = "0"


def pytest_unconfigure(config: pytest.Config) -> None:
    if _cache in config.stash:
        config.stash[_cache].cleanup()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish() -> Generator[None, Any, Any]:
    # On a machine without a device every row is skipped, which is no failure; the warning would be one.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Not saving anything")
        return (yield)


@pytest.fixture(scope="session")
def scratch(request: pytest.FixtureRequest) -> Path:
    """A folder that goes when the session ends."""
    return Path(request.config.stash[_cache].name)


@pytest.fixture
def fresh_engine() -> Iterator[Engine]:
    """An engine that has compiled and created nothing yet, made current; skips where there is no device."""
    flags = Flags(program_cache=False)
    try:
        device = open_device(flags)
    except NoDeviceError as error:
        pytest.skip(f"no GL device: {str(error).splitlines()[0]}")
    engine = Engine(device, flags)
    _device.update(renderer=device.info.renderer, driver=device.info.version, flavour=device.flavour)
    before = tfgl.engine.use(engine)
    yield engine
    tfgl.engine.use(before)
    engine.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    # What pytest-benchmark says when a row is torn down follows from what went wrong before.
    if (report.skipped or report.failed) and report.when != "teardown":
        reason = report.longrepr[2] if report.skipped else str(call.excinfo.value if call.excinfo else "")
        lines = [line for line in reason.removeprefix("Skipped: ").splitlines() if line.strip()]
        # The last line of a child's traceback says more than its first.
        shown = lines[-1] if lines and report.failed else lines[0] if lines else ""
        _missing.append({"name": item.name, "outcome": report.outcome, "reason": textwrap.shorten(shown, 120)})
    return report


# optionalhook: these exist only where pytest-benchmark is installed.
@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    # The name of the host belongs into no result.
    machine_info.pop("node", None)
    machine_info["tfgl"] = of_tfgl(_device, config.stash[_load])


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    output_json["missing"] = _missing
