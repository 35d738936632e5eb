import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.eval.components import best_overlap, box_of, component_at, enlarge, largest_component
from dora.eval.lost import degrees, discover_object
from tests.references import lost as plain


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    grid=st.sampled_from([(1, 1), (1, 12), (7, 5), (10, 14)]),
    k_patches=st.sampled_from([1, 5, 100]),
)
def test_object_equals_that_of_plain_loops(
    seed: int, grid: tuple[int, int], k_patches: int
) -> None:
    generator = np.random.default_rng(seed)
    keys = generator.normal(size=(grid[0] * grid[1], 4)).astype(np.float32)
    found = discover_object(torch.from_numpy(keys), grid, k_patches=k_patches)
    place, patches = plain.discover(keys.astype(np.float64), grid, k_patches=k_patches)
    assert found.seed == place
    assert {(int(y), int(x)) for y, x in np.argwhere(found.mask)} == patches


def test_small_square_on_a_wide_ground_is_the_object() -> None:
    ground, thing = torch.tensor([1.0, 0.1]), torch.tensor([-1.0, 0.1])
    keys = ground.repeat(8, 10, 1)
    keys[2:5, 3:8] = thing
    found = discover_object(keys.flatten(0, 1), (8, 10))
    assert found.box == (3, 2, 8, 5)
    assert found.mask.sum() == 15


def test_of_two_like_squares_only_the_one_with_the_seed_is_boxed() -> None:
    keys = torch.tensor([1.0, 0.1]).repeat(8, 10, 1)
    keys[1:3, 1:3] = keys[5:7, 6:9] = torch.tensor([-1.0, 0.1])
    found = discover_object(keys.flatten(0, 1), (8, 10))
    assert (found.seed, found.box) == ((1, 1), (1, 1, 3, 3))


def test_keys_of_zeros_are_alike_to_nothing() -> None:
    found = discover_object(torch.zeros(6, 3), (2, 3))
    assert (found.seed, found.box) == ((0, 0), (0, 0, 1, 1))
    assert degrees(torch.zeros(6, 3)).tolist() == [0] * 6


def test_components_share_sides_and_corners_do_not_connect() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]], dtype=bool)
    assert box_of(component_at(mask, (0, 0))) == (0, 0, 2, 1)
    assert box_of(largest_component(mask)) == (2, 1, 4, 3)
    assert box_of(mask) == (0, 0, 4, 3)


def test_box_in_pixels_ends_at_the_picture() -> None:
    assert enlarge((1, 0, 3, 2), patch_px=16, size=(40, 50)) == (16, 0, 40, 32)


def test_overlap_is_that_of_geometry_with_the_best_of_the_true_boxes() -> None:
    assert best_overlap((0, 0, 10, 10), [(20, 20, 30, 30)]) == 0
    assert best_overlap((0, 0, 10, 10), [(20, 20, 30, 30), (0, 0, 10, 20)]) == 0.5
    assert best_overlap((0, 0, 10, 10), [(5, 0, 15, 10)]) == 50 / 150
    assert best_overlap((0, 0, 10, 10), []) == 0
