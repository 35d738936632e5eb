"""`dora export`: a backbone for other programs."""

from pathlib import Path
from typing import Literal


def export(
    *,
    weights: Path,
    out: Path,
    form: Literal["timm", "released", "torchscript", "torch-export"] = "timm",
    network: Literal["teacher", "student"] = "teacher",
    heads: int | None = None,
    image_px: int | None = None,
) -> None:
    """Write a backbone for other programs, compared after reading it back, and a model card.

    Args:
        weights: a checkpoint of any form.
        out: the file: .safetensors for timm, .pth for released, .pt for torchscript, .pt2 for
            torch-export.
        form: safetensors that plain timm loads; the layout of the authors' checkpoints, with
            student, teacher and heads; or a network that torch alone loads, without any code.
        network: which of a training checkpoint's two.
        heads: attention heads, where the file does not tell.
        image_px: side of the images that it is for; the backbone's own if not given.
    """
    from dora.export.card import write_card
    from dora.export.forms import export_backbone
    from dora.export.record import read_record
    from dora.model.weights import read_weights

    read = read_weights(weights, network=network)
    record = read_record(weights)
    exported = export_backbone(
        read, out, form=form, heads=heads, image_px=image_px, epoch=int(record.epoch or 0)
    )
    card = write_card(exported, source=read.source, record=record)
    print(out, card, sep="\n")
