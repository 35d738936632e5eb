"""The lines of a run's logs: the only place that reads them."""

import json
from pathlib import Path
from typing import Any

from dora.errors import DoraError
from dora.runs.files import LOOKS_FILE

Line = dict[str, Any]
"""Has a step; of `looks.jsonl`, the name of the look, too."""

_TAIL_BYTES = 2**16


def whole_lines(path: Path, *, remedy: str = "") -> list[tuple[str, Line]]:
    """Return the whole lines of a log, each as its text and as what it says; none without a file.

    Half a line at the end, of a process at work or killed, does not count.

    Args:
        path: `log.jsonl` or `looks.jsonl`.
        remedy: what to do about a damaged line; by default, to remove it.

    Raises:
        DoraError: a line that ends is no record.
    """
    if not path.is_file():
        return []
    return [
        (text, _line(text, f"line {number}", path, remedy))
        for number, text in enumerate(_ended(path.read_bytes()), start=1)
    ]


def last_line(path: Path) -> Line | None:
    """Return the last whole line of a log, read from its end; None where there is none.

    Raises:
        DoraError: that line is no record.
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        whole = _ended(stream.read())
    return _line(whole[-1], "the last line", path, "") if whole else None


def _ended(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="replace").split("\n")[:-1]


def _line(text: str, where: str, path: Path, remedy: str) -> Line:
    try:
        line = json.loads(text)
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            raise ValueError(text)
        if path.name == LOOKS_FILE and not isinstance(line.get("look"), str):
            raise ValueError(text)
    except ValueError:
        raise DoraError(
            f"{where} of {path} is no record of a step",
            remedy=remedy or "remove that line; the checkpoint does not need it",
        ) from None
    return line
