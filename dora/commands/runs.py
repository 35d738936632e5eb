"""`dora runs` and `dora plot`: what runs there are, and their curves."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console


def runs(
    folder: Path = Path("runs"), *, as_json: Annotated[bool, Parameter(name="--json")] = False
) -> None:
    """List runs: state, steps, speed, loss, score.

    Running: a process trains in the folder. Stopped: by a signal, to go on. Killed: it ended
    without a word, and goes on from its last checkpoint.

    Args:
        folder: searched for runs, with all folders in it.
        as_json: print JSON instead of a table.
    """
    from dora.runs.listing import list_runs, runs_table

    rows = list_runs(folder)
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    Console().print(runs_table(rows))
    for row in rows:
        if row.remark:
            print(f"{row.folder}: {row.remark}", file=sys.stderr)


def plot(
    *run: Path,
    figure: Annotated[list[str], Parameter(consume_multiple=True)] = ["loss"],  # noqa: B006
    over: Literal["step", "epoch"] = "step",
    smooth: float = 0.02,
    out: Path = Path("runs.png"),
) -> None:
    """Draw curves of runs side by side.

    Args:
        run: folders of runs.
        figure: what is drawn, a panel each: loss, knn/20, teacher_entropy, or another of the log.
        over: what stands below, step or epoch.
        smooth: share of a curve over which the strong line is a mean; 0: none.
        out: the picture; .png, .svg or .pdf.
    """
    from dora.errors import DoraError
    from dora.runs.plot import plot_runs

    if not run:
        raise DoraError("no run is named", remedy="give folders of runs; `dora runs` lists them")
    print(plot_runs(run, figure, out=out, over=over, smooth=smooth))
