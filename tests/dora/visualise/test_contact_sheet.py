from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dora.errors import DoraError
from dora.visualise.contact_sheet import Cell, Row, compose_sheet, fitting_size, save_png


def picture(level: int) -> Image.Image:
    return Image.new("RGB", (50, 30), (level, 0, 0))


def box_of(sheet: Image.Image, level: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels of one colour."""
    rows, columns = np.nonzero((np.asarray(sheet) == (level, 0, 0)).all(axis=-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_every_picture_is_whole_in_its_row_and_column() -> None:
    levels = [[60, 80, 100], [120, 140, 160]]
    rows = [
        Row(
            label=f"{number} s",
            cells=[
                Cell(picture=picture(level), caption="" if number else "frame", colour=(0, 9, 0))
                for level in row
            ],
        )
        for number, row in enumerate(levels)
    ]
    sheet = compose_sheet(rows, title="Title", footer="Footer")
    boxes = np.asarray([[box_of(sheet, level) for level in row] for row in levels])
    sizes = boxes[..., 2:] - boxes[..., :2]
    assert np.all(sizes == (50, 30))
    assert np.all(np.diff(boxes[..., 0], axis=1) > 50)
    assert np.all(np.diff(boxes[..., 0], axis=0) == 0)
    assert np.all(np.diff(boxes[..., 1], axis=0) > 30)
    assert np.all(np.diff(boxes[..., 1], axis=1) == 0)


def test_long_text_stays_on_the_sheet() -> None:
    cells = [Cell(picture=picture(60))]
    short = compose_sheet([Row(cells=cells)], title="T", footer="word")
    long = compose_sheet([Row(cells=cells)], title="T" * 40, footer="word " * 60)
    assert long.width > short.width
    assert long.height > short.height
    for sheet in (short, long):
        pixels = np.asarray(sheet)
        border = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all(np.all(line == 255) for line in border)


@pytest.mark.parametrize(
    ("size", "fitted"), [((640, 360), (320, 180)), ((90, 160), (180, 320)), ((1000, 1), (320, 1))]
)
def test_fitting_size_keeps_the_ratio(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitting_size(size, longest_px=320) == fitted


def test_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert save_png(picture(60), tmp_path / "a" / "b.png").stat().st_size > 0
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match=r"b\.png cannot be written"):
        save_png(picture(60), tmp_path / "file" / "b.png")
