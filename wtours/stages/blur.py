"""Finds faces and plates in kept frames; they are covered before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wtours.detectors.detector import Detector
from wtours.detectors.faces import CenterFaceDetector
from wtours.errors import WtoursError
from wtours.shards import Box
from wtours.stages.cover import BlurStyle, cover_boxes
from wtours.stages.guard import GuardRule
from wtours.video import Shown
from wtours.whole_file import file_sha256

Pixels = NDArray[np.uint8]

DETECTION_RATIO = 720 / 512
"""Detection looks at pictures this much larger than the stored ones (the longer a face is seen)."""


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """How faces and plates are found and covered.

    Raises:
        WtoursError: a value is out of its range, or a model's file is not there.
    """

    threshold: float = 0.2
    """Least score, 0 to 1. Low, since a face that is missed costs more than a blurred patch."""
    style: BlurStyle = "gauss"
    """What a covered face looks like."""
    margin: float = 1.3
    """Every side of a box moves out by (margin - 1) of the box's size, as in deface."""
    detection_px: int | None = None
    """Shorter side of the picture that detectors see; None: 720/512 of the stored one's."""
    guard_s: float = 0.25
    """What is found in a kept frame is covered in those up to so many seconds before and after;
    0 covers it there alone. Frames that are kept further apart than this have no guards."""
    face_model: Path | None = None
    """A TorchScript model of faces (`wtours/detectors/torchscript.py`); None: CenterFace."""
    plate_model: Path | None = None
    """The same of licence plates; None: plates are not looked for."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise WtoursError(
                f"the blur threshold is {self.threshold}, but scores lie between 0 and 1",
                remedy="give one such as 0.2; lower covers more",
            )
        if not 1 <= self.margin <= 10:
            raise WtoursError(
                f"the blur margin is {self.margin}; under 1 would leave part of a face, and over "
                "10 hardly anything else",
                remedy="give one such as 1.3",
            )
        if self.style not in get_args(BlurStyle):
            raise WtoursError(
                f"there is no blur style {self.style!r}",
                remedy=f"give one of {', '.join(get_args(BlurStyle))}",
            )
        if self.detection_px is not None and not 16 <= self.detection_px <= 8192:
            raise WtoursError(
                f"faces are to be looked for at {self.detection_px} px, but that side must lie "
                "between 16 and 8192",
                remedy="give one such as 720, or leave it out",
            )
        if not 0 <= self.guard_s <= 10:
            raise WtoursError(
                f"guards reach over {self.guard_s} s, but must reach over 0 to 10",
                remedy="give one such as 0.25, or 0 for none",
            )
        for model in (self.face_model, self.plate_model):
            if model is not None and not model.is_file():
                raise WtoursError(
                    f"there is no model {model}",
                    remedy="name the file of a TorchScript model, such as ego_blur_lp.jit",
                )

    def open_detectors(self) -> tuple[Detector, ...]:
        """Load the detectors, those of faces first.

        Raises:
            WtoursError: a model cannot be loaded.
        """
        faces = (
            CenterFaceDetector(threshold=self.threshold)
            if self.face_model is None
            else _torchscript(self.face_model, "face", self.threshold)
        )
        if self.plate_model is None:
            return (faces,)
        return faces, _torchscript(self.plate_model, "plate", self.threshold)

    def detection_size(
        self, width: int, height: int, *, picture_size: tuple[int, int]
    ) -> tuple[int, int]:
        """Return the size of the picture that detectors see of a frame of width x height."""
        short_px = self.detection_px or round(min(picture_size) * DETECTION_RATIO)
        return fit_short_side(width, height, short_px)

    def guard_rule(self, *, time_base: Fraction, size: tuple[int, int]) -> GuardRule:
        """Return the rule of guards for pictures of `size` and time stamps in units of a base."""
        return GuardRule(reach_pts=self.reach_pts(time_base), time_base=time_base, size=size)

    def reach_pts(self, time_base: Fraction) -> int:
        """Return how far guards reach, in units of a time base."""
        return int(Fraction(self.guard_s).limit_denominator(1000) / time_base)

    def to_record(self) -> dict[str, Any]:
        """Return what the dataset record says of them; models are named by their hash."""
        faces = _model_record(self.face_model)
        return {
            **(
                faces
                or {"detector": "centerface", "weights_sha256": CenterFaceDetector.weights_sha256()}
            ),
            "threshold": self.threshold,
            "style": self.style,
            "margin": self.margin,
            "detection_px": self.detection_px,
            "guard_s": float(self.guard_s),
            "plates": _model_record(self.plate_model),
        }


class BlurStage:
    """Finds faces and plates in a frame, and covers them in the picture that is stored of it.

    Args:
        settings: what is found, and how it is covered.
        detectors: those of the settings.
        picture_size: width and height of the stored pictures.
    """

    def __init__(
        self,
        settings: BlurSettings,
        detectors: Sequence[Detector],
        *,
        picture_size: tuple[int, int],
    ) -> None:
        self._settings, self._detectors = settings, detectors
        self._width, self._height = picture_size

    def find(self, frame: Shown) -> tuple[Box, ...]:
        """Return what is to be covered in a frame, in pixels of the stored picture."""
        seen = frame.scaled(
            *self._settings.detection_size(
                frame.width, frame.height, picture_size=(self._width, self._height)
            )
        )
        across, down = self._width / seen.shape[1], self._height / seen.shape[0]
        return tuple(
            replace(box, x0=box.x0 * across, x1=box.x1 * across, y0=box.y0 * down, y1=box.y1 * down)
            for detector in self._detectors
            for box in detector.detect([seen])[0]
        )

    def cover(self, stored: Pixels, boxes: Sequence[Box]) -> Pixels:
        """Return a copy of a stored picture in which the boxes are covered."""
        return cover_boxes(stored, boxes, margin=self._settings.margin, style=self._settings.style)


def _torchscript(path: Path, kind: Literal["face", "plate"], threshold: float) -> Detector:
    from wtours.detectors.torchscript import TorchScriptDetector  # torch takes seconds to import

    return TorchScriptDetector(path, kind=kind, threshold=threshold)


def _model_record(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    status = path.stat()
    digest = _file_sha256(path, status.st_mtime_ns, status.st_size)
    return {"detector": "torchscript", "weights_sha256": digest}


@lru_cache(maxsize=8)
def _file_sha256(path: Path, _mtime_ns: int, _size_bytes: int) -> str:
    """Hash a model once, not for every video."""
    return file_sha256(path)


def fit_short_side(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """Return the size whose shorter side is as given; a smaller picture stays as it is."""
    short = min(width, height)
    if short <= short_side_px:
        return width, height
    return (
        max(1, round(width * short_side_px / short)),
        max(1, round(height * short_side_px / short)),
    )
