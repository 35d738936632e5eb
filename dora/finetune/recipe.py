"""How a backbone is fine-tuned: iBOT's recipes for each data set, and a short one.

Sources: bytedance/ibot (run.sh, evaluation/eval_cls.py, which is DeiT's main.py, and
evaluation/classification_layer_decay, which is BEiT's). The paper's Table 11 follows "the protocol
of iBOT". No moving average of the weights is scored there, and none is kept here. The learning rate
is that of ViT-S where iBOT has one of its own for it.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from dora.errors import DoraError

Preset = Literal["paper", "short"]
DatasetName = Literal["cifar10", "cifar100", "flowers102", "cars", "inat18", "inat19", "imagenet"]
TestResize = Literal["bicubic", "bilinear"]

REPEATED_MULTIPLE = 256
"""Repeated augmentation shows a multiple of so many pictures in an epoch (DeiT's samplers.py)."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that is chosen for a fine-tuning; the defaults are DeiT's."""

    preset: Preset = "paper"
    epochs: int = 1000
    step_pictures: int = 768
    """Pictures of a step over all processes: 8 processes of 96."""
    lr: float = 7.5e-6
    """Of the classifier, for `lr_pictures` pictures a step."""
    lr_pictures: int | None = 512
    """The learning rate grows with the pictures of a step above so many; None: it does not."""
    layer_decay: float = 1.0
    """Learning rate of a block as a share of that of the next one; 1: all alike."""
    warmup_epochs: float = 5.0
    warmup_lr: float = 1e-6
    """Where the warm-up begins; 0 in a schedule by step, as published."""
    min_lr: float = 1e-5
    """Where the cosine ends."""
    schedule: Literal["epoch", "step"] = "epoch"
    """Whether the learning rate changes with every epoch (DeiT) or with every step (BEiT)."""
    weight_decay: float = 0.05
    """Of matrices and convolutions; biases and norms are not decayed."""
    decayed_tokens: bool = True
    """Whether [CLS] and the position embedding are decayed (iBOT's eval_cls.py), too, or not."""
    drop_path: float = 0.1
    """Stochastic depth, linear over the blocks."""
    repeats: int = 3
    """How often an epoch shows a picture (repeated augmentation); it then shows 1 in so many."""
    mixed_pictures: int = 96
    """Pictures that share a draw of mixup or cutmix: those of a process, as published."""
    mixup: float = 0.8
    """Parameter of the Beta distribution of mixup; 0: none."""
    cutmix: float = 1.0
    """Likewise of cutmix; where there are both, each is as likely."""
    smoothing: float = 0.1
    """Of the labels."""
    erasing: float = 0.25
    """How often a box of a picture is filled with noise (random erasing)."""
    augment: str = "rand-m9-mstd0.5-inc1"
    """RandAugment, in timm's words; it takes the place of DeiT's colour jitter. Empty: none."""
    head_scale: float = 1.0
    """What the classifier's first weights, N(0, 0.02), are multiplied by."""
    image_px: int = 224
    test_resize: TestResize = "bicubic"
    """Before test pictures' centre is cut out: bicubic to 256/224 of `image_px` (DeiT), or bilinear
    to as much, and from 384 px on to `image_px` itself (BEiT, and so iBOT for ImageNet)."""
    score_every: int = 1
    """Epochs from one scoring to the next; the last epoch is always scored."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "step_pictures", "repeats", "score_every", "image_px"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}", "use 1 or more")
        _require(
            self.mixed_pictures >= 2 and self.mixed_pictures % 2 == 0,
            f"mixed_pictures is {self.mixed_pictures}, but pictures are mixed in pairs",
            "use an even number",
        )
        for name in ("lr", "warmup_lr", "min_lr", "weight_decay", "mixup", "cutmix", "head_scale"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name} is {value}", "use a number from 0 on")
        _require(self.lr > 0, "lr is 0, so that nothing would be learned", "use a number above 0")
        for name in ("drop_path", "smoothing", "erasing"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} is {value}", "use a share from 0 to below 1")
        _require(
            0 < self.layer_decay <= 1, f"layer_decay is {self.layer_decay}", "use a share up to 1"
        )
        _require(
            0 <= self.warmup_epochs <= self.epochs,
            f"a warm-up of {self.warmup_epochs:g} epochs does not fit into {self.epochs}",
            "train for more epochs",
        )

    def scored_after(self, epoch: int) -> bool:
        """Return whether the test pictures are scored after an epoch, counted from 1."""
        return epoch % self.score_every == 0 or epoch == self.epochs

    def peak_lr(self, step_pictures: int) -> float:
        """Return the learning rate that the warm-up reaches, for a step of so many pictures."""
        return self.lr if self.lr_pictures is None else self.lr * step_pictures / self.lr_pictures


def recipe_for(dataset: DatasetName, preset: Preset) -> Recipe:
    """Return the recipe of a data set."""
    if preset == "short":
        return short_recipe()
    match dataset:
        case "cifar10" | "cifar100" | "flowers102":
            return Recipe()
        case "cars":
            return Recipe(lr=7.5e-5)
        case "inat18":
            return Recipe(epochs=360, lr=5e-5, erasing=0.1)
        case "inat19":
            return Recipe(epochs=360, lr=2.5e-5, erasing=0.1)
        case "imagenet":
            return _imagenet()


def short_recipe() -> Recipe:
    """Return ours for all data sets, which is not the paper's: 20 epochs, each over all pictures.

    A few epochs need large steps: a learning rate of 1e-3 for the classifier, smaller by a
    quarter from block to block, as BEiT's recipes have it.
    """
    return Recipe(
        preset="short",
        epochs=20,
        step_pictures=256,
        lr=1e-3,
        lr_pictures=512,
        layer_decay=0.75,
        warmup_epochs=2,
        warmup_lr=0.0,
        min_lr=1e-6,
        schedule="step",
        decayed_tokens=False,
        repeats=1,
        mixed_pictures=32,
    )


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """Return a recipe over another number of epochs, the warm-up in proportion."""
    _require(epochs >= 1, f"epochs is {epochs}", "use 1 or more")
    return replace(
        recipe, epochs=epochs, warmup_epochs=recipe.warmup_epochs * epochs / recipe.epochs
    )


def _imagenet() -> Recipe:
    """Return iBOT's recipe of ViT-S on ImageNet, which is BEiT's: layer decay, by step."""
    return Recipe(
        epochs=200,
        step_pictures=1024,
        lr=4e-3,
        lr_pictures=None,
        layer_decay=0.75,
        warmup_epochs=20,
        warmup_lr=0.0,
        min_lr=1e-6,
        schedule="step",
        decayed_tokens=False,
        repeats=1,
        mixed_pictures=128,
        head_scale=1e-3,
        test_resize="bilinear",
    )


def _require(held: bool, fault: str, remedy: str) -> None:
    if not held:
        raise DoraError(fault, remedy=remedy)
