"""The bytes of a set do not depend on who does the work, in which order, or how often it stops."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.video_making import panned, write_video
from wtours.errors import WtoursError
from wtours.executors import run_here, run_in_processes
from wtours.one_run import hold
from wtours.portion_files import portion_path
from wtours.shard import shard_videos, verify_shards
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards

SETTINGS = ShardSettings(fps=Fraction(5), short_side_px=60, tar_s=1.0, blur=None)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, a keyframe every half second, open groups of pictures, a cut at 2.5 s."""
    pictures = [panned(0 if i < 75 else 1, i) for i in range(180)]
    options = {"g": "15", "bf": "2", "preset": "medium", "x264-params": "open-gop=1"}
    path = tmp_path_factory.mktemp("videos") / "walk.mp4"
    return write_video(path, pictures, options=options)


@pytest.fixture(scope="module")
def once(walk: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The set as one worker makes it without a pause."""
    out = tmp_path_factory.mktemp("once")
    (written,) = shard_videos([walk], out=out, settings=SETTINGS, workers=1).sets
    assert written.tars == 6
    return content(Path(written.place))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_workers_gives_the_same_bytes(
    walk: Path, tmp_path: Path, once: dict[str, bytes], workers: int
) -> None:
    told: list[float] = []
    (written,) = shard_videos(
        [walk],
        out=tmp_path,
        settings=SETTINGS,
        workers=workers,
        progress=lambda name, done_s, total_s, speed: told.append(done_s / total_s),
    ).sets
    assert content(Path(written.place)) == once
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize("cores", [1, 4])
def test_any_number_of_cores_gives_the_same_bytes(
    walk: Path, tmp_path: Path, once: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    """With several, pictures are made in a thread beside the decoder's."""
    from wtours import shard_rounds

    monkeypatch.setattr(shard_rounds, "usable_cores", lambda: cores)
    shard_videos([walk], out=tmp_path, settings=SETTINGS)
    assert content(tmp_path / "walk") == once


def test_one_stretch_or_many_give_the_same_index(walk: Path, tmp_path: Path) -> None:
    """Only where a picture lies differs, for there are more tars."""
    long = replace(SETTINGS, tar_s=60.0)
    shard_videos([walk], out=tmp_path / "one", settings=long, workers=1)
    shard_videos([walk], out=tmp_path / "many", settings=SETTINGS, workers=1)
    (one,), (many,) = open_shards(tmp_path / "one"), open_shards(tmp_path / "many")
    assert (len(one.record.tars), len(many.record.tars)) == (1, 6)
    place = ["tar", "offset"]
    assert one.table().drop_columns(place).equals(many.table().drop_columns(place))
    assert one.cuts() == many.cuts()
    for row in range(one.table().num_rows):
        assert one.read_jpeg(row) == many.read_jpeg(row)


@pytest.mark.parametrize("done", range(6))
def test_next_run_does_only_what_is_missing(
    walk: Path,
    tmp_path: Path,
    once: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    done: int,
) -> None:
    """Stopped in every stretch, by Ctrl-C."""
    from wtours import shard_rounds

    do, begun = shard_rounds.do_portion, list[int]()

    def stopping(task: object, told: Callable[[float], None]) -> None:
        number = task.number  # type: ignore[attr-defined]
        begun.append(number)
        if len(begun) == done + 1:
            raise KeyboardInterrupt
        do(task, told)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(shard_rounds, "do_portion", stopping)
        with pytest.raises(KeyboardInterrupt):
            shard_videos([walk], out=tmp_path, settings=SETTINGS, workers=1)
    assert not (tmp_path / "walk").exists()
    assert (tmp_path / ".walk.partial").exists() is (done > 0)
    begun.clear()
    with monkeypatch.context() as patch:
        patch.setattr(
            shard_rounds, "do_portion", lambda task, told: (begun.append(0), do(task, told))
        )
        shard_videos([walk], out=tmp_path, settings=SETTINGS, workers=1)
    assert len(begun) == 6 - done
    assert content(tmp_path / "walk") == once
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def begin(walk: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do all stretches, and stop before they are joined."""
    from wtours.shards import PartialSet

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PartialSet, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            shard_videos([walk], out=out, settings=SETTINGS, workers=1)


def test_begun_set_of_other_settings_is_refused_with_what_differs(
    walk: Path, tmp_path: Path, once: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(walk, tmp_path, monkeypatch)
    other = replace(SETTINGS, jpeg_quality=50)
    with pytest.raises(WtoursError, match=r"begun with jpeg .*90.* instead of .*50.*--replace"):
        shard_videos([walk], out=tmp_path, settings=other)
    assert shard_videos([walk], out=tmp_path, settings=SETTINGS).sets[0].rows == 31
    assert content(tmp_path / "walk") == once
    begin_again = tmp_path / "again"
    begin(walk, begin_again, monkeypatch)
    shard_videos([walk], out=begin_again, settings=other, replace=True)
    assert verify_shards([begin_again]) == []
    assert [path.name for path in begin_again.iterdir()] == ["walk"]


def test_begun_set_of_another_video_is_refused(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(walk, tmp_path / "out", monkeypatch)
    other = write_video(tmp_path / "walk.mp4", [panned(2, i) for i in range(30)])
    with pytest.raises(WtoursError, match=r"begun with video .* instead of"):
        shard_videos([other], out=tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize("what", ["record", "tar"])
def test_stretch_without_its_whole_record_is_done_again(
    walk: Path,
    tmp_path: Path,
    once: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    begin(walk, tmp_path, monkeypatch)
    partial = tmp_path / ".walk.partial"
    portion_path(partial, 2).unlink()
    if what == "tar":
        (partial / "walk-000002.tar").write_bytes(b"begun")
    shard_videos([walk], out=tmp_path, settings=SETTINGS)
    assert content(tmp_path / "walk") == once


def test_damage_in_one_stretch_is_told_and_the_others_stay(walk: Path, tmp_path: Path) -> None:
    hurt = tmp_path / "walk.mp4"
    data = bytearray(walk.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    hurt.write_bytes(data)
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        with pytest.raises(WtoursError, match=r"walk\.mp4 cannot be decoded at about"):
            shard_videos([hurt], out=out, settings=SETTINGS, workers=workers)
        assert [path.name for path in out.iterdir()] == [".walk.partial"]


def test_packets_that_are_no_frames_do_no_harm(tmp_path: Path) -> None:
    """VP8's hidden pictures are packets of their own; the frames are those of a full decode."""
    pictures = [panned(0, 2 * i) for i in range(120)]
    options = {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k", "g": "20"}
    options |= {"threads": "1", "cpu-used": "5"}
    path = write_video(tmp_path / "walk.webm", pictures, codec="libvpx", options=options)
    (written,) = shard_videos([path], out=tmp_path / "out", settings=SETTINGS, workers=1).sets
    assert written.record.videos[0].frames == 120
    long = replace(SETTINGS, tar_s=60.0)
    (whole,) = shard_videos([path], out=tmp_path / "one", settings=long, workers=1).sets
    assert (whole.tars, written.tars) == (1, 4)
    (one,), (many,) = open_shards(tmp_path / "one"), open_shards(tmp_path / "out")
    place = ["tar", "offset"]
    assert one.table().drop_columns(place).equals(many.table().drop_columns(place))


def test_second_run_at_the_same_time_is_sent_away(walk: Path, tmp_path: Path) -> None:
    with (
        hold(tmp_path / "walk", doing="sharded"),
        pytest.raises(WtoursError, match="walk is being sharded by another run"),
    ):
        shard_videos([walk], out=tmp_path, settings=SETTINGS, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ray_gives_the_same_bytes(walk: Path, tmp_path: Path, once: dict[str, bytes]) -> None:
    pytest.importorskip("ray", reason="wtours[ray] is not installed here")
    (written,) = shard_videos([walk], out=tmp_path, settings=SETTINGS, ray="local").sets
    assert content(Path(written.place)) == once
    hurt = tmp_path / "walk.mp4"
    data = bytearray(walk.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    hurt.write_bytes(data)
    with pytest.raises(WtoursError, match=r"walk\.mp4 cannot be decoded at about"):
        shard_videos([hurt], out=tmp_path / "hurt", settings=SETTINGS, ray="local")


def test_without_ray_it_says_what_to_install(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WtoursError, match=r"Ray is not installed.*wtours\[ray\]"):
        shard_videos([walk], out=tmp_path, settings=SETTINGS, ray="auto")


def test_a_set_that_is_being_exchanged_is_not_put_right_by_another_run(
    walk: Path, tmp_path: Path
) -> None:
    """Between the two renames of a replacement the old set has its retired name."""
    retired = tmp_path / ".walk.retired"
    retired.mkdir()
    with hold(tmp_path / "walk", doing="sharded"), pytest.raises(WtoursError):
        shard_videos([walk], out=tmp_path, settings=SETTINGS, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == [retired.name]


# --- the executors alone


def double(task: int, told: Callable[[float], None]) -> None:
    told(task / 10)
    if task == 3:
        raise ValueError("three")
    if task == 99:
        os.kill(os.getpid(), signal.SIGKILL)
    told(float(task))


def test_processes_end_as_one_process_does() -> None:
    def ends(run: object) -> list[tuple[int, str]]:
        return sorted((number, str(fault)) for number, fault in run)  # type: ignore[attr-defined]

    told: dict[int, float] = {}
    here = ends(run_here(range(5), double, told=told.__setitem__))
    there = ends(run_in_processes(range(5), double, workers=2, told=lambda task, done: None))
    assert here == there == [(n, "three" if n == 3 else "None") for n in range(5)]
    assert told == {0: 0, 1: 1, 2: 2, 3: 0.3, 4: 4}


def test_killed_worker_is_told() -> None:
    with pytest.raises(WtoursError, match=r"a worker was killed.*fewer --workers"):
        list(run_in_processes([99, 99], double, workers=2, told=lambda task, done: None))


PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
from wtours.one_run import hold
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
if __name__ == "__main__":
    settings = ShardSettings(fps=Fraction(5), short_side_px=60, tar_s=1.0, blur=None)
    walk, out, workers = sys.argv[1:]
    shard_videos([walk], out=out, settings=settings, workers=int(workers))
"""


def children_of(process: int) -> set[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in listed.stdout.split()}


def kill_and_go_on(walk: Path, out: Path, once: dict[str, bytes], seed: int, workers: int) -> None:
    """Kill a run at a random moment, with no chance to tidy up; the next one completes it."""
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(walk), str(out), str(workers)])
    time.sleep(random.Random(seed).uniform(0.5, 3.0))
    left = children_of(child.pid)
    child.kill()
    child.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/task").exists() for pid in left) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}/task").exists() for pid in left), "a worker outlives its run"
    shard_videos([walk], out=out, settings=SETTINGS, workers=1)
    assert content(out / "walk") == once
    assert [path.name for path in out.iterdir()] == ["walk"]


@pytest.mark.parametrize("seed", range(2))
def test_killed_run_is_completed_by_the_next(
    walk: Path, tmp_path: Path, once: dict[str, bytes], seed: int
) -> None:
    kill_and_go_on(walk, tmp_path, once, seed, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 20))
def test_many_killed_runs_are_completed_by_the_next(
    walk: Path, tmp_path: Path, once: dict[str, bytes], seed: int
) -> None:
    kill_and_go_on(walk, tmp_path, once, seed, workers=1 + seed % 2)
