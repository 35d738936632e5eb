"""Figures of a run by step, from its logs as they stand, whatever state they are in."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dora.errors import DoraError
from dora.runs.files import LOG_FILE, LOOKS_FILE

_TAIL_BYTES = 2**16


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One figure of one run; steps at which it was no number are left out."""

    steps: tuple[int, ...]
    epochs: tuple[float, ...]
    values: tuple[float, ...]


def read_curves(run: Path, figures: list[str]) -> dict[str, Curve]:
    """Return the figures that were asked for, from `log.jsonl` or else `looks.jsonl`.

    Half a line at the end of a log, of a process at work or killed, does not count.

    Args:
        run: the run's folder.
        figures: such as loss or knn/20.

    Raises:
        DoraError: there is no run, no step yet, a line is damaged, or there is no such figure.
    """
    steps = read_lines(run / LOG_FILE)
    looks = read_lines(run / LOOKS_FILE)
    if not steps:
        raise DoraError(
            f"{run} holds no step of a run ({LOG_FILE} is missing or empty)",
            remedy="name a folder that `dora train` has written, as `dora runs` lists them",
        )
    per_step = _steps_per_epoch(steps)
    found = {}
    for name in figures:
        lines = next((ls for ls in (steps, looks) if any(name in line for line in ls)), None)
        if lines is None:
            known = sorted({key for line in (*steps[-1:], *looks[-2:]) for key in line})
            names = ", ".join(key for key in known if key not in ("step", "look"))
            raise DoraError(f"{run} has no figure {name!r}", remedy=f"use one of: {names}")
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        found[name] = Curve(
            steps=tuple(step for step, _ in points),
            epochs=tuple(step / per_step for step, _ in points),
            values=tuple(value for _, value in points),
        )
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log; none where there is no file.

    Raises:
        DoraError: a line that ends is no record.
    """
    if not path.is_file():
        return []
    texts = path.read_bytes().decode("utf-8", errors="replace").split("\n")[:-1]
    return [_record(text, number, path) for number, text in enumerate(texts, start=1)]


def last_line(path: Path) -> dict[str, Any] | None:
    """Return the last whole line of a log, read from its end; None where there is none.

    Raises:
        DoraError: that line is no record.
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        whole = stream.read().decode("utf-8", errors="replace").split("\n")[:-1]
    return _record(whole[-1], None, path) if whole else None


def _record(text: str, number: int | None, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(text)
        if not isinstance(record, dict) or not isinstance(record.get("step"), int):
            raise ValueError(text)
    except ValueError:
        where = "the last line" if number is None else f"line {number}"
        raise DoraError(
            f"{where} of {path} is no record of a step",
            remedy="remove that line; the checkpoint does not need it",
        ) from None
    return record


def _steps_per_epoch(steps: list[dict[str, Any]]) -> float:
    """Return it as the lines tell it, 1 where they do not."""
    last = next((line for line in reversed(steps) if line.get("epoch")), None)
    return 1.0 if last is None else float(last["step"] / last["epoch"])
