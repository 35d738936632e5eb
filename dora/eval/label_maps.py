"""Maps of labels, one a pixel, as Pascal VOC and DAVIS store them: PNGs with a palette."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dora.errors import DoraError
from dora.whole_file import whole_file

LabelMap = NDArray[np.uint8]
VOID = 255
"""The label of pixels that belong to nothing for certain."""


def read_labels(path: Path, *, size: tuple[int, int]) -> LabelMap:
    """Return a map of labels, (h, w): the numbers that its pixels hold, not their colours.

    Args:
        path: PNG with a palette, or grey.
        size: width and height of the picture that it belongs to.

    Raises:
        DoraError: missing, no whole picture, in full colour, or of another size.
    """
    picture = _read(path)
    if picture.mode not in ("P", "L", "1"):
        raise DoraError(
            f"{path} holds colours ({picture.mode}) where a number a pixel is expected",
            remedy="copy the annotation again as published: a PNG with a palette",
        )
    if picture.size != size:
        raise DoraError(
            f"{path} is {picture.width}x{picture.height}, its picture {size[0]}x{size[1]}",
            remedy="take pictures and annotations from the same release, at the same resolution",
        )
    return np.asarray(picture.convert("L") if picture.mode == "1" else picture, dtype=np.uint8)


def write_labels(path: Path, labels: LabelMap) -> Path:
    """Write a map of labels as a PNG with the palette of Pascal VOC and DAVIS.

    Raises:
        DoraError: it cannot be written.
    """
    picture = Image.fromarray(labels)
    picture.putpalette(label_palette().tobytes())  # makes it one of numbers into a palette
    with whole_file(path) as partial:
        picture.save(partial, "PNG")
    return path


def label_palette() -> NDArray[np.uint8]:
    """Return the published colour of each label, (256, 3).

    The bits of a label go in threes to red, green and blue, the lowest ones to the highest bits:
    neighbours are as unlike as can be. 0 is black, 1 dark red, 2 dark green, 255 near white.
    """
    labels = np.arange(256, dtype=np.int64)
    colours = np.zeros((256, 3), dtype=np.int64)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        colours[:, channel] |= (labels >> bit & 1) << place
    return colours.astype(np.uint8)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.load()
            return opened
    except FileNotFoundError as fault:
        raise DoraError(
            f"{path} is missing", remedy="copy it there from the data set's archive"
        ) from fault
    except Exception as fault:  # bytes that are no picture fail in whatever way they happen to
        raise DoraError(
            f"{path} is no whole picture ({fault})", remedy="copy it again, or remove the file"
        ) from fault
