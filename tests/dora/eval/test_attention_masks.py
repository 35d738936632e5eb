import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.eval.attention_masks import enlarge_mask, foreground_counts, head_maps, jaccard, keep_mass


def kept_plainly(values: list[float], fraction: float) -> set[int]:
    """Patches left when the smallest are taken away as long as what is taken allows it."""
    taken, left = 0.0, set(range(len(values)))
    for index in sorted(range(len(values)), key=lambda i: values[i]):
        taken += values[index]
        if taken > (1 - fraction) * sum(values) * (1 + 1e-6):
            return left
        left.remove(index)
    return left


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(0.01, 100), min_size=1, max_size=20, unique=True),
    fraction=st.sampled_from([0.1, 0.37, 0.6, 0.8, 0.99]),
)
def test_kept_patches_are_those_of_a_plain_loop(values: list[float], fraction: float) -> None:
    kept = keep_mass(torch.tensor([values, values[::-1]], dtype=torch.float64), fraction)
    found = [{int(i) for i in row.nonzero()[:, 0]} for row in kept]
    expected = kept_plainly(values, fraction)
    assert found == [expected, {len(values) - 1 - i for i in expected}]
    mass = [sum(values[i] for i in expected), sum(values)]
    assert mass[0] >= fraction * mass[1] * (1 - 1e-5)


def test_even_attention_keeps_its_share_of_the_patches() -> None:
    kept = keep_mass(torch.full((1, 10), 0.1), 0.6)
    assert kept.sum() == 6
    assert keep_mass(torch.full((1, 10), 0.1), 1.0).all()


def test_maps_are_the_mean_and_each_head() -> None:
    maps = head_maps(torch.tensor([[1.0, 3.0], [3.0, 5.0]]))
    assert {name: values.tolist() for name, values in maps.items()} == {
        "mean": [2, 4],
        "1": [1, 3],
        "2": [3, 5],
    }


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([[1, 0], [0, 0]], 1.0),
        ([[0, 1], [0, 0]], 0.0),
        ([[1, 1], [0, 0]], 0.5),
        ([[1, 0], [1, 0]], 1.0),  # what is void is not counted
        ([[0, 0], [0, 0]], 0.0),
    ],
)
def test_score_is_that_of_all_objects_together_without_void(
    mask: list[list[int]], expected: float
) -> None:
    regions = np.zeros((4, 6), dtype=np.uint8)
    regions[:2, :2], regions[:2, 2:3] = 7, 20
    regions[2:, :3] = 255
    assert jaccard(*foreground_counts(np.array(mask, dtype=bool), regions)) == expected


def test_picture_without_objects_or_mask_agrees() -> None:
    nothing = np.zeros((1, 1), bool)
    for label in (0, 255):
        counts = foreground_counts(nothing, np.full((2, 2), label, np.uint8))
        assert (counts, jaccard(*counts)) == ((0, 0), 1)


def test_mask_is_enlarged_without_smoothing() -> None:
    assert enlarge_mask(np.array([[True, False]]), (4, 2)).tolist() == [[1, 1, 0, 0]] * 2
