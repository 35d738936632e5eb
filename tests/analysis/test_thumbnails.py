"""Pictures shown are evenly spaced, and none stands for a time in which there is none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.thumbnails import read_thumbnail, spread_rows
from tests.analysis.sets import make_set
from wtours.shards import ShardError


def pictures(*time_s: float) -> pd.DataFrame:
    return pd.DataFrame({"time_s": time_s, "row": range(100, 100 + len(time_s))})


def test_each_stretch_shows_the_picture_nearest_to_its_middle() -> None:
    assert spread_rows(pictures(*range(10)), duration_s=10, count=2) == [102, 107]


def test_a_stretch_without_pictures_stays_empty() -> None:
    assert spread_rows(pictures(0, 1, 2, 3, 18, 19), duration_s=20, count=4) == [
        102,
        None,
        None,
        103 + 1,
    ]


def test_there_are_never_more_stretches_than_pictures() -> None:
    assert spread_rows(pictures(0, 1, 1), duration_s=2, count=9) == [100, 101]
    assert spread_rows(pictures(), duration_s=2, count=9) == []


def test_a_thumbnail_is_the_picture_made_smaller(tmp_path: Path) -> None:
    walk = make_set(tmp_path / "walk", frames=3, side=96)
    small = read_thumbnail(walk, 1, height_px=24)
    assert small.shape == (24, 32, 3)
    full = read_thumbnail(walk, 1, height_px=500)
    assert full.shape == (96, 128, 3)
    blocks = full.reshape(24, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(blocks - small).mean() < 4


def test_an_altered_picture_is_refused(tmp_path: Path) -> None:
    walk = make_set(tmp_path / "walk", frames=2)
    place = walk.table(["offset"]).to_pydict()["offset"][0]
    tar = walk.folder / "walk-000000.tar"
    content = bytearray(tar.read_bytes())
    content[place + 40] ^= 1
    tar.write_bytes(bytes(content))
    with pytest.raises(ShardError, match="was altered"):
        read_thumbnail(walk, 0, height_px=24)
