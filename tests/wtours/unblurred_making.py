"""A tiny video with something to cover, detectors that find it at once, and runs to compare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tests.video_making import panned, write_video
from wtours import stretch_work
from wtours.shard import shard_videos, verify_shards
from wtours.shard_outcome import Written
from wtours.shard_settings import ShardSettings
from wtours.shards import Box
from wtours.stages.blur import BlurSettings

FRAMES, STRETCHES = 32, 4
MISSED = {5, 7, 8, 15, 16, 23, 24, 31}
"""Frames in which the spot is too dark to be found; keyframes are 0, 8, 16 and 24."""


def spotted(index: int) -> np.ndarray:
    """Return a picture with detail and a spot that moves; half way, all gets another colour."""
    picture = panned(0, index, size=(128, 96)) // 2
    picture[..., 0] += 80 * (index >= FRAMES // 2)
    x, y = 8 + index, 20 + index // 3
    picture[y : y + 24, x : x + 24] = 170 if index in MISSED else 255
    return picture


def write_walk(path: Path, first: int = 0) -> Path:
    """Write four seconds, a keyframe a second, beginning at a picture."""
    pictures = (spotted(first + i) for i in range(FRAMES))
    return write_video(
        path, pictures, rate=8, options={"g": "8", "sc_threshold": "0", "bf": "2", "threads": "1"}
    )


@dataclass(frozen=True)
class Spots:
    """Finds what is brighter than a level as one box, and less surely that beside itself."""

    kind: str
    threshold: float
    level: int

    def detect(self, pictures: Sequence[np.ndarray]) -> list[tuple[Box, ...]]:
        return [self._boxes(picture) for picture in pictures]

    def _boxes(self, picture: np.ndarray) -> tuple[Box, ...]:
        y, x = np.nonzero(picture.mean(axis=2) > self.level)
        if not len(x):
            return ()
        x0, y0, x1, y1 = (float(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1))
        sure = Box(x0=x0, y0=y0, x1=x1, y1=y1, score=0.9, kind=self.kind)
        beside = replace(sure, x0=0.0, x1=x0 / 2 + 1, score=0.5)
        return tuple(box for box in (sure, beside) if box.score >= self.threshold)


def open_spots(settings: BlurSettings) -> tuple[Spots, ...]:
    """Take the place of `BlurSettings.open_detectors`; a model's file holds its level."""
    return tuple(
        Spots(kind, settings.threshold, 200 if model is None else int(model.read_text()))
        for kind, model in (("face", settings.face_model), ("plate", settings.plate_model))
        if kind == "face" or model is not None
    )


def blurred(settings: ShardSettings, **changes: Any) -> ShardSettings:
    """Return settings with other ones of blurring."""
    assert settings.blur is not None
    return replace(settings, blur=replace(settings.blur, **changes))


def content(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder and those in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def made(
    videos: Path, out: Path, settings: ShardSettings, unblurred: Path | None, **options: Any
) -> tuple[Written, list[str]]:
    """Shard, see that all is whole and nothing is left beside; return also what was told."""
    told: list[str] = []
    written = shard_videos(
        [videos], out=out, settings=settings, unblurred=unblurred, told=told.append, **options
    )
    assert verify_shards([out]) == []
    for folder in (out,) if unblurred is None else (out, unblurred):
        hidden = [p for p in folder.rglob("*") if p.name.startswith(".") or ".part" in p.name]
        assert hidden == []
    return written, told


@contextmanager
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No frame of a video may be read, except for its packets."""

    def read(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a video was decoded")

    with monkeypatch.context() as patch:
        patch.setattr(stretch_work, "VideoReader", read)
        yield
