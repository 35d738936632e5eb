"""What an evaluation leaves: a table for people, and a JSON record with everything chosen."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from rich.table import Table

from dora.errors import DoraError
from dora.eval.knn import KnnResult


def knn_table(results: Mapping[str, KnnResult]) -> Table:
    """Return the scores in per cent, one row a k and two columns a network.

    Args:
        results: by label of the network (see `load_evaluated`); all with the same ks.
    """
    first = next(iter(results.values()))
    table = Table(
        title=f"k-NN on {first.data}: {first.classes} classes, "
        f"{first.train_images} training and {first.val_images} validation pictures"
    )
    table.add_column("k", justify="right")
    for label in results:
        table.add_column(f"{label}\ntop 1, %", justify="right")
        table.add_column("top 5, %", justify="right", vertical="bottom")
    for row, score in enumerate(first.scores):
        cells = [
            f"{100 * share:.1f}"
            for result in results.values()
            for share in (result.scores[row].top1, result.scores[row].top5)
        ]
        table.add_row(str(score.k), *cells)
    return table


def write_record(path: Path, result: KnnResult, *, weights: str) -> None:
    """Write a result as JSON; the file appears only when whole.

    Args:
        path: the file; its folder is made.
        result: what was measured.
        weights: label of the network.

    Raises:
        DoraError: it cannot be written.
    """
    record: dict[str, Any] = {"weights": weights, **asdict(result)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False
        ) as part:
            try:
                json.dump(record, part, indent=2, ensure_ascii=False)
                part.write("\n")
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as fault:
        raise DoraError(
            f"{path} cannot be written ({fault.strerror})", remedy="make room, or name another file"
        ) from fault
