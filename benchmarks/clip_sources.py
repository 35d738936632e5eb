"""The same clips by other ways than the loader's: from the video, from plain webdataset, bare.

Every way goes on without an end, on one thread. What follows decoding is the same for all: the
first crop, drawn for the clip's position, cut out and resized to 300 px.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clip_walk import Made, Pixels, Walk
from dora.data.crops import shrink_of
from dora.data.jpeg import decode_jpeg, picture_size
from dora.data.places import read_bytes

WINDOW_CLIPS = 128
"""Clips that the sequential window keeps to shuffle: 280 MB at 300 px."""
READ_CLIPS = 64
"""Clips whose JPEGs are in memory before bare decodes are timed."""

Source = Callable[[int], Iterator[Made]]
"""Opens a way at a position of the order."""


def from_video(walk: Walk, read: Callable[[Sequence[float]], Sequence[Pixels]]) -> Source:
    """Return the way that asks a reader of videos for the frames at the times of a clip."""

    def source(start: int) -> Iterator[Made]:
        for number, position in walk.ordered(start):
            yield walk.made(number, position, read(walk.times_s[walk.rows(number)].tolist()))

    return source


def pyav_reader(video: Path) -> Callable[[Sequence[float]], list[Pixels]]:
    """Return what opens the video for each clip, and seeks for each frame."""
    import av

    def read(times_s: Sequence[float]) -> list[Pixels]:
        frames: list[Pixels] = []
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            assert stream.time_base is not None
            half_s = 0.5 / float(stream.average_rate or 30)
            for time_s in times_s:
                container.seek(int(time_s / stream.time_base), stream=stream)
                frame = (
                    next(f for f in container.decode(stream) if f.time and f.time > time_s - half_s)
                    if time_s > half_s
                    else next(container.decode(stream))
                )
                frames.append(frame.to_ndarray(format="rgb24"))
        return frames

    return read


def decord_reader(video: Path) -> Callable[[Sequence[float]], list[Pixels]]:
    """Return what opens the video for each clip, as the released loader does."""
    import decord

    rate_hz = float(decord.VideoReader(str(video), num_threads=1).get_avg_fps())

    def read(times_s: Sequence[float]) -> list[Pixels]:
        reader = decord.VideoReader(str(video), num_threads=1)
        whole = reader.get_batch([round(time_s * rate_hz) for time_s in times_s]).asnumpy()
        return list(whole)

    return read


def torchcodec_reader(video: Path) -> Callable[[Sequence[float]], list[Pixels]]:
    """Return what keeps the video open, and trusts its header for where frames are."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(video), dimension_order="NHWC", seek_mode="approximate")
    half_s = 0.5 / float(decoder.metadata.average_fps or 30)

    def read(times_s: Sequence[float]) -> list[Pixels]:
        batch = decoder.get_frames_played_at([time_s + half_s / 2 for time_s in times_s])
        return list(batch.data.numpy())

    return read


def plain_frames(walk: Walk) -> Any:
    """Return a plain webdataset of (tick, JPEG), pass after pass."""
    import webdataset

    tars = [str(walk.shard_set.folder / tar.name) for tar in walk.shard_set.record.tars]
    samples = webdataset.WebDataset(tars, shardshuffle=False).repeat()
    return samples.to_tuple("__key__", "jpg").map_tuple(lambda key: int(key.rpartition("-")[2]))


def independent_clips(walk: Walk) -> Source:
    """Return the way of a plain webdataset, whose samples are stretches of a clip's length.

    Its clips share no frame. All frames of a stretch are decoded, whatever the clip takes of them.
    """
    stride = int(walk.clips.row_strides[0])
    stretch = walk.clips.frames * stride

    def cut(samples: Iterator[tuple[int, bytes]]) -> Iterator[Made]:
        phases = random.Random(0)
        first, position = -1, 0
        frames: list[Pixels] = []
        for tick, jpeg in samples:  # they end with a pass; the next one begins anew
            if not frames or tick != first + len(frames):
                first, frames = tick, []
            frames.append(decode_jpeg(jpeg, picture_size(jpeg)))
            if len(frames) == stretch:
                phase = phases.randrange(stride)
                yield walk.made(first + phase, position, frames[phase::stride])
                frames, position = [], position + 1

    return lambda start: iter(plain_frames(walk).compose(cut))


def sequential_clips(walk: Walk) -> Source:
    """Return the way that decodes each frame once: a window moves on, and clips are shuffled."""
    stride = int(walk.clips.row_strides[0])
    reach = (walk.clips.frames - 1) * stride + 1

    def cut(samples: Iterator[tuple[int, bytes]]) -> Iterator[Made]:
        window: deque[Pixels] = deque(maxlen=reach)
        before, position = -2, 0
        for tick, jpeg in samples:
            if tick != before + 1:
                window.clear()
            before = tick
            window.append(decode_jpeg(jpeg, picture_size(jpeg)))
            if len(window) == reach:
                frames = list(islice(window, 0, None, stride))
                yield walk.made(tick - reach + 1, position, frames)
                position += 1

    shuffled = {"size": WINDOW_CLIPS, "initial": WINDOW_CLIPS}
    return lambda start: iter(plain_frames(walk).compose(cut).shuffle(**shuffled))


def window_order(walk: Walk) -> list[int]:
    """Return the order in which the sequential window gives the clips of one pass."""
    import webdataset

    return list(
        webdataset.shuffle(WINDOW_CLIPS, initial=WINDOW_CLIPS)(iter(range(len(walk.clips))))
    )


def bare_decodes(walk: Walk, *, fresh: bool) -> Source:
    """Return the floor: the decoder on JPEGs that are in memory.

    Args:
        walk: the clips.
        fresh: decode each into memory of its own, as the decoder does unless told otherwise; else
            all into the same, which costs less.
    """

    def source(start: int) -> Iterator[Made]:
        chosen = list(islice(walk.ordered(start), READ_CLIPS))
        jpegs = [
            [read_bytes(frame) for frame in walk.place(number, position).frames]
            for number, position in chosen
        ]
        shrinks = [
            shrink_of(walk.box(position, walk.size), px=walk.augment.first_px)
            for _, position in chosen
        ]
        same = np.empty(3 * walk.size[0] * walk.size[1], dtype=np.uint8)
        buffer = None if fresh else same
        for (number, position), clip, shrink in cycle(zip(chosen, jpegs, shrinks, strict=True)):
            for jpeg in clip:
                decode_jpeg(jpeg, walk.size, shrink=shrink, buffer=buffer)
            yield Made(number=number, position=position, first=None)

    return source
