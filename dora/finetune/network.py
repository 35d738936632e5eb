"""A backbone that learns again, with a linear classifier on its feature of the whole picture."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from timm.layers.drop import DropPath
from timm.models import group_parameters
from torch import Tensor, nn

from dora.errors import DoraError
from dora.eval.networks import DinoNetwork, Frozen
from dora.eval.timm_networks import TimmNetwork
from dora.finetune.draws import TIMM_PATHS, drawing
from dora.finetune.recipe import Recipe
from dora.model.stochastic_depth import draw_kept_paths
from dora.model.vit import Backbone

HEAD_DEVIATION = 0.02
"""Of the classifier's first weights, a normal distribution cut off at 2 (DINO, iBOT, BEiT)."""
_EMBEDDING = ("cls_token", "pos_embed", "patch_embed", "reg_token", "dist_token", "mask_token")


class Classifier(nn.Module, ABC):
    """Backbone and classifier. What is left out in training depends on the turn alone."""

    def __init__(self, backbone: nn.Module, *, width: int, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(True)
        self.head = nn.Linear(width, classes)
        generator = torch.Generator().manual_seed(recipe.seed)
        with torch.no_grad():
            nn.init.trunc_normal_(self.head.weight, std=HEAD_DEVIATION, generator=generator)
            self.head.weight.mul_(recipe.head_scale)
            self.head.bias.zero_()
        self.seed = recipe.seed
        self.drop_path = recipe.drop_path

    @abstractmethod
    def forward(self, images: Tensor, places: Sequence[int] | None = None) -> Tensor:
        """Return logits, (M, C).

        Args:
            images: (M, 3, S, S), normalised.
            places: (M,) numbers of the turns in the run; None: nothing is left out.
        """

    @abstractmethod
    def layers(self) -> dict[str, int]:
        """Return the layer of each of the backbone's parameters, from 0, the classifier's last."""


class DinoClassifier(Classifier):
    """On a backbone of this project; stochastic depth is drawn by turn."""

    backbone: Backbone

    def forward(self, images: Tensor, places: Sequence[int] | None = None) -> Tensor:
        """Return logits, (M, C)."""
        kept = None
        if places is not None and self.drop_path > 0:
            depth = self.backbone.config.depth
            kept = draw_kept_paths(
                self.seed, places, images=1, depth=depth, rate=self.drop_path
            ).flatten(1)
            kept = kept.to(images.device)
        feature = self.backbone(images, kept_paths=kept)
        logits: Tensor = self.head(feature)
        return logits

    def layers(self) -> dict[str, int]:
        """Return the layer of each of the backbone's parameters: BEiT's numbering."""
        return block_layers(self.backbone, depth=self.backbone.config.depth)


class TimmClassifier(Classifier):
    """On a network of timm; stochastic depth, where it has blocks for it, is drawn by pass."""

    def __init__(self, model: nn.Module, *, width: int, classes: int, recipe: Recipe) -> None:
        super().__init__(model, width=width, classes=classes, recipe=recipe)
        self.blocks = residual_blocks(model)
        for block, rate in zip(
            self.blocks, torch.linspace(0, recipe.drop_path, len(self.blocks)).tolist(), strict=True
        ):
            for name in ("drop_path1", "drop_path2"):
                setattr(block, name, DropPath(rate) if rate > 0 else nn.Identity())

    def forward(self, images: Tensor, places: Sequence[int] | None = None) -> Tensor:
        """Return logits, (M, C)."""
        if places is None:
            logits: Tensor = self.head(self.backbone(images))
            return logits
        with drawing(self.seed, purpose=TIMM_PATHS, place=places[0]):
            feature = self.backbone(images)
        logits = self.head(feature)
        return logits

    def layers(self) -> dict[str, int]:
        """Return the layer of each of the backbone's parameters; timm's own without blocks."""
        if self.blocks:
            return block_layers(self.backbone, depth=len(self.blocks))
        if not hasattr(self.backbone, "group_matcher"):
            return dict.fromkeys((name for name, _ in self.backbone.named_parameters()), 0)
        matcher = self.backbone.group_matcher(coarse=False)  # type: ignore[operator]
        found: dict[str, int] = group_parameters(self.backbone, matcher, reverse=True)
        return found


def trainable(network: Frozen, *, classes: int, recipe: Recipe) -> Classifier:
    """Return a copy of a frozen network that learns, with a new classifier, on its device.

    Raises:
        DoraError: pictures of the recipe's side do not fit, or it is no network that learns.
    """
    network.check_side(recipe.image_px)
    device = next(network.parameters()).device
    width = network.traits.width
    if isinstance(network, DinoNetwork):
        copied = copy.deepcopy(network.backbone)
        return DinoClassifier(copied, width=width, classes=classes, recipe=recipe).to(device)
    if isinstance(network, TimmNetwork):
        model = copy.deepcopy(network.model)
        return TimmClassifier(model, width=width, classes=classes, recipe=recipe).to(device)
    raise DoraError(
        f"{network.traits.architecture} cannot be trained further",
        remedy="fine-tune a checkpoint of a backbone, or timm:NAME",
    )


def block_layers(backbone: nn.Module, *, depth: int) -> dict[str, int]:
    """Return the layer of each parameter of a ViT: embeddings 0, block i i+1, the norm depth+1.

    The norm has the rate of the classifier, which is BEiT's rule (and iBOT's); timm's own numbers
    the norm with the last block.
    """
    layers = {}
    for name, _ in backbone.named_parameters():
        parts = name.split(".")
        if parts[0] in _EMBEDDING:
            layers[name] = 0
        elif parts[0] == "blocks":
            layers[name] = int(parts[1]) + 1
        else:
            layers[name] = depth + 1
    return layers


def residual_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks that have timm's two paths to leave out; none of other networks."""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.ModuleList | nn.Sequential):
        return []
    found = list(blocks)
    whole = all(hasattr(block, "drop_path1") and hasattr(block, "drop_path2") for block in found)
    return found if whole else []
