from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.video_making import flat, smooth, write_hurt_video, write_video
from wtours.errors import WtoursError
from wtours.video import VideoReader, open_video

NTSC = Fraction(30000, 1001)


def levels(path: Path) -> list[int]:
    with open_video(path) as reader:
        return [int(frame.image.mean().round()) for frame in reader]


def test_frames_come_in_shown_order_with_exact_times(tmp_path: Path) -> None:
    """Also where B-frames stand in another order in the file."""
    path = write_video(
        tmp_path / "b.mp4",
        [flat(20 + 5 * i) for i in range(40)],
        rate=NTSC,
        options={"preset": "medium", "bf": "3", "b_strategy": "0"},
    )
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stored != sorted(stored), "the video was meant to have B-frames"
    with open_video(path) as reader:
        frames = [(f.index, f.pts_s, int(f.image.mean().round())) for f in reader]
    assert [index for index, _, _ in frames] == list(range(40))
    assert [time for _, time, _ in frames] == pytest.approx([i / float(NTSC) for i in range(40)])
    assert [level for _, _, level in frames] == pytest.approx(range(20, 220, 5), abs=2)


def test_time_starts_at_the_first_picture(tmp_path: Path) -> None:
    times = [7, 8, 9, 12, 13]
    path = write_video(tmp_path / "late.mkv", [flat(50)] * 5, rate=10, pts=times)
    with open_video(path) as reader:
        seconds = [frame.pts_s for frame in reader]
    assert seconds == pytest.approx([(time - 7) / 10 for time in times])


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_pictures_are_upright(tmp_path: Path, turn: int) -> None:
    picture = smooth(3, size=(96, 64))
    path = write_video(tmp_path / "turned.mp4", [picture] * 3, rotation_deg=turn)
    upright = np.rot90(picture, turn // 90)
    with open_video(path) as reader:
        frame = next(iter(reader))
        assert (reader.height, reader.width) == upright.shape[:2]
    assert (frame.height, frame.width) == upright.shape[:2]
    assert np.abs(frame.image.astype(int) - upright).mean() < 3
    small = frame.scaled(upright.shape[1] // 2, upright.shape[0] // 2)
    assert np.abs(small.astype(int) - upright[::2, ::2]).mean() < 6


@pytest.mark.parametrize(("codec", "layout"), [("ffv1", "yuv420p"), ("libx264", "yuv444p")])
def test_odd_sizes_keep_their_last_row_and_column(tmp_path: Path, codec: str, layout: str) -> None:
    picture = smooth(5, size=(63, 47))
    path = write_video(tmp_path / "odd.mkv", [picture] * 2, codec=codec, pixels=layout)
    with open_video(path) as reader:
        image = next(iter(reader)).image
    assert image.shape == picture.shape
    assert np.abs(image.astype(int) - picture).mean() < 3
    assert np.abs(image[-1].astype(int) - picture[-1]).mean() < 4


@pytest.mark.parametrize(
    ("matrix", "colour_range", "stated", "size"),
    [
        ("ITU709", "MPEG", (1, 1), (64, 64)),
        ("ITU601", "MPEG", (6, 1), (64, 64)),
        ("ITU709", "JPEG", (1, 2), (64, 64)),
        ("ITU601", "JPEG", (5, 2), (64, 64)),
        ("ITU601", "MPEG", None, (64, 64)),
        ("ITU709", "MPEG", None, (1280, 720)),
    ],
)
def test_colours_are_right_by_the_streams_own_tags(
    tmp_path: Path,
    matrix: str,
    colour_range: str,
    stated: tuple[int, int] | None,
    size: tuple[int, int],
) -> None:
    """Where nothing is stated, BT.601 for small pictures and BT.709 for high definition."""
    colours = np.asarray([[200, 40, 40], [30, 180, 60], [40, 60, 210], [240, 240, 240]])
    picture = np.repeat(colours[None], size[1], axis=0).repeat(size[0] // 4, axis=1)
    path = write_video(
        tmp_path / "colours.mkv",
        [picture.astype(np.uint8)],
        codec="ffv1",
        matrix=matrix,
        colour_range=colour_range,
        stated=stated,
    )
    with open_video(path) as reader:
        image = next(iter(reader)).image
    found = image[size[1] // 2, size[0] // 8 :: size[0] // 4]
    assert np.abs(found.astype(int) - colours).max() <= 3


def test_scaling_averages_areas(tmp_path: Path) -> None:
    """Compared with means over blocks of the whole picture; no shift, no change of brightness."""
    picture = np.random.default_rng(0).integers(40, 210, (180, 320, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.5)
    path = write_video(tmp_path / "noise.mkv", [picture], codec="ffv1", pixels="yuv444p")
    with open_video(path) as reader:
        frame = next(iter(reader))
    plain = frame.image.reshape(45, 4, 80, 4, 3).mean(axis=(1, 3))
    difference = frame.scaled(80, 45) - plain
    assert np.abs(difference).max() < 3
    assert abs(difference.mean()) < 0.2


@pytest.mark.parametrize(
    "size", [(1280, 720), (768, 432), (848, 480), (320, 180), (200, 120), (310, 174), (432, 768)]
)
@pytest.mark.parametrize("stated", [None, (1, 1), (1, 2)])
def test_small_pictures_equal_scenedetects(
    tmp_path: Path, size: tuple[int, int], stated: tuple[int, int] | None
) -> None:
    """Whole conversion and OpenCV's resize, as PySceneDetect does it, give the same bits."""
    full = stated == (1, 2)
    path = write_video(
        tmp_path / "small.mkv",
        [smooth(1, size=size)],
        stated=stated,
        colour_range="JPEG" if full else "MPEG",
        pixels="yuvj420p" if full else "yuv420p",
    )
    with open_video(path) as reader:
        frame = next(iter(reader))
    whole = frame.decoded.to_ndarray(format="bgr24")
    shrink = max(size) / 256
    wanted = (round(size[0] / shrink), round(size[1] / shrink))
    expected = whole if shrink <= 1 else cv2.resize(whole, wanted, interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(frame.sampled_bgr(), expected)


def test_reading_goes_on_at_the_keyframe_before(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "seek.mp4", [flat(20 + 3 * i) for i in range(60)], options={"g": "10"}
    )
    with open_video(path) as reader:
        assert reader.seek(1.25)
        frame = next(iter(reader))
    assert frame.pts_s == pytest.approx(1.0)
    assert frame.image.mean() == pytest.approx(20 + 3 * 30, abs=2)


def test_damage_in_the_middle_is_said_with_its_time(tmp_path: Path) -> None:
    path = write_hurt_video(tmp_path / "hurt.mp4", frames=60)
    with pytest.raises(WtoursError, match=r"hurt\.mp4 cannot be decoded at about [01]\.\d\d s"):
        levels(path)


def test_a_missing_video_is_said(tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"none\.mp4"):
        open_video(tmp_path / "none.mp4")


class Retimed(VideoReader):
    """Gives the pictures of a video other times, as a faulty container does."""

    times: list[int | None]

    def _decode(self) -> Iterator[Any]:
        for decoded, time in zip(super()._decode(), self.times, strict=False):
            decoded.pts = decoded.dts = time
            yield decoded


def retimed(path: Path, times: list[int | None]) -> Retimed:
    with open_video(path) as reader:
        again = Retimed(reader.facts)
    again.times = times
    return again


def test_pictures_whose_time_contradicts_their_order_are_left_out_and_noted(
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "jitter.mkv", [flat(20 + 9 * i) for i in range(8)], rate=10)
    with retimed(path, [0, 100, 200, 200, 300, 250, 400, 500]) as reader:
        assert [frame.pts for frame in reader] == [0, 100, 200, 300, 400, 500]
        assert any("2 pictures left out" in note for note in reader.notes)
    with retimed(path, [0, 1000, 2000, 500]) as reader, pytest.raises(WtoursError, match="goes b"):
        list(reader)


def test_pictures_without_a_time_are_counted_by_the_mean_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "untimed.mkv", [flat(60)] * 4, rate=10)
    with retimed(path, [None, None, 200, None]) as reader:
        assert [frame.pts for frame in reader] == [0, 100, 200, 300]
        assert any("3 pictures without a time" in note for note in reader.notes)


class Spliced(Retimed):
    """Goes on with the pictures of another video."""

    other: VideoReader

    def _decode(self) -> Iterator[Any]:
        yield from super()._decode()
        for index, decoded in enumerate(self.other._decode()):
            decoded.pts = 1000 + index
            yield decoded


def test_a_changed_picture_size_is_said_with_its_time(tmp_path: Path) -> None:
    small = write_video(tmp_path / "a.mkv", [flat(90)] * 3, rate=10)
    large = write_video(tmp_path / "b.mkv", [flat(90, size=(96, 64))] * 3, rate=10)
    with open_video(small) as reader, open_video(large) as other:
        spliced = Spliced(reader.facts)
        spliced.times, spliced.other = [0, 100, 200], other
        expected = r"a\.mkv changes its picture size at 1\.000 s, from 64x48 to 96x64"
        with spliced, pytest.raises(WtoursError, match=expected):
            list(spliced)


@pytest.mark.media
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("walk_garden_a.mp4", 352),
        ("street_hevc_portrait.mp4", 145),
        ("pedestrians_mpeg4.avi", 795),
        ("kitchen_faces_2560.mp4", 14),
    ],
)
def test_real_videos_are_read_to_their_end(media: Path, name: str, frames: int) -> None:
    """The street ride has 146 pictures, one of them with a time that contradicts its order."""
    with open_video(media / name) as reader:
        pts = [frame.pts for frame in reader]
    assert len(pts) == frames
    assert pts[0] == 0
    assert all(after > before for before, after in pairwise(pts))
