"""Sharding where something stands already, and where it broke off: sets are whole or absent."""

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.video_making import panned, write_hurt_video, write_video
from tests.wtours.walk_in_venice import PLAIN, leftovers
from wtours.errors import WtoursError
from wtours.shard import shard_videos, verify_shards
from wtours.shard_settings import ShardSettings
from wtours.shards import PartialSet
from wtours.shards.writer import TarWriter
from wtours.stages.picture import PictureStage


def test_a_set_that_is_there_is_left_and_said(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    before = (out / "walk_in_venice" / "dataset.json").stat().st_mtime_ns
    again = shard_videos([video], out=out, settings=PLAIN)
    assert again.sets[0].skipped
    assert again.pictures == 7
    assert (out / "walk_in_venice" / "dataset.json").stat().st_mtime_ns == before


def test_a_set_with_other_settings_is_refused_with_what_differs(
    video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    other = ShardSettings(fps=Fraction(5), blur=None, short_side_px=60)
    with pytest.raises(WtoursError, match=r"fps 2 instead of 5.*--out.*--replace"):
        shard_videos([video], out=out, settings=other)
    written = shard_videos([video], out=out, settings=other, replace=True)
    assert written.pictures == 16
    assert leftovers(out) == ["walk_in_venice"]


def test_a_set_of_another_video_is_refused(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    write_video(video, [panned(2, i) for i in range(60)])
    with pytest.raises(WtoursError, match="another video"):
        shard_videos([video], out=out, settings=PLAIN)


def test_a_truncated_video_is_refused(video: Path, tmp_path: Path) -> None:
    video.write_bytes(video.read_bytes()[:-2000])
    with pytest.raises(WtoursError, match=r"Walk in Venice\.mp4"):
        shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    assert leftovers(tmp_path / "shards") == []


def test_damage_found_late_leaves_nothing(tmp_path: Path) -> None:
    path = write_hurt_video(tmp_path / "hurt.mp4", frames=90)
    with pytest.raises(WtoursError, match=r"hurt\.mp4 cannot be decoded at about"):
        shard_videos([path], out=tmp_path / "shards", settings=PLAIN)
    assert leftovers(tmp_path / "shards") == []


def stop_at(tick: int, fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise a fault when the picture of a tick is made."""
    make = PictureStage.process_frame

    def stopping(self: PictureStage, at: int, frame: Any) -> Any:
        if at == tick:
            raise fault
        return make(self, at, frame)

    monkeypatch.setattr(PictureStage, "process_frame", stopping)


def test_ctrl_c_leaves_nothing(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(3, KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    assert leftovers(tmp_path / "shards") == []


def test_ctrl_c_while_replacing_leaves_the_old_set(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    stop_at(3, KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        shard_videos([video], out=out, settings=PLAIN, replace=True)
    assert leftovers(out) == ["walk_in_venice"]
    assert verify_shards([out]) == []


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ((TarWriter, "add"), []),
        ((TarWriter, "close"), []),
        ((PartialSet, "finish"), [".walk_in_venice.partial"]),
    ],
)
def test_a_full_disk_is_said_and_what_was_done_is_gone_on_with(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: tuple[type, str],
    left: list[str],
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "shards"
    with monkeypatch.context() as patch:
        patch.setattr(*where, full)
        with pytest.raises(WtoursError, match=r"shards has no room left.*MB are free.*--dry-run"):
            shard_videos([video], out=out, settings=PLAIN)
    assert leftovers(out) == left
    assert shard_videos([video], out=out, settings=PLAIN).pictures == 7
    assert leftovers(out) == ["walk_in_venice"]
