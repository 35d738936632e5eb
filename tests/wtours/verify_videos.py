"""A small walk for tests of verification, whole and with every defect put into it."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.wtours.tiny_videos import _write_silence

FPS, SIZE = 10, (96, 54)
Shown = tuple[str, float, float]
"""What is shown instead of the walk, from and to, s: "black", "green", "frozen", "fade"."""


def write_walk(
    path: Path,
    *,
    duration_s: float = 40.0,
    shows: Sequence[Shown] = (),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    grain: float = 0.0,
    darkness: float = 1.0,
    keyframe_s: float = 1.0,
    times: Sequence[int] | None = None,
    movflags: str | None = None,
    rotation_deg: int = 0,
    sound_s: float = 0.0,
) -> Path:
    """Write pictures that slide over a texture, a keyframe every second; `times` are in frames."""
    rng = np.random.default_rng(0)
    with av.open(
        str(path), "w", container_options={"movflags": movflags} if movflags else {}
    ) as container:
        settings = {"g": str(round(keyframe_s * FPS)), "threads": "1", **(options or {})}
        if codec == "libx264":
            settings = {"preset": "superfast", "sc_threshold": "0", **settings}
        stream = container.add_stream(codec, rate=FPS, options=settings)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        sound = container.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        for index, image in enumerate(walk_images(round(duration_s * FPS), shows)):
            seen = (
                image * darkness + rng.normal(0, grain, image.shape) if grain else image * darkness
            )
            frame = av.VideoFrame.from_ndarray(
                np.clip(seen, 0, 255).astype(np.uint8), format="rgb24"
            )
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_silence(container, sound, sound_s)
    return path


def walk_images(count: int, shows: Sequence[Shown]) -> list[NDArray[np.float64]]:
    """Return pictures (54, 96, 3) that slide by 3 px each, with what is shown instead."""
    width, height = SIZE
    rng = np.random.default_rng(1)
    coarse = rng.uniform(10, 245, (height // 6 + 1, 200, 3))
    texture = coarse.repeat(6, axis=0).repeat(6, axis=1)[:height]
    texture = np.concatenate([texture, texture], axis=1)
    images = []
    for index in range(count):
        at = index * 3 % 1200
        image = texture[:, at : at + width]
        for kind, start_s, end_s in shows:
            if start_s <= index / FPS < end_s:
                image = _shown(kind, image, images, (index / FPS - start_s) / (end_s - start_s))
        images.append(image)
    return images


def _shown(
    kind: str, image: NDArray[np.float64], before: list[NDArray[np.float64]], share: float
) -> NDArray[np.float64]:
    if kind == "frozen":
        return before[-1]
    if kind == "fade":  # to black and back
        return image * abs(1 - 2 * share)
    colour = {"black": (0, 0, 0), "green": (0, 135, 0)}[kind]
    return np.broadcast_to(np.array(colour, dtype=np.float64), image.shape)


def boxes(content: bytes, kind: bytes, *, width_bytes: int = 4) -> list[int]:
    """Return where boxes of an MP4 file begin, found by their names."""
    found, at = [], content.find(kind)
    while at >= 0:
        found.append(at - width_bytes)
        at = content.find(kind, at + 1)
    return found


def stretch_mp4_header(path: Path, times: float) -> Path:
    """Multiply the durations that an MP4 file's headers state; packets stay as they are."""
    content = bytearray(path.read_bytes())
    # offset of the duration in version 0 of each box (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2, 8.6.6)
    for kind, offset in ((b"mvhd", 24), (b"tkhd", 28), (b"mdhd", 24), (b"elst", 16)):
        for box in boxes(bytes(content), kind):
            place = slice(box + offset, box + offset + 4)
            (stated,) = struct.unpack(">I", content[place])
            content[place] = struct.pack(">I", round(stated * times))
    path.write_bytes(content)
    return path
