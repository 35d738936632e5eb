"""From videos to shard sets: `wtours shard` and `wtours verify` as library calls."""

import errno
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from fractions import Fraction
from pathlib import Path

from wtours.errors import WtoursError
from wtours.executors import run_here, run_in_processes, usable_cores
from wtours.one_run import hold
from wtours.portion_work import do_portion
from wtours.ray_executor import run_on_ray
from wtours.shard_inputs import OnBad, ShardInput, Subset, find_inputs, refuse
from wtours.shard_plan import (
    SetPlan,
    discard_if_empty,
    existing,
    make_plan,
    plan_from_decoding,
    refused,
)
from wtours.shard_progress import Pace, Progress
from wtours.shard_sets import SetInputs, group_into_sets
from wtours.shard_settings import ShardSettings, differences
from wtours.shards import open_shards, settle
from wtours.shards.schema import DatasetRecord
from wtours.shards.writer import partial_folder
from wtours.storage import Store, local_folder, open_store
from wtours.unblurred import make_unblurred_folder, unblurred_folder
from wtours.video import UnexpectedFramesError

_RATE_TOLERANCE = Fraction(105, 100)
_WORKER_BYTES = 2 * 10**9
"""Memory of a worker at 4K, at the most."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, kw_only=True)
class WrittenSet:
    """One shard set."""

    place: str
    """Its folder, or its address."""
    record: DatasetRecord
    pictures: int
    rows: int | None
    """Ticks with a picture; None where the set stood there already."""
    cuts: int | None
    """None where the set stood there already."""
    skipped: bool
    """It stood there already, made from the same video with the same settings."""
    from_unblurred: int = 0
    """Number of its portions, a tar each, whose frames were kept before: not decoded again."""

    @property
    def size_bytes(self) -> int:
        """Of its tars."""
        return sum(tar.size_bytes for tar in self.record.tars)

    @property
    def tars(self) -> int:
        """Number of its tars."""
        return len(self.record.tars)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a call of `shard_videos` left, in the order of the videos."""

    sets: tuple[WrittenSet, ...]
    left_out: tuple[str, ...] = ()
    """Why videos are not in them, a sentence each."""

    @property
    def pictures(self) -> int:
        """In all sets, those that stood there already included."""
        return sum(one.pictures for one in self.sets)

    @property
    def tars(self) -> int:
        """In all sets, those that stood there already included."""
        return sum(one.tars for one in self.sets)


def shard_videos(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    settings: ShardSettings | None = None,
    subset: Subset | None = None,
    workers: int = 1,
    ray: str | None = None,
    replace: bool = False,
    skip_bad: bool = False,
    unblurred: str | Path | None = None,
    progress: Progress | None = None,
    checking: Callable[[int, int], None] = lambda looked_at, videos: None,
    told: Callable[[str], None] = lambda text: None,
) -> Written:
    """Write shard sets, each video from a single decode.

    A video has a set of its own, `out/<name>/`; those of a folder that are shorter than a stretch
    share one, `out/<folder>/`. The work is done in portions, a tar each, of about a minute; what is
    done stays, and the next run does what is missing. A set that is there already, from the same
    videos and settings, is left as it is. The bytes do not depend on the number of workers, or on
    how often the work was interrupted.

    Args:
        paths: videos, and folders of them.
        out: folder of the sets, or an address that fsspec knows (s3://bucket/walks): sets are then
            made in the user's cache, and sent when they are whole.
        settings: what is kept, and how; the defaults where None.
        subset: take only some of the videos; all of them where None.
        workers: processes that work at once. With more than one, a script that calls this guards
            its own work by `if __name__ == "__main__"`, as multiprocessing asks.
        ray: address of a Ray cluster that does the work instead; `local` starts one here.
        replace: make sets anew that are there already.
        skip_bad: leave damaged videos out, and say so in what is returned; otherwise the first ends
            the work.
        unblurred: folder in which kept frames stay as they are as well, so that a later call with
            other settings of blurring, and the same folder, decodes nothing; None keeps none.
        progress: called as the work goes on.
        checking: called before it, with how many videos were looked at, and how many there are.
        told: is given a sentence where unblurred frames that were kept cannot be used.

    Raises:
        WtoursError: a video is unusable or slower than the kept rate, a set is there with other
            settings or of other videos, unblurred frames would lie where sets are published, or the
            disk is full.
    """
    settings, store = settings or ShardSettings(), open_store(out)
    out = local_folder(out) if store is None else store.staging
    if workers < 1:
        raise WtoursError(f"workers is {workers}", remedy="give 1 or more")
    kept = None if unblurred is None else unblurred_folder(unblurred, out=out)
    if store is not None and replace:
        store.require_writable()
    left_out: list[str] = []
    on_bad: OnBad = (lambda fault: left_out.append(fault.message)) if skip_bad else refuse
    inputs = find_inputs(paths, subset=subset, hashed=True, on_bad=on_bad, told=checking)
    videos = _fitting(inputs, settings, on_bad)
    groups = group_into_sets(videos, stretch_s=settings.tar_s)
    sets: dict[str, WrittenSet] = {}
    plans: list[SetPlan] = []
    with ExitStack() as held:
        for group in groups:
            with _told_of_disk(out, group.text):
                out.mkdir(parents=True, exist_ok=True)
                # Held before anything is put right: it may be in another run's hands.
                held.enter_context(hold(out / group.name, doing="sharded"))
                settle(out / group.name)
            if kept is not None:
                with _told_of_disk(kept, group.text, option="--keep-unblurred"):
                    make_unblurred_folder(kept)
                    place = kept / group.name
                    held.enter_context(hold(place, doing="filled", option="--keep-unblurred"))
            if not replace:
                _require_same_settings(_there(out / group.name, store), settings)
        for group in groups:
            with _told_of_disk(out, group.text, kept):
                begun = _begin(
                    group, out / group.name, settings, replace, skip_bad, store, kept, told
                )
            if isinstance(begun, SetPlan):
                plans.append(begun)
            else:
                sets[group.name] = begun
        for name, written in _work(plans, workers, ray, progress, on_bad, told):
            sets[name] = written if store is None else _send(written, store)
    made = tuple(sets[group.name] for group in groups if group.name in sets)
    if left_out and not made:
        raise WtoursError(
            f"no video can be used; the first fault: {left_out[0]}",
            remedy="fetch or copy them again",
        )
    left_out += [one.reason for written in made for one in written.record.left_out]
    return Written(sets=made, left_out=tuple(left_out))


def _fitting(
    videos: Sequence[ShardInput], settings: ShardSettings, on_bad: OnBad
) -> list[ShardInput]:
    fitting = []
    for video in videos:
        try:
            require_rate(video, settings)
        except WtoursError as fault:
            on_bad(fault)
        else:
            fitting.append(video)
    return fitting


def default_workers() -> int:
    """Return how many processes the cores and the free memory of this machine allow."""
    try:
        free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return usable_cores()  # a system that does not tell
    return max(1, min(usable_cores(), free_bytes // _WORKER_BYTES))


@dataclass(frozen=True, kw_only=True)
class _There:
    """A set that stands already."""

    place: str
    record: DatasetRecord
    unsent: Path | None = None
    """Its folder on this machine, if it is whole but has not reached its store."""


def _there(folder: Path, store: Store | None) -> _There | None:
    if store is not None and (record := store.record(folder.name)) is not None:
        return _There(place=store.place(folder.name), record=record)
    record = existing(folder)
    if record is None:
        return None
    if store is None:
        return _There(place=str(folder), record=record)
    return _There(place=store.place(folder.name), record=record, unsent=folder)


def _begin(
    group: SetInputs,
    folder: Path,
    settings: ShardSettings,
    replace: bool,
    skip_bad: bool,
    store: Store | None,
    unblurred: Path | None,
    told: Callable[[str], None],
) -> WrittenSet | SetPlan:
    """Return the set that is there already, or the plan of what is to be done."""
    for video in group.videos:
        _require_as_fetched(video)
    there = None if replace else _there(folder, store)
    if there is None:
        return make_plan(
            group,
            folder,
            settings,
            replace_set=replace,
            skip_bad=skip_bad,
            unblurred=unblurred,
            told=told,
        )
    left_out = {one.video for one in there.record.left_out}
    wanted = {video.name: video.sha256 for video in group.videos if video.name not in left_out}
    if {one.name: one.sha256 for one in there.record.videos} != wanted:
        other = "other videos" if group.shared else "another video"
        raise refused(there.place, f"was made from {other} than {group.text}")
    if unblurred is not None and not (unblurred / group.name).exists():
        told(f"{there.place} stands already: no frames of it were kept, as --replace would do")
    shutil.rmtree(partial_folder(folder), ignore_errors=True)  # of a replacement given up
    if store is not None and there.unsent is None:
        shutil.rmtree(folder, ignore_errors=True)  # a run was killed when it had sent the set
    written = WrittenSet(
        place=there.place,
        record=there.record,
        pictures=sum(tar.pictures for tar in there.record.tars),
        rows=None,
        cuts=None,
        skipped=there.unsent is None,
    )
    if store is not None and there.unsent is not None:
        written = _send(dataclass_replace(written, place=str(folder)), store)
    return written


def _send(written: WrittenSet, store: Store) -> WrittenSet:
    """Send a whole set to its store, and remove it from this machine."""
    folder = Path(written.place)
    store.send(folder, written.record)
    shutil.rmtree(folder)
    return dataclass_replace(written, place=store.place(folder.name))


def _work(
    plans: Sequence[SetPlan],
    workers: int,
    ray: str | None,
    progress: Progress | None,
    on_bad: OnBad,
    told: Callable[[str], None],
) -> Iterator[tuple[str, WrittenSet]]:
    """Do what is missing of all plans; yield each one's name and set when it is whole."""
    waiting = {plan.name: plan for plan in plans}
    try:
        while waiting:
            again: dict[str, SetPlan] = {}
            with closing(_rounds(list(waiting.values()), workers, ray, progress)) as ended:
                for plan, fault in ended:
                    if plan.name not in waiting:
                        continue  # it was given up before
                    if isinstance(fault, UnexpectedFramesError):
                        again[plan.name] = plan
                        continue
                    with _told_of_disk(plan.partial.folder.parent, plan.text, plan.kept_in):
                        try:
                            if fault is not None:
                                raise fault
                            if not plan.missing():
                                yield plan.name, _finish(plan, told)
                                del waiting[plan.name]
                        except WtoursError as damage:
                            on_bad(damage)
                            again.pop(plan.name, None)
                            waiting.pop(plan.name).partial.discard()
            for name, plan in again.items():
                with _told_of_disk(plan.partial.folder.parent, plan.text, plan.kept_in):
                    waiting[name] = plan_from_decoding(plan)
    finally:
        for plan in waiting.values():
            discard_if_empty(plan)


def _rounds(
    plans: Sequence[SetPlan], workers: int, ray: str | None, progress: Progress | None
) -> Generator[tuple[SetPlan, Exception | None], None, None]:
    """Do every missing portion once; yield its plan as it ends, and what it raised."""
    missing = [(plan, number) for plan in plans for number in plan.missing()]
    threads = max(1, usable_cores() // max(1, min(workers, len(missing))))
    tasks = [plan.task(number, decoder_threads=threads) for plan, number in missing]
    lengths = [(plan, task.length_s) for (plan, _), task in zip(missing, tasks, strict=True)]
    pace = Pace(lengths, progress)
    for plan in plans:
        if not plan.missing():  # all of it was done before, and only the end was missing
            yield plan, None
    if not tasks:
        return
    if ray is not None:
        run = run_on_ray(tasks, do_portion, address=ray, told=pace.on_frame)
    elif workers == 1 or len(tasks) == 1:
        run = run_here(tasks, do_portion, told=pace.on_frame)
    else:
        run = run_in_processes(tasks, do_portion, workers=workers, told=pace.on_frame)
    with closing(run) as ended:
        for number, fault in ended:
            pace.on_end(number)
            yield missing[number][0], fault


def _finish(plan: SetPlan, told: Callable[[str], None]) -> WrittenSet:
    portions = plan.load()
    record, pictures, rows, cuts = plan.finish(portions)
    for damage in filter(None, (portion.damage for portion in portions)):
        told(f"{damage}: its frames were decoded again")
    return WrittenSet(
        place=str(plan.partial.folder),
        record=record,
        pictures=pictures,
        rows=rows,
        cuts=cuts,
        skipped=False,
        from_unblurred=sum(portion.from_unblurred for portion in portions),
    )


def verify_shards(paths: Sequence[str | Path]) -> list[str]:
    """Compare every file of shard sets with its recorded SHA-256; return a sentence a fault.

    Raises:
        ShardError: a path holds no shard set, or one that lacks whole files.
    """
    return [fault for shard_set in open_shards(*paths) for fault in shard_set.verify()]


def require_rate(video: ShardInput, settings: ShardSettings) -> None:
    """Refuse to keep more frames than there are.

    Raises:
        WtoursError: the kept rate is over the video's by more than 5 %.
    """
    rate = video.facts.average_rate
    if isinstance(settings.fps, Fraction) and settings.fps > rate * _RATE_TOLERANCE:
        raise WtoursError(
            f"{video.facts.path} has {float(rate):.4g} frames a second, fewer than the "
            f"{float(settings.fps):.4g} to be kept",
            remedy="give --fps native to keep every frame, or a lower --fps",
        )


def _require_same_settings(there: _There | None, settings: ShardSettings) -> None:
    if there and (differing := differences(there.record.settings, settings.to_record())):
        raise refused(there.place, f"was made with {differing}")


def _require_as_fetched(video: ShardInput) -> None:
    recorded = video.provenance["file"].get("sha256") if video.provenance else None
    if recorded is not None and recorded != video.sha256:
        raise WtoursError(
            f"{video.facts.path} was altered since it was fetched: its SHA-256 is {video.sha256}, "
            f"the record beside it says {recorded}",
            remedy="fetch it again, or move the record away if the change was meant",
        )


@contextmanager
def _told_of_disk(
    out: Path, text: str, unblurred: Path | None = None, *, option: str = "--out"
) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written to, into a sentence."""
    try:
        yield
    except OSError as fault:
        named = Path(fault.filename) if isinstance(fault.filename, str) else None
        if unblurred is not None and named is not None and named.is_relative_to(unblurred):
            out, option = unblurred, "--keep-unblurred"
        if fault.errno in _NO_FOLDER:
            raise WtoursError(
                f"{out} cannot be written to ({fault.strerror})",
                remedy=f"name another folder with {option}",
            ) from fault
        if fault.errno not in _NO_ROOM:
            raise
        free_mb = shutil.disk_usage(out if out.exists() else out.parent).free / 1e6
        raise WtoursError(
            f"{out} has no room left for the pictures of {text}: {free_mb:.0f} MB are free",
            remedy="make room and run the same command again, which goes on from there, or give "
            f"another {option}; `--dry-run` says how much is needed",
        ) from fault
