"""Objects of Pascal VOC 2012 found without labels: by what [CLS] attends to, and by LOST.

The paper gives the Jaccard index of attention maps (80 % of the mass of the heads' mean, on val)
and CorLoc without the method of its boxes. Its CorLoc of DINO on ImageNet is the one published for
LOST on trainval. So every variant is measured in one pass and named: attention of each head and of
their mean at two masses, boxes by LOST and by attention; the first of each is what stands beside
the paper's number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dora.errors import DoraError
from dora.eval.attention_masks import MEAN, jaccard
from dora.eval.computing import Computing
from dora.eval.discovery_pictures import save_boxes, save_regions
from dora.eval.finished_parts import FinishedParts
from dora.eval.found_objects import (
    LOST,
    MASSES,
    BoxOverlaps,
    RegionCounts,
    Variant,
    measure_boxes,
    measure_regions,
    require_attention,
)
from dora.eval.loading import Evaluated
from dora.eval.lost import K_PATCHES
from dora.eval.voc import Kind, Split, VocImages
from dora.train.distributed import rank

ChosenSplit = Split | Literal["none"]
HIT_FROM = 0.5
"""A box is right from this overlap on with one of the true boxes, as LOST's code has it."""
IMAGE_PX = 480
"""Side of the squares for attention masks, that of DINO's script; the paper does not say."""
BEST = "best"
VERSION = 2
"""Of what is measured: with another one nothing that was kept is taken."""
_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class JaccardScore:
    """How well masks of one kind fit all objects of a picture together; void is not counted."""

    map: str
    """`mean` of the heads, a head's number from 1, or `best`: for each picture the head that fits
    the truth best, which nobody could choose without it."""
    mass: float
    """Share of the attention that a mask holds."""
    over_pictures: float
    """Mean of the pictures' Jaccard indices."""
    over_pixels: float | None
    """Jaccard index of all pixels of all pictures together; None for `best`."""


@dataclass(frozen=True, kw_only=True)
class CorLocScore:
    """Share of the pictures in which a box fits one of the true ones."""

    boxes: str
    """`lost`, or whose attention is masked: the largest connected part is boxed."""
    mass: float | None
    """Share of the attention that the mask holds; None for LOST."""
    share: float


@dataclass(frozen=True, kw_only=True)
class DiscoveryResult:
    """Scores and everything that was chosen; becomes the JSON record."""

    benchmark: str = "discovery"
    data: str
    jaccard: tuple[JaccardScore, ...]
    """The first is the paper's variant; empty where it was left out."""
    jaccard_split: str
    jaccard_pictures: int
    corloc: tuple[CorLocScore, ...]
    """The first is LOST's; empty where it was left out."""
    corloc_split: str
    corloc_pictures: int
    image_px: int
    """Side of the squares for attention masks; boxes are found at the pictures' own sizes."""
    k_patches: int
    """Of LOST: among how many patches those are sought that join the seed."""
    hit_from: float = HIT_FROM
    true_regions: str = "all classes together; void pixels do not count"
    true_boxes: str = "all, difficult and truncated ones too"
    notes: tuple[str, ...]

    @property
    def measured(self) -> dict[str, float]:
        """The first variant of each, per cent."""
        numbers = {}
        if self.jaccard:
            numbers["Jaccard"] = 100 * self.jaccard[0].over_pictures
        if self.corloc:
            numbers["CorLoc"] = 100 * self.corloc[0].share
        return numbers


def evaluate_discovery(
    evaluated: Evaluated,
    folder: Path,
    *,
    jaccard_split: ChosenSplit = "val",
    corloc_split: ChosenSplit = "trainval",
    image_px: int = IMAGE_PX,
    k_patches: int = K_PATCHES,
    pictures: Path | None = None,
    computing: Computing,
) -> DiscoveryResult:
    """Score a frozen ViT on Pascal VOC 2012; processes share out the pictures.

    Pictures that were finished are kept in `computing.cache`, and not done again.

    Args:
        evaluated: the network.
        folder: VOC2012/, VOCdevkit/, or where the archive was unpacked.
        jaccard_split: pictures with true regions; `none` leaves the measure out.
        corloc_split: pictures with true boxes; likewise.
        image_px: side of the squares for attention masks.
        k_patches: of LOST.
        pictures: folder for contact sheets of the best and the worst.
        computing: where and how.

    Raises:
        DoraError: an option out of its range, a folder laid out otherwise, damaged files, or a
            network whose attention cannot be read.
    """
    network = evaluated.network
    require_attention(network)
    network.check_side(image_px)
    _check_options(jaccard_split, corloc_split, k_patches=k_patches)
    # Both lists are seen to be whole before hours are spent on the first.
    with_regions = _open_list(folder, kind="Segmentation", split=jaccard_split)
    with_boxes = _open_list(folder, kind="Main", split=corloc_split)
    regions: list[RegionCounts] = []
    boxes: list[BoxOverlaps] = []
    if with_regions is not None:
        regions = measure_regions(
            network,
            with_regions,
            image_px=image_px,
            kept=_kept_parts(evaluated, with_regions, computing, image_px=image_px),
            computing=computing,
        )
        if pictures is not None and rank() == 0:
            save_regions(
                evaluated,
                with_regions,
                regions,
                image_px=image_px,
                computing=computing,
                out=pictures,
            )
    if with_boxes is not None:
        boxes = measure_boxes(
            network,
            with_boxes,
            k_patches=k_patches,
            kept=_kept_parts(evaluated, with_boxes, computing, k_patches=k_patches),
            computing=computing,
        )
        if pictures is not None and rank() == 0:
            save_boxes(
                evaluated,
                with_boxes,
                boxes,
                k_patches=k_patches,
                computing=computing,
                out=pictures,
            )
    return DiscoveryResult(
        data=str(folder),
        jaccard=jaccard_scores(regions),
        jaccard_split=jaccard_split,
        jaccard_pictures=len(regions),
        corloc=corloc_scores(boxes),
        corloc_split=corloc_split,
        corloc_pictures=len(boxes),
        image_px=image_px,
        k_patches=k_patches,
        notes=_notes(jaccard_split, corloc_split, image_px=image_px, k_patches=k_patches),
    )


def _open_list(folder: Path, *, kind: Kind, split: ChosenSplit) -> VocImages | None:
    return None if split == "none" else VocImages.open(folder, kind=kind, split=split)


def _kept_parts(
    evaluated: Evaluated,
    images: VocImages,
    computing: Computing,
    *,
    image_px: int | None = None,
    k_patches: int | None = None,
) -> FinishedParts:
    """Return what was finished before with the same network and settings."""
    return FinishedParts(
        None if computing.cache is None else computing.cache / "discovery",
        root=images.folder,
        belongs_to={
            "version": VERSION,
            "network": evaluated.sha256,
            "precision": computing.precision,
            "list": [images.kind, images.split],
            "image_px": image_px,
            "k_patches": k_patches,
        },
    )


def jaccard_scores(regions: Sequence[RegionCounts]) -> tuple[JaccardScore, ...]:
    """Return the scores of all variants, the mean of the heads first; none of no pictures."""
    if not regions:
        return ()
    variants = list(regions[0].counts)
    scores = {
        variant: [jaccard(*picture.counts[variant]) for picture in regions] for variant in variants
    }
    found = [
        JaccardScore(
            map=name,
            mass=mass,
            over_pictures=float(np.mean(scores[name, mass])),
            over_pixels=jaccard(
                *(sum(picture.counts[name, mass][part] for picture in regions) for part in (0, 1))
            ),
        )
        for name, mass in sorted(variants, key=_order)
    ]
    for mass in MASSES:
        heads = [scores[name, kept] for name, kept in variants if kept == mass and name != MEAN]
        best = float(np.max(heads, axis=0).mean())
        found.append(JaccardScore(map=BEST, mass=mass, over_pictures=best, over_pixels=None))
    return tuple(found)


def corloc_scores(boxes: Sequence[BoxOverlaps]) -> tuple[CorLocScore, ...]:
    """Return the scores of all variants, LOST first; none of no pictures."""
    if not boxes:
        return ()

    def share(overlaps: Sequence[float]) -> float:
        return float(np.mean(np.asarray(overlaps) >= HIT_FROM))

    lost = CorLocScore(boxes=LOST, mass=None, share=share([picture.lost for picture in boxes]))
    others = (
        CorLocScore(
            boxes=f"attention {name}",
            mass=mass,
            share=share([picture.attention[name, mass] for picture in boxes]),
        )
        for name, mass in sorted(boxes[0].attention, key=_order)
    )
    return (lost, *others)


def _order(variant: Variant) -> tuple[bool, int, int]:
    """Return what puts the mean first, then heads by number, the paper's mass first in each."""
    name, mass = variant
    return name != MEAN, 0 if name == MEAN else int(name), MASSES.index(mass)


def _check_options(jaccard_split: str, corloc_split: str, *, k_patches: int) -> None:
    if jaccard_split == corloc_split == _NONE:
        raise DoraError(
            "neither masks nor boxes are to be measured",
            remedy="name a split for one of them: val or trainval",
        )
    if k_patches < 1:
        raise DoraError(f"LOST cannot choose among {k_patches} patches", remedy="use 100")


def _notes(
    jaccard_split: str, corloc_split: str, *, image_px: int, k_patches: int
) -> tuple[str, ...]:
    notes = []
    if jaccard_split != _NONE:
        notes.append(
            "the paper does not say how pictures are resized, nor what void pixels or several "
            f"classes count. Jaccard here: squares of {image_px} px, {MASSES[0]} of the mass of "
            "the heads' mean, all classes together without void, mean over pictures"
        )
    if jaccard_split not in ("val", _NONE):
        notes.append(f"the paper's Jaccard index is that of val, this one of {jaccard_split}")
    if corloc_split != _NONE:
        notes.append(
            "the paper does not say how its boxes are made, and names val; its number of DINO on "
            f"ImageNet is that of LOST on trainval. CorLoc here: LOST on {corloc_split}, "
            f"where an overlap of {HIT_FROM} is a hit, too (the paper: above)"
        )
    if corloc_split != _NONE and k_patches != K_PATCHES:
        notes.append(f"LOST's seed is joined by some of {k_patches} patches, not {K_PATCHES}")
    return tuple(notes)
