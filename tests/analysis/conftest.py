"""The shard set that most tests of detections look at, and reports without figures."""

from pathlib import Path

import pytest

from analysis import report as report_module
from tests.analysis.sets import make_set
from wtours.shards import ShardSet


@pytest.fixture
def walk(tmp_path: Path) -> ShardSet:
    """Forty pictures in three tars."""
    return make_set(tmp_path / "walk")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out, which take most of a report's time."""
    monkeypatch.setattr(report_module, "draw_gallery", lambda *_, **__: iter(()))
