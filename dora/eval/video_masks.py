"""Masks of a video's objects from those of its first frame, by a frozen backbone.

DINO's protocol (its `eval_video_segmentation.py`): patch tokens of the last block, labels carried
from patch to patch (`propagation.py`), enlarged to pixels, each object's stretched to [0, 1].
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dora.data.colours import DEVIATION
from dora.errors import ConfigError, DoraError
from dora.eval.computing import Computing
from dora.eval.davis_folder import DavisSequence
from dora.eval.label_maps import VOID, LabelMap
from dora.eval.networks import Colour, Frozen, refuse_reading
from dora.eval.pictures import open_picture, read_batches
from dora.eval.propagation import Propagation, PropagationConfig

SCRIPT_DEVIATION = (0.228, 0.224, 0.225)
"""That of DINO's script for videos; everywhere else red has 0.229."""
_LONG_SIDE_STEP_PX = 64


@dataclass(frozen=True, kw_only=True)
class VideoMaskConfig:
    """How a video is looked at, and how labels are carried."""

    image_px: int = 480
    """Shorter side of the frames for the network; the longer one is a multiple of 64, rounded
    down."""
    propagation: PropagationConfig = field(default_factory=PropagationConfig)

    def __post_init__(self) -> None:
        if self.image_px < _LONG_SIDE_STEP_PX:
            raise ConfigError(
                f"frames of {self.image_px} px are too small",
                remedy=f"use 480 as published, or {_LONG_SIDE_STEP_PX} and more",
            )


def follow_objects(
    network: Frozen,
    sequence: DavisSequence,
    first: LabelMap,
    *,
    config: VideoMaskConfig,
    computing: Computing,
) -> Iterator[LabelMap]:
    """Yield the mask of every frame, (h, w) in the frames' own size; the first is the given one.

    Args:
        network: a ViT, on the device.
        sequence: the video.
        first: true mask of the first frame; void counts as background.
        config: see there.
        computing: where and how; features are compared in float32, whatever the precision.

    Raises:
        DoraError: a damaged frame, one of another size, a side that does not divide into patches,
            or a network without patches.
    """
    patch_px = require_patches(network)
    start = np.where(first == VOID, 0, first).astype(np.uint8)
    size = (first.shape[1], first.shape[0])
    network_size = fitted_size(size, image_px=config.image_px, patch_px=patch_px)
    grid = (network_size[0] // patch_px, network_size[1] // patch_px)
    frames = _read_frames(sequence, size, network_size, workers=computing.workers)
    features = _patch_features(network, next(frames), computing=computing)
    propagation = Propagation(
        features, label_patches(start, grid).to(computing.device), config.propagation
    )
    yield start
    for frame in frames:
        labels = propagation.step(_patch_features(network, frame, computing=computing))
        yield label_pixels(labels, size, patch_px=patch_px)


def require_patches(network: Frozen) -> int:
    """Return the side of the network's patches in pixels.

    Raises:
        DoraError: it has none.
    """
    patch_px = network.traits.patch_px
    if patch_px is None:
        refuse_reading(network.traits, "patch tokens")
    return patch_px


def fitted_size(size: tuple[int, int], *, image_px: int, patch_px: int) -> tuple[int, int]:
    """Return width and height for the network: 832x480 for 854x480.

    Args:
        size: width and height of the frame.
        image_px: the shorter side.
        patch_px: side of a patch.

    Raises:
        DoraError: a side does not divide into patches.
    """
    long_px = image_px * max(size) // min(size) // _LONG_SIDE_STEP_PX * _LONG_SIDE_STEP_PX
    # A square frame has its width set and its height rounded down, as in DINO's script.
    fitted = (image_px, long_px) if size[1] > size[0] else (long_px, image_px)
    if fitted[0] % patch_px or fitted[1] % patch_px:
        raise DoraError(
            f"frames of {fitted[0]}x{fitted[1]} px do not divide into patches of {patch_px} px",
            remedy=f"use --image-px with a multiple of {patch_px}",
        )
    return fitted


def label_patches(labels: LabelMap, grid: tuple[int, int]) -> Tensor:
    """Return the share of each object in each patch, (gh, gw, O) float32: 1 of one, 0 of others.

    Args:
        labels: (h, w), 0 for background.
        grid: patches in width and height. Each takes the label of the pixel in its middle.
    """
    small = Image.fromarray(labels).resize(grid, Image.Resampling.NEAREST)
    numbers = torch.from_numpy(np.array(small, dtype=np.int64))
    return functional.one_hot(numbers, int(labels.max()) + 1).float()


def label_pixels(labels_hwO: Tensor, size: tuple[int, int], *, patch_px: int) -> LabelMap:
    """Return the object of each pixel, (height, width).

    Shares are enlarged bilinearly and each object's stretched to [0, 1]; the largest wins.

    Args:
        labels_hwO: the shares over patches.
        size: width and height of the frame.
        patch_px: by how much the shares are enlarged, before the frame's own size is taken.
    """
    wide = functional.interpolate(
        labels_hwO.permute(2, 0, 1)[None], scale_factor=patch_px, mode="bilinear"
    )[0]
    low, high = (edge(wide, dim=(1, 2), keepdim=True) for edge in (torch.amin, torch.amax))
    # An object that has the same share everywhere keeps it: it cannot be stretched.
    stretched = torch.where(high > low, (wide - low) / (high - low), wide)
    numbers = stretched.argmax(dim=0).to(torch.uint8).cpu().numpy()
    return np.asarray(Image.fromarray(numbers).resize(size, Image.Resampling.NEAREST))


def used_deviation(network: Frozen) -> Colour:
    """Return the deviation that frames are divided by: DINO's for videos, or the network's own.

    A network that was not trained with ImageNet's keeps its own.
    """
    own = network.traits.deviation
    return SCRIPT_DEVIATION if own == DEVIATION else own


def _read_frames(
    sequence: DavisSequence,
    size: tuple[int, int],
    network_size: tuple[int, int],
    *,
    workers: int,
) -> Iterator[Tensor]:
    """Yield the frames for the network, (1, 3, h, w) uint8; the next ones are read ahead."""

    def read(path: Path) -> Tensor:
        frame = open_picture(path)
        if frame.size != size:
            raise DoraError(
                f"{path} is {frame.width}x{frame.height}, the sequence's first mask "
                f"{size[0]}x{size[1]}",
                remedy="take frames and masks from the same release, at the same resolution",
            )
        return fit_frame(frame, network_size)

    return read_batches(([path] for path in sequence.frames), read, workers=workers)


def fit_frame(frame: Image.Image, size: tuple[int, int]) -> Tensor:
    """Return a frame of another size, (3, h, w) uint8, by OpenCV's bilinear rule.

    Nothing is smoothed before, and levels are whole after.
    """
    pixels = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float()
    resized = functional.interpolate(pixels, size=(size[1], size[0]), mode="bilinear")
    return resized[0].round().to(torch.uint8)


def _patch_features(network: Frozen, frame: Tensor, *, computing: Computing) -> Tensor:
    """Return the patch tokens of the last block after the final norm, (gh, gw, D)."""
    images = network.normalise(frame.to(computing.device), deviation=used_deviation(network))
    with torch.inference_mode(), computing.autocast():
        tokens = network.blocks(images, n_last=1)
    return tokens.patches[-1, 0].reshape(*tokens.grid, -1)
