"""How the heads of a linear probe are trained, and what is the paper's of it."""

import math
from dataclasses import dataclass

from dora.errors import DoraError
from dora.eval.features import FeatureKind

BASE_LRS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""For 256 pictures a step: DINO's 0.001, the 0.01 of DoRA's command, and around them."""
AUTHORS_LR = 0.01
_LR_PICTURES = 256
PAPER_EPOCHS = 100


@dataclass(frozen=True, kw_only=True)
class LinearSettings:
    """How the heads are trained."""

    epochs: int = PAPER_EPOCHS
    step_pictures: int = 1024
    """Pictures of a step over all processes; 1024 in the text, 2048 in the released command."""
    base_lrs: tuple[float, ...] = BASE_LRS
    """Learning rates for 256 pictures a step."""
    blocks: tuple[int, ...] = (4,)
    """[CLS] of so many last blocks: each entry is a row of the grid; DINO: 4 for ViT-S."""
    patch_means: tuple[bool, ...] = (False,)
    """Without or with the mean of the last block's patches, likewise; DINO: without for ViT-S."""
    frozen_crops: bool = False
    """Train on features of centre crops, computed once: fast, and not the paper's protocol."""
    image_px: int = 224
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "step_pictures"):
            if getattr(self, name) < 1:
                raise DoraError(f"{name} is {getattr(self, name)}", remedy="use 1 or more")
        if not self.base_lrs or not all(0 < lr < math.inf for lr in self.base_lrs):
            raise DoraError(
                f"the learning rates are {list(self.base_lrs)}", remedy="name numbers above 0"
            )
        if not self.blocks or not self.patch_means:
            raise DoraError("no features to train on", remedy="name blocks, such as 1 or 4")

    @property
    def lr_scale(self) -> float:
        """What a base learning rate is multiplied by."""
        return self.step_pictures / _LR_PICTURES

    @property
    def kind(self) -> FeatureKind:
        """Features that hold the columns of all heads."""
        return FeatureKind(
            image_px=self.image_px, blocks=max(self.blocks), patch_mean=any(self.patch_means)
        )

    def banks(self) -> list[tuple[int, bool]]:
        """Return blocks and patch mean of each bank of heads."""
        return [(blocks, mean) for blocks in self.blocks for mean in self.patch_means]

    def columns(self, blocks: int, patch_mean: bool, *, width: int) -> slice:
        """Return which columns of `kind` a bank reads: neighbours, as the mean comes last."""
        most = max(self.blocks)
        return slice((most - blocks) * width, (most + patch_mean) * width)
