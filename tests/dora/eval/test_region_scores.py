import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.eval.region_scores import boundary, boundary_score, region_score, summarise, tolerance_px
from tests.references import davis_scores as plain

SHAPE = (90, 160)
"""Its diagonal is 183.6 px: a boundary may be 2 px off."""


def square(left: int, top: int, side: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def blobs(seed: int, shape: tuple[int, int], share: float) -> np.ndarray:
    """Random masks with flat parts, thin parts and single pixels."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((-(-shape[0] // 4), -(-shape[1] // 4))) < share
    mask = np.kron(coarse, np.ones((4, 4), dtype=bool))[: shape[0], : shape[1]]
    return mask ^ (generator.random(shape) < 0.05)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(1, 1), (1, 7), (8, 1), (13, 17), (30, 20)]),
    share=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    tolerance=st.sampled_from([0.008, 0.05, 0.2]),
)
def test_scores_equal_those_of_plain_loops(
    seed: int, shape: tuple[int, int], share: float, tolerance: float
) -> None:
    truth, found = blobs(seed, shape, share), blobs(seed + 1, shape, share)
    void = blobs(seed + 2, shape, 0.2)
    assert region_score(truth, found, void=void) == pytest.approx(plain.region(truth, found, void))
    assert boundary_score(truth, found, void=void, tolerance=tolerance) == pytest.approx(
        plain.boundary(truth, found, void, tolerance=tolerance)
    )
    edge = {(int(y), int(x)) for y, x in np.argwhere(boundary(truth))}
    assert edge == plain.edge_pixels(truth)


def test_equal_masks_score_1_and_masks_apart_0() -> None:
    here, there = square(10, 10, 30), square(100, 40, 30)
    assert (region_score(here, here), boundary_score(here, here)) == (1, 1)
    assert (region_score(here, there), boundary_score(here, there)) == (0, 0)


def test_two_empty_masks_agree_and_an_empty_one_agrees_with_no_other() -> None:
    empty, full, some = np.zeros(SHAPE, bool), np.ones(SHAPE, bool), square(50, 20, 40)
    assert (region_score(empty, empty), boundary_score(empty, empty)) == (1, 1)
    for truth, found in ((some, empty), (empty, some)):
        assert (region_score(truth, found), boundary_score(truth, found)) == (0, 0)
    # A mask of the whole picture has no boundary, and so one like that of an empty mask.
    assert boundary_score(full, empty) == 1
    assert region_score(full, empty) == 0


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 7, 29, 30, 40])
def test_shifted_square_has_the_overlap_of_geometry(shift: int) -> None:
    both = 30 * max(0, 30 - shift)
    assert region_score(square(10, 10, 30), square(10 + shift, 10, 30)) == pytest.approx(
        both / (2 * 900 - both)
    )


def test_boundary_within_the_tolerance_counts_wholly_and_beyond_it_in_part() -> None:
    truth = square(40, 20, 30)
    assert tolerance_px(SHAPE) == 2
    assert [boundary_score(truth, square(40 + shift, 20, 30)) for shift in (0, 1, 2)] == [1, 1, 1]
    # Three pixels off, both upright sides are lost: near are the level ones, as long as they
    # overlap, 27 pixels each, and what lies within two pixels of their ends.
    score = boundary_score(truth, square(43, 20, 30))
    assert score == pytest.approx(plain.boundary(truth, square(43, 20, 30), np.zeros_like(truth)))
    assert 0.4 < score < 0.6


def test_thin_line_beside_another_has_a_right_boundary_and_no_overlap() -> None:
    line, beside = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    line[10:80, 50] = beside[10:80, 51] = True
    assert region_score(line, beside) == 0
    assert boundary_score(line, beside) == 1
    assert boundary_score(line, np.roll(line, 10, axis=1)) == 0


def test_void_pixels_change_nothing() -> None:
    truth, found, void = square(40, 20, 30), square(40, 20, 30), square(60, 0, 60)
    found |= void
    assert region_score(truth, found) < 0.6
    assert boundary_score(truth, found) < 0.6
    assert region_score(truth, found, void=void) == 1
    assert boundary_score(truth, found, void=void) == 1


def test_tolerance_at_480p_is_8_pixels() -> None:
    assert tolerance_px((480, 854)) == 8
    truth = square(100, 100, 200, shape=(480, 854))
    assert boundary_score(truth, np.roll(truth, 8, axis=1)) == 1
    assert boundary_score(truth, np.roll(truth, 9, axis=1)) < 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 23, 68, 300])
def test_mean_recall_and_decay_equal_those_of_plain_loops(count: int) -> None:
    scores = np.random.default_rng(count).random(count).tolist()
    over_time = summarise(scores)
    assert (over_time.mean, over_time.recall, over_time.decay) == pytest.approx(
        plain.summary(scores)
    )


def test_recall_leaves_out_what_is_just_half_right_and_decay_tells_a_loss() -> None:
    over_time = summarise([1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0])
    assert over_time.recall == 0.25
    # First and last quarter: frames 1 to 3 and 6 to 8.
    assert over_time.decay == pytest.approx(2.5 / 3 - 0.5 / 3)
