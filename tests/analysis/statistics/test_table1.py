"""Table 1 sums up what the tables say, and says nothing of what cannot be compared."""

import math
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from analysis.statistics.table1 import per_minute, steady_motion, summarise_groups
from analysis.tables import Tables, read_tables
from tests.analysis.sets import make_set, set_column


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    walk = make_set(tmp_path / "walk", frames=130, cut_frames=(6,), absent_frames=(70,))
    set_column(walk, "motion", [None, *range(1, 129)])
    set_column(walk, "phash", [1, 1, *(0x1234567 * n**3 for n in range(1, 128))])
    drive = make_set(tmp_path / "drive", frames=10, video={"width": 1920, "height": 1080})
    return read_tables([walk, drive])


def test_motion_across_a_cut_or_a_gap_is_no_motion(tables: Tables) -> None:
    walk = tables.pictures[tables.pictures["video"] == "walk"]
    motion = steady_motion(walk).set_axis(walk["tick"])
    assert motion[motion.isna()].index.tolist() == [0, 6, 71]
    assert motion[5] == 5


def test_a_row_a_minute_with_its_own_ticks(tables: Tables) -> None:
    minutes = per_minute(tables.pictures)
    walk = minutes[minutes["video"] == "walk"]
    assert walk["minute"].tolist() == [0, 1, 2]
    assert walk["ticks"].tolist() == [60, 59, 10]
    third = tables.pictures[(tables.pictures["video"] == "walk") & (tables.pictures["tick"] >= 120)]
    assert walk["sharpness"].iloc[2] == third["sharpness"].median()
    assert walk["motion"].iloc[2] == third["motion"].mean()
    assert walk["lightness"].iloc[2] == pytest.approx(third["lightness_mean"].mean())


def test_a_group_is_told_by_its_videos(tables: Tables) -> None:
    groups = {"walk": "WTours", "drive": "Drives"}
    walks, drives = summarise_groups(tables, groups, domains={"WTours": "walks"}).to_dict("records")
    assert (walks["group"], walks["domain"], walks["videos"]) == ("WTours", "walks", 1)
    assert pd.isna(drives["domain"])
    assert (walks["resolution"], drives["resolution"]) == ("640 x 480", "1920 x 1080")
    assert (walks["duration_total_s"], walks["frames"], walks["pictures"]) == (130, 129, 129)
    assert walks["near_duplicates"] == pytest.approx(1 / 129)


def test_groups_pool_their_videos(tables: Tables) -> None:
    (row,) = summarise_groups(tables, {"walk": "all", "drive": "all"}).to_dict("records")
    assert (row["videos"], row["duration_mean_s"], row["duration_total_s"]) == (2, 70, 140)
    assert row["resolution"] == "640 x 480 to 1920 x 1080"
    assert row["sharpness"] == tables.pictures["sharpness"].median()


def test_what_was_kept_at_other_rates_or_sizes_is_not_mixed(tmp_path: Path) -> None:
    slow = make_set(tmp_path / "slow", frames=10)
    fast = make_set(tmp_path / "fast", frames=10, fps=Fraction(2), rate=Fraction(2))
    small = make_set(tmp_path / "small", frames=10, side=24)
    tables = read_tables([slow, fast, small])
    mixed = {"slow": "rates", "fast": "rates", "small": "rates"}
    (row,) = summarise_groups(tables, mixed).to_dict("records")
    assert math.isnan(row["motion"])
    assert math.isnan(row["sharpness"])
    (row,) = summarise_groups(tables, {"slow": "one"}).to_dict("records")
    assert row["motion"] == 3


def test_one_picture_has_no_motion_and_no_duplicate(tmp_path: Path) -> None:
    tables = read_tables([make_set(tmp_path / "still", frames=1)])
    (row,) = summarise_groups(tables, {"still": "one"}).to_dict("records")
    assert (row["pictures"], row["near_duplicates"]) == (1, 0)
    assert math.isnan(row["motion"])


def test_a_group_of_absent_videos_has_no_row(tables: Tables) -> None:
    assert summarise_groups(tables, {"nobody": "none"}).empty
    assert per_minute(tables.pictures.iloc[:0]).empty
