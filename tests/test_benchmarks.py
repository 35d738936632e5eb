"""The benchmarks run, and their own comparisons of outputs hold, in their smallest sizes."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loader, measure, shard, step
from benchmarks.clip_walk import BATCH_CLIPS, Made, prepare
from tests.video_making import panned, write_video


def record(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a record, once it is seen to be one."""
    written = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert written["benchmark"] == name
    assert {"cpu", "cores", "memory_gib", "python", "torch"} <= set(written["machine"])
    assert [path.name for path in folder.iterdir()] == [f"{name}.json"]
    rows = written["rows"]
    assert isinstance(rows, list)
    for row in rows:
        for value in row.values():
            if isinstance(value, list) and len(value) == 3:
                assert all(math.isfinite(one) for one in value)
                assert value == sorted(value)
    return rows


def test_sharding_is_timed_beside_ffmpeg(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = ["--duration-s", "2", "--height", "144", "--runs", "1", "--out", str(tmp_path)]
    shard.main(tokens)
    rows = record(tmp_path, "shard")
    assert [row["name"] for row in rows][-1] == "+ faces"
    assert rows[0]["beside_ffmpeg"] == [1, 1, 1]
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == [row["name"] for row in rows]


@pytest.fixture(scope="module")
def small_walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of five seconds, with a keyframe every two."""
    path = tmp_path_factory.mktemp("videos") / "walk.mp4"
    pictures = (panned(0, i // 2, size=(176, 144)) for i in range(300))
    return write_video(path, pictures, rate=60, options={"g": "120"})


# webdataset leaves the tar open that it is in when nobody asks for more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_loader_is_timed_beside_other_ways(tmp_path: Path, small_walk: Path) -> None:
    """Clips of all ways are compared before the clock starts."""
    out, work = tmp_path / "out", tmp_path / "work"
    tiny = ["--preset", "smoke", "--run-s", "0.02", "--runs", "1", "--workers", "1"]
    loader.main(["--video", str(small_walk), "--work", str(work), "--out", str(out), *tiny])
    rows = {row["name"]: row for row in record(out, "loader")}
    assert rows["loader, 1 worker"]["loader_beside_it"] == [1, 1, 1]
    asked = {name: row["asked"] for name, row in rows.items() if row.get("asked")}
    assert asked["bare decodes"] == 0.8
    assert asked["PyAV, opened and sought for each clip"] == 50
    assert asked["webdataset, independent clips"] == 4
    assert "webdataset, sequential window" in rows
    assert rows["first batch"]["s"][0] > 0
    for name in ("decord, opened for each clip", "torchcodec, kept open"):
        assert rows[name].get("absent") or rows[name]["clips_hz"]


def test_only_some_ways_are_compared_if_wanted() -> None:
    """Beside the loader with one worker, always."""
    ways = {**loader.our_ways(workers=2), **loader.other_ways()}
    assert list(loader.chosen_ways(ways, [])) == list(ways)
    bare = ["bare decodes", "bare decodes into the same memory", "loader, 1 worker"]
    assert list(loader.chosen_ways(ways, ["bare"])) == bare
    chosen = ["loader, 1 worker", "decord, opened for each clip"]
    assert list(loader.chosen_ways(ways, ["decord"])) == chosen


def test_ways_that_are_not_wanted_are_not_opened(
    tmp_path: Path, small_walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libraries of video they need is not asked for."""
    opened: list[str] = []

    def reader(name: str) -> Callable[[Path], Any]:
        def fail(video: Path) -> Any:
            opened.append(name)
            raise ImportError(name)

        return fail

    for name in ("pyav", "decord", "torchcodec"):
        monkeypatch.setattr(loader, f"{name}_reader", reader(name))
    monkeypatch.setattr(loader, "compare", lambda walk, ways, **of: [{"name": n} for n in ways])
    monkeypatch.setattr(loader, "first_batch", lambda walk, **of: {"name": "first batch"})
    work = ["--video", str(small_walk), "--work", str(tmp_path / "work"), "--preset", "smoke"]
    loader.main([*work, "--out", str(tmp_path / "out"), "--only", "bare", "decord"])
    assert opened == ["decord"]
    assert len(record(tmp_path / "out", "loader")) == 2 + 1 + 1 + 1


def test_a_word_that_no_way_has_in_its_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once: without a video, one would be made."""
    with pytest.raises(SystemExit) as end:
        loader.main(["--work", str(tmp_path), "--only", "bare", "decrod"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "--only decrod: no way has that in its name; bare decodes; " in said
    assert list(tmp_path.iterdir()) == []


def test_other_clips_stop_the_loaders_benchmark(tmp_path: Path, small_walk: Path) -> None:
    """A way that reads the pictures must give the very same."""
    walk = prepare(small_walk, tmp_path, preset="smoke")
    right = loader.loaded(walk, workers=0)

    def brighter(start: int) -> Iterator[Made]:
        for made in right(start):
            assert made.first is not None
            yield replace(made, first=made.first // 2 * 2 + 1)

    loader.require_same_clips(walk, {"loader": loader.Row(source=right)})
    with pytest.raises(AssertionError, match="levels"):
        loader.require_same_clips(walk, {"loader": loader.Row(source=brighter)})
    loader.require_same_clips(walk, {"PyAV": loader.Row(source=brighter)})

    def later(start: int) -> Iterator[Made]:
        """Right in the first batch, as memory that is used again would be."""
        yield from islice(right(start), BATCH_CLIPS)
        yield from islice(brighter(start), BATCH_CLIPS, None)

    with pytest.raises(AssertionError, match="levels"):
        loader.require_same_clips(walk, {"loader": loader.Row(source=later, together=BATCH_CLIPS)})


def test_the_step_is_timed_beside_the_published_structure(tmp_path: Path) -> None:
    """Losses of both are compared before the clock starts."""
    tiny = ["--sizes", "tiny", "--runs", "2", "--peak-tflops", "0.1", "--bare-eager"]
    step.main([*tiny, "--clips", "3", "--frames", "3", "--out", str(tmp_path)])
    ours, plain, bare = record(tmp_path, "step")
    names = {"teacher", "tracker", "student", "loss", "backward", "optimiser", "EMA", "the rest"}
    for row in (ours, plain):
        assert set(row["parts_ms"]) == names
        assert all(part > 0 for name, part in row["parts_ms"].items() if name != "the rest")
        assert (row["clips"], row["frames"]) == (3, 3)
        assert row["memory_mib"] > 0
        assert "paper_run_hours" not in row  # its networks are others
    assert ours["memory_mib"] < plain["memory_mib"]
    assert bare["tflop"] < ours["tflop"] < plain["tflop"]
    for row in (ours, plain, bare):
        share = row["tflop"] / (row["step_ms"][1] / 1000) / 0.1
        assert row["utilisation"] == pytest.approx(share, rel=0.02)


def test_the_paper_s_run_is_160_million_frames() -> None:
    assert step.paper_run_hours(1000.0) == {"1": 44.4, "8": 5.56}


def test_other_losses_stop_the_benchmark() -> None:
    losses = iter([1.0, 1.0, 1.0, 1.1])
    with pytest.raises(AssertionError, match="other losses"):
        step.require_same_losses(lambda: next(losses), lambda: next(losses), largest=1e-4)


def test_sources_take_turns() -> None:
    turns: list[str] = []
    sources = {name: lambda name=name: turns.append(name) for name in "ab"}
    passed_s = measure.alternate(sources, runs=2)
    assert turns == ["a", "b", "a", "b"]
    assert {name: len(times) for name, times in passed_s.items()} == {"a": 2, "b": 2}
