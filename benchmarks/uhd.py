"""4K60 videos to measure with: a moving crop of a rendered street, with fresh noise in every frame.

    python -m benchmarks.uhd --out FOLDER [--codec h264 vp9 svt-av1 libaom-av1] [--duration-s 30]

One group of five seconds is encoded, with one keyframe, and repeated by remuxing: the crop comes
back to where it began, and a decoder has the same work in every repetition. The street alone would
be cheap to decode; noise gives every frame a residual, as a camera's does. Encoding takes a minute
(H.264, SVT-AV1) to seven (libaom) on two cores.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import islice
from math import ceil
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from wtours.sample_walk import walk_frames

FPS, GROUP_S = 60, 5
WIDTH, HEIGHT = 3840, 2160
STILL_WIDTH, STILL_HEIGHT = 5120, 2880
STILL = 3
"""A second of the walk at which somebody stands in the street."""
ENCODERS: dict[str, tuple[str, str]] = {
    "h264": (".mp4", "-c:v libx264 -preset veryfast -b:v 40M -sc_threshold 0"),
    "vp9": (
        ".webm",
        "-c:v libvpx-vp9 -deadline good -cpu-used 5 -row-mt 1 -tile-columns 2 -b:v 25M",
    ),
    "svt-av1": (".mp4", "-c:v libsvtav1 -preset 9 -b:v 20M"),
    "libaom-av1": (".mp4", "-c:v libaom-av1 -cpu-used 8 -row-mt 1 -tiles 4x2 -b:v 20M"),
}
"""By codec: ending, and the encoder's options."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, make each video that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--codec", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--duration-s", type=float, default=30.0)
    options = parser.parse_args(tokens)
    for codec in options.codec:
        print(make_uhd(options.out, codec, duration_s=options.duration_s))


def make_uhd(folder: Path, codec: str, *, duration_s: float) -> Path:
    """Return a 4K60 video of at least `duration_s` seconds; it is made if it is not there yet."""
    groups = ceil(duration_s / GROUP_S)
    ending, encoder = ENCODERS[codec]
    video = folder / f"uhd-{codec}-{groups * GROUP_S}s{ending}"
    if video.exists():
        return video
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        group, still = Path(scratch) / f"group{ending}", Path(scratch) / "still.png"
        Image.fromarray(_still()).save(still)
        around, shaking = f"2*PI*t/{GROUP_S}", f"12*PI*t/{GROUP_S}"
        crop = (
            f"crop={WIDTH}:{HEIGHT}:'640+400*sin({around})+60*sin({shaking})'"
            f":'360+200*sin({around})+40*cos({shaking})'"
        )
        _ffmpeg(
            *("-loop", "1", "-framerate", str(FPS), "-t", str(GROUP_S), "-i", str(still)),
            *("-vf", f"{crop},noise=alls=6:allf=t,format=yuv420p"),
            *("-g", str(FPS * GROUP_S), *encoder.split(), str(group)),
        )
        again, whole = Path(scratch) / "groups.txt", Path(scratch) / video.name
        again.write_text(f"file '{group}'\n" * groups, encoding="utf-8")
        _ffmpeg("-f", "concat", "-safe", "0", "-i", str(again), "-c", "copy", str(whole))
        whole.rename(video)
    return video


def _still() -> object:
    """Return one picture of the sample walk's street, larger than a frame."""
    seconds = walk_frames(duration_s=30, width=STILL_WIDTH, height=STILL_HEIGHT, fps=1)
    return next(islice(seconds, STILL, None))


def _ffmpeg(*options: str) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-y", "-nostdin", *options], check=True)


if __name__ == "__main__":
    main()
