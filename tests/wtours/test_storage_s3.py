"""Sets reach a bucket over S3's own interface: whole, the same bytes, and in spite of faults."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from wtours import storage
from wtours.cli import main
from wtours.errors import WtoursError
from wtours.shard import shard_videos, verify_shards
from wtours.shard_settings import ShardSettings
from wtours.storage import open_store

NEEDED = "the extra `s3` and the development group are not installed"
s3fs = pytest.importorskip("s3fs", reason=NEEDED)
pytest.importorskip("moto.server", reason=NEEDED)

from tests.wtours.s3_server import BROKEN, Door, s3_server  # noqa: E402 (skipped without them)

SETTINGS = ShardSettings(fps=Fraction(5), short_side_px=60, tar_s=1.0, blur=None)
ADDRESS = "s3://bucket/walks"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def here(panned_walk: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The set as it stands on this machine."""
    (written,) = shard_videos(
        [panned_walk], out=tmp_path_factory.mktemp("here"), settings=SETTINGS
    ).sets
    return {path.name: path.read_bytes() for path in Path(written.place).iterdir()}


@pytest.fixture(scope="module")
def served() -> Iterator[Door]:
    """One server, and one client of each kind (a client takes 0.2 s to make)."""
    s3fs.S3FileSystem.clear_instance_cache()
    with s3_server() as door:
        yield door
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def door(served: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Door]:
    """An empty bucket, a home of one's own, and no waits."""
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "AWS_ENDPOINT_URL": served.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    system().mkdir("bucket")
    served.asked.clear()
    yield served
    served.forget()


@pytest.fixture
def other_client() -> Iterator[None]:
    """Clients are made anew from the environment that this test sets."""
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


def system() -> Any:
    """Return the bucket's file system; it remembers nothing."""
    return s3fs.S3FileSystem(use_listings_cache=False)


def content(place: str = "bucket/walks/walk") -> dict[str, bytes]:
    """Fetch everything that lies under a place in the bucket."""
    return {path.rpartition("/")[2]: system().cat_file(path) for path in system().find(place)}


def test_set_in_a_bucket_equals_the_one_here(
    panned_walk: Path, here: dict[str, bytes], door: Door, tmp_path: Path
) -> None:
    (written,) = shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS).sets
    assert written.place == f"{ADDRESS}/walk"
    assert content() == here
    assert door.put()[-1] == "dataset.json"
    system().get("bucket/walks/walk/", str(tmp_path / "there"), recursive=True)
    assert verify_shards([tmp_path / "there"]) == []


def test_command_sends_with_two_workers_and_says_there_already_next_time(
    panned_walk: Path, here: dict[str, bytes], door: Door, command: Command
) -> None:
    words = ("shard", panned_walk, "--out", ADDRESS, "--fps", 30, "--short-side", 60, "--no-blur")
    status, out, err = command(main, *words, "--workers", 2)
    assert (status, f"{ADDRESS}/walk: 90 pictures" in out) == (0, True), err
    before = content()
    door.asked.clear()
    status, out, err = command(main, *words)
    assert (status, "there already" in out) == (0, True), err
    assert (content(), door.put()) == (before, [])


@pytest.mark.parametrize("prefix", ["my walks/Zürich/步行", "a+b & c=d;e,f'(g) 100%25 #1"])
def test_prefix_may_have_spaces_and_odd_letters(
    panned_walk: Path, here: dict[str, bytes], door: Door, prefix: str
) -> None:
    (written,) = shard_videos([panned_walk], out=f"s3://bucket/{prefix}", settings=SETTINGS).sets
    assert written.place == f"s3://bucket/{prefix}/walk"
    assert content(f"bucket/{prefix}/walk") == here
    (again,) = shard_videos([panned_walk], out=f"s3://bucket/{prefix}/", settings=SETTINGS).sets
    assert again.skipped


def test_missing_bucket_is_told_before_any_work_and_not_made(panned_walk: Path, door: Door) -> None:
    told: list[float] = []
    with pytest.raises(WtoursError, match=r"s3://buket/walks cannot be used.*bucket.*not exist.*"):
        shard_videos(
            [panned_walk],
            out="s3://buket/walks",
            settings=SETTINGS,
            progress=lambda name, done_s, total_s, speed: told.append(done_s),
        )
    assert (told, system().ls("")) == ([], ["bucket"])


@pytest.mark.parametrize(
    ("fault", "methods"),
    [
        ("AccessDenied", ["PUT"]),
        ("AccessDenied", ["HEAD", "PUT"]),
        ("InvalidAccessKeyId", ["HEAD"]),
    ],
)
def test_who_may_not_write_is_told_before_any_work(
    panned_walk: Path, door: Door, fault: str, methods: list[str]
) -> None:
    door.refuse = lambda method, path: (403, fault) if method in methods else None
    with pytest.raises(WtoursError, match=r"walks cannot be used.*check whose keys are used"):
        shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    door.refuse = lambda method, path: None
    assert content() == {}


def test_who_may_write_but_not_remove_can_send(
    panned_walk: Path, here: dict[str, bytes], door: Door
) -> None:
    door.refuse = lambda method, path: (403, "AccessDenied") if method == "DELETE" else None
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert content() == here


@pytest.mark.usefixtures("other_client")
def test_missing_credentials_are_told_with_the_way_to_log_in(
    panned_walk: Path, door: Door, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    status, _, err = command(main, "shard", panned_walk, "--out", ADDRESS, "--no-blur")
    assert (status, "aws configure" in err, "Traceback" in err) == (2, True, False), err


@pytest.mark.usefixtures("other_client")
def test_server_that_is_gone_is_told(
    panned_walk: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(WtoursError, match=r"failed 5 times.*the same command again"):
        shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)


@pytest.mark.parametrize("refusal", [BROKEN, (503, "ServiceUnavailable")])
def test_upload_that_fails_twice_and_then_works_is_no_fault(
    panned_walk: Path, here: dict[str, bytes], door: Door, refusal: tuple[int, str]
) -> None:
    door.break_puts(first=2, times=2, refusal=refusal)
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert content() == here


def test_set_is_none_before_its_record_and_goes_on_from_there(
    panned_walk: Path, here: dict[str, bytes], door: Door
) -> None:
    """The uploads break off at each file; every run sends one file more, and none twice."""
    for first in range(len(here)):
        door.break_puts(first=first + 1, times=99, refusal=(500, "InternalError"))
        if first + 1 < len(here):
            with pytest.raises(WtoursError, match="failed 5 times"):
                shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
            assert len(content()) == first + 1
            assert "dataset.json" not in content()
            assert there() is None
        else:
            shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert sorted(door.put()) == sorted(here)
    assert content() == here


def there() -> object:
    """Return the record by which a reader knows a set."""
    store = open_store(ADDRESS)
    assert store is not None
    return store.record("walk")


def test_file_that_somebody_removed_meanwhile_is_sent_again(
    panned_walk: Path, here: dict[str, bytes], door: Door
) -> None:
    door.break_puts(first=4, times=99, refusal=(500, "InternalError"))
    with pytest.raises(WtoursError, match="failed 5 times"):
        shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    door.refuse = lambda method, path: None
    system().rm_file("bucket/walks/walk/walk-000001.tar")
    system().pipe_file("bucket/walks/walk/walk-000002.tar", b"half")
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert content() == here


def test_killed_between_two_files_it_goes_on(
    panned_walk: Path, door: Door, tmp_path: Path, command: Command
) -> None:
    words = ["shard", panned_walk, "--out", ADDRESS, "--fps", 5, "--short-side", 60, "--no-blur"]
    words += ["--workers", 1]
    run = subprocess.Popen(
        [sys.executable, "-m", "wtours", *map(str, words)], cwd=Path(__file__).parents[2]
    )

    def kill(method: str, path: str) -> tuple[int, str] | None:
        if len(door.put()) == 2 and run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            return BROKEN
        return None

    door.refuse = kill
    assert run.wait(timeout=60) == -signal.SIGKILL
    door.refuse = lambda method, path: None
    first = door.put()
    assert (len(first), "dataset.json" in content()) == (2, False)
    status, _, err = command(main, *words)
    assert status == 0, err
    # The second file arrived, but nobody lived to note it.
    assert sorted(door.put()) == sorted([*content(), first[1]])
    system().get("bucket/walks/walk/", str(tmp_path / "there"), recursive=True)
    assert verify_shards([tmp_path / "there"]) == []
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_notes_of_a_lookup_before_are_forgotten(panned_walk: Path, door: Door) -> None:
    """Another machine sends a set, or removes one, between two calls in one process."""
    shard_videos([panned_walk], out=ADDRESS, settings=SETTINGS)
    assert there() is not None
    system().rm("bucket/walks", recursive=True)
    assert there() is None
