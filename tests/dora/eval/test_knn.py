import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from torch.nn import functional

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.eval import knn
from dora.eval.features import random_backbone
from dora.eval.knn import evaluate_knn, score_knn
from dora.eval.records import knn_table, write_record
from tests.references import knn as plain

TINY = ModelConfig(width=64, depth=2, heads=1, patch_px=8, image_px=32)


def clustered(generator: torch.Generator, *, pictures: int, classes: int) -> tuple:
    centres = torch.randn(classes, 6, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(classes, (pictures,), generator=generator)
    noise = torch.randn(pictures, 6, generator=generator)
    return functional.normalize(centres[labels] + 1.5 * noise, dim=1), labels


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    classes=st.integers(1, 9),
    temperature=st.sampled_from([0.001, 0.07, 5.0]),
    chunk=st.sampled_from([1, 50, 10_000]),
)
def test_scores_equal_those_of_plain_loops(
    seed: int, classes: int, temperature: float, chunk: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    train, train_labels = clustered(generator, pictures=25, classes=classes)
    val, val_labels = clustered(generator, pictures=12, classes=classes)
    ks = (1, 3, 7, 25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "_SIMILARITIES", chunk)
        # In float64, where exp(1 / 0.001) of the plain version stays finite in Python too.
        scores = score_knn(
            train.double(),
            train_labels,
            val.double(),
            val_labels,
            classes=classes,
            ks=ks,
            temperature=max(temperature, 0.002),
        )
    for score in scores:
        expected = plain.score(
            train.double().numpy(),
            train_labels.tolist(),
            val.double().numpy(),
            val_labels.tolist(),
            k=score.k,
            temperature=max(temperature, 0.002),
        )
        assert (score.top1, score.top5) == pytest.approx(expected)


def test_near_neighbours_outvote_many_far_ones() -> None:
    angles = torch.tensor([0.05, 0.9, 0.9, 0.9])
    train = torch.stack([angles.cos(), angles.sin()], dim=1)
    query = torch.tensor([[1.0, 0.0]])
    arguments = (train, torch.tensor([1, 0, 0, 0]), query, torch.tensor([1]))
    (score,) = score_knn(*arguments, classes=2, ks=(4,))
    assert score.top1 == 1
    flat = score_knn(*arguments, classes=2, ks=(4,), temperature=100.0)
    assert flat[0].top1 == 0
    assert flat[0].top5 == 1


def test_class_without_a_vote_is_not_among_the_top_five() -> None:
    train = functional.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    labels = torch.zeros(4, dtype=torch.int64)
    (score,) = score_knn(train, labels, train[:1], torch.tensor([1]), classes=2, ks=(3,))
    assert (score.top1, score.top5) == (0, 0)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of 32 px in two colours with noise: any network tells them apart."""
    folder = tmp_path_factory.mktemp("colours")
    generator = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 3)):
        for name, colour in (("blue", (20, 40, 220)), ("red", (220, 60, 20))):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(generator.normal(colour, 20, size=(32, 32, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(
                    folder / part / name / f"{number}.png"
                )
    return folder


def test_folder_of_separable_classes_is_solved_and_the_record_says_all(
    colours: Path, tmp_path: Path
) -> None:
    backbone = random_backbone(TINY, seed=0)
    result = evaluate_knn(backbone, colours, ks=(1, 5, 20), batch=5)
    assert [score.top1 for score in result.scores] == pytest.approx([1, 1, result.scores[2].top1])
    assert [score.k_used for score in result.scores] == [1, 5, 12]
    assert result.notes == ("k = 20 is more than the 12 training pictures, which all vote",)
    path = tmp_path / "made" / "knn.json"
    write_record(path, result, weights="untrained")
    record = json.loads(path.read_text())
    assert (record["weights"], record["image_px"], record["resize_px"]) == ("untrained", 32, 37)
    assert (record["classes"], record["train_images"], record["val_images"]) == (2, 12, 6)
    assert record["scores"][0] == {"k": 1, "k_used": 1, "top1": 1.0, "top5": 1.0}
    assert [entry.name for entry in path.parent.iterdir()] == ["knn.json"]
    console = Console(width=100, record=True)
    console.print(knn_table({"untrained": result}))
    assert "100.0" in console.export_text()


def test_picture_side_is_the_native_one_unless_given(colours: Path) -> None:
    backbone = random_backbone(TINY, seed=0)
    assert evaluate_knn(backbone, colours, ks=(1,)).image_px == 32
    assert evaluate_knn(backbone, colours, ks=(1,), image_px=48).image_px == 48


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"ks": ()}, "k is"),
        ({"ks": (5, 0)}, "k is"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"image_px": 36}, "36 px do not divide"),
        ({"batch": 0}, "batches of 0"),
        ({"image_px": 0}, "0 px do not divide"),
    ],
)
def test_option_out_of_its_range_is_refused(colours: Path, options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        evaluate_knn(random_backbone(TINY, seed=0), colours, **options)


def test_record_that_cannot_be_written_is_named(colours: Path, tmp_path: Path) -> None:
    result = evaluate_knn(random_backbone(TINY, seed=0), colours, ks=(1,))
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match="cannot be written"):
        write_record(tmp_path / "file" / "knn.json", result, weights="untrained")
