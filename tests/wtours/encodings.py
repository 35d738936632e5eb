"""Encodes tiny videos in many ways with FFmpeg's program, which has more encoders than PyAV."""

import subprocess
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np

SIZE, FRAMES, RATE = (96, 64), 72, 24

_X264 = "libx264 -preset veryfast -x264-params threads=1:scenecut=0:b-adapt=0:"
_X265 = "libx265 -preset ultrafast -x265-params log-level=none:pools=1:frame-threads=1:b-adapt=0:"
_VP9 = "libvpx-vp9 -deadline good -cpu-used 5 -b:v 100k -g 24 -lag-in-frames 16 "
_AOM = "libaom-av1 -cpu-used 8 -b:v 100k -g 24 "
_SVT = "libsvtav1 -preset 10 -g 24 -svtav1-params lp=1"
_TEN = " -pix_fmt yuv420p10le"

ENCODINGS = {
    "h264-closed.mp4": _X264 + "keyint=24:bframes=3",
    "h264-open.mov": _X264 + "keyint=16:bframes=3:open-gop=1:ref=4:weightb=1:direct=temporal",
    "h264-open-8.mkv": _X264 + "keyint=20:bframes=8:b-pyramid=normal:open-gop=1:ref=6",
    "h264-open-short.mp4": _X264 + "keyint=5:min-keyint=1:bframes=8:b-pyramid=strict:open-gop=1",
    "h264-scenecut.mp4": "libx264 -preset medium -x264-params keyint=48:threads=1",
    "h264-no-b.mp4": _X264 + "keyint=24:bframes=0",
    "h264-10-bit.mp4": _X264 + "keyint=16:bframes=3:open-gop=1" + _TEN,
    "h264-start-codes.ts": _X264 + "keyint=24:bframes=3:open-gop=1",
    "hevc-open.mp4": _X265 + "keyint=24:open-gop=1:bframes=4",
    "hevc-radl.mkv": _X265 + "keyint=24:open-gop=0:radl=2:bframes=4",
    "hevc-layers.mp4": "libx265 -preset fast -x265-params log-level=none:pools=1:b-adapt=0:"
    "keyint=24:open-gop=1:bframes=7:temporal-layers=3",
    "hevc-low-delay.mov": _X265 + "keyint=24:open-gop=0:bframes=0",
    "hevc-10-bit.mp4": _X265 + "keyint=24:open-gop=1:bframes=4" + _TEN,
    "vp9-hidden.webm": _VP9 + "-auto-alt-ref 1",
    "vp9-hidden-many.mp4": _VP9 + "-auto-alt-ref 6",
    "vp9-live.webm": "libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 100k -g 24 -error-resilient 1",
    "vp8.webm": "libvpx -deadline good -cpu-used 5 -b:v 100k -g 24 -auto-alt-ref 0",
    "vp8-hidden.webm": "libvpx -deadline good -cpu-used 5 -b:v 100k -g 24 -auto-alt-ref 1 "
    "-lag-in-frames 12",
    "av1-svt.mp4": _SVT,
    "av1-svt-grain-10.webm": _SVT + ":film-grain=15" + _TEN,
    "av1-svt-low-delay.mkv": _SVT + ":pred-struct=1",
    "av1-svt-open.mp4": _SVT + ":irefresh-type=1",
    "av1-aom.mp4": _AOM + "-lag-in-frames 19",
    "av1-aom-grain.webm": _AOM + "-lag-in-frames 19 -denoise-noise-level 20",
    "av1-aom-live.mp4": "libaom-av1 -usage realtime -cpu-used 8 -b:v 100k -g 24",
    "mpeg4.mp4": "mpeg4 -bf 2 -g 24 -q:v 4",
    "mpeg2.mkv": "mpeg2video -bf 2 -g 12 -q:v 4",
    "mjpeg.mov": "mjpeg -q:v 4 -pix_fmt yuvj420p",
    "ffv1.mkv": "ffv1 -g 24",
}
"""Names of files, and how each is encoded: all of them in ways that stretches can be read from."""

REFRESHED = {
    "h264-refreshed.mp4": _X264 + "keyint=24:bframes=0:intra-refresh=1",
    "msmpeg4.mkv": "msmpeg4 -g 24 -q:v 4",
}
"""Keyframes of these are none: a picture grows whole over many, or nothing is known of them."""


@cache
def _source() -> bytes:
    """Return a pan over noise with a flicker and two cuts, as raw RGB."""
    width, height = SIZE
    generator = np.random.default_rng(0)
    scenes = generator.integers(0, 255, (3, height // 4, width, 3)).repeat(4, axis=1)
    pictures = []
    for index in range(FRAMES):
        scene = np.roll(scenes[index // 31], (index // 2, 2 * index), axis=(0, 1))
        noise = generator.integers(-12, 13, scene.shape)
        pictures.append(np.clip(scene * 0.8 + 10 + index % 7 + noise, 0, 255).astype(np.uint8))
    return np.stack(pictures).tobytes()


def encode(path: Path, options: str) -> Path:
    """Encode the source to `path`; `options` begin with the encoder's name."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-s", "{}x{}".format(*SIZE), "-r", str(RATE), "-i", "-"]
    pixels = [] if "-pix_fmt" in options else ["-pix_fmt", "yuv420p"]
    command += ["-c:v", *options.split(), *pixels, str(path)]
    subprocess.run(command, input=_source(), check=True, capture_output=True)
    return path
