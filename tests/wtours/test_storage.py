"""Sets that go to other machines arrive whole, or are no sets there."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from wtours import storage
from wtours.errors import WtoursError
from wtours.shard import shard_videos, verify_shards
from wtours.shard_settings import ShardSettings
from wtours.storage import open_store

SETTINGS = ShardSettings(fps=Fraction(5), short_side_px=60, tar_s=1.0, blur=None)


ADDRESS = "memory://bucket/walks"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MemoryFileSystem]:
    """A store that nobody has used, a home of one's own, and no waits."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def download(system: MemoryFileSystem, folder: Path) -> dict[str, bytes]:
    """Fetch everything that stands at the address."""
    system.get("/bucket/walks/", str(folder), recursive=True)
    return {path.name: path.read_bytes() for path in sorted((folder / "walk").iterdir())}


def staged() -> list[str]:
    store = open_store(ADDRESS)
    assert store is not None
    return sorted(path.name for path in store.staging.iterdir()) if store.staging.exists() else []


def test_set_arrives_as_it_would_stand_here(
    panned_walk: Path, tmp_path: Path, memory: MemoryFileSystem
) -> None:
    (written,) = shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS).sets
    assert written.place == f"{ADDRESS}/walk"
    (here,) = shard_videos([panned_walk], out=tmp_path / "here", settings=SETTINGS).sets
    plain = {path.name: path.read_bytes() for path in Path(here.place).iterdir()}
    assert download(memory, tmp_path / "there") == plain
    assert verify_shards([tmp_path / "there"]) == []
    assert staged() == []


def test_set_that_is_there_is_left_and_another_is_refused(
    panned_walk: Path, memory: MemoryFileSystem
) -> None:
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    (again,) = shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS).sets
    assert again.skipped
    other = replace(SETTINGS, jpeg_quality=50)
    with pytest.raises(WtoursError, match=r"memory://bucket/walks/walk exists already.*--replace"):
        shard_videos([panned_walk], out=ADDRESS, settings=other)
    long = replace(SETTINGS, tar_s=60.0)
    (replaced,) = shard_videos([panned_walk], out=ADDRESS, settings=long, replace=True).sets
    assert replaced.tars == 1
    tars = [path for path in memory.ls("/bucket/walks/walk", detail=False) if "tar" in path]
    assert len(tars) == 1  # nothing is left of the three


def test_set_that_another_machine_made_is_there(
    panned_walk: Path, tmp_path: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it lies in the cache here."""
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    monkeypatch.setenv("HOME", str(tmp_path / "other home"))
    (found,) = shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS).sets
    assert found.skipped


class Failing:
    """Lets some uploads through, then fails for a while."""

    def __init__(self, system: MemoryFileSystem, *, first: int, times: int) -> None:
        self.put, self.first, self.times, self.sent = system.put_file, first, times, list[str]()

    def __call__(self, local: str, path: str, **options: Any) -> None:
        trial = Path(path).name.startswith(".wtours-")
        if not trial and len(self.sent) >= self.first and self.times > 0:
            self.times -= 1
            raise OSError("the connection broke")
        if not trial:
            self.sent.append(Path(path).name)
        self.put(local, path, **options)


def test_breaks_are_tried_again(
    panned_walk: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(memory, first=2, times=3)
    monkeypatch.setattr(memory, "put_file", failing)
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert failing.times == 0
    assert failing.sent[-1] == "dataset.json"


@pytest.mark.parametrize("first", range(7))
def test_what_was_not_sent_is_no_set_and_the_next_run_sends_the_rest(
    panned_walk: Path,
    tmp_path: Path,
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
) -> None:
    """Three tars, two tables, a page and the record: broken off before each of them."""
    failing = Failing(memory, first=first, times=99)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", failing)
        with pytest.raises(WtoursError, match=r"failed 5 times \(the connection broke\)"):
            shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert not memory.exists("/bucket/walks/walk/dataset.json")
    rest = Failing(memory, first=99, times=0)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", rest)
        shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert sorted(failing.sent + rest.sent) == sorted(download(memory, tmp_path / "there"))
    assert verify_shards([tmp_path / "there"]) == []
    assert staged() == []


def test_half_of_a_file_is_noticed(
    panned_walk: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "size", lambda path: 7)
    with pytest.raises(WtoursError, match=r"7 of \d+ bytes arrived"):
        shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)


@pytest.mark.parametrize("address", ["nope://bucket", "s3://bucket/walks"])
def test_unknown_or_uninstalled_store_is_told(
    panned_walk: Path, memory: MemoryFileSystem, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    if address.startswith("s3"):
        monkeypatch.setattr(storage.fsspec.core, "url_to_fs", lacking)
    with pytest.raises(WtoursError, match="cannot be written to"):
        shard_videos([panned_walk], out=address, settings=SETTINGS)


def test_file_address_is_a_folder_here(panned_walk: Path, tmp_path: Path) -> None:
    address = (tmp_path / "sets").as_uri()
    assert open_store(address) is None
    (written,) = shard_videos([panned_walk], out=address, settings=SETTINGS).sets
    assert Path(written.place) == tmp_path / "sets" / "walk"
