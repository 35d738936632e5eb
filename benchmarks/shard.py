"""Seconds of video that sharding takes in a second, stage by stage, beside ffmpeg's own way.

    python -m benchmarks.shard [--video FILE] [--duration-s 12] [--runs 3] [--out FOLDER]

Without a video, a short sample walk is rendered. ffmpeg's way is one call of the program that
imageio-ffmpeg ships: a frame a second, 512 px, JPEG; it finds no cuts, measures nothing and leaves
faces as they are. Before any clock runs, both are shown to keep the same pictures.
"""

import argparse
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from PIL import Image

from benchmarks.measure import alternate, spread
from benchmarks.record import options_of, write_record
from wtours.frame_pass import sample
from wtours.integrity import VideoFacts, check_and_walk, check_video
from wtours.sample_walk import render_sample_walk
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stages.blur import fit_short_side
from wtours.stages.picture import encode_jpeg
from wtours.stretches import make_timeline
from wtours.video import DECODER_THREADS, open_video

SETTINGS = ShardSettings()
FFMPEG = "ffmpeg: fps=1, 512 px, JPEG"
TOLERATED_LEVELS = 4.0
"""Mean difference of brightness between both ways' pictures, of 255: other filters and JPEG."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, render a walk if there is no video, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path)
    parser.add_argument("--duration-s", type=float, default=12.0, help="of the rendered walk")
    parser.add_argument("--height", type=int, default=720, help="of the rendered walk, px")
    options = options_of(parser, runs=3, tokens=tokens)
    with tempfile.TemporaryDirectory() as scratch:
        video = options.video
        if video is None:
            video, px = Path(scratch) / "walk.mp4", options.height
            render_sample_walk(video, duration_s=options.duration_s, width=px * 16 // 9, height=px)
        rows = compare(video, Path(scratch), runs=options.runs)
    write_record("shard", rows, folder=options.out)


def compare(video: Path, scratch: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return a row for each way of going through the video."""
    facts = check_video(video)
    ways: dict[str, Callable[[], object]] = {
        FFMPEG: lambda: ffmpeg_pictures(facts, scratch / "ffmpeg"),
        "decoding alone": lambda: decode(video),
        "kept frames only": lambda: kept_frames(video),
        "+ lightness, tars, index": lambda: shard(video, scratch, cuts=False, faces=False),
        "+ cuts": lambda: shard(video, scratch, cuts=True, faces=False),
        "+ faces": lambda: shard(video, scratch, cuts=True, faces=True),
    }
    require_same_pictures(facts, scratch)
    passed_s = alternate(ways, runs=runs)
    ffmpeg_s = passed_s[FFMPEG]
    return [
        {
            "name": name,
            "video": f"{facts.codec}, {facts.width}x{facts.height}",
            "video_fps": round(float(facts.average_rate), 2),
            "video_s": round(facts.duration_s, 2),
            "video_s_per_s": spread([facts.duration_s / one_s for one_s in run_s]),
            "beside_ffmpeg": spread([a / b for a, b in zip(ffmpeg_s, run_s, strict=True)]),
        }
        for name, run_s in passed_s.items()
    ]


def ffmpeg_pictures(facts: VideoFacts, folder: Path, *, fps: int = 1) -> list[Path]:
    """Write `fps` JPEGs a second by ffmpeg; return the files in order.

    `round=up` makes its filter keep the frame at each tick, as ours does; by default it keeps one
    half a tick off. The work is the same.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    width, height = fit_short_side(facts.width, facts.height, SETTINGS.short_side_px)
    scale = f"scale={width}:-2" if facts.width < facts.height else f"scale=-2:{height}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(facts.path)]
    command += ["-vf", f"fps=fps={fps}:round=up,{scale}", "-q:v", "2", str(folder / "%06d.jpg")]
    subprocess.run(command, check=True)
    return sorted(folder.iterdir())


def decode(video: Path) -> int:
    """Decode every frame and drop it; return their number."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", DECODER_THREADS
        return sum(1 for _ in container.decode(stream))


def kept_frames(video: Path) -> int:
    """Decode, and make a JPEG of the frame at each second; return the bytes."""
    size_bytes = 0
    facts, walk = check_and_walk(video)
    timeline = make_timeline(walk.pts, walk.keyframes)
    sampling = sample(timeline.pts, time_base=facts.time_base, fps=SETTINGS.kept_fps)
    kept = set(sampling.kept.tolist())
    with open_video(video, facts=facts) as reader:
        width, height = fit_short_side(reader.width, reader.height, SETTINGS.short_side_px)
        for frame in reader:
            if frame.index in kept:
                image = frame.scaled(width, height)
                size_bytes += len(encode_jpeg(image, quality=SETTINGS.jpeg_quality))
    return size_bytes


def shard(video: Path, scratch: Path, *, cuts: bool, faces: bool) -> Path:
    """Write a shard set anew; return its folder."""
    settings = replace(
        SETTINGS,
        cuts=SETTINGS.cuts if cuts else None,
        blur=SETTINGS.blur if faces else None,
    )
    written = shard_videos([video], out=scratch / "sets", settings=settings, replace=True)
    return Path(written.sets[0].place)


def require_same_pictures(facts: VideoFacts, scratch: Path) -> None:
    """Stop if sharding and ffmpeg keep other pictures."""
    theirs = ffmpeg_pictures(facts, scratch / "ffmpeg")
    folder = shard(facts.path, scratch, cuts=False, faces=False)
    (ours,) = open_shards(folder)
    pictures = ours.table(["key"]).num_rows
    # ours has one more where the video ends within half a tick of a tick
    assert pictures - len(theirs) in (0, 1), f"{pictures} pictures beside {len(theirs)}"
    for row, path in enumerate(theirs):
        one, other = (
            np.asarray(Image.open(source).convert("L"), dtype=np.float32)
            for source in (io.BytesIO(ours.read_jpeg(row)), path)
        )
        assert abs(one.shape[1] - other.shape[1]) <= 1, f"{one.shape} beside {other.shape}"
        width = min(one.shape[1], other.shape[1])
        levels = float(np.abs(one[:, :width] - other[:, :width]).mean())
        assert levels < TOLERATED_LEVELS, f"picture {row} differs by {levels:.1f} levels"


if __name__ == "__main__":
    main()
