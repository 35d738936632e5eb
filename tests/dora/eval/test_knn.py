import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch.nn import functional

from dora.errors import DoraError
from dora.eval import knn
from dora.eval.computing import Computing, Meter
from dora.eval.knn import KnnResult, evaluate_knn, score_knn
from dora.eval.paper_numbers import closest_row
from dora.eval.records import knn_table, make_record, write_record
from tests.dora.eval.tiny_networks import ON_CPU, tiny_network
from tests.references import knn as plain


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
    piece=st.sampled_from([1, 4, 10_000]),
)
def test_scores_equal_those_of_plain_loops(
    seed: int, classes: int, temperature: float, piece: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    train, train_labels = clustered(generator, pictures=25, classes=classes)
    val, val_labels = clustered(generator, pictures=12, classes=classes)
    ks = (1, 3, 7, 25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "_QUERIES", piece)
        patch.setattr(knn, "_TRAIN_ROWS", piece + 2)
        # In float64, where exp(1 / 0.001) of the plain version stays finite in Python too.
        scores = score_knn(
            torch.split(train.double(), 7),
            train_labels,
            torch.split(val.double(), 5),
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
    arguments = ([train], torch.tensor([1, 0, 0, 0]), [query], torch.tensor([1]))
    (score,) = score_knn(*arguments, classes=2, ks=(4,))
    assert score.top1 == 1
    flat = score_knn(*arguments, classes=2, ks=(4,), temperature=100.0)
    assert flat[0].top1 == 0
    assert flat[0].top5 == 1


def test_class_without_a_vote_is_not_among_the_top_five() -> None:
    train = functional.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    labels = torch.zeros(4, dtype=torch.int64)
    (score,) = score_knn([train], labels, [train[:1]], torch.tensor([1]), classes=2, ks=(3,))
    assert (score.top1, score.top5) == (0, 0)


def score(folder: Path, computing: Computing = ON_CPU, **options: object) -> KnnResult:
    return evaluate_knn(tiny_network(), folder, computing=computing, **options)


def test_folder_of_separable_classes_is_solved_and_the_record_says_all(
    colours: Path, tmp_path: Path
) -> None:
    meter = Meter(ON_CPU)
    result = score(colours, ks=(1, 5, 20))
    assert [s.top1 for s in result.scores] == pytest.approx([1, 1, result.scores[2].top1])
    assert [s.k_used for s in result.scores] == [1, 5, 12]
    assert "has 2 classes, not 1000" in result.notes[0]
    assert "side in px is 32, and 224" in result.notes[1]
    assert result.notes[2:] == ("k = 20 is more than the 12 training pictures, which all vote",)
    path = tmp_path / "made" / "knn.json"
    network = tiny_network()
    row = closest_row(network)
    write_record(path, make_record(result, evaluated=network, cost=meter.cost(), beside=row))
    record = json.loads(path.read_text())
    assert (record["weights"], record["image_px"], record["resize_px"]) == ("untrained 0", 32, 37)
    assert (record["classes"], record["train_images"], record["val_images"]) == (2, 12, 6)
    assert record["scores"][0] == {"k": 1, "k_used": 1, "top1": 1.0, "top5": 1.0}
    assert record["measured"] == {"k-NN": 100 * result.scores[2].top1}
    assert record["paper"]["row"] == "untrained ViT-S"
    assert record["network"]["sha256"] == network.sha256
    assert record["cost"]["device"] == "cpu"
    assert record["cost"]["peak_memory_mib"] > 50
    assert [entry.name for entry in path.parent.iterdir()] == ["knn.json"]
    console = Console(width=100, record=True)
    console.print(knn_table({"untrained": result}))
    assert "100.0" in console.export_text()


def test_without_the_papers_k_it_is_said_which_one_stands_beside_its_number(
    colours: Path,
) -> None:
    result = score(colours, ks=(1, 5))
    assert "what stands beside its number is k = 5" in result.notes[-1]
    assert result.measured == {"k-NN": 100 * result.scores[1].top1}
    assert not any("beside" in note for note in score(colours, ks=(5, 20)).notes)


def test_picture_side_is_the_native_one_unless_given(colours: Path) -> None:
    assert score(colours, ks=(1,)).image_px == 32
    assert score(colours, ks=(1,), image_px=48).image_px == 48


def test_number_beside_the_papers_is_that_of_its_k() -> None:
    ks = (5, 20, 200)
    scores = tuple(knn.KnnScore(k=k, k_used=k, top1=k / 1000, top5=1.0) for k in ks)
    result = KnnResult(
        data="d",
        scores=scores,
        classes=2,
        train_images=500,
        val_images=9,
        temperature=0.07,
        image_px=224,
        resize_px=256,
        features=(),
        notes=(),
    )
    assert result.measured == {"k-NN": pytest.approx(2)}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"ks": ()}, "k is"),
        ({"ks": (5, 0)}, "k is"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"image_px": 36}, "36 px do not divide"),
        ({"image_px": 0}, "0 px do not divide"),
    ],
)
def test_option_out_of_its_range_is_refused(colours: Path, options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        score(colours, **options)


def test_batches_of_nothing_are_refused() -> None:
    for options in ({"batch": 0}, {"workers": 0}):
        with pytest.raises(DoraError, match="batches of"):
            Computing(**options)


def test_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match="cannot be written"):
        write_record(tmp_path / "file" / "knn.json", {})


@pytest.mark.slow
def test_neighbours_agree_with_scikit_learn() -> None:
    """An independent judge, slow to import: weighted votes of the k nearest by cosine distance."""
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    generator = torch.Generator().manual_seed(4)
    train, train_labels = clustered(generator, pictures=300, classes=5)
    val, val_labels = clustered(generator, pictures=80, classes=5)
    (found,) = score_knn([train], train_labels, [val], val_labels, classes=5, ks=(11,))
    judge = neighbors.KNeighborsClassifier(
        11,
        metric="cosine",
        weights=lambda distances: torch.exp((1 - torch.from_numpy(distances)) / 0.07).numpy(),
    ).fit(train.numpy(), train_labels.numpy())
    assert found.top1 == pytest.approx(judge.score(val.numpy(), val_labels.numpy()))
