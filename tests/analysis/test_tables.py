"""Shard sets become tables with the columns and types that are promised."""

import io
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import (
    PICTURE_COLUMNS,
    SHOT_COLUMNS,
    VIDEO_COLUMNS,
    Tables,
    read_tables,
    to_csv,
    to_parquet,
)
from tests.analysis.sets import make_set
from wtours.shards import ShardError, ShardSet


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    walk = make_set(tmp_path / "walk", frames=20, cut_frames=(6, 15), absent_frames=(10, 11))
    drive = make_set(tmp_path / "drive", frames=7, cuts=False)
    return read_tables([walk, drive])


def test_tables_have_exactly_the_promised_columns_and_types(tables: Tables) -> None:
    promised = (PICTURE_COLUMNS, SHOT_COLUMNS, VIDEO_COLUMNS)
    for table, columns in zip(vars(tables).values(), promised, strict=True):
        assert {name: str(kind) for name, kind in table.dtypes.items()} == dict(columns)


def test_rows_of_pictures_are_rows_of_the_index(tmp_path: Path, tables: Tables) -> None:
    for name in ("walk", "drive"):
        index = ShardSet(tmp_path / name).table().to_pylist()
        of_video = tables.pictures[tables.pictures["video"] == name]
        assert len(of_video) == len(index)
        for row in of_video.to_dict("records"):
            stored = index[row["row"]]
            assert row["boxes"] == len(stored["boxes"])
            for column in ("video", "tick", "time_s", "segment", "lightness_p5", "sharpness"):
                assert row[column] == stored[column]


def test_videos_keep_the_order_of_the_sets_and_count_what_is_there(tables: Tables) -> None:
    walk, drive = tables.videos.to_dict("records")
    assert (walk["video"], drive["video"]) == ("walk", "drive")
    assert (walk["ticks"], walk["pictures"], walk["cuts"]) == (18, 18, 2)
    assert pd.isna(walk["blurred_boxes"])  # these sets say that blurring was off


def test_a_video_whose_cuts_were_not_sought_has_no_shots_rather_than_one(tables: Tables) -> None:
    assert set(tables.shots["video"]) == {"walk"}
    assert pd.isna(tables.videos["cuts"][1])
    assert list(tables.shots["start_s"]) == [0, 6, 15]
    assert list(tables.shots["end_s"]) == [6, 15, 20]


def test_a_picture_that_two_ticks_share_counts_once(tmp_path: Path) -> None:
    slow = make_set(tmp_path / "slow", frames=60, rate=Fraction(30_000, 1001), fps=Fraction(30))
    (video,) = read_tables([slow]).videos.to_dict("records")
    assert video["ticks"] >= video["pictures"] == len(set(slow.table()["key"].to_pylist()))


def provenance(url: str, **licence: object) -> dict[str, object]:
    known = {"seen": None, "shown_by_platform": False, "stated": None, "stated_by": None}
    return {
        "name": "walk",
        "source": {"kind": "any", "url": url},
        "fetched_utc": "2025-01-01T00:00:00Z",
        "licence": known | licence,
        "stated": {},
        "platform": {},
        "file": {"sha256": "0" * 64},
    }


def test_a_path_on_the_users_disk_is_not_passed_on_as_a_source(tmp_path: Path) -> None:
    def source(name: str, url: str) -> object:
        made = make_set(tmp_path / name, frames=2, video={"provenance": provenance(url)})
        return read_tables([made]).videos["source"][0]

    assert source("web", "https://example.org/walk") == "https://example.org/walk"
    assert pd.isna(source("disk", "/home/somebody/walk.mp4"))


def test_the_licence_is_the_one_that_was_seen_or_else_the_one_that_is_stated(
    tmp_path: Path,
) -> None:
    cases: dict[str, tuple[dict[str, object], str | None]] = {
        "seen": ({"seen": "CC BY 3.0", "shown_by_platform": True, "stated": "MIT"}, "CC BY 3.0"),
        "hidden": ({"shown_by_platform": True, "stated": "CC-BY"}, None),
        "stated": ({"stated": "CC-BY", "stated_by": "the paper"}, "CC-BY"),
        "unknown": ({}, None),
    }
    sets = [
        make_set(
            tmp_path / name,
            frames=2,
            video={"provenance": provenance("https://example.org", **licence)},
        )
        for name, (licence, _) in cases.items()
    ]
    found = read_tables(sets).videos["licence"]
    assert [None if pd.isna(one) else one for one in found] == [one for _, one in cases.values()]


@pytest.mark.parametrize("name", ["pictures", "shots", "videos"])
def test_parquet_and_csv_hold_the_same_table(tables: Tables, name: str) -> None:
    table: pd.DataFrame = getattr(tables, name)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(to_parquet(table))), table)
    again = pd.read_csv(io.BytesIO(to_csv(table)), keep_default_na=True)
    assert list(again.columns) == list(table.columns)
    for column in again.select_dtypes("number").columns:
        stored = table[column].astype("float64").rename(column)
        pd.testing.assert_series_equal(again[column].astype("float64"), stored, rtol=1e-6)


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    walk = make_set(tmp_path / "walk", frames=3)
    (walk.folder / "index.parquet").write_bytes(b"no table")
    with pytest.raises(ShardError, match=r"index\.parquet cannot be read"):
        read_tables([walk])


def test_no_sets_give_empty_tables_with_all_columns() -> None:
    assert list(read_tables([]).pictures.columns) == list(PICTURE_COLUMNS)
