"""From videos to shard sets: `wtours shard` and `wtours verify` as library calls."""

import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wtours.errors import WtoursError
from wtours.frame_pass import FramePass, StretchRecord, join
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSetWriter, VideoRecord, open_shards, settle
from wtours.shards.schema import RECORD_FILE, DatasetRecord
from wtours.stages.blur import BlurStage, fit_short_side
from wtours.stages.cuts import CutStage
from wtours.stages.picture import PictureStage
from wtours.stages.sample import TickSampler
from wtours.video import VideoReader, open_video
from wtours.whole_file import file_sha256

Progress = Callable[[str, float, float, float], None]
"""Name of the video, seconds of it done, seconds in all, seconds of video per second of work."""
_RATE_TOLERANCE = Fraction(105, 100)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, kw_only=True)
class WrittenSet:
    """One shard set."""

    folder: Path
    record: DatasetRecord
    pictures: int
    rows: int | None
    """Ticks with a picture; None where the set stood there already."""
    cuts: int | None
    """None where the set stood there already."""
    skipped: bool
    """It stood there already, made from the same video with the same settings."""

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
    replace: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write one shard set a video, `out/<name>/`, each from a single decode.

    A set that is there already, from the same video and settings, is left as it is.

    Args:
        paths: videos, and folders of them.
        out: folder of the sets.
        settings: what is kept, and how; the defaults where None.
        replace: make sets anew that are there already.
        progress: called as the work goes on.

    Raises:
        WtoursError: a video is unusable or slower than the kept rate, a set is there with other
            settings or of another video, or the disk is full.
    """
    settings, out = settings or ShardSettings(), Path(out)
    inputs = find_inputs(paths)
    for video in inputs:
        require_rate(video, settings)
        with _told_of_disk(out, video):
            settle(out / video.name)
        if not replace:
            _require_same_settings(out / video.name, settings)
    sets = []
    for video in inputs:
        with _told_of_disk(out, video):
            sets.append(_shard_one(video, out / video.name, settings, replace, progress))
    return Written(sets=tuple(sets))


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


def _existing(folder: Path) -> DatasetRecord | None:
    return DatasetRecord.read(folder / RECORD_FILE) if folder.exists() else None


def _require_same_settings(folder: Path, settings: ShardSettings) -> None:
    record = _existing(folder)
    if record is None:
        return
    wanted = settings.to_record()
    differing = [
        f"{key} {record.settings.get(key)} instead of {wanted.get(key)}"
        for key in sorted(set(wanted) | set(record.settings))
        if record.settings.get(key) != wanted.get(key)
    ]
    if differing:
        raise _refused(folder, f"was made with {'; '.join(differing)}")


def _refused(folder: Path, finding: str) -> WtoursError:
    return WtoursError(
        f"{folder} exists already and {finding}",
        remedy="give another --out, or --replace to make it anew",
    )


def _shard_one(
    video: ShardInput,
    folder: Path,
    settings: ShardSettings,
    replace_set: bool,
    progress: Progress | None,
) -> WrittenSet:
    sha256 = file_sha256(video.facts.path)
    _require_as_fetched(video, sha256)
    record = None if replace_set else _existing(folder)
    if record is not None:
        if [one.sha256 for one in record.videos] != [sha256]:
            raise _refused(folder, f"was made from another video than {video.facts.path}")
        pictures = sum(tar.pictures for tar in record.tars)
        return WrittenSet(
            folder=folder, record=record, pictures=pictures, rows=None, cuts=None, skipped=True
        )
    return _write_set(video, sha256, folder, settings, replace_set, progress)


def _write_set(
    video: ShardInput,
    sha256: str,
    folder: Path,
    settings: ShardSettings,
    replace_set: bool,
    progress: Progress | None,
) -> WrittenSet:
    pace = _Pace(video, progress)
    with (
        open_video(video.facts.path, facts=video.facts) as reader,
        ShardSetWriter(folder, replace=replace_set) as writer,
    ):
        found = FramePass(
            writer=writer,
            cuts=CutStage() if settings.cuts is not None else None,
            sampler=TickSampler(time_base=reader.time_base, fps=settings.kept_fps),
            pictures=picture_stage(video.name, reader, settings),
            tar_s=settings.tar_s,
            on_frame=pace.on_frame,
        ).run(reader)
        if not len(found.ticks):
            raise WtoursError(
                f"{video.facts.path} has no frame to keep",
                remedy="fetch it again, or leave it out",
            )
        joined = join(
            found,
            _video_record(video, sha256, reader, settings, found),
            fps=settings.kept_fps,
            cuts=settings.cuts,
        )
        record = writer.finish([joined], settings=settings.to_record())
    pace.finish()
    return WrittenSet(
        folder=folder,
        record=record,
        pictures=len(found.stored),
        rows=len(found.ticks),
        cuts=len(joined.cuts),
        skipped=False,
    )


def _require_as_fetched(video: ShardInput, sha256: str) -> None:
    recorded = video.provenance["file"].get("sha256") if video.provenance else None
    if recorded is not None and recorded != sha256:
        raise WtoursError(
            f"{video.facts.path} was altered since it was fetched: its SHA-256 is {sha256}, "
            f"the record beside it says {recorded}",
            remedy="fetch it again, or move the record away if the change was meant",
        )


def picture_stage(name: str, reader: VideoReader, settings: ShardSettings) -> PictureStage:
    """Return the stage that makes the pictures of a video; loads the face detector."""
    size = fit_short_side(reader.width, reader.height, settings.short_side_px)
    blur = None
    if settings.blur is not None:
        blur = BlurStage(settings.blur, settings.blur.open_detector(), picture_size=size)
    return PictureStage(video=name, size=size, jpeg_quality=settings.jpeg_quality, blur=blur)


class _Pace:
    """Passes on how far the work on a video is: ten times a second, and when its set is whole."""

    def __init__(self, video: ShardInput, progress: Progress | None) -> None:
        self._name, self._duration_s = video.name, video.facts.duration_s
        self._progress = progress
        self._start_s = self._shown_s = time.monotonic()

    def on_frame(self, done_s: float) -> None:
        """Take note of the time of a frame."""
        if time.monotonic() - self._shown_s >= 0.1:
            self._show(done_s)

    def finish(self) -> None:
        """Take note that all is done."""
        self._show(self._duration_s)

    def _show(self, done_s: float) -> None:
        self._shown_s = time.monotonic()
        if self._progress is not None:
            speed = done_s / max(1e-9, self._shown_s - self._start_s)
            self._progress(self._name, done_s, self._duration_s, speed)


def _video_record(
    video: ShardInput,
    sha256: str,
    reader: VideoReader,
    settings: ShardSettings,
    found: StretchRecord,
) -> VideoRecord:
    facts, picture = video.facts, found.stored[0].picture
    return VideoRecord(
        name=video.name,
        sha256=sha256,
        size_bytes=facts.size_bytes,
        codec=facts.codec,
        width=facts.width,
        height=facts.height,
        time_base=facts.time_base,
        rate=facts.average_rate,
        kept_rate=settings.kept_fps or facts.average_rate,
        duration_s=facts.duration_s,
        frames=len(found.pts),
        picture_width=picture.width,
        picture_height=picture.height,
        notes=tuple(reader.notes),
        provenance=video.provenance,
        attribution=video.attribution,
    )


@contextmanager
def _told_of_disk(out: Path, video: ShardInput) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written to, into a sentence."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _NO_FOLDER:
            raise WtoursError(
                f"{out} cannot be written to ({fault.strerror})",
                remedy="name another folder with --out",
            ) from fault
        if fault.errno not in _NO_ROOM:
            raise
        free_mb = shutil.disk_usage(out if out.exists() else out.parent).free / 1e6
        raise WtoursError(
            f"{out} has no room left for the pictures of {video.facts.path}: "
            f"{free_mb:.0f} MB are free, now that what was written of it is removed",
            remedy="make room or give another --out; `--dry-run` says how much is needed",
        ) from fault
