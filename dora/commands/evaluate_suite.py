"""`dora eval suite`: several networks, all evaluations that the data at hand allows, one table."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dora.commands.evaluation_options import USUAL_MEANS, Means


def suite(
    *,
    weights: list[str],
    data: list[str],
    short: bool = False,
    finetune_preset: Literal["short", "paper"] = "short",
    finetune_hours: float = 24.0,
    batch: int = 128,
    means: Annotated[Means, Parameter(name="*")] = USUAL_MEANS,
    out: Path = Path("data/suite"),
) -> None:
    """Measure several networks on all data at hand: one table beside the paper's numbers.

    What was measured before, into the same folder, is not measured again. Several processes:
    `torchrun --nproc-per-node 8 -m dora eval suite ...`.

    Args:
        weights: a network, as in `dora eval knn`; give it once for each.
        data: data of evaluations, as knn,linear=FOLDER; give it once for each folder. As
            finetune=FOLDER: a folder with a folder for each data set, such as cifar10.
        short: train linear probes a short way, not the paper's; the table says so.
        finetune_preset: short for 20 epochs, or paper for iBOT's recipes, which take days; the
            table says which, and how many epochs.
        finetune_hours: a fine-tuning that would take longer, by an estimate, is left out, unless
            it was begun.
        batch: pictures of one forward pass.
        means: how to compute.
        out: folder for the page (index.html), the table (table.md) and the records.
    """
    from dora.errors import DoraError
    from dora.eval.loading import open_network
    from dora.eval.records import require_folder
    from dora.eval.suite import run_suite
    from dora.eval.suite_data import parse_data
    from dora.eval.suite_page import not_begun, write_suite_page
    from dora.eval.suite_parts import suite_parts
    from dora.train.distributed import rank

    if not finetune_hours >= 0:
        raise DoraError(f"--finetune-hours is {finetune_hours}", remedy="use 0 or more")
    require_folder(out, option="--out")
    parts = suite_parts(short=short, preset=finetune_preset)
    given = parse_data(data, parts)
    networks = [open_network(words, heads=means.heads) for words in weights]
    with means.joined(batch=batch) as computing:
        found = run_suite(
            networks,
            given.folders,
            parts=parts,
            computing=computing,
            records=out / "records",
            limit_s=3600 * finetune_hours,
        )
        if computing.progress is not None:
            computing.progress.stop()
        if rank() == 0:
            for path in write_suite_page(out, found, parts=parts, data=given):
                print(path)
            for sentence in not_begun(found):
                print(f"left out: {sentence}", file=sys.stderr)
            if given.left_out:
                without = f"evaluations without data: {len(given.left_out)}"
                print(f"{without}, listed in {out / 'table.md'}", file=sys.stderr)
    failed = [m for m in found if m.fault is not None]
    if failed:
        raise DoraError(
            f"{len(failed)} of {len(found)} evaluations failed, the first one {failed[0].part} "
            f"of {failed[0].label}: {failed[0].fault}",
            remedy=f"the others are in {out}; mend it and give the same command again",
        )
