"""`wtours analyze` as a library call: shard sets, a detector if one is wanted, and the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
from wtours.shards import ShardError, ShardSet

if TYPE_CHECKING:
    from analysis.detections import Objects
    from analysis.detectors.detic.model import Precision
    from analysis.detectors.transnet import TransNet
    from analysis.source_videos import Sources

Source = Literal["shards", "videos"]
"""Where objects are counted: in the pictures of shards, or in the videos they were made from."""

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
    source: Source = "shards",
    shots: str | None = None,
    videos: Sequence[Path] = (),
    threshold: float = 0.5,
    matching: Matching | None = None,
    truth: Path | None = None,
    tell: Tell = lambda task, step, share: None,
) -> Report | None:
    """Write the report of shard sets; find the objects in them first if a detector is named.

    What a detector finds is kept in `out/detections/`, and what one of shots finds in `out/cuts/`,
    so that the next run with the same one looks at nothing again.

    Args:
        out: folder of the report.
        shards: sets, or folders of them; where there are groups, those are taken instead.
        groups: texts such as `WTours=data/shards/*`.
        domains: texts such as `WTours=walks through cities`, for Table 1.
        detection: how objects are found; None: they are not.
        source: what the detector looks at.
        shots: `transnet` or `transnet:FILE`, a further detector of cuts, which needs the videos.
        videos: those that the sets were made from, or folders of them; known by their SHA-256.
        threshold: least score of an object that counts in figures and page.
        matching: compare stretches of one duration; None: all of every video.
        truth: CSV file of true cuts (`read_true_cuts`), by which cut detectors are scored.
        tell: told of progress.

    Returns:
        What was written; None in a process of torchrun that is not the first, which only helps.

    Raises:
        WtoursError: whatever is wrong with what was named.
    """
    _require_use_of(videos, detection, source, shots)
    check_threshold(threshold)
    opened = open_groups(groups)
    sets = [one for group in opened for one in group.sets] if opened else _open(shards, source)
    of_groups = videos_to_groups(opened) if opened else None
    told_domains = parse_domains(domains, [group.name for group in opened])
    needed = source == "videos" or shots is not None
    sources = _sources(videos, sets, tell) if needed else None
    network = None if shots is None else _open_network(shots, detection)
    known = None if truth is None else read_true_cuts(truth)
    cuts = frames_by_detector(read_cuts(sets))
    # What is wrong with true cuts is said before anything is written; the network may have others.
    compared = None if network is not None else _compare_cuts(sets, cuts, known)
    objects = None
    if detection is not None:
        objects = _find(sets, detection, out, sources if source == "videos" else None, tell)
    if detection is not None and not _is_first():
        return None
    if network is not None and sources is not None:
        found = _find_cuts(sets, network, out, sources, tell)
        compared = _compare_cuts(sets, {**cuts, **found}, known)
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
        cuts=compared,
        progress=lambda step, share: tell("analysing", step, share),
    )


def _require_use_of(
    videos: Sequence[Path], detection: Detection | None, source: Source, shots: str | None
) -> None:
    """Refuse videos that nothing looks at, and a detector's source without a detector."""
    if source == "videos" and detection is None:
        raise WtoursError(
            "objects are to be counted in the videos, but no detector is named that finds them",
            remedy="add --detector, such as --detector onnx:yolox_nano.onnx, or leave --from out",
        )
    if videos and source == "shards" and shots is None:
        raise WtoursError(
            f"{videos[0]} would not be looked at: shards are analysed, and of videos only their "
            "objects and shots",
            remedy="add --from videos with a --detector, or --shots transnet; videos without "
            "shards are made into some with `wtours shard`",
        )


def _open(shards: Sequence[Path], source: Source) -> Sequence[ShardSet]:
    try:
        sets: Sequence[ShardSet] = open_shards(*shards)
    except ShardError as fault:
        if source == "shards":
            raise
        raise ShardError(
            f"{fault.message}; objects can be counted in the videos, but lightness, shots and "
            "Table 1 come from their shards",
            remedy=fault.remedy,
        ) from fault
    return sets


def _sources(videos: Sequence[Path], sets: Sequence[ShardSet], tell: Tell) -> "Sources":
    from wtours import SourceVideos  # needs a video library, and most reports do without

    found: Sources = SourceVideos(
        videos,
        [video for one in sets for video in one.videos],
        progress=lambda name, done, total: tell("checking videos", name, done / max(1, total)),
    )
    return found


def _find(
    sets: Sequence[ShardSet],
    detection: Detection,
    out: Path,
    sources: "Sources | None",
    tell: Tell,
) -> "Objects":
    from analysis.detections import find_objects, find_objects_in_videos
    from analysis.detectors.opening import file_of, open_detector  # torch takes seconds to import
    from analysis.detectors.title import title_of

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
    if detection.batch < 1:
        raise WtoursError(f"the batch is {detection.batch}", remedy="give 1 or more")

    def progress(step: str, share: float) -> None:
        tell("finding objects", step, share)

    batch = detection.batch
    if sources is None:
        found = find_objects(sets, detector, out, batch=batch, progress=progress)
    else:
        found = find_objects_in_videos(
            sets, detector, out, sources=sources, batch=batch, progress=progress
        )
    title = title_of(found.record, file=file_of(detection.detector, detection.weights))
    return replace(found, record={**found.record, "title": title})


def _open_network(shots: str, detection: Detection | None) -> "TransNet":
    from analysis.detectors.device import choose_device
    from analysis.detectors.transnet import load_transnet, parse_shots

    device = None if detection is None else detection.device
    return load_transnet(weights=parse_shots(shots), device=choose_device(device))


def _find_cuts(
    sets: Sequence[ShardSet], network: "TransNet", out: Path, sources: "Sources", tell: Tell
) -> dict[str, dict[str, list[int]]]:
    from analysis.network_cuts import NAME, find_network_cuts

    found = find_network_cuts(
        sets,
        network,
        out,
        sources=sources,
        progress=lambda step, share: tell("finding shots", step, share),
    )
    return {NAME: found}


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


def _compare_cuts(
    sets: Sequence[ShardSet],
    cuts: Mapping[str, Mapping[str, Sequence[int]]],
    truth: Mapping[str, Sequence[int]] | None,
) -> CutComparison:
    """Compare cut detectors on the whole videos, whatever part of them is told elsewhere."""
    lengths_s = {video.name: video.duration_s for one in sets for video in one.videos}
    return compare_cuts(cuts, lengths_s, truth=truth)
