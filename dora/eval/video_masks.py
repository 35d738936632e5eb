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

from dora.data.colours import MEAN
from dora.errors import ConfigError, DoraError
from dora.eval.davis_folder import DavisSequence
from dora.eval.picture_files import VOID, LabelMap, read_rgb
from dora.eval.propagation import Propagation, PropagationConfig
from dora.model.vit import Backbone

DEVIATION = (0.228, 0.224, 0.225)
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
    backbone: Backbone,
    sequence: DavisSequence,
    first: LabelMap,
    *,
    config: VideoMaskConfig,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Iterator[LabelMap]:
    """Yield the mask of every frame, (h, w) in the frames' own size; the first is the given one.

    Args:
        backbone: frozen, on `device`.
        sequence: the video.
        first: true mask of the first frame; void counts as background.
        config: see there.
        device: where to compute.
        dtype: of the forward pass; features are compared in float32.

    Raises:
        DoraError: a damaged frame, one of another size, or a side that does not divide into
            patches.
    """
    patch_px = backbone.config.patch_px
    start = np.where(first == VOID, 0, first).astype(np.uint8)
    size = (first.shape[1], first.shape[0])
    network_size = fitted_size(size, image_px=config.image_px, patch_px=patch_px)
    features = _patch_features(
        backbone, sequence.frames[0], size, network_size, device=device, dtype=dtype
    )
    labels = label_patches(start, (network_size[0] // patch_px, network_size[1] // patch_px))
    propagation = Propagation(features, labels.to(device), config.propagation)
    yield start
    for path in sequence.frames[1:]:
        features = _patch_features(backbone, path, size, network_size, device=device, dtype=dtype)
        yield label_pixels(propagation.step(features), size, patch_px=patch_px)


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


def _patch_features(
    backbone: Backbone,
    path: Path,
    size: tuple[int, int],
    network_size: tuple[int, int],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Return the patch tokens of the last block after the final norm, (gh, gw, D)."""
    frame = read_rgb(path)
    if frame.size != size:
        raise DoraError(
            f"{path} is {frame.width}x{frame.height}, the sequence's first {size[0]}x{size[1]}",
            remedy="take frames and masks from the same release, at the same resolution",
        )
    images = _prepare(frame, network_size, device=device)
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        tokens = backbone(images, want_tokens=True)
    return tokens.patches[0].unflatten(0, tokens.grid)


def _prepare(frame: Image.Image, size: tuple[int, int], *, device: torch.device) -> Tensor:
    """Return a frame for the network, (1, 3, h, w) float32."""
    pixels = torch.from_numpy(np.array(frame)).to(device).permute(2, 0, 1)[None].float()
    # OpenCV's bilinear rule: no smoothing before, whole levels after.
    resized = functional.interpolate(pixels, size=(size[1], size[0]), mode="bilinear").round()
    mean, deviation = (torch.tensor(values, device=device) for values in (MEAN, DEVIATION))
    return (resized / 255 - mean[:, None, None]) / deviation[:, None, None]
