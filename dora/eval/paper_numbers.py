"""The paper's numbers, to stand beside the measured ones."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dora.errors import DoraError
from dora.eval.loading import Evaluated

_FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One method and its pretraining data, ViT-S/16."""

    name: str
    """Such as `DoRA, WT-Venice`."""
    numbers: Mapping[str, float]
    """Per cent, by column: those that the paper has."""
    remark: str | None
    """Where the paper's tables contradict each other."""


@cache
def paper_rows() -> dict[str, PaperRow]:
    """Return all rows by name, in the order of the file."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["rows"]
    return {
        name: PaperRow(
            name=name,
            numbers={column: float(v) for column, v in row.items() if column != "remark"},
            remark=row.get("remark"),
        )
        for name, row in rows.items()
    }


@cache
def paper_tables() -> dict[str, str]:
    """Return the table and task of each column, in the paper's order of tasks here."""
    tables: dict[str, str] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["tables"]
    return tables


def paper_row(name: str) -> PaperRow:
    """Return a row by its name.

    Raises:
        DoraError: there is no such row.
    """
    try:
        return paper_rows()[name]
    except KeyError:
        raise DoraError(
            f"the paper's tables have no row {name!r}",
            remedy=f"choose one of: {'; '.join(paper_rows())}",
        ) from None


def closest_row(evaluated: Evaluated) -> PaperRow:
    """Return the row that is closest to a network, as far as its name tells.

    Untrained networks stand beside the untrained ViT-S, those that timm calls DINO's (such as
    `vit_small_patch16_224.dino`) beside DINO on ImageNet-1k, all others beside DoRA on WT-Venice.
    """
    if evaluated.origin == "untrained":
        return paper_row("untrained ViT-S")
    if evaluated.origin == "timm" and evaluated.asked.partition("@")[0].endswith(".dino"):
        return paper_row("DINO, IN-1k")
    return paper_row("DoRA, WT-Venice")
