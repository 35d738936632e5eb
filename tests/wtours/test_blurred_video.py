import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from skimage import data

from tests.video_making import panned, smooth, write_hurt_video, write_video
from tests.wtours.tiny_videos import write_tiny_video
from wtours import encoder_pipe
from wtours.blurred_video import BlurredVideo, BlurredVideoSettings, blur_videos
from wtours.covering import require_times
from wtours.encoder_pipe import ENCODERS
from wtours.errors import WtoursError
from wtours.shards import Box
from wtours.stages.blur import BlurSettings
from wtours.stages.cover import cover_boxes
from wtours.video import open_video
from wtours.whole_file import file_sha256

FACE = Box(x0=40, y0=30, x1=70, y1=66, score=0.75)
VARIABLE = [0, 3003, 6006, 12000, 15003, 40000, 41000, 41009, 50000]
KINDS = {".mp4", ".blur.json", ".boxes.parquet"}


class EveryFifth:
    """Finds one face in every fifth picture, from the first on."""

    kind = "face"

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, pictures: Sequence[np.ndarray]) -> list[tuple[Box, ...]]:
        self.seen += len(pictures)
        return [(FACE,) if self.seen % 5 == 1 else () for _ in pictures]


def alone(**settings: object) -> BlurredVideoSettings:
    """Return settings without guards."""
    blur = BlurSettings(detection_px=720, guard_s=0)
    return BlurredVideoSettings(blur=blur, **settings)  # type: ignore[arg-type]


@pytest.fixture
def every_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlurSettings, "open_detectors", lambda self: (EveryFifth(),))


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    pictures = [panned(1, i) for i in range(len(VARIABLE))]
    pts, base = VARIABLE, Fraction(1, 90_000)
    return write_video(tmp_path / "Walk.mp4", pictures, pts=pts, time_base=base)


def frames_of(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    with open_video(path) as reader:
        frames = [(frame.pts * reader.time_base, frame.image) for frame in reader]
    return [time for time, _ in frames], [image for _, image in frames]


@pytest.mark.usefixtures("every_fifth")
@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_the_file_has_the_covered_frames_at_their_times(
    walk: Path, tmp_path: Path, codec: str
) -> None:
    """At a variable rate, with two pictures 0.1 ms apart."""
    (made,) = blur_videos([walk], out=tmp_path / "out", settings=alone(codec=codec))
    times, images = frames_of(walk)
    made_times, made_images = frames_of(made.path)
    assert made_times == times == [Fraction(pts, 90_000) for pts in VARIABLE]
    for number, (image, stored) in enumerate(zip(images, made_images, strict=True)):
        boxes = (FACE,) if number % 5 == 0 else ()
        covered = cover_boxes(image, boxes, margin=1.3).astype(int)
        assert np.abs(stored - covered).mean() < 2
        assert np.abs(stored - covered).max() < 20
    with av.open(str(made.path)) as container:
        assert container.streams.video[0].codec_context.name in (codec, "libdav1d")


@pytest.mark.usefixtures("every_fifth")
def test_a_face_that_was_missed_is_covered_by_guards(walk: Path, tmp_path: Path) -> None:
    """Pictures 1 to 4 are within 0.25 s of one with a face; 8 is within it of picture 5."""
    (made,) = blur_videos([walk], out=tmp_path / "out")
    assert made.frames_with_boxes == made.frames
    rows = pq.read_table(made.path.with_suffix(".boxes.parquet")).to_pylist()
    kinds = {row["frame"]: row["kind"] for row in rows}
    assert [kinds[frame] for frame in range(9)] == [
        "face",
        *["face-guard"] * 4,
        "face",
        *["face-guard"] * 3,
    ]
    middle = np.s_[42:54, 48:62]
    for image, stored in zip(frames_of(walk)[1], frames_of(made.path)[1], strict=True):
        covered = cover_boxes(image, [FACE], margin=1.3).astype(int)
        assert np.abs(stored[middle] - covered[middle]).mean() < 12


@pytest.mark.usefixtures("every_fifth")
@pytest.mark.parametrize("codec", ["h264", "av1"])
@pytest.mark.parametrize("turn", [0, 90])
def test_odd_sizes_rotation_and_wide_pixels_are_kept(tmp_path: Path, codec: str, turn: int) -> None:
    path = tmp_path / "odd.mp4"
    write_tiny_video(
        path,
        codec="libx264",
        pixels="yuv444p",
        frames=3,
        size=(97, 81),
        rotation_deg=turn,
        pixel_aspect=Fraction(4, 3),
    )
    settings = BlurredVideoSettings(codec=codec)  # type: ignore[arg-type]
    (made,) = blur_videos([path], out=tmp_path / "out", settings=settings)
    with av.open(str(made.path)) as container:
        stream = container.streams.video[0]
        upright = (81, 97) if turn else (97, 81)
        assert (stream.width, stream.height) == upright
        assert stream.sample_aspect_ratio == (Fraction(3, 4) if turn else Fraction(4, 3))
        assert next(container.decode(video=0)).rotation == 0
    assert len(frames_of(made.path)[0]) == 3


@pytest.mark.usefixtures("every_fifth")
def test_colours_are_right_and_stated(tmp_path: Path) -> None:
    """Of a source of BT.601: as seen, and with the tags of BT.709 in limited range."""
    colours = np.asarray([[200, 40, 40], [30, 180, 60], [40, 60, 210], [240, 240, 240]])
    picture = np.repeat(colours[None], 96, axis=0).repeat(32, axis=1).astype(np.uint8)
    path = write_video(tmp_path / "c.mkv", [picture] * 2, matrix="ITU601", stated=(6, 1))
    (made,) = blur_videos([path], out=tmp_path / "out")
    with open_video(made.path) as reader:
        frame = next(iter(reader))
    assert np.abs(frame.image[80, 16::32].astype(int) - colours).max() <= 4
    tags = frame.decoded
    stated = tags.colorspace, tags.color_range, tags.color_primaries, tags.color_trc
    assert stated == (1, 1, 1, 1)


@pytest.mark.usefixtures("every_fifth")
def test_sound_is_dropped_and_what_was_done_is_on_record(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "loud.mp4", size=(96, 80), frames=12, sound_s=1)
    (made,) = blur_videos([path], out=tmp_path / "out", settings=alone())
    with av.open(str(made.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    record = json.loads(made.path.with_suffix(".blur.json").read_text())
    assert record["source"]["sha256"] == file_sha256(path)
    assert record["video"]["sha256"] == file_sha256(made.path)
    assert record["video"]["frames"] == made.frames == 12
    assert record["settings"]["blur"]["detection_px"] == 720
    assert record["settings"]["encoder"]["vcodec"] == "libx264"
    rows = pq.read_table(made.path.with_suffix(".boxes.parquet")).to_pylist()
    assert [row["frame"] for row in rows] == [0, 5, 10]
    assert rows[1]["time_s"] == pytest.approx(5 * 1001 / 30000)
    assert (rows[1]["x0"], rows[1]["y1"], rows[1]["score"]) == (FACE.x0, FACE.y1, FACE.score)
    assert (made.boxes, made.frames_with_boxes) == (3, 3)
    assert {path.name.removeprefix("loud") for path in made.path.parent.iterdir()} == KINDS


@pytest.mark.usefixtures("every_fifth")
def test_what_is_there_is_left_refused_or_replaced(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (made,) = blur_videos([walk], out=out)
    before = file_sha256(made.path)
    told: list[BlurredVideo] = []
    (again,) = blur_videos([walk], out=out, finished=told.append)
    assert told == [again]
    assert again.skipped
    assert not made.skipped
    assert (again.frames, again.boxes) == (made.frames, made.boxes)
    with pytest.raises(WtoursError, match=r"made with codec h264 instead of av1.*--replace"):
        blur_videos([walk], out=out, settings=BlurredVideoSettings(codec="av1"))
    mosaic = BlurredVideoSettings(blur=BlurSettings(detection_px=720, style="mosaic"))
    with pytest.raises(WtoursError, match=r"made with blur style gauss instead of mosaic; give"):
        blur_videos([walk], out=out, settings=mosaic)
    (tmp_path / "more").mkdir()
    other = write_video(tmp_path / "more" / "walk.mp4", [smooth(3)] * 2)
    with pytest.raises(WtoursError, match="another video"):
        blur_videos([other], out=out)
    assert file_sha256(made.path) == before
    (replaced,) = blur_videos([other], out=out, replace=True)
    assert replaced.frames == 2
    assert {path.name.removeprefix("walk") for path in out.iterdir()} == KINDS


def test_neither_the_video_itself_nor_a_strange_file_is_written_over(
    walk: Path, tmp_path: Path
) -> None:
    same = walk.rename(tmp_path / "walk.mp4")
    content = same.read_bytes()
    for replace in (False, True):
        with pytest.raises(WtoursError, match="is the video that is to be covered"):
            blur_videos([same], out=tmp_path, replace=replace)
    strange = tmp_path / "out" / "walk.mp4"
    strange.parent.mkdir()
    strange.write_text("mine")
    with pytest.raises(WtoursError, match="has no record of being made by `wtours blur`"):
        blur_videos([same], out=strange.parent)
    assert strange.read_text() == "mine"
    assert same.read_bytes() == content


@pytest.mark.usefixtures("every_fifth")
def test_a_fault_of_the_encoder_is_said_and_leaves_nothing(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS, "h264", {"vcodec": "libx264", "crf": "sharp"})
    out = tmp_path / "out"
    with pytest.raises(WtoursError, match=r"ffmpeg could not encode.*sharp"):
        blur_videos([walk], out=out)
    assert list(out.iterdir()) == []


@pytest.mark.usefixtures("every_fifth")
@pytest.mark.parametrize("stop_at", [0, 4, 8])
def test_stopping_at_any_frame_leaves_neither_file_nor_process(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def recorded(*words: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(start(*words, **options))  # type: ignore[call-overload]
        return started[-1]

    def stop(name: str, done_s: float, total_s: float) -> None:
        if done_s >= VARIABLE[stop_at] / 90_000:
            raise KeyboardInterrupt

    monkeypatch.setattr(encoder_pipe.subprocess, "Popen", recorded)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        blur_videos([walk], out=out, progress=stop)
    assert list(out.iterdir()) == []
    (process,) = started
    assert process.poll() is not None


_SLOW_WORK = """
import signal, sys, time
from wtours import blurred_video
from wtours.stages.blur import BlurSettings
# A program started in the background of a shell inherits that it ignores interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Slow:
    kind = "face"
    def detect(self, pictures):
        print("working", flush=True)
        time.sleep(0.2)
        return [()]
BlurSettings.open_detectors = lambda self: (Slow(),)
blurred_video.blur_videos([sys.argv[1]], out=sys.argv[2])
"""


def test_ctrl_c_leaves_neither_file_nor_process(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-c", _SLOW_WORK, str(walk), str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as work:
        assert work.stdout is not None
        assert work.stdout.readline() == b"working\n"
        assert work.stdout.readline() == b"working\n"
        assert running_with(out), "the encoder was meant to run"
        work.send_signal(signal.SIGINT)
        _, said = work.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said
    assert list(out.iterdir()) == []
    assert not running_with(out)


def running_with(folder: Path) -> list[str]:
    """Return the command lines of programs that name a folder, but for this test's own Python."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system does not show its processes as files")
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue  # it ended just now
        if str(folder).encode() in line and b"ffmpeg" in line.split(b"\0")[0]:
            lines.append(line.decode(errors="replace"))
    return lines


@pytest.mark.usefixtures("every_fifth")
def test_a_damaged_video_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_hurt_video(tmp_path / "hurt.mp4", frames=60)
    with pytest.raises(WtoursError, match=r"hurt\.mp4 cannot be decoded"):
        blur_videos([path], out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_frames_at_other_times_are_noticed(walk: Path) -> None:
    times = [Fraction(pts, 90_000) for pts in VARIABLE]
    require_times(walk, times)
    for wrong in (times[:-1], [*times[:-1], times[-1] + Fraction(1, 90_000)]):
        with pytest.raises(WtoursError, match="other times"):
            require_times(walk, wrong)


def test_bad_settings_and_folders_are_said(walk: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match="choose one of h264, av1"):
        BlurredVideoSettings(codec="mpeg2")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(WtoursError, match="name another folder with --out"):
        blur_videos([walk], out=tmp_path / "file" / "deep")


@pytest.mark.usefixtures("every_fifth")
def test_two_runs_are_not_at_the_same_video(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def second(name: str, done_s: float, total_s: float) -> None:
        with pytest.raises(WtoursError, match="by another run"):
            blur_videos([walk], out=out)

    (made,) = blur_videos([walk], out=out, progress=second)
    assert made.frames == len(VARIABLE)
    assert {path.name.removeprefix("walk") for path in out.iterdir()} == KINDS


def test_a_real_face_is_gone(tmp_path: Path) -> None:
    """A packaged photograph, moved a little; the detector itself finds no face any more."""
    photograph = data.astronaut()[:320, 60:380]
    path = write_video(tmp_path / "face.mp4", [np.roll(photograph, i, axis=1) for i in range(3)])
    (made,) = blur_videos([path], out=tmp_path / "out")
    assert made.frames_with_boxes == 3
    (detector,) = BlurSettings(threshold=0.5).open_detectors()
    for before, after in zip(frames_of(path)[1], frames_of(made.path)[1], strict=True):
        one, none = detector.detect([before, after])
        assert len(one) == 1
        assert none == ()


@pytest.mark.media
def test_the_faces_of_the_kitchen_are_gone_from_the_whole_video(
    media: Path, tmp_path: Path
) -> None:
    source = media / "kitchen_faces_2560.mp4"
    (made,) = blur_videos([source], out=tmp_path)
    assert made.frames_with_boxes == made.frames == 14
    (detector,) = BlurSettings(threshold=0.5).open_detectors()
    with open_video(source) as before, open_video(made.path) as after:
        for old, new in zip(before, after, strict=True):
            assert (new.pts * after.time_base, new.width) == (old.pts * before.time_base, old.width)
            if old.index % 4 == 0:
                assert detector.detect([new.scaled(960, 720)]) == [()]
            if old.index == 8:
                (two,) = detector.detect([old.scaled(960, 720)])
                assert len(two) == 2
