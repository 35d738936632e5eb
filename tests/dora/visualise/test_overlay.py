import itertools

import numpy as np
import pytest
from PIL import Image

from dora.visualise.colours import OBJECT_COLOURS, heat, object_colour, tint
from dora.visualise.overlay import map_picture, mask_overlay

SIZE = (80, 60)
GREY = Image.new("RGB", SIZE, (100, 100, 100))
CORNER = np.asarray([[0.0, 1.0]])
"""Peak of an object in the lower left corner, away from what is looked at."""


def patches(*marked: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((6, 8), dtype=bool)
    for row, column in marked:
        mask[row, column] = True
    return mask


def luminance(colour: tuple[int, int, int]) -> float:
    linear = [(level / 255) ** 2.2 for level in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_object_colours_differ_and_the_first_three_in_lightness_too() -> None:
    colours = [object_colour(number) for number in range(32)]
    assert len(set(colours)) == 32
    assert tuple(colours[:7]) == OBJECT_COLOURS
    for one, other in itertools.combinations(colours[:3], 2):
        assert abs(luminance(one) - luminance(other)) > 0.15


def test_maps_run_from_dark_to_light() -> None:
    values = np.linspace(0, 1, 11, dtype=np.float32)
    for shown in (heat(values), tint(values, OBJECT_COLOURS[0])):
        assert np.all(np.diff(shown.astype(int).sum(axis=-1)) > 0)
    assert tuple(tint(values, (213, 94, 0))[5]) == (213, 94, 0)


def test_map_has_its_extremes_at_the_extreme_patches() -> None:
    values = np.full((6, 8), 0.5, dtype=np.float32)
    values[1, 2], values[4, 6] = 0.7, 0.4
    shown = np.asarray(map_picture(values, SIZE)).astype(int).sum(axis=-1)
    assert shown.shape == (60, 80)
    brightest = np.unravel_index(shown.argmax(), shown.shape)
    darkest = np.unravel_index(shown.argmin(), shown.shape)
    assert (brightest[0] // 10, brightest[1] // 10) == (1, 2)
    assert (darkest[0] // 10, darkest[1] // 10) == (4, 6)


def test_uniform_map_is_dark() -> None:
    shown = np.asarray(map_picture(np.full((6, 8), 0.02, dtype=np.float32), SIZE))
    assert shown.max() <= 4


def test_patch_of_an_object_is_filled_and_outlined_exactly() -> None:
    shown = np.asarray(mask_overlay(GREY, patches((2, 3))[None], CORNER)).astype(int)
    square = shown[20:30, 30:40]
    colour = np.asarray(OBJECT_COLOURS[0])
    edge = np.ones((10, 10), dtype=bool)
    edge[1:-1, 1:-1] = False
    assert np.all(square[edge] == colour)
    np.testing.assert_allclose(square[~edge], (0.5 * (colour + 100))[None].repeat(64, 0), atol=1)
    around = np.concatenate([shown[19, 29:41], shown[30, 29:41]])
    assert np.all(around == 70)


def test_masks_that_overlap_take_turns_in_stripes() -> None:
    both = np.stack([patches(*np.ndindex(3, 8)), patches(*np.ndindex(4, 8))])
    shown = np.asarray(mask_overlay(GREY, both, CORNER.repeat(2, 0))).astype(int)
    first, second = ((np.asarray(colour) + 100) // 2 for colour in OBJECT_COLOURS[:2])
    overlap = shown[2:28, 2:78].reshape(-1, 3)
    shares = [(np.abs(overlap - colour).max(axis=1) <= 1).mean() for colour in (first, second)]
    assert shares == pytest.approx([0.5, 0.5], abs=0.02)
    assert np.abs(shown[32:38, 40:78] - second).max() <= 1


def test_outline_follows_the_mask_and_not_the_frame() -> None:
    whole = np.ones((6, 8), dtype=bool)
    shown = np.asarray(mask_overlay(GREY, whole[None], CORNER)).astype(int)
    assert np.ptp(shown[:40].reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize("peak", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_numbers_of_one_place_stand_beside_each_other(peak: tuple[float, float]) -> None:
    masks = np.ones((3, 6, 8), dtype=bool)
    shown = np.asarray(mask_overlay(GREY, masks, np.asarray([peak] * 3)))
    for colour in OBJECT_COLOURS[:3]:
        assert (shown == np.asarray(colour)).all(axis=-1).sum() > 20


def test_object_without_a_patch_leaves_no_trace() -> None:
    nothing = np.zeros((1, 6, 8), dtype=bool)
    shown = np.asarray(mask_overlay(GREY, nothing, CORNER))
    assert np.all(shown == 70)
