"""The shard set that most tests of detections look at."""

from pathlib import Path

import pytest

from tests.analysis.sets import make_set
from wtours.shards import ShardSet


@pytest.fixture
def walk(tmp_path: Path) -> ShardSet:
    """Forty pictures in three tars."""
    return make_set(tmp_path / "walk")
