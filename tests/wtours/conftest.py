"""Videos that many tests read, made once, and a server that has one of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.video_making import panned, write_video
from tests.wtours.tiny_videos import write_tiny_video
from tests.wtours.web_server import Site, serve


@pytest.fixture(scope="session")
def tiny_walk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole video of some hundred kilobytes."""
    path = tmp_path_factory.mktemp("tiny") / "walk.mp4"
    return write_tiny_video(path, frames=40, size=(160, 96)).read_bytes()


@pytest.fixture(scope="session")
def panned_walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of one take, 30 pictures a second, a keyframe every half second; read only."""
    pictures = [panned(0, i) for i in range(90)]
    path = tmp_path_factory.mktemp("panned") / "walk.mp4"
    return write_video(path, pictures, options={"g": "15"})


@pytest.fixture(scope="session")
def encoded_venice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds, 30 pictures a second, a cut at 1.5 s."""
    pictures = [panned(0 if i < 45 else 1, i) for i in range(90)]
    return write_video(tmp_path_factory.mktemp("venice") / "walk.mp4", pictures).read_bytes()


@pytest.fixture
def video(encoded_venice: bytes, tmp_path: Path) -> Path:
    """A copy of it that a test may alter."""
    path = tmp_path / "Walk in Venice.mp4"
    path.write_bytes(encoded_venice)
    return path


@pytest.fixture
def site(tiny_walk: bytes) -> Iterator[Site]:
    """A server with the tiny walk."""
    with serve(Site(tiny_walk)) as served:
        yield served


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's way to the internet stands in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
