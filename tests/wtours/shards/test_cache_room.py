"""A cache stays below its limit, removes what was used longest ago, and never what is in use."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from tests.shard_making import make_shard_set
from tests.wtours.shards.folder_server import FolderSite, serve_folder
from wtours.shards import Held, NoRoomError, ShardCache, ShardError, open_shards
from wtours.shards.cache_room import CacheRoom
from wtours.shards.remote import Patience, StoppedError

REPOSITORY = Path(__file__).parents[3]


def put(room: CacheRoom, number: int, size_bytes: int, *, spare: set[Path] | None = None) -> Path:
    """Bring a tar as a fetch does."""
    path = room.folder / "walk" / f"walk-{number:06d}.tar"
    path.parent.mkdir(exist_ok=True)
    with room.claim(path, size_bytes=size_bytes, spare=spare or set(), stop=Event()) as partial:
        if partial is not None:
            partial.write_bytes(bytes(size_bytes))
    return path


def tars(room: CacheRoom) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in room.folder.glob("*/*.tar")}


def test_fetch_that_ends_while_others_count_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the names and the sizes: its lock is gone, and its tar is not among the names."""
    room = CacheRoom(tmp_path, limit_bytes=100)
    first = room.folder / "walk" / "walk-000001.tar"
    first.parent.mkdir()
    fetch = room.claim(first, size_bytes=60, spare=(), stop=Event())
    partial = fetch.__enter__()
    assert partial is not None
    listed = Path.iterdir

    def then_the_fetch_ends(folder: Path) -> Iterator[Path]:
        names = list(listed(folder))
        if folder == first.parent and not first.exists():
            partial.write_bytes(bytes(60))
            fetch.__exit__(None, None, None)
        return iter(names)

    monkeypatch.setattr(Path, "iterdir", then_the_fetch_ends)
    put(room, 2, 60)
    assert tars(room) == {"walk-000002.tar": 60}


def test_any_sequence_stays_below_the_limit_and_removes_the_least_recently_used(
    tmp_path: Path,
) -> None:
    """Against a list in the order of use, over random sizes, uses and holds."""
    generator = random.Random(5)
    sizes = {number: generator.randrange(1, 40) for number in range(30)}
    room = CacheRoom(tmp_path, limit_bytes=100)
    used: list[int] = []  # the least recently used first
    holds: dict[int, Held] = {}
    for _ in range(120):
        number = generator.randrange(30)
        if number in holds and generator.random() < 0.7:
            holds.pop(number).release()
            used.remove(number)
            used.append(number)
            continue
        path = room.folder / "walk" / f"walk-{number:06d}.tar"
        expected = list(used)
        if number not in used:
            for old in used:
                if sum(sizes[n] for n in expected) + sizes[number] <= 100:
                    break
                if old not in holds:
                    expected.remove(old)
            if sum(sizes[n] for n in expected) + sizes[number] > 100:
                with pytest.raises(NoRoomError, match="is full"):
                    put(room, number, sizes[number])
                used = expected
                continue
            expected.append(number)
            put(room, number, sizes[number])
            room.hold(path, size_bytes=sizes[number]).release()  # type: ignore[union-attr]
        used = expected
        assert sum(tars(room).values()) <= 100
        assert tars(room) == {f"walk-{n:06d}.tar": sizes[n] for n in used}
        if number not in holds and generator.random() < 0.3:
            held = room.hold(path, size_bytes=sizes[number])
            assert held is not None
            holds[number] = held


def test_spared_tars_are_kept_and_others_removed(tmp_path: Path) -> None:
    room = CacheRoom(tmp_path, limit_bytes=30)
    oldest, other = put(room, 0, 10), put(room, 1, 10)
    os.utime(oldest, ns=(0, 0))
    put(room, 2, 20, spare={oldest})
    assert oldest.exists()
    assert not other.exists()
    with pytest.raises(NoRoomError):
        put(room, 3, 25, spare={oldest})


def test_tar_larger_than_the_limit_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"walk-000000\.tar has .* may hold .*cache_gb") as fault:
        put(CacheRoom(tmp_path, limit_bytes=30), 0, 31)
    assert not isinstance(fault.value, NoRoomError)


def test_full_disk_is_told_and_unused_tars_are_given_up_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = CacheRoom(tmp_path, limit_bytes=1000)
    first = put(room, 0, 10)
    monkeypatch.setattr(
        "wtours.shards.cache_room.shutil.disk_usage", lambda _: SimpleNamespace(free=5)
    )
    put(room, 1, 12)
    assert not first.exists()
    with pytest.raises(ShardError, match=r"the disk of .* has room for"):
        put(room, 2, 100)


def test_tar_cut_short_by_somebody_is_none(tmp_path: Path) -> None:
    room = CacheRoom(tmp_path, limit_bytes=100)
    path = put(room, 0, 10)
    path.write_bytes(b"short")
    assert room.hold(path, size_bytes=10) is None
    assert not path.exists()


def test_fault_in_a_fetch_leaves_nothing(tmp_path: Path) -> None:
    room = CacheRoom(tmp_path, limit_bytes=100)
    folder = tmp_path / "walk"
    folder.mkdir()

    def break_off() -> None:
        claim = room.claim(folder / "a.tar", size_bytes=90, spare=set(), stop=Event())
        with claim as partial:
            assert partial is not None
            partial.write_bytes(b"half")
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        break_off()
    assert list(folder.iterdir()) == []
    put(room, 0, 90)


def test_who_waits_for_another_fetch_gets_its_tar_or_can_be_stopped(tmp_path: Path) -> None:
    room, stop, came = CacheRoom(tmp_path, limit_bytes=100), Event(), []
    path = tmp_path / "walk" / "walk-000000.tar"
    path.parent.mkdir()

    def wait() -> None:
        with room.claim(path, size_bytes=10, spare=set(), stop=stop) as partial:
            came.append(partial)

    with room.claim(path, size_bytes=10, spare=set(), stop=Event()) as partial:
        assert partial is not None
        stopped = Event()
        stopped.set()
        with pytest.raises(StoppedError), room.claim(path, size_bytes=9, spare=(), stop=stopped):
            pass
        waiting = Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        assert came == []
        partial.write_bytes(bytes(10))
    waiting.join()
    assert came == [None]


HOLDER = """
import sys
from pathlib import Path
from wtours.shards.cache_room import CacheRoom

held = CacheRoom(Path(sys.argv[1]), limit_bytes=100).hold(Path(sys.argv[2]), size_bytes=60)
print(held is not None, flush=True)
sys.stdin.read()
"""


def run(program: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_use_by_another_process_counts_until_it_is_killed(tmp_path: Path) -> None:
    room = CacheRoom(tmp_path, limit_bytes=100)
    path = put(room, 0, 60)
    with run(HOLDER, tmp_path, path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(NoRoomError):
            put(room, 1, 60)
        other.kill()
        other.wait()
    put(room, 1, 60)
    assert not path.exists()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 10 tars."""
    folder = tmp_path_factory.mktemp("there") / "walk"
    return make_shard_set(folder, frames=50, pictures_per_tar=5, side=16)


@pytest.fixture
def site(walk: Path) -> Iterator[FolderSite]:
    with serve_folder(walk.parent) as served:
        yield served


READER = """
import sys
from pathlib import Path
from wtours.shards import ShardCache, open_shards
from wtours.shards.remote import Patience

url, folder, limit_bytes, seed = sys.argv[1:]
cache = ShardCache(
    Path(folder), limit_bytes=int(limit_bytes), patience=Patience(first_wait_s=0.01)
)
(shards,) = open_shards(url + "/walk", cache=cache)
print("opened", flush=True)
rows = list(range(50))
import random
random.Random(int(seed)).shuffle(rows)
cache.ahead([shards.origin.tar(tar.name) for tar in shards.record.tars])
for row in rows:
    shards.read_jpeg(row)
print("read", flush=True)
"""


def test_processes_that_share_a_cache_fetch_each_tar_once(
    site: FolderSite, walk: Path, tmp_path: Path
) -> None:
    site.drip_s = 0.02
    readers = [run(READER, site.url, tmp_path / "cache", 10**9, seed) for seed in range(2)]
    for reader in readers:
        output, faults = reader.communicate(timeout=60)
        assert output == "opened\nread\n", faults
    assert site.count(".tar") == {path.name: 1 for path in sorted(walk.glob("*.tar"))}


def assert_whole(folder: Path, walk: Path) -> None:
    """Every file that has its own name is whole."""
    for path in folder.glob("walk-*/*"):
        if not path.name.startswith("."):
            expected = sha256((walk / path.name).read_bytes()).hexdigest()
            assert sha256(path.read_bytes()).hexdigest() == expected, path.name


def kill_in_the_middle(site: FolderSite, walk: Path, folder: Path, delays_s: list[float]) -> None:
    """Kill a reader again and again; then read all in a cache of three tars."""
    limit_bytes = sum(sorted(path.stat().st_size for path in walk.glob("*.tar"))[-3:])
    site.drip_s = 0.05
    for number, delay_s in enumerate(delays_s):
        with run(READER, site.url, folder, limit_bytes, number) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "opened\n"
            time.sleep(delay_s)
            os.kill(reader.pid, signal.SIGKILL)
        assert_whole(folder, walk)
    site.drip_s = 0
    cache = ShardCache(folder, limit_bytes=limit_bytes, patience=Patience(first_wait_s=0.01))
    (far,), (near,) = open_shards(f"{site.url}/walk", cache=cache), open_shards(walk)
    assert [far.read_jpeg(row) for row in range(50)] == [near.read_jpeg(row) for row in range(50)]
    cache.close()
    sizes = [path.stat().st_size for path in folder.glob("*/*.tar")]
    assert sum(sizes) <= limit_bytes
    assert [path.name for path in folder.rglob(".*")] == [".room.lock"]


def test_killed_reader_leaves_no_wrong_tar_and_no_lock(
    site: FolderSite, walk: Path, tmp_path: Path
) -> None:
    kill_in_the_middle(site, walk, tmp_path / "cache", [0.02, 0.13])


@pytest.mark.slow  # the same at more moments, each with the imports of a process
def test_reader_killed_at_any_moment_leaves_no_wrong_tar(
    site: FolderSite, walk: Path, tmp_path: Path
) -> None:
    generator = random.Random(7)
    delays_s = [generator.uniform(0, 0.6) for _ in range(25)]
    kill_in_the_middle(site, walk, tmp_path / "cache", delays_s)


def test_disk_that_fills_up_while_a_tar_comes_is_told(
    site: FolderSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ShardCache(tmp_path / "cache", patience=Patience(first_wait_s=0.01))
    (shards,) = open_shards(f"{site.url}/walk", cache=cache)
    shards.table()

    def fill(*words: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert shards.origin is not None
    monkeypatch.setattr(shards.origin.source._system, "get_file", fill)
    with pytest.raises(ShardError, match=r"walk-000000\.tar cannot be kept .*No space.*make room"):
        shards.read_jpeg(0)
    cache.close()
