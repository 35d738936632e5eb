"""Places in pictures with their boxes, on contact sheets, and the page that shows these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wtours.contact_sheet import DARK, SheetCell, draw_cells
from wtours.shards import Box
from wtours.shards.schema import GUARD

Pixels = NDArray[np.uint8]

TILE_PX = 176
"""Side of the place that a tile shows, in pixels of the sheet."""
_COLUMNS = 8
_LEAST_SIDE_PX = 64
"""A tile shows so much of a picture at least."""
_COLOURS = {"face": (255, 210, 0), "plate": (0, 220, 120)}
_GUARD_COLOUR = (90, 190, 255)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """A place in a picture, with what is said of it."""

    picture: Pixels
    """(H, W, 3)"""
    box: Box
    """In its pixels."""
    context: float
    """Side of what is shown, in longer sides of the box."""
    lines: tuple[str, ...]


def draw_sheet(tiles: Sequence[Tile]) -> Image.Image:
    """Return a sheet of tiles, row by row; at least one."""
    cells = [
        SheetCell(pictures=(np.asarray(draw_place(tile)),), lines=tile.lines) for tile in tiles
    ]
    return draw_cells(cells, columns=_COLUMNS, width_px=TILE_PX, style=DARK)


def draw_place(tile: Tile) -> Image.Image:
    """Return the square around a box, enlarged, with the box drawn on it."""
    box, (height, width) = tile.box, tile.picture.shape[:2]
    side = max(_LEAST_SIDE_PX, round(tile.context * max(box.x1 - box.x0, box.y1 - box.y0)))
    x0 = _begin((box.x0 + box.x1) / 2, side, width)
    y0 = _begin((box.y0 + box.y1) / 2, side, height)
    part = Image.new("RGB", (side, side), DARK.paper)
    seen = tile.picture[max(0, y0) : y0 + side, max(0, x0) : x0 + side]
    part.paste(Image.fromarray(seen), (max(0, -x0), max(0, -y0)))
    place = part.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
    scale = TILE_PX / side
    corners = [
        (box.x0 - x0) * scale,
        (box.y0 - y0) * scale,
        (box.x1 - x0) * scale,
        (box.y1 - y0) * scale,
    ]
    colour = _GUARD_COLOUR if box.kind.endswith(GUARD) else _COLOURS.get(box.kind, DARK.ink)
    if corners[0] <= corners[2] and corners[1] <= corners[3]:
        ImageDraw.Draw(place).rectangle(corners, outline=colour)
    return place


def page_text(sets: Sequence[tuple[str, Sequence[str], Mapping[str, str]]]) -> str:
    """Return an HTML page of sheets.

    Args:
        sets: of each, its name, sentences, and what is said above each sheet's file.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Audit of blurring</title>',
        "<style>body{background:#181818;color:#e6e6e6;font:15px/1.5 sans-serif;margin:2em}"
        "img{max-width:100%;display:block;margin:.5em 0 2em}</style></head><body>",
        "<h1>Audit of blurring</h1>",
        "<p>Yellow: a face. Green: a plate. Blue: found in a neighbouring picture. "
        "Boxes are shown without the margin.</p>",
    ]
    for name, sentences, sheets in sets:
        parts.append(f"<h2>{escape(name)}</h2><p>{' '.join(map(escape, sentences))}</p>")
        for file, head in sheets.items():
            parts.append(f"<h3>{escape(head)}</h3>")
            parts.append(f'<a href="{escape(file)}"><img src="{escape(file)}" alt=""></a>')
    return "\n".join([*parts, "</body></html>", ""])


def _begin(middle: float, side: int, length: int) -> int:
    """Return where a piece of some length begins around a middle, inside as far as it fits."""
    if side >= length:
        return -((side - length) // 2)
    return min(max(0, round(middle - side / 2)), length - side)
