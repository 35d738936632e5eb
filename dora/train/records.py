"""What a run leaves behind while it goes on: one JSON line a step, and TensorBoard."""

import json
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from dora.errors import DoraError
from dora.whole_file import whole_file

LOG_FILE = "log.jsonl"


class Records:
    """Writes a step's figures to `log.jsonl` and TensorBoard.

    Args:
        folder: the run's folder.
        start_step: steps from here on are about to be done (again): what an interrupted run wrote
            of them after its last checkpoint is dropped.

    Raises:
        DoraError: the folder cannot be written, or a log in it is damaged.
        OSError: likewise while closing and adding.
    """

    def __init__(self, folder: Path, *, start_step: int) -> None:
        path = folder / LOG_FILE
        kept = _lines_before(path, start_step)
        with whole_file(path) as partial:
            partial.write_text("".join(kept), encoding="utf-8")
        self._log = path.open("a", encoding="utf-8", buffering=1)
        self._board = EventFile(folder / "tensorboard", start_step=start_step)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Record one step; in the log, what is no finite number is null, for JSON has no other."""
        finite = {name: x if math.isfinite(x) else None for name, x in figures.items()}
        self._log.write(json.dumps({"step": step, **finite}) + "\n")
        self._board.add(step, figures)

    def close(self) -> None:
        """Write what is still in memory."""
        try:
            self._log.close()
        finally:
            self._board.close()


class EventFile:
    """A TensorBoard file of scalars, written by this thread.

    TensorBoard's own writer leaves it to another thread, in which a full disk is a traceback.

    Args:
        folder: TensorBoard's folder of the run.
        start_step: TensorBoard is to forget steps from here on that earlier files hold.
    """

    def __init__(self, folder: Path, *, start_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
        self._stream = (folder / name).open("ab")
        self._records = RecordWriter(self._stream)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=start_step, session_log=start))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the scalars of a step."""
        values = [Summary.Value(tag=name, simple_value=x) for name, x in figures.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file; every step is in it already."""
        self._stream.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._stream.flush()


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the figures of every step of a run, in order; None where one is no finite number."""
    text = (folder / LOG_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _lines_before(path: Path, step: int) -> list[str]:
    """Return the whole lines of an earlier log that belong to steps before `step`."""
    if not path.is_file():
        return []
    kept = []
    lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    # A killed process may have left half a line at the end, else the last is empty.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            belongs = json.loads(line)["step"] < step
        except (ValueError, TypeError, KeyError):
            raise DoraError(
                f"line {number} of {path} is no record of a step",
                remedy=f"remove the line, or move {path.name} away, and give the same command "
                "again; the checkpoint needs neither",
            ) from None
        if belongs:
            kept.append(line + "\n")
    return kept
