"""Pascal VOC 2012 in its published folders: pictures, true regions, true boxes, splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from xml.etree import ElementTree

from dora.errors import DoraError
from dora.eval.components import Box
from dora.eval.label_maps import LabelMap, read_labels

Split = Literal["train", "val", "trainval"]
Kind = Literal["Main", "Segmentation"]
"""Which list of pictures: those with boxes, or those of them with regions."""

_PLACES = (".", "VOC2012", "VOCdevkit/VOC2012")
_ARCHIVE = "VOCtrainval_11-May-2012.tar"


@dataclass(frozen=True, kw_only=True)
class VocImages:
    """The pictures of one list, by name."""

    folder: Path
    """Where JPEGImages/ lies."""
    kind: Kind
    split: Split
    names: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path, *, kind: Kind, split: Split) -> Self:
        """Read the list and see that every file it names is there.

        Args:
            folder: VOC2012/, VOCdevkit/, or the folder in which the archive was unpacked.
            kind: Main (true boxes) or Segmentation (true regions).
            split: 1 464 + 1 449 pictures of train and val have regions, 5 717 + 5 823 boxes.

        Raises:
            DoraError: says what is missing and where it belongs.
        """
        root = _find_root(folder)
        names = _read_list(root / "ImageSets" / kind / f"{split}.txt")
        images = cls(folder=root, kind=kind, split=split, names=names)
        for path in (path for name in names for path in images.files(name)):
            if not path.is_file():
                raise DoraError(
                    f"{path} is missing, which ImageSets/{kind}/{split}.txt names",
                    remedy=f"unpack {_ARCHIVE} again over {root.parent.parent}",
                )
        return images

    def files(self, name: str) -> tuple[Path, Path]:
        """Return where a picture and the truth of it lie."""
        truth = self.boxes_path(name) if self.kind == "Main" else self.regions_path(name)
        return self.picture_path(name), truth

    def picture_path(self, name: str) -> Path:
        """Return where a picture lies."""
        return self.folder / "JPEGImages" / f"{name}.jpg"

    def regions_path(self, name: str) -> Path:
        """Return where the classes of its pixels lie."""
        return self.folder / "SegmentationClass" / f"{name}.png"

    def boxes_path(self, name: str) -> Path:
        """Return where its boxes lie."""
        return self.folder / "Annotations" / f"{name}.xml"

    def read_regions(self, name: str, *, size: tuple[int, int]) -> LabelMap:
        """Return the class of each pixel, (h, w): 0 background, 1 to 20, 255 void.

        Args:
            name: of the picture.
            size: its width and height.

        Raises:
            DoraError: damaged, or of another size than the picture.
        """
        return read_labels(self.regions_path(name), size=size)

    def read_boxes(self, name: str) -> tuple[Box, ...]:
        """Return the boxes of all objects, difficult and truncated ones too, as LOST does.

        Raises:
            DoraError: no annotation of VOC, or one without boxes.
        """
        return read_boxes(self.boxes_path(name))


def read_boxes(path: Path) -> tuple[Box, ...]:
    """Return the boxes of a VOC annotation.

    VOC counts pixels from 1 and includes the last: 1 to w is the whole width, here 0 to w.

    Raises:
        DoraError: no XML, no object, a side that is no number, or a box without area.
    """
    remedy = f"take it from {_ARCHIVE} again"
    try:
        objects = ElementTree.parse(path).getroot().findall("object")
    except (OSError, ElementTree.ParseError) as fault:
        raise DoraError(f"{path} is no annotation of VOC ({fault})", remedy=remedy) from fault
    boxes = [_box(found, path=path, remedy=remedy) for found in objects]
    if not boxes:
        raise DoraError(f"{path} names no object", remedy=remedy)
    return tuple(boxes)


def _box(found: ElementTree.Element, *, path: Path, remedy: str) -> Box:
    sides = [found.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        # A few annotations have fractions of a pixel, which are cut off.
        left, top, right, bottom = (int(float(side or "")) for side in sides)
    except ValueError as fault:
        raise DoraError(f"{path} has a box of {sides}", remedy=remedy) from fault
    if not (0 < left <= right and 0 < top <= bottom):
        raise DoraError(f"{path} has a box without area, {sides}", remedy=remedy)
    return left - 1, top - 1, right, bottom


def _find_root(folder: Path) -> Path:
    for place in _PLACES:
        if (folder / place / "JPEGImages").is_dir():
            return folder / place if place != "." else folder
    raise DoraError(
        f"{folder} holds no VOC 2012: there is no JPEGImages/ in {_spoken(_PLACES)}",
        remedy=f"unpack {_ARCHIVE} there, which makes {folder / 'VOCdevkit/VOC2012'}",
    )


def _spoken(places: Sequence[str]) -> str:
    return ", ".join("it" if place == "." else f"{place}/" for place in places)


def _read_list(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DoraError(
            f"{path} is missing, which lists the pictures",
            remedy=f"unpack {_ARCHIVE} again: {path.parent.name}/ belongs in ImageSets/",
        ) from fault
    names = tuple(line.split()[0] for line in lines if line.strip())
    if not names:
        raise DoraError(f"{path} lists no pictures", remedy=f"take it from {_ARCHIVE} again")
    return names
