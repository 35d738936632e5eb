"""The crops of a batch of clips, as they travel from the augmentation to the training step."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Views:
    """Global views and local crops of B clips, normalised by ImageNet's mean and deviation."""

    global_views: Tensor
    """(V, B, T, 3, S, S) float32: one (released code) or two (paper) views of every frame."""
    local_crops: Tensor
    """(L, B, T, 3, s, s) float32: L crops of every frame."""
    positions: Tensor
    """(B,) int64 on the CPU: the number of each clip in the run, counted over all processes."""

    def __post_init__(self) -> None:
        for name in ("global_views", "local_crops"):
            crops: Tensor = getattr(self, name)
            assert crops.ndim == 6, f"{name} has shape {tuple(crops.shape)}"
            assert crops.shape[3] == 3, f"{name} has shape {tuple(crops.shape)}"
            assert crops.shape[-1] == crops.shape[-2], f"{name} has shape {tuple(crops.shape)}"
            assert crops.dtype == torch.float32, f"{name} is {crops.dtype}"
        assert self.global_views.shape[1:3] == self.local_crops.shape[1:3], "other clips or frames"
        assert self.positions.shape == self.global_views.shape[1:2], "a position for each clip"
        assert self.positions.dtype == torch.int64, f"positions are {self.positions.dtype}"

    @property
    def clips(self) -> int:
        """Return B, the number of clips."""
        return self.global_views.shape[1]

    @property
    def frames(self) -> int:
        """Return T, the number of frames per clip."""
        return self.global_views.shape[2]

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "Views":
        """Return the same views on a device; positions, which key draws, stay on the CPU."""
        return Views(
            global_views=self.global_views.to(device, non_blocking=non_blocking),
            local_crops=self.local_crops.to(device, non_blocking=non_blocking),
            positions=self.positions,
        )

    def pin_memory(self) -> "Views":
        """Return the same views in page-locked memory, from which a GPU copies by itself."""
        return Views(
            global_views=self.global_views.pin_memory(),
            local_crops=self.local_crops.pin_memory(),
            positions=self.positions,
        )
