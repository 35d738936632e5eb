"""Stretches, and parts of them, against a plain decode of the whole video by PyAV alone."""

import random
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from tests.wtours.encodings import ENCODINGS, FRAMES, REFRESHED, encode
from wtours.errors import WtoursError
from wtours.integrity import VideoFacts
from wtours.integrity.check import check_and_walk
from wtours.stretches import Stretch, Timeline, cut_into_stretches, make_timeline, whole
from wtours.video import UnexpectedFramesError, VideoReader

Shown = dict[int, tuple[int, bytes]]
"""Time stamp from the first picture -> number and bytes of its planes."""
LENGTHS_S = (0.2, 0.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encodings")


@cache
def made(folder: Path, name: str) -> Path:
    return encode(folder / name, (ENCODINGS | REFRESHED)[name])


def pixels_of(decoded: Any) -> bytes:
    """Return the pixels of all planes, without what fills their lines up."""
    parts = []
    for plane, component in zip(decoded.planes, decoded.format.components, strict=False):
        bytes_each = -(-component.bits // 8)
        lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        parts.append(lines[:, : plane.width * bytes_each].tobytes())
    return b"".join(parts)


@cache
def decoded_plainly(path: Path) -> Shown:
    with av.open(str(path)) as container:
        frames = [(frame.pts, pixels_of(frame)) for frame in container.decode(video=0)]
    return {pts - frames[0][0]: (index, data) for index, (pts, data) in enumerate(frames)}


def inspect(path: Path) -> tuple[VideoFacts, Timeline]:
    facts, walk = check_and_walk(path)
    return facts, make_timeline(walk.pts, walk.keyframes)


def cut(facts: VideoFacts, timeline: Timeline, length_s: float) -> tuple[Stretch, ...]:
    """Return the stretches; one where the container has no index of keyframes."""
    if facts.container == "mpegts":
        return whole(timeline)
    return cut_into_stretches(timeline, time_base=facts.time_base, length_s=length_s)


def read(
    facts: VideoFacts, stretches: list[Stretch], wanted: set[int] | None = None
) -> Iterator[tuple[int, tuple[int, bytes]]]:
    with VideoReader(facts, threads=2) as reader:
        for stretch in stretches:
            for frame in reader.read(stretch, wanted=wanted):
                assert frame.pts_s == float(frame.pts * facts.time_base)
                yield frame.pts, (frame.index, pixels_of(frame.decoded))


class Counting(VideoReader):
    """Counts the packets that go to the decoder, and how often it begins anew."""

    packets = anew = 0

    def _decode(self, packets: Any = None) -> Iterator[Any]:
        return super()._decode(self._counted(packets))

    def _counted(self, packets: Any) -> Iterator[Any]:
        for packet in packets:
            self.packets += packet is not None and packet.size > 0
            self.anew += packet is None
            yield packet


@pytest.mark.parametrize("name", ENCODINGS)
def test_stretches_together_are_the_video(folder: Path, name: str) -> None:
    """Every frame once, bit for bit, whatever the length, and in whatever order they are read."""
    facts, timeline = inspect(made(folder, name))
    plain = decoded_plainly(facts.path)
    for length_s in LENGTHS_S:
        stretches = list(cut(facts, timeline, length_s))
        random.Random(0).shuffle(stretches)
        found = list(read(facts, stretches))
        assert len(found) == len(plain)
        assert dict(found) == plain


@pytest.mark.parametrize("name", ENCODINGS)
def test_wanted_frames_equal_those_of_a_full_decode(folder: Path, name: str) -> None:
    facts, timeline = inspect(made(folder, name))
    plain = decoded_plainly(facts.path)
    draw = random.Random(name)
    for length_s, share in ((0.5, 0.1), (1.0, 0.02), (60, 0.05), (60, 0.3), (60, 0.9)):
        wanted = {pts for pts in plain if draw.random() < share} | {draw.choice(list(plain))}
        found = list(read(facts, list(cut(facts, timeline, length_s)), wanted))
        assert found == sorted((pts, plain[pts]) for pts in wanted)


@pytest.mark.parametrize("name", ["h264-open-8.mkv", "hevc-layers.mp4", "av1-svt.mp4"])
def test_every_frame_can_be_wanted_alone(folder: Path, name: str) -> None:
    facts, timeline = inspect(made(folder, name))
    plain = decoded_plainly(facts.path)
    with VideoReader(facts) as reader:
        for pts in timeline.pts.tolist():
            (frame,) = reader.read(whole(timeline)[0], wanted={pts})
            assert (frame.index, pixels_of(frame.decoded)) == plain[pts]


@pytest.mark.parametrize("name", ENCODINGS)
def test_wanted_keyframes_are_all_that_is_decoded(folder: Path, name: str) -> None:
    """Those at which decoding may begin; where groups are open, that is all of them, too."""
    facts, timeline = inspect(made(folder, name))
    plain = decoded_plainly(facts.path)
    wanted = set(timeline.starts.tolist())
    with Counting(facts) as reader:
        frames = list(reader.read(whole(timeline)[0], wanted=wanted))
    assert [frame.pts for frame in frames] == sorted(wanted)
    assert [pixels_of(frame.decoded) for frame in frames] == [plain[p][1] for p in sorted(wanted)]
    assert reader.packets == len(wanted) if len(wanted) < len(plain) else len(plain) + 1


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("h264-closed.mp4", 0.55),
        ("h264-start-codes.ts", 0.6),
        ("hevc-open.mp4", 0.7),
        ("hevc-layers.mp4", 0.6),
        ("av1-svt.mp4", 0.7),
        ("h264-no-b.mp4", 1.0),
        ("vp9-hidden.webm", 1.0),
    ],
)
def test_packets_that_nobody_needs_are_left_out(folder: Path, name: str, most: float) -> None:
    facts, timeline = inspect(made(folder, name))
    wanted = set(timeline.pts[11::24].tolist()) | {int(timeline.pts[-1])}
    with Counting(facts) as reader:
        assert len(list(reader.read(whole(timeline)[0], wanted=wanted))) == len(wanted)
    assert reader.packets <= most * len(timeline.pts)


def test_a_stretch_without_a_wanted_frame_is_not_read(folder: Path) -> None:
    facts, timeline = inspect(made(folder, "h264-closed.mp4"))
    with Counting(facts) as reader:
        assert not list(reader.read(cut(facts, timeline, 1.0)[1], wanted={0}))
        assert reader.packets == reader.anew == 0


def test_pictures_decoded_for_others_are_told_of(folder: Path) -> None:
    facts, timeline = inspect(made(folder, "h264-no-b.mp4"))
    told: list[float] = []
    with VideoReader(facts) as reader:
        last = int(timeline.pts[20])
        (frame,) = reader.read(whole(timeline)[0], wanted={last}, on_other=told.append)
    assert told == [float(pts * facts.time_base) for pts in timeline.pts[:20].tolist()]
    assert frame.index == 20


@pytest.mark.parametrize("name", REFRESHED)
def test_keyframes_that_need_what_is_before_them_are_not_begun_at(folder: Path, name: str) -> None:
    facts, timeline = inspect(made(folder, name))
    first, second, *_ = cut(facts, timeline, 1.0)
    assert len(list(read(facts, [first]))) == len(first.pts)
    with pytest.raises(UnexpectedFramesError):
        list(read(facts, [second]))


def test_wanted_frames_of_a_video_that_is_only_read_from_its_beginning(folder: Path) -> None:
    facts, timeline = inspect(made(folder, "h264-refreshed.mp4"))
    plain = decoded_plainly(facts.path)
    wanted = set(timeline.pts[5::13].tolist())
    found = list(read(facts, list(whole(timeline)), wanted))
    assert found == sorted((pts, plain[pts]) for pts in wanted)


def test_damage_is_said_where_a_wanted_frame_needs_it(folder: Path, tmp_path: Path) -> None:
    """And only there."""
    path, hurt = made(folder, "h264-no-b.mp4"), tmp_path / "hurt.mp4"
    with av.open(str(path)) as container:
        data = next(bytes(p) for n, p in enumerate(container.demux(video=0)) if n == 30)
    hurt.write_bytes(path.read_bytes().replace(data, data[:5] + b"\xff" * (len(data) - 5)))
    facts, timeline = inspect(hurt)
    before, beside, after = (int(timeline.pts[index]) for index in (28, 40, 50))
    assert len(list(read(facts, list(whole(timeline)), {before, after}))) == 2
    with pytest.raises(WtoursError, match=r"hurt\.mp4 cannot be decoded at about 1\.\d\d s"):
        list(read(facts, list(whole(timeline)), {beside}))


def remuxed(path: Path, out: Path, change: Any) -> Path:
    """Copy the packets of a video, each as `change(number, packet)` left it, or without it."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                target.mux(packet)
    return out


def test_time_stamps_that_contradict_the_order_are_noticed(folder: Path, tmp_path: Path) -> None:
    """Two pictures have changed their times, as far as a container allows it."""
    path = made(folder, "h264-closed.mp4")
    with av.open(str(path)) as container:
        times = [(p.pts, p.dts) for p in container.demux(video=0) if p.size]
    first = next(
        at for at in range(30, 60) if times[at][1] < times[at + 1][0] < times[at][0] and at % 24
    )
    changed = {first: times[first + 1][0], first + 1: times[first][0]}

    def swap(number: int, packet: Any) -> bool:
        packet.pts = changed.get(number, packet.pts)
        return True

    facts, timeline = inspect(remuxed(path, tmp_path / "swapped.mp4", swap))
    both = {pts - timeline.first_pts for pts in changed.values()}
    for wanted in (None, both):
        with pytest.raises(UnexpectedFramesError):
            list(read(facts, list(whole(timeline)), wanted))


def test_doubled_time_stamps_are_noticed(folder: Path, tmp_path: Path) -> None:
    """All frames are then those of reading from the beginning; for some of them, it has to be."""
    path = made(folder, "h264-closed.mp4")
    with av.open(str(path)) as container:
        times = sorted(p.pts for p in container.demux(video=0) if p.size)

    def double(number: int, packet: Any) -> bool:
        packet.pts = times[34] if packet.pts == times[33] else packet.pts
        return True

    facts, timeline = inspect(remuxed(path, tmp_path / "doubled.mp4", double))
    with VideoReader(facts) as reader:
        plain = [(frame.pts, (frame.index, pixels_of(frame.decoded))) for frame in reader]
    assert len(plain) == len(times) - 1
    assert list(read(facts, list(whole(timeline)))) == plain
    for index in (30, 33, 40):
        with pytest.raises(UnexpectedFramesError):
            list(read(facts, list(whole(timeline)), {plain[index][0]}))


@pytest.mark.parametrize("name", ["mpeg4.mp4", "h264-no-b.mp4"])
def test_all_of_an_avi_is_decoded_for_some_of_it(tmp_path: Path, name: str) -> None:
    """It states the place in the file alone; whether what FFmpeg makes of that is true shows."""
    facts, timeline = inspect(encode(tmp_path / "a.avi", ENCODINGS[name]))
    plain = decoded_plainly(facts.path)
    with Counting(facts) as reader:
        (frame,) = reader.read(whole(timeline)[0], wanted={7})
    assert (frame.index, pixels_of(frame.decoded)) == plain[7]
    assert reader.packets == FRAMES


def test_an_avi_whose_times_are_guessed_wrongly_is_noticed(tmp_path: Path) -> None:
    facts, timeline = inspect(encode(tmp_path / "a.avi", ENCODINGS["h264-closed.mp4"]))
    for wanted in (None, {7}):
        with pytest.raises(UnexpectedFramesError):
            list(read(facts, list(whole(timeline)), wanted))


def test_a_video_that_was_cut_out_of_another_is_read_from_its_edit_on(
    folder: Path, tmp_path: Path
) -> None:
    """An edit list lets the first packets feed the decoder only."""
    program, out = imageio_ffmpeg.get_ffmpeg_exe(), tmp_path / "edited.mp4"
    cutting = ["-ss", "0.4", "-i", str(made(folder, "h264-closed.mp4")), "-c", "copy", str(out)]
    subprocess.run([program, "-v", "error", *cutting], check=True)
    with av.open(str(out)) as container:
        assert any(packet.is_discard for packet in container.demux(video=0))
    facts, timeline = inspect(out)
    plain = decoded_plainly(out)
    assert dict(read(facts, list(cut(facts, timeline, 0.5)))) == plain
    wanted = set(list(plain)[3::9])
    found = list(read(facts, list(cut(facts, timeline, 0.5)), wanted))
    assert found == sorted((pts, plain[pts]) for pts in wanted)


@pytest.mark.media
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("walk_garden_a.mp4", 0.03),
        pytest.param("cuts_testvideo.mp4", 0.02, marks=pytest.mark.slow),
        ("kitchen_faces_2560.mp4", 0.2),
    ],
)
def test_real_stretches_together_are_the_video(media: Path, name: str, share: float) -> None:
    facts, timeline = inspect(media / name)
    plain = decoded_plainly(facts.path)
    assert dict(read(facts, list(cut(facts, timeline, 2.0)))) == plain
    wanted = set(random.Random(0).sample(list(plain), int(len(plain) * share)))
    found = list(read(facts, list(cut(facts, timeline, 5.0)), wanted))
    assert found == sorted((pts, plain[pts]) for pts in wanted)


@pytest.mark.media
def test_real_time_stamps_that_contradict_the_order_are_noticed(media: Path) -> None:
    facts, timeline = inspect(media / "street_hevc_portrait.mp4")
    for wanted in (None, set(timeline.pts[::30].tolist())):
        with pytest.raises(UnexpectedFramesError):
            list(read(facts, list(whole(timeline)), wanted))
