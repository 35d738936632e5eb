"""Disks that are full or closed are told of, and what lies beside a whole video is put in order."""

import errno
from pathlib import Path

import pytest

from tests.wtours.fetching import WHOLE, fetch, files, http
from tests.wtours.web_server import Site
from wtours.errors import WtoursError
from wtours.fetch import landing as landing_module
from wtours.fetch import local as local_module
from wtours.fetch.landing import DiskFullError


def test_file_is_copied_where_it_cannot_be_linked(
    tmp_path: Path, tiny_walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    (tmp_path / "mine.mp4").write_bytes(tiny_walk)
    assert fetch(tmp_path, {"kind": "file", "path": "mine.mp4"}).path.stat().st_nlink == 2
    monkeypatch.setattr(local_module.os, "link", refuse)
    (tmp_path / "out" / "walk.mp4").unlink()
    fetched = fetch(tmp_path, {"kind": "file", "path": (tmp_path / "mine.mp4").as_uri()})
    assert fetched.path.read_bytes() == tiny_walk
    assert fetched.path.stat().st_nlink == 1


def test_full_disk_is_told_before_and_while_writing(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(landing_module.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(DiskFullError, match=r"no room is left on the disk: \d+ kB more"):
        fetch(tmp_path, http(site))
    Usage.free = 10**12
    with (
        pytest.raises(DiskFullError, match=r"walk\.part: no room .* 900 B more"),
        landing_module.room_on_disk(tmp_path / "walk.part", 1000),
    ):
        _fill_disk(tmp_path / "walk.part")


def test_full_disk_is_not_answered_by_another_source(
    tmp_path: Path, site: Site, tiny_walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    def refuse(*paths: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    (tmp_path / "mine.mp4").write_bytes(tiny_walk)
    monkeypatch.setattr(landing_module.shutil, "disk_usage", lambda folder: Usage)
    monkeypatch.setattr(local_module.os, "link", refuse)
    with pytest.raises(DiskFullError):
        fetch(tmp_path, {"kind": "file", "path": "mine.mp4"}, http(site))
    assert site.asked == []


def test_parts_beside_a_whole_video_are_removed(tmp_path: Path, site: Site) -> None:
    """Killed between its name and the end of the clearing, or fetched in another format before."""
    fetch(tmp_path, http(site))
    for name in ("walk.webm.part", "walk.webm.part.json", "walk.mp4.part"):
        (tmp_path / "out" / name).write_text("x")
    (tmp_path / "out" / "walk2.mp4.part").write_text("another video's")
    assert fetch(tmp_path, http(site)).status == "already there"
    assert files(tmp_path) == [*WHOLE, "walk2.mp4.part"]


def _fill_disk(path: Path) -> None:
    path.write_bytes(b"x" * 100)
    raise OSError(errno.ENOSPC, "No space left on device")


def test_folder_that_cannot_be_used_is_named(tmp_path: Path, site: Site) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WtoursError, match=r"out cannot be made a folder"):
        fetch(tmp_path, http(site))
    (tmp_path / "out").unlink()
    (tmp_path / "out" / "walk.json.part").mkdir(parents=True)  # where the record is to be written
    with pytest.raises(WtoursError, match=r"walk\.json\.part: Is a directory"):
        fetch(tmp_path, http(site))
    assert not (tmp_path / "out" / "walk.mp4").exists()


def test_killed_between_record_and_name_is_finished_by_the_next(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wtours.fetch import one_video

    def die(part: Path, final: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(one_video, "put_in_place", die)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, http(site))
    assert files(tmp_path) == ["walk.json", "walk.mp4.part", "walk.mp4.part.json"]
    asked = len(site.asked)
    assert fetch(tmp_path, http(site)).path.read_bytes() == site.content
    assert len(site.asked) == asked  # the part was whole
    assert files(tmp_path) == WHOLE
