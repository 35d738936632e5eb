"""Labelled pictures in class folders: `train/CLASS/*.jpg` and `val/CLASS/*.jpg`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dora.errors import DoraError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_PARTS = ("train", "val", "test", "validation", "valid")
IMAGENET_CLASSES = 1000
PAPER_PX = 224
"""Side of the pictures, in k-NN and linear probing."""
IMAGENET_TRAIN, IMAGENET_VAL = 1_281_167, 50_000
_LAYOUT = "lay the pictures out as train/CLASS/NAME.jpg and val/CLASS/NAME.jpg"


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Picture files and the number of each one's class."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """The two parts of a labelled data set; classes are numbered in the order of their names."""

    folder: Path
    classes: tuple[str, ...]
    """Names of the classes, which are those of `train/`."""
    train: LabelledImages
    val: LabelledImages

    @classmethod
    def open(cls, folder: Path) -> Self:
        """List the pictures of `folder/train` and `folder/val`, without reading them.

        Raises:
            DoraError: a part is missing or has no class folders, a class has no pictures, or `val/`
                has a class that `train/` has not.
        """
        parts = {name: _list_part(folder, name) for name in ("train", "val")}
        classes = tuple(sorted(parts["train"]))
        unknown = sorted(set(parts["val"]) - set(classes))
        if unknown:
            raise DoraError(
                f"{folder / 'val'} has the class {unknown[0]!r}, which {folder / 'train'} has not"
                + (f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""),
                remedy="give both parts the same class folders",
            )
        numbers = {name: number for number, name in enumerate(classes)}
        return cls(
            folder=folder,
            classes=classes,
            train=_labelled(parts["train"], numbers),
            val=_labelled(parts["val"], numbers),
        )

    def notes(self) -> tuple[str, ...]:
        """Return what to bear in mind beside the paper's numbers, which are ImageNet-1k's."""
        found = []
        if len(self.classes) != IMAGENET_CLASSES:
            found.append(
                f"the paper's numbers are of ImageNet-1k; {self.folder} has {len(self.classes)} "
                f"classes, not {IMAGENET_CLASSES}"
            )
        else:
            for part, whole in ((self.train, IMAGENET_TRAIN), (self.val, IMAGENET_VAL)):
                name = "train" if part is self.train else "val"
                if len(part.paths) != whole:
                    found.append(
                        f"{self.folder / name} has {len(part.paths):,} pictures, and that of "
                        f"ImageNet-1k {whole:,}: numbers are not comparable"
                    )
        shown = set(self.val.labels)
        unseen = [name for number, name in enumerate(self.classes) if number not in shown]
        if unseen:
            found.append(
                f"{self.folder / 'val'} has no pictures of {len(unseen)} of the "
                f"{len(self.classes)} classes, such as {unseen[0]!r}: these are not scored"
            )
        return tuple(found)


def _list_part(folder: Path, name: str) -> dict[str, list[Path]]:
    """Return the pictures of each class folder."""
    part = folder / name
    if not folder.is_dir():
        raise DoraError(f"{folder} is no folder", remedy=_LAYOUT)
    if not part.is_dir():
        raise DoraError(f"{folder} has no folder {name}/", remedy=_way_to_part(folder, name))
    classes = sorted(p for p in part.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        loose = bool(_list_pictures(part))
        sort_them = f"sort the pictures of {part} into a folder for each class, as in train/"
        raise DoraError(f"{part} has no class folders", remedy=sort_them if loose else _LAYOUT)
    found = {path.name: _list_pictures(path) for path in classes}
    for path in classes:
        if not found[path.name]:
            raise DoraError(
                f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))})",
                remedy="put pictures into it, or remove the folder",
            )
    return found


def _way_to_part(folder: Path, name: str) -> str:
    """Return what to do where a part is missing, by what lies in its place."""
    for other in ("test", "validation", "valid"):
        if name == "val" and (folder / other).is_dir():
            return f"rename {folder / other} to val"
    inner = sorted(path for path in folder.iterdir() if (path / "train").is_dir())
    if inner:
        return f"give {inner[0]} instead"
    if name == "val":
        return f"put labelled pictures to test with into {folder / 'val'}/CLASS"
    classes = [path for path in folder.iterdir() if path.is_dir() and path.name not in _PARTS]
    if classes:
        return (
            f"{folder} seems to hold class folders itself: move most pictures of each class to "
            "train/CLASS and the others to val/CLASS"
        )
    return _LAYOUT


def _list_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder and of those in it, in the order of their names."""
    return sorted(
        Path(parent) / name
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )


def _labelled(part: dict[str, list[Path]], numbers: dict[str, int]) -> LabelledImages:
    pairs = [(path, numbers[name]) for name in sorted(part) for path in part[name]]
    return LabelledImages(
        paths=tuple(path for path, _ in pairs), labels=tuple(label for _, label in pairs)
    )
