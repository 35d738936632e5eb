"""Contact sheets: many small pictures with a line of text each, for a person to look over."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wtours.whole_file import put_in_place

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SHEET_WIDTH_PX = 1600
_ROWS = 40
"""Of one sheet; more cells go on to the next."""
_GAP_PX, _CAPTION_PX, _FONT_PX = 6, 20, 14
_PAPER, _INK = (250, 250, 250), (20, 20, 20)


@dataclass(frozen=True, kw_only=True)
class SheetCell:
    """Pictures that belong together, side by side, and what stands under them."""

    pictures: tuple[Pixels, ...]
    """(h, w, 3) uint8 RGB each."""
    caption: str


def write_sheet(path: Path, cells: Sequence[SheetCell]) -> tuple[Path, ...]:
    """Write cells as JPEG, row by row; return the paths.

    Each sheet appears whole or not at all.

    Args:
        path: of the first sheet, ending in .jpg; the next ones end in -2.jpg, -3.jpg, ...
        cells: at least one; all as wide and high as the largest.
    """
    font = ImageFont.load_default(_FONT_PX)
    widths = [
        max(sum(p.shape[1] + 2 for p in cell.pictures), round(font.getlength(cell.caption)) + 10)
        for cell in cells
    ]
    heights = [max(p.shape[0] for p in cell.pictures) for cell in cells]
    size = (max(widths) + _GAP_PX, max(heights) + _CAPTION_PX + _GAP_PX)
    columns = min(len(cells), max(1, (_SHEET_WIDTH_PX - _GAP_PX) // size[0]))
    per_sheet = columns * _ROWS
    paths = []
    for number, first in enumerate(range(0, len(cells), per_sheet), start=1):
        sheet = _draw(cells[first : first + per_sheet], columns, size, font)
        paths.append(path if number == 1 else path.with_name(f"{path.stem}-{number}.jpg"))
        _save(sheet, paths[-1])
    return tuple(paths)


def _draw(
    cells: Sequence[SheetCell], columns: int, size: tuple[int, int], font: Font
) -> Image.Image:
    """Return the sheet of some cells, each of `size` px with its gap."""
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * size[0] + _GAP_PX, rows * size[1] + _GAP_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        down, across = divmod(number, columns)
        left, top = across * size[0] + _GAP_PX, down * size[1] + _GAP_PX
        pen.text((left, top + size[1] - _CAPTION_PX - _GAP_PX + 2), cell.caption, _INK, font)
        for picture in cell.pictures:
            sheet.paste(Image.fromarray(picture), (left, top))
            left += picture.shape[1] + 2
    return sheet


def _save(sheet: Image.Image, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        sheet.save(part, "JPEG", quality=88)
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
