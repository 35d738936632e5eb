import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.video_making import write_video
from wtours.detectors.faces import CenterFaceDetector
from wtours.errors import WtoursError
from wtours.shards import Box
from wtours.stages.blur import BlurSettings, BlurStage, blur_boxes, fit_short_side
from wtours.video import open_video

FACE = Box(x0=60, y0=40, x1=100, y1=96, score=0.9)


def detail(image: np.ndarray, box: Box) -> float:
    """Return how much there is in a box that is finer than an eighth of it."""
    part = image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].astype(np.float32)
    coarse = cv2.GaussianBlur(part, (0, 0), (box.y1 - box.y0) / 16)
    return float(np.abs(part - coarse).mean())


def noise(seed: int = 0, height: int = 140, width: int = 180) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_nothing_fine_is_left_in_a_box_and_its_corners() -> None:
    image = noise()
    covered = blur_boxes(image, [FACE], margin=1.3)
    assert detail(image, FACE) > 50
    assert detail(covered, FACE) < 1.5


@pytest.mark.parametrize("margin", [1.0, 1.3])
def test_pixels_far_from_a_box_are_untouched_and_the_input_too(margin: float) -> None:
    image = noise()
    before = image.copy()
    covered = blur_boxes(image, [FACE], margin=margin)
    far = np.ones(image.shape[:2], dtype=bool)
    far[16:120, 43:117] = False
    np.testing.assert_array_equal(covered[far], image[far])
    np.testing.assert_array_equal(image, before)


def test_boxes_over_the_border_and_tiny_ones_are_covered() -> None:
    image = noise()
    corner = Box(x0=0, y0=0, x1=20, y1=24, score=0.5)
    tiny = Box(x0=150, y0=100, x1=155, y1=106, score=0.5)
    outside = Box(x0=180, y0=140, x1=180, y1=140, score=0.5)
    covered = blur_boxes(image, [corner, tiny, outside], margin=1.3)
    assert detail(covered, corner) < 2
    assert covered[100:106, 150:155].std() < 30 < image[100:106, 150:155].std()


def test_sizes_fit_the_shorter_side_and_never_grow() -> None:
    assert fit_short_side(3840, 2160, 512) == (910, 512)
    assert fit_short_side(1376, 1840, 512) == (512, 685)
    assert fit_short_side(320, 240, 512) == (320, 240)


def test_a_real_face_is_found_at_its_place_and_covered(tmp_path: Path) -> None:
    """A packaged photograph; the box lies in the stored picture, half the size of the frame."""
    path = write_video(tmp_path / "face.mkv", [data.astronaut()])
    settings = BlurSettings()
    detector = settings.open_detector()
    with open_video(path) as reader:
        frame = next(iter(reader))
        stored = frame.scaled(256, 256)
        stage = BlurStage(settings, detector, picture_size=(256, 256))
        covered, boxes = stage.process_frame(frame, stored)
    face = boxes[0]
    assert face.score > 0.8
    assert (face.x0, face.y0, face.x1, face.y1) == pytest.approx((91, 29, 135, 89), abs=8)
    assert detail(covered, face) < 1.5 < 5 < detail(stored, face)
    assert not any(box.score > 0.5 for box in detector.detect(covered))


@pytest.mark.parametrize(("field", "value"), [("threshold", 0.0), ("threshold", 2.0)])
def test_bad_settings_are_refused(field: str, value: float) -> None:
    with pytest.raises(WtoursError, match="threshold"):
        BlurSettings(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(WtoursError, match="margin"):
        BlurSettings(margin=0.9)


@pytest.mark.media
def test_both_faces_of_the_kitchen_are_covered_in_every_picture(media: Path) -> None:
    settings = BlurSettings()
    detector = CenterFaceDetector(threshold=settings.threshold)
    with open_video(media / "kitchen_faces_2560.mp4") as reader:
        stage = BlurStage(settings, detector, picture_size=(683, 512))
        for frame in reader:
            covered, boxes = stage.process_frame(frame, frame.scaled(683, 512))
            sure = [box for box in boxes if box.score > 0.5]
            assert len(sure) == 2, f"picture {frame.index} has {len(sure)} faces"
            coded = io.BytesIO()
            Image.fromarray(covered).save(coded, "JPEG", quality=90)
            pixels = np.asarray(Image.open(coded))
            assert max(detail(pixels, box) for box in sure) < 1.5
