"""What is to be done for one shard set: its portions, those that are done, and the set at the end.

The plan lies beside the finished portions (`plan.json`), so that the next run goes on with the
same one or says in what it differs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.frame_pass import StretchRecord
from wtours.portion_files import FinishedPortion, load_portion, portion_path
from wtours.portion_work import PortionTask
from wtours.shard_sets import TAR_BYTES, SetInputs, divide
from wtours.shard_settings import ShardSettings, differences
from wtours.shards import PartialSet
from wtours.shards.schema import FORMAT, VERSION, DatasetRecord, LeftOut
from wtours.shards.writer import partial_folder
from wtours.standing_sets import refused
from wtours.unblurred import Unblurred, open_unblurred, wanted_frames
from wtours.video_plan import VideoPlan, hash_of, plan_video
from wtours.whole_file import write_whole

PLAN_FILE = "plan.json"


@dataclass(frozen=True, kw_only=True)
class SetPlan:
    """One shard set in the making."""

    name: str
    text: str
    """What it is made of, for people."""
    videos: tuple[VideoPlan, ...]
    portions: tuple[tuple[tuple[int, int], ...], ...]
    """For each tar, the stretches that it holds: position of the video, number of the stretch."""
    settings: ShardSettings
    skip_bad: bool
    """Whether a portion leaves out videos that are damaged."""
    identity: Mapping[str, Any]
    partial: PartialSet
    unblurred: Unblurred | None = None
    """Where its frames are kept as they are; None: nowhere."""

    @property
    def duration_s(self) -> float:
        """Seconds of video, together."""
        return sum(one.video.facts.duration_s for one in self.videos)

    def missing(self) -> list[int]:
        """Return the numbers of the portions that are to be done."""
        return [
            number
            for number in range(len(self.portions))
            if not portion_path(self.partial.path, number).exists()
        ]

    def task(self, number: int, *, decoder_threads: int) -> PortionTask:
        """Return what a process has to know to do a portion."""
        return PortionTask(
            number=number,
            stretches=tuple(
                self.videos[position].task(stretch) for position, stretch in self.portions[number]
            ),
            settings=self.settings,
            folder=self.partial.path,
            tar=self.partial.tar(number),
            decoder_threads=decoder_threads,
            skip_bad=self.skip_bad,
            unblurred=self.unblurred,
        )

    @property
    def kept_in(self) -> Path | None:
        """The folder of the unblurred frames of all sets, where they are kept."""
        return None if self.unblurred is None else self.unblurred.folder.parent

    def load(self) -> list[FinishedPortion]:
        """Read the portions, all of which are done."""
        return [load_portion(self.partial.path, n) for n in range(len(self.portions))]

    def finish(self, finished: Sequence[FinishedPortion]) -> tuple[DatasetRecord, int, int, int]:
        """Join the portions into the set; return its record, and its pictures, rows and cuts.

        Args:
            finished: the portions.

        Raises:
            WtoursError: there is nothing to put in it.
        """
        records: dict[int, list[StretchRecord]] = {}
        left_out: list[LeftOut] = []
        for portion, done in zip(self.portions, finished, strict=True):
            for (position, _), record in zip(portion, done.records, strict=True):
                if isinstance(record, LeftOut):
                    left_out.append(record)
                else:
                    records.setdefault(position, []).append(record)
        if not records:
            raise WtoursError(
                f"none of the {self.text} can be used; the first fault: {left_out[0].reason}",
                remedy="fetch or copy them again",
            )
        joined = [self.videos[position].join(parts) for position, parts in records.items()]
        written = self.partial.finish(
            joined,
            [one.tar for one in finished if one.tar is not None],
            settings=self.settings.to_record(),
            left_out=left_out,
        )
        return (
            written,
            sum(len(one.stored) for one in joined),
            sum(len(one.ticks) for one in joined),
            sum(len(one.cuts) for one in joined),
        )


def make_plan(
    inputs: SetInputs,
    folder: Path,
    settings: ShardSettings,
    *,
    replace_set: bool,
    skip_bad: bool = False,
    unblurred: Path | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> SetPlan:
    """Plan a set anew, or go on with what was begun of it.

    Args:
        inputs: its videos, hashed.
        folder: of the set.
        settings: what is kept, and how.
        replace_set: begin anew, whatever is there.
        skip_bad: whether damaged videos are left out.
        unblurred: folder for the frames of all sets as they are; None keeps none.
        told: is given a sentence if others are replaced there.

    Raises:
        WtoursError: something else was begun in that folder.
    """
    wanted = _identity(inputs, settings)
    begun = None if replace_set else _begun(folder)
    if begun is not None and begun["identity"] != wanted:
        raise refused(folder, f"was begun with {differences(begun['identity'], wanted)}")
    decoded = begun is not None and begun["decoded"]
    kept = None
    if unblurred is not None:
        frames = wanted_frames(unblurred / inputs.name, inputs, wanted, settings)
        kept = open_unblurred(frames, told=told)
        if decoded and not kept.decoded:
            kept = kept.begin(decoded=True)
        elif kept.decoded and not decoded:
            begun, decoded = None, True
    if begun is None and partial_folder(folder).exists():
        PartialSet(folder, replace=replace_set).discard()
    partial = PartialSet(folder, replace=replace_set)
    videos = plan_videos(inputs, settings, decoded=decoded)
    write_whole(
        partial.path / PLAN_FILE, json.dumps({"identity": wanted, "decoded": decoded}, indent=1)
    )
    return SetPlan(
        name=inputs.name,
        text=inputs.text,
        videos=videos,
        portions=divide_work(inputs, videos, settings),
        settings=settings,
        skip_bad=skip_bad and inputs.shared,
        identity=wanted,
        partial=partial,
        unblurred=kept,
    )


def plan_videos(
    inputs: SetInputs, settings: ShardSettings, *, decoded: bool = False
) -> tuple[VideoPlan, ...]:
    """Plan the videos of a set.

    Args:
        inputs: the videos.
        settings: what is kept of them, and how.
        decoded: whether their packets are known to announce other frames than decoding gives.
    """
    in_one = inputs.shared or decoded
    return tuple(
        plan_video(video, settings, decoded=decoded, in_one=in_one) for video in inputs.videos
    )


def divide_work(
    inputs: SetInputs, videos: Sequence[VideoPlan], settings: ShardSettings
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return for each tar the stretches in it: position of the video, number of the stretch."""
    if inputs.shared:
        runs = divide(inputs.videos, settings)
        return tuple(tuple((position, 0) for position in run) for run in runs)
    return tuple(((0, number),) for number in range(len(videos[0].stretches)))


def plan_from_decoding(plan: SetPlan) -> SetPlan:
    """Plan a video anew whose packets announced other frames than it has: as one stretch."""
    (video,) = plan.videos
    plan.partial.discard()
    partial = PartialSet(plan.partial.folder, replace=True)
    text = json.dumps({"identity": plan.identity, "decoded": True}, indent=1)
    write_whole(partial.path / PLAN_FILE, text)
    again = plan_video(video.video, plan.settings, decoded=True, in_one=True)
    kept = None if plan.unblurred is None else plan.unblurred.begin(decoded=True)
    return replace(plan, videos=(again,), portions=(((0, 0),),), partial=partial, unblurred=kept)


def discard_if_empty(plan: SetPlan) -> None:
    """Remove what was begun if not one portion of it is done."""
    if len(plan.missing()) == len(plan.portions):
        plan.partial.discard()


def _identity(inputs: SetInputs, settings: ShardSettings) -> dict[str, Any]:
    """Everything that a finished portion depends on, in JSON's types."""
    of_videos: dict[str, Any] = {"video": hash_of(inputs.videos[0])}
    if inputs.shared:
        lines = "".join(f"{video.name} {hash_of(video)}\n" for video in inputs.videos)
        listing = sha256(lines.encode()).hexdigest()
        of_videos = {"videos": len(inputs.videos), "listing": listing, "tar_bytes": TAR_BYTES}
    values = {"format": f"{FORMAT} {VERSION}", **of_videos, **settings.to_record()}
    return dict(json.loads(json.dumps(values)))


def _begun(folder: Path) -> dict[str, Any] | None:
    try:
        begun = json.loads((partial_folder(folder) / PLAN_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None  # nothing was begun, or so little that its plan is not whole
    return begun if isinstance(begun, dict) else None
