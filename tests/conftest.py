"""Fixtures that every room of the tests shares."""

import os
from pathlib import Path

import hypothesis
import pytest

# Fixed seeds, and no clock: a busy machine is no failure.
hypothesis.settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("reproducible")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of real recordings; the test is skipped, with a reason, where it is absent."""
    named = os.environ.get("WTOURS_TEST_MEDIA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "media"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no real recordings at {folder}; name their folder in WTOURS_TEST_MEDIA")
    return folder
