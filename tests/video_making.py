"""Writes videos of pictures that a test knows, so that what is decoded can be compared."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

Pixels = np.ndarray


def flat(level: int, *, size: tuple[int, int] = (64, 48)) -> Pixels:
    """Return an even grey picture of `size` (width, height)."""
    return np.full((size[1], size[0], 3), level, dtype=np.uint8)


def smooth(seed: int, *, size: tuple[int, int] = (160, 120)) -> Pixels:
    """Return a picture without hard edges, which coding changes little."""
    return _smooth(seed, size).copy()


@lru_cache(maxsize=64)
def _smooth(seed: int, size: tuple[int, int]) -> Pixels:
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]] / max(size)
    waves = [
        np.sin(2 * np.pi * (a * rows + b * columns + c))
        for a, b, c in generator.uniform(-1.5, 1.5, size=(3, 3))
    ]
    return (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


def panned(seed: int, index: int, *, size: tuple[int, int] = (160, 120)) -> Pixels:
    """Return one picture of a slow pan over a smooth one."""
    width, height = size
    whole = _smooth(seed, (width * 2, height))
    return whole[:, index % width : index % width + width].copy()


def write_hurt_video(path: Path, *, frames: int) -> Path:
    """Write two or three seconds whose middle cannot be decoded."""
    write_video(
        path, [panned(0, 3 * i, size=(320, 240)) for i in range(frames)], options={"g": "10"}
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    return path


def write_video(
    path: Path,
    pictures: Iterable[Pixels],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction | int = 30,
    time_base: Fraction | None = None,
    pts: Sequence[int] | None = None,
    rotation_deg: int = 0,
    matrix: str | None = "ITU709",
    colour_range: str = "MPEG",
    stated: tuple[int, int] | None = (1, 1),
    options: dict[str, str] | None = None,
) -> Path:
    """Encode the pictures, nearly without loss.

    Args:
        path: its suffix chooses the container.
        pictures: (H, W, 3) uint8 RGB, all of one size.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the layout.
        rate: pictures per second.
        time_base: seconds a unit of `pts`; 1 / rate where None.
        pts: time stamps of the pictures; 0, 1, 2, ... where None.
        rotation_deg: counterclockwise turn that players apply.
        matrix: with which RGB becomes YUV.
        colour_range: MPEG (16 to 235) or JPEG (0 to 255).
        stated: AVColorSpace and AVColorRange in the stream; None leaves them out.
        options: of the encoder.
    """
    base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w") as container:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                quality = {"preset": "ultrafast", "crf": "4"} if codec == "libx264" else {}
                stream = container.add_stream(codec, rate=rate, options=quality | (options or {}))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.time_base = base
                if stated is not None:
                    stream.codec_context.colorspace, stream.codec_context.color_range = stated
                if rotation_deg:
                    stream.set_display_rotation(rotation_deg)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(
                format=pixels, dst_colorspace=matrix, dst_color_range=colour_range
            )
            if stated is None:
                frame.colorspace, frame.color_range = 2, 0
            frame.pts = index if pts is None else pts[index]
            frame.time_base = base
            container.mux(stream.encode(frame))
        assert stream is not None, "a video needs a picture"
        container.mux(stream.encode())
    return path
