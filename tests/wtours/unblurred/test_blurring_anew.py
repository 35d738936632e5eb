"""Blurred anew from frames that were kept, a set is what decoding again would have made of it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.encodings import ENCODINGS, REFRESHED, encode
from tests.wtours.unblurred_making import (
    STRETCHES,
    blurred,
    content,
    made,
    no_decoding,
    write_walk,
)
from wtours import shard_rounds
from wtours.portion_work import PortionTask
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.stages.blur import BlurSettings
from wtours.stages.cuts import CutSettings

pytestmark = pytest.mark.usefixtures("spots")


@pytest.fixture(scope="module")
def settings() -> ShardSettings:
    """A tar a second."""
    blur = BlurSettings(detection_px=90)
    return ShardSettings(fps="native", short_side_px=64, blur=blur, tar_s=1.0)


@pytest.fixture(scope="module")
def others(kept: Path, settings: ShardSettings) -> dict[str, ShardSettings]:
    """Every setting that changes no frame."""
    model, plates = kept.parent / "other", kept.parent / "plates"
    model.write_text("160")
    plates.write_text("220")
    return {
        "the same": settings,
        "threshold": blurred(settings, threshold=0.7),
        "style": blurred(settings, style="mosaic"),
        "margin": blurred(settings, margin=1.0),
        "no guards": blurred(settings, guard_s=0),
        "wide guards": blurred(settings, guard_s=2.5),
        "face model": blurred(settings, face_model=model),
        "plate model": blurred(settings, plate_model=plates),
        "no blur": replace(settings, blur=None),
        "JPEG quality": replace(settings, jpeg_quality=40),
        "cuts": replace(settings, cuts=CutSettings(detector="adaptive", threshold=1)),
    }


@pytest.mark.parametrize(
    "name",
    [
        "the same",
        "threshold",
        "style",
        "margin",
        "no guards",
        "wide guards",
        "face model",
        "plate model",
        "no blur",
        "JPEG quality",
        "cuts",
    ],
)
def test_kept_frames_give_what_decoding_gives(
    video: Path,
    kept: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: dict[str, ShardSettings],
    name: str,
) -> None:
    """Byte for byte; and every setting makes another set, so that the test says something."""
    before = content(kept)
    made(video, tmp_path / "decoded", others[name], None)
    with no_decoding(monkeypatch):
        again, told = made(video, tmp_path / "again", others[name], kept)
    assert (again.sets[0].from_unblurred, again.tars, told) == (STRETCHES, STRETCHES, [])
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    first = content(kept.parent / "first")
    assert (content(tmp_path / "again") == first) == (name == "the same")
    assert content(kept) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": Fraction(3)},
        {"fps": Fraction(3), "cuts": None},
        {"fps": Fraction(2), "sampling": "keyframes"},
        {"blur": None},
        {"short_side_px": 4096},
    ],
)
def test_whatever_frames_are_kept_nothing_is_decoded_again(
    video: Path,
    settings: ShardSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    first = replace(settings, **changes)
    other = replace(first, jpeg_quality=50)
    if first.blur is not None:
        other = blurred(other, style="solid", guard_s=1)
    kept = tmp_path / "kept"
    made(video, tmp_path / "first", first, kept)
    made(video, tmp_path / "decoded", other, None)
    with no_decoding(monkeypatch):
        made(video, tmp_path / "first", other, kept, replace=True)
    assert content(tmp_path / "first") == content(tmp_path / "decoded")


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"fps": Fraction(5)}, "fps native instead of 5"),
        ({"short_side_px": 48}, "short_side_px 64 instead of 48"),
        ({"sampling": "keyframes"}, "sampling nearest instead of keyframes"),
        ({"tar_s": 2.0}, "tar_s 1.0 instead of 2.0"),
        ({"cuts": None}, "scored True instead of False"),
        ({"detection_px": 96}, "faces looked for at 120x90 instead of 128x96"),
        ({"detection_px": None}, "faces looked for at 120x90 instead of 120x90"),
    ],
)
def test_frames_of_other_settings_are_replaced_in_a_line(
    video: Path,
    kept: Path,
    settings: ShardSettings,
    tmp_path: Path,
    changes: dict[str, Any],
    lacks: str,
) -> None:
    """Faces of 64 px pictures are looked for at 90 px where no side is given: that is the same."""
    frames = tmp_path / "kept"
    shutil.copytree(kept, frames)
    looked_at = "detection_px" in changes
    other = blurred(settings, **changes) if looked_at else replace(settings, **changes)
    made(video, tmp_path / "decoded", other, None)
    _, told = made(video, tmp_path / "again", other, frames)
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    same = changes == {"detection_px": None}
    place = frames / "walk"
    expected = f"{place} was kept with {lacks}: decoding again, and keeping frames anew"
    assert told == ([] if same else [expected])


def test_frames_for_no_detector_are_not_looked_at(
    video: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    """Those that were kept for detectors serve without them as well, and stay."""
    kept = tmp_path / "kept"
    made(video, tmp_path / "plain", replace(settings, blur=None), kept)
    _, told = made(video, tmp_path / "blurred", settings, kept)
    assert len(told) == 1
    assert "kept with no pictures to look for faces in: decoding again" in told[0]
    made(video, tmp_path / "plain", replace(settings, blur=None), kept, replace=True)
    again, _ = made(video, tmp_path / "again", blurred(settings, style="solid"), kept)
    assert again.sets[0].from_unblurred == STRETCHES


def test_a_video_that_changed_is_decoded_again(
    video: Path, kept: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    frames = tmp_path / "kept"
    shutil.copytree(kept, frames)
    other = tmp_path / "walk.mp4"
    write_walk(other, first=1)
    made(other, tmp_path / "decoded", settings, None)
    _, told = made(other, tmp_path / "again", settings, frames)
    assert len(told) == 1
    assert "was kept with video" in told[0]
    assert content(tmp_path / "again") == content(tmp_path / "decoded")


@pytest.mark.parametrize("name", ["h264-refreshed.mp4", "a.avi"])
def test_a_video_whose_packets_announce_other_frames_is_kept_as_it_is_decoded(
    settings: ShardSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Planned anew as one stretch, when it is kept first; and then from the beginning."""
    video = encode(tmp_path / name, REFRESHED.get(name, ENCODINGS["h264-closed.mp4"]))
    settings, kept = replace(settings, fps=Fraction(4)), tmp_path / "kept"
    other = blurred(settings, style="solid")
    made(video, tmp_path / "first", settings, kept)
    made(video, tmp_path / "decoded", other, None)
    with no_decoding(monkeypatch):
        again, told = made(video, tmp_path / "again", other, kept)
    assert (again.tars, again.sets[0].from_unblurred, told) == (1, 1, [])
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    tar = next(kept.glob("*/unblurred-*.tar"))
    tar.write_bytes(tar.read_bytes()[:-4000])
    made(video, tmp_path / "again", other, kept, replace=True)
    assert content(tmp_path / "again") == content(tmp_path / "decoded")


def test_a_begun_set_goes_on_as_frames_were_kept(
    settings: ShardSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stretch of a set is done when it turns out, from kept frames, that it must be one."""
    video = encode(tmp_path / "walk.mp4", REFRESHED["h264-refreshed.mp4"])
    settings = replace(settings, fps=Fraction(4))
    made(video, tmp_path / "decoded", settings, None)
    stop_after(1, video, tmp_path / "again", settings, None, monkeypatch)
    assert len(list((tmp_path / "again" / ".walk.partial").glob("portion-*"))) == 1
    made(video, tmp_path / "first", settings, tmp_path / "kept")
    made(video, tmp_path / "again", settings, tmp_path / "kept")
    assert content(tmp_path / "again") == content(tmp_path / "decoded")


def stop_after(
    portions: int,
    video: Path,
    out: Path,
    settings: ShardSettings,
    kept: Path | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    do, begun = shard_rounds.do_portion, list[int]()

    def stopping(task: PortionTask, told: Callable[[float], None]) -> None:
        begun.append(task.number)
        if len(begun) > portions:
            raise KeyboardInterrupt
        do(task, told)

    with monkeypatch.context() as patch:
        patch.setattr(shard_rounds, "do_portion", stopping)
        with pytest.raises(KeyboardInterrupt):
            shard_videos([video], out=out, settings=settings, unblurred=kept)


@pytest.mark.parametrize("done", range(STRETCHES))
def test_stopped_in_any_stretch_what_was_kept_stays(
    video: Path,
    kept: Path,
    settings: ShardSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    done: int,
) -> None:
    """The first run is stopped, then the one with other settings; the third ends both."""
    frames, other = tmp_path / "kept", blurred(settings, style="solid")
    stop_after(done, video, tmp_path / "first", settings, frames, monkeypatch)
    records = sorted(path.name for path in (frames / "walk").glob("*.record"))
    assert len(records) == done
    stop_after(2, video, tmp_path / "other", other, frames, monkeypatch)
    made(video, tmp_path / "other", other, frames)
    made(video, tmp_path / "decoded", other, None)
    assert content(tmp_path / "other") == content(tmp_path / "decoded")
    assert content(frames) == content(kept)
    made(video, tmp_path / "first", settings, frames)
    assert content(tmp_path / "first") == content(kept.parent / "first")
