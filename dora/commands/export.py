"""`dora export`: a backbone for other programs."""

from pathlib import Path
from typing import Literal


def export(
    *,
    weights: Path,
    out: Path,
    network: Literal["teacher", "student"] = "teacher",
    heads: int | None = None,
) -> None:
    """Write a backbone as safetensors that plain timm loads, and a model card beside it.

    Args:
        weights: a checkpoint of any form.
        out: the safetensors file.
        network: which of a training checkpoint's two.
        heads: attention heads, where the file does not tell.
    """
    from dora.model.card import write_card
    from dora.model.weights import export_timm, read_weights

    read = read_weights(weights, network=network)
    model = read.model(heads=heads)
    export_timm(read.backbone, out, model=model)
    card = write_card(out, model=model, source=read.source)
    print(out, card, sep="\n")
