"""Every figure's interval stands about the figure that the summaries give."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.bootstrap import BootstrapOptions
from analysis.statistics.intervals import bootstrap_intervals
from analysis.statistics.lightness import LightnessOptions, summarise_lightness
from analysis.statistics.objects import summarise_objects
from analysis.statistics.shots import summarise_shots
from analysis.statistics.table1 import summarise_groups
from analysis.tables import Tables, read_tables
from tests.analysis.sets import make_set, set_column

MANY = BootstrapOptions(draws=60, block_s=10)
GROUPS = {"walk": "Walks", "film": "Others", "room": "Others"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("sets")
    walk = make_set(folder / "walk", frames=200, absent_frames=(50,), side=24)
    film = make_set(folder / "film", frames=150, cut_frames=(20, 31, 90), side=24, seed=1)
    room = make_set(folder / "room", frames=8, cut_frames=(), side=24, seed=2)
    set_column(walk, "motion", [None, *np.linspace(0, 9, 198).tolist()])
    return read_tables([walk, film, room])


@pytest.fixture(scope="module")
def boxes(tables: Tables) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = tables.pictures.iloc[generator.integers(0, len(tables.pictures), 400)]
    kinds = np.minimum(generator.zipf(1.5, 400), 50).astype("int32")
    scores = generator.uniform(0.3, 1, 400).astype("float32")
    return rows[["video", "tick", "time_s"]].assign(
        class_id=kinds, name=pd.Categorical(kinds.astype(str)), score=scores
    )


def found(tables: Tables, boxes: pd.DataFrame, **options: object) -> pd.DataFrame:
    looked = tables.pictures[["video", "tick", "time_s"]]
    return bootstrap_intervals(
        tables,
        detections=boxes,
        looked=looked,
        options=MANY,
        **options,  # type: ignore[arg-type]
    )


def test_estimates_are_the_figures_of_the_summaries(tables: Tables, boxes: pd.DataFrame) -> None:
    looked = tables.pictures[["video", "tick", "time_s"]]
    lightness = summarise_lightness(tables.pictures, tables.videos, LightnessOptions())
    shots = summarise_shots(tables.shots, tables.videos)
    objects = summarise_objects(boxes, looked)
    alone = summarise_groups(tables, {name: name for name in GROUPS})
    every = lightness.merge(shots, on="video").merge(objects, on="video")
    every = every.merge(alone.rename(columns={"group": "video"}), on="video").set_index("video")
    table = found(tables, boxes)
    for row in table.to_dict("records"):
        summary = float(every.astype("object").fillna(math.nan).loc[row["video"], row["figure"]])
        assert row["estimate"] == pytest.approx(summary, nan_ok=True), row
    assert set(table["figure"]) >= {"mean", "p95", "bright", "change_10s", "motion", "sharpness"}
    assert set(table["figure"]) >= {
        "near_duplicates",
        "cuts_per_hour",
        "classes_50",
        "per_frame_30",
    }


def test_intervals_hold_their_estimates_and_open_where_there_is_much_to_draw(
    tables: Tables, boxes: pd.DataFrame
) -> None:
    table = found(tables, boxes)
    known = table[table["low"].notna()]
    assert (known["low"] <= known["high"]).all()
    wide = known[known["figure"].isin(["mean", "instances_30", "classes_30"])]
    assert set(wide["video"]) == {"walk", "film"}  # of 8 s there is one stretch to draw
    assert (wide["low"] < wide["estimate"]).all()
    assert (wide["estimate"] < wide["high"]).all()
    assert (table["minutes"] == table["video"].map({"walk": 20, "film": 15, "room": 1})).all()


def test_figures_of_a_group_are_those_of_all_its_ticks(tables: Tables, boxes: pd.DataFrame) -> None:
    table = found(tables, boxes, groups=GROUPS).set_index(["group", "figure"])
    others = tables.pictures[tables.pictures["video"].isin(["film", "room"])]
    assert table.loc[("Others", "mean"), "estimate"] == pytest.approx(
        others["lightness_mean"].astype("float64").mean()
    )
    assert table.loc[("Others", "cuts_per_hour"), "estimate"] == pytest.approx(3 * 3600 / 158)
    assert table.loc[("Others", "shot_mean_s"), "estimate"] == pytest.approx(158 / 5)
    assert table.loc[("Others", "mean"), "minutes"] == 16
    alone = found(tables, boxes).set_index(["video", "figure"])
    numbers = ["estimate", "low", "high"]
    for figure in ("mean", "classes_30", "cuts_per_hour"):
        of_group = table.loc[("Walks", figure), numbers].astype("float64")
        of_video = alone.loc[("walk", figure), numbers].astype("float64")
        np.testing.assert_allclose(of_group, of_video)


def test_a_walk_without_a_cut_may_have_had_some(tables: Tables, boxes: pd.DataFrame) -> None:
    table = found(tables, boxes).set_index(["video", "figure"])
    row = table.loc[("walk", "cuts_per_hour")]
    assert (row["estimate"], row["low"]) == (0, 0)
    assert row["high"] == pytest.approx(3.689 / (200 / 3600), rel=1e-3)


def test_where_nothing_is_known_nothing_is_claimed(tmp_path: Path) -> None:
    dark = make_set(tmp_path / "dark", frames=30, cuts=False, side=24)
    set_column(dark, "lightness_mean", [math.nan] * 30)
    still = make_set(tmp_path / "still", frames=1, side=24)
    tables = read_tables([dark, still])
    nobody = tables.pictures[["video", "tick", "time_s"]].iloc[:0]
    none = nobody.assign(class_id=0, name="", score=np.float32(1))
    table = bootstrap_intervals(tables, detections=none, looked=nobody, options=MANY)
    table = table.set_index(["video", "figure"])
    assert ("dark", "cuts_per_hour") not in table.index
    for figure in ("mean", "p50", "bright", "change_1s", "classes_50", "instances_30"):
        assert table.loc[("dark", figure), ["estimate", "low", "high"]].isna().all()
    assert table.loc[("still", "mean"), "low"] != table.loc[("still", "mean"), "low"]
    empty = bootstrap_intervals(read_tables([]), options=MANY)
    assert list(empty.columns) == ["video", "figure", "estimate", "low", "high", "minutes"]
    assert empty.empty


def test_no_detections_are_zero_objects_with_certainty(tables: Tables, boxes: pd.DataFrame) -> None:
    table = found(tables, boxes.iloc[:0]).set_index(["video", "figure"])
    for figure in ("classes_30", "per_frame_50", "instances_70"):
        assert table.loc[("walk", figure), ["estimate", "low", "high"]].tolist() == [0, 0, 0]
