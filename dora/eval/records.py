"""What an evaluation leaves: a table for people, and a JSON record with everything chosen."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from dora.eval.knn import KnnResult
from dora.whole_file import whole_file


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
    text = json.dumps(record, indent=2, ensure_ascii=False)
    with whole_file(path, remedy="make room, or name another file") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
