"""From a kept frame to the picture that is stored: measured, faces covered, coded as JPEG."""

import io
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wtours.shards import Picture
from wtours.stages.blur import BlurStage
from wtours.stages.lightness import measure_lightness
from wtours.video import Frame

Pixels = NDArray[np.uint8]
Grey = NDArray[np.uint8]
Thumbnail = NDArray[np.float32]
"""(36, 64) grey levels of 255."""

THUMBNAIL_SIZE = (64, 36)
"""Width and height at which motion is measured."""
_HASH_SIDE, _HASH_KEPT = 32, 8
_HASH_DECIMALS = 3
"""Coefficients are rounded to this before they are compared: in an even picture they are all 0
but for rounding errors, which must not decide bits."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPicture:
    """A picture with the small grey one from which motion is measured."""

    picture: Picture
    thumbnail: Thumbnail


class PictureStage:
    """Makes the stored picture of a kept frame.

    Args:
        video: name of the video.
        size: width and height of the stored pictures.
        jpeg_quality: 1 to 95.
        blur: covers faces; None leaves them.
    """

    def __init__(
        self, *, video: str, size: tuple[int, int], jpeg_quality: int, blur: BlurStage | None
    ) -> None:
        self._video, self._size, self._quality, self._blur = video, size, jpeg_quality, blur

    def process_frame(self, tick: int, frame: Frame) -> MeasuredPicture:
        """Return the picture of a frame; everything but the JPEG is of the uncovered one."""
        image = frame.scaled(*self._size)
        grey = grey_picture(image)
        covered, boxes = (
            (image, ()) if self._blur is None else self._blur.process_frame(frame, image)
        )
        picture = Picture(
            video=self._video,
            tick=tick,
            pts=frame.pts,
            time_s=frame.pts_s,
            jpeg=encode_jpeg(covered, quality=self._quality),
            width=self._size[0],
            height=self._size[1],
            lightness=measure_lightness(image),
            sharpness=measure_sharpness(grey),
            phash=perceptual_hash(grey),
            boxes=boxes,
            blurred=self._blur is not None,
        )
        return MeasuredPicture(picture=picture, thumbnail=averaged_down(grey, *THUMBNAIL_SIZE))


def encode_jpeg(image: Pixels, *, quality: int) -> bytes:
    """Return an (H, W, 3) RGB picture as a baseline JPEG with halved chroma (4:2:0)."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return stream.getvalue()


def grey_picture(image: Pixels) -> Grey:
    """Return (H, W) 0.299 R + 0.587 G + 0.114 B of an (H, W, 3) picture, in 8 bits."""
    return cast(Grey, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def measure_sharpness(grey: Grey) -> float:
    """Return the variance of the Laplacian; a border pixel's missing neighbour is its other one."""
    return float(cv2.Laplacian(grey, cv2.CV_32F, ksize=1).var(dtype=np.float64))


def averaged_down(grey: Grey, width: int, height: int) -> NDArray[np.float32]:
    """Return (height, width) grey levels, each the mean over its area, not rounded."""
    small = cv2.resize(grey.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return cast(NDArray[np.float32], small)


def measure_motion(before: Thumbnail, after: Thumbnail) -> float:
    """Return the mean absolute difference of two thumbnails, in grey levels of 255."""
    return float(np.abs(after - before).mean(dtype=np.float64))


def perceptual_hash(grey: Grey) -> int:
    """Return 64 bits that stay nearly the same when a picture is scaled, coded or lit anew.

    Signs of the 8 x 8 lowest frequencies of a 32 x 32 DCT-II against their median, mean left out
    (FORMAT.md).
    """
    small = averaged_down(grey, _HASH_SIDE, _HASH_SIDE).astype(np.float64)
    lowest: NDArray[Any] = cv2.dct(small)[:_HASH_KEPT, :_HASH_KEPT].ravel().round(_HASH_DECIMALS)
    bits = lowest > np.median(lowest[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
