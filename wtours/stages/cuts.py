"""Where a shot ends and another begins: PySceneDetect's detectors on the frames of our decode.

Done in two steps, so that a video may be scored in stretches and judged as a whole: every frame
gets the score of its difference to the frame before, and the detectors then run over the joined
series of scores (`find_cuts`), which needs no pictures.
"""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode
from scenedetect.common import Timecode
from scenedetect.detector import SceneDetector

from wtours.errors import WtoursError
from wtours.shards import Cut
from wtours.shards.segments import Ints
from wtours.video import Frame


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """Which detector decides, and its figures: PySceneDetect's defaults."""

    detector: Literal["content", "adaptive"] = "content"
    """content: a score at or over the threshold. adaptive: a score that stands out from those
    around it."""
    threshold: float | None = None
    """content: 27, mean change of hue, saturation and value in levels of 255. adaptive: 3, ratio
    to the mean of the two scores before and the two after. None: the detector's default."""
    min_shot_s: float = 0.6
    """No shot is shorter; the default of PySceneDetect's command."""

    def __post_init__(self) -> None:
        if self.detector not in _THRESHOLDS:
            raise WtoursError(
                f"there is no cut detector {self.detector!r}",
                remedy=f"choose one of {', '.join(_THRESHOLDS)}, none",
            )
        if not 0 < self.threshold_in_use < 256:
            raise WtoursError(
                f"the threshold of cuts is {self.threshold}, but must lie over 0 and under 256",
                remedy="give one such as 27 for content, or 3 for adaptive",
            )
        if not 0 <= self.min_shot_s < 86_400:
            raise WtoursError(
                f"the shortest shot is {self.min_shot_s} s, but must have 0 or more",
                remedy="give one such as 0.6",
            )

    @property
    def threshold_in_use(self) -> float:
        """The threshold that was given, or the detector's default."""
        return _THRESHOLDS[self.detector] if self.threshold is None else self.threshold

    def to_record(self) -> dict[str, Any]:
        """Return what the dataset record says of them."""
        return asdict(self) | {"threshold": self.threshold_in_use}


_THRESHOLDS = {"content": 27.0, "adaptive": 3.0}


SmallPicture = NDArray[np.uint8]
"""(3, h, w) hue, saturation and value of a small picture."""


class CutStage:
    """Scores every frame against the one before; keeps the first and the last small picture."""

    def __init__(self) -> None:
        self._first: SmallPicture | None = None
        self._before: SmallPicture | None = None
        self._scores: list[float] = []

    def process_frame(self, frame: Frame) -> None:
        """Score one frame; the first has 0."""
        planes = cv2.split(cv2.cvtColor(frame.sampled_bgr(), cv2.COLOR_BGR2HSV))
        hsv = cast(SmallPicture, np.stack(planes))
        if self._before is None:
            self._first = hsv
        self._scores.append(0.0 if self._before is None else content_score(self._before, hsv))
        self._before = hsv

    def finish(self) -> NDArray[np.float64]:
        """Return (F,) the scores of all frames."""
        return np.asarray(self._scores, dtype=np.float64)

    def ends(self) -> tuple[SmallPicture, SmallPicture] | None:
        """Return the small pictures of the first and of the last frame; None without frames."""
        if self._first is None or self._before is None:
            return None
        return self._first, self._before


def content_score(before: SmallPicture, after: SmallPicture) -> float:
    """Return the mean of the mean absolute changes of hue, saturation and value.

    The value of `ContentDetector` with its default weights, in levels of 255 (hue: of 180).
    """
    changes = [
        cv2.norm(one, other, cv2.NORM_L1) / one.size
        for one, other in zip(before, after, strict=True)
    ]
    return float(sum(changes) / len(changes))


class _ScoredContent(ContentDetector):  # type: ignore[misc]  # published without types
    """PySceneDetect's rule over scores that are known: its picture is a score."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
        return float(frame_img)


class _ScoredAdaptive(AdaptiveDetector):  # type: ignore[misc]  # published without types
    """The same for the adaptive detector."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
        return float(frame_img)


def find_cuts(
    scores: NDArray[np.float64],
    pts: Ints,
    *,
    time_base: Fraction,
    rate: Fraction,
    settings: CutSettings,
) -> tuple[Cut, ...]:
    """Return the cuts of a video.

    Args:
        scores: (F,) from `CutStage`.
        pts: (F,) time stamps of the same frames, in units of `time_base`.
        time_base: seconds a unit.
        rate: frames a second on the average.
        settings: detector and its figures.
    """
    detector = _detector(settings)
    found: list[FrameTimecode] = []
    time = FrameTimecode(0, rate)
    for score, stamp in zip(scores.tolist(), pts.tolist(), strict=True):
        time = FrameTimecode(Timecode(pts=stamp, time_base=time_base), rate)
        found += detector.process_frame(time, score)
    found += detector.post_process(time)
    score_at = dict(zip(pts.tolist(), scores.tolist(), strict=True))
    return tuple(
        Cut(
            pts=stamp,
            time_s=float(stamp * time_base),
            score=score_at[stamp],
            detector=settings.detector,
        )
        for stamp in sorted({time.pts for time in found})
    )


def _detector(settings: CutSettings) -> SceneDetector:
    # Seconds as a float are compared as time; an integer would count frames of a mean rate.
    shortest_s = float(settings.min_shot_s)
    if settings.detector == "content":
        return _ScoredContent(threshold=settings.threshold_in_use, min_scene_len=shortest_s)
    return _ScoredAdaptive(adaptive_threshold=settings.threshold_in_use, min_scene_len=shortest_s)
