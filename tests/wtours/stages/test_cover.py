import cv2
import numpy as np
import pytest

from tests.video_making import smooth
from wtours.shards import Box
from wtours.stages import cover
from wtours.stages.cover import MOSAIC_BLOCKS, BlurStyle, cover_boxes

FACE = Box(x0=60, y0=40, x1=100, y1=96, score=0.9)
STYLES: list[BlurStyle] = ["gauss", "mosaic", "solid"]


def detail(image: np.ndarray, box: Box) -> float:
    """Return how much there is in a box that is finer than an eighth of it."""
    part = image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].astype(np.float32)
    coarse = cv2.GaussianBlur(part, (0, 0), (box.y1 - box.y0) / 16)
    return float(np.abs(part - coarse).mean())


def colours(image: np.ndarray, box: Box) -> int:
    """Return how many colours there are in a box."""
    part = image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    return len(np.unique(part.reshape(-1, 3), axis=0))


def noise(seed: int = 0, height: int = 140, width: int = 180) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_nothing_fine_is_left_in_a_box_and_its_corners() -> None:
    image = noise()
    covered = cover_boxes(image, [FACE], margin=1.3)
    assert detail(image, FACE) > 50
    assert detail(covered, FACE) < 1.5


def test_a_mosaic_shows_few_blocks_and_one_colour_is_one() -> None:
    image = noise()
    mosaic = cover_boxes(image, [FACE], margin=1.3, style="mosaic")
    assert 4 <= colours(mosaic, FACE) <= (MOSAIC_BLOCKS + 1) ** 2
    solid = cover_boxes(image, [FACE], margin=1.3, style="solid")
    assert colours(solid, FACE) == 1
    assert np.abs(solid[60, 80].astype(int) - 127).max() < 8, "the mean of what it hides"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("margin", [1.0, 1.3])
def test_pixels_far_from_a_box_are_untouched_and_the_input_too(
    margin: float, style: BlurStyle
) -> None:
    image = noise()
    before = image.copy()
    covered = cover_boxes(image, [FACE], margin=margin, style=style)
    far = np.ones(image.shape[:2], dtype=bool)
    far[16:120, 43:117] = False
    np.testing.assert_array_equal(covered[far], image[far])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("style", STYLES)
def test_boxes_over_the_border_and_tiny_ones_are_covered(style: BlurStyle) -> None:
    image = noise()
    corner = Box(x0=0, y0=0, x1=20, y1=24, score=0.5)
    tiny = Box(x0=150, y0=100, x1=155, y1=106, score=0.5)
    outside = Box(x0=180, y0=140, x1=180, y1=140, score=0.5)
    covered = cover_boxes(image, [corner, tiny, outside], margin=1.3, style=style)
    assert style == "mosaic" or detail(covered, corner) < 2
    assert style == "gauss" or colours(covered, corner) <= (MOSAIC_BLOCKS + 1) ** 2
    assert covered[100:106, 150:155].std() < 30 < image[100:106, 150:155].std()


@pytest.mark.parametrize("face_px", [127, 128, 260])
@pytest.mark.parametrize("kind", ["noise", "stripes", "waves"])
def test_a_wide_blur_is_that_of_the_whole_gaussian(
    face_px: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done at a fraction of the size, as fine as anyone can see; at 127 px it is the same one."""
    side = 5 * face_px // 2
    image = {
        "noise": noise(height=side, width=side + 30),
        "stripes": np.indices((side, side + 30, 3), dtype=np.int32)[1] % 90 // 45 * 255,
        "waves": smooth(0, size=(side + 30, side)),
    }[kind].astype(np.uint8)
    corner = (side - face_px) / 2
    face = Box(
        x0=corner, y0=corner + 9, x1=corner + 0.8 * face_px, y1=corner + 9 + face_px, score=0.9
    )
    covered = cover_boxes(image, [face], margin=1.3)
    monkeypatch.setattr(cover, "_LEAST_SMALL_SIGMA_PX", 1e9)
    plain = cover_boxes(image, [face], margin=1.3)
    difference = np.abs(covered.astype(int) - plain)
    assert difference.max() <= (0 if face_px == 127 else 3)
    assert difference.mean() < 0.5
    assert detail(covered, face) < 1.5
