"""Masks of a video's objects over its frames: a contact sheet and a video, to be looked at."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dora.eval.components import Mask
from dora.eval.davis_folder import DavisSequence, Truth
from dora.eval.label_maps import LabelMap
from dora.eval.pictures import open_picture
from dora.visualise.contact_sheet import Cell, Row, compose_sheet, fitting_size, save_png
from dora.visualise.overlay import mask_overlay
from dora.visualise.render import render_video

_SHOWN = 6
_CELL_PX = 320
_RATE_HZ = Fraction(24)
"""Of DAVIS's videos."""


def save_pictures(
    sequence: DavisSequence, truth: Truth, found: Sequence[LabelMap], title: str, *, out: Path
) -> list[Path]:
    """Write a sequence's masks as `NAME.png`, true ones below, and as the video `NAME.mp4`.

    Args:
        sequence: its frames.
        truth: its true masks.
        found: a mask for every frame.
        title: a line above the sheet.
        out: folder.

    Raises:
        DoraError: they cannot be written.
    """
    sheet, video = picture_paths(sequence.name, out)
    save_png(_sheet(sequence, truth, found, title), sheet)
    return [sheet, render_video(_overlays(sequence, found, truth.objects), video, rate_hz=_RATE_HZ)]


def picture_paths(name: str, out: Path) -> list[Path]:
    """Return where the contact sheet and the video of a sequence are written."""
    return [out / f"{name}.png", out / f"{name}.mp4"]


def _overlays(
    sequence: DavisSequence, found: Sequence[LabelMap], objects: int
) -> Iterator[Image.Image]:
    for path, labels in zip(sequence.frames, found, strict=True):
        yield overlay_labels(open_picture(path), labels, objects=objects)


def _sheet(
    sequence: DavisSequence, truth: Truth, found: Sequence[LabelMap], title: str
) -> Image.Image:
    """Return frames spread evenly over the sequence, with masks found and true ones."""
    count = len(sequence.frames)
    shown = sorted({round(place) for place in np.linspace(0, count - 1, _SHOWN)})
    frames = [open_picture(sequence.frames[index]) for index in shown]
    size = fitting_size(frames[0].size, longest_px=_CELL_PX)
    rows = []
    for label, masks in (("found", found), ("true", truth.labels)):
        cells = [
            Cell(
                picture=overlay_labels(frame, masks[index], objects=truth.objects).resize(
                    size, Image.Resampling.LANCZOS
                ),
                caption=f"frame {index}" if masks is found else "",
            )
            for frame, index in zip(frames, shown, strict=True)
        ]
        rows.append(Row(cells=cells, label=label))
    return compose_sheet(rows, title=title)


def overlay_labels(frame: Image.Image, labels: LabelMap, *, objects: int) -> Image.Image:
    """Return a frame with the mask of every object filled, outlined and numbered."""
    masks = np.stack([labels == number for number in range(1, objects + 1)])
    middles = np.array([_middle(mask) for mask in masks])
    return mask_overlay(frame, masks, middles)


def _middle(mask: Mask) -> NDArray[np.float64]:
    """Return where to write an object's number, x and y as shares: on the mask, near its mean.

    The middle of the picture if the mask is empty; nothing is written there.
    """
    pixels = np.argwhere(mask)
    if len(pixels) == 0:
        return np.array([0.5, 0.5])
    nearest = np.square(pixels - pixels.mean(axis=0)).sum(axis=1).argmin()
    row, column = (pixels[nearest] + 0.5) / mask.shape
    return np.array([column, row])
