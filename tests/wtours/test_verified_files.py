"""`wtours verify` on videos: a table, a record, and exit status 2 where one must not be used."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.shard_making import make_shard_set
from tests.wtours.tiny_videos import write_tiny_video
from wtours.cli import main
from wtours.errors import WtoursError
from wtours.fetch import FetchSettings, fetch_videos
from wtours.manifest import read_manifest
from wtours.provenance import read_provenance
from wtours.shard import shard_videos
from wtours.verify import tell_apart, verify_file

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    """Run `wtours` in an empty folder; return status, stdout and stderr."""
    return partial(command, main)


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A video that nobody fetched."""
    return write_tiny_video(tmp_path / "walk.mp4", frames=40, size=(160, 96))


def fetched(tmp_path: Path, walk: Path, *, stated: str = "", force: bool = False) -> Path:
    """Fetch `walk` as a file of a manifest."""
    manifest = tmp_path / "mine.toml"
    manifest.write_text(
        f'[[video]]\nname = "walk"\n[[video.source]]\nkind = "file"\npath = "{walk.as_posix()}"\n'
        f'[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n{stated}'
    )
    (one,) = fetch_videos(
        [], manifest=manifest, out=tmp_path / "videos", settings=FetchSettings(force=force)
    )
    return one.path


def edit(path: Path, at: float) -> None:
    """Change one byte, in a file of its own: a fetched one may be a second name of another."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_first_use_is_trusted_and_later_differences_show_both_hashes(walk: Path, run: Run) -> None:
    first = hashlib.sha256(walk.read_bytes()).hexdigest()
    status, out, err = run("verify", walk)
    assert (status, "trusted from now on" in err) == (0, True), err
    assert first[:12] in out
    record = read_provenance(walk)
    assert record is not None
    assert (record.file["sha256"], record.source) == (first, None)
    edit(walk, 0.5)
    status, out, err = run("verify", walk)
    changed = hashlib.sha256(walk.read_bytes()).hexdigest()
    assert (status, first in err, changed in err) == (2, True, True), err
    assert "fault" in out
    after = read_provenance(walk)
    assert after is not None
    assert after.file["sha256"] == first  # what was trusted stays what is compared with
    assert after.faults


def test_record_keeps_everything_else_and_gets_the_result(tmp_path: Path, walk: Path) -> None:
    path = fetched(tmp_path, walk)
    before = read_provenance(path)
    assert before is not None
    found = verify_file(path)
    after = read_provenance(path)
    assert found.good
    assert not found.first
    assert after is not None
    changed = {
        key for key, value in vars(after).items() if value != getattr(before, key)
    }  # the second of the check may have changed, and nothing else
    assert changed <= {"verification"}
    names = [row["name"] for row in after.verification["checks"]]
    assert {"SHA-256", "container", "duration", "frame rate", "size", "picture"} <= set(names)


def test_manifest_that_is_given_counts_before_what_was_stated(tmp_path: Path, walk: Path) -> None:
    path = fetched(tmp_path, walk)
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "mine.toml").read_text() + "fps = 60\n")
    assert verify_file(path).good
    found = verify_file(path, manifest=read_manifest(other))
    assert not found.good
    assert any("60" in fault for fault in found.verification.faults)


@pytest.mark.parametrize(
    ("platform", "asked", "fault"),
    [
        ({}, {}, "the manifest states 60"),
        ({}, {"resolution": 96, "fps": 30}, None),
        ({"duration": 5000}, {"resolution": 96, "fps": 30}, "5000"),
    ],
)
def test_what_the_platform_said_and_what_was_asked_for_count_later_too(
    tmp_path: Path, walk: Path, platform: dict[str, Any], asked: dict[str, Any], fault: str | None
) -> None:
    """Less than the manifest states is no fault where less was asked for."""
    path = fetched(tmp_path, walk)
    beside = path.with_suffix(".json")
    values = json.loads(beside.read_text())
    values |= {"platform": platform, "asked": asked}
    values["stated"] |= {"width": 3840, "height": 2160, "fps": 60}
    beside.write_text(json.dumps(values))
    faults = verify_file(path).verification.faults
    assert bool(faults) is (fault is not None), faults
    assert fault is None or fault in " ".join(faults)


def test_forced_video_stays_forced_until_its_bytes_change(
    tmp_path: Path, walk: Path, run: Run
) -> None:
    path = fetched(tmp_path, walk, stated="fps = 60\n", force=True)
    status, out, err = run("verify", path)
    assert (status, "forced, although" in err, "fault" in out) == (0, True, True), err
    edit(path, 0.5)
    status, _, err = run("verify", path)
    assert (status, "must not be used" in err) == (2, True), err


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", "empty"), (b"<!DOCTYPE html><html></html>", "web page"), (b"x" * 99, "not a video")],
)
def test_what_is_no_video_is_told_and_not_trusted(
    tmp_path: Path, run: Run, content: bytes, fault: str
) -> None:
    path = tmp_path / "walk.mp4"
    path.write_bytes(content)
    status, _, err = run("verify", path)
    assert (status, fault in err) == (2, True), err
    assert [one.name for one in tmp_path.glob("walk*")] == ["walk.mp4"]


def test_condemned_video_is_not_sharded(tmp_path: Path, walk: Path) -> None:
    path = fetched(tmp_path, walk)
    values = json.loads(path.with_suffix(".json").read_text())
    values["verification"] |= {"faults": ["walk.mp4: its picture is black"]}
    path.with_suffix(".json").write_text(json.dumps(values))
    with pytest.raises(WtoursError, match=r"must not be used: .*its picture is black"):
        shard_videos([path], out=tmp_path / "shards")
    values["verification"] |= {"forced": True}
    path.with_suffix(".json").write_text(json.dumps(values))
    assert shard_videos([path], out=tmp_path / "shards").sets


def test_one_bad_video_keeps_no_other_from_being_checked(
    tmp_path: Path, walk: Path, run: Run
) -> None:
    folder = tmp_path / "several"
    folder.mkdir()
    for name in ("a.mp4", "c.mp4"):
        (folder / name).write_bytes(walk.read_bytes())
    (folder / "b.mp4").write_bytes(walk.read_bytes()[:-999])
    status, out, err = run("verify", folder)
    assert (status, "b.mp4" in err.splitlines()[-1]) == (2, True), err
    assert all(name in out for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert sorted(path.name for path in folder.glob("*.json")) == ["a.json", "c.json"]


def test_videos_and_shards_are_told_apart(tmp_path: Path, walk: Path, run: Run) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    make_shard_set(folder / "walk", frames=3)
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_bytes(walk.read_bytes())
    (videos / "a.txt").write_text("not a video")
    paths = [walk, folder, videos, folder / "walk"]
    assert tell_apart(paths) == ([walk, videos / "a.mp4"], [folder, folder / "walk"])
    status, out, _ = run("verify", walk, folder)
    assert (status, "and all tables are whole" in out) == (0, True)
    (tmp_path / "none").mkdir()
    for path, fault in (
        (tmp_path / "none", "neither videos nor shards"),
        (folder / "x", "no such"),
    ):
        status, _, err = run("verify", path)
        assert (status, fault in err) == (2, True), err


def test_without_anything_to_check_it_says_what_to_do(run: Run) -> None:
    status, _, err = run("verify")
    assert (status, "wtours fetch" in err) == (2, True)


def test_folder_that_cannot_be_written_is_named(
    walk: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    from wtours import verify as module

    def refuse(record: Any, path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "write_provenance", refuse)
    status, out, err = run("verify", walk)
    assert (status, "walk.json: Permission denied" in err) == (2, True), err
    assert "to its last packet" in out  # what was found is told all the same


def test_record_is_not_taken_for_a_video_and_condemns_none(
    tmp_path: Path, walk: Path, run: Run
) -> None:
    """As `wtours verify data/videos/*` names it."""
    path = fetched(tmp_path, walk)
    before = path.with_suffix(".json").read_bytes()
    status, _, err = run("verify", path.with_suffix(".json"))
    assert (status, "has the name of a record" in err) == (2, True), err
    assert path.with_suffix(".json").read_bytes() == before


def test_record_of_another_video_is_left_alone(walk: Path, run: Run) -> None:
    """Two files that differ in their endings share the name of a record: it is the first one's."""
    other = walk.with_suffix(".mov")
    other.write_bytes(walk.read_bytes() + b"\0" * 8)
    assert run("verify", walk)[0] == 0
    before = read_provenance(walk)
    status, _, err = run("verify", other)
    assert (status, "is the record of walk.mp4" in err, "rename walk.mov" in err) == (2, True, True)
    assert read_provenance(walk) == before
    with pytest.raises(WtoursError, match=r"is the record of walk\.mp4"):
        shard_videos([other], out=walk.parent / "shards")
    walk.unlink()
    assert not verify_file(other).good  # renamed, or exchanged: the hash tells


def test_folder_is_checked_whatever_else_lies_in_it(walk: Path, run: Run) -> None:
    folder = walk.parent / "several"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", ".hidden.mp4"):
        (folder / name).write_bytes(walk.read_bytes())
    (folder / "folder.mp4").mkdir()
    (folder / "a.json").write_text("{")
    status, out, err = run("verify", folder)
    assert (status, "a.json is not a usable record" in err) == (2, True), err
    assert [line for line in out.splitlines() if line.endswith("mp4")] == [str(folder / "b.mp4")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", {}),
        ("file", None),
        ("verification", []),
        ("stated", {"colour": "red"}),
        ("source", "here"),
    ],
)
def test_record_that_was_edited_by_hand_is_named(
    tmp_path: Path, walk: Path, run: Run, key: str, value: Any
) -> None:
    path = fetched(tmp_path, walk)
    values = json.loads(path.with_suffix(".json").read_text()) | {key: value}
    path.with_suffix(".json").write_text(json.dumps(values))
    status, _, err = run("verify", path)
    assert (status, "not a usable record" in err, key in err) == (2, True, True), err
