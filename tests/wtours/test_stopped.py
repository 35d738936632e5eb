"""Stopped or killed at any moment, a command leaves nothing half-written under a final name.

Moments are drawn from fixed seeds; the machine's speed decides what they hit, and none may matter.
"""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.video_making import panned, write_video
from wtours.shard import shard_videos, verify_shards
from wtours.shard_settings import ShardSettings
from wtours.shards import settle

# A shell's background jobs ignore Ctrl-C, and so would their children.
PROGRAM = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("wtours", run_name="__main__")
"""
PLAIN = ShardSettings(fps=Fraction(5), blur=None, cuts=None)
QUICK_SPAN_S = 1.5
"""Most of a quick command's time, loading included."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [panned(0, i, size=(320, 240)) for i in range(80)]
    return write_video(tmp_path_factory.mktemp("videos") / "walk.mp4", pictures, rate=10)


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_after(child: subprocess.Popen[str], seconds: float, how: signal.Signals) -> str:
    """Send a signal unless the command is done before; return what it said on stderr."""
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(how)
        _, said = child.communicate(timeout=60)
    return said


def hidden(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.name[0] == "." or ".part" in p.name)


def require_told(child: subprocess.Popen[str], said: str, how: signal.Signals) -> None:
    """Ctrl-C ends with a sentence and status 2; done before, with 0; in Python's own last or first
    moments, as the system ends a program.
    """
    if how is signal.SIGKILL:
        return
    assert child.returncode in (0, 2, -signal.SIGINT), said
    assert "Traceback" not in said or "wtours" not in said, said
    if child.returncode == 2:
        assert said.splitlines()[-1].startswith("wtours: stopped"), said


def stop_sharding(walk: Path, out: Path, seconds: float, how: signal.Signals) -> None:
    words = ["--fps", "5", "--no-blur", "--cuts", "none", "--out", out]
    child = start("shard", walk, *words)
    require_told(child, stop_after(child, seconds, how), how)
    final = (out / "walk").exists()
    if final:
        assert verify_shards([out]) == []
    if how is signal.SIGINT and child.returncode == 2 and hidden(out):
        assert list((out / ".walk.partial").glob("portion-*.npz"))  # else nothing would be worth it
    (written,) = shard_videos([walk], out=out, settings=PLAIN).sets
    assert written.skipped is final
    assert verify_shards([out]) == []
    assert hidden(out) == []


def stop_fetching(walk: Path, out: Path, seconds: float, how: signal.Signals) -> None:
    from wtours.fetch import fetch_videos

    out.mkdir()
    manifest = out / "m.toml"
    manifest.write_text(
        f'[[video]]\nname = "w"\nsource = [{{ kind = "file", path = "{walk.as_posix()}" }}]\n'
        'stated = { licence = "CC0", licence_source = "its author" }\n'
    )
    child = start("fetch", "--manifest", manifest, "--out", out / "videos")
    require_told(child, stop_after(child, seconds, how), how)
    if (out / "videos" / "w.mp4").exists():
        assert (out / "videos" / "w.mp4").read_bytes() == walk.read_bytes()
        assert (out / "videos" / "w.json").exists()
    fetch_videos([], manifest=manifest, out=out / "videos")
    assert sorted(p.name for p in (out / "videos").iterdir()) == [
        "ATTRIBUTION.md",
        "w.json",
        "w.mp4",
    ]


Stop = Callable[[Path, Path, float, signal.Signals], None]
BOTH = pytest.mark.parametrize("stop", [stop_sharding, stop_fetching])


@BOTH
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_at_a_moment_the_next_run_completes(
    walk: Path, tmp_path: Path, stop: Stop, how: signal.Signals
) -> None:
    stop(walk, tmp_path / "out", random.Random(how).uniform(0.3, QUICK_SPAN_S), how)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(("how", "count"), [(signal.SIGINT, 20), (signal.SIGKILL, 10)])
def test_stopped_at_many_moments_the_next_run_completes(
    walk: Path, tmp_path: Path, stop: Stop, how: signal.Signals, count: int
) -> None:
    moments = random.Random(0)
    for number in range(count):
        stop(walk, tmp_path / str(number), moments.uniform(0.2, 2 * QUICK_SPAN_S), how)


@pytest.mark.slow
def test_a_stopped_rendering_leaves_nothing(tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(10):
        out = tmp_path / str(number)
        child = start("fetch", "--manifest", "sample", "--out", out)
        said = stop_after(child, moments.uniform(0.2, 8), signal.SIGINT)
        require_told(child, said, signal.SIGINT)
        assert not list(out.glob("*.mp4")) + list(out.glob("*.json"))


@pytest.mark.parametrize("exchanged", ["before", "between", "after"])
def test_a_replacement_killed_around_its_renames_is_settled(
    walk: Path, tmp_path: Path, exchanged: str
) -> None:
    """Killed before, between or after its two renames: a whole set stands, and nothing beside."""
    shard_videos([walk], out=tmp_path, settings=PLAIN)
    final, partial, retired = tmp_path / "walk", tmp_path / ".walk.partial", ".walk.retired"
    shutil.copytree(final, partial)
    if exchanged != "before":
        final.rename(tmp_path / retired)
    if exchanged == "after":
        partial.rename(final)
    (written,) = shard_videos([walk], out=tmp_path, settings=PLAIN).sets
    assert written.skipped
    assert [p.name for p in tmp_path.iterdir()] == ["walk"]
    assert verify_shards([tmp_path]) == []


def test_settling_where_nothing_is_changes_nothing(tmp_path: Path) -> None:
    settle(tmp_path / "none" / "walk")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A real disk of 1 MB that gets full; mounting needs root on Linux."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: root on Linux can")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_really_full_disk_is_said_and_leaves_room(walk: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(950_000))
    for words in (
        ["shard", walk, "--no-blur", "--fps", "native", "--out", small_disk / "shards"],
        ["fetch", "--manifest", "sample", "--out", small_disk / "videos"],
    ):
        child = start(*words)
        _, said = child.communicate(timeout=60)
        assert child.returncode == 2, said
        assert "Traceback" not in said
        assert "No space left" in said or "no room" in said
    assert [p.name for p in small_disk.rglob("*") if p.is_file()] == ["filler"]
