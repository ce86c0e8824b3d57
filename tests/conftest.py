"""What all tests share: no connection leaves the machine, and where the development data lies."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import network_guard
import pytest
from chroma_process import ChromaProcess
from shared_data import shared_dir

# No deadlines: machines are busy, and speed is measured by benchmarks.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure(config: pytest.Config) -> None:
    """Guards collection too, so that a module which connects when imported is found."""
    folder = tempfile.TemporaryDirectory(prefix="citewell-tests-")
    config.add_cleanup(folder.cleanup)
    network_guard.guard_children(os.environ, os.path.join(folder.name, "outside-connections.txt"))
    network_guard.install()
    # A library that asks for this thread's event loop where there is none would make one and leave it open.
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _offline() -> Iterator[None]:
    """Fails a test that tried to leave this machine, even where the code under test hid the refusal."""
    yield
    attempts = network_guard.take_attempts()
    if attempts:
        pytest.fail("Tried to leave this machine: " + "; ".join(attempts), pytrace=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data, see `shared_dir`."""
    return shared_dir()


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaProcess]:
    """A Chroma server."""
    process = ChromaProcess(tmp_path_factory.mktemp("chroma"))
    process.start()
    yield process
    process.kill()
