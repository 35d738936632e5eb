"""`dora eval knn`, `dora eval linear`: what a backbone is worth, by the paper's protocols."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dora.commands.places import EVALUATIONS


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
    precision: Literal["float32", "bf16"] = "float32",
    heads: int | None = None,
    cache: str = EVALUATIONS,
    beside: str | None = None,
    out: Path | None = None,
) -> None:
    """Classify pictures by a vote of their nearest neighbours among frozen features.

    Several processes: `torchrun --nproc-per-node 8 -m dora eval knn ...`.

    Args:
        weights: a checkpoint of any form; random:PRESET for an untrained network; timm:NAME,
            timm:NAME@FILE or timm:NAME@random.
        data: a folder with train/CLASS and val/CLASS.
        k: numbers of neighbours.
        temperature: of the votes.
        image_px: side of the pictures; the network's own if not given.
        batch: pictures at a time.
        workers: threads that read pictures, for each process.
        device: auto, cpu, cuda, or cuda:N.
        precision: of the frozen network.
        heads: attention heads, where the file of weights does not tell.
        cache: folder where features are kept for the next time, or none.
        beside: row of the paper's tables to compare with; the closest if not given.
        out: a JSON file for the scores and everything that was chosen.
    """
    from dora.eval.knn import evaluate_knn
    from dora.eval.records import knn_table
    from dora.eval.session import evaluation

    with evaluation(
        weights,
        heads=heads,
        device=device,
        precision=precision,
        batch=batch,
        workers=workers,
        cache=cache,
        beside=beside,
    ) as session:
        result = evaluate_knn(
            session.evaluated,
            data,
            ks=tuple(k),
            temperature=temperature,
            image_px=image_px,
            computing=session.computing,
        )
        table = knn_table({session.evaluated.label: result})
        session.report(result, out=out, table=table)
