"""Resampling by sums equals resampling by copying, and its intervals hold what they should."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.bootstrap import (
    LEAST_BLOCKS,
    BootstrapOptions,
    block_numbers,
    draw_blocks,
    drawn_distinct,
    drawn_quantiles,
    drawn_ratio,
    interval_of,
    interval_of_distinct,
    sums,
)
from tests.references.bootstrap import by_copying
from wtours import WtoursError

FEW = BootstrapOptions(draws=12)
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.integers(0, 20), st.just(math.nan))), max_size=25
)


def split(rows: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray, int]:
    block, blocks = block_numbers(np.asarray([r[0] * 60.0 for r in rows]), block_s=60)
    return block, np.asarray([r[1] for r in rows], dtype=np.float64), blocks


@settings(max_examples=60)
@given(ROWS)
def test_means_and_quantiles_equal_those_of_copied_rows(rows: list[tuple[int, float]]) -> None:
    block, values, blocks = split(rows)
    drawn = draw_blocks("walk", blocks, FEW)
    known = ~np.isnan(values)

    def mean(copied: list[int]) -> float:
        kept = [values[row] for row in copied if known[row]]
        return float(np.mean(kept)) if kept else math.nan

    of_sums = drawn_ratio(
        drawn, sums(block, values, blocks=blocks), sums(block, known, blocks=blocks)
    )
    np.testing.assert_allclose(of_sums, by_copying(drawn, block.tolist(), mean))
    shares = [0.0, 0.05, 0.5, 0.95, 1.0]
    for share, found in zip(shares, drawn_quantiles(drawn, block, values, shares), strict=True):

        def quantile(copied: list[int], share: float = share) -> float:
            kept = [values[row] for row in copied if known[row]]
            return float(np.quantile(kept, share)) if kept else math.nan

        np.testing.assert_allclose(found, by_copying(drawn, block.tolist(), quantile))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=25))
def test_numbers_of_kinds_equal_those_of_copied_rows(rows: list[tuple[int, int]]) -> None:
    block, kinds, blocks = split([(minute, float(kind)) for minute, kind in rows])
    drawn = draw_blocks("walk", blocks, FEW)
    found = drawn_distinct(drawn, block, kinds.astype(np.int64))
    expected = by_copying(drawn, block.tolist(), lambda copied: len({kinds[r] for r in copied}))
    np.testing.assert_array_equal(found, expected)


def test_the_first_row_is_the_video_and_every_draw_as_long() -> None:
    drawn = draw_blocks("walk", 30, BootstrapOptions())
    assert drawn.shape == (1001, 30)
    assert drawn[0].tolist() == [1] * 30
    assert set(drawn.sum(axis=1)) == {30}
    assert draw_blocks("walk", 0, FEW).shape == (13, 0)


def test_draws_are_of_the_seed_and_the_name() -> None:
    same = [draw_blocks("walk", 9, FEW), draw_blocks("walk", 9, FEW)]
    other = [
        draw_blocks("film", 9, FEW),
        draw_blocks("walk", 9, BootstrapOptions(draws=12, seed=1)),
    ]
    assert (same[0] == same[1]).all()
    assert not any((same[0] == one).all() for one in other)


def covered(blocks: int, cases: int, *, options: BootstrapOptions) -> float:
    """Of minutes that differ by a normal variable, how often their true mean, 50, is held."""
    generator = np.random.default_rng(0)
    hits = 0
    for case in range(cases):
        minutes = generator.normal(50, 3, blocks)[:, None] + generator.normal(0, 1, (blocks, 5))
        drawn = draw_blocks(f"case {case}", blocks, options)
        values = drawn_ratio(drawn, minutes.sum(axis=1), np.full(blocks, 5.0))
        interval = interval_of(values, options, blocks=blocks)
        hits += interval.low <= 50 <= interval.high
    return hits / cases


def test_intervals_of_95_percent_hold_the_true_mean_so_often() -> None:
    assert 0.91 <= covered(60, 1000, options=BootstrapOptions(draws=300)) <= 0.97


def test_intervals_of_80_percent_hold_it_less_often() -> None:
    options = BootstrapOptions(draws=200, confidence=0.8)
    assert 0.72 <= covered(40, 300, options=options) <= 0.86


def test_intervals_of_numbers_of_kinds_hold_the_expected_number() -> None:
    """Kinds of Zipf's frequencies: without moving, no interval would hold the truth."""
    options = BootstrapOptions(draws=150)
    generator = np.random.default_rng(0)
    chance = 1 - np.exp(-3 / np.arange(1, 401) ** 1.1)
    expected = (1 - (1 - chance) ** 30).sum()
    moved = plain = 0
    for case in range(120):
        block, kind = np.nonzero(generator.random((30, 400)) < chance)
        values = drawn_distinct(draw_blocks(f"case {case}", 30, options), block, kind)
        interval = interval_of_distinct(values, options, blocks=30)
        moved += interval.low <= expected <= interval.high
        interval = interval_of(values, options, blocks=30)
        plain += interval.low <= expected <= interval.high
    assert moved / 120 >= 0.88
    assert plain / 120 <= 0.05


def test_of_few_minutes_or_no_values_no_interval_is_claimed() -> None:
    few = interval_of(np.arange(13.0), FEW, blocks=LEAST_BLOCKS - 1)
    assert few.estimate == 0
    assert math.isnan(few.low)
    assert math.isnan(interval_of(np.full(13, np.nan), FEW, blocks=99).high)


def test_minutes_without_a_tick_are_not_drawn() -> None:
    numbers, present = block_numbers(np.asarray([0.0, 59.9, 60.0, 600.0]), block_s=60)
    assert (numbers.tolist(), present) == ([0, 0, 1, 2], 3)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"draws": 0}, "drawn 0 times"),
        ({"seed": -1}, "seed"),
        ({"confidence": 1.0}, "share of 1.0"),
        ({"confidence": math.nan}, "share of nan"),
        ({"block_s": 0.0}, "stretches of 0.0 s"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, float], fault: str) -> None:
    with pytest.raises(WtoursError, match=fault):
        BootstrapOptions(**options)  # type: ignore[arg-type]
