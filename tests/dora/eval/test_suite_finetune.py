"""Fine-tuning as a part of the suite: data sets are columns, and long ones are left out."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from dora.cli import main
from dora.eval import kept_training, suite, suite_parts
from dora.eval.computing import Computing
from dora.eval.loading import open_network, random_backbone
from dora.eval.suite import run_suite
from dora.eval.suite_data import SuiteData, parse_data
from dora.eval.suite_page import write_suite_page
from dora.eval.suite_parts import SuitePart, finetune_part
from dora.finetune.estimate import Estimate
from dora.finetune.finetune import evaluate_finetune
from dora.finetune.recipe import short_recipe, shortened
from dora.finetune.training import Stepper
from tests.dora.eval.stopping import StoppedByTestError, stopping
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
    assert "<small>fine-tuned, top 1; short recipe, 2 epochs</small>" in html
    assert "the short recipe is not the paper&#39;s" in html
    assert run()[0].reused


def test_fine_tuning_that_would_take_too_long_is_left_out(datasets: Path, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it was begun")

    long = Estimate(computing_s=7.0, reading_s=7200.0)
    part = replace(PART, run=refuse, estimate=lambda *_: long)
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
        "it would take about 2 hours of reading pictures (short recipe, 20 epochs), "
        "and may take 60 minutes"
    )
    assert [(m.record, m.fault, m.left_out) for m in found] == [(None, None, why)]
    page, table = write_suite_page(tmp_path, found, parts=[part], data=given)
    assert "| untrained 0 | left out |" in table.read_text()
    assert f"- untrained 0: finetune-cifar10: {why}" in table.read_text()
    assert f"left out: {why}" in page.read_text()
    assert not (tmp_path / "records").exists()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("after", [1, None])
def test_fine_tuning_that_was_begun_or_is_done_is_taken_whatever_the_limit(
    quick_part: SuitePart,
    datasets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int | None,
) -> None:
    """Stopped after a step, or done; its record is gone."""
    monkeypatch.setattr(kept_training, "SAVE_EVERY_S", 0.0)
    run = partial(
        run_suite,
        [tiny_network()],
        {"finetune-cifar10": datasets / "cifar10"},
        parts=[quick_part],
        computing=replace(ON_CPU, cache=tmp_path / "kept"),
    )
    assert run(records=tmp_path / "left out", limit_s=0.0)[0].left_out is not None
    (expected,) = run_suite(
        [tiny_network()],
        {"finetune-cifar10": datasets / "cifar10"},
        parts=[quick_part],
        computing=ON_CPU,
        records=tmp_path / "expected",
    )
    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", stopping(Stepper.step, after=2 if after is None else after))
        with nullcontext() if after is None else pytest.raises(StoppedByTestError):
            run(records=tmp_path / "first")
    left = stopping(Stepper.step, after=0 if after is None else 2 - after)
    monkeypatch.setattr(Stepper, "step", left)
    (found,) = run(records=tmp_path / "again", limit_s=0.0)
    assert found.record is not None
    assert expected.record is not None
    assert found.record["losses"] == expected.record["losses"]


def test_cost_is_that_of_the_evaluation_and_not_of_its_estimate(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []

    class Watched(suite.Meter):
        def __init__(self, computing: Computing) -> None:
            events.append("metered")
            super().__init__(computing)

    monkeypatch.setattr(suite, "Meter", Watched)
    knn = suite_parts.suite_parts(short=True)[1]
    part = replace(knn, estimate=lambda *_: events.append("estimated"))
    run_suite(
        [tiny_network()],
        {"knn": colours},
        parts=[part],
        computing=ON_CPU,
        records=tmp_path,
        limit_s=1.0,
    )
    assert events == ["estimated", "metered"]


def test_batch_tells_fine_tunings_apart_where_paths_are_drawn_by_pass() -> None:
    assert PART.batch_that_counts is not None
    computing = replace(ON_CPU, batch=7)
    assert PART.batch_that_counts(tiny_network(), computing) is None
    assert PART.batch_that_counts(open_network("timm:test_vit@random"), computing) == 7


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


def test_recipes_are_kept_apart_and_each_is_named(tmp_path: Path) -> None:
    paper, short = (finetune_part("inat19", preset=preset) for preset in ("paper", "short"))
    assert (paper.way, short.way) == ("paper recipe, 360 epochs", "short recipe, 20 epochs")
    assert paper.columns == short.columns == ("iNat-19",)
    given = SuiteData(folders={paper.name: tmp_path}, left_out=())
    page, table = write_suite_page(tmp_path, [], parts=[paper], data=given)
    assert "| network | iNat-19 (paper recipe, 360 epochs) | closest row |" in table.read_text()
    assert "<small>fine-tuned, top 1; paper recipe, 360 epochs</small>" in page.read_text()


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
    (left_out,) = [line for line in err.splitlines() if line.startswith("left out: ")]
    assert f"- {left_out.removeprefix('left out: ')}" in table.splitlines()
    without = table.count("\n- ") - 1
    assert without == 4 + 6
    assert f"evaluations without data: {without}, listed in suite/table.md" in err.splitlines()
