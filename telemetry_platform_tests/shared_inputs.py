"""Inputs that stand beside this repository: real data, and files that once gave a wrong answer."""

import os
from pathlib import Path

import pytest

from telemetry_platform.settings import PROJECT_ROOT

SHARED = PROJECT_ROOT.parent / "shared"


def shared_file(name: str) -> Path:
    """Return the path of `shared/<name>`; without it the test skips, and fails in CI, where nothing may be missing."""
    path = SHARED / name
    if not path.exists():
        missing = f"{name} is not in a folder `shared` beside this repository"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return path
