from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dora.errors import DoraError
from dora.eval.voc import VocImages, read_boxes
from tests.dora.eval import dense_data

BOXES = {"2008_000001": [(8, 16, 40, 48)], "2008_000002": [(0, 0, 64, 48), (3, 4, 9, 9)]}
ROOT = Path("VOCdevkit/VOC2012")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return dense_data.voc(tmp_path, BOXES, size=(64, 48))


@pytest.mark.parametrize("place", [".", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_folder_is_found_from_any_of_its_parents(folder: Path, place: str) -> None:
    images = VocImages.open(folder / place, kind="Main", split="trainval")
    assert images.names == tuple(BOXES)
    assert images.picture_path("2008_000001") == folder / ROOT / "JPEGImages/2008_000001.jpg"


def test_regions_and_boxes_are_read_as_written(folder: Path) -> None:
    images = VocImages.open(folder, kind="Segmentation", split="val")
    assert images.read_boxes("2008_000002") == tuple(BOXES["2008_000002"])
    regions = images.read_regions("2008_000001", size=(64, 48))
    assert regions.shape == (48, 64)
    assert np.argwhere(regions == 1).min(axis=0).tolist() == [16, 8]


def without(part: str) -> Callable[[Path], None]:
    def remove(root: Path) -> None:
        (root / part).rename(root / "elsewhere")

    return remove


def emptied(root: Path) -> None:
    (root / "ImageSets/Main/val.txt").write_text("\n\n")


@pytest.mark.parametrize(
    ("change", "fault", "remedy"),
    [
        (without("JPEGImages"), "holds no VOC 2012", "VOCdevkit/VOC2012"),
        (without("ImageSets/Main"), "val.txt is missing", "Main/ belongs in ImageSets/"),
        (without("Annotations/2008_000002.xml"), "2008_000002.xml is missing", "unpack"),
        (without("JPEGImages/2008_000001.jpg"), "2008_000001.jpg is missing", "unpack"),
        (emptied, "lists no pictures", "take it from"),
    ],
)
def test_what_is_missing_is_named_with_its_place(
    folder: Path, change: Callable[[Path], None], fault: str, remedy: str
) -> None:
    change(folder / ROOT)
    with pytest.raises(DoraError, match=fault) as caught:
        VocImages.open(folder, kind="Main", split="val")
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no xml", "no annotation"),
        ("<annotation></annotation>", "names no object"),
        ("<annotation><object></object></annotation>", "has a box of"),
        (
            "<annotation><object><bndbox><xmin>5</xmin><ymin>1</ymin><xmax>4</xmax>"
            "<ymax>9</ymax></bndbox></object></annotation>",
            "without area",
        ),
    ],
)
def test_damaged_annotation_is_named(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DoraError, match=rf"a\.xml .*{fault}"):
        read_boxes(tmp_path / "a.xml")


def test_first_and_last_pixel_of_voc_are_the_whole_picture(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        "<annotation><object><bndbox><xmin>1</xmin><ymin>1.0</ymin><xmax>64</xmax>"
        "<ymax>48.6</ymax></bndbox></object></annotation>"
    )
    assert read_boxes(tmp_path / "a.xml") == ((0, 0, 64, 48),)
