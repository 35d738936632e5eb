"""With objects and groups a report holds their tables, figures and sections."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.counting import count_objects, group_videos, looked_size
from analysis.report import Report, write_report
from analysis.statistics.objects import class_frequencies, objects_per_frame
from analysis.tables import read_tables
from analysis.thumbnails import odd_multiple, read_crop, read_thumbnail, share_out, spread_rows
from tests.analysis.objects import WALK, make_objects
from tests.analysis.sets import make_set
from tests.analysis.test_report import Addresses, files_of, text_of
from wtours import WtoursError
from wtours.shards import ShardSet

GROUPS = {"walk": "Walks", "drive": "<i>Drives</i>"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("both")
    shards = [
        make_set(folder / "s" / "walk", frames=12, cut_frames=(5,)),
        make_set(folder / "s" / "drive", frames=6, cuts=False),
    ]
    objects = make_objects(shards, {"walk": WALK, "drive": [(1, 1, 0.8, (3, 3, 30, 30))]})
    return folder, write_report(shards, folder / "out", objects=objects, groups=GROUPS)


def test_tables_of_objects_are_those_of_the_statistics(both: tuple[Path, Report]) -> None:
    folder, report = both
    tables = {path.stem: path for path in report.tables if path.suffix == ".parquet"}
    assert set(tables) == {
        *("pictures", "minutes", "turns", "shots", "videos", "groups"),
        *("detections", "objects", "classes", "accumulation"),
    }
    shards = [ShardSet(folder / "s" / name) for name in ("walk", "drive")]
    found = make_objects(shards, {"walk": WALK, "drive": [(1, 1, 0.8, (3, 3, 30, 30))]})
    given = (found.detections, found.looked)
    for name, expected in (
        ("detections", found.detections),
        ("objects", objects_per_frame(*given, threshold=0.5)),
        ("classes", class_frequencies(*given, threshold=0.5)),
    ):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tables[name]).astype({"video": str}), expected.astype({"video": str})
        )
    videos = pd.read_parquet(tables["videos"]).set_index("video")
    assert videos.loc["walk", ["classes_30", "classes_50", "classes_70"]].tolist() == [4, 4, 2]
    groups = pd.read_parquet(tables["groups"]).set_index("group")
    assert groups.loc["Walks", ["videos", "shots", "classes_50"]].tolist() == [1, 2, 4]
    assert groups.loc["Walks", "cuts_per_hour"] == videos.loc["walk", "cuts_per_hour"]
    assert pd.isna(groups.loc["<i>Drives</i>", "shots"])


def test_figure_2_and_each_of_its_panels_are_files(both: tuple[Path, Report]) -> None:
    names = {path.name for path in both[1].figures}
    panels = ("lightness", "objects", "classes", "shots")
    several = ["figure2", *(f"figure2_{panel}" for panel in panels), "accumulation", "objects"]
    expected = itertools.product(several, ("png", "svg", "pdf"))
    assert {f"{name}.{ending}" for name, ending in expected} <= names


def test_the_page_tells_of_groups_and_objects_and_stays_closed(both: tuple[Path, Report]) -> None:
    page = both[1].page.read_text(encoding="utf-8")
    addresses = Addresses(page)
    assert addresses.open == []
    assert all(address.startswith("data:image/") for address in addresses.loaded)
    assert all(addresses.alternatives)
    assert "&lt;i&gt;Drives&lt;/i&gt;" in page
    assert "</script><b>odd" not in page
    text = text_of(both[1])
    assert "Boxes of by hand with a score of at least 0.5" in text
    assert "The most frequent classes" in text
    assert "The rarest classes" in text
    assert "Not measured yet" not in text
    assert "nan" not in text.lower().split()
    for link in addresses.linked:
        assert f'id="{link[1:]}"' in page if link.startswith("#") else True


def test_the_same_objects_give_the_same_bytes(both: tuple[Path, Report], tmp_path: Path) -> None:
    folder, _ = both
    shards = [ShardSet(folder / "s" / name) for name in ("walk", "drive")]
    objects = make_objects(shards, {"walk": WALK, "drive": [(1, 1, 0.8, (3, 3, 30, 30))]})
    write_report(shards, tmp_path / "out", objects=objects, groups=GROUPS)
    assert files_of(tmp_path / "out") == files_of(folder / "out")


@pytest.mark.usefixtures("undrawn")
def test_no_object_at_all_is_told(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=3)]
    report = write_report(shards, tmp_path / "out", objects=make_objects(shards, {}))
    assert "No object was found with a score of at least 0.5." in text_of(report)
    assert report.summary["classes_50"].tolist() == [0]


@pytest.mark.usefixtures("undrawn")
def test_a_video_that_nobody_looked_at_is_missing_and_not_zero(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=2), make_set(tmp_path / "bare", frames=2)]
    objects = make_objects(shards, {"walk": [(0, 0, 0.9, (1, 1, 9, 9))]}, unseen={"bare": [0, 1]})
    report = write_report(shards, tmp_path / "out", objects=objects)
    assert report.summary["classes_50"].tolist()[0] == 1
    assert report.summary["classes_50"].isna().tolist() == [False, True]
    assert "Nobody looked for objects in bare." in report.page.read_text(encoding="utf-8")


def test_groups_without_objects_have_figure_2_with_what_is_known(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=3)]
    report = write_report(shards, tmp_path / "out", groups={"walk": "Walks"})
    names = {path.stem for path in report.figures}
    assert "figure2" in names
    assert "accumulation" not in names
    assert "objects.csv" not in {path.name for path in report.tables}


def test_a_video_in_no_group_is_named(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=2)]
    with pytest.raises(WtoursError, match=r"^walk: in no group.*--group"):
        write_report(shards, tmp_path / "out", groups={"drive": "Drives"})
    assert not (tmp_path / "out").exists()


def test_a_threshold_that_is_no_score_is_refused(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=2)]
    with pytest.raises(WtoursError, match=r"50.*such as 0\.5"):
        count_objects(make_objects(shards, {}), {"walk": "walk"}, threshold=50)


@pytest.mark.usefixtures("undrawn")
def test_tables_of_a_part_are_told_instead_of_the_sets(tmp_path: Path) -> None:
    shards = [make_set(tmp_path / "walk", frames=12), make_set(tmp_path / "left", frames=2)]
    tables = read_tables(shards)
    part = type(tables)(
        pictures=tables.pictures.query("video == 'walk' and tick < 4"),
        shots=tables.shots.query("video == 'walk'"),
        videos=tables.videos.query("video == 'walk'").assign(duration_s=4.0),
    )
    objects = make_objects(shards, {"walk": WALK, "left": [(1, 3, 0.9, (1, 1, 9, 9))]})
    given = {"objects": objects, "tables": part, "words": ["Cut to 4 s."]}
    report = write_report(shards, tmp_path / "out", **given)
    sheet = text_of(report).partition("The most frequent classes")[2]
    assert "walk, 3 s, score 0.75" in sheet
    assert "no picture of this moment in the shards" in sheet
    assert "left, " not in sheet
    assert report.summary["duration_s"].tolist() == [4]
    assert "Cut to 4 s." in text_of(report)


def test_few_videos_are_told_apart_and_many_are_one_group() -> None:
    assert group_videos(["a", "b"], None) == {"a": "a", "b": "b"}
    assert set(group_videos([str(n) for n in range(9)], None).values()) == {"all 9 videos"}
    assert list(group_videos(["a", "b"], {"b": "B", "a": "A", "c": "C"}).items()) == [
        ("b", "B"),
        ("a", "A"),
    ]


def test_boxes_are_in_pixels_of_what_was_looked_at() -> None:
    assert looked_size({"picture_px": {"a": [640, 480]}}, "a", otherwise=(1, 2)) == (640, 480)
    assert looked_size({}, "a", otherwise=(1, 2)) == (1, 2)


def test_a_crop_is_the_part_of_the_picture_and_a_tenth_around_it(tmp_path: Path) -> None:
    walk = make_set(tmp_path / "walk", frames=1, side=96)
    whole = read_thumbnail(walk, 0, height_px=96)
    crop = read_crop(walk, 0, (0.25, 0.25, 0.5, 0.75), height_px=96)
    np.testing.assert_array_equal(crop, whole[19:77, 28:68])
    assert read_crop(walk, 0, (0, 0, 1, 1), height_px=24).shape == (24, 32, 3)
    assert read_crop(walk, 0, (1, 1, 1, 1), height_px=24).size > 0


def test_pictures_of_the_strip_are_among_those_between_them() -> None:
    table = pd.DataFrame({"time_s": np.arange(200.0), "row": np.arange(200)})
    few = spread_rows(table, duration_s=200, count=10)
    many = spread_rows(table, duration_s=200, count=odd_multiple(10, most=100))
    assert few == many[4::9]


def test_pictures_are_shared_out_evenly() -> None:
    for videos in (1, 3, 10, 399, 400, 900):
        shares = share_out(400, videos=videos)
        assert sum(shares) == 400
        assert max(shares) - min(shares) <= 1
