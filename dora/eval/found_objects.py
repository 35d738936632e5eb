"""What a network finds in single pictures of VOC, in all variants, and how well it fits the truth.

Masks: the picture is stretched to a square, as in DINO's script. Boxes: the picture keeps its size
and is padded with zeros to whole patches, as in LOST's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from dora.eval.attention_masks import foreground_counts, head_maps, keep_mass
from dora.eval.components import Box, Mask, best_overlap, box_of, enlarge, largest_component
from dora.eval.computing import Computing
from dora.eval.finished_parts import FinishedParts
from dora.eval.gathering import join_shares, own_share
from dora.eval.lost import Discovered, discover_object
from dora.eval.networks import Frozen, LastAttention, refuse_reading
from dora.eval.pictures import open_picture, read_batches
from dora.eval.voc import VocImages
from dora.train.distributed import rank, world_size

MASSES = (0.8, 0.6)
"""Shares of the attention kept: the paper's, then that of DINO's script."""
_PART = 64
"""Pictures that are kept together when they are finished."""
LOST = "lost"
Variant = tuple[str, float]
"""Whose attention, `mean` or a head's number from 1, and the share of its mass that is kept."""


@dataclass(frozen=True, kw_only=True)
class RegionCounts:
    """Masks by attention against all objects of a picture."""

    name: str
    counts: dict[Variant, tuple[int, int]]
    """Pixels in both, pixels in either."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {"name": self.name, "counts": [[*key, *pair] for key, pair in self.counts.items()]}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made of."""
        counts = {(name, mass): (both, either) for name, mass, both, either in kept["counts"]}
        return cls(name=kept["name"], counts=counts)


@dataclass(frozen=True, kw_only=True)
class BoxOverlaps:
    """Boxes against the true ones of a picture: the best intersection over union of each."""

    name: str
    lost: float
    attention: dict[Variant, float]
    """Box of the largest connected part of a mask by attention."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        attention = [[*key, overlap] for key, overlap in self.attention.items()]
        return {"name": self.name, "lost": self.lost, "attention": attention}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made of."""
        attention = {(name, mass): overlap for name, mass, overlap in kept["attention"]}
        return cls(name=kept["name"], lost=kept["lost"], attention=attention)


Measured = TypeVar("Measured", RegionCounts, BoxOverlaps)


def require_attention(network: Frozen) -> int:
    """Return the side of the network's patches in pixels.

    Raises:
        DoraError: its attention or patches cannot be read.
    """
    traits = network.traits
    if traits.patch_px is None or traits.heads is None:
        refuse_reading(traits, "attention")
    return traits.patch_px


def measure_regions(
    network: Frozen, images: VocImages, *, image_px: int, kept: FinishedParts, computing: Computing
) -> list[RegionCounts]:
    """Return the counts of all pictures; processes share out the work.

    Args:
        network: a ViT, on the device.
        images: with true regions.
        image_px: side of the squares.
        kept: what was finished before.
        computing: where and how.

    Raises:
        DoraError: a damaged picture or annotation, or one of another size.
    """

    def measure(name: str, pixels: Tensor) -> RegionCounts:
        regions = images.read_regions(name, size=(pixels.shape[-1], pixels.shape[-2]))
        masks = attention_masks(network, pixels, image_px=image_px, computing=computing)
        counts = {variant: foreground_counts(mask, regions) for variant, mask in masks.items()}
        return RegionCounts(name=name, counts=counts)

    return _measure_all(images, measure, RegionCounts, kept=kept, computing=computing)


def measure_boxes(
    network: Frozen, images: VocImages, *, k_patches: int, kept: FinishedParts, computing: Computing
) -> list[BoxOverlaps]:
    """Return the overlaps of all pictures; processes share out the work.

    Args:
        network: a ViT, on the device.
        images: with true boxes.
        k_patches: of LOST.
        kept: what was finished before.
        computing: where and how.

    Raises:
        DoraError: a damaged picture or annotation.
    """
    patch_px = require_attention(network)

    def measure(name: str, pixels: Tensor) -> BoxOverlaps:
        truths = images.read_boxes(name)
        size = (pixels.shape[-1], pixels.shape[-2])
        attention = attend_padded(network, pixels, computing=computing)

        def overlap(box: Box) -> float:
            return best_overlap(enlarge(box, patch_px=patch_px, size=size), truths)

        return BoxOverlaps(
            name=name,
            lost=overlap(lost_box(attention, k_patches=k_patches).box),
            attention={
                variant: overlap(box_of(largest_component(mask)))
                for variant, mask in _masks(attention).items()
            },
        )

    return _measure_all(images, measure, BoxOverlaps, kept=kept, computing=computing)


def attention_masks(
    network: Frozen, pixels: Tensor, *, image_px: int, computing: Computing
) -> dict[Variant, Mask]:
    """Return a picture's masks by attention, (gh, gw) each.

    Args:
        network: a ViT, on the device.
        pixels: (3, h, w) uint8.
        image_px: side of the square.
        computing: where and how.
    """
    return _masks(_attend_square(network, pixels, image_px=image_px, computing=computing))


def mean_attention(
    network: Frozen, pixels: Tensor, *, image_px: int, computing: Computing
) -> NDArray[np.float32]:
    """Return the mean of the heads' attention of such a picture, (gh, gw)."""
    attention = _attend_square(network, pixels, image_px=image_px, computing=computing)
    mean = attention.cls_attention()[0].mean(dim=0).view(attention.grid)
    return np.asarray(mean.cpu().numpy(), dtype=np.float32)


def attend_padded(network: Frozen, pixels: Tensor, *, computing: Computing) -> LastAttention:
    """Return the last block's attention of a picture in its own size, padded to whole patches.

    Args:
        network: a ViT, on the device.
        pixels: (3, h, w) uint8.
        computing: where and how.
    """
    patch_px = require_attention(network)
    height, width = pixels.shape[-2:]
    images = network.normalise(pixels[None].to(computing.device))
    # Zeros after normalising: grey of the mean, and no black border.
    images = functional.pad(images, (0, -width % patch_px, 0, -height % patch_px))
    with torch.inference_mode(), computing.autocast():
        return network.attend(images)


def lost_box(attention: LastAttention, *, k_patches: int) -> Discovered:
    """Return what LOST finds in a picture, in patches."""
    return discover_object(attention.patch_keys()[0], attention.grid, k_patches=k_patches)


def read_pixels(path: Path) -> Tensor:
    """Return a picture as it is, (3, h, w) uint8.

    Raises:
        DoraError: no whole picture.
    """
    return torch.from_numpy(np.array(open_picture(path))).permute(2, 0, 1)


def _attend_square(
    network: Frozen, pixels: Tensor, *, image_px: int, computing: Computing
) -> LastAttention:
    """Return the last block's attention of a picture stretched to a square."""
    square = v2.functional.resize(pixels, [image_px, image_px], antialias=True)
    images = network.normalise(square[None].to(computing.device))
    with torch.inference_mode(), computing.autocast():
        return network.attend(images)


def _masks(attention: LastAttention) -> dict[Variant, Mask]:
    """Return the masks of all maps at all masses, (gh, gw) each."""
    maps = head_maps(attention.cls_attention()[0])
    stacked = torch.stack(list(maps.values()))
    masks: dict[Variant, Mask] = {}
    for mass in MASSES:
        kept = keep_mass(stacked, mass).view(-1, *attention.grid).cpu().numpy()
        masks |= {(name, mass): mask for name, mask in zip(maps, kept, strict=True)}
    return masks


def _measure_all(
    images: VocImages,
    measure: Callable[[str, Tensor], Measured],
    kind: type[Measured],
    *,
    kept: FinishedParts,
    computing: Computing,
) -> list[Measured]:
    """Return what is measured of all pictures, by name; finished parts are not done again.

    Args:
        images: the pictures.
        measure: from a picture's name and pixels to what is measured.
        kind: of what is measured.
        kept: what was finished before.
        computing: where and how.
    """
    names = own_share(images.names)
    progress = computing.progress
    title = f"{images.kind} {images.split}"
    task = None if progress is None else progress.add_task(title, total=len(names))
    done: list[Measured] = []
    for start in range(0, len(names), _PART):
        part = names[start : start + _PART]
        files = [path for name in part for path in images.files(name)]
        label = f"{rank()}-of-{world_size()}-{start:05}"
        found = kept.find(
            label, files, lambda stored: [kind.from_json(one) for one in stored["pictures"]]
        )
        if found is None:
            batches = ([images.picture_path(name)] for name in part)
            pictures = read_batches(batches, read_pixels, workers=computing.workers)
            fresh = []
            for name, pixels in zip(part, pictures, strict=True):
                fresh.append(measure(name, pixels[0]))
                if progress is not None and task is not None:
                    progress.advance(task)
            kept.keep(label, files, {"pictures": [one.to_json() for one in fresh]})
            done += fresh
        else:
            done += found
            if progress is not None and task is not None:
                progress.advance(task, len(part))
    return join_shares(done)
