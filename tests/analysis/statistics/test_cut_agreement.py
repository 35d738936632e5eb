"""Cuts match one to one, as many as can be; scores follow from the matches."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.cut_agreement import (
    Matched,
    detector_agreement,
    match_cuts,
    score_cuts,
)
from wtours import WtoursError

FRAMES = st.lists(st.integers(0, 14), max_size=6, unique=True)


def most_matches(found: Sequence[int], other: Sequence[int], within: int) -> int:
    """Try everything: the first cut stays alone, or takes any that it reaches."""
    if not found:
        return 0
    best = most_matches(found[1:], other, within)
    for place, cut in enumerate(other):
        if abs(found[0] - cut) <= within:
            rest = [*other[:place], *other[place + 1 :]]
            best = max(best, 1 + most_matches(found[1:], rest, within))
    return best


@settings(max_examples=150)
@given(FRAMES, FRAMES, st.integers(0, 3))
def test_no_other_way_to_match_gives_more(found: list[int], other: list[int], within: int) -> None:
    matched = match_cuts(found, other, within=within)
    assert matched.both == most_matches(found, other, within)
    assert (matched.found, matched.other) == (len(found), len(other))
    turned = match_cuts(other, found, within=within)
    assert (turned.precision, turned.both) == pytest.approx(
        (matched.recall, matched.both), nan_ok=True
    )
    assert turned.f1 == pytest.approx(matched.f1, nan_ok=True)


def test_many_cuts_about_a_true_one_are_one_success() -> None:
    matched = match_cuts([99, 100, 101], [100])
    assert (matched.precision, matched.recall, matched.f1) == (1 / 3, 1, 1 / 2)


def test_one_frame_apart_is_the_same_cut_and_two_are_not() -> None:
    assert match_cuts([30, 180], [31, 182]).both == 1


def test_a_share_of_no_cuts_is_missing() -> None:
    nothing = match_cuts([], [])
    assert all(math.isnan(value) for value in (nothing.precision, nothing.recall, nothing.f1))
    missed = match_cuts([], [5])
    assert math.isnan(missed.precision)
    assert (missed.recall, missed.f1) == (0, 0)


def test_detectors_are_compared_on_the_videos_that_both_have_seen() -> None:
    table = detector_agreement(
        {
            "content": {"film": [30, 180, 394], "walk": [], "other": [1]},
            "adaptive": {"film": [30, 181, 394, 691], "walk": []},
        }
    )
    film, walk = table.to_dict("records")
    assert (film["video"], film["one_cuts"], film["other_cuts"], film["both"]) == ("film", 3, 4, 3)
    assert (film["share_of_one"], film["share_of_other"], film["f1"]) == (1, 3 / 4, 6 / 7)
    assert (walk["video"], walk["both"]) == ("walk", 0)
    assert math.isnan(walk["f1"])
    assert detector_agreement({}).empty


def test_the_sum_of_videos_counts_every_cut_the_same() -> None:
    scores = score_cuts({"a": [10, 20, 30], "b": [], "c": [1]}, {"a": [10, 20, 31], "b": [7]})
    assert scores["video"].tolist() == ["a", "b", "all"]
    assert scores["both"].tolist() == [3, 0, 3]
    everything = scores.iloc[-1]
    assert (everything["precision"], everything["recall"], everything["f1"]) == (1, 3 / 4, 6 / 7)
    assert math.isnan(scores["precision"][1])


def test_a_true_video_that_was_not_looked_at_is_named() -> None:
    with pytest.raises(WtoursError, match="true cuts of film"):
        score_cuts({"walk": []}, {"film": [3]})


@pytest.mark.parametrize("within", [-1, math.nan])
def test_a_negative_tolerance_is_refused(within: float) -> None:
    with pytest.raises(WtoursError, match="match within"):
        match_cuts([1], [1], within=within)


def test_more_matches_than_cuts_cannot_be() -> None:
    with pytest.raises(AssertionError):
        Matched(found=1, other=3, both=2)
