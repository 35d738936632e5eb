"""From the frames of one clip to its global views and local crops (multi-crop).

`draw_clip` draws every parameter from (seed, position, view, frame) and touches no pixel;
`augment_clip` applies what was drawn and draws nothing. Which draws are shared by the frames of a
clip is decided here and nowhere else.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dora.config import AugmentConfig, ViewConfig
from dora.data.colours import COLOUR_DRAWS, ColourDraws, change_colours, draw_colours
from dora.data.crops import (
    BOX_DRAWS,
    cut_first,
    cut_global,
    cut_locals,
    draw_boxes,
    draw_plain_box,
    to_uint8,
)
from dora.data.draws import FIRST_CROP, GLOBAL_VIEWS, LOCAL_CROPS, uniform_draws

VIEW_DRAWS = 40
"""Uniform numbers kept for one view of one frame: box, flip, colours, and some to spare."""
assert BOX_DRAWS + 1 + COLOUR_DRAWS <= VIEW_DRAWS


@dataclass(frozen=True, kw_only=True)
class ViewDraws:
    """What was drawn for one view of T frames; with L views stacked, (L, T, ...)."""

    boxes: NDArray[np.int64]
    """(T, 4) top, left, height, width in pixels of the first crop."""
    flips: NDArray[np.bool_]
    """(T,)"""
    colours: ColourDraws


@dataclass(frozen=True, kw_only=True)
class ClipDraws:
    """Everything that was drawn for one clip."""

    first_box: NDArray[np.int64]
    """(4,) top, left, height, width in pixels of the frames."""
    global_views: ViewDraws
    """(V, T, ...); boxes and flips are equal over T."""
    local_crops: ViewDraws
    """(L, T, ...)"""


@dataclass(frozen=True, kw_only=True)
class ClipViews:
    """The views of one clip as they leave a worker."""

    position: int
    """Number of the clip in the run."""
    global_views: Tensor
    """(V, T, 3, S, S) uint8."""
    local_crops: Tensor
    """(L, T, 3, s, s) uint8."""


def draw_clip(
    augment: AugmentConfig, *, seed: int, position: int, frames: int, height: int, width: int
) -> ClipDraws:
    """Return the parameters of all views of a clip.

    Args:
        augment: sizes and probabilities.
        seed: the run's seed.
        position: number of the clip in the run.
        frames: T.
        height: of the frames, pixels.
        width: of the frames, pixels.

    Raises:
        DoraError: the frames are smaller than a plain first crop.
    """
    draws = uniform_draws(seed, purpose=FIRST_CROP, place=position, rows=1, columns=VIEW_DRAWS)
    box = draws[0, :BOX_DRAWS]
    if augment.first_crop == "plain":
        first_box = draw_plain_box(box, height=height, width=width, px=augment.first_px)
    else:
        first_box = draw_boxes(box, height=height, width=width, scale=augment.first_scale)
    kinds = [(GLOBAL_VIEWS + v, view, "clip") for v, view in enumerate(augment.global_views)]
    crops = [
        (LOCAL_CROPS + j, augment.local_view, augment.local_box) for j in range(augment.local_crops)
    ]

    def draw(purpose: int, view: ViewConfig, scope: str) -> ViewDraws:
        numbers = uniform_draws(
            seed, purpose=purpose, place=position, rows=frames, columns=VIEW_DRAWS
        )
        return _draw_view(numbers, view, augment, one_box=scope == "clip")

    return ClipDraws(
        first_box=first_box,
        global_views=_stack([draw(*kind) for kind in kinds]),
        local_crops=_stack([draw(*crop) for crop in crops]),
    )


def _draw_view(
    draws: NDArray[np.float64], view: ViewConfig, augment: AugmentConfig, *, one_box: bool
) -> ViewDraws:
    """Return one view's parameters from (T, VIEW_DRAWS) uniform numbers.

    What is drawn once for a clip is taken from the numbers of its first frame.
    """
    geometry = np.broadcast_to(draws[:1], draws.shape) if one_box else draws
    once = augment.photometric == "clip"
    photometry = np.broadcast_to(draws[:1], draws.shape) if once else draws
    side = augment.first_px
    return ViewDraws(
        boxes=draw_boxes(geometry[:, :BOX_DRAWS], height=side, width=side, scale=view.scale),
        flips=geometry[:, BOX_DRAWS] < view.flip,
        colours=draw_colours(photometry[:, BOX_DRAWS + 1 :][:, :COLOUR_DRAWS], view),
    )


def _stack(views: list[ViewDraws]) -> ViewDraws:
    return ViewDraws(
        boxes=np.stack([view.boxes for view in views]),
        flips=np.stack([view.flips for view in views]),
        colours=ColourDraws.stack([view.colours for view in views]),
    )


def augment_clip(
    frames: NDArray[np.uint8], augment: AugmentConfig, draws: ClipDraws, *, position: int
) -> ClipViews:
    """Return the views of one clip.

    Args:
        frames: (T, H, W, 3) uint8.
        augment: sizes of the views.
        draws: what was drawn for it.
        position: number of the clip in the run.
    """
    first = cut_first(frames, draws.first_box, px=augment.first_px)
    drawn = draws.global_views
    global_views = torch.stack(
        [
            cut_global(first, drawn.boxes[v, 0], px=view.px, flip=bool(drawn.flips[v, 0]))
            for v, view in enumerate(augment.global_views)
        ]
    )
    local_crops = cut_locals(
        to_uint8(first).permute(0, 2, 3, 1).contiguous().numpy(),
        draws.local_crops.boxes,
        draws.local_crops.flips,
        px=augment.local_view.px,
    )
    return ClipViews(
        position=position,
        global_views=_recolour(global_views, draws.global_views.colours),
        local_crops=_recolour(local_crops, draws.local_crops.colours),
    )


def _recolour(views: Tensor, colours: ColourDraws) -> Tensor:
    return change_colours(views.flatten(0, 1), colours.flat()).view_as(views)
