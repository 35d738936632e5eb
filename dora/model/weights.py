"""Weights in and out: released checkpoints, bare state dicts, our own checkpoints, safetensors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from dora.config import ModelConfig
from dora.errors import ConfigError, DoraError
from dora.model.safe_load import read_file
from dora.model.vit import LAYER_NORM_EPSILON, Backbone, build_backbone
from dora.whole_file import whole_file

StateDict = dict[str, Tensor]
NetworkName = Literal["student", "teacher"]

_HEADS_OF_ARCH = {"vit_tiny": 3, "vit_small": 6, "vit_base": 12}
_HEAD_WIDTH = 64
"""Of every published ViT: 6 heads for a width of 384."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One network of a checkpoint."""

    backbone: StateDict
    """By DINO's names, without prefixes."""
    head: StateDict
    """The projection head's; empty where the file holds none."""
    source: str
    """What was read, for people: `teacher of a released checkpoint (epoch 57)`."""
    path: Path
    network: NetworkName | None
    """Which of a training checkpoint's two; None of a file that holds one."""
    recorded: ModelConfig | None
    """Sizes that our own checkpoints record."""
    heads: int | None
    """Attention heads that a released checkpoint's command line implies."""

    def model(self, *, heads: int | None = None) -> ModelConfig:
        """Return the sizes of the backbone.

        Args:
            heads: attention heads, for a file that does not tell.

        Raises:
            DoraError: as `infer_model_config`.
        """
        if self.recorded is not None:
            return self.recorded
        return infer_model_config(
            self.backbone, heads=self.heads if heads is None else heads, path=self.path
        )


def load_backbone_weights(path: Path, *, network: NetworkName = "teacher") -> tuple[StateDict, str]:
    """Return a backbone's parameters by DINO's names, and a label of what was read.

    See `read_weights` for the files accepted and the errors.
    """
    weights = read_weights(path, network=network)
    return weights.backbone, weights.source


def load_backbone(
    path: Path, *, network: NetworkName = "teacher", heads: int | None = None
) -> Backbone:
    """Return the backbone that a file holds, in evaluation mode, without stochastic depth.

    Args:
        path: any file that `read_weights` accepts.
        network: which of a training checkpoint's two.
        heads: attention heads, where the file does not tell and the width is not 64 per head.

    Raises:
        DoraError: as `read_weights`.
    """
    return frozen_backbone(read_weights(path, network=network), heads=heads)


def frozen_backbone(weights: Weights, *, heads: int | None = None) -> Backbone:
    """Return the backbone that was read, in evaluation mode, without gradients.

    Raises:
        DoraError: its sizes cannot be told, or a parameter is missing or of another shape.
    """
    backbone = build_backbone(weights.model(heads=heads))
    fill(backbone, weights.backbone, path=weights.path)
    return backbone.eval().requires_grad_(False)


def load_released_checkpoint(path: Path) -> dict[str, Any]:
    """Return a training checkpoint in the published layout, tensors on the CPU.

    Keys: `student` and `teacher` (prefixes as saved), `optimizer`, `epoch` (the next to run),
    `args` (a namespace), `dino_loss` (`center`), `fp16_scaler`.

    Raises:
        DoraError: missing, truncated, holding code, or laid out otherwise.
    """
    content = read_file(path)
    missing = {"student", "teacher", "epoch"} - set(content)
    if missing:
        raise DoraError(
            f"{path} is no released training checkpoint: it has no {', '.join(sorted(missing))}",
            remedy="give a file with student, teacher and epoch, or use it as --weights alone",
        )
    return content


def read_weights(path: Path, *, network: NetworkName = "teacher") -> Weights:
    """Return one network of a checkpoint.

    Accepted are a released training checkpoint, one of ours, a bare state dict of a backbone
    (with or without `module.` and `backbone.`), and any of these names as safetensors.

    Args:
        path: the file.
        network: which of a training checkpoint's two; a bare state dict is taken as it is.

    Raises:
        DoraError: missing, truncated, holding code, no checkpoint, or not a ViT of DINO's names.
    """
    content = read_file(path)
    if network in content:
        state, kind = content[network], f"{network} of {_kind_of(content)}"
    elif "student" in content or "teacher" in content:
        raise DoraError(f"{path} holds no {network}", remedy="ask for the other network")
    else:
        state, kind = content.get("state_dict", content.get("model", content)), "bare state dict"
    tensors = _tensors(state, path=path)
    backbone = {name: value for name, value in tensors.items() if not name.startswith("head.")}
    head = {
        name.removeprefix("head."): value
        for name, value in tensors.items()
        if name.startswith("head.")
    }
    _require_vit(backbone, where=path)
    return Weights(
        backbone=backbone,
        head=head,
        source=f"{path.name}: {kind}",
        path=path,
        network=network if network in content else None,
        recorded=_recorded_model(content, path=path),
        heads=_heads_of_args(content.get("args")),
    )


def infer_model_config(
    state: Mapping[str, Tensor], *, heads: int | None = None, path: Path | None = None
) -> ModelConfig:
    """Return the sizes of the ViT to which the parameters belong.

    Args:
        state: a backbone's parameters by DINO's names.
        heads: attention heads, which no parameter shows; None: one for each 64 of width, as in
            every published ViT.
        path: file to name in an error.

    Raises:
        DoraError: not a ViT of DINO's names, or the heads cannot be told from its width.
    """
    where = path or "the state dict"
    _require_vit(state, where=where)
    width = state["cls_token"].shape[-1]
    if heads is None:
        heads = width // _HEAD_WIDTH
        if heads * _HEAD_WIDTH != width:
            raise DoraError(
                f"{where} has a width of {width}, from which its attention heads cannot be told",
                remedy="name their number, as in --heads 6",
            )
    blocks = [int(found[1]) for name in state if (found := re.match(r"blocks\.(\d+)\.", name))]
    patch_px = state["patch_embed.proj.weight"].shape[-1]
    side = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    try:
        return ModelConfig(
            width=width,
            depth=max(blocks, default=-1) + 1,
            heads=heads,
            patch_px=patch_px,
            image_px=side * patch_px,
        )
    except ConfigError as error:
        raise DoraError(f"{where}: {error.message}", remedy=error.remedy) from error


def fill(module: torch.nn.Module, state: Mapping[str, Tensor], *, path: Path) -> None:
    """Copy the parameters of a state dict into a module; all names and shapes must agree.

    Raises:
        DoraError: names the first parameter that differs, both shapes, and the remedy.
    """
    own = module.state_dict()
    remedy = "use weights of the same architecture, or the --preset they were trained with"
    for name, parameter in own.items():
        theirs = state.get(name)
        if theirs is None:
            raise DoraError(
                f"{path} is of another architecture: it has no {name}, "
                f"which is {tuple(parameter.shape)} here",
                remedy=remedy,
            )
        if theirs.shape != parameter.shape:
            raise DoraError(
                f"{path} is of another architecture: {name} is {tuple(theirs.shape)} there and "
                f"{tuple(parameter.shape)} here",
                remedy=remedy,
            )
    for name, theirs in state.items():
        if name not in own:
            raise DoraError(
                f"{path} is of another architecture: it has {name} {tuple(theirs.shape)}, "
                "which does not exist here",
                remedy=remedy,
            )
    module.load_state_dict(dict(state))


def export_timm(state: Mapping[str, Tensor], path: Path, *, model: ModelConfig) -> None:
    """Write a backbone as safetensors that timm loads; the file appears only when whole.

    At `model.image_px` plain timm gives equal features; at other sizes timm resizes the position
    embedding by a rule of its own.

    Args:
        state: a backbone's parameters by DINO's names.
        path: file to write, ending in `.safetensors`.
        model: its sizes, recorded in the file's metadata.

    Raises:
        DoraError: a last block split over other heads, which timm cannot express.
    """
    if model.last_heads not in (None, model.heads):
        raise DoraError(
            f"the last block has {model.last_heads} heads and the others {model.heads}, "
            "which timm's VisionTransformer cannot express",
            remedy="export weights trained without model.last_heads",
        )
    metadata = {
        "format": "pt",
        "architecture": "timm.models.vision_transformer.VisionTransformer",
        "img_size": str(model.image_px),
        "patch_size": str(model.patch_px),
        "embed_dim": str(model.width),
        "depth": str(model.depth),
        "num_heads": str(model.heads),
        "num_classes": "0",
        "norm_eps": str(LAYER_NORM_EPSILON),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with whole_file(path) as partial:
        partial.write_bytes(safetensors.torch.save(tensors, metadata))


def _kind_of(content: Mapping[str, Any]) -> str:
    if content.get("format") == "dora-checkpoint":
        return f"a dora checkpoint (step {content.get('step')})"
    return f"a released checkpoint (epoch {content.get('epoch')})"


def _require_vit(state: Mapping[str, Tensor], *, where: Path | str) -> None:
    for name in ("cls_token", "pos_embed", "patch_embed.proj.weight", "norm.weight"):
        if name not in state:
            raise DoraError(
                f"{where} has no parameter {name}, so it is not a ViT of DINO's kind",
                remedy="give a checkpoint of this project, of the DoRA release or of DINO",
            )


def _tensors(state: object, *, path: Path) -> StateDict:
    """Return a state dict without the prefixes of wrappers, checked to hold tensors only."""
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DoraError(
            f"{path} holds no named parameters where they are expected",
            remedy="give a checkpoint or a state dict",
        )
    return {
        name.removeprefix("module.").removeprefix("backbone."): value
        for name, value in state.items()
    }


def _recorded_model(content: Mapping[str, Any], *, path: Path) -> ModelConfig | None:
    """Return the sizes that our own checkpoints record, None for all others."""
    if content.get("format") != "dora-checkpoint":
        return None
    try:
        return ModelConfig(**json.loads(content["config"])["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise DoraError(
            f"{path} records no model that this version knows ({error})",
            remedy="read it with the version of dora that wrote it",
        ) from error


def _heads_of_args(args: object) -> int | None:
    """Return the heads that the published command line implies, None where it does not tell.

    Checkpoints of the authors' form that `dora export` wrote tell their number.
    """
    heads = getattr(args, "num_heads", None)
    if isinstance(heads, int):
        return heads
    arch = str(getattr(args, "arch", "")).replace("deit", "vit")
    return _HEADS_OF_ARCH.get(arch)
