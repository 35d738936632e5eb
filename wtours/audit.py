"""What a person looks at to judge the blurring of shard sets in a minute: `wtours audit`.

Of each set two sheets: boxes that were covered, those of the lowest scores first, and places where
a second look at the stored pictures sees a face or plate that no cover hides. The second look has a
threshold of its own, or other detectors; it looks at the pictures as they are stored.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wtours.audit_boxes import CoveredBoxes, drawn, hidden_share, lowest, once, spread
from wtours.audit_sheet import Tile, draw_sheet, page_text
from wtours.contact_sheet import save_jpeg
from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.shards import Box, ShardSet, open_shards
from wtours.stages.blur import DETECTION_RATIO, BlurSettings
from wtours.whole_file import write_whole

Pixels = NDArray[np.uint8]

PAGE_FILE = "index.html"
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
        WtoursError: a path holds no shard set, two sets have one name, a set was altered, or a
            detector cannot be used.
    """
    settings, out = settings or AuditSettings(), Path(out)
    sets = open_shards(*paths)
    names = [shards.folder.resolve().name for shards in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WtoursError(
            f"several sets are called {', '.join(twice)}", remedy="audit them one after the other"
        )
    detectors = settings.look.open_detectors() if settings.pictures else ()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise WtoursError(
            f"{out} cannot be made ({fault.strerror})", remedy="name another folder with --out"
        ) from fault
    audited = []
    for name, shards in zip(names, sets, strict=True):
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
    for file, tiles in sheets.items():
        if not tiles:
            (out / file).unlink(missing_ok=True)  # of an earlier audit
    return AuditedSet(
        name=name,
        blurred=shards.record.settings.get("blur") is not None,
        pictures=len(boxes.rows),
        boxes=len(boxes.parents),
        guards=sum(kind.endswith("-guard") for kind in boxes.kinds),
        looked_at=len(rows),
        seen=len(seen),
        sheets=tuple(
            save_jpeg(draw_sheet(tiles), out / file) for file, tiles in sheets.items() if tiles
        ),
    )


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
