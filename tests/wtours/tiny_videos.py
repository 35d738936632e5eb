"""Videos of a few small pictures for tests, written with PyAV in a moment."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

NTSC_RATE = Fraction(30000, 1001)


def write_tiny_video(
    path: Path,
    *,
    codec: str = "libx264",
    frames: int = 24,
    rate: Fraction | int = NTSC_RATE,
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    movflags: str | None = None,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    sound_s: float = 0.0,
) -> Path:
    """Write noise of `size` (width, height); `pts` are the pictures' times in frames of `rate`."""
    rng = np.random.default_rng(0)
    width, height = size
    with av.open(
        str(path), "w", container_options={"movflags": movflags} if movflags else {}
    ) as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "6"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = 1 / Fraction(rate)
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        sound = container.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        for time in pts or range(frames):
            noise = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = time, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_silence(container, sound, sound_s)
    return path


def write_sound(path: Path, *, duration_s: float = 0.5) -> Path:
    """Write a file with silence and no picture."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=8000, layout="mono"), duration_s)
    return path


def _write_silence(container, stream, duration_s: float) -> None:
    for index in range(int(duration_s * 8000 / 1024)):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 8000, 1024 * index, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
