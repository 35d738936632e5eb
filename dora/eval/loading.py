"""From the words of `--weights` to a frozen network, and what is to be known of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dora.config import ModelConfig
from dora.eval.networks import DinoNetwork, Frozen
from dora.model.vit import Backbone, build_backbone
from dora.model.weights import frozen_backbone, read_weights
from dora.presets import named_preset

RANDOM = "random"
TIMM = "timm"
RANDOM_SEED = 0

Origin = Literal["file", "untrained", "timm"]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A frozen network, and where it comes from."""

    network: Frozen
    label: str
    """For people: the file and what of it, or timm's name."""
    asked: str
    """The words that named it."""
    origin: Origin
    sha256: str
    """Of its traits and all parameters, whatever file they were in."""

    def to(self, device: torch.device) -> "Evaluated":
        """Move the network, in place; return the same."""
        self.network.to(device)
        return self


def open_network(weights: str, *, heads: int | None = None) -> Evaluated:
    """Return the network that is to be evaluated, on the CPU.

    Args:
        weights: path of a checkpoint (see `read_weights`); `random` or `random:PRESET` for an
            untrained network of the default's or a preset's sizes, always the same one;
            `timm:NAME`, `timm:NAME@FILE` or `timm:NAME@random` (see `open_timm`).
        heads: attention heads, for a file that does not tell.

    Raises:
        DoraError: as `read_weights` and `open_timm`, or there is no such preset.
    """
    source, _, name = weights.partition(":")
    if source == TIMM and name:
        from dora.eval.timm_networks import UNTRAINED, open_timm  # lists a thousand names

        network, label = open_timm(name, seed=RANDOM_SEED)
        untrained = name.endswith(f"@{UNTRAINED}")
        return evaluated(network, label, asked=weights, origin="untrained" if untrained else "timm")
    backbone, label = load_evaluated(weights, heads=heads)
    origin: Origin = "untrained" if source == RANDOM else "file"
    return evaluated(DinoNetwork(backbone), label, asked=weights, origin=origin)


def evaluated(
    network: Frozen, label: str, *, asked: str | None = None, origin: Origin = "file"
) -> Evaluated:
    """Return a network with the hash of what it is."""
    return Evaluated(
        network=network,
        label=label,
        asked=asked or label,
        origin=origin,
        # Heads, and how it normalises, are seen in no parameter.
        sha256=hash_parameters(repr(network.traits), network.state_dict()),
    )


def hash_parameters(traits: str, state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, shapes, kinds and values; 0.1 s for ViT-S.

    Args:
        traits: text of what the parameters do not show.
        state: the parameters.
    """
    digest = hashlib.sha256(traits.encode())
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_evaluated(weights: str, *, heads: int | None = None) -> tuple[Backbone, str]:
    """Return a frozen backbone of this project's kind and a label of where it comes from.

    Args:
        weights: path of a checkpoint, `random` or `random:PRESET`; see `open_network`.
        heads: attention heads, for a file that does not tell.

    Raises:
        DoraError: as `read_weights`, or there is no such preset.
    """
    source, _, preset = weights.partition(":")
    if source == RANDOM:
        preset = preset or "dora"
        config = named_preset(preset).model
        return random_backbone(config, seed=RANDOM_SEED), f"untrained (sizes of {preset})"
    read = read_weights(Path(weights))
    return frozen_backbone(read, heads=heads), read.source


def random_backbone(config: ModelConfig, *, seed: int) -> Backbone:
    """Return an untrained backbone, frozen; the same seed gives the same one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone(config)
    return backbone.eval().requires_grad_(False)
