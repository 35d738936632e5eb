"""Networks of timm, frozen: any name for whole pictures, its ViTs for tokens and attention."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.layers.attention import Attention
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dora.errors import DoraError
from dora.eval.networks import BlockTokens, Colour, Frozen, LastAttention, Traits, refuse_reading
from dora.model.safe_load import read_file
from dora.model.weights import fill

UNTRAINED = "random"
TokenNetwork = (VisionTransformer, Eva)


class TimmNetwork(Frozen):
    """A network that `timm.create_model` built, without its classifier."""

    def __init__(self, model: nn.Module, *, name: str) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.traits = _traits(model, name=name)
        self._pools = isinstance(model, TokenNetwork) and not _has_cls(model)

    def cls(self, images: Tensor) -> Tensor:
        """Return what timm's classifier would be given, (M, D)."""
        feature: Tensor = self.model(images)
        return feature

    def blocks(self, images: Tensor, *, n_last: int) -> BlockTokens:
        """Return tokens of the last blocks; without a [CLS], the mean of the patches stands for it.

        Raises:
            DoraError: no network of tokens, or of fewer blocks.
        """
        self.check_blocks(n_last)
        if self.traits.patch_px is None:
            refuse_reading(self.traits, "patch tokens")
        pairs: list[Any] = self.model.forward_intermediates(  # type: ignore[operator]
            images,
            indices=n_last,
            return_prefix_tokens=True,
            norm=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        # Without tokens before the patches there are no pairs.
        patches = torch.stack([pair if isinstance(pair, Tensor) else pair[0] for pair in pairs])
        if self._pools:
            cls = patches.mean(dim=2)
        else:
            cls = torch.stack([prefix[:, 0] for _, prefix in pairs])
        return BlockTokens(cls=cls, patches=patches, grid=self._grid(images))

    def attend(self, images: Tensor) -> LastAttention:
        """Return queries and keys of the last block, after their norms where it has any.

        Raises:
            DoraError: no ViT with a [CLS] token and plain attention.
        """
        if self.traits.heads is None:
            refuse_reading(self.traits, "[CLS] attention")
        attention = cast(Attention, self.model.blocks[-1].attn)  # type: ignore[index, union-attr]
        seen: list[Tensor] = []
        hook = attention.qkv.register_forward_hook(lambda _, __, output: seen.append(output))
        try:
            self.model.forward_features(images)  # type: ignore[operator]
        finally:
            hook.remove()
        (qkv,) = seen
        qkv = qkv.view(*qkv.shape[:2], 3, attention.num_heads, attention.head_dim)
        query, key, _ = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return LastAttention(
            query=attention.q_norm(query),
            key=attention.k_norm(key),
            grid=self._grid(images),
            extra=self.model.num_prefix_tokens,  # type: ignore[arg-type]
        )

    def _grid(self, images: Tensor) -> tuple[int, int]:
        patch_px = self.traits.patch_px
        assert patch_px is not None
        return images.shape[-2] // patch_px, images.shape[-1] // patch_px


def open_timm(text: str, *, seed: int) -> tuple[TimmNetwork, str]:
    """Return a network of timm and a label of where its weights come from.

    Args:
        text: `NAME` with the weights that timm publishes for it, which it fetches; `NAME@FILE` with
            those of a file; `NAME@random` untrained.
        seed: of untrained weights.

    Raises:
        DoraError: no such network, or its weights cannot be had or do not fit.
    """
    name, _, weights = text.partition("@")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        raise DoraError(
            f"timm {timm.__version__} has no network called {name!r}",
            remedy=f"use a name of timm, such as {' or '.join(near or ['vit_small_patch16_224'])}",
        )
    if weights == UNTRAINED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return TimmNetwork(_build(name, pretrained=False), name=name), f"{name}, untrained"
    if weights:
        model = _build(name, pretrained=False)
        fill(model, _own_names(read_file(Path(weights)), model), path=Path(weights))
        return TimmNetwork(model, name=name), f"{name}, weights of {Path(weights).name}"
    return TimmNetwork(_fetch(name), name=name), name


def _fetch(name: str) -> nn.Module:
    remedy = (
        f"connect to the internet once, give a file as timm:{name}@FILE, "
        f"or say timm:{name}@random for an untrained network"
    )
    try:
        return _build(name, pretrained=True)
    except Exception as fault:  # what a missing network or name looks like is the hub's affair
        first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise DoraError(
            f"timm has no weights of {name} at hand ({first})", remedy=remedy
        ) from fault


def _build(name: str, *, pretrained: bool) -> nn.Module:
    """Build a network; networks of tokens take pictures of any side."""
    with torch.device("meta"):
        plain = timm.create_model(name, num_classes=0)
    if isinstance(plain, TokenNetwork):
        return timm.create_model(name, pretrained=pretrained, num_classes=0, dynamic_img_size=True)
    return timm.create_model(name, pretrained=pretrained, num_classes=0)


def _own_names(content: Mapping[str, Any], model: nn.Module) -> dict[str, Tensor]:
    """Return a file's parameters without wrappers' prefixes and without a classifier."""
    state = content.get("state_dict", content.get("model", content))
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    classifier = cfg.get("classifier") or "head"
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    named = {
        name.removeprefix("module.").removeprefix("backbone."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    return {name: v for name, v in named.items() if name.rpartition(".")[0] not in heads}


def _has_cls(model: nn.Module) -> bool:
    return bool(model.num_prefix_tokens) and model.global_pool == "token"


def _traits(model: nn.Module, *, name: str) -> Traits:
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    side = int(cfg["input_size"][-1])
    tokens = isinstance(model, TokenNetwork)
    plain = (
        isinstance(model, VisionTransformer)
        and _has_cls(model)
        and isinstance(model.blocks[-1].attn, Attention)
    )
    return Traits(
        architecture=f"timm's {name}",
        width=int(cast(int, model.num_features)),
        depth=len(cast(nn.ModuleList, model.blocks)) if tokens else 1,
        heads=cast(Any, model).blocks[-1].attn.num_heads if plain else None,
        patch_px=cast(Any, model).patch_embed.patch_size[0] if tokens else None,
        image_px=side,
        feature="[CLS]" if tokens and _has_cls(model) else "pooled by timm",
        positions="timm's rule" if tokens else "none",
        mean=cast(Colour, tuple(cfg["mean"])),
        deviation=cast(Colour, tuple(cfg["std"])),
    )
