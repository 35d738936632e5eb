"""The hash taken while a demuxer reads is the plain one, whatever the demuxer reads and skips."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wtours.test_integrity import KINDS
from tests.wtours.tiny_videos import write_tiny_video
from wtours.errors import WtoursError
from wtours.integrity import Expected, check_and_walk, check_walk_and_hash, verify_video
from wtours.integrity.container import Walk, open_container
from wtours.integrity.hashing import HashingReader
from wtours.whole_file import file_sha256

WITH_MD5 = Expected(said={"md5": "0" * 32})


def plain(content: bytes) -> tuple[str, str]:
    return hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_tiny_video(folder / name, **options) for name, options in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_hash_of_whole_and_truncated_videos_is_the_plain_one(
    videos: dict[str, Path], tmp_path: Path, name: str
) -> None:
    whole = videos[name].read_bytes()
    path = tmp_path / name
    for size_bytes in [*range(0, len(whole), len(whole) // 12), len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:size_bytes])
        found = verify_video(path, WITH_MD5)
        assert (found.sha256, found.md5) == plain(whole[:size_bytes])


@pytest.mark.parametrize("name", KINDS)
def test_checking_and_hashing_at_once_finds_what_each_finds(
    videos: dict[str, Path], name: str
) -> None:
    told: list[tuple[int, int]] = []
    facts, walk, sha256 = check_walk_and_hash(
        videos[name], progress=lambda done, size: told.append((done, size))
    )
    other_facts, other_walk = check_and_walk(videos[name])
    assert sha256 == file_sha256(videos[name])
    assert facts == other_facts
    for one in fields(Walk):
        assert np.array_equal(getattr(walk, one.name), getattr(other_walk, one.name)), one.name
    size_bytes = videos[name].stat().st_size
    assert told[-1] == (size_bytes, size_bytes)


@pytest.mark.parametrize("name", KINDS)
def test_truncated_videos_are_refused_in_the_same_words(
    videos: dict[str, Path], tmp_path: Path, name: str
) -> None:
    whole, path = videos[name].read_bytes(), tmp_path / name
    for size_bytes in [*range(0, len(whole), len(whole) // 6), len(whole) - 1]:
        path.write_bytes(whole[:size_bytes])
        assert message(check_walk_and_hash, path) == message(check_and_walk, path)


def message(check: Callable[[Path], object], path: Path) -> str:
    try:
        check(path)
    except WtoursError as error:
        return str(error)
    return ""


@pytest.mark.media
def test_real_recordings_are_hashed_as_they_are_checked(media: Path) -> None:
    for path in sorted([*media.glob("*.mp4"), *media.glob("*.avi")]):
        facts, walk, sha256 = check_walk_and_hash(path)
        assert sha256 == file_sha256(path)
        assert facts == check_and_walk(path)[0]
        assert len(walk.pts) == facts.packets


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 40))))
def test_any_order_of_reading_hashes_every_byte_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int, int]]
) -> None:
    content = bytes(range(50))
    path = tmp_path_factory.getbasetemp() / "fifty.bin"
    path.write_bytes(content)
    with path.open("rb", buffering=0) as file:
        reader, position = HashingReader(file, with_md5=True), 0
        for seeks, offset, size in steps:
            if seeks:
                position = reader.seek(offset)
            assert reader.read(size) == content[position : position + size]
            position = reader.tell()
        assert reader.finish() == plain(content)
        assert reader.finish() == plain(content)  # nothing is hashed again


def test_pictures_read_once_are_read_once(videos: dict[str, Path]) -> None:
    """A video whose index stands in front goes past the demuxer in order: no byte comes again."""
    path = videos["faststart.mp4"]
    read_bytes = []

    class Counting(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            piece = super().read(size)
            read_bytes.append(len(piece))
            return piece

    with Counting(path) as file:
        reader = HashingReader(file)
        with open_container(path, reader=reader) as container:
            packets = sum(packet.size > 0 for packet in container.demux())
        assert reader.finish()[0] == plain(path.read_bytes())[0]
    assert packets == 24
    assert sum(read_bytes) <= 2 * path.stat().st_size  # all of it fits into one buffer, twice


@pytest.mark.parametrize(
    ("buffering", "where"), [(0, r" at byte \d+"), (-1, "")], ids=["reader", "elsewhere"]
)
def test_failing_disk_is_raised_and_is_no_fault_of_the_video(
    videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch, buffering: int, where: str
) -> None:
    class Failing(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() >= (0 if buffering else 500):
                raise OSError(5, "Input/output error")
            return super().read(min(size, 500))

    def open_failing(path: Path, mode: str = "r", **options: int) -> object:
        fails = options.get("buffering", -1) == buffering
        return Failing(path) if fails else original(path, mode, **options)

    path, original = videos["plain.mp4"], Path.open
    monkeypatch.setattr(Path, "open", open_failing)
    with pytest.raises(WtoursError, match=rf"plain\.mp4 cannot be read{where} \(Input/output"):
        verify_video(path)
