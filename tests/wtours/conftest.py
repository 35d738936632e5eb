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
