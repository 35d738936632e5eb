"""Pictures in rows and columns with captions, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from dora.whole_file import whole_file

_GAP_PX = 8
_MARGIN_PX = 20
_TEXT_PX = 18
_TITLE_PX = 24
_INK, _PALE = (30, 30, 30), (110, 110, 110)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture; `caption` stands above it, after a dot of `colour`."""

    picture: Image.Image
    caption: str = ""
    colour: tuple[int, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """Pictures of one height beside each other; `label` stands to their left."""

    cells: Sequence[Cell]
    label: str = ""


def compose_sheet(rows: Sequence[Row], *, title: str, footer: str = "") -> Image.Image:
    """Return the sheet; all pictures have one size.

    Args:
        rows: from top to bottom; captions get room in the rows that have any.
        title: a line above.
        footer: a line below, broken where it is too long.
    """
    width_px, height_px = rows[0].cells[0].picture.size
    columns = max(len(row.cells) for row in rows)
    label_px = max(_text_width(row.label, _TEXT_PX) for row in rows)
    left = _MARGIN_PX + (label_px + 12 if label_px else 0)
    sheet_px = left + columns * (width_px + _GAP_PX) - _GAP_PX + _MARGIN_PX
    sheet_px = max(sheet_px, _text_width(title, _TITLE_PX) + 2 * _MARGIN_PX)
    caption_px = [_TEXT_PX + 8 if any(cell.caption for cell in row.cells) else 0 for row in rows]
    lines = _broken(footer, _TEXT_PX, sheet_px - 2 * _MARGIN_PX)
    top = _MARGIN_PX + _TITLE_PX + 14
    bottom = top + sum(caption_px) + len(rows) * (height_px + _GAP_PX)
    sheet = Image.new("RGB", (sheet_px, bottom + len(lines) * (_TEXT_PX + 6) + _MARGIN_PX), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN_PX, _MARGIN_PX - 4), title, fill=_INK, font=_font(_TITLE_PX))
    y = top
    for row, room in zip(rows, caption_px, strict=True):
        y += room
        middle = (_MARGIN_PX, y + height_px / 2)
        draw.text(middle, row.label, fill=_INK, font=_font(_TEXT_PX), anchor="lm")
        for column, cell in enumerate(row.cells):
            x = left + column * (width_px + _GAP_PX)
            assert cell.picture.size == (width_px, height_px), "pictures of different sizes"
            sheet.paste(cell.picture, (x, y))
            _write_caption(draw, cell, x, y - room)
        y += height_px + _GAP_PX
    for number, line in enumerate(lines):
        place = (_MARGIN_PX, bottom + number * (_TEXT_PX + 6))
        draw.text(place, line, fill=_PALE, font=_font(_TEXT_PX))
    return sheet


def save_png(picture: Image.Image, path: Path) -> Path:
    """Write a PNG; it appears under its name only when whole.

    Raises:
        DoraError: it cannot be written.
    """
    with whole_file(path) as partial:
        picture.save(partial, "PNG")
    return path


def fitting_size(size: tuple[int, int], *, longest_px: int) -> tuple[int, int]:
    """Return width and height with the same ratio and a given longer side."""
    scale = longest_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _write_caption(draw: ImageDraw.ImageDraw, cell: Cell, x: int, y: int) -> None:
    if cell.colour is not None:
        draw.ellipse((x, y + 4, x + 14, y + 18), fill=cell.colour)
        x += 21
    draw.text((x, y), cell.caption, fill=_INK, font=_font(_TEXT_PX))


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)  # Pillow brings one: no system font is looked for


def _text_width(text: str, size_px: int) -> int:
    return round(_font(size_px).getlength(text))


def _broken(text: str, size_px: int, width_px: int) -> list[str]:
    """Return the text in lines that fit, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, size_px) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
