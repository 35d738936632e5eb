"""A whole video passes with what it is; every damage is refused with a sentence that names it."""

import hashlib
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wtours.tiny_videos import NTSC_RATE, write_sound, write_tiny_video
from wtours.containers import promised_bytes
from wtours.errors import WtoursError
from wtours.integrity import check_video
from wtours.integrity.timestamps import jumps_back
from wtours.whole_file import file_sha256

KINDS = {  # file name: how it is written
    "plain.mp4": {},
    "faststart.mp4": {"movflags": "faststart"},
    "fragmented.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "plain.mkv": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "old.avi": {"codec": "mpeg4"},
    "plain.mov": {"codec": "mpeg4"},
    "stream.ts": {},
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_tiny_video(folder / name, **options) for name, options in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_whole_video_passes_with_what_decoding_finds(videos: dict[str, Path], name: str) -> None:
    facts = check_video(videos[name])
    with av.open(str(videos[name])) as container:
        frames = list(container.decode(video=0))
    assert facts.packets == len(frames) == 24
    assert (facts.width, facts.height, facts.rotation_deg) == (64, 48, 0)
    assert facts.average_rate == NTSC_RATE
    assert facts.duration_s == pytest.approx(24 / NTSC_RATE, abs=0.002)
    assert facts.notes == ()
    assert not facts.variable_rate
    assert facts.size_bytes == videos[name].stat().st_size


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"stream.ts"}))
def test_cut_anywhere_is_refused(videos: dict[str, Path], tmp_path: Path, name: str) -> None:
    """At every twentieth of the file, just before its end, and between two packets."""
    whole = videos[name].read_bytes()
    with av.open(str(videos[name])) as container:
        ends = [packet.pos + packet.size for packet in container.demux(video=0) if packet.size]
    places = {len(whole) * part // 20 for part in range(1, 20)} | {len(whole) - 1} | set(ends[::5])
    cut = tmp_path / name
    for place in sorted(places - {len(whole)}):
        if _nothing_announces_more(whole[:place]):
            continue
        cut.write_bytes(whole[:place])
        with pytest.raises(WtoursError, match="cut short") as caught:
            check_video(cut)
        assert str(cut) in caught.value.message


def _nothing_announces_more(head: bytes) -> bool:
    """A fragmented file that ends between two fragments is whole by its own account."""
    offset = 0
    while offset < len(head) and head[4:8] == b"ftyp":
        offset += int.from_bytes(head[offset : offset + 4], "big") or len(head)
    return offset == len(head) and b"moof" in head


def _html(path: Path) -> None:
    path.write_text("<!DOCTYPE html>\n<html><title>Sign in</title></html>")


def _picture(path: Path) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 8, 8, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (_html, r"web page \(HTML\)"),
        (lambda path: path.write_text("not found\n"), "not a video but text"),
        (lambda path: path.write_bytes(bytes(range(128, 256)) * 9), "is not a video"),
        (lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\nother.mp4\n"), "not a video but text"),
        (_picture, "is not a video"),
        (lambda path: write_sound(path), "sound only"),
    ],
    ids=["missing", "folder", "empty", "html", "text", "bytes", "playlist", "picture", "sound"],
)
def test_what_is_no_video_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], object], fault: str
) -> None:
    path = tmp_path / "walk.mp4"
    make(path)
    with pytest.raises(WtoursError, match=fault) as caught:
        check_video(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_playlist_reads_no_other_file(videos: dict[str, Path], tmp_path: Path) -> None:
    """A script for FFmpeg that names a real video is still not a video."""
    script = tmp_path / "walk.mp4"
    script.write_text(f"ffconcat version 1.0\nfile '{videos['plain.mp4']}'\n")
    with pytest.raises(WtoursError, match="not a video"):
        check_video(script)


def test_container_longer_than_its_packets_is_refused(
    videos: dict[str, Path], tmp_path: Path
) -> None:
    """As reported of the mirror's Venice: half of what the container states is not there."""
    whole = videos["plain.mkv"].read_bytes()
    at = whole.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes in milliseconds
    stated = struct.pack(">d", 60_000.0)
    path = tmp_path / "venice.mkv"
    path.write_bytes(whole[:at] + stated + whole[at + 8 :])
    with pytest.raises(WtoursError, match=r"states 60\.00 s, its last packet ends at 0\.80 s"):
        check_video(path)


def test_time_stamps_that_jump_back_are_refused(videos: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(2 * videos["stream.ts"].read_bytes())
    with pytest.raises(WtoursError, match=r"jump backwards at packet 24, from 0\.767 s to 0\.0"):
        check_video(path)


def test_unusual_videos_pass_with_a_note(tmp_path: Path) -> None:
    def notes(name: str, **options: object) -> str:
        facts = check_video(write_tiny_video(tmp_path / name, **options))
        return "; ".join(facts.notes)

    gap = [*range(10), *range(20, 30)]
    assert "1 gap of over 1.5 frames, the longest 0.367 s at 0.300 s" in notes("gap.mp4", pts=gap)
    drift = [int(index * 10 + index**1.5) for index in range(20)]
    assert "variable frame rate" in notes("drift.mp4", pts=drift, rate=300)
    assert "odd size: 65x49" in notes("odd.mp4", size=(65, 49), pixels="yuv444p")
    assert "not square: 4:3" in notes("wide.mp4", pixel_aspect=Fraction(4, 3))
    assert "before the sound" in notes("sound.mp4", sound_s=3.0)


@pytest.mark.parametrize(("turn_deg", "size"), [(90, (48, 64)), (-90, (48, 64)), (180, (64, 48))])
def test_size_is_told_as_shown(tmp_path: Path, turn_deg: int, size: tuple[int, int]) -> None:
    facts = check_video(write_tiny_video(tmp_path / "turned.mp4", rotation_deg=turn_deg))
    assert (facts.width, facts.height) == size
    assert abs(facts.rotation_deg) == abs(turn_deg)
    assert any("rotation metadata" in note for note in facts.notes)


def test_variable_rate_is_measured(tmp_path: Path) -> None:
    facts = check_video(write_tiny_video(tmp_path / "v.mp4", pts=[0, 1, 2, 4, 5, 6, 8, 9], rate=10))
    assert facts.variable_rate
    assert facts.average_rate == Fraction(70, 9)


@given(st.lists(st.integers(0, 7), min_size=2, max_size=60))
def test_reordered_pictures_are_no_jump(delays: list[int]) -> None:
    """Pictures shown up to 7 places after where they stand, as B-frames make them."""
    order = sorted(range(len(delays)), key=lambda index: (index + delays[index], index))
    keyframes = np.zeros(len(order), dtype=np.bool_)
    keyframes[0] = order[0] == 0
    assert len(jumps_back(np.asarray(order, dtype=np.int64), keyframes)) == 0


@given(st.integers(1, 40), st.integers(20, 60), st.integers(1, 39))
def test_overlapping_halves_are_a_jump(first: int, second: int, overlap: int) -> None:
    """A keyframe shown before what stands before it is found, however small the overlap."""
    start = max(0, first - overlap)
    times = np.asarray([*range(first), *range(start, start + second)], dtype=np.int64)
    keyframes = np.zeros(len(times), dtype=np.bool_)
    keyframes[[0, first]] = True
    jumps = jumps_back(times, keyframes)
    assert list(jumps[:1]) == ([first] if start < first - 1 else [])


def test_hash_equals_the_plain_one(videos: dict[str, Path]) -> None:
    told: list[tuple[int, int]] = []
    path = videos["plain.mp4"]
    plain = hashlib.sha256(path.read_bytes()).hexdigest()
    assert file_sha256(path, progress=lambda *step: told.append(step)) == plain
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"stream.ts"}))
def test_whole_file_is_as_long_as_announced(videos: dict[str, Path], name: str) -> None:
    assert promised_bytes(videos[name]) == videos[name].stat().st_size


@pytest.mark.media
def test_real_videos_pass(media: Path) -> None:
    for path in sorted((*media.glob("*.mp4"), *media.glob("*.avi"))):
        facts = check_video(path)
        with av.open(str(path)) as container:
            decoded = sum(1 for _ in container.decode(video=0)) if facts.packets < 150 else None
        assert decoded in (None, facts.packets), path.name
        assert facts.variable_rate == (path.name == "street_hevc_portrait.mp4"), path.name
