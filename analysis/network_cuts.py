"""Cuts that TransNetV2 finds in the videos of shard sets, beside those of the stored scores.

The network sees every frame, of which the sets have no picture, so that it goes through the videos
themselves. What it says of each frame is kept for each video as it goes on, so that a run that
stopped goes on in the middle of one.

    <folder>/cuts/transnet-<digest>/<SHA-256 of the video>.parquet
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.detectors.transnet import CONTEXT, HEIGHT, WIDTH, Chances, cuts_of, judge_frames
from analysis.source_videos import Pixels, Source, Sources
from analysis.whole_file import write_whole
from wtours.shards import ShardSet, VideoRecord

FOLDER, NAME = "cuts", "transnet"
_VERSION = 1
_SCHEMA = pa.schema([("pts", pa.int64()), ("chance", pa.float32())])
_META = b"wtours-transitions"
_KEPT_FRAMES = 5000
"""After so many what was found is kept: some minutes of work without a GPU."""

Progress = Callable[[str, float], None]
"""Called with what is being done now, and the share of all, 0 to 1, that is done."""


class CutNetwork(Protocol):
    """What judges frames: `analysis.detectors.transnet.TransNet`."""

    @property
    def weights_sha256(self) -> str:
        """Of its weights."""
        ...

    def __call__(self, windows: Pixels, /) -> Chances:
        """(B, 100, 27, 48, 3) RGB -> (B, 100) chance that the shot ends with each frame."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What the network says of the frames of a video, or of the first of them."""

    whole: bool
    """Whether these are all."""
    pts: NDArray[np.int64]
    """(F,) time stamps."""
    chances: Chances
    """(F,) chance that the shot ends with each."""


def find_network_cuts(
    shards: Sequence[ShardSet],
    network: CutNetwork,
    folder: Path,
    *,
    sources: Sources,
    progress: Progress = lambda what, share: None,
) -> dict[str, list[int]]:
    """Return video -> the first frame of each new shot, as `frames_by_detector` has it.

    A video is sought, checked and decoded only where nothing is kept of it.

    Args:
        shards: sets as `open_shards` returns them.
        network: from `load_transnet`.
        folder: what is found is kept in its `cuts/`.
        sources: finds the videos.
        progress: told after every second of video or so.

    Raises:
        WtoursError: a video is missing, another one or damaged, or the folder cannot be written.
    """
    told = json.dumps([_VERSION, network.weights_sha256])
    place = folder / FOLDER / f"{NAME}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    records = {video.name: video for each in shards for video in each.videos}
    files = {name: place / f"{record.sha256}.parquet" for name, record in records.items()}
    judged = {name: _read(file) for name, file in files.items()}
    lost = [name for name, kept in judged.items() if not kept.whole]
    videos = sources.find(lost)
    all_s = sum(record.duration_s for record in records.values()) or 1.0
    done_s = all_s - sum(records[name].duration_s for name in lost)
    for name in lost:
        tell = _Pace(records[name], done_s, all_s, progress)
        for more in _judge(videos[name], network, judged[name], tell):
            _write(files[name], more)
            judged[name] = more
        done_s += records[name].duration_s
    progress("looked for transitions", 1.0)
    return {name: cuts_of(one.chances) for name, one in judged.items()}


class _Pace:
    """Tells how far the network is, once a second of video."""

    def __init__(
        self, record: VideoRecord, done_s: float, all_s: float, progress: Progress
    ) -> None:
        self._record, self._done_s, self._all_s = record, done_s, all_s
        self._progress = progress
        self._told_s = -1.0

    def __call__(self, pts: int) -> None:
        time_s = float(pts * self._record.time_base)
        if time_s >= self._told_s + 1:
            self._told_s = time_s
            share = min(1.0, (self._done_s + time_s) / self._all_s)
            self._progress(f"looking for transitions in {self._record.name}", share)


def _judge(
    video: Source, network: CutNetwork, kept: Judged, tell: Callable[[int], None]
) -> Iterator[Judged]:
    """Go on with a video; give what is known of it now and then, and when all is."""
    pts, chances, begun = kept.pts.tolist(), [kept.chances], len(kept.pts)
    unkept = 0

    def pictures() -> Iterator[Pixels]:
        first = max(0, begun - CONTEXT)
        every = video.every_picture(width=WIDTH, height=HEIGHT, first=first)
        for number, (stamp, picture) in enumerate(every, start=first):
            if number >= begun:
                pts.append(stamp)
                tell(stamp)
            yield picture

    for some in judge_frames(pictures(), network, resumed=begun > 0):
        chances.append(some)
        unkept += len(some)
        if unkept >= _KEPT_FRAMES:
            unkept = 0
            yield _judged(pts, chances, whole=False)
    yield _judged(pts, chances, whole=True)


def _judged(pts: list[int], chances: list[Chances], *, whole: bool) -> Judged:
    known = np.concatenate(chances)
    assert len(known) <= len(pts)  # the windows reach beyond what is judged
    return Judged(whole=whole, pts=np.asarray(pts[: len(known)], dtype=np.int64), chances=known)


def _read(path: Path) -> Judged:
    """Return what is kept of a video; nothing where the file is missing or damaged."""
    nothing = Judged(
        whole=False, pts=np.zeros(0, dtype=np.int64), chances=np.zeros(0, dtype=np.float32)
    )
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            table = file.read(use_threads=False)
            meta = json.loads((file.schema_arrow.metadata or {}).get(_META, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return nothing
    if not table.schema.remove_metadata().equals(_SCHEMA) or not isinstance(meta, dict):
        return nothing
    found = Judged(
        whole=bool(meta.get("whole")),
        pts=table["pts"].to_numpy(),
        chances=table["chance"].to_numpy(),
    )
    return found if meta == _meta_of(found) else nothing


def _write(path: Path, judged: Judged) -> None:
    schema = _SCHEMA.with_metadata({_META: json.dumps(_meta_of(judged)).encode()})
    table = pa.table({"pts": judged.pts, "chance": judged.chances}, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_whole(path, buffer.getvalue())


def _meta_of(judged: Judged) -> dict[str, Any]:
    """Return what a file says of itself: whether it is whole, and a hash of its values."""
    values = np.ascontiguousarray(judged.pts), np.ascontiguousarray(judged.chances)
    digest = hashlib.sha256(b"".join(each.tobytes() for each in values)).hexdigest()
    return {"whole": judged.whole, "values": digest}
