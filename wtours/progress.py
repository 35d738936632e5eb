"""Progress bars on stderr, one for each thing that takes long."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from wtours.errors import WtoursError

Advance = Callable[[str, float, float | None, str], None]
"""What is done, how much of it, of how much (None: unknown), and a remark such as a speed."""


@contextmanager
def progress_bars() -> Iterator[Advance]:
    """Yield a function that draws and moves a bar for each thing named.

    A bar appears when its thing is named first. Where stderr is no terminal nothing moves, and the
    last state is printed at the end.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[remark]}"),
        console=Console(stderr=True),
    )
    bars: dict[str, TaskID] = {}

    def advance(name: str, done: float, total: float | None, remark: str = "") -> None:
        if not bars:
            progress.start()  # not before: it would end in an empty line
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, remark=remark)
        progress.update(bars[name], completed=done, total=total, remark=remark)

    try:
        yield advance
    finally:
        if bars:
            progress.stop()


def size_text(size_bytes: float) -> str:
    """Return a size for people, in powers of ten: `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}" if unit != "B" else f"{size_bytes:.0f} B"
        size_bytes /= 1000
    return f"{size_bytes:.3g} TB"


def parse_size(text: str) -> float:
    """Return the bytes of a size such as `500k`, `2.5M`, `1GB` or `4096`, in powers of ten.

    Raises:
        WtoursError: it is no size above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text, re.I)
    size_bytes = float(match[1]) * 1000 ** " kmgt".index(match[2].lower() or " ") if match else 0
    if not size_bytes > 0:
        raise WtoursError(f"{text!r} is no size", remedy="write it as 500k, 2.5M or 1G (bytes)")
    return size_bytes


def duration_text(duration_s: float) -> str:
    """Return a length of time for people: `40 s`, `25 min`, `3.5 h`."""
    if duration_s < 120:
        return f"{duration_s:.0f} s"
    return f"{duration_s / 60:.0f} min" if duration_s < 7200 else f"{duration_s / 3600:.1f} h"
