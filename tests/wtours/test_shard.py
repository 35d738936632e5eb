import errno
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.video_making import panned, smooth, write_video
from wtours.errors import WtoursError
from wtours.provenance import RECORD_VERSION
from wtours.shard import shard_videos, verify_shards
from wtours.shard_estimate import estimate
from wtours.shard_inputs import Subset, find_inputs, set_name
from wtours.shard_settings import ShardSettings, parse_fps
from wtours.shards import PartialSet, open_shards
from wtours.shards.writer import TarWriter
from wtours.stages.picture import PictureStage
from wtours.whole_file import file_sha256

PLAIN = ShardSettings(fps=Fraction(2), blur=None, short_side_px=60)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three seconds, 30 pictures a second, a cut at 1.5 s."""
    pictures = [panned(0 if i < 45 else 1, i) for i in range(90)]
    return write_video(tmp_path / "Walk in Venice.mp4", pictures)


def leftovers(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def test_a_video_becomes_a_shard_set(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    written = shard_videos([video], out=out, settings=PLAIN)
    assert (written.pictures, written.tars) == (7, 1)
    assert written.sets[0].cuts == 1
    assert leftovers(out) == ["walk_in_venice"]
    assert verify_shards([out]) == []
    (shards,) = open_shards(out)
    rows = shards.table().to_pylist()
    assert [row["time_s"] for row in rows] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 89 / 30])
    assert [row["segment"] for row in rows] == [0, 0, 0, 1, 1, 1, 1]
    picture = np.asarray(Image.open(io.BytesIO(shards.read_jpeg(0))))
    assert picture.shape == (60, 80, 3)
    record = shards.videos[0]
    assert (record.width, record.height, record.frames) == (160, 120, 90)
    assert (record.rate, record.kept_rate) == (30, 2)
    assert record.provenance is None
    assert "not recorded" in record.attribution
    assert shards.record.settings["blur"] is None
    assert shards.record.settings["cuts"]["threshold"] == 27


def test_the_same_video_gives_the_same_bytes(video: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard_videos([video], out=tmp_path / name, settings=PLAIN)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "walk_in_venice").iterdir()}
        for name in ("a", "b")
    )
    assert one == other


def test_faces_are_covered_unless_told_otherwise(tmp_path: Path) -> None:
    path = write_video(tmp_path / "face.mkv", [data.astronaut()] * 2, rate=1)
    for name, settings in (("on", ShardSettings()), ("off", ShardSettings(blur=None))):
        shard_videos([path], out=tmp_path / name, settings=settings)
    (covered,), (open_,) = open_shards(tmp_path / "on"), open_shards(tmp_path / "off")
    assert covered.record.settings["blur"]["detector"] == "centerface"
    assert len(covered.record.settings["blur"]["weights_sha256"]) == 64
    boxes = covered.table().to_pylist()[0]["boxes"]
    assert boxes[0]["score"] > 0.8
    assert open_.table().to_pylist()[0]["boxes"] == []
    faces = [
        np.asarray(Image.open(io.BytesIO(one.read_jpeg(0))))[60:175, 185:268].astype(float)
        for one in (covered, open_)
    ]
    steps = [np.abs(np.diff(face, axis=1)).mean() for face in faces]
    assert steps[0] < 2 < 5 < steps[1]


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


def test_a_folder_gives_its_videos_and_nothing_else(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    video.rename(folder / "b.mp4")
    write_video(folder / "a.mkv", [smooth(i) for i in range(30)])
    for name in ("b.truth.json", "c.mp4.part", ".d.mp4", "notes.txt"):
        (folder / name).write_text("{}")
    written = shard_videos([folder], out=tmp_path / "shards", settings=PLAIN)
    assert [Path(one.place).name for one in written.sets] == ["videos"]
    assert [one.name for one in written.sets[0].record.videos] == ["a", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(WtoursError, match="has no video in it"):
        shard_videos([tmp_path / "empty"], out=tmp_path / "shards", settings=PLAIN)


def test_two_videos_of_one_name_are_refused(video: Path, tmp_path: Path) -> None:
    twin = video.with_name("walk_in_venice.mkv")
    write_video(twin, [smooth(0)] * 3)
    with pytest.raises(WtoursError, match=r"Walk in Venice.*walk_in_venice\.mkv.*rename"):
        shard_videos([video, twin], out=tmp_path / "shards", settings=PLAIN)
    assert leftovers(tmp_path / "shards") == []


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Zürich 4K (60 fps)", "zurich_4k_60_fps"),
        ("a-b_c", "a-b_c"),
        ("Venice.final", "venice_final"),
    ],
)
def test_names_are_made_of_a_keys_letters(stem: str, name: str) -> None:
    assert set_name(Path(f"{stem}.mp4")) == name


def test_a_name_without_a_usable_letter_is_refused() -> None:
    with pytest.raises(WtoursError, match="rename it"):
        set_name(Path("東京.mp4"))


def test_a_kept_rate_over_the_videos_is_refused(video: Path, tmp_path: Path) -> None:
    fast = ShardSettings(fps=Fraction(60), blur=None)
    with pytest.raises(WtoursError, match=r"30 frames a second, fewer than the 60.*--fps native"):
        shard_videos([video], out=tmp_path / "shards", settings=fast)
    within = ShardSettings(fps=Fraction(31), blur=None, short_side_px=60)
    assert shard_videos([video], out=tmp_path / "shards", settings=within).pictures == 90


def test_a_truncated_video_is_refused(video: Path, tmp_path: Path) -> None:
    video.write_bytes(video.read_bytes()[:-2000])
    with pytest.raises(WtoursError, match=r"Walk in Venice\.mp4"):
        shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    assert leftovers(tmp_path / "shards") == []


def test_damage_found_late_leaves_nothing(tmp_path: Path) -> None:
    pictures = [panned(0, 3 * i, size=(320, 240)) for i in range(90)]
    path = write_video(tmp_path / "hurt.mp4", pictures, options={"g": "10"})
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    path.write_bytes(content)
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


def test_progress_tells_video_time(video: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, float, float, float]] = []
    shard_videos(
        [video],
        out=tmp_path / "shards",
        settings=PLAIN,
        progress=lambda *state: seen.append(state),
    )
    name, done_s, total_s, speed = seen[-1]
    assert name == "walk_in_venice"
    assert done_s == total_s  # so that its bar ends whole
    assert total_s == pytest.approx(3.0)
    assert speed > 0


def test_an_altered_tar_is_found(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    tar = out / "walk_in_venice" / "walk_in_venice-000000.tar"
    content = bytearray(tar.read_bytes())
    content[2000] ^= 1
    tar.write_bytes(content)
    (fault,) = verify_shards([out])
    assert str(tar) in fault


def test_a_dry_run_comes_near_and_writes_nothing(video: Path, tmp_path: Path) -> None:
    before = leftovers(tmp_path)
    (expected,) = estimate([video], settings=PLAIN).videos
    assert leftovers(tmp_path) == before
    written = shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    assert (expected.frames, expected.pictures) == (90, written.pictures)
    assert expected.size_bytes == pytest.approx(written.sets[0].size_bytes, rel=0.3)
    assert 0 < expected.work_s < 60


@pytest.mark.parametrize(
    ("text", "fps"),
    [("1", Fraction(1)), ("0.5", Fraction(1, 2)), ("30000/1001", Fraction(30000, 1001)),
     ("29.97", Fraction(2997, 100)), ("native", "native")],
)  # fmt: skip
def test_rates_are_read_as_typed(text: str, fps: object) -> None:
    assert parse_fps(text) == fps


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "1/0", "nan", "inf"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(WtoursError, match=r"is not a rate.*native"):
        parse_fps(text)


@pytest.mark.parametrize(
    ("field", "value"), [("short_side_px", 0), ("jpeg_quality", 100), ("tar_s", 0)]
)
def test_settings_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(WtoursError, match="must lie between"):
        ShardSettings(**{field: value})  # type: ignore[arg-type]


def provenance(name: str, sha256: str) -> dict[str, Any]:
    return {
        "record_version": RECORD_VERSION,
        "name": name,
        "city": "Venice",
        "source": {"kind": "http", "url": "https://example.org/walk.mp4"},
        "fetched_utc": "2025-01-01T00:00:00Z",
        "licence": {
            "seen": None,
            "shown_by_platform": False,
            "stated": "CC-BY-4.0",
            "stated_by": "the manifest",
            "accepted": None,
        },
        "stated": {},
        "asked": {},
        "platform": {"title": "A walk", "channel": "Walks"},
        "file": {"name": f"{name}.mp4", "size_bytes": 1, "sha256": sha256},
        "measured": {},
        "verification": {},
        "tools": {},
    }


def test_provenance_goes_into_the_record_with_a_line_to_publish(
    video: Path, tmp_path: Path
) -> None:
    sha256 = file_sha256(video)
    beside = video.with_suffix(".json")
    beside.write_text(json.dumps(provenance("walk", sha256)))
    shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    (shard_set,) = open_shards(tmp_path / "shards")
    record = shard_set.videos[0]
    assert record.provenance is not None
    assert record.provenance["city"] == "Venice"
    assert record.attribution == (
        '"A walk" by Walks, https://example.org/walk.mp4, licence: CC-BY-4.0 (as stated by the '
        "manifest), https://creativecommons.org/licenses/by/4.0/; changed: single pictures, scaled."
    )
    page = (shard_set.folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "- Title: A walk\n- Creator: Walks\n" in page
    assert "2 pictures a second kept" in page
    assert "faces left as they are" in page
    beside.write_text(json.dumps(provenance("walk", "0" * 64)))
    with pytest.raises(WtoursError, match="altered since it was fetched"):
        shard_videos([video], out=tmp_path / "others", settings=PLAIN)


def test_the_page_of_attribution_is_part_of_a_whole_set(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    page = out / "walk_in_venice" / "ATTRIBUTION.md"
    assert "not recorded" in page.read_text(encoding="utf-8")
    page.write_text("by nobody")
    (fault,) = verify_shards([out])
    assert str(page) in fault
    page.unlink()
    assert verify_shards([out]) == [f"{page} is missing"]


def test_a_set_from_before_there_was_a_page_of_attribution_is_whole(
    video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    (out / "walk_in_venice" / "ATTRIBUTION.md").unlink()
    record = out / "walk_in_venice" / "dataset.json"
    values = json.loads(record.read_text())
    del values["documents"]
    record.write_text(json.dumps(values))
    assert verify_shards([out]) == []
    assert open_shards(out)[0].table().num_rows == 7


def test_a_subset_lasts_as_long_as_asked_and_depends_on_names_and_seed_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    lengths = {name: 1 + number % 3 for number, name in enumerate("abcdefgh")}
    for name, seconds in lengths.items():
        write_video(folder / f"{name}.mp4", [panned(0, i) for i in range(10 * seconds)], rate=10)
    drawn = {}
    for seed in range(6):
        found = find_inputs([folder], subset=Subset(hours=6 / 3600, seed=seed))
        names = [one.name for one in found]
        assert names == sorted(names)
        order = Subset(hours=1, seed=seed).order(lengths)
        taken = order[: len(names)]
        assert set(taken) == set(names)
        assert sum(lengths[name] for name in taken) >= 6
        assert sum(lengths[name] for name in taken[:-1]) < 6
        drawn[seed] = names
    assert len({tuple(names) for names in drawn.values()}) > 1
    (folder / "i.mp4").write_bytes((folder / "a.mp4").read_bytes())
    more = Subset(hours=1, seed=0).order([*lengths, "i"])
    assert [name for name in more if name != "i"] == Subset(hours=1, seed=0).order(lengths)
    with pytest.raises(WtoursError, match=r"9 videos last .* h together, 5 are asked for"):
        find_inputs([folder], subset=Subset(hours=5))
    with pytest.raises(WtoursError, match="hours is 0"):
        Subset(hours=0)


def test_videos_that_were_not_drawn_are_not_even_read(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    first, *others = Subset(hours=1).order("abcd")
    write_video(folder / f"{first}.mp4", [panned(0, i) for i in range(30)], rate=10)
    for name in others:
        (folder / f"{name}.mp4").write_bytes(b"no video")
    subset = Subset(hours=2 / 3600)
    (written,) = shard_videos([folder], out=tmp_path / "out", settings=PLAIN, subset=subset).sets
    assert [one.name for one in written.record.videos] == [first]
