"""Tiny data sets in the published layouts, whose answers are known."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dora.eval.label_maps import write_labels

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, the last two outside."""
_XML = "<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
_OBJECT = (
    "<object><name>dog</name><difficult>{hard}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def voc(folder: Path, boxes: Mapping[str, Sequence[Box]], *, size: tuple[int, int]) -> Path:
    """Write VOCdevkit/VOC2012 with bright squares on dark ground; return the unpacking folder."""
    root = folder / "VOCdevkit" / "VOC2012"
    for part in ("JPEGImages", "SegmentationClass", "Annotations"):
        (root / part).mkdir(parents=True)
    for name, squares in boxes.items():
        pixels = np.full((size[1], size[0], 3), 20, dtype=np.uint8)
        regions = np.zeros((size[1], size[0]), dtype=np.uint8)
        for number, (left, top, right, bottom) in enumerate(squares, start=1):
            pixels[top:bottom, left:right] = 230
            regions[top:bottom, left:right] = number
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        write_labels(root / "SegmentationClass" / f"{name}.png", regions)
        objects = "".join(
            _OBJECT.format(left + 1, top + 1, right, bottom, hard=0)
            for left, top, right, bottom in squares
        )
        text = _XML.format(name=name, objects=objects)
        (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    for kind in ("Main", "Segmentation"):
        for split in ("val", "trainval"):
            path = root / "ImageSets" / kind / f"{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{name}\n" for name in boxes), encoding="utf-8")
    return folder


def moving_squares(
    *, frames: int, size: tuple[int, int], step_px: int, side_px: int, objects: int = 1
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return pictures (h, w, 3) and true labels (h, w) of textured squares that move right.

    Every patch of 8 px of a square has a texture of its own; the ground is dark noise that stays.
    """
    width, height = size
    generator = np.random.default_rng(0)
    ground = generator.integers(0, 40, (height, width, 3)).astype(np.uint8)
    cells = generator.integers(120, 256, (objects, side_px // 8, side_px // 8, 3))
    textures = np.kron(cells, np.ones((1, 8, 8, 1))).astype(np.uint8)
    pictures, labels = [], []
    for frame in range(frames):
        picture, label = ground.copy(), np.zeros((height, width), dtype=np.uint8)
        for number, texture in enumerate(textures):
            rows = slice(8 + number * (side_px + 8), 8 + number * (side_px + 8) + side_px)
            columns = slice(8 + frame * step_px, 8 + frame * step_px + side_px)
            picture[rows, columns], label[rows, columns] = texture, number + 1
        pictures.append(picture)
        labels.append(label)
    return pictures, labels


def crossing_squares() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return 8 pictures (64, 128, 3) and true labels (64, 128) of three textured squares.

    By a patch of 8 px a frame, 1 goes right and 2 left, behind it in frames 4 and 5; 3 goes right
    and has left the picture from frame 5 on.
    """
    generator = np.random.default_rng(1)
    ground = generator.integers(0, 40, (64, 128, 3)).astype(np.uint8)
    squares = [  # number, row, first column, patches a side, step; those behind come first
        (3, 40, 88, 2, 8),
        (2, 8, 80, 3, -8),
        (1, 8, 8, 3, 8),
    ]
    textures = [
        np.kron(generator.integers(120, 256, (side, side, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _, _, _, side, _ in squares
    ]
    pictures, labels = [], []
    for frame in range(8):
        picture, label = ground.copy(), np.zeros((64, 128), dtype=np.uint8)
        for (number, row, column, side, step), texture in zip(squares, textures, strict=True):
            left = column + frame * step
            place = np.s_[row : row + 8 * side, left : left + 8 * side]
            seen = max(0, min(8 * side, 128 - left))
            picture[place], label[place] = texture[:, :seen], number
        pictures.append(picture)
        labels.append(label)
    return pictures, labels


def davis(
    folder: Path,
    videos: Mapping[str, tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    *,
    split: str = "val",
) -> Path:
    """Write DAVIS/ with frames as PNG, so that their pixels stay; return the unpacking folder."""
    root = folder / "DAVIS"
    for name, (pictures, labels) in videos.items():
        (root / "JPEGImages" / "480p" / name).mkdir(parents=True)
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            path = root / "JPEGImages" / "480p" / name / f"{index:05d}.png"
            Image.fromarray(picture).save(path)
            write_labels(root / "Annotations" / "480p" / name / f"{index:05d}.png", label)
    path = root / "ImageSets" / "2017" / f"{split}.txt"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{name}\n" for name in videos), encoding="utf-8")
    return folder
