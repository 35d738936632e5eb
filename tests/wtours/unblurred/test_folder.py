"""The folder of unblurred frames: damage is found, nobody else reads it, nothing publishes it."""

import errno
import json
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples

from tests.video_making import panned, smooth, write_video
from tests.wtours.encodings import ENCODINGS, encode
from tests.wtours.unblurred_making import (
    STRETCHES,
    blurred,
    content,
    made,
    no_decoding,
    open_spots,
)
from wtours import shard_sets, unblurred_portion
from wtours.cli import main
from wtours.errors import WtoursError
from wtours.one_run import hold
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardError, TarWriter, open_shards
from wtours.stages.blur import BlurSettings


@pytest.fixture(scope="module")
def settings() -> ShardSettings:
    """A tar a second."""
    return ShardSettings(
        fps=Fraction(4), short_side_px=64, blur=BlurSettings(detection_px=90), tar_s=1.0
    )


def damage(frames: Path, kind: str) -> None:
    """Do something to the second portion, or to all."""
    tar, record = (frames / "walk" / f"unblurred-000001.{end}" for end in ("tar", "record"))
    if kind == "gone":
        shutil.rmtree(frames / "walk")
    elif kind == "other plan":
        plan = frames / "walk" / "frames.json"
        plan.write_text(json.dumps(json.loads(plan.read_text()) | {"identity": 3}))
    elif kind == "half a plan":
        (frames / "walk" / "frames.json").write_text('{"identity')
    elif kind == "tar gone":
        tar.unlink()
    elif kind == "record gone":
        record.unlink()
    elif kind == "a tar's folder":
        tar.unlink()
        tar.mkdir()
    elif kind.endswith("cut"):
        path = tar if kind == "tar cut" else record
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path = tar if kind == "a bit of the tar" else record
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 8
        path.write_bytes(data)


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize(
    ("kind", "from_unblurred", "says"),
    [
        ("gone", 0, []),
        ("other plan", 0, ["frames.json was altered: decoding again"]),
        ("half a plan", 0, ["frames.json was altered: decoding again"]),
        ("record gone", 1, []),
        ("tar gone", 1, ["000001.tar cannot be read"] * 3),
        ("tar cut", 1, ["000001.tar was altered"] * 2),
        ("record cut", 1, ["000001.record was altered"] * 3),
        ("a bit of the tar", 3, ["000001.tar was altered"]),
        ("a bit of the record", 1, ["000001.record was altered"] * 3),
    ],
)
def test_damaged_frames_are_decoded_again_and_kept_anew(
    video: Path,
    kept: Path,
    settings: ShardSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    from_unblurred: int,
    says: list[str],
) -> None:
    frames = tmp_path / "kept"
    shutil.copytree(kept, frames)
    damage(frames, kind)
    other = blurred(settings, style="solid")
    made(video, tmp_path / "decoded", other, None)
    again, told = made(video, tmp_path / "again", other, frames)
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    assert all(text in line for text, line in zip(says, told, strict=False)), told
    assert bool(told) == bool(says)
    assert content(frames) == content(kept)
    with no_decoding(monkeypatch):
        again, told = made(video, tmp_path / "again", other, frames, replace=True)
    assert told == []
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    assert from_unblurred <= again.sets[0].from_unblurred


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_only_its_owner_may_read_it(kept: Path) -> None:
    paths = [kept, *kept.rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}
    assert sorted(path.name for path in kept.iterdir()) == ["README.txt", "walk"]
    page = (kept / "README.txt").read_text()
    assert "show faces" in page
    assert "delete the whole folder" in page


def test_nothing_takes_it_for_a_shard_set(
    kept: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    for path in (kept, kept / "walk"):
        with pytest.raises(ShardError, match="holds no shard set"):
            open_shards(path)
        for words in (["card", path], ["audit", path], ["analyze", "--shards", path]):
            status, _, said = command(main, *words)
            assert (status, "holds no shard set" in said) == (2, True), said


@pytest.mark.parametrize("place", ["out", "out/unblurred", ".", "link/kept", "file://{}/out/kept"])
def test_it_may_not_lie_where_sets_are_published(
    video: Path, settings: ShardSettings, tmp_path: Path, place: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "link").symlink_to(out)
    named = place.format(tmp_path) if ":" in place else tmp_path / place
    with pytest.raises(WtoursError, match=r"would be published with the shard sets in .*beside it"):
        shard_videos([video], out=out, settings=settings, unblurred=named)
    assert list(out.iterdir()) == []


def test_it_may_not_lie_elsewhere_or_in_a_folder_of_something_else(
    video: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(WtoursError, match=r"s3://bucket/kept is not on this machine; name a fol"):
        shard_videos([video], out=out, settings=settings, unblurred="s3://bucket/kept")
    for text in ("", "notes of mine"):
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "README.txt").write_text(text)
        with pytest.raises(WtoursError, match=r"own holds something else than unblurred frames"):
            shard_videos([video], out=out, settings=settings, unblurred=tmp_path / "own")
    assert (tmp_path / "own" / "README.txt").read_text() == "notes of mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(WtoursError, match=r"file cannot be written to .* with --keep-unblurred"):
        shard_videos([video], out=out, settings=settings, unblurred=tmp_path / "file")


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("full", ["kept", "out"])
def test_a_full_disk_is_said_of_the_folder_that_is_full(
    video: Path,
    settings: ShardSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full: str,
    skip_bad: bool,
) -> None:
    """No video is left out for it; with room again, the next run goes on."""
    add, pictures = TarWriter.add_member, list[str]()

    def failing(self: TarWriter, name: str, data: bytes) -> int:
        pictures.append(name)
        if name.endswith(".webp") == (full == "kept") and len(pictures) > 24:
            raise OSError(errno.ENOSPC, "No space left on device")
        return add(self, name, data)

    kept, out = tmp_path / "kept", tmp_path / "out"
    option = "--keep-unblurred" if full == "kept" else "--out"
    with monkeypatch.context() as patch:
        patch.setattr(TarWriter, "add_member", failing)
        with pytest.raises(WtoursError, match=rf"{full} has no room left.*another {option};"):
            made(video, out, settings, kept, skip_bad=skip_bad)
    assert list(kept.rglob("*.part")) == []
    made(video, out, settings, kept, skip_bad=skip_bad)
    made(video, tmp_path / "plain", settings, None)
    assert content(out) == content(tmp_path / "plain")


def test_two_runs_do_not_keep_frames_in_one_folder(
    video: Path, kept: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    with (
        hold(kept / "walk", doing="filled"),
        pytest.raises(WtoursError, match=r"walk is being filled .* with --keep-unblurred"),
    ):
        shard_videos([video], out=tmp_path / "out", settings=settings, unblurred=kept)


@pytest.mark.usefixtures("spots")
def test_a_set_that_stands_already_keeps_nothing_and_says_so(
    video: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    made(video, tmp_path / "out", settings, None)
    written, told = made(video, tmp_path / "out", settings, tmp_path / "kept")
    assert written.sets[0].skipped
    assert told == [
        f"{tmp_path}/out/walk stands already: no frames of it were kept, as --replace would do"
    ]


def test_the_command_says_what_it_did_not_decode(
    video: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    words = ["shard", video, "--short-side", 32, "--face-height", 45, "--keep-unblurred", "kept"]
    status, said, _ = command(main, *words, "--out", "one")
    assert (status, "without decoding" in said) == (0, False)
    status, said, _ = command(main, *words, "--out", "two", "--blur-style", "solid")
    assert status == 0
    assert "walk: 5 pictures in 1 tar, 1 tar without decoding, 1 cut" in said
    status, _, said = command(main, *words, "--out", "three", "--fps", "2")
    assert status == 0
    assert "note: " in said
    assert "walk was kept with fps 1 instead of 2: decoding again" in said
    assert command(main, *words, "--out", "kept/sets")[0] == 2


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(
    video: Path, settings: ShardSettings, tmp_path: Path
) -> None:
    """In other processes, with CenterFace; slow for their start."""
    other = blurred(settings, style="mosaic", guard_s=1)
    for workers in (1, 2):
        kept = tmp_path / f"kept {workers}"
        made(video, tmp_path / f"first {workers}", settings, kept, workers=workers)
        made(video, tmp_path / f"other {workers}", other, kept, workers=3 - workers)
    made(video, tmp_path / "decoded", other, None)
    for name in ("kept", "first", "other"):
        assert content(tmp_path / f"{name} 1") == content(tmp_path / f"{name} 2")
    assert content(tmp_path / "decoded") == content(tmp_path / "other 1")


@pytest.mark.slow
def test_a_cluster_changes_nothing(video: Path, settings: ShardSettings, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    other = blurred(settings, style="mosaic", guard_s=1)
    made(video, tmp_path / "first", settings, tmp_path / "kept", ray="local")
    again, _ = made(video, tmp_path / "other", other, tmp_path / "kept", ray="local")
    assert again.sets[0].from_unblurred == STRETCHES
    made(video, tmp_path / "decoded", other, None)
    assert content(tmp_path / "decoded") == content(tmp_path / "other")


@pytest.mark.usefixtures("spots")
def test_short_videos_keep_frames_in_shared_tars(
    tmp_path: Path, settings: ShardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several sizes; one is damaged, and of one the packets announce other frames."""
    monkeypatch.setattr(shard_sets, "_BYTES_A_PIXEL", 2000.0)
    clips, kept = tmp_path / "clips", tmp_path / "kept"
    clips.mkdir()
    for seed, name in enumerate(["a", "b", "c", "e"]):
        size = (160, 120) if seed % 2 else (96, 64)
        write_video(clips / f"{name}.mp4", [panned(seed, i, size=size) for i in range(30)])
    encode(clips / "d.avi", ENCODINGS["h264-closed.mp4"])
    data = bytearray((clips / "b.mp4").read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 600] = bytes(600)
    (clips / "b.mp4").write_bytes(data)
    first = replace(settings, tar_s=10.0)
    other = blurred(first, style="solid")
    written, _ = made(clips, tmp_path / "first", first, kept, skip_bad=True)
    assert written.tars > 1
    made(clips, tmp_path / "decoded", other, None, skip_bad=True)
    again, told = made(clips, tmp_path / "again", other, kept, skip_bad=True)
    assert (again.sets[0].from_unblurred, told) == (written.tars, [])
    assert content(tmp_path / "again") == content(tmp_path / "decoded")
    assert [line.partition("b.mp4")[0] != line for line in again.left_out] == [True]
    with pytest.raises(WtoursError, match=r"b\.mp4 cannot be decoded"):
        made(clips, tmp_path / "none", other, kept)
    (clips / "e.mp4").unlink()
    write_video(clips / "e.mp4", [smooth(i) for i in range(30)])
    _, told = made(clips, tmp_path / "changed", other, kept, skip_bad=True)
    assert len(told) == 1
    assert "listing" in told[0]


def test_notes_do_not_depend_on_what_guards_look_at(
    tmp_path: Path, settings: ShardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the second stretch, two pictures have the times of others; the first sees one of them."""
    monkeypatch.setattr(BlurSettings, "open_detectors", open_spots)
    pts = [*range(9), 8, *range(9, 15), 14, *range(15, 30)]
    options = {"g": "8", "sc_threshold": "0", "bf": "0"}
    video = tmp_path / "walk.mkv"
    write_video(video, map(smooth, range(len(pts))), rate=8, pts=pts, options=options)
    every = replace(settings, fps="native")
    for guard_s in (0.0, 0.3):
        made(video, tmp_path / f"{guard_s}", blurred(every, guard_s=guard_s), None)
        (shards,) = open_shards(tmp_path / f"{guard_s}")
        assert len(shards.record.tars) == 3
        assert [note for note in shards.videos[0].notes if "left out" in note] == [
            "2 pictures left out: time not after that of the one shown before"
        ]


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 99),
    levels=st.sampled_from([1, 2, 256]),
)
@examples(max_examples=30)
def test_pictures_are_stored_without_loss(size: tuple[int, int], seed: int, levels: int) -> None:
    picture = np.random.default_rng(seed).integers(0, levels, (*size, 3), dtype=np.uint8)
    assert lossless(picture)


@pytest.mark.parametrize("size", [(3, 16_383), (16_384, 3)])
def test_pictures_too_large_for_webp_are_stored_without_loss(size: tuple[int, int]) -> None:
    assert lossless(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))


def lossless(picture: np.ndarray) -> bool:
    content, kind = unblurred_portion.encoded(picture)
    assert kind == ("webp" if max(picture.shape) <= 16_383 else "png")
    return bool((unblurred_portion.decoded(content) == picture).all())


PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
from tests.wtours.unblurred_making import open_spots
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.stages.blur import BlurSettings
BlurSettings.open_detectors = open_spots
video, out, kept, style = sys.argv[1:]
blur = BlurSettings(detection_px=90, style=style)
settings = ShardSettings(fps=Fraction(4), short_side_px=64, blur=blur, tar_s=1.0)
print("ready", flush=True)
shard_videos([video], out=out, settings=settings, unblurred=kept)
"""


def kill_after(seconds: float, *words: object) -> None:
    """Start sharding, and kill it some time after it has begun."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_nothing_wrong_is_kept(
    video: Path, kept: Path, settings: ShardSettings, tmp_path: Path, count: int
) -> None:
    """First while frames are kept, then while they are used; what there is is whole."""
    moments, other = random.Random(count), blurred(settings, style="solid")
    made(video, tmp_path / "decoded", other, None)
    for number in range(count):
        out, frames = tmp_path / f"out {number}", tmp_path / f"kept {number}"
        kill_after(moments.uniform(0, 0.6), video, out / "gauss", frames, "gauss")
        kill_after(moments.uniform(0, 0.6), video, out / "solid", frames, "solid")
        made(video, out / "solid", other, frames)
        assert content(out / "solid") == content(tmp_path / "decoded")
        assert content(frames) == content(kept)
        made(video, out / "gauss", settings, frames)
        assert content(out / "gauss") == content(kept.parent / "first")
