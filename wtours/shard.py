"""From videos to shard sets: `wtours shard` and `wtours verify` as library calls."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from wtours.errors import WtoursError
from wtours.full_disk import told_of_disk
from wtours.one_run import hold
from wtours.shard_inputs import OnBad, ShardInput, Subset, find_inputs, refuse
from wtours.shard_outcome import Written, WrittenSet
from wtours.shard_plan import SetPlan, make_plan
from wtours.shard_progress import Progress
from wtours.shard_rounds import do_missing
from wtours.shard_sets import SetInputs, group_into_sets
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards, settle
from wtours.standing_sets import find_standing, leave_standing, send_set
from wtours.storage import Store, local_folder, open_store
from wtours.unblurred import make_unblurred_folder, unblurred_folder

_RATE_TOLERANCE = Fraction(105, 100)


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
            with told_of_disk(out, group.text):
                out.mkdir(parents=True, exist_ok=True)
                # Held before anything is put right: it may be in another run's hands.
                held.enter_context(hold(out / group.name, doing="sharded"))
                settle(out / group.name)
            if kept is not None:
                with told_of_disk(kept, group.text, option="--keep-unblurred"):
                    make_unblurred_folder(kept)
                    place = kept / group.name
                    held.enter_context(hold(place, doing="filled", option="--keep-unblurred"))
            if not replace and (there := find_standing(out / group.name, store)) is not None:
                there.require_settings(settings)
        for group in groups:
            with told_of_disk(out, group.text, kept):
                begun = _begin(
                    group, out / group.name, settings, replace, skip_bad, store, kept, told
                )
            if isinstance(begun, SetPlan):
                plans.append(begun)
            else:
                sets[group.name] = begun
        for name, written in do_missing(plans, workers, ray, progress, on_bad, told):
            sets[name] = written if store is None else send_set(written, store)
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
    there = None if replace else find_standing(folder, store)
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
    there.require_videos(group)
    if unblurred is not None and not (unblurred / group.name).exists():
        told(f"{there.place} stands already: no frames of it were kept, as --replace would do")
    return leave_standing(there, folder, store)


def _require_as_fetched(video: ShardInput) -> None:
    recorded = video.provenance["file"].get("sha256") if video.provenance else None
    if recorded is not None and recorded != video.sha256:
        raise WtoursError(
            f"{video.facts.path} was altered since it was fetched: its SHA-256 is {video.sha256}, "
            f"the record beside it says {recorded}",
            remedy="fetch it again, or move the record away if the change was meant",
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
