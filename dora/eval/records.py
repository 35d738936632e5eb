"""What an evaluation leaves: a table for people, and a JSON record with everything chosen."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

from rich.table import Table

from dora.errors import DoraError
from dora.eval.computing import Cost
from dora.eval.knn import KnnResult
from dora.eval.linear import LinearResult
from dora.eval.loading import Evaluated
from dora.eval.paper_numbers import PaperRow, paper_tables
from dora.whole_file import whole_file


class Result(Protocol):
    """What every evaluation returns: a frozen dataclass of numbers and of all that was chosen."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def benchmark(self) -> str:
        """Its name, as in `dora eval NAME`."""

    @property
    def measured(self) -> dict[str, float]:
        """Numbers by the paper's columns (`paper_tables`), per cent."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what differs from what was asked or published."""


def make_record(
    result: Result, *, evaluated: Evaluated, cost: Cost, beside: PaperRow
) -> dict[str, Any]:
    """Return the record of an evaluation, ready for JSON.

    Args:
        result: what was measured and chosen; its fields stand at the top.
        evaluated: the network.
        cost: what it took.
        beside: the paper's row to compare with.
    """
    return {
        "weights": evaluated.label,
        **asdict(result),
        "measured": result.measured,
        "notes": [*result.notes, *_notes_on_cost(cost)],
        "paper": {
            "row": beside.name,
            "numbers": {
                column: {"number": beside.numbers[column], "table": paper_tables()[column]}
                for column in result.measured
                if column in beside.numbers
            },
            "remark": beside.remark,
        },
        "network": {
            "asked": evaluated.asked,
            "origin": evaluated.origin,
            "sha256": evaluated.sha256,
            **asdict(evaluated.network.traits),
        },
        "cost": asdict(cost),
    }


def _notes_on_cost(cost: Cost) -> list[str]:
    return [] if cost.precision == "float32" else [f"computed in {cost.precision}, not float32"]


def require_record_place(path: Path | None) -> None:
    """Refuse a place that no record could be written to, before hours go into what it would hold.

    Raises:
        DoraError: it is a folder, or lies in a file.
    """
    if path is None:
        return
    if path.is_dir():
        raise DoraError(
            f"--out {path} is a folder, and a record is one file",
            remedy=f"name a file in it, such as {path / 'record.json'}",
        )
    require_folder(path.parent, option="--out")


def require_folder(folder: Path | None, *, option: str) -> None:
    """Refuse a folder that could not be made, before hours go into what it would hold.

    Args:
        folder: as given; None: none was.
        option: that gave it, for the message.

    Raises:
        DoraError: it, or one that it would lie in, is a file.
    """
    if folder is None:
        return
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise DoraError(
            f"{option}: {there} is a file, not a folder", remedy=f"name another {option}"
        )


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON; the file appears only when whole.

    Raises:
        DoraError: it cannot be written.
    """
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    with whole_file(path, remedy="make room, or name another file") as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def compare_lines(result: Result, beside: PaperRow) -> list[str]:
    """Return a line for each measured number, the paper's beside it."""
    lines = []
    for column, number in result.measured.items():
        printed = beside.numbers.get(column)
        theirs = "no number" if printed is None else f"{printed:.1f}, {paper_tables()[column]}"
        lines.append(f"{column}: {number:.1f} %; the paper's {beside.name}: {theirs}")
    return lines


def knn_table(results: Mapping[str, KnnResult]) -> Table:
    """Return the scores in per cent, one row a k and two columns a network.

    Args:
        results: by label of the network; all with the same ks.
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


def linear_table(result: LinearResult, *, label: str) -> Table:
    """Return the scores in per cent, one row a head, the chosen one marked."""
    table = Table(
        title=f"linear probe on {result.data}: {label}, {result.classes} classes, "
        f"{result.train_images} training and {result.val_images} validation pictures"
    )
    for title in ("blocks", "patch mean", "learning rate", "top 1, %", "epoch"):
        table.add_column(title, justify="right")
    table.add_column("last epoch\ntop 1, %", justify="right")
    table.add_column("top 5, %", justify="right", vertical="bottom")
    for head in result.heads:
        table.add_row(
            str(head.blocks),
            "yes" if head.patch_mean else "no",
            f"{head.base_lr:g}",
            f"{100 * head.best_top1:.1f}",
            str(head.best_epoch),
            f"{100 * head.last_top1:.1f}",
            f"{100 * head.last_top5:.1f}",
            style="bold" if head == result.chosen else None,
        )
    return table
