"""True cuts of videos, as people have noted them: a CSV file to frames."""

import csv
from collections.abc import Sequence
from pathlib import Path

from wtours import WtoursError

COLUMNS = ("video", "frame")
EXAMPLE = (
    "write a line `video,frame`, then one a cut: the video's name and the first frame of the new"
    " shot, counted from 0; a video without a cut has one line with an empty frame"
)


def read_true_cuts(path: Path) -> dict[str, list[int]]:
    """Return video -> frames of its true cuts, in increasing order.

    The file is a CSV with the columns `video` and `frame` (others are passed over); a line whose
    frame is empty says that somebody has looked and the video has no cut.

    Raises:
        WtoursError: the file cannot be read, lacks a column, holds no line, a line lacks its video
            or its comma, or a frame is no number from 1 on.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise WtoursError(
            f"true cuts cannot be read from {path} ({fault})", remedy="name a CSV file with --truth"
        ) from fault
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise WtoursError(f"{path} has no column {missing[0]}", remedy=EXAMPLE)
    cuts: dict[str, set[int]] = {}
    for line in reader:
        video, frame = (line["video"] or "").strip(), line["frame"]
        if not video or frame is None:
            lack = "names no video" if not video else "has no frame"
            raise WtoursError(f"{path}, line {reader.line_num} {lack}", remedy=EXAMPLE)
        cuts.setdefault(video, set()).update(_frame(frame.strip(), path, reader.line_num))
    if not cuts:
        raise WtoursError(f"{path} names no video", remedy=EXAMPLE)
    return {video: sorted(frames) for video, frames in cuts.items()}


def _frame(text: str, path: Path, line: int) -> Sequence[int]:
    if not text:
        return []
    # A cut at frame 0 divides nothing.
    if not text.isdecimal() or int(text) == 0:
        raise WtoursError(
            f"{path}, line {line}: {text!r} is no frame at which a shot could begin",
            remedy="give a whole number from 1 on: the first frame of the new shot, counted from 0",
        )
    return [int(text)]
