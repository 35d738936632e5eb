"""What `wtours shard` keeps of a video, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, get_args

from wtours.errors import WtoursError
from wtours.stages.blur import BlurSettings
from wtours.stages.cuts import CutSettings

Fps = Fraction | Literal["native"]
Sampled = Literal["nearest", "keyframes"]
_LEAST_FPS, _MOST_FPS = Fraction(1, 86_400), Fraction(10_000)
"""A picture a day; more than any camera takes."""


@dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """Everything that pictures and index depend on beside the video; it stands in the record."""

    fps: Fps = Fraction(1)
    """Frames kept per second of video; `native` keeps every one."""
    sampling: Sampled = "nearest"
    """Which frame stands for a time: the nearest one, or the nearest keyframe, which needs no other
    frame and so is found in a fraction of the time."""
    short_side_px: int = 512
    """Shorter side of the stored pictures; smaller videos are never enlarged."""
    jpeg_quality: int = 90
    """1 to 95."""
    blur: BlurSettings | None = field(default_factory=BlurSettings)
    """How faces are covered; None stores them as they are."""
    cuts: CutSettings | None = field(default_factory=CutSettings)
    """How cuts are found; None finds none."""
    tar_s: float = 60.0
    """Seconds of video in one tar."""

    def __post_init__(self) -> None:
        if isinstance(self.fps, Fraction) and not _LEAST_FPS <= self.fps <= _MOST_FPS:
            raise _bad_fps(str(self.fps))
        if self.sampling not in get_args(Sampled):
            raise WtoursError(
                f"--sampling {self.sampling} is not known",
                remedy="give nearest, or keyframes for a preview",
            )
        _require_range("short side", self.short_side_px, 16, 8192, "such as 512")
        _require_range("JPEG quality", self.jpeg_quality, 1, 95, "such as 90")
        _require_range("length of a tar", self.tar_s, 1, 86_400, "in seconds, such as 60")

    @property
    def kept_fps(self) -> Fraction | None:
        """Ticks a second; None: every frame is kept."""
        return self.fps if isinstance(self.fps, Fraction) else None

    def to_record(self) -> dict[str, Any]:
        """Return what the dataset record says of them."""
        return {
            "fps": str(self.fps),
            "sampling": self.sampling,
            "short_side_px": self.short_side_px,
            "jpeg": {"quality": self.jpeg_quality, "subsampling": "4:2:0"},
            "blur": self.blur.to_record() if self.blur is not None else None,
            "cuts": self.cuts.to_record() if self.cuts is not None else None,
            "tar_s": float(self.tar_s),
        }


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in what two records of settings differ."""
    return "; ".join(
        f"{key} {there.get(key)} instead of {wanted.get(key)}"
        for key in sorted(set(wanted) | set(there))
        if there.get(key) != wanted.get(key)
    )


def parse_fps(text: str) -> Fps:
    """Return the rate that a user typed: `1`, `29.97`, `30000/1001` or `native`.

    Raises:
        WtoursError: it is none of these.
    """
    if text == "native":
        return "native"
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise _bad_fps(text) from None
    if not _LEAST_FPS <= fps <= _MOST_FPS:
        raise _bad_fps(text)
    return fps


def _bad_fps(text: str) -> WtoursError:
    return WtoursError(
        f"--fps {text} is not a rate",
        remedy="give frames per second such as 1, 0.5 or 30000/1001, or `native` for every frame",
    )


def _require_range(what: str, value: float, low: float, high: float, example: str) -> None:
    if not low <= value <= high:
        raise WtoursError(
            f"the {what} is {value}, but must lie between {low:g} and {high:g}",
            remedy=f"give one {example}",
        )
