"""Contact sheets: many small pictures with lines of text under each, for a person to look over."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wtours.whole_file import put_in_place

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_SHEET_WIDTH_PX = 1600
_ROWS = 40
"""Of one sheet that is written; more cells go on to the next."""
_JPEG_QUALITY = 90
_BESIDE_PX, _CAPTION_MARGIN_PX = 2, 10


@dataclass(frozen=True, kw_only=True)
class SheetStyle:
    """What a sheet looks like; lengths in pixels."""

    paper: Colour
    ink: Colour
    gap_px: int
    """Around cells."""
    line_px: int
    """Height of a line of text."""
    above_px: int
    """From a picture to the top of its first line."""
    font_px: int


LIGHT = SheetStyle(
    paper=(250, 250, 250), ink=(20, 20, 20), gap_px=6, line_px=20, above_px=2, font_px=14
)
DARK = SheetStyle(
    paper=(24, 24, 24), ink=(230, 230, 230), gap_px=8, line_px=14, above_px=0, font_px=11
)


@dataclass(frozen=True, kw_only=True)
class SheetCell:
    """Pictures that belong together, side by side, and what stands under them."""

    pictures: tuple[Pixels, ...]
    """(h, w, 3) uint8 RGB each."""
    lines: tuple[str, ...]


def draw_cells(
    cells: Sequence[SheetCell], *, columns: int, width_px: int, style: SheetStyle
) -> Image.Image:
    """Return a sheet of cells, row by row, all as high as the highest.

    Args:
        cells: at least one.
        columns: cells in a row, at the most.
        width_px: of each cell; longer lines lose their beginning.
        style: of the sheet.
    """
    assert cells, "a sheet needs a cell"
    columns = min(columns, len(cells))
    pictures_px = max(picture.shape[0] for cell in cells for picture in cell.pictures)
    height_px = pictures_px + max(len(cell.lines) for cell in cells) * style.line_px
    across, down = width_px + style.gap_px, height_px + style.gap_px
    rows = -(-len(cells) // columns)
    size = (columns * across + style.gap_px, rows * down + style.gap_px)
    sheet = Image.new("RGB", size, style.paper)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(style.font_px)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        left, top = column * across + style.gap_px, row * down + style.gap_px
        for line, text in enumerate(cell.lines):
            place = (left, top + pictures_px + style.above_px + line * style.line_px)
            pen.text(place, _shortened(text, font, width_px), fill=style.ink, font=font)
        for picture in cell.pictures:
            sheet.paste(Image.fromarray(picture), (left, top))
            left += picture.shape[1] + _BESIDE_PX
    return sheet


def write_sheet(path: Path, cells: Sequence[SheetCell]) -> tuple[Path, ...]:
    """Write cells as JPEG, row by row; return the paths.

    Each sheet appears whole or not at all.

    Args:
        path: of the first sheet, ending in .jpg; the next ones end in -2.jpg, -3.jpg, ...
        cells: at least one; all as wide as the widest.
    """
    width_px = max(_width_px(cell, LIGHT) for cell in cells)
    columns = max(1, (_SHEET_WIDTH_PX - LIGHT.gap_px) // (width_px + LIGHT.gap_px))
    columns = min(columns, len(cells))
    paths = []
    for number, first in enumerate(range(0, len(cells), columns * _ROWS), start=1):
        part = cells[first : first + columns * _ROWS]
        named = path if number == 1 else path.with_name(f"{path.stem}-{number}.jpg")
        sheet = draw_cells(part, columns=columns, width_px=width_px, style=LIGHT)
        paths.append(save_jpeg(sheet, named))
    return tuple(paths)


def save_jpeg(sheet: Image.Image, path: Path) -> Path:
    """Write a sheet, which appears whole or not at all; return the path."""
    part = path.with_name(f"{path.name}.part")
    try:
        sheet.save(part, "JPEG", quality=_JPEG_QUALITY)
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _width_px(cell: SheetCell, style: SheetStyle) -> int:
    """Return how wide a cell is whose lines are shown whole."""
    font = ImageFont.load_default(style.font_px)
    lines_px = max(round(font.getlength(line)) + _CAPTION_MARGIN_PX for line in cell.lines)
    pictures_px = sum(int(picture.shape[1]) + _BESIDE_PX for picture in cell.pictures)
    return max(pictures_px, lines_px)


def _shortened(text: str, font: Font, width_px: int) -> str:
    """Return a text, without its beginning where it is wider than some pixels."""
    shown = text
    while shown and font.getlength(shown) > width_px:
        shown = shown[1:]
    return shown
