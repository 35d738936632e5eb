"""Figures of a run by step, from its logs as they stand, whatever state they are in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dora.errors import DoraError
from dora.runs.files import LOG_FILE, LOOKS_FILE
from dora.runs.log_lines import whole_lines


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
    steps, looks = (
        [line for _, line in whole_lines(run / name)] for name in (LOG_FILE, LOOKS_FILE)
    )
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


def _steps_per_epoch(steps: list[dict[str, Any]]) -> float:
    """Return it as the lines tell it, 1 where they do not."""
    last = next((line for line in reversed(steps) if line.get("epoch")), None)
    return 1.0 if last is None else float(last["step"] / last["epoch"])
