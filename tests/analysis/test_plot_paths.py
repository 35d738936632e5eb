"""Paths of the page go through what the curves hold."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis.figures.style import time_unit
from analysis.plot_paths import area_path, line_path, time_labels, upright_path


def points(path: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (pair.split() for pair in re.split("[ML]", run) if pair)]
        for run in re.findall(r"M[^MZ]*", path)
    ]


def test_a_line_goes_through_both_extremes_of_every_row_and_breaks_at_nan() -> None:
    time_s = pd.Series([0.0, 5, 7, 10])
    low, high = pd.Series([0.0, 10, np.nan, 20]), pd.Series([0.0, 30, np.nan, 20])
    path = line_path(time_s, low, high, duration_s=10, top=40)
    assert points(path) == [[(0, 100), (500, 25), (500, 75)], [(1000, 50), (1000, 50)]]


def test_an_area_lies_between_both_curves() -> None:
    time_s = pd.Series([0.0, 10])
    path = area_path(time_s, pd.Series([0.0, 10]), pd.Series([20.0, 40]), duration_s=10, top=40)
    assert points(path) == [[(0, 50), (1000, 0), (1000, 75), (0, 100)]]


def test_lines_that_would_hide_each_other_are_one() -> None:
    assert upright_path([5, 5.0001, 10], duration_s=10) == "M500 0V100M1000 0V100"
    assert upright_path([], duration_s=10) == ""


@pytest.mark.parametrize("duration_s", [0.04, 1, 59, 181, 4000, 11_000, 60_000])
def test_the_axis_of_time_has_a_few_labels_in_order(duration_s: float) -> None:
    labels = time_labels(duration_s, time_unit(duration_s))
    assert 3 <= len(labels) <= 9
    assert [share for share, _ in labels] == sorted(share for share, _ in labels)
    assert labels[0] == (0, "0")
    last = float(labels[-1][1].split()[0]) * time_unit(duration_s).seconds
    assert last == pytest.approx(labels[-1][0] * duration_s)
    assert last <= duration_s * 1.000001
