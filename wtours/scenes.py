"""The shots of videos: `wtours cuts` as a library call, with the stage and the rules of sharding.

One decode a video. As a cut may be decided long after its frame has gone by, small pictures are
kept of all frames whose score could make a cut, and of those before them.
"""

import csv
import io
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wtours.contact_sheet import SheetCell, write_sheet
from wtours.errors import WtoursError
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shards import Cut
from wtours.stages.blur import fit_short_side
from wtours.stages.cuts import CutSettings, CutStage, content_score, find_cuts
from wtours.stages.picture import encode_jpeg
from wtours.video import Frame, VideoReader
from wtours.whole_file import write_whole

Pixels = NDArray[np.uint8]
Progress = Callable[[str, float, float], None]
"""Name of the video, seconds of it done, seconds in all."""

CSV_COLUMNS = ("shot", "start_s", "end_s", "length_s", "first_frame", "frames", "cut_score")
"""Of `NAME.cuts.csv`: shots and frames count from 0; the first shot has no score."""
_ADAPTIVE_LEAST = 15.0
"""Least score of a cut of the adaptive detector (PySceneDetect's `min_content_val`)."""
_PICTURE_SHORT_PX = 120
"""Shorter side of the pictures on the contact sheet."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What lies between two cuts."""

    number: int
    """Among the shots of its video, from 0."""
    start_s: float
    """Time of its first frame, from the first picture of the video."""
    end_s: float
    """Time at which its last frame gives way: the next shot's start, or the video's end."""
    first: int
    """Number of its first frame."""
    frames: int
    score: float | None
    """Of the cut that it begins with, in levels of 255; None for the first shot."""

    @property
    def length_s(self) -> float:
        """Seconds that it lasts."""
        return self.end_s - self.start_s


@dataclass(frozen=True, kw_only=True)
class VideoShots:
    """The shots of one video, with a small picture of the first and last frame of each."""

    name: str
    path: Path
    shots: tuple[Shot, ...]
    pictures: tuple[tuple[Pixels, Pixels], ...]
    """For each shot: (h, w, 3) uint8 RGB, upright."""
    notes: tuple[str, ...]
    """What is unusual about the video, sentences."""


def find_shots(
    paths: Sequence[str | Path],
    *,
    settings: CutSettings | None = None,
    progress: Progress | None = None,
) -> Iterator[VideoShots]:
    """Check videos, and those in folders; give the shots of each as soon as they are known.

    Args:
        paths: videos, and folders of them.
        settings: detector and its figures; the defaults where None.
        progress: called as the work goes on.

    Raises:
        WtoursError: a video is unusable.
    """
    inputs = find_inputs(paths)
    return (_shots_of(video, settings or CutSettings(), progress) for video in inputs)


def write_shots(found: VideoShots, out: Path) -> tuple[Path, ...]:
    """Write `NAME.cuts.csv` and the contact sheet `NAME.cuts.jpg`; return their paths.

    Each appears whole or not at all. Many shots need more sheets: `NAME.cuts-2.jpg` and so on.

    Raises:
        WtoursError: the folder cannot be written to.
    """
    table = out / f"{found.name}.cuts.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(table, _csv_text(found.shots))
        sheets = write_sheet(out / f"{found.name}.cuts.jpg", _cells(found))
    except OSError as fault:
        raise WtoursError(
            f"{out} cannot be written to ({fault.strerror})",
            remedy="name another folder with --out",
        ) from fault
    return table, *sheets


def clock_text(time_s: float) -> str:
    """Return a time for people, to the hundredth: `1:02:03.45`, or `2:03.45` within an hour."""
    minutes, seconds = divmod(round(time_s * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{seconds / 100:05.2f}"
    return f"{hours}:{text}" if hours else text.removeprefix("0")


def _shots_of(video: ShardInput, settings: CutSettings, progress: Progress | None) -> VideoShots:
    facts, pts = video.facts, array("q")
    stage, borders = CutStage(), _BorderPictures(settings)
    with VideoReader(facts) as reader:
        for frame in reader:
            before = stage.ends()
            stage.process_frame(frame)
            after = stage.ends()
            assert after is not None
            borders.take(frame, 0.0 if before is None else content_score(before[1], after[1]))
            pts.append(frame.pts)
            if progress is not None:
                progress(video.name, frame.pts_s, facts.duration_s)
        notes = tuple(reader.notes)
    if progress is not None:
        progress(video.name, facts.duration_s, facts.duration_s)
    stamps = np.asarray(pts, dtype=np.int64)
    cuts = find_cuts(
        stage.finish(),
        stamps,
        time_base=facts.time_base,
        rate=facts.average_rate,
        settings=settings,
    )
    firsts = np.searchsorted(stamps, [cut.pts for cut in cuts]).tolist()
    shots = _between(cuts, firsts, frames=len(stamps), duration_s=facts.duration_s)
    return VideoShots(
        name=video.name,
        path=facts.path,
        shots=shots,
        pictures=borders.of(shots),
        notes=notes,
    )


def _between(
    cuts: Sequence[Cut], firsts: Sequence[int], *, frames: int, duration_s: float
) -> tuple[Shot, ...]:
    """Return the shots that lie between cuts, which stand at the frames `firsts`."""
    starts = [0, *firsts]
    starts_s = [0.0, *(cut.time_s for cut in cuts)]
    return tuple(
        Shot(
            number=number,
            start_s=starts_s[number],
            end_s=end_s,
            first=starts[number],
            frames=end - starts[number],
            score=cuts[number - 1].score if number else None,
        )
        for number, (end, end_s) in enumerate(
            zip([*firsts, frames], [*starts_s[1:], duration_s], strict=True)
        )
    )


class _BorderPictures:
    """Keeps small pictures of the frames on both sides of every possible cut."""

    def __init__(self, settings: CutSettings) -> None:
        content = settings.detector == "content"
        self._least = settings.threshold_in_use if content else _ADAPTIVE_LEAST
        self._kept: dict[int, bytes] = {}  # as JPEG: in a restless video there are many
        self._before: Frame | None = None

    def take(self, frame: Frame, score: float) -> None:
        """Look at one frame and its score."""
        if self._before is None or score >= self._least:
            if self._before is not None:
                self._keep(self._before)
            self._keep(frame)
        self._before = frame

    def of(self, shots: Sequence[Shot]) -> tuple[tuple[Pixels, Pixels], ...]:
        """Return the first and the last picture of each shot; call it after the last frame."""
        assert self._before is not None, "a checked video has a picture"
        self._keep(self._before)
        return tuple(
            (self._picture(shot.first), self._picture(shot.first + shot.frames - 1))
            for shot in shots
        )

    def _keep(self, frame: Frame) -> None:
        if frame.index not in self._kept:
            size = fit_short_side(frame.width, frame.height, _PICTURE_SHORT_PX)
            self._kept[frame.index] = encode_jpeg(frame.scaled(*size), quality=92)

    def _picture(self, index: int) -> Pixels:
        with Image.open(io.BytesIO(self._kept[index])) as stored:
            return np.asarray(stored)


def _cells(found: VideoShots) -> list[SheetCell]:
    return [
        SheetCell(
            pictures=pictures,
            lines=(f"{shot.number}   {clock_text(shot.start_s)} - {clock_text(shot.end_s)}",),
        )
        for shot, pictures in zip(found.shots, found.pictures, strict=True)
    ]


def _csv_text(shots: Sequence[Shot]) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(CSV_COLUMNS)
    for shot in shots:
        times = (f"{time_s:.6f}" for time_s in (shot.start_s, shot.end_s, shot.length_s))
        score = "" if shot.score is None else f"{shot.score:.4f}"
        table.writerow((shot.number, *times, shot.first, shot.frames, score))
    return stream.getvalue()
