"""The forms in which a backbone is exported; each file is read back before it gets its name."""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.export.fixed_vit import FixedVit
from dora.model.architectures import ARCHITECTURES, Sizes
from dora.model.vit import LAYER_NORM_EPSILON, Backbone, resize_position_embedding
from dora.model.weights import (
    NetworkName,
    Weights,
    export_timm,
    frozen_backbone,
    read_weights,
)
from dora.whole_file import whole_file

Form = Literal["timm", "released", "torchscript", "torch-export"]
SUFFIXES: dict[Form, str] = {
    "timm": ".safetensors",
    "released": ".pth",
    "torchscript": ".pt",
    "torch-export": ".pt2",
}
TOLERANCE = 1e-5
"""Largest difference of features, as a share of the largest of them, that rounding may make."""
NETWORKS: tuple[NetworkName, ...] = ("student", "teacher")
IMAGES = 3
"""Random images on which features are compared; another number than the one a file is made with."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written and read back."""

    path: Path
    form: Form
    model: ModelConfig
    """Sizes, with the side of images that the file is for."""
    difference: float
    """Largest difference of its features from those of the backbone."""


def export_backbone(
    weights: Weights,
    out: Path,
    *,
    form: Form,
    heads: int | None = None,
    image_px: int | None = None,
    epoch: int = 0,
) -> Exported:
    """Write a backbone in a form that other programs read; the file appears whole and compared.

    Args:
        weights: what was read.
        out: the file, with the ending of its form.
        form: timm's safetensors, the layout of the authors' checkpoints, TorchScript, or a program
            of torch.export.
        heads: attention heads, where the file of weights does not tell.
        image_px: side of images that the file is for; the backbone's own if not given.
        epoch: epochs done, which the authors' layout tells.

    Raises:
        DoraError: the form cannot hold these weights, the ending or the side does not fit, or what
            was read back is not what was written.
    """
    if out.suffix != SUFFIXES[form]:
        raise DoraError(
            f"{out} does not end in {SUFFIXES[form]}, as files of the form {form} do",
            remedy=f"write --out {out.with_suffix(SUFFIXES[form])}",
        )
    backbone = frozen_backbone(weights, heads=heads)
    model = replace(backbone.config, image_px=_side(backbone.config, image_px))
    if form in ("timm", "released") and model.last_heads not in (None, model.heads):
        raise DoraError(
            f"the last block has {model.last_heads} heads and the others {model.heads}, which the "
            f"form {form} cannot express",
            remedy="use --form torchscript or torch-export",
        )
    if form == "released" and model.image_px != backbone.config.image_px:
        raise DoraError(
            "--image-px was given, but the authors' code resizes the position embedding itself",
            remedy="leave it out",
        )
    with whole_file(out) as unfinished:
        if form == "released":
            read = _write_released(weights, unfinished, model=model, epoch=epoch)
        else:
            read = _WRITERS[form](backbone, unfinished, model.image_px)
        difference = _difference(read, backbone, px=model.image_px, out=out)
    return Exported(path=out, form=form, model=model, difference=difference)


def _side(model: ModelConfig, image_px: int | None) -> int:
    px = model.image_px if image_px is None else image_px
    if px < model.patch_px or px % model.patch_px:
        raise DoraError(
            f"images of {px} px do not divide into patches of {model.patch_px} px",
            remedy=f"set --image-px to a multiple of {model.patch_px}",
        )
    return px


@torch.inference_mode()
def _difference(
    read: Callable[[Tensor], Tensor], backbone: Backbone, *, px: int, out: Path
) -> float:
    """Return the largest difference of features on random images.

    Raises:
        DoraError: it is more than rounding makes.
    """
    images = torch.randn(IMAGES, 3, px, px, generator=torch.Generator().manual_seed(0))
    expected, found = backbone(images), read(images)
    difference: float = (found - expected).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, expected.abs().max().item()):
        raise DoraError(
            f"what was written to {out} has other features, by {difference:.2g}",
            remedy="use another --form, and report it: this is a fault of this program",
        )
    return difference


def _write_timm(backbone: Backbone, path: Path, image_px: int) -> Callable[[Tensor], Tensor]:
    """Write safetensors; the position embedding is resized here, for timm has a rule of its own."""
    model = replace(backbone.config, image_px=image_px)
    state = backbone.state_dict()
    side = image_px // model.patch_px
    state["pos_embed"] = resize_position_embedding(state["pos_embed"], (side, side))
    export_timm(state, path, model=model)
    network = VisionTransformer(
        img_size=image_px,
        patch_size=model.patch_px,
        embed_dim=model.width,
        depth=model.depth,
        num_heads=model.heads,
        num_classes=0,
        global_pool="token",
        norm_layer=partial(nn.LayerNorm, eps=LAYER_NORM_EPSILON),
    ).eval()
    network.load_state_dict(safetensors.torch.load(path.read_bytes()))
    return network


def _write_torchscript(backbone: Backbone, path: Path, image_px: int) -> Callable[[Tensor], Tensor]:
    network = FixedVit(backbone, image_px=image_px).eval()
    with warnings.catch_warnings():
        # torch advises torch.export since 2.5 and reads and writes TorchScript all the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(network).save(str(path))  # type: ignore[no-untyped-call]
        read: nn.Module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    return read


def _write_torch_export(
    backbone: Backbone, path: Path, image_px: int
) -> Callable[[Tensor], Tensor]:
    """Write a program for any number of images of one size."""
    network = FixedVit(backbone, image_px=image_px).eval()
    program = torch.export.export(
        network,
        (torch.zeros(2, 3, image_px, image_px),),
        dynamic_shapes={"images": {0: torch.export.Dim("number")}},
    )
    with path.open("wb") as stream:
        torch.export.save(program, stream)
    with path.open("rb") as stream:
        return torch.export.load(stream).module()


_WRITERS: dict[Form, Callable[[Backbone, Path, int], Callable[[Tensor], Tensor]]] = {
    "timm": _write_timm,
    "torchscript": _write_torchscript,
    "torch-export": _write_torch_export,
}


def _write_released(
    weights: Weights, path: Path, *, model: ModelConfig, epoch: int
) -> Callable[[Tensor], Tensor]:
    """Write student and teacher under the authors' names, without what only training needs."""
    networks = {name: read_weights(weights.path, network=name) for name in NETWORKS}
    if not all(one.head for one in networks.values()):
        raise DoraError(
            f"{weights.path} holds no student and teacher with their heads, of which the form "
            "released is made",
            remedy="give a checkpoint of a run, or use --form timm",
        )
    sizes = Sizes(width=model.width, depth=model.depth, heads=model.heads)
    known = [name for name, its in ARCHITECTURES.items() if its == sizes]
    content: dict[str, Any] = {
        "student": _named(networks["student"], prefix="module."),
        "teacher": _named(networks["teacher"], prefix=""),
        "epoch": epoch,
        "args": argparse.Namespace(
            arch=known[0] if known else "vit",
            patch_size=model.patch_px,
            num_heads=model.heads,
            out_dim=len(networks["teacher"].head["last_layer.weight_v"]),
        ),
    }
    with path.open("wb") as stream:
        torch.save(content, stream)
    again = {name: read_weights(path, network=name) for name in NETWORKS}
    for name in NETWORKS:
        _require_same(again[name].backbone, networks[name].backbone, path=path)
        _require_same(again[name].head, networks[name].head, path=path)
    return frozen_backbone(again[weights.network or "teacher"])


def _require_same(read: dict[str, Tensor], written: dict[str, Tensor], *, path: Path) -> None:
    same = read.keys() == written.keys() and all(
        torch.equal(value, written[name]) for name, value in read.items()
    )
    if not same:
        raise DoraError(
            f"{path} does not hold what was written to it", remedy="see whether the disk is sound"
        )


def _named(weights: Weights, *, prefix: str) -> dict[str, Tensor]:
    backbone = {f"{prefix}backbone.{name}": value for name, value in weights.backbone.items()}
    return backbone | {f"{prefix}head.{name}": value for name, value in weights.head.items()}
