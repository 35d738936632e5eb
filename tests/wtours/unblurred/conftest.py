"""A tiny walk, and the unblurred frames that a first run kept of it with a module's settings."""

from pathlib import Path

import pytest

from tests.wtours.unblurred_making import open_spots, write_walk
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.stages.blur import BlurSettings


@pytest.fixture
def spots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors that take no time."""
    monkeypatch.setattr(BlurSettings, "open_detectors", open_spots)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, a keyframe a second; read only."""
    return write_walk(tmp_path_factory.mktemp("unblurred") / "walk.mp4")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, video: Path, settings: ShardSettings) -> Path:
    """The unblurred frames of a first run, beside its set; to be copied before they change."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlurSettings, "open_detectors", open_spots)
        shard_videos([video], out=folder / "first", settings=settings, unblurred=folder / "kept")
    return folder / "kept"
