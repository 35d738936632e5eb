"""Fine-tuning as a part of the suite: data sets are columns, and long ones are left out."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from dora.cli import main
from dora.eval import suite_parts
from dora.eval.loading import random_backbone
from dora.eval.suite import run_suite
from dora.eval.suite_data import parse_data
from dora.eval.suite_page import write_suite_page
from dora.eval.suite_parts import SuitePart, finetune_part
from dora.finetune import estimate
from dora.finetune.estimate import estimate_seconds
from dora.finetune.finetune import evaluate_finetune
from dora.finetune.recipe import short_recipe, shortened
from tests.dora.eval.tiny_networks import ON_CPU, TINY, tiny_network
from tests.dora.finetune.tiny_datasets import write_cifar10

PART = finetune_part("cifar10", preset="short")


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    write_cifar10(tmp_path / "data" / "cifar10")
    return tmp_path / "data"


@pytest.fixture
def quick_part(monkeypatch: pytest.MonkeyPatch) -> SuitePart:
    """Two epochs, read in this process: others take seconds to begin."""
    recipe = shortened(short_recipe(), 2)
    monkeypatch.setattr(suite_parts, "recipe_for", lambda *_: recipe)
    monkeypatch.setattr(suite_parts, "evaluate_finetune", partial(evaluate_finetune, readers=0))
    return finetune_part("cifar10", preset="short")


@pytest.mark.usefixtures("one_thread")
def test_data_set_is_a_column_that_names_its_recipe(
    quick_part: SuitePart, datasets: Path, tmp_path: Path
) -> None:
    given = parse_data([f"finetune={datasets}"], [quick_part])
    run = partial(
        run_suite,
        [tiny_network()],
        given.folders,
        parts=[quick_part],
        computing=ON_CPU,
        records=tmp_path / "records",
        limit_s=3600.0,
    )
    (found,) = run()
    recipe = replace(shortened(short_recipe(), 2), image_px=32)
    folder = datasets / "cifar10"
    alone = evaluate_finetune(
        tiny_network(), "cifar10", folder, recipe=recipe, computing=ON_CPU, readers=0
    )
    assert found.record is not None
    assert found.record["measured"] == alone.measured
    assert found.record["losses"] == list(alone.losses)
    page, table = write_suite_page(tmp_path, [found], parts=[quick_part], data=given)
    assert "| network | CIFAR-10 (short recipe, 2 epochs) | closest row |" in table.read_text()
    assert f"| untrained 0 | {alone.measured['CIFAR-10']:.1f} |" in table.read_text()
    html = page.read_text()
    assert "fine-tuned, top 1; here short recipe, 2 epochs" in html
    assert "the short recipe is not the paper&#39;s" in html
    assert run()[0].reused


def test_fine_tuning_that_would_take_too_long_is_left_out(datasets: Path, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it was begun")

    part = replace(PART, run=refuse, estimate_s=lambda *_: 7200.0)
    given = parse_data([f"finetune={datasets}"], [part])
    found = run_suite(
        [tiny_network()],
        given.folders,
        parts=[part],
        computing=ON_CPU,
        records=tmp_path / "records",
        limit_s=3600.0,
    )
    why = (
        "it would take about 2 hours without reading pictures (short recipe, 20 epochs), "
        "and may take 60 minutes"
    )
    assert [(m.record, m.fault, m.left_out) for m in found] == [(None, None, why)]
    page, table = write_suite_page(tmp_path, found, parts=[part], data=given)
    assert "| untrained 0 | left out |" in table.read_text()
    assert f"- untrained 0: finetune-cifar10: {why}" in table.read_text()
    assert f"left out: {why}" in page.read_text()
    assert not (tmp_path / "records").exists()


def test_estimate_counts_what_is_trained_and_scored(
    datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_network()
    before = {name: value.clone() for name, value in network.network.state_dict().items()}
    arguments = (network, "cifar10", datasets / "cifar10")
    recipe = replace(short_recipe(), image_px=32, epochs=7, score_every=3)
    assert estimate_seconds(*arguments, recipe=recipe, computing=ON_CPU) > 0
    for name, value in network.network.state_dict().items():
        assert torch.equal(value, before[name])
    monkeypatch.setattr(estimate, "_time_picture", lambda *_: 1.0)
    # Ten pictures in each of 7 epochs, two test pictures after epochs 3, 6 and 7.
    found = estimate_seconds(*arguments, recipe=recipe, computing=ON_CPU)
    assert found == pytest.approx(7 * 10 + 3 * 2 / 3)
    monkeypatch.setattr(estimate, "world_size", lambda: 2)
    halved = estimate_seconds(*arguments, recipe=recipe, computing=ON_CPU)
    assert halved == pytest.approx(found / 2)


def test_data_set_that_is_not_whole_fails_alone(datasets: Path, tmp_path: Path) -> None:
    (datasets / "cifar10" / "cifar-10-batches-py" / "data_batch_3").unlink()
    given = parse_data([f"finetune={datasets}"], [PART])
    for limit_s in (None, 3600.0):
        (found,) = run_suite(
            [tiny_network()],
            given.folders,
            parts=[PART],
            computing=ON_CPU,
            records=tmp_path / "records",
            limit_s=limit_s,
        )
        assert found.fault is not None
        assert "lacks data_batch_3" in found.fault


def test_recipes_are_kept_apart_and_the_published_one_is_named_by_nothing() -> None:
    paper, short = (finetune_part("cars", preset=preset) for preset in ("paper", "short"))
    assert (paper.way, short.way) == ("as published", "short recipe, 20 epochs")
    assert paper.columns == short.columns == ("Cars",)


def test_command_says_what_it_leaves_out(datasets: Path, tmp_path: Path, command) -> None:
    torch.save(random_backbone(TINY, seed=3).state_dict(), tmp_path / "tiny.pth")
    words = ["eval", "suite", "--weights", "tiny.pth", "--heads", 2, "--out", "suite"]
    status, out, err = command(
        main, *words, "--data", f"finetune={datasets}", "--finetune-hours", 0, "--device", "cpu"
    )
    assert status == 0, err
    assert out.split() == ["suite/index.html", "suite/table.md"]
    table = (tmp_path / "suite" / "table.md").read_text()
    assert "| tiny.pth: bare state dict | left out | nothing |" in table
    assert "- linear: no data were given (--data linear=FOLDER)" in table
    assert f"- finetune-cars: {datasets} has no folder cars" in table
