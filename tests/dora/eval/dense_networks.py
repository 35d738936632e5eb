"""Networks whose answers are known: features that are pixels, attention that is brightness."""

import torch
from torch import Tensor
from torch.nn import functional

from dora.eval.computing import Computing
from dora.eval.loading import Evaluated
from dora.eval.loading import evaluated as label_network
from dora.eval.networks import BlockTokens, Frozen, LastAttention, Traits

PATCH_PX = 8
ON_CPU = Computing(workers=1)


class PixelNetwork(Frozen):
    """Patch tokens are the pixels of the patch; two heads attend to what is bright and dark."""

    def __init__(self, *, patch_px: int | None = PATCH_PX, heads: int | None = 2) -> None:
        super().__init__()
        self.traits = Traits(
            architecture="pixels",
            width=3 * PATCH_PX**2,
            depth=1,
            heads=heads,
            patch_px=patch_px,
            image_px=64,
        )
        self.calls = 0

    def cls(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)).repeat(1, PATCH_PX**2)

    def blocks(self, images: Tensor, *, n_last: int) -> BlockTokens:
        self.calls += 1
        grid = (images.shape[2] // PATCH_PX, images.shape[3] // PATCH_PX)
        patches = functional.unfold(images, PATCH_PX, stride=PATCH_PX).transpose(1, 2)
        return BlockTokens(cls=self.cls(images)[None], patches=patches[None], grid=grid)

    def attend(self, images: Tensor) -> LastAttention:
        """Keys are (1, 0.1) of dark patches, (-1, 0.1) of bright ones, in both heads alike."""
        self.calls += 1
        levels = functional.avg_pool2d(images.mean(dim=1, keepdim=True), PATCH_PX)
        sign_MN = torch.where(levels > 0.5, -1.0, 1.0).flatten(1)
        key = torch.stack([sign_MN, torch.full_like(sign_MN, 0.1)], dim=-1)
        key = functional.pad(key, (0, 0, 1, 0))[:, None].repeat(1, 2, 1, 1)
        query = torch.zeros_like(key)
        query[:, 0, 0, 0], query[:, 1, 0, 0] = -60.0, 60.0
        return LastAttention(query=query, key=key, grid=(levels.shape[2], levels.shape[3]))


def pixel_network() -> Evaluated:
    return label_network(PixelNetwork(), "pixels", origin="untrained")
