"""Maps over patches as pictures, and masks of objects over a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dora.visualise.colours import heat, object_colour, tint

_FILL = 0.5
"""Share of an object's colour in the middle of its mask."""
_DIM = 0.7
"""Brightness of what belongs to no object."""
_LINE = (215, 215, 215)


def map_picture(
    values: NDArray[np.float32],
    size: tuple[int, int],
    *,
    colour: tuple[int, int, int] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Image.Image:
    """Return a map over patches as a picture, from its smallest value (dark) to its largest.

    Args:
        values: (gh, gw).
        size: width and height of the picture in pixels.
        colour: of the object; None: dark to light through red.
        mask: (gh, gw), drawn as an outline.
    """
    low, high = float(values.min()), float(values.max())
    scaled = ((values - low) / max(high - low, 1e-12)).astype(np.float32)
    smooth = Image.fromarray(scaled).resize(size, Image.Resampling.BILINEAR)
    shown = np.asarray(smooth).clip(0, 1)
    pixels = heat(shown) if colour is None else tint(shown, colour)
    if mask is not None:
        pixels[_outline(_enlarge(mask, size), 1)] = _LINE
    return Image.fromarray(pixels)


def mask_overlay(
    picture: Image.Image, masks_Khw: NDArray[np.bool_], peaks_K2: NDArray[np.float64]
) -> Image.Image:
    """Return a picture with every object's mask filled, outlined and numbered.

    Where masks overlap, stripes take turns; a patch stays a square, as the student sees it.

    Args:
        picture: the frame.
        masks_Khw: (K, gh, gw), on the grid of patches.
        peaks_K2: (K, 2): where to put each number, x and y as shares of width and height.
    """
    pixels = np.asarray(picture, dtype=np.float32)
    large = [_enlarge(mask, picture.size) for mask in masks_Khw]
    colours = np.asarray([object_colour(k) for k in range(len(large))], dtype=np.float32)
    filled = (1 - _FILL) * pixels + _FILL * _striped(np.stack(large), colours)
    shown = np.where(np.any(large, axis=0)[..., None], filled, _DIM * pixels)
    line_px = max(1, round(min(picture.size) / 150))
    for mask, colour in zip(large, colours, strict=True):
        shown[_outline(mask, line_px)] = colour
    result = Image.fromarray(shown.round().clip(0, 255).astype(np.uint8))
    taken: list[tuple[float, float]] = []
    for k, mask in enumerate(large):
        if mask.any():
            taken.append(_write_number(result, k, peaks_K2[k], taken))
    return result


def _enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask over patches as one of pixels."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _striped(masks_Khw: NDArray[np.bool_], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each pixel's colour, (h, w, 3): of its object, or of its objects in diagonal stripes.

    Args:
        masks_Khw: (K, h, w), on the grid of pixels.
        colours: (K, 3).
    """
    height, width = masks_Khw.shape[1:]
    stripe_px = max(4, min(height, width) // 40)
    stripes = np.add.outer(np.arange(height), np.arange(width)) // stripe_px
    covered = masks_Khw.sum(axis=0)
    turn = stripes % np.maximum(covered, 1)
    chosen = masks_Khw & (masks_Khw.cumsum(axis=0) == turn + 1)
    shown: NDArray[np.float32] = colours[chosen.argmax(axis=0)]
    return shown


def _outline(mask: NDArray[np.bool_], line_px: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask that lie within a few pixels of its edge; the frame is none."""
    wide = np.pad(mask, line_px, mode="edge")
    inner = mask.copy()
    height, width = mask.shape
    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        top, left = line_px * (1 + dy), line_px * (1 + dx)
        inner &= wide[top : top + height, left : left + width]
    return mask & ~inner


def _write_number(
    picture: Image.Image,
    k: int,
    peak: NDArray[np.float64],
    taken: Sequence[tuple[float, float]],
) -> tuple[float, float]:
    """Write an object's number in a disc of its colour; return the disc's middle.

    The disc lies wholly inside the picture and, along a line, beside those that are there already.
    """
    radius = max(7, round(min(picture.size) / 24))
    x, y = (
        min(max(share * side, radius + 1), side - radius - 1)
        for share, side in zip(peak, picture.size, strict=True)
    )
    step = 2 * radius if x < picture.width / 2 else -2 * radius
    while any(abs(x - other_x) < 2 * radius > abs(y - other_y) for other_x, other_y in taken):
        if not 0 < x + step < picture.width:
            break
        x += step
    draw = ImageDraw.Draw(picture)
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, fill=object_colour(k), outline="black", width=max(1, radius // 7))
    font = ImageFont.load_default(radius * 1.45)
    draw.text((x, y), str(k + 1), fill="black", font=font, anchor="mm")
    return x, y
