"""`wtours analyze` as a library call: shard sets, a detector if one is wanted, and the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.counting import check_threshold
from analysis.cut_comparison import CutComparison, compare_cuts
from analysis.cuts import frames_by_detector, read_cuts
from analysis.durations import Part, match_duration
from analysis.groups import open_groups, parse_domains, videos_to_groups
from analysis.report import Report, write_report
from analysis.tables import Tables, read_tables
from analysis.true_cuts import read_true_cuts
from analysis.uncertainty import resample
from wtours import WtoursError, open_shards
from wtours.shards import ShardSet

if TYPE_CHECKING:
    from analysis.detections import Objects
    from analysis.detectors.detic.model import Precision

Tell = Callable[[str, str, float], None]
"""Called with the task, what is being done of it now, and the share that is done, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How objects are found (`analysis.detectors.opening.open_detector`)."""

    detector: str
    weights: Path | None = None
    vocabulary: Path | None = None
    names: Path | None = None
    least_score: float = 0.3
    """Of the boxes that are kept, 0 to 1."""
    device: str | None = None
    dtype: "Precision" = "float32"
    compile: bool = False
    batch: int = 8
    """Pictures at a time."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise WtoursError(f"the batch is {self.batch}", remedy="give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How videos, or groups, come to one duration (`analysis.durations.match_duration`)."""

    duration_s: float | None = None
    """Seconds; None: that of the shortest."""
    part: Part = "first"
    seed: int = 0


def analyse(
    out: Path,
    *,
    shards: Sequence[Path] = (),
    groups: Sequence[str] = (),
    domains: Sequence[str] = (),
    detection: Detection | None = None,
    threshold: float = 0.5,
    matching: Matching | None = None,
    truth: Path | None = None,
    tell: Tell = lambda task, step, share: None,
) -> Report | None:
    """Write the report of shard sets; find the objects in them first if a detector is named.

    What a detector finds is kept in `out/detections/`, so that the next run with the same one looks
    at nothing again.

    Args:
        out: folder of the report.
        shards: sets, or folders of them; where there are groups, those are taken instead.
        groups: texts such as `WTours=data/shards/*`.
        domains: texts such as `WTours=walks through cities`, for Table 1.
        detection: how objects are found; None: they are not.
        threshold: least score of an object that counts in figures and page.
        matching: compare stretches of one duration; None: all of every video.
        truth: CSV file of true cuts (`read_true_cuts`), by which cut detectors are scored.
        tell: told of progress.

    Returns:
        What was written; None in a process of torchrun that is not the first, which only helps.

    Raises:
        WtoursError: whatever is wrong with what was named.
    """
    check_threshold(threshold)
    opened = open_groups(groups)
    sets = [one for group in opened for one in group.sets] if opened else open_shards(*shards)
    of_groups = videos_to_groups(opened) if opened else None
    told_domains = parse_domains(domains, [group.name for group in opened])
    cuts = _compare_cuts(sets, truth)
    objects = None if detection is None else _find(sets, detection, out, tell)
    if detection is not None and not _is_first():
        return None
    tables, words = read_tables(sets), tuple[str, ...]()
    if matching is not None:
        tables, objects, words = _match(tables, objects, of_groups, matching)
    return write_report(
        sets,
        out,
        objects=objects,
        groups=of_groups,
        threshold=threshold,
        tables=tables,
        words=words,
        domains=told_domains,
        uncertainty=resample(
            tables,
            detections=None if objects is None else objects.detections,
            looked=None if objects is None else objects.looked,
            groups=of_groups,
        ),
        cuts=cuts,
        progress=lambda step, share: tell("analysing", step, share),
    )


def _find(sets: Sequence[ShardSet], detection: Detection, out: Path, tell: Tell) -> "Objects":
    from analysis.detections import find_objects  # torch takes seconds to import
    from analysis.detectors.opening import open_detector

    detector = open_detector(
        detection.detector,
        weights=detection.weights,
        vocabulary=detection.vocabulary,
        names=detection.names,
        threshold=detection.least_score,
        device=detection.device,
        dtype=detection.dtype,
        compile=detection.compile,
    )
    return find_objects(
        sets,
        detector,
        out,
        batch=detection.batch,
        progress=lambda step, share: tell("finding objects", step, share),
    )


def _is_first() -> bool:
    from analysis.detection_run import rank_and_world

    return rank_and_world()[0] == 0


def _match(
    tables: Tables,
    objects: "Objects | None",
    groups: Mapping[str, str] | None,
    matching: Matching,
) -> tuple[Tables, "Objects | None", tuple[str, ...]]:
    matched = match_duration(
        tables,
        detections=None if objects is None else objects.detections,
        looked=None if objects is None else objects.looked,
        groups=groups,
        duration_s=matching.duration_s,
        part=matching.part,
        seed=matching.seed,
    )
    if objects is not None:
        from analysis.detections import Objects

        assert matched.detections is not None
        assert matched.looked is not None
        objects = Objects(
            detections=matched.detections, looked=matched.looked, record=objects.record
        )
    return matched.tables, objects, matched.words


def _compare_cuts(sets: Sequence[ShardSet], truth: Path | None) -> CutComparison:
    """Compare cut detectors on the whole videos, whatever part of them is told elsewhere."""
    return compare_cuts(
        frames_by_detector(read_cuts(sets)),
        {video.name: video.duration_s for one in sets for video in one.videos},
        truth=None if truth is None else read_true_cuts(truth),
    )
