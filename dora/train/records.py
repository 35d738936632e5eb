"""What a run leaves behind while it goes on: one JSON line a step, and TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.jsonl"


class Records:
    """Writes a step's figures to `log.jsonl` and TensorBoard.

    Args:
        folder: the run's folder.
        start_step: steps from here on are about to be done (again): what an interrupted run wrote
            of them after its last checkpoint is dropped.
    """

    def __init__(self, folder: Path, *, start_step: int) -> None:
        path = folder / LOG_FILE
        kept = _lines_before(path, start_step)
        partial = path.with_suffix(".partial")
        partial.write_text("".join(kept), encoding="utf-8")
        partial.replace(path)
        self._log = path.open("a", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start_step)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Record one step."""
        self._log.write(json.dumps({"step": step, **figures}) + "\n")
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._log.close()
        self._board.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the figures of every step of a run, in order."""
    text = (folder / LOG_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _lines_before(path: Path, step: int) -> list[str]:
    """Return the whole lines of an earlier log that belong to steps before `step`."""
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        # A killed process may have left half a line at the end.
        if line.endswith("\n") and json.loads(line)["step"] < step:
            kept.append(line)
    return kept
