"""Every defect has its own sentence, and whole videos have none."""

import hashlib
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import pytest

from tests.wtours.test_integrity import KINDS
from tests.wtours.tiny_videos import write_sound, write_tiny_video
from tests.wtours.verify_videos import SIZE, boxes, stretch_mp4_header, write_walk
from wtours.errors import WtoursError
from wtours.integrity import Expected, Verification, check_video, verify_video
from wtours.manifest import Stated

ROWS = [
    "file",
    "SHA-256",
    "container",
    "length of picture",
    "duration",
    "frame rate",
    "frames",
    "size",
    "codec",
    "rotation",
    "time stamps",
    "picture",
]
SAID = {
    "duration": 40,
    "format": {"width": SIZE[0], "height": SIZE[1], "fps": 10, "vcodec": "avc1.640028"},
}
RIGHT = Expected(stated=Stated(width=96, height=54, fps=10.0, duration_s=40.0), said=SAID)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_walk(tmp_path_factory.mktemp("walk") / "walk.mp4", movflags="faststart")


def finding(found: Verification, row: str) -> tuple[str, str]:
    """Return verdict and sentence of one row."""
    (check,) = [check for check in found.checks if check.name == row]
    return check.verdict, check.finding


def only_fault(found: Verification, row: str) -> str:
    """Return the sentence of the only fault, which is in the given row."""
    assert [check.name for check in found.checks if check.verdict == "fault"] == [row]
    (sentence,) = found.faults
    assert sentence.startswith(str(found.path))
    return sentence


def test_whole_video_has_every_row_and_nothing_to_say(walk: Path) -> None:
    found = verify_video(walk, RIGHT)
    assert [check.name for check in found.checks] == ROWS
    assert (found.faults, found.notes, found.stretches, found.damaged) == ((), (), (), False)
    assert found.facts == check_video(walk)
    assert found.sha256 == hashlib.sha256(walk.read_bytes()).hexdigest()
    assert found.md5 is None
    assert 2 < found.keyframes <= 12


@pytest.mark.parametrize("name", KINDS)
def test_containers_of_all_kinds_pass(tmp_path: Path, name: str) -> None:
    path = write_tiny_video(tmp_path / name, **KINDS[name])
    found = verify_video(path)
    assert (found.faults, found.damaged) == ((), False)
    assert found.facts == check_video(path)
    with av.open(str(path)) as container:
        keyframes = sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    assert found.keyframes == min(12, keyframes)


def test_record_is_json_and_says_whether_it_was_forced(walk: Path) -> None:
    found = verify_video(walk, Expected(stated=Stated(fps=60.0)))
    record = json.loads(json.dumps(found.record(forced=True)))
    assert record == found.record(True)
    assert record["forced"] is True
    assert record["faults"] == list(found.faults) != []
    assert [check["name"] for check in record["checks"]] == ROWS
    assert " ".join(record) == "checked_utc forced faults notes stretches keyframes checks"


def _cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("walk.mp4", {"movflags": "faststart"}, "that its container announces"),
        ("walk.mp4", {}, r"its index \(moov\) is missing"),
        ("walk.mkv", {}, "that its container announces"),
        ("walk.avi", {"codec": "mpeg4"}, "that its container announces"),
    ],
)
@pytest.mark.parametrize("share", [0.31, 0.77])
def test_truncated_file_is_damaged(
    tmp_path: Path, name: str, options: dict[str, Any], sentence: str, share: float
) -> None:
    path = _cut(write_walk(tmp_path / name, duration_s=10, **options), share)
    found = verify_video(path)
    assert found.damaged
    verdict, told = finding(found, "container")
    assert verdict == "fault"
    assert told.startswith(f"{path} is cut short or damaged: ")
    assert re.search(sentence, told)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WtoursError, match="cut short"):
        check_video(path)


@pytest.mark.parametrize(
    ("name", "movflags"), [("walk.ts", None), ("walk.mp4", "frag_keyframe+empty_moov")]
)
def test_stream_that_ends_early_misses_what_the_platform_said(
    tmp_path: Path, name: str, movflags: str | None
) -> None:
    """It may end between any two packets and still be whole by its own account."""
    whole = write_walk(tmp_path / name, duration_s=20, movflags=movflags)
    content = whole.read_bytes()
    fragments = boxes(content, b"moof") or [len(content) // 2 // 188 * 188]
    whole.write_bytes(content[: fragments[len(fragments) // 2]])
    found = verify_video(whole, Expected(said={"duration": 20}))
    assert any("the platform said 20.0 s" in sentence for sentence in found.faults)


@pytest.mark.parametrize(
    ("make", "sentence", "damaged"),
    [
        (lambda path: path.write_bytes(b""), "is empty (0 bytes)", True),
        (
            lambda path: path.write_text("<!DOCTYPE html>\n<title>Sign in</title>"),
            "is not a video but a web page (HTML)",
            True,
        ),
        (lambda path: path.write_text("#EXTM3U\nother.mp4\n"), "is not a video but text", True),
        (lambda path: path.write_bytes(bytes(range(256)) * 9), "is not a video (", True),
        (lambda path: write_sound(path), "holds sound only", False),
    ],
    ids=["empty", "html", "playlist", "bytes", "sound"],
)
def test_what_is_no_video_is_told_not_raised(
    tmp_path: Path, make: Callable[[Path], object], sentence: str, damaged: bool
) -> None:
    path = tmp_path / "walk.mp4"
    make(path)
    found = verify_video(path, shown_as="bergen.webm")
    assert found.facts is None
    assert found.damaged is damaged
    (told,) = found.faults
    assert told.startswith(f"bergen.webm {sentence}")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_missing_file_and_folder_raise(tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match="no such file"):
        verify_video(tmp_path / "walk.mp4")
    with pytest.raises(WtoursError, match="is not a file"):
        verify_video(tmp_path)


def test_playlist_reads_no_other_file(walk: Path, tmp_path: Path) -> None:
    script = tmp_path / "walk.mp4"
    script.write_text(f"ffconcat version 1.0\nfile '{walk}'\n")
    found = verify_video(script)
    assert found.facts is None
    assert "is not a video" in found.faults[0]


def _sound(path: Path) -> Path:
    return write_walk(path, duration_s=20, sound_s=40.1)


def _header(path: Path) -> Path:
    return stretch_mp4_header(write_walk(path, duration_s=20), 2)


def _edit_list(path: Path) -> Path:
    """Make the edit list begin in the middle of the pictures."""
    content = bytearray(write_walk(path, duration_s=40).read_bytes())
    (box,) = boxes(bytes(content), b"elst")
    first = slice(box + 20, box + 24)  # media time, in ticks of 1/10240 s
    content[first] = (int.from_bytes(content[first], "big") + 20 * 10240).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def _late(path: Path) -> Path:
    return write_walk(path, duration_s=20, times=range(200, 400))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_sound, "the pictures end 20.1 s before the container: 20.0 s of picture in 40.1 s"),
        (_header, "20.0 s of picture in 40.0 s, and nothing follows them"),
        (_edit_list, "20.0 s of picture in 40.0 s, and nothing follows them"),
        (_late, "the pictures begin 20.0 s after the container: 20.0 s of picture in 40.0 s"),
    ],
)
def test_picture_half_as_long_as_its_container_is_a_fault(
    tmp_path: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    """As reported of the mirror's Venice: 1 h 50 min of picture in 3 h 40 min."""
    found = verify_video(make(tmp_path / "venice.mp4"))
    assert sentence in only_fault(found, "length of picture")
    assert found.facts is not None
    assert found.facts.duration_s == pytest.approx(20, abs=0.2)
    assert not found.damaged


@pytest.mark.parametrize("stated_s", [11.5, 60.0])
def test_what_check_video_refuses_is_a_fault(tmp_path: Path, stated_s: float) -> None:
    """Header and packets differ by more than a second, in a file that is whole."""
    path = write_walk(tmp_path / "walk.mkv", duration_s=10)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes in milliseconds
    content[at : at + 8] = struct.pack(">d", 1000 * stated_s)
    path.write_bytes(content)
    with pytest.raises(WtoursError, match="its last packet ends at 10"):
        check_video(path)
    found = verify_video(path)
    assert "and nothing follows them" in only_fault(found, "length of picture")
    assert not found.damaged


def test_sound_that_lasts_a_second_longer_is_a_note(tmp_path: Path) -> None:
    found = verify_video(write_walk(tmp_path / "walk.mp4", duration_s=10, sound_s=11.5))
    verdict, sentence = finding(found, "length of picture")
    assert verdict == "note"
    assert "before the container" in sentence


def test_other_frame_rate_is_a_fault_against_manifest_and_platform(walk: Path) -> None:
    found = verify_video(walk, Expected(stated=Stated(fps=60.0), said={"format": {"fps": 30}}))
    sentence = only_fault(found, "frame rate")
    assert "it has 10 pictures a second, the manifest states 60" in sentence
    assert "the platform said 30" in sentence
    assert verify_video(walk, Expected(stated=Stated(fps=60.0), fps=10.0)).faults == ()


def test_variable_rate_is_a_note_with_its_range(tmp_path: Path) -> None:
    times = [*range(50), *range(50, 150, 2)]
    found = verify_video(write_walk(tmp_path / "walk.mp4", duration_s=10, times=times))
    assert found.faults == ()
    verdict, sentence = finding(found, "frame rate")
    assert verdict == "note"
    assert "variable frame rate: pictures are 0.1000 to 0.2000 s apart" in sentence


def test_jump_back_in_time_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "walk.ts"
    path.write_bytes(2 * write_walk(path, duration_s=5).read_bytes())
    found = verify_video(path)
    sentence = only_fault(found, "time stamps")
    assert "time stamps jump backwards at packet 50, from 4.900 s to 0.000 s" in sentence
    assert not found.damaged


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ([*range(100), *range(130, 230)], "by 3.0 s in 1 place, most by 3.0 s at 0:09.9"),
        ([*range(199), 900], "most by 70.1 s (70.1 s) at 0:19.8"),
        ([*range(50), *range(60, 110), *range(120, 220)], "by 2.0 s in 2 places"),
    ],
    ids=["middle", "last", "two"],
)
def test_jump_forward_in_time_is_a_fault(tmp_path: Path, times: list[int], sentence: str) -> None:
    found = verify_video(write_walk(tmp_path / "walk.mp4", duration_s=20, times=times))
    told = only_fault(found, "time stamps")
    assert "time jumps forward" in told
    assert sentence.replace("70.1 s (70.1 s)", "1:10.1 (70.1 s)") in told


def test_short_jump_forward_is_a_note(tmp_path: Path) -> None:
    times = [*range(50), *range(55, 105)]
    found = verify_video(write_walk(tmp_path / "walk.mp4", duration_s=10, times=times))
    assert found.faults == ()
    assert "time jumps forward by 0.5 s in 1 place" in finding(found, "time stamps")[1]


def test_edited_byte_is_found_by_every_hash(walk: Path, tmp_path: Path) -> None:
    content = bytearray(walk.read_bytes())
    right = Expected(
        sha256=hashlib.sha256(content).hexdigest(),
        said={"md5": hashlib.md5(content).hexdigest(), "size_bytes": len(content)},
    )
    assert verify_video(walk, right).faults == ()
    content[-1000] ^= 1
    path = tmp_path / "walk.mp4"
    path.write_bytes(content)
    found = verify_video(path, right)
    assert found.damaged
    told = " ".join(found.faults)
    for known in (right.sha256, right.said["md5"], found.sha256, found.md5):
        assert str(known) in told
    assert "its SHA-256 is " in told
    assert ", recorded is " in told


def test_other_number_of_bytes_is_damage(walk: Path) -> None:
    found = verify_video(walk, Expected(said={"format": {"filesize": 12}}))
    assert found.damaged
    told = only_fault(found, "file")
    assert f"it has {found.size_bytes} bytes, the platform said 12" in told


@pytest.mark.parametrize("said", [SIZE, SIZE[::-1]])
def test_rotation_is_a_note_and_either_order_of_sides_is_right(
    tmp_path: Path, said: tuple[int, int]
) -> None:
    path = write_walk(tmp_path / "walk.mp4", duration_s=5, rotation_deg=90)
    form = {"width": said[0], "height": said[1]}
    found = verify_video(path, Expected(said={"format": form}))
    assert found.faults == ()
    assert "turned by" in finding(found, "rotation")[1]
    form["width"] += 2
    assert "54x96 pixels" in only_fault(verify_video(path, Expected(said={"format": form})), "size")


def test_other_codec_than_said_is_a_fault(walk: Path) -> None:
    found = verify_video(walk, Expected(said={"format": {"vcodec": "vp09.00.51.08"}}))
    assert "its codec is h264, the platform said vp09" in only_fault(found, "codec")


def test_odd_sizes_are_notes(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "odd.mp4", size=(65, 49), pixels="yuv444p")
    verdict, sentence = finding(verify_video(path), "size")
    assert (verdict, "odd size: 65x49" in sentence) == ("note", True)


def test_progress_tells_bytes_up_to_all_of_them(walk: Path) -> None:
    told: list[tuple[int, int]] = []
    verify_video(walk, progress=lambda *step: told.append(step))
    assert told[-1] == (walk.stat().st_size,) * 2
    assert told == sorted(told)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_whatever_is_damaged_is_told_and_never_raised(tmp_path: Path, name: str) -> None:
    """Bytes changed, cleared and left out anywhere; where nothing is told, all can be decoded."""
    path = write_tiny_video(tmp_path / name, **KINDS[name])
    whole, random = path.read_bytes(), Random(name)
    for _ in range(25):
        content = bytearray(whole)
        for _ in range(random.choice([1, 5, 50])):
            content[random.randrange(len(content))] = random.randrange(256)
        cut = random.randrange(len(content))
        path.write_bytes(
            random.choice([content, content[:cut], content[:cut] + content[cut // 2 :]])
        )
        found = verify_video(path)
        assert found.faults or found.facts is not None
        try:
            facts = check_video(path)
        except WtoursError:
            assert found.faults
        else:
            assert found.facts in (facts, None)
            assert found.facts is not None or found.faults


def test_title_in_an_unknown_encoding_is_no_fault(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "walk.mkv")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Lavf", b"\xf4\xac\xf1\xff"))
    assert verify_video(path).faults == ()
    assert check_video(path).packets == 24


@pytest.mark.media
def test_real_videos_have_no_faults(media: Path) -> None:
    for path in sorted((*media.glob("*.mp4"), *media.glob("*.avi"))):
        found = verify_video(path)
        assert found.faults == (), path.name
        assert not found.stretches or path.name == "people_room.mp4"  # nobody is there at first
        assert found.facts == check_video(path)
