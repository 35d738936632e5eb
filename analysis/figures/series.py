"""What figures that set groups side by side are given: the numbers of each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class VideoCurves:
    """Curves of one video of a group."""

    duration_s: float
    lightness: pd.DataFrame
    """As `envelope` returns it."""
    objects: pd.DataFrame | None
    """As `object_curve` returns it; None where nobody looked for objects."""
    shots: int | None
    """None where cuts were not sought."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One group of videos, as figures show it."""

    name: str
    videos: Sequence[VideoCurves]
    frequencies: Floats | None
    """(classes,) instances per 1,000 frames of each class, the most frequent first; None where
    nobody looked for objects."""
    growth: pd.DataFrame | None
    """`minute`, `total`: unique classes seen by the end of each minute of the group's video."""

    @property
    def duration_s(self) -> float:
        """Of all its videos together."""
        return sum(video.duration_s for video in self.videos)
