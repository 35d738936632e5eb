"""Renders the sample walk, a small Walking Tour of known truth for the demonstration and the tests.

A camera walks down a sunny street, through a gallery in lamplight and down a street at night, which
are built of the photographs that scikit-image's wheel carries, and meets people. Two hard cuts part
the three. The same arguments give the same pictures; nothing is downloaded. Beside the video stands
its truth, `<stem>.truth.json`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from wtours.errors import WtoursError
from wtours.sample_world.camera import Stroll, plan_stroll
from wtours.sample_world.gallery import gallery
from wtours.sample_world.render import Painter
from wtours.sample_world.scene import Box, Image, Place
from wtours.sample_world.street import day_street, night_street
from wtours.sample_world.truth import WalkTruth, read_truth, truth_path
from wtours.whole_file import put_in_place, write_whole

__all__ = [
    "WalkFrame",
    "WalkTruth",
    "mean_lightness",
    "read_truth",
    "render_sample_walk",
    "rendered_frames",
    "truth_path",
    "walk_frames",
]

_SHOTS = 3
_MIN_DURATION_S = 1.0
_WALL_PX_PER_M = 120
"""Detail of walls and floors in a picture 720 px high; a wall 2.5 m away is then enlarged by
2.6."""
_KEYFRAME_S = 2
_ENCODER_OPTIONS = {"preset": "superfast", "crf": "22", "sc_threshold": "0", "bf": "2"}
_ENCODER_THREADS = 2
"""Fixed, because x264 divides its work by it, and so the bytes depend on it."""
_BT709 = 1
"""Matrix, primaries and transfer of BT.709 in H.264 (ITU-T H.273)."""


@dataclass(frozen=True, kw_only=True)
class WalkFrame:
    """One picture of the walk: index, (H, W, 3) RGB, and the boxes of the faces seen in it, px."""

    index: int
    image: Image
    face_boxes: tuple[Box, ...]


def walk_frames(
    *, duration_s: float = 75.0, width: int = 1280, height: int = 720, fps: int = 30, seed: int = 0
) -> Iterator[Image]:
    """Yield the walk's pictures, (height, width, 3) uint8 RGB, without a codec.

    Args:
        duration_s: length, s; three shots share it equally.
        width: of a picture, px, even.
        height: of a picture, px, even.
        fps: pictures per second.
        seed: another one walks, looks and builds houses otherwise.

    Raises:
        WtoursError: an argument is out of range, or a photograph is missing.
    """
    for frame in rendered_frames(
        duration_s=duration_s, width=width, height=height, fps=fps, seed=seed
    ):
        yield frame.image


def rendered_frames(
    *, duration_s: float, width: int, height: int, fps: int, seed: int
) -> Iterator[WalkFrame]:
    """Yield the pictures of `walk_frames` together with their faces."""
    starts = _shot_starts(duration_s, width=width, height=height, fps=fps)
    for shot, (first, end) in enumerate(pairwise(starts)):
        rng = np.random.default_rng([seed, shot])
        stroll = plan_stroll((end - first) / fps, rng=rng)
        place = _place(shot, stroll, px_per_m=_WALL_PX_PER_M * height / 720, rng=rng)
        painter = Painter(place, width=width, height=height)
        for index in range(first, end):
            shot_s = (index - first) / fps
            share = (index - first) / (end - first)
            image, boxes = painter.draw(shot_s, share, stroll.pose(shot_s))
            yield WalkFrame(index=index, image=image, face_boxes=boxes)


def _place(shot: int, stroll: Stroll, *, px_per_m: float, rng: np.random.Generator) -> Place:
    if shot == 0:
        return day_street(stroll, px_per_m=px_per_m, rng=rng)
    if shot == 1:
        return gallery(stroll, px_per_m=px_per_m)
    return night_street(stroll, px_per_m=px_per_m, rng=rng)


def _shot_starts(duration_s: float, *, width: int, height: int, fps: int) -> list[int]:
    """Return the first picture of each shot and the number of pictures; check the arguments."""
    if not duration_s >= _MIN_DURATION_S or duration_s > 3600 or fps < 1:
        raise WtoursError(
            f"a sample walk of {duration_s} s at {fps} pictures per second cannot be rendered",
            remedy=f"choose {_MIN_DURATION_S:g} to 3600 s and at least 1 picture per second",
        )
    if width < 64 or height < 36 or width % 2 or height % 2:
        raise WtoursError(
            f"a sample walk of {width} x {height} px cannot be rendered",
            remedy="choose an even width of at least 64 px and an even height of at least 36 px",
        )
    frames = max(_SHOTS, round(duration_s * fps))
    return [round(shot * frames / _SHOTS) for shot in range(_SHOTS + 1)]


def mean_lightness(image: Image) -> float:
    """Return the mean of CIELAB L* over a picture (H, W, 3) RGB, read as sRGB under D65.

    Large pictures are sampled every few pixels, so that at most about 60,000 are measured.
    """
    step = max(1, round((image.shape[0] * image.shape[1] / 57_600) ** 0.5))
    red, green, blue = cv2.split(np.ascontiguousarray(image[::step, ::step]))
    tables = _luminance_tables()
    luminance = tables[0][red] + tables[1][green] + tables[2][blue]
    return float(_lightness_table()[luminance].mean(dtype=np.float64))


@cache
def _luminance_tables() -> tuple[NDArray[np.int32], ...]:
    """Return what red, green and blue of 0..255 in sRGB (IEC 61966-2-1) add to Y, 0 to 65535."""
    share = np.arange(256) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    weights = (0.2126, 0.7152, 0.0722)
    return tuple(np.floor(65535 * weight * linear).astype(np.int32) for weight in weights)


@cache
def _lightness_table() -> NDArray[np.float32]:
    """Return L* (CIE 15) of each Y, 0 to 65535."""
    ratio = np.arange(65536) / 65535
    lightness = np.where(ratio > (6 / 29) ** 3, 116 * np.cbrt(ratio) - 16, ratio * (29 / 3) ** 3)
    return lightness.astype(np.float32)


def render_sample_walk(
    path: Path,
    *,
    duration_s: float = 75.0,
    width: int = 1280,
    height: int = 720,
    fps: int = 30,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> WalkTruth:
    """Write the walk as H.264 in MP4 to `path`, and its truth beside it; both appear whole or not
    at all.

    Args:
        path: the video; an older one is replaced.
        duration_s: as for `walk_frames`, and so the next four.
        width: px.
        height: px.
        fps: pictures per second.
        seed: which walk.
        progress: called with the share that is done, 0 to 1.

    Raises:
        WtoursError: an argument is out of range, a photograph is missing, or the folder cannot be
            written to.
    """
    partial = path.with_name(f".{path.name}.part")
    starts = _shot_starts(duration_s, width=width, height=height, fps=fps)
    frames = rendered_frames(duration_s=duration_s, width=width, height=height, fps=fps, seed=seed)
    lightness: list[float] = []
    face_boxes: dict[int, tuple[Box, ...]] = {}

    def measured() -> Iterator[Image]:
        for frame in frames:
            lightness.append(mean_lightness(frame.image))
            if frame.face_boxes:
                face_boxes[frame.index] = frame.face_boxes
            yield frame.image
            if progress is not None:
                progress((frame.index + 1) / starts[-1])

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(measured(), partial, width=width, height=height, fps=fps)
        truth = WalkTruth(
            width=width,
            height=height,
            fps=fps,
            frames=len(lightness),
            seed=seed,
            cuts_s=tuple(first / fps for first in starts[1:-1]),
            lightness=tuple(lightness),
            face_boxes=face_boxes,
        )
        write_whole(truth_path(path), truth.to_json())
        put_in_place(partial, path)
    except OSError as error:  # av's errors from files are OSErrors too
        raise WtoursError(
            f"{path}: the sample walk cannot be written ({error.strerror or error})",
            remedy="choose a folder that you may write to, on a disk with 100 MB free",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return truth


def _encode(images: Iterator[Image], path: Path, *, width: int, height: int, fps: int) -> None:
    """Encode pictures (H, W, 3) RGB as BT.709, 4:2:0, with a keyframe every 2 s and B-frames."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options=_ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.gop_size = _KEYFRAME_S * fps
        context.thread_count = _ENCODER_THREADS
        context.time_base = Fraction(1, fps)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = 1  # limited range, 16 to 235
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
