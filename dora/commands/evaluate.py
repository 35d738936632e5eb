"""`dora eval ...`: what a backbone is worth, by the paper's protocols."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from dora.progress import progress_bars


def knn(
    *,
    weights: str,
    data: Path,
    k: Annotated[list[int], Parameter(consume_multiple=True)] = [10, 20, 100, 200],  # noqa: B006
    temperature: float = 0.07,
    image_px: int | None = None,
    batch: int = 128,
    workers: int = 2,
    device: str = "auto",
    heads: int | None = None,
    out: Path | None = None,
) -> None:
    """Classify pictures by a vote of their nearest neighbours among frozen features.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        data: a folder with train/CLASS and val/CLASS.
        k: numbers of neighbours.
        temperature: of the votes.
        image_px: side of the pictures; the backbone's own if not given.
        batch: pictures at a time.
        workers: threads that read pictures.
        device: auto, cpu, cuda, or cuda:N.
        heads: attention heads, where the file of weights does not tell.
        out: a JSON file for the scores and everything that was chosen.
    """
    from dora.eval.features import load_evaluated
    from dora.eval.knn import evaluate_knn
    from dora.eval.records import knn_table, write_record
    from dora.train.distributed import choose_device

    backbone, label = load_evaluated(weights, heads=heads)
    with progress_bars() as progress:
        result = evaluate_knn(
            backbone,
            data,
            ks=tuple(k),
            temperature=temperature,
            image_px=image_px,
            batch=batch,
            device=choose_device(device),
            workers=workers,
            progress=progress,
        )
    Console().print(knn_table({label: result}))
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if out is not None:
        write_record(out, result, weights=label)
        print(out)
