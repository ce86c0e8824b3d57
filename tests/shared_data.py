"""The development data beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_dir() -> Path:
    """Returns the development data, `../shared`; without it a test is skipped, and fails in CI."""
    folder = Path(__file__).parents[2] / "shared"
    if folder.is_dir():
        return folder
    reason = f"No development data at {folder}. Put `shared` beside the checkout."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
