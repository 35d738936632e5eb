"""What is sharded, how it is called, at which rate."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.video_making import panned, smooth, write_video
from tests.wtours.walk_in_venice import PLAIN, leftovers
from wtours.errors import WtoursError
from wtours.shard import shard_videos
from wtours.shard_inputs import Subset, find_inputs, set_name
from wtours.shard_settings import ShardSettings, parse_fps


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
