"""Mixup and cutmix of the pictures of a group, and the targets that come of them."""

import torch
from timm.data.mixup import Mixup, mixup_target
from torch import Tensor
from torch.nn import functional

from dora.finetune.draws import MIXING, drawing
from dora.finetune.recipe import Recipe


class Mixing:
    """Mixes a group with itself in reversed order, by timm's mixup (arXiv:1710.09412) or cutmix.

    Of cutmix (arXiv:1905.04899) the share of the labels is that of the box that lies within the
    picture. Labels are smoothed before they are mixed.
    """

    def __init__(self, recipe: Recipe, *, classes: int) -> None:
        self.seed = recipe.seed
        self.classes = classes
        self.smoothing = recipe.smoothing
        self._mixup = None
        if recipe.mixup > 0 or recipe.cutmix > 0:
            self._mixup = Mixup(  # type: ignore[no-untyped-call]
                mixup_alpha=recipe.mixup,
                cutmix_alpha=recipe.cutmix,
                label_smoothing=recipe.smoothing,
                num_classes=classes,
            )

    def __call__(self, images: Tensor, labels: Tensor, *, place: int) -> tuple[Tensor, Tensor]:
        """Return mixed images, in the same memory, and their targets (M, C) float32.

        Args:
            images: (M, 3, S, S) float32, normalised; M is even.
            labels: (M,) int64.
            place: number of the group in the run.
        """
        if self._mixup is None:
            targets: Tensor = mixup_target(  # type: ignore[no-untyped-call]
                labels, self.classes, smoothing=self.smoothing
            )
            return images, targets
        with drawing(self.seed, purpose=MIXING, place=place):
            mixed: tuple[Tensor, Tensor] = self._mixup(images, labels)
        return mixed


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each picture, (M,) float32.

    Args:
        logits: (M, C), any float type.
        targets: (M, C), each row with the sum 1.
    """
    logs = functional.log_softmax(logits.float(), dim=-1)
    return torch.sum(-targets * logs, dim=-1)
