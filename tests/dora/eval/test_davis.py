import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from dora.errors import DoraError
from dora.eval.davis import DavisResult, evaluate_davis
from dora.eval.davis_folder import Truth
from dora.eval.davis_scores import mean_over_objects, score_sequence
from dora.eval.dense_tables import davis_table
from dora.eval.label_maps import write_labels
from dora.eval.propagation import PropagationConfig
from dora.eval.region_scores import OverTime
from dora.eval.video_masks import VideoMaskConfig, label_patches, label_pixels
from tests.dora.eval import dense_data
from tests.dora.eval.dense_networks import ON_CPU, PixelNetwork, pixel_network
from tests.references import davis_scores as plain

SIZE = (128, 64)
NEAREST = VideoMaskConfig(
    image_px=64, propagation=PropagationConfig(top_k=1, temperature=0.01, radius=12)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one = dense_data.moving_squares(frames=5, size=SIZE, step_px=8, side_px=24)
    two = dense_data.moving_squares(frames=4, size=SIZE, step_px=8, side_px=16, objects=2)
    return dense_data.davis(tmp_path / "data", {"walk": one, "run": two})


def evaluate(folder: Path, **options: object) -> DavisResult:
    return evaluate_davis(
        pixel_network(), folder, **{"config": NEAREST, "computing": ON_CPU, **options}
    )


def test_followed_squares_get_the_scores_of_their_masks(folder: Path, tmp_path: Path) -> None:
    result = evaluate(folder, masks=tmp_path / "masks")
    assert result.sequences == ("walk", "run")
    assert [(one.sequence, one.number, one.frames) for one in result.objects] == [
        ("walk", 1, 3),
        ("run", 1, 2),
        ("run", 2, 2),
    ]
    assert result.frames == 5
    # Nothing but the corners is lost, which bilinear shares round off.
    square = np.zeros((64, 128), dtype=np.uint8)
    square[8:32, 16:40] = 1
    found = label_pixels(label_patches(square, (16, 8)), SIZE, patch_px=8)
    nothing = np.zeros(square.shape, dtype=bool)
    j, f = (score(square > 0, found > 0, nothing) for score in (plain.region, plain.boundary))
    assert min(j, f) > 0.95
    assert result.objects[0].j == OverTime(mean=pytest.approx(j), recall=1, decay=0)
    assert result.objects[0].f == OverTime(mean=pytest.approx(f), recall=1, decay=0)
    assert result.measured == {"DAVIS J": 100 * result.j.mean, "DAVIS F": 100 * result.f.mean}
    assert result.j_and_f == (result.j.mean + result.f.mean) / 2
    # Every frame has a mask that the published tool can read, the first being the true one.
    written = sorted((tmp_path / "masks" / "walk").iterdir())
    assert [path.name for path in written] == [f"0000{i}.png" for i in range(5)]
    with Image.open(written[2]) as mask:
        assert mask.mode == "P"
        assert set(np.unique(np.array(mask))) == {0, 1}
    json.dumps(dataclasses.asdict(result))


def test_scores_are_those_of_plain_loops_without_first_and_last_frame() -> None:
    generator = np.random.default_rng(3)
    true = [generator.integers(0, 3, (20, 30)).astype(np.uint8).repeat(2, 0) for _ in range(7)]
    for labels in true:
        labels[:5] = 255
    masks = [np.roll(labels, 1, axis=1) % 255 for labels in true]
    score = score_sequence("walk", Truth(labels=tuple(true), objects=2, single=False), masks)
    assert (score.frames, score.void_pixels) == (5, 5 * 5 * 30)
    for one in score.objects:
        for measure, over_time in ((plain.region, one.j), (plain.boundary, one.f)):
            values = [
                measure(a == one.number, b == one.number, a == 255)
                for a, b in zip(true[1:-1], masks[1:-1], strict=True)
            ]
            assert dataclasses.astuple(over_time) == pytest.approx(plain.summary(values))


def test_set_is_the_mean_over_objects_whatever_their_sequences() -> None:
    measures = [OverTime(mean=m, recall=r, decay=d) for m, r, d in ((1, 1, 0), (0, 0, 0.5))]
    assert mean_over_objects(measures) == OverTime(mean=0.5, recall=0.5, decay=0.25)


def test_finished_sequences_are_not_done_again(folder: Path, tmp_path: Path) -> None:
    computing = dataclasses.replace(ON_CPU, cache=tmp_path / "cache")
    first = evaluate(folder, computing=computing)
    network = PixelNetwork()
    again = dataclasses.replace(pixel_network(), network=network)
    options = {"config": NEAREST, "computing": computing}
    assert evaluate_davis(again, folder, **options) == first
    assert network.calls == 0
    # Masks that were not asked for then are now: the sequence is done again.
    evaluate_davis(again, folder, **options, masks=tmp_path / "masks", names=["walk"])
    assert network.calls == 5
    evaluate_davis(again, folder, **options, masks=tmp_path / "masks", names=["walk"])
    assert network.calls == 5
    # So is one with another file, and all with other settings.
    path = folder / "DAVIS" / "Annotations" / "480p" / "run" / "00002.png"
    labels = np.array(Image.open(path))
    labels[-4:] = 255
    write_labels(path, labels)
    changed = evaluate_davis(again, folder, **options)
    assert network.calls == 9
    assert changed.objects[0] == first.objects[0]
    assert any("512 void pixels were not counted" in note for note in changed.notes)
    options["config"] = VideoMaskConfig(image_px=64)
    evaluate_davis(again, folder, **options)
    assert network.calls == 18


def test_damaged_record_of_a_finished_sequence_is_named(folder: Path, tmp_path: Path) -> None:
    computing = dataclasses.replace(ON_CPU, cache=tmp_path / "cache")
    evaluate(folder, computing=computing, names=["walk"])
    (kept,) = (tmp_path / "cache").rglob("walk.json")
    whole = json.loads(kept.read_text())
    other = {"files": whole["files"], "result": {"frames": whole["result"]["frames"]}}
    for text in ("{", "[]", json.dumps(other), json.dumps({**whole, "result": [1]})):
        kept.write_text(text)
        with pytest.raises(DoraError, match=r"walk\.json is damaged") as caught:
            evaluate(folder, computing=computing, names=["walk"])
        assert "remove the file" in caught.value.remedy


def test_masks_of_255_and_named_sequences_are_told(folder: Path) -> None:
    for path in (folder / "DAVIS" / "Annotations" / "480p" / "walk").iterdir():
        Image.fromarray(255 * np.array(Image.open(path))).save(path)
    result = evaluate(folder, names=["walk"])
    assert result.split == "named"
    assert [note.split(":")[0] for note in result.notes] == [
        "image_px is 64, and 480 in DINO's protocol",
        "top_k is 1, and 5 in DINO's protocol",
        "temperature is 0.01, and 0.1 in DINO's protocol",
        "masks of walk hold 0 and 255 alone, as in DAVIS 2016",
        "sequences were named",
    ]
    assert result.f.mean > 0.95


def test_table_has_a_row_an_object(folder: Path) -> None:
    console = Console(width=120, record=True)
    console.print(davis_table(evaluate(folder)))
    text = console.export_text()
    assert [text.count(name) for name in ("walk, 1", "run, 1", "run, 2", "mean over objects")] == (
        [1] * 4
    )


def test_pictures_show_frames_and_a_video(folder: Path, tmp_path: Path) -> None:
    evaluate(folder, names=["run"], pictures=tmp_path / "pictures")
    with Image.open(tmp_path / "pictures" / "run.png") as sheet:
        assert sheet.width > 4 * 320
    assert (tmp_path / "pictures" / "run.mp4").stat().st_size > 1000
