"""Contact sheets of the pictures in which objects were found best and worst."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

from dora.eval.attention_masks import MEAN, enlarge_mask, jaccard
from dora.eval.components import Box, Mask, enlarge
from dora.eval.computing import Computing
from dora.eval.found_objects import (
    MASSES,
    BoxOverlaps,
    RegionCounts,
    attend_padded,
    attention_masks,
    lost_box,
    mean_attention,
    read_pixels,
)
from dora.eval.label_maps import VOID, label_palette
from dora.eval.loading import Evaluated
from dora.eval.networks import Frozen
from dora.eval.voc import VocImages
from dora.visualise.colours import object_colour
from dora.visualise.contact_sheet import Cell, Row, compose_sheet, save_png
from dora.visualise.overlay import map_picture

_SHOWN = 6
"""Best ones, and as many worst ones."""
_CELL_PX = 224
_VARIANT = (MEAN, MASSES[0])


def save_regions(
    evaluated: Evaluated,
    images: VocImages,
    regions: Sequence[RegionCounts],
    *,
    image_px: int,
    computing: Computing,
    out: Path,
) -> Path:
    """Write masks by the mean attention, best and worst, as `jaccard.png`.

    Each picture stands above its attention, its mask, and the truth.

    Raises:
        DoraError: it cannot be written.
    """
    scores = {picture.name: jaccard(*picture.counts[_VARIANT]) for picture in regions}

    def cells(name: str) -> list[Cell]:
        pixels = read_pixels(images.picture_path(name))
        return _region_cells(
            evaluated.network, images, name, pixels, image_px=image_px, computing=computing
        )

    title = f"Masks of {100 * MASSES[0]:.0f} % of the mean attention, {evaluated.label}"
    labels = ("attention", "mask", "truth")
    return save_png(_columns(scores, cells, title=title, labels=labels), out / "jaccard.png")


def save_boxes(
    evaluated: Evaluated,
    images: VocImages,
    boxes: Sequence[BoxOverlaps],
    *,
    k_patches: int,
    computing: Computing,
    out: Path,
) -> Path:
    """Write boxes by LOST, best and worst, as `corloc.png`: with its mask, and the true boxes.

    Raises:
        DoraError: it cannot be written.
    """
    scores = {picture.name: picture.lost for picture in boxes}

    def cells(name: str) -> list[Cell]:
        pixels = read_pixels(images.picture_path(name))
        return _box_cells(
            evaluated.network, images, name, pixels, k_patches=k_patches, computing=computing
        )

    title = f"Boxes by LOST, {evaluated.label}; white: true boxes, square: the seed"
    return save_png(_columns(scores, cells, title=title, labels=("found",)), out / "corloc.png")


def _columns(
    scores: dict[str, float],
    cells: Callable[[str], list[Cell]],
    *,
    title: str,
    labels: Sequence[str],
) -> Image.Image:
    """Return a sheet, best pictures above worst ones, a column a picture.

    Args:
        scores: of all pictures by name.
        cells: what to show of a picture, from top to bottom.
        title: a line above.
        labels: of what is shown.
    """
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    rows = []
    for kind, names in (("best", ranked[:_SHOWN]), ("worst", ranked[::-1][:_SHOWN])):
        columns = [cells(name) for name in names]
        captions = [f"{name}: {100 * scores[name]:.1f}" for name in names]
        for number, label in enumerate(labels):
            row = [
                Cell(
                    picture=column[number].picture,
                    caption=caption if number == 0 else "",
                )
                for column, caption in zip(columns, captions, strict=True)
            ]
            rows.append(Row(cells=row, label=f"{kind}: {label}"))
    return compose_sheet(rows, title=title)


def _region_cells(
    network: Frozen,
    images: VocImages,
    name: str,
    pixels: torch.Tensor,
    *,
    image_px: int,
    computing: Computing,
) -> list[Cell]:
    picture = _picture(pixels)
    mask = attention_masks(network, pixels, image_px=image_px, computing=computing)[_VARIANT]
    attention = mean_attention(network, pixels, image_px=image_px, computing=computing)
    regions = images.read_regions(name, size=picture.size)
    colours = np.where((regions == VOID)[..., None], 128, label_palette()[regions])
    blended = (0.5 * np.asarray(picture) + 0.5 * colours).astype(np.uint8)
    shown = [
        map_picture(attention, picture.size),
        _tinted(picture, enlarge_mask(mask, picture.size)),
        Image.fromarray(blended),
    ]
    return [Cell(picture=_fitted(one)) for one in shown]


def _box_cells(
    network: Frozen,
    images: VocImages,
    name: str,
    pixels: torch.Tensor,
    *,
    k_patches: int,
    computing: Computing,
) -> list[Cell]:
    picture = _picture(pixels)
    patch_px = network.traits.patch_px
    assert patch_px is not None
    attention = attend_padded(network, pixels, computing=computing)
    found = lost_box(attention, k_patches=k_patches)
    shown = _tinted(picture, _patches_in_pixels(found.mask, patch_px, picture.size))
    draw = ImageDraw.Draw(shown)
    line_px = max(2, round(min(picture.size) / 100))
    for box in images.read_boxes(name):
        draw.rectangle(_inner(box), outline="white", width=line_px)
    inner = _inner(enlarge(found.box, patch_px=patch_px, size=picture.size))
    draw.rectangle(inner, outline=object_colour(0), width=line_px)
    top, left = (patch_px * place for place in found.seed)
    square = (left, top, left + patch_px, top + patch_px)
    draw.rectangle(_inner(square), fill=object_colour(2))
    return [Cell(picture=_fitted(shown))]


def _tinted(picture: Image.Image, mask: Mask) -> Image.Image:
    """Return a picture with a mask in half an object's colour."""
    pixels = np.asarray(picture, dtype=np.float32)
    tinted = np.where(mask[..., None], 0.5 * pixels + 0.5 * np.array(object_colour(0)), pixels)
    return Image.fromarray(tinted.astype(np.uint8))


def _patches_in_pixels(mask: Mask, patch_px: int, size: tuple[int, int]) -> Mask:
    """Return a mask over patches of a padded picture as one of the picture's pixels."""
    wide: Mask = np.kron(mask, np.ones((patch_px, patch_px), dtype=bool))
    return wide[: size[1], : size[0]]


def _inner(box: Box) -> Box:
    """Return a box whose right and bottom lie inside, as Pillow draws them."""
    return box[0], box[1], box[2] - 1, box[3] - 1


def _picture(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def _fitted(picture: Image.Image) -> Image.Image:
    return ImageOps.pad(picture, (_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS, color="white")
