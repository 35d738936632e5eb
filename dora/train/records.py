"""What a run leaves while it goes on: one JSON line a step, scores, pictures, TensorBoard."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from PIL import Image

from dora.errors import DoraError
from dora.runs.files import BOARD_FOLDER, LOG_FILE, LOOKS_FILE, PICTURES_FOLDER
from dora.runs.log_lines import Line, whole_lines
from dora.train.board import EventFile
from dora.train.looks import Seen
from dora.train.wandb_log import WandbLog
from dora.whole_file import whole_file


class Records:
    """Writes a step's figures to `log.jsonl`, and what is seen of the teacher to `looks.jsonl`.

    Both go to TensorBoard too, and to Weights & Biases where that is asked for.

    Args:
        folder: the run's folder.
        start_step: steps from here on are about to be done (again): what an interrupted run wrote
            of them after its last checkpoint is dropped.
        wandb: told the same; None: nobody else.

    Raises:
        DoraError: the folder cannot be written, or a log or a picture in it is damaged.
        OSError: likewise while closing and adding.
    """

    def __init__(self, folder: Path, *, start_step: int, wandb: WandbLog | None = None) -> None:
        self._folder = folder
        steps = _kept(folder / LOG_FILE, before=start_step)
        # A look comes before the step of its number: that of the first step is done. A run that
        # begins has seen nothing: what stands there is of another network.
        looks = _kept(folder / LOOKS_FILE, before=start_step + 1 if start_step else 0)
        self._seen = {(line["look"], line["step"]) for _, line in looks}
        again = [line for _, line in looks if line["step"] == start_step]
        pictures = self._pictures_of(start_step) if again else {}
        self._log = _continued(folder / LOG_FILE, steps)
        self._looks = _continued(folder / LOOKS_FILE, looks)
        self._board = EventFile(folder / BOARD_FOLDER, start_step=start_step)
        # TensorBoard forgets what has the first step's number, and so what was seen before it.
        for line in again:
            self._board.add(start_step, {n: x for n, x in line.items() if isinstance(x, float)})
        for name, (picture, png) in pictures.items():
            self._board.add_picture(start_step, name, picture, png=png)
        self._wandb = wandb

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Record one step; in the log, what is no finite number is null, for JSON has no other."""
        self._log.write(json.dumps({"step": step, **_finite(figures)}) + "\n")
        self._board.add(step, figures)
        if self._wandb is not None:
            self._wandb.add(step, figures)

    def add_look(self, look: str, step: int, seen: Seen) -> None:
        """Record what was seen after `step` steps; the line comes last, when all else is there.

        Raises:
            DoraError: a picture cannot be written.
        """
        if seen.figures:
            self._board.add(step, seen.figures)
        for name, picture in seen.pictures.items():
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            self._board.add_picture(step, name, picture, png=buffer.getvalue())
            with whole_file(self._picture_path(name, step)) as partial:
                partial.write_bytes(buffer.getvalue())
        if self._wandb is not None:
            self._wandb.add(step, seen.figures, seen.pictures)
        self._looks.write(json.dumps({"step": step, "look": look, **_finite(seen.figures)}) + "\n")
        self._seen.add((look, step))

    def has_look(self, look: str, step: int) -> bool:
        """Whether what was seen after so many steps stands in the records."""
        return (look, step) in self._seen

    def close(self) -> None:
        """Write what is still in memory."""
        try:
            self._log.close()
            self._looks.close()
        finally:
            self._board.close()
            if self._wandb is not None:
                self._wandb.close()

    def _pictures_of(self, step: int) -> dict[str, tuple[Image.Image, bytes]]:
        """Return the pictures that were drawn before a step, and their files, by their names."""
        found: dict[str, tuple[Image.Image, bytes]] = {}
        for path in sorted(self._folder.glob(f"{PICTURES_FOLDER}/*_{step:08d}.png")):
            try:
                png = path.read_bytes()
                picture = Image.open(io.BytesIO(png))
            except OSError as fault:
                raise DoraError(f"{path} cannot be read ({fault})", remedy="remove it") from fault
            found[path.stem.rpartition("_")[0]] = (picture, png)
        return found

    def _picture_path(self, name: str, step: int) -> Path:
        return self._folder / PICTURES_FOLDER / f"{name}_{step:08d}.png"


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the figures of every step of a run, in order; None where one is no finite number."""
    text = (folder / LOG_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: x if math.isfinite(x) else None for name, x in figures.items()}


def _kept(path: Path, *, before: int) -> list[tuple[str, Line]]:
    """Return the lines of a log of steps before a step."""
    remedy = (
        f"remove the line, or move {path.name} away, and give the same command again; the "
        "checkpoint needs neither"
    )
    return [
        (text, line) for text, line in whole_lines(path, remedy=remedy) if line["step"] < before
    ]


def _continued(path: Path, kept: list[tuple[str, Line]]) -> TextIO:
    """Return a log that goes on after the lines that are kept."""
    with whole_file(path) as partial:
        partial.write_text("".join(text + "\n" for text, _ in kept), encoding="utf-8")
    return path.open("a", encoding="utf-8", buffering=1)
