"""What is to be done of one video: its stretches, those that are done, and the set at the end.

The plan lies beside the finished stretches (`plan.json`), so that the next run goes on with the
same one or says in what it differs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtours.errors import WtoursError
from wtours.frame_pass import Sampling, StretchRecord, join, sample
from wtours.shard_inputs import ShardInput
from wtours.shard_settings import ShardSettings
from wtours.shards import PartialSet, VideoRecord
from wtours.shards.schema import FORMAT, RECORD_FILE, VERSION, DatasetRecord
from wtours.shards.writer import partial_folder
from wtours.stretch_files import load_stretch, stretch_path
from wtours.stretch_work import StretchTask
from wtours.stretches import (
    Stretch,
    Timeline,
    cut_into_stretches,
    even_length_s,
    whole,
    with_neighbours,
)
from wtours.video import VideoReader
from wtours.whole_file import write_whole

PLAN_FILE = "plan.json"
_SEEKABLE = ("mov", "matroska")
"""Containers with an index of keyframes. Others are read from their beginning, in one stretch."""


@dataclass(frozen=True, kw_only=True)
class VideoPlan:
    """One video on its way to a shard set."""

    video: ShardInput
    sha256: str
    settings: ShardSettings
    timeline: Timeline
    """Its frames: as its packets announce them, or as decoding gave them."""
    stretches: tuple[Stretch, ...]
    sampling: Sampling
    decoded: bool
    """Whether its frames are those that decoding it from the beginning gave, as one stretch."""
    partial: PartialSet

    def missing(self) -> list[int]:
        """Return the numbers of the stretches that are to be done."""
        return [
            stretch.number
            for stretch in self.stretches
            if not stretch_path(self.partial.path, stretch.number).exists()
        ]

    def task(self, number: int, *, decoder_threads: int) -> StretchTask:
        """Return what a process has to know to do a stretch."""
        stretch, blur = self.stretches[number], self.settings.blur
        read, neighbours = with_neighbours(
            stretch,
            self.timeline,
            self.sampling.kept,
            reach_pts=blur.reach_pts(self.video.facts.time_base) if blur is not None else 0,
        )
        return StretchTask(
            name=self.video.name,
            facts=self.video.facts,
            stretch=stretch,
            read=read,
            neighbours=neighbours,
            decoded=self.decoded,
            kept=self.sampling.first_ticks(stretch.first, stretch.end),
            settings=self.settings,
            folder=self.partial.path,
            tar=self.partial.tar(number),
            decoder_threads=decoder_threads,
        )

    def end_s(self, number: int) -> float:
        """Return the time of the last frame of a stretch, in seconds."""
        return float(self.stretches[number].pts[-1] * self.video.facts.time_base)

    def start_s(self, number: int) -> float:
        """Return the time of the first frame of a stretch, in seconds."""
        return float(self.stretches[number].pts[0] * self.video.facts.time_base)

    def finish(self) -> tuple[DatasetRecord, int, int, int]:
        """Join the stretches into the set; return its record, and its pictures, rows and cuts."""
        finished = [load_stretch(self.partial.path, one.number) for one in self.stretches]
        records = [one.record for one in finished]
        if not len(self.sampling.ticks):
            raise WtoursError(
                f"{self.video.facts.path} has no frame to keep",
                remedy="fetch it again, or leave it out",
            )
        joined = join(
            records,
            _video_record(self, records),
            sampling=self.sampling,
            fps=self.settings.kept_fps,
            cuts=self.settings.cuts,
        )
        record = self.partial.finish(
            [joined],
            [one.tar for one in finished if one.tar is not None],
            settings=self.settings.to_record(),
        )
        return record, len(joined.stored), len(joined.ticks), len(joined.cuts)


def make_plan(
    video: ShardInput, sha256: str, folder: Path, settings: ShardSettings, *, replace_set: bool
) -> VideoPlan:
    """Plan a video anew, or go on with what was begun of it.

    Raises:
        WtoursError: something else was begun in that folder.
    """
    wanted = _identity(sha256, settings)
    begun = None if replace_set else _begun(folder)
    if begun is not None and begun["identity"] != wanted:
        raise refused(folder, f"was begun with {differences(begun['identity'], wanted)}")
    if begun is None and partial_folder(folder).exists():
        PartialSet(folder, replace=replace_set).discard()
    partial = PartialSet(folder, replace=replace_set)
    if begun is not None and begun["decoded"]:
        return _decoded_plan(video, sha256, settings, partial)
    timeline = video.timeline
    seekable = video.facts.container.split(",")[0] in _SEEKABLE
    time_base = video.facts.time_base
    length_s = even_length_s(timeline, time_base=time_base, most_s=settings.tar_s)
    stretches = (
        cut_into_stretches(timeline, time_base=time_base, length_s=length_s)
        if seekable
        else whole(timeline)
    )
    return _plan(video, sha256, settings, partial, timeline, stretches, decoded=False)


def plan_from_decoding(plan: VideoPlan) -> VideoPlan:
    """Plan a video anew whose packets announced other frames than it has."""
    plan.partial.discard()
    partial = PartialSet(plan.partial.folder, replace=True)
    return _decoded_plan(plan.video, plan.sha256, plan.settings, partial)


def discard_if_empty(plan: VideoPlan) -> None:
    """Remove what was begun if not one stretch of it is done."""
    if len(plan.missing()) == len(plan.stretches):
        plan.partial.discard()


def refused(folder: Path | str, finding: str) -> WtoursError:
    """Return the error for a set that is another one than is asked for."""
    return WtoursError(
        f"{folder} exists already and {finding}",
        remedy="give another --out, or --replace to make it anew",
    )


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in what two records of settings differ."""
    return "; ".join(
        f"{key} {there.get(key)} instead of {wanted.get(key)}"
        for key in sorted(set(wanted) | set(there))
        if there.get(key) != wanted.get(key)
    )


def _plan(
    video: ShardInput,
    sha256: str,
    settings: ShardSettings,
    partial: PartialSet,
    timeline: Timeline,
    stretches: tuple[Stretch, ...],
    *,
    decoded: bool,
) -> VideoPlan:
    sampling = sample(
        timeline.pts,
        time_base=video.facts.time_base,
        fps=settings.kept_fps,
        keyframes=timeline.starts if settings.sampling == "keyframes" else None,
    )
    text = {"identity": _identity(sha256, settings), "decoded": decoded}
    write_whole(partial.path / PLAN_FILE, json.dumps(text, indent=1))
    return VideoPlan(
        video=video,
        sha256=sha256,
        settings=settings,
        timeline=timeline,
        stretches=stretches,
        sampling=sampling,
        decoded=decoded,
        partial=partial,
    )


def _decoded_plan(
    video: ShardInput, sha256: str, settings: ShardSettings, partial: PartialSet
) -> VideoPlan:
    with VideoReader(video.facts) as reader:
        pts = np.asarray([frame.pts for frame in reader], dtype=np.int64)
        first_pts = reader.first_pts
    starts = np.intersect1d(pts, video.timeline.starts + video.timeline.first_pts - first_pts)
    timeline = Timeline(pts=pts, starts=np.union1d(pts[:1], starts), first_pts=first_pts)
    return _plan(video, sha256, settings, partial, timeline, whole(timeline), decoded=True)


def _identity(sha256: str, settings: ShardSettings) -> dict[str, Any]:
    """Everything that a finished stretch depends on, in JSON's types."""
    values = {"format": f"{FORMAT} {VERSION}", "video": sha256, **settings.to_record()}
    return dict(json.loads(json.dumps(values)))


def _begun(folder: Path) -> dict[str, Any] | None:
    try:
        begun = json.loads((partial_folder(folder) / PLAN_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None  # nothing was begun, or so little that its plan is not whole
    return begun if isinstance(begun, dict) else None


def existing(folder: Path) -> DatasetRecord | None:
    """Return the record of the set that stands in a folder, or None where there is none."""
    return DatasetRecord.read(folder / RECORD_FILE) if folder.exists() else None


def _video_record(plan: VideoPlan, records: list[StretchRecord]) -> VideoRecord:
    video, facts = plan.video, plan.video.facts
    picture = next(stored.picture for record in records for stored in record.stored)
    notes = dict.fromkeys(note for record in records for note in record.notes)
    return VideoRecord(
        name=video.name,
        sha256=plan.sha256,
        size_bytes=facts.size_bytes,
        codec=facts.codec,
        width=facts.width,
        height=facts.height,
        time_base=facts.time_base,
        rate=facts.average_rate,
        kept_rate=plan.settings.kept_fps or facts.average_rate,
        duration_s=facts.duration_s,
        frames=sum(len(record.pts) for record in records),
        picture_width=picture.width,
        picture_height=picture.height,
        notes=tuple(notes),
        provenance=video.provenance,
        attribution=video.attribution,
    )
