"""Parameter groups of a fine-tuning: learning rates that shrink towards the input, and decay."""

from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from dora.finetune.network import Classifier
from dora.finetune.recipe import Recipe

SHARE = "lr_share"
"""Key of a group's share of the learning rate."""
TOKENS = frozenset({"cls_token", "pos_embed", "reg_token", "dist_token"})


def layer_shares(layers: dict[str, int], *, layer_decay: float) -> dict[str, float]:
    """Return the share of the learning rate of each of the backbone's parameters.

    It is layer_decay ^ (top - layer), where the top layer is the classifier's; a norm behind the
    last block, which BEiT numbers like the classifier, has all of it.

    Args:
        layers: by name, `Classifier.layers`.
        layer_decay: 1: all have the whole rate.
    """
    top = max(layers.values())
    return {name: layer_decay ** (top - layer) for name, layer in layers.items()}


def parameter_groups(network: Classifier, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the trainable parameters by their share of the learning rate and their decay."""
    shares = layer_shares(network.layers(), layer_decay=recipe.layer_decay)
    grouped: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        own = name.removeprefix("backbone.")
        share = 1.0 if name.startswith("head.") else shares[own]
        decay = recipe.weight_decay if _decayed(own, parameter, recipe) else 0.0
        grouped.setdefault((share, decay), []).append(parameter)
    return [
        {"params": parameters, SHARE: share, "weight_decay": decay}
        for (share, decay), parameters in grouped.items()
    ]


def build_optimizer(network: Classifier, recipe: Recipe) -> Optimizer:
    """Return AdamW as DeiT has it; `set_learning_rate` gives it its rate each step."""
    return AdamW(parameter_groups(network, recipe), lr=0.0, betas=(0.9, 0.999), eps=1e-8)


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Give every group its share of a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group[SHARE]


def _decayed(name: str, parameter: nn.Parameter, recipe: Recipe) -> bool:
    if parameter.ndim <= 1 or name.endswith(".bias"):
        return False
    return recipe.decayed_tokens or name not in TOKENS
