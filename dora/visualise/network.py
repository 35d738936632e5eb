"""The network that looks: its weights, the run it comes from, and pictures as it takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress

from dora.config import RunConfig
from dora.data.colours import normalise
from dora.errors import DoraError
from dora.eval.loading import RANDOM, load_evaluated
from dora.model.vit import Backbone, Tokens
from dora.model.weights import frozen_backbone, read_weights
from dora.presets import named_preset, released
from dora.train.checkpoint import load_checkpoint

_PATCHES_AT_A_TIME = 8192
"""Of all pictures in one forward pass; ViT-S takes about 1 GB for them."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A frozen backbone with the options of its training."""

    backbone: Backbone
    label: str
    run: RunConfig
    """The checkpoint's own; of weights that record none, that of the released code."""
    device: torch.device

    @classmethod
    def load(
        cls, weights: str, *, heads: int | None = None, device: torch.device | None = None
    ) -> "Network":
        """Return the network of `load_evaluated`.

        Raises:
            DoraError: as `load_evaluated`.
        """
        device = device or torch.device("cpu")
        source, _, preset = weights.partition(":")
        if source == RANDOM:
            backbone, label = load_evaluated(weights)
            run = named_preset(preset or "dora")
        else:
            read = read_weights(Path(weights))
            backbone, label = frozen_backbone(read, heads=heads), read.source
            # Only our own checkpoints record sizes, and with them the run.
            run = released() if read.recorded is None else load_checkpoint(read.path).config
        return cls(backbone=backbone.to(device), label=label, run=run, device=device)

    def tokens(
        self,
        pictures: Sequence[Image.Image],
        *,
        side_px: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Tokens]:
        """Yield the tokens of whole pictures, a few pictures at a time.

        Args:
            pictures: all of one size.
            side_px: their shorter side for the network, rounded to patches; None: twice the native
                side, for maps twice as fine as in training.
            progress: where to show how far it is.

        Raises:
            DoraError: the side is less than a patch.
        """
        size = self._size(pictures[0].size, side_px=side_px)
        patches = size[0] * size[1] // self.backbone.config.patch_px**2
        batch = max(1, _PATCHES_AT_A_TIME // patches)
        task = None if progress is None else progress.add_task("pictures", total=len(pictures))
        for start in range(0, len(pictures), batch):
            part = pictures[start : start + batch]
            resized = [picture.resize(size, Image.Resampling.BICUBIC) for picture in part]
            pixels = np.stack([np.asarray(picture) for picture in resized])
            images = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self.device))
            with torch.inference_mode():
                yield self.backbone(images, want_tokens=True)
            if progress is not None and task is not None:
                progress.advance(task, len(part))

    def _size(self, size: tuple[int, int], *, side_px: int | None) -> tuple[int, int]:
        """Return width and height in pixels, multiples of the patch."""
        patch_px = self.backbone.config.patch_px
        side_px = 2 * self.backbone.config.image_px if side_px is None else side_px
        if side_px < patch_px:
            raise DoraError(
                f"a shorter side of {side_px} px holds no patch of {patch_px} px",
                remedy=f"use {patch_px} px or more",
            )
        scale = side_px / min(size)
        width, height = (max(1, round(side * scale / patch_px)) * patch_px for side in size)
        return width, height
