"""Makes tiny shard sets without a video, for tests of all that reads shards."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from wtours.shards import (
    Box,
    Cut,
    JoinedVideo,
    Lightness,
    PartialSet,
    Picture,
    Stored,
    TarWriter,
    VideoRecord,
    assign_segments,
    nearest_frames,
)

TIME_BASE = Fraction(1, 30_000)


def jpeg_of(pixels: np.ndarray) -> bytes:
    """Return an (S, S, 3) uint8 picture as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, subsampling="4:2:0")
    return stream.getvalue()


def make_picture(video: str, tick: int, pts: int, *, seed: int, side: int) -> Picture:
    """Return a picture of smooth noise that depends on all arguments."""
    generator = np.random.default_rng([seed, tick])
    coarse = generator.integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
    pixels = np.asarray(
        Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
    )
    mean = float(pixels.mean()) / 2.55
    return Picture(
        video=video,
        tick=tick,
        pts=pts,
        time_s=float(pts * TIME_BASE),
        jpeg=jpeg_of(pixels),
        width=side * 4 // 3,
        height=side,
        lightness=Lightness(mean=mean, p5=mean / 2, p50=mean, p95=min(100.0, mean * 1.5)),
        sharpness=10.0 + tick,
        phash=int(generator.integers(0, 2**63)),
        boxes=(Box(x0=1, y0=2, x1=9, y1=12, score=0.9),) if tick % 5 == 0 else (),
        blurred=True,
    )


def make_shard_set(
    folder: Path,
    *,
    frames: int = 40,
    fps: Fraction = Fraction(1),
    rate: Fraction = Fraction(1),
    cut_frames: Sequence[int] = (),
    absent_frames: Sequence[int] = (),
    pictures_per_tar: int = 16,
    seed: int = 0,
    side: int = 48,
) -> Path:
    """Write a set of one video, named as its folder, with a frame at every 1 / rate seconds.

    Frames of `absent_frames` are left out, as in a video whose time stamps jump; `cut_frames`
    are numbers among all frames.
    """
    present = [i for i in range(frames) if i not in set(absent_frames)]
    pts = np.asarray([round(i / rate / TIME_BASE) for i in present], dtype=np.int64)
    ticks, taken = nearest_frames(pts, time_base=TIME_BASE, fps=fps)
    name = folder.name
    partial = PartialSet(folder)
    tars: list[TarWriter] = []
    stored: list[Stored] = []
    rows: list[int] = []
    for tick, frame in zip(ticks, taken, strict=True):
        if not stored or stored[-1].picture.pts != pts[frame]:
            if len(stored) % pictures_per_tar == 0:
                tars.append(TarWriter(partial.tar(len(tars))))
            picture = make_picture(name, int(tick), int(pts[frame]), seed=seed, side=side)
            stored.append(tars[-1].add(picture))
        rows.append(len(stored) - 1)
    breaks = np.asarray([present.index(i) for i in cut_frames], dtype=np.int64)
    motion = np.full(len(ticks), 3.0, dtype=np.float32)
    motion[0] = np.nan
    video = JoinedVideo(
        record=VideoRecord(
            name=name,
            sha256="0" * 64,
            size_bytes=1,
            codec="h264",
            width=640,
            height=480,
            time_base=TIME_BASE,
            rate=rate,
            kept_rate=fps,
            duration_s=float(frames / rate),
            frames=len(present),
            picture_width=side * 4 // 3,
            picture_height=side,
            attribution="A test picture.",
        ),
        stored=stored,
        ticks=ticks,
        rows=np.asarray(rows, dtype=np.int64),
        segments=assign_segments(ticks, taken, breaks=breaks),
        motion=motion,
        cuts=[
            Cut(pts=int(pts[i]), time_s=float(pts[i] * TIME_BASE), score=50, detector="content")
            for i in breaks
        ],
    )
    partial.finish(
        [video],
        [tar.close() for tar in tars],
        settings={"fps": str(fps), "short_side_px": side, "blur": None},
    )
    return folder
