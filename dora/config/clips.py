"""Which clips there are, and what is seen of them."""

import math
from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require, require_at_least, require_scale, require_share


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """Which frames of a video make one clip."""

    frames: int = 8
    """Frames per clip (T)."""
    stride_s: float = 1.0
    """Time between neighbouring frames, in seconds of video, whatever the frame rate."""
    cross_cuts: bool = False
    """Whether clips go on over cuts (row 31); over missing frames they never do."""

    def __post_init__(self) -> None:
        require(
            self.frames >= 1,
            f"clip.frames is {self.frames}, but objects are discovered in a clip's first frame",
            "set clip.frames to 1 for images, or to 8 as in the paper",
        )
        require(
            0 < self.stride_s < math.inf,
            f"clip.stride_s is {self.stride_s}, but time runs forward",
            "set clip.stride_s to 1.0 as in the paper",
        )


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """One kind of view: its box, its size, and what happens to its colours.

    In this order: crop and resize, flip, colour jitter, grey, blur, solarise, normalise.
    """

    scale: tuple[float, float]
    """Share of the parent's area that the box covers, smallest and largest."""
    px: int
    """Side of the square view in pixels."""
    flip: float = 0.0
    """Probability of a horizontal flip."""
    jitter: float = 0.8
    """Probability of colour jitter: brightness 0.4, contrast 0.4, saturation 0.2, hue 0.1."""
    grey: float = 0.2
    """Probability of dropping the colours."""
    blur: float = 0.5
    """Probability of a Gaussian blur of 0.1 to 2.0 pixels (standard deviation)."""
    solarise: float = 0.0
    """Probability of inverting what is brighter than 128 of 255."""

    def __post_init__(self) -> None:
        require_scale("a view's scale", self.scale)
        require(self.px >= 1, f"a view's side is {self.px} px", "use a multiple of the patch side")
        for name in ("flip", "jitter", "grey", "blur", "solarise"):
            require_share(f"a view's {name}", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """From the frames of a clip to its global and local views (multi-crop)."""

    first_crop: Literal["resized", "plain"] = "resized"
    """First crop of all frames: random and resized, or random only (row 19)."""
    first_scale: tuple[float, float] = (0.2, 1.0)
    """Share of the frame's area that a resized first crop covers."""
    first_px: int = 300
    """Side of the first crop."""
    global_views: tuple[ViewConfig, ...] = (
        ViewConfig(scale=(0.4, 1.0), px=224, flip=0.5, blur=0.1),
    )
    """A kind for each global view; all frames of a clip share box and flip (rows 1, 21)."""
    local_view: ViewConfig = ViewConfig(scale=(0.05, 0.4), px=112)
    """The kind of all local crops (rows 18, 20)."""
    local_crops: int = 6
    """Local crops per frame (m)."""
    local_box: Literal["frame", "clip"] = "frame"
    """Whether crop j has a box of its own in every frame, or one for the clip (row 23)."""
    photometric: Literal["frame", "clip"] = "frame"
    """Whether colours, grey and blur are drawn anew for every frame, or once a clip (row 22)."""

    def __post_init__(self) -> None:
        require_scale("augment.first_scale", self.first_scale)
        require_at_least(1, augment__first_px=self.first_px)
        require(
            len(self.global_views) in (1, 2),
            f"augment.global_views holds {len(self.global_views)} views",
            "give one (released code) or two (paper)",
        )
        sides = {view.px for view in self.global_views}
        require(
            len(sides) == 1, f"global views have sides {sorted(sides)}", "give them the same side"
        )
        require(
            self.local_crops >= 1,
            f"augment.local_crops is {self.local_crops}",
            "use at least 1; the released commands use 6",
        )
