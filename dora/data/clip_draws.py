"""What is drawn for one clip: boxes, flips and colours of all its views.

Every parameter is drawn from (seed, position, view, frame), and no pixel is touched. Which draws
are shared by the frames of a clip is decided here and nowhere else. To be applied, the parameters
of a picture become one row of numbers: those of a whole batch are one array.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dora.config import AugmentConfig
from dora.data.colours import COLOUR_COLUMNS, COLOUR_DRAWS, ColourDraws, draw_colours
from dora.data.crops import BOX_DRAWS, draw_boxes, draw_plain_box
from dora.data.draws import FIRST_CROP, GLOBAL_VIEWS, LOCAL_CROPS, uniform_draws_for

VIEW_DRAWS = 40
"""Uniform numbers kept for one view of one frame: box, flip, colours, and some to spare."""
assert BOX_DRAWS + 1 + COLOUR_DRAWS <= VIEW_DRAWS

TOP, LEFT, HEIGHT, WIDTH, FLIP = range(5)
"""Columns of a row of parameters; those of the colours follow."""
COLOURS = slice(5, 5 + COLOUR_COLUMNS)
VIEW_COLUMNS = 5 + COLOUR_COLUMNS


@dataclass(frozen=True, kw_only=True)
class ViewDraws:
    """What was drawn for L views of T frames."""

    boxes: NDArray[np.int64]
    """(L, T, 4) top, left, height, width in pixels of the first crop."""
    flips: NDArray[np.bool_]
    """(L, T)"""
    colours: ColourDraws

    def __getitem__(self, part: slice) -> "ViewDraws":
        """Return the draws of some views."""
        return ViewDraws(boxes=self.boxes[part], flips=self.flips[part], colours=self.colours[part])

    def rows(self) -> NDArray[np.float32]:
        """Return (L, T, VIEW_COLUMNS): the parameters of each picture; all fit a float32."""
        return np.concatenate(
            [self.boxes, self.flips[..., None], self.colours.rows()], axis=-1, dtype=np.float32
        )


@dataclass(frozen=True, kw_only=True)
class ClipDraws:
    """Everything that was drawn for one clip."""

    first_box: NDArray[np.int64]
    """(4,) top, left, height, width in pixels of the frames."""
    views: ViewDraws
    """(V + L, T, ...): global views, whose boxes and flips are equal over T, then local crops."""
    global_count: int
    """V"""

    @property
    def global_views(self) -> ViewDraws:
        """Return what was drawn for the (V, T) pictures of global views."""
        return self.views[: self.global_count]

    @property
    def local_crops(self) -> ViewDraws:
        """Return what was drawn for the (L, T) pictures of local crops."""
        return self.views[self.global_count :]

    def rows(self) -> NDArray[np.float32]:
        """Return (V + L, T, VIEW_COLUMNS): the parameters of all pictures of the clip."""
        return self.views.rows()


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
    count = len(augment.global_views)
    purposes = [FIRST_CROP]
    purposes += [GLOBAL_VIEWS + v for v in range(count)]
    purposes += [LOCAL_CROPS + j for j in range(augment.local_crops)]
    draws = uniform_draws_for(
        seed, purposes=purposes, place=position, rows=frames, columns=VIEW_DRAWS
    )
    box = draws[0, 0, :BOX_DRAWS]
    if augment.first_crop == "plain":
        first_box = draw_plain_box(box, height=height, width=width, px=augment.first_px)
    else:
        first_box = draw_boxes(box, height=height, width=width, scale=augment.first_scale)
    return ClipDraws(first_box=first_box, views=_draw_views(draws[1:], augment), global_count=count)


def _draw_views(draws: NDArray[np.float64], augment: AugmentConfig) -> ViewDraws:
    """Return the parameters of all views from (V + L, T, VIEW_DRAWS) uniform numbers.

    What is drawn once for a clip is taken from the numbers of its first frame. All views are drawn
    together, for at these sizes the number of operations is what costs.
    """
    kinds = (*augment.global_views, *(augment.local_view,) * augment.local_crops)
    of_clip = kinds if augment.local_box == "clip" else augment.global_views
    geometry = draws[..., : BOX_DRAWS + 1].copy()
    geometry[: len(of_clip)] = draws[: len(of_clip), :1, : BOX_DRAWS + 1]
    firsts = np.broadcast_to(draws[:, :1], draws.shape)
    photometry = firsts if augment.photometric == "clip" else draws
    scales = np.asarray([view.scale for view in kinds]).T[..., None, None]
    flips = np.asarray([view.flip for view in kinds])[:, None]
    side = augment.first_px
    return ViewDraws(
        boxes=draw_boxes(geometry[..., :BOX_DRAWS], height=side, width=side, scale=scales),
        flips=geometry[..., BOX_DRAWS] < flips,
        colours=draw_colours(photometry[..., BOX_DRAWS + 1 :][..., :COLOUR_DRAWS], *kinds),
    )
