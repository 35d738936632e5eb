"""How long work shows itself on stderr: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 30.0
"""Time between two lines where stderr is no terminal."""


class Advance(Protocol):
    """Told how much is done."""

    def __call__(self, done: int, remark: str = "") -> None:
        """Show that `done` of the total is done, with a remark such as a speed."""


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Yield a function that shows how much of `total` is done."""
    console = Console(stderr=True, highlight=False)
    shown = _bar if console.is_terminal else _lines
    with shown(console, title, total) as advance:
        yield advance


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Advance]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[remark]}"),
        console=console,
    )
    task = bar.add_task(title, total=total, remark="")

    def advance(done: int, remark: str = "") -> None:
        bar.update(task, completed=done, remark=remark)

    with bar:
        yield advance


@contextmanager
def _lines(console: Console, title: str, total: int) -> Iterator[Advance]:
    started = shown = time.monotonic()
    first: int | None = None

    def advance(done: int, remark: str = "") -> None:
        nonlocal shown, first
        first = done - 1 if first is None else first
        now = time.monotonic()
        if now - shown < LINE_EVERY_S and done < total:
            return
        shown = now
        left_s = (now - started) / max(1, done - first) * (total - done)
        console.print(f"{title} {done}/{total}, {left_s:.0f} s left, {remark}", soft_wrap=True)

    yield advance


def progress_bars() -> Progress:
    """Return bars for several things at once, on a terminal's stderr; they vanish when done."""
    return Progress(console=Console(stderr=True), transient=True)
