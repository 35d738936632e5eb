"""`dora eval suite`: several networks, all evaluations that the data at hand allows, one table."""

from pathlib import Path
from typing import Literal

from dora.commands.places import EVALUATIONS


def suite(
    *,
    weights: list[str],
    data: list[str],
    short: bool = False,
    batch: int = 128,
    workers: int = 2,
    device: str = "auto",
    precision: Literal["float32", "bf16"] = "float32",
    heads: int | None = None,
    cache: str = EVALUATIONS,
    out: Path = Path("data/suite"),
) -> None:
    """Measure several networks on all data at hand: one table beside the paper's numbers.

    What was measured before, into the same folder, is not measured again. Several processes:
    `torchrun --nproc-per-node 8 -m dora eval suite ...`.

    Args:
        weights: a network, as in `dora eval knn`; give it once for each.
        data: data of evaluations, as knn,linear=FOLDER; give it once for each folder.
        short: where the paper's settings take long, others that do not; it is said on the page.
        batch: pictures of one forward pass.
        workers: threads that read pictures, for each process.
        device: auto, cpu, cuda, or cuda:N.
        precision: of the frozen networks.
        heads: attention heads, where a file of weights does not tell.
        cache: folder where features and states are kept, or none.
        out: folder for the page (index.html), the table (table.md) and the records.
    """
    from dora.errors import DoraError
    from dora.eval.loading import open_network
    from dora.eval.session import joined
    from dora.eval.suite import parse_data, run_suite, suite_parts
    from dora.eval.suite_page import write_suite_page
    from dora.train.distributed import rank

    parts = suite_parts(short=short)
    folders = parse_data(data, parts)
    networks = [open_network(words, heads=heads) for words in weights]
    with joined(
        device=device, precision=precision, batch=batch, workers=workers, cache=cache
    ) as computing:
        found = run_suite(
            networks, folders, parts=parts, computing=computing, records=out / "records"
        )
        if computing.progress is not None:
            computing.progress.stop()
        if rank() == 0:
            for path in write_suite_page(out, found, parts=parts, data=folders):
                print(path)
    failed = [m for m in found if m.fault is not None]
    if failed:
        raise DoraError(
            f"{len(failed)} of {len(found)} evaluations failed, the first one {failed[0].part} "
            f"of {failed[0].label}: {failed[0].fault}",
            remedy=f"the others are in {out}; mend it and give the same command again",
        )
