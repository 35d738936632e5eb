"""What a person looks at to judge the blurring of shard sets in a minute: `wtours audit`.

Of each set two sheets: boxes that were covered, those of the lowest scores first, and places where
a second look at the stored pictures sees a face or plate that no cover hides. The second look has a
threshold of its own, or other detectors; it looks at the pictures as they are stored.
"""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from wtours.audit_sheet import Tile, draw_sheet, page_text
from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.shards import Box, ShardSet, column_values, open_shards
from wtours.stages.blur import DETECTION_RATIO, BlurSettings
from wtours.stages.cover import half_axes
from wtours.whole_file import put_in_place, write_durably, write_whole

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

PAGE_FILE = "index.html"
_APART_S = 5.0
"""Boxes of the lowest scores are not shown twice within this time at one place."""
_GRID = 8
"""Points along each side of a box at which it is asked whether they are covered."""
_HIDDEN = 0.5
"""A box of the second look is hidden if this share of it is covered."""


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """How much is shown of each set, and how it is looked at again.

    Raises:
        WtoursError: a number is out of its range.
    """

    boxes: int = 48
    """Covered boxes on the sheet: half of them those of the lowest scores, half drawn at random."""
    seen: int = 24
    """Places of the second look on the sheet, those of the highest scores."""
    pictures: int = 200
    """Pictures that are looked at again, evenly spread over the set."""
    look: BlurSettings = field(default_factory=lambda: BlurSettings(threshold=0.1))
    """Detectors and threshold of the second look."""
    seed: int = 0
    """Of what is drawn at random."""

    def __post_init__(self) -> None:
        for name in ("boxes", "seen", "pictures"):
            if not 0 <= getattr(self, name) <= 100_000:
                raise WtoursError(
                    f"the audit is to show {getattr(self, name)} {name}",
                    remedy="give 0 to 100000, such as 48",
                )


@dataclass(frozen=True, kw_only=True)
class AuditedSet:
    """What an audit says of one set."""

    name: str
    blurred: bool
    """Whether blurring was on."""
    pictures: int
    boxes: int
    """Covered in all pictures; those of neighbouring pictures included."""
    guards: int
    """Boxes that were found in a neighbouring picture."""
    looked_at: int
    """Pictures of the second look."""
    seen: int
    """Places that no cover hides, in so many pictures looked at."""
    sheets: tuple[Path, ...]
    """The pictures that were written."""


def audit_shards(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    settings: AuditSettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[AuditedSet, ...]:
    """Write the sheets of every set, `out/<name>-boxes.jpg` and `<name>-seen.jpg`, and a page.

    Args:
        paths: shard sets, and folders of them.
        out: folder for sheets and page; what an earlier audit left there is replaced.
        settings: the defaults where None.
        progress: called with a set's name, and pictures looked at and to be looked at.

    Raises:
        WtoursError: a path holds no shard set, a set was altered, or a detector cannot be used.
    """
    settings, out = settings or AuditSettings(), Path(out)
    sets = open_shards(*paths)
    detectors = settings.look.open_detectors() if settings.pictures else ()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise WtoursError(
            f"{out} cannot be made ({fault.strerror})", remedy="name another folder with --out"
        ) from fault
    audited = []
    for shards in sets:
        name = shards.folder.resolve().name
        told = (lambda done, total, name=name: progress(name, done, total)) if progress else None
        audited.append(_audit(shards, name, out, settings, detectors, told))
    write_whole(out / PAGE_FILE, page_text([_paragraph(one) for one in audited]))
    return tuple(audited)


def _audit(
    shards: ShardSet,
    name: str,
    out: Path,
    settings: AuditSettings,
    detectors: Sequence[Detector],
    told: Callable[[int, int], None] | None,
) -> AuditedSet:
    boxes = CoveredBoxes.read(shards)
    chosen = lowest(boxes, settings.boxes - settings.boxes // 2)
    chosen += drawn(boxes, settings.boxes // 2, seed=settings.seed, without=chosen)
    rows = spread(boxes.rows, settings.pictures)
    margin = float((shards.record.settings.get("blur") or {}).get("margin", 1.0))
    seen: list[tuple[int, Box]] = []
    for done, row in enumerate(rows):
        seen += [(row, box) for box in _unhidden(shards, row, boxes.of_row(row), detectors, margin)]
        if told is not None:
            told(done + 1, len(rows))
    seen.sort(key=lambda one: (-one[1].score, one[0], one[1].x0, one[1].y0))
    times_s = boxes.time_s[[row for row, _ in seen]] if seen else np.zeros(0)
    corners = np.asarray([(box.x0, box.y0, box.x1, box.y1) for _, box in seen]).reshape(-1, 4)
    shown = [seen[n] for n in once(times_s, corners, settings.seen)]
    sheets = {
        f"{name}-boxes.jpg": _tiles(shards, boxes, [boxes.at(n) for n in chosen], context=2.5),
        f"{name}-seen.jpg": _tiles(shards, boxes, shown, context=5.0),
    }
    return AuditedSet(
        name=name,
        blurred=shards.record.settings.get("blur") is not None,
        pictures=len(boxes.rows),
        boxes=len(boxes.parents),
        guards=sum(kind.endswith("-guard") for kind in boxes.kinds),
        looked_at=len(rows),
        seen=len(seen),
        sheets=tuple(_write_sheet(out / file, tiles) for file, tiles in sheets.items() if tiles),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CoveredBoxes:
    """The boxes of a set's index, those of every picture once."""

    rows: Places
    """Rows of the index, one a picture."""
    time_s: Numbers
    """Of every row."""
    keys: list[str]
    """Of every row."""
    parents: Places
    """(n,) row of each box."""
    corners: Numbers
    """(n, 4) x0, y0, x1, y1."""
    scores: Numbers
    """(n,)"""
    kinds: list[str]
    """(n,)"""

    @classmethod
    def read(cls, shards: ShardSet) -> "CoveredBoxes":
        """Read the boxes of a set."""
        table = shards.table(["key", "time_s", "tar", "offset", "boxes"])
        places = np.stack([column_values(table[name]) for name in ("tar", "offset")])
        new = np.ones(len(table), dtype=bool)
        new[1:] = (np.diff(places, axis=1) != 0).any(axis=0)  # else it shares the picture before
        lists = table["boxes"].combine_chunks()
        lengths = np.diff(column_values(pa.chunked_array([lists.offsets])))
        parents = np.repeat(np.arange(len(table)), lengths)
        flat = lists.flatten()

        def values(name: str) -> Numbers:
            return column_values(pa.chunked_array([flat.field(name)])).astype(np.float64)

        kept = new[parents]
        corners = np.stack([values(name) for name in ("x0", "y0", "x1", "y1")], axis=1)
        kinds = flat.field("kind").to_pylist()
        return cls(
            rows=np.flatnonzero(new),
            time_s=column_values(table["time_s"]),
            keys=table["key"].to_pylist(),
            parents=parents[kept],
            corners=corners[kept],
            scores=values("score")[kept],
            kinds=[kind for kind, stays in zip(kinds, kept, strict=True) if stays],
        )

    def at(self, number: int) -> tuple[int, Box]:
        """Return the row of a box, and the box."""
        x0, y0, x1, y1 = self.corners[number].tolist()
        box = Box(
            x0=x0, y0=y0, x1=x1, y1=y1, score=float(self.scores[number]), kind=self.kinds[number]
        )
        return int(self.parents[number]), box

    def of_row(self, row: int) -> list[Box]:
        """Return the boxes of a row."""
        first, end = np.searchsorted(self.parents, [row, row + 1])
        return [self.at(number)[1] for number in range(first, end)]


def lowest(boxes: CoveredBoxes, count: int) -> list[int]:
    """Return numbers of the boxes of the lowest scores, found in their pictures, from the lowest.

    A thing that is found again and again is there once in five seconds.
    """
    found = [
        number
        for number in np.argsort(boxes.scores, kind="stable").tolist()
        if not boxes.kinds[number].endswith("-guard")
    ]
    return [found[n] for n in once(boxes.time_s[boxes.parents[found]], boxes.corners[found], count)]


def once(time_s: Numbers, corners: Numbers, count: int) -> list[int]:
    """Return numbers of the first boxes, without those that are near an earlier one.

    Args:
        time_s: (n,) times of the boxes.
        corners: (n, 4) x0, y0, x1, y1.
        count: how many to return at the most.
    """
    chosen: list[int] = []
    middles, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    for number in range(len(time_s)):
        if len(chosen) >= count:
            break
        apart = np.abs(middles[chosen] - middles[number]).max(axis=1, initial=0.0)
        soon = np.abs(time_s[chosen] - time_s[number]) < _APART_S
        if not ((apart < sides[number].max()) & soon).any():
            chosen.append(number)
    return chosen


def drawn(boxes: CoveredBoxes, count: int, *, seed: int, without: Sequence[int]) -> list[int]:
    """Return numbers of boxes drawn at random among the others, in the order of time."""
    left = sorted(set(range(len(boxes.scores))) - set(without))
    return sorted(random.Random(seed).sample(left, min(count, len(left))))


def spread(rows: Places, count: int) -> list[int]:
    """Return that many of some rows, evenly spread; all of them where there are fewer."""
    if len(rows) <= count:
        return [int(row) for row in rows]
    at = (np.arange(count) + 0.5) * len(rows) / count
    return [int(row) for row in rows[at.astype(np.int64)]]


def hidden_share(box: Box, covering: Sequence[Box], *, margin: float) -> float:
    """Return how much of a box lies under the covers of others, 0 to 1."""
    across = box.x0 + (np.arange(_GRID) + 0.5) / _GRID * (box.x1 - box.x0)
    down = box.y0 + (np.arange(_GRID) + 0.5) / _GRID * (box.y1 - box.y0)
    hidden = np.zeros((_GRID, _GRID), dtype=bool)
    for other in covering:
        half = half_axes(np.asarray([other.x1 - other.x0, other.y1 - other.y0]), margin)
        if half.min() <= 0:
            continue
        x, y = (across - (other.x0 + other.x1) / 2) / half[0], down - (other.y0 + other.y1) / 2
        hidden |= x[None, :] ** 2 + (y[:, None] / half[1]) ** 2 <= 1
    return float(hidden.mean())


def _unhidden(
    shards: ShardSet,
    row: int,
    covering: Sequence[Box],
    detectors: Sequence[Detector],
    margin: float,
) -> Iterator[Box]:
    """Look at a stored picture again; yield what is found and lies under no cover."""
    picture = _picture(shards, row)
    height, width = picture.shape[:2]
    size = (round(width * DETECTION_RATIO), round(height * DETECTION_RATIO))
    enlarged = cast(Pixels, cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC))
    across, down = width / size[0], height / size[1]
    for detector in detectors:
        for found in detector.detect([enlarged])[0]:
            box = Box(
                x0=found.x0 * across,
                y0=found.y0 * down,
                x1=found.x1 * across,
                y1=found.y1 * down,
                score=found.score,
                kind=found.kind,
            )
            if hidden_share(box, covering, margin=margin) < _HIDDEN:
                yield box


def _tiles(
    shards: ShardSet, boxes: CoveredBoxes, chosen: Sequence[tuple[int, Box]], *, context: float
) -> list[Tile]:
    return [
        Tile(
            picture=_picture(shards, row),
            box=box,
            context=context,
            lines=(boxes.keys[row], f"{boxes.time_s[row]:.2f} s  {box.kind} {box.score:.2f}"),
        )
        for row, box in chosen
    ]


def _picture(shards: ShardSet, row: int) -> Pixels:
    with Image.open(io.BytesIO(shards.read_jpeg(row))) as picture:
        return np.asarray(picture.convert("RGB"))


def _write_sheet(path: Path, tiles: Sequence[Tile]) -> Path:
    stream = io.BytesIO()
    draw_sheet(tiles).save(stream, "JPEG", quality=90)
    part = path.with_name(path.name + ".part")
    write_durably(part, stream.getvalue())
    put_in_place(part, path)
    return path


def _paragraph(audited: AuditedSet) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Return what the page says of a set: its name, sentences, and its sheets with their heads."""
    covered = (
        f"{audited.boxes} boxes covered in {audited.pictures} pictures, {audited.guards} of them "
        "found in a neighbouring picture."
        if audited.blurred
        else f"{audited.pictures} pictures; blurring was off."
    )
    looked = (
        f"A second look at {audited.looked_at} pictures sees {audited.seen} places that no cover "
        "hides."
    )
    heads = {
        "boxes": "Covered boxes: the lowest scores first, then some drawn at random.",
        "seen": "Seen at a second look under no cover, the surest first.",
    }
    sheets = {path.name: heads[path.stem.rpartition("-")[2]] for path in audited.sheets}
    return audited.name, (covered, looked), sheets
