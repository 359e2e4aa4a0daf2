"""One Node process with the official TensorFlow.js for all tests that use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from official_runtime import OfficialRuntime, installed


@pytest.fixture(scope="session")
def official(request: pytest.FixtureRequest) -> Iterator[OfficialRuntime]:
    """The official TensorFlow.js; tests skip where Node, or the network to fetch it once, is not there."""
    found = installed(request.config.getoption("--tfjs"))
    if isinstance(found, str):
        pytest.skip(found)
    with OfficialRuntime(found) as runtime:
        yield runtime
