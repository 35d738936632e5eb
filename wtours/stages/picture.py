"""From a kept frame to the picture that is stored: measured, faces covered, coded as JPEG."""

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wtours.shards import Box, Picture
from wtours.stages.blur import BlurStage
from wtours.stages.guard import GuardRule, GuardWindow, Seen
from wtours.stages.lightness import measure_lightness
from wtours.video import Shown

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
    """Makes the stored pictures of kept frames.

    A picture is done when all frames that its guards may come from were seen, so that pictures come
    some frames later than they went in, in the same order.

    Args:
        video: name of the video.
        size: width and height of the stored pictures.
        jpeg_quality: 1 to 95.
        blur: finds and covers faces; None leaves them.
        guards: which boxes of neighbouring pictures are covered as well.
    """

    def __init__(
        self,
        *,
        video: str,
        size: tuple[int, int],
        jpeg_quality: int,
        blur: BlurStage | None,
        guards: GuardRule | None = None,
    ) -> None:
        self._video, self._size, self._quality, self._blur = video, size, jpeg_quality, blur
        self._window: GuardWindow[_Uncovered] | None = None
        if blur is not None and guards is not None and guards.reach_pts:
            self._window = GuardWindow(guards)

    def process_frame(self, tick: int, frame: Shown) -> list[MeasuredPicture]:
        """Take the next kept frame; return the pictures that are done."""
        if self._window is None:
            return [self.process_alone(tick, frame)]
        uncovered = self._measure(tick, frame)
        seen = Seen(pts=frame.pts, boxes=uncovered.measured.picture.boxes)
        return [self._covered(*ready) for ready in self._window.add(seen, uncovered)]

    def process_alone(self, tick: int, frame: Shown) -> MeasuredPicture:
        """Return the picture of a frame without guards, whatever went in before."""
        return self._covered(self._measure(tick, frame), ())

    def look_at(self, frame: Shown) -> list[MeasuredPicture]:
        """Take a kept frame of a neighbouring stretch, of which no picture is made here."""
        if self._window is None or self._blur is None:
            return []
        seen = Seen(pts=frame.pts, boxes=self._blur.find(frame))
        return [self._covered(*ready) for ready in self._window.add(seen, None)]

    def finish(self) -> list[MeasuredPicture]:
        """Return the pictures that are left."""
        if self._window is None:
            return []
        return [self._covered(*ready) for ready in self._window.finish()]

    def _measure(self, tick: int, frame: Shown) -> "_Uncovered":
        """Measure a frame and find its faces: everything but the JPEG is of the uncovered one."""
        image = frame.scaled(*self._size)
        grey = grey_picture(image)
        picture = Picture(
            video=self._video,
            tick=tick,
            pts=frame.pts,
            time_s=frame.pts_s,
            jpeg=b"",
            width=self._size[0],
            height=self._size[1],
            lightness=measure_lightness(image),
            sharpness=measure_sharpness(grey),
            phash=perceptual_hash(grey),
            boxes=() if self._blur is None else self._blur.find(frame),
            blurred=self._blur is not None,
        )
        thumbnail = averaged_down(grey, *THUMBNAIL_SIZE)
        return _Uncovered(
            image=image, measured=MeasuredPicture(picture=picture, thumbnail=thumbnail)
        )

    def _covered(self, uncovered: "_Uncovered", guards: tuple[Box, ...]) -> MeasuredPicture:
        picture, image = uncovered.measured.picture, uncovered.image
        boxes = (*picture.boxes, *guards)
        if self._blur is not None:
            image = self._blur.cover(image, boxes)
        jpeg = encode_jpeg(image, quality=self._quality)
        return replace(uncovered.measured, picture=replace(picture, jpeg=jpeg, boxes=boxes))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Uncovered:
    """A picture on its way: as it was, with what was measured and found."""

    image: Pixels
    measured: MeasuredPicture


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
