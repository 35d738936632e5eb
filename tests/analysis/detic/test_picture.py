import numpy as np
import pytest
import torch

from analysis.detectors.detic.picture import (
    PictureSize,
    boxes_in_original,
    check_pictures,
    normalise,
    resize,
)
from wtours import WtoursError


@pytest.mark.parametrize(
    ("original", "scaled"),
    [
        ((1080, 1920), (750, 1333)),
        ((1920, 1080), (1333, 750)),
        ((480, 640), (800, 1067)),
        ((800, 800), (800, 800)),
        ((2160, 3840), (750, 1333)),
        ((1, 10_000), (1, 1333)),
    ],
)
def test_shorter_side_becomes_800_unless_the_longer_one_exceeds_1333(
    original: tuple[int, int], scaled: tuple[int, int]
) -> None:
    assert PictureSize().scaled(*original) == scaled


@pytest.mark.parametrize("width", [131, 133, 135, 137])
def test_half_a_pixel_is_rounded_up(width: int) -> None:
    """192 / 128 x an odd width ends in one half; Python's round() would go to the even side."""
    assert PictureSize(short_px=192, long_px=320).scaled(128, width)[1] == (3 * width + 1) // 2


def test_values_are_normalised_then_padded_with_zeros() -> None:
    image = np.zeros((1, 40, 50, 3), dtype=np.uint8)
    image[..., 0] = 255
    values = normalise(torch.from_numpy(image))
    assert values.shape == (1, 3, 64, 64)
    expected = [(255 - 123.675) / 58.395, -116.28 / 57.12, -103.53 / 57.375]
    assert values[0, :, 0, 0].tolist() == pytest.approx(expected, rel=1e-6)
    assert values[0, :, 39, 49].tolist() == pytest.approx(expected, rel=1e-6)
    assert not values[..., 40:, :].any()
    assert not values[..., 50:].any()


def test_shrinking_averages() -> None:
    """Stripes of one pixel become grey, not black or white."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    shrunk = resize(stripes, 16, 16)
    assert shrunk[:, 2:-2].min() > 110
    assert shrunk[:, 2:-2].max() < 145


def test_boxes_return_to_the_original_cut_at_its_edges() -> None:
    boxes = torch.tensor([[-4.0, 10, 50, 20], [90.0, 0, 100, 100], [30.0, 5, 30, 9]])
    moved, kept = boxes_in_original(boxes, (100, 100), (50, 300))
    assert moved.tolist() == [[0, 5, 150, 10], [270, 0, 300, 50], [90, 2.5, 90, 4.5]]
    assert kept.tolist() == [True, True, False]


@pytest.mark.parametrize(("short_px", "long_px"), [(0, 100), (-5, 100), (200, 100)])
def test_sizes_that_no_picture_can_have_are_refused(short_px: int, long_px: int) -> None:
    with pytest.raises(WtoursError, match=f"{short_px} px"):
        PictureSize(short_px=short_px, long_px=long_px)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 5), dtype=np.uint8),
        np.zeros((4, 5, 4), dtype=np.uint8),
        np.zeros((4, 5, 3), dtype=np.float32),
        np.zeros((0, 5, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(WtoursError, match="picture 0 has shape"):
        check_pictures([wrong])


def test_pictures_of_several_sizes_are_refused() -> None:
    sizes = ((4, 5, 3), (4, 6, 3))
    with pytest.raises(WtoursError, match="picture 1 is 6x4, but picture 0 is 5x4"):
        check_pictures([np.zeros(size, dtype=np.uint8) for size in sizes])
