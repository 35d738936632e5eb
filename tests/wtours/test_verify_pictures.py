"""Black, blank and still pictures are found with their times, and nothing else is."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.wtours.verify_videos import Shown, write_walk
from wtours.integrity import Stretch, verify_video
from wtours.integrity.looks import Looks, borders, first_choice, widest_gaps
from wtours.integrity.stretches import Look, Run, emptiness, find_runs, find_stretches
from wtours.sample_walk import render_sample_walk

VP9 = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "60k"}}


def stretches(path: Path, **walk: Any) -> tuple[Stretch, ...]:
    return verify_video(write_walk(path, **walk)).stretches


@pytest.mark.parametrize("kind", ["black", "frozen", "green"])
@pytest.mark.parametrize(
    ("start_s", "end_s"), [(25, 40), (8, 23), (0, 14)], ids=["tail", "middle", "head"]
)
def test_defect_of_fifteen_seconds_is_a_fault_with_its_times(
    tmp_path: Path, kind: str, start_s: float, end_s: float
) -> None:
    if kind == "frozen":
        start_s = max(start_s, 0.1)  # something has to be shown before it stands still
    path = write_walk(tmp_path / "walk.mp4", shows=[(kind, start_s, end_s)])
    found = verify_video(path)
    (stretch,) = found.stretches
    assert stretch.kind == {"green": "blank"}.get(kind, kind)
    assert start_s - 0.11 <= stretch.start_s <= start_s + 3
    assert end_s - 5 <= stretch.end_s <= end_s
    (sentence,) = found.faults
    what = {"black": "is black", "frozen": "stands still", "green": "is of one colour"}[kind]
    assert f"its picture {what} from about 0:" in sentence
    assert not found.damaged


def test_short_black_tail_is_a_note(tmp_path: Path) -> None:
    found = verify_video(write_walk(tmp_path / "walk.mp4", shows=[("black", 35, 40)]))
    assert found.faults == ()
    assert "its picture is black from about 0:35.0 to 0:40.0" in found.notes[0]


def test_tail_after_the_last_keyframe_is_seen(tmp_path: Path) -> None:
    """Where the last group of pictures is cheap enough to be decoded wholly."""
    walk = {"duration_s": 240, "keyframe_s": 2, "shows": [("black", 238.7, 240)]}
    (stretch,) = stretches(tmp_path / "walk.mp4", **walk)
    assert (stretch.start_s, stretch.end_s) == (pytest.approx(238.7, abs=0.6), 240)
    walk = {"duration_s": 120, "keyframe_s": 20, "shows": [("black", 102, 120)]}
    found = verify_video(write_walk(tmp_path / "walk.mp4", **walk))  # 200 pictures are too many
    assert found.stretches == ()
    assert "keyframes that could be looked at are up to 20.0 s apart" in found.notes[0]


CODINGS: dict[str, dict[str, Any]] = {
    "good": {"options": {"crf": "18"}},
    "poor": {"options": {"crf": "36"}},
    "rationed": {"options": {"b": "40k"}},
    "grain": {"options": {"crf": "26"}, "grain": 1.0},
    "vp9": VP9,
    "mpeg4": {"codec": "mpeg4", "options": {"b": "100k"}},
}


@pytest.mark.parametrize("name", ["walk.mp4", "walk.mkv", "walk.avi", "walk.ts", "walk.mov"])
def test_black_tail_is_found_in_every_container(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    found = verify_video(write_walk(tmp_path / name, codec=codec, shows=[("black", 25, 40)]))
    (stretch,) = found.stretches
    assert (stretch.kind, found.keyframes) == ("black", 12)
    assert stretch.start_s == pytest.approx(25, abs=0.2)
    assert stretch.end_s == pytest.approx(40, abs=0.2)


@pytest.mark.parametrize("coding", CODINGS)
def test_still_tail_is_found_however_it_is_coded(tmp_path: Path, coding: str) -> None:
    shows: list[Shown] = [("frozen", 20, 40)]
    (stretch,) = stretches(tmp_path / "walk.mkv", shows=shows, **CODINGS[coding])
    assert stretch.kind == "frozen"
    assert stretch.start_s < 27
    assert stretch.end_s == pytest.approx(40, abs=0.2)


@pytest.mark.parametrize(
    "walk",
    [
        {"shows": [("fade", 10, 12)]},
        {"shows": [("fade", 10.5, 12.5), ("fade", 30, 32)]},
        {"darkness": 0.15, "grain": 3.0},
        {"darkness": 0.15, "options": {"crf": "36"}},
        {"keyframe_s": 7},
        *CODINGS.values(),
    ],
)
def test_good_walk_has_no_stretches(tmp_path: Path, walk: dict[str, Any]) -> None:
    found = verify_video(write_walk(tmp_path / "walk.mkv", **walk))
    assert (found.stretches, found.faults, found.notes) == ((), (), ())


def test_rare_keyframes_are_noted(tmp_path: Path) -> None:
    found = verify_video(write_walk(tmp_path / "walk.mp4", keyframe_s=50))
    assert found.keyframes == 1
    assert "its keyframes that could be looked at are up to 40.0 s apart" in found.notes[0]


def test_damaged_keyframe_is_found(tmp_path: Path) -> None:
    path = write_walk(tmp_path / "walk.mp4", duration_s=10)
    with av.open(str(path)) as container:
        keyframes = [p for p in container.demux(video=0) if p.is_keyframe and p.size]
    content = bytearray(path.read_bytes())
    end = keyframes[4].pos + keyframes[4].size
    content[end - 900 : end] = bytes(900)
    path.write_bytes(content)
    found = verify_video(path)
    assert found.damaged
    assert "its picture at 0:04.0 cannot be decoded" in found.faults[0]


def test_keyframes_that_show_nothing_by_themselves_are_a_note(tmp_path: Path) -> None:
    """Some codings refresh pictures bit by bit, and damage nothing by it."""
    path = write_walk(tmp_path / "walk.mp4", options={"x264-params": "intra-refresh=1:keyint=10"})
    found = verify_video(path)
    assert (found.faults, found.damaged) == ((), False)
    assert "keyframes could not be looked at" in found.notes[0]


@pytest.mark.media
def test_part_of_a_real_walk_that_is_repeated_is_found(media: Path, tmp_path: Path) -> None:
    """Of every recording that is long enough, its last picture follows for twenty seconds more."""
    for name in ("walk_garden_a.mp4", "highway_720p.mp4"):
        with av.open(str(media / name)) as source:
            frames = [
                frame.reformat(width=160, height=90).to_ndarray(format="rgb24")
                for frame, _ in zip(source.decode(video=0), range(120), strict=False)
            ]
        path = tmp_path / name
        with av.open(str(path), "w") as target:
            stream = target.add_stream("libx264", rate=10, options={"g": "20", "crf": "30"})
            stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
            for image in [*frames, *[frames[-1]] * 200]:
                target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            target.mux(stream.encode())
        (stretch,) = verify_video(path).stretches
        assert stretch.kind == "frozen", name
        assert stretch.start_s == pytest.approx(len(frames) / 10, abs=4), name
        assert stretch.end_s == pytest.approx(len(frames) / 10 + 20), name


@pytest.mark.slow
def test_sample_walk_passes_and_its_defects_do_not(tmp_path: Path) -> None:
    """The rendered walk itself, and black and still tails that are put behind it."""
    walk = tmp_path / "walk.mp4"
    render_sample_walk(walk, width=320, height=180)
    found = verify_video(walk)
    assert (found.faults, found.notes, found.stretches) == ((), (), ())
    for kind in ("black", "frozen"):
        with av.open(str(walk)) as source, av.open(str(tmp_path / "tail.mp4"), "w") as target:
            stream = target.add_stream("libx264", rate=30, options={"preset": "superfast"})
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            image: NDArray[np.uint8] = np.zeros((180, 320, 3), dtype=np.uint8)
            for frame in source.decode(video=0):
                image = frame.to_ndarray(format="rgb24")
                target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            tail = image if kind == "frozen" else np.zeros_like(image)
            for _ in range(30 * 30):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(tail, format="rgb24")))
            target.mux(stream.encode())
        found = verify_video(tmp_path / "tail.mp4")
        (stretch,) = found.stretches
        assert (stretch.kind, len(found.faults)) == (kind, 1)
        assert stretch.start_s == pytest.approx(75, abs=9)  # a keyframe every 8.3 s
        assert stretch.end_s == pytest.approx(105)


def _picture(value: int) -> NDArray[np.uint8]:
    """Return a busy picture that differs for each value; black for 0, green for 1."""
    if value < 2:
        return np.full((36, 64, 3), (0, 135 * value, 0), dtype=np.uint8)
    return np.random.default_rng(value).integers(0, 255, (36, 64, 3), dtype=np.uint8)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_runs_are_those_of_a_plain_search(values: list[int]) -> None:
    looks = [Look(time_s=float(at), picture=_picture(value)) for at, value in enumerate(values)]
    kinds = [{0: "black", 1: "blank"}.get(value, "seen") for value in values]
    plain = []
    start = 0
    for at in range(1, len(values) + 1):
        if at == len(values) or values[at] != values[start]:
            if kinds[start] != "seen":
                plain.append(Run(kind=kinds[start], first=start, last=at - 1))
            elif at - 1 > start:
                plain.append(Run(kind="frozen", first=start, last=at - 1))
            start = at
    assert find_runs(looks) == plain
    for stretch in find_stretches(looks, end_s=len(values) + 0.5, tail_seen=True):
        assert stretch.end_s - stretch.start_s >= 1


def test_dark_pictures_with_a_lamp_are_not_black() -> None:
    picture = np.full((36, 64, 3), 6, dtype=np.uint8)
    assert emptiness(picture) == "black"
    picture[4:8, 10:20] = 90
    assert emptiness(picture) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=400), st.integers(2, 60))
def test_first_choice_is_spread_and_within_the_budget(steps: list[int], budget: int) -> None:
    times = np.cumsum(np.asarray(steps, dtype=np.int64))
    sizes = np.asarray(steps, dtype=np.float64) ** 4
    chosen = first_choice(times, sizes, budget)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= max(budget, 2)
    assert {chosen[0], chosen[-1]} == {0, len(times) - 1}
    tried = set(chosen)
    while gaps := widest_gaps(tried, times):
        widest = max(times[b] - times[a] for a, b in pairwise(sorted(tried)) if b - a > 1)
        assert any(
            times[a] < times[gaps[0]] < times[b] and times[b] - times[a] == widest
            for a, b in pairwise(sorted(tried))
        )
        tried.add(gaps[0])
    assert tried == set(range(len(times)))


def test_borders_are_halved() -> None:
    looks = Looks(seen={n: Look(time_s=n, picture=_picture(2)) for n in (0, 8, 16, 24)})
    assert borders(looks, [Run(kind="black", first=1, last=2)]) == [4, 20]
    assert borders(looks, [Run(kind="frozen", first=1, last=2)]) == [4, 12, 20]
    assert borders(looks, [Run(kind="black", first=0, last=3)]) == []
