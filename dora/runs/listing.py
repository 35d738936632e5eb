"""The runs under a folder: how each stands, how far and how fast it is, how well it scores."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich.markup import escape
from rich.table import Table

from dora.errors import DoraError
from dora.runs.files import CHECKPOINT_FILE, CONFIG_FILE, LOG_FILE, LOOKS_FILE, STANDING_FILE
from dora.runs.log_lines import last_line, whole_lines
from dora.runs.standing import Standing, is_claimed, read_standing, this_host

_T = TypeVar("_T")
Shown = Literal["running", "stopped", "failed", "killed", "done"]
FRESH_S = 120.0
"""A run whose log grew so recently counts as running where its lock does not tell: on another
machine, or for lack of permission."""
_STYLES = {"running": "green", "failed": "red", "killed": "red", "done": "bold"}


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run; None is what its folder does not tell."""

    folder: str
    state: Shown
    preset: str | None
    step: int
    """Steps done."""
    total_steps: int | None
    clips_hz: float | None
    """Clips per second of its last steps."""
    loss: float | None
    """Of its last step."""
    knn: float | None
    """Last k-NN score, a share."""
    started: str | None
    """ISO 8601, UTC."""
    written_s: float | None
    """Seconds since its log last grew."""
    remark: str = ""
    """Why it failed, or what in its folder is damaged."""


def list_runs(folder: Path) -> list[RunRow]:
    """Return the runs in a folder and the folders under it, by their names.

    Raises:
        DoraError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise DoraError(f"there is no folder {folder}", remedy="name one that holds runs")
    rows = [_row(run, folder) for run in sorted(_run_folders(folder))]
    if not rows:
        raise DoraError(
            f"{folder} holds no run", remedy="begin one with `dora train`, or name another folder"
        )
    return rows


def runs_table(rows: list[RunRow]) -> Table:
    """Return the runs as a table; `last` is how long ago the log grew.

    Names of runs have the room they need before all else, also in 80 columns.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(
        "run", overflow="fold", min_width=min(24, max(len(row.folder) for row in rows))
    )
    for name in ("state", "preset"):
        table.add_column(name, no_wrap=True)
    for name in ("step", "clips/s", "loss", "k-NN %", "last"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        total = "?" if row.total_steps is None else str(row.total_steps)
        table.add_row(
            escape(row.folder),
            f"[{_STYLES.get(row.state, 'default')}]{row.state}",
            escape(row.preset or "-"),
            f"{row.step}/{total}",
            _number(row.clips_hz, "{:.3g}"),
            _number(row.loss, "{:.3f}"),
            "-" if row.knn is None else f"{100 * row.knn:.1f}",
            "-" if row.written_s is None else _ago(row.written_s),
        )
    return table


def _run_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a run; runs do not lie within runs."""
    for parent, folders, names in os.walk(folder):
        if CONFIG_FILE in names and {STANDING_FILE, LOG_FILE, CHECKPOINT_FILE} & set(names):
            folders.clear()
            yield Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _row(run: Path, root: Path) -> RunRow:
    remarks: list[str] = []
    standing = _told(remarks, lambda: read_standing(run))
    step = _told(remarks, lambda: last_line(run / LOG_FILE)) or {}
    look = _told(remarks, lambda: _last_score(run)) or {}
    written_s = None
    if (run / LOG_FILE).is_file():
        written_s = max(0.0, datetime.now(UTC).timestamp() - (run / LOG_FILE).stat().st_mtime)
    state = _state(run, standing, written_s)
    if state == "failed" and standing is not None and standing.sentence:
        remarks.append(standing.sentence)
    return RunRow(
        folder=str(run.relative_to(root)) if run != root else str(run),
        state=state,
        preset=standing.preset if standing is not None else _preset(run),
        step=step["step"] + 1 if step else 0,
        total_steps=None if standing is None else standing.total_steps,
        clips_hz=step.get("clips_hz"),
        loss=step.get("loss"),
        knn=next((look[name] for name in sorted(look, reverse=True) if "knn/" in name), None),
        started=None if standing is None else standing.started,
        written_s=written_s,
        remark="; ".join(remarks),
    )


def _state(run: Path, standing: Standing | None, written_s: float | None) -> Shown:
    claimed = is_claimed(run)
    if claimed:
        return "running"
    if standing is not None and standing.state != "running":
        return standing.state
    untold = claimed is None or (standing is not None and standing.host != this_host())
    if untold and written_s is not None and written_s < FRESH_S:
        return "running"
    return "stopped" if standing is None else "killed"


def _told(remarks: list[str], read: Callable[[], _T]) -> _T | None:
    """Return what is read; of what is damaged, a remark, so that the other runs are still shown."""
    try:
        return read()
    except DoraError as fault:
        remarks.append(str(fault))
        return None


def _last_score(run: Path) -> dict[str, Any] | None:
    lines = whole_lines(run / LOOKS_FILE)
    return next((line for _, line in reversed(lines) if line["look"] == "knn"), None)


def _preset(run: Path) -> str | None:
    try:
        preset = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8")).get("preset")
    except (ValueError, AttributeError):
        return None
    return preset if isinstance(preset, str) else None


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
