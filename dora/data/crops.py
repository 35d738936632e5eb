"""Boxes of views: how they are drawn, and how the first one is cut out of its frames.

Drawing (NumPy, from uniform numbers) is apart from applying, so that a clip gets the same views
wherever they are computed. Boxes are (top, left, height, width) in pixels of their parent.

The first crop is bilinear without antialiasing, as in the released code, which goes on with it as
floats; here it is rounded to 8 bits, and so are all later steps: within one level of its float
(its own cutting off at the end makes pictures half a level darker on average).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dora.data.jpeg import SHRINKS, Shrink, decode_jpeg, shrunk_size
from dora.errors import DoraError

TRIES = 10
BOX_DRAWS = 2 * TRIES + 2
"""Uniform numbers that one box takes."""
RATIO = (3 / 4, 4 / 3)
"""Width over height of a box, smallest and largest."""


def draw_boxes(
    draws: NDArray[np.float64],
    *,
    height: int,
    width: int,
    scale: tuple[float, float] | NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return (..., 4) boxes as torchvision's RandomResizedCrop draws them.

    A share of the parent's area and a ratio are tried ten times; if no box fits, it is the largest
    centred one with an allowed ratio.

    Args:
        draws: (..., BOX_DRAWS) uniform in [0, 1).
        height: of the parent, pixels.
        width: of the parent, pixels.
        scale: share of the parent's area, smallest and largest, each one number or, of arrays,
            whatever goes with (..., TRIES).
    """
    area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[..., :TRIES])
    low, high = np.log(RATIO)
    ratio = np.exp(low + (high - low) * draws[..., TRIES : 2 * TRIES])
    widths = np.rint(np.sqrt(area * ratio)).astype(np.int64)
    heights = np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    chosen = np.argmax(fits, axis=-1)[..., None]
    box_w = np.take_along_axis(widths, chosen, axis=-1)[..., 0]
    box_h = np.take_along_axis(heights, chosen, axis=-1)[..., 0]
    top = np.floor(draws[..., -2] * (height - box_h + 1)).astype(np.int64)
    left = np.floor(draws[..., -1] * (width - box_w + 1)).astype(np.int64)
    boxes = np.stack([top, left, box_h, box_w], axis=-1)
    return np.where(fits.any(axis=-1)[..., None], boxes, _centred_box(height, width))


def _centred_box(height: int, width: int) -> NDArray[np.int64]:
    box_h, box_w = height, width
    if width / height < RATIO[0]:
        box_h = round(width / RATIO[0])
    elif width / height > RATIO[1]:
        box_w = round(height * RATIO[1])
    return np.asarray([(height - box_h) // 2, (width - box_w) // 2, box_h, box_w])


def draw_plain_box(
    draws: NDArray[np.float64], *, height: int, width: int, px: int
) -> NDArray[np.int64]:
    """Return (4,), a box of px x px anywhere in the parent.

    Raises:
        DoraError: the parent is smaller.
    """
    if min(height, width) < px:
        raise DoraError(
            f"a picture of {width}x{height} px is smaller than the first crop of {px} px",
            remedy="make the shards with a larger --short-side, or lower augment.first_px",
        )
    top, left = (
        int(u * (side - px + 1)) for u, side in zip(draws[-2:], (height, width), strict=True)
    )
    return np.asarray([top, left, px, px])


def shrink_of(box: NDArray[np.int64], *, px: int) -> Shrink:
    """Return by what frames can be made smaller while decoded, so that the box keeps px pixels."""
    sides = [int(side) for side in box[2:]]
    return next(n for n in SHRINKS if n == 1 or min(sides) // n >= px)


def shrunk_box(box: NDArray[np.int64], shrink: Shrink) -> tuple[slice, slice]:
    """Return the rows and columns of a box in the smaller picture, to its nearest pixels.

    Each edge moves by at most half a pixel of the smaller picture: one of the frame at a half.
    """
    top, left, height, width = (int(edge) for edge in box)
    half = shrink // 2
    rows = slice((top + half) // shrink, (top + height + half) // shrink)
    return rows, slice((left + half) // shrink, (left + width + half) // shrink)


def buffer_bytes(size: tuple[int, int]) -> int:
    """Return the bytes of memory to decode into for `Cutter`: one row more than a picture."""
    return 3 * (size[0] + 1) * size[1]


class Cutter:
    """Cuts one box out of frames of one size, from their JPEGs.

    What is the same for all frames is done once: between two decodes little else of a program is
    left in a processor's cache, where each step of Python costs several times its usual time.

    Args:
        size: height and width of the frames.
        box: (4,) the box.
        px: side of the crops.
        buffer: memory to decode into, (bytes,), at least `buffer_bytes`; not given: fresh memory.
    """

    def __init__(
        self,
        size: tuple[int, int],
        box: NDArray[np.int64],
        *,
        px: int,
        buffer: NDArray[np.uint8] | None = None,
    ) -> None:
        self._size, self._px = size, px
        self._shrink = shrink_of(box, px=px)
        self._buffer = np.empty(buffer_bytes(size), dtype=np.uint8) if buffer is None else buffer
        self._rows, self._columns = shrunk_box(box, self._shrink)
        self._in_place = self._columns.stop - self._columns.start >= px
        self._picture, self._across = self._whole_rows()

    def cut(self, jpeg: bytes, *, out: Tensor | None = None) -> Tensor:
        """Return the crop of a frame, (1, 3, px, px) uint8, channels last.

        Args:
            jpeg: the frame.
            out: memory for the crop, in its shape and order; not given: fresh memory.

        Raises:
            DamagedJpegError: the frame cannot be decoded.
        """
        pixels = decode_jpeg(jpeg, self._size, shrink=self._shrink, buffer=self._buffer)
        if self._in_place:
            return _resize(self._picture, px=self._px, across=self._across, out=out)
        return resize_first(pixels[self._rows, self._columns], px=self._px, out=out)

    def _whole_rows(self) -> tuple[Tensor, float]:
        """Return the box as a picture of whole rows, (1, 3, h, W), and px over its own width.

        Of a box at least px wide, this makes what `resize_first` makes, without a copy: torch first
        copies a picture whose rows do not follow each other in memory, as a box's do not, which is
        a quarter of the resizing. Rows as long as the frame's that begin at the box's left edge do.
        They run on into the next row, hence the one more, but no column of the result reads so far:
        where nothing is enlarged, its last one lies (1 + w / px) / 2 from the box's end and reads
        the pixels to its sides (of equal widths, the one outside by the weight 0).
        """
        width = shrunk_size(self._size, self._shrink)[1]
        height = self._rows.stop - self._rows.start
        strides = (3 * height * width, 1, 3 * width, 3)
        start = 3 * (self._rows.start * width + self._columns.start)
        picture = torch.from_numpy(self._buffer).as_strided((1, 3, height, width), strides, start)
        return picture, self._px / (self._columns.stop - self._columns.start)


def resize_first(pixels: NDArray[np.uint8], *, px: int, out: Tensor | None = None) -> Tensor:
    """Return an (H, W, 3) picture as (1, 3, px, px) uint8, channels last.

    torch computes 8 bits with whole numbers (weights of 15 bits, 8 bits between the two axes):
    within one level of floats, in 0.2 ms; floats take five times as long.
    """
    # In this order the strides say that channels are last, and the result's will be as well.
    picture = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    return _resize(picture, px=px, across=None, out=out)


def _resize(picture: Tensor, *, px: int, across: float | None, out: Tensor | None) -> Tensor:
    """Return a (1, 3, H, W) picture as (1, 3, px, px), its width scaled by a factor if given."""
    if out is None:
        out = torch.empty((1, px, px, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    # What `interpolate` calls, which takes no memory for its result: (align_corners, scales).
    torch.ops.aten.upsample_bilinear2d.out(picture, (px, px), False, None, across, out=out)
    return out
