"""Fine-tuning from end to end: it learns, and it tells what it did."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dora.errors import DoraError
from dora.eval.computing import Meter, Precision
from dora.eval.loading import open_network
from dora.eval.paper_numbers import closest_row
from dora.eval.records import make_record, write_record
from dora.finetune.datasets import open_dataset
from dora.finetune.finetune import _notes, _notes_on_network, evaluate_finetune, finetune_table
from dora.finetune.order import Order
from dora.finetune.schedule import learning_rates
from tests.dora.eval.tiny_networks import tiny_network, write_colours
from tests.dora.finetune.tiny_datasets import write_cifar10
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE, came_to, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_separable_classes_are_learned_and_the_record_says_all(
    colours: Path, tmp_path: Path
) -> None:
    meter, network = Meter(COMPUTING), tiny_network()
    recipe = replace(
        TINY_RECIPE, epochs=8, mixup=0.0, cutmix=0.0, erasing=0.0, augment="", score_every=3
    )
    result = evaluate_finetune(
        network, "cifar10", colours, recipe=recipe, computing=COMPUTING, readers=0
    )
    assert [score.epoch for score in result.scores] == [3, 6, 8]
    assert result.last.top1 == result.best.top1 == 1
    assert result.losses[-1] < 0.5 * result.losses[0]
    assert result.measured == {"CIFAR-10": 100}
    assert (result.step_pictures, result.steps_per_epoch) == (6, 2)
    notes = " | ".join(result.notes)
    assert "short recipe is not the paper's" in notes
    assert "mixup is 0.0, and 0.8 in the short recipe" in notes
    assert "2 classes, not 10" in notes
    assert "best epoch" in finetune_table(result, label="tiny").columns[0]._cells
    record = make_record(result, evaluated=network, cost=meter.cost(), beside=closest_row(network))
    write_record(tmp_path / "finetune.json", record)
    stored = json.loads((tmp_path / "finetune.json").read_text())
    assert stored["recipe"]["layer_decay"] == 0.75
    assert stored["best"]["epoch"] == result.best.epoch
    assert stored["preset"] == "short"
    assert len(stored["losses"]) == 8


def test_evaluated_network_stays_as_it_was(colours: Path) -> None:
    network = tiny_network()
    evaluate_finetune(
        network, "cifar10", colours, recipe=TINY_RECIPE, computing=COMPUTING, readers=0
    )
    again = tiny_network()
    for name, value in network.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])


def test_runs_of_one_seed_are_equal_and_others_are_not(colours: Path) -> None:
    first = came_to(tune(colours))
    assert came_to(tune(colours)) == first
    assert came_to(tune(colours, replace(TINY_RECIPE, seed=1)))[1] != first[1]


def test_gradients_added_up_over_passes_are_those_of_one(colours: Path) -> None:
    whole, parts = (
        tune(colours, computing=replace(COMPUTING, batch=batch)).losses for batch in (100, 1)
    )
    assert parts == pytest.approx(whole, rel=1e-4)


def test_bf16_comes_near_to_float32(colours: Path) -> None:
    found = tune(colours, computing=replace(COMPUTING, precision="bf16")).losses
    assert found == pytest.approx(tune(colours).losses, rel=0.05)
    assert found != tune(colours).losses


def test_batches_in_memory_are_trained_on_like_files(tmp_path: Path) -> None:
    result = tune(write_cifar10(tmp_path))
    assert (result.layout, result.train_images) == ("python batches (cifar-10-batches-py)", 10)
    assert result.steps_per_epoch == 1


@pytest.mark.parametrize(
    ("weights", "noted"), [("timm:test_convnext@random", True), ("timm:test_vit@random", False)]
)
def test_network_without_stochastic_depth_is_said_to_have_none(weights: str, noted: bool) -> None:
    notes = _notes_on_network(open_network(weights), recipe=TINY_RECIPE)
    assert ["without stochastic depth" in note for note in notes] == [True] * noted
    assert not _notes_on_network(open_network(weights), recipe=replace(TINY_RECIPE, drop_path=0.0))


def test_learning_rate_that_rises_after_the_warm_up_is_noted(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path))
    noted = []
    for lr in (1e-5, 1e-2):
        recipe = replace(TINY_RECIPE, lr=lr, min_lr=1e-6)
        order = Order.of(recipe, pictures=10)
        notes = _notes(data, dataset="cifar10", recipe=recipe, order=order)
        rates = learning_rates(recipe, steps_per_epoch=9, step_pictures=order.step_pictures)
        rises = bool(rates[-1] > rates[len(rates) // 2])
        noted.append(any("after the warm-up it rises" in note for note in notes))
        assert noted[-1] == rises
    assert noted == [True, False]


def test_loss_that_is_no_number_ends_the_run(colours: Path) -> None:
    with pytest.raises(DoraError, match=r"the loss is .* in epoch 2") as caught:
        tune(colours, replace(TINY_RECIPE, lr=1e30, epochs=3, warmup_epochs=0.5))
    assert "--lr" in caught.value.remedy


@pytest.mark.parametrize("part", ["train", "val"])
def test_corrupt_picture_is_named(tmp_path: Path, part: str) -> None:
    write_colours(tmp_path)
    (tmp_path / part / "red" / "2.png").write_bytes(b"\x89PNG")
    with pytest.raises(DoraError, match=r"red/2\.png is no whole picture"):
        tune(tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_gpu_comes_near_to_the_cpu(colours: Path, precision: Precision) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    computing = replace(COMPUTING, device=torch.device("cuda"), precision=precision)
    expected = tune(colours).losses
    assert tune(colours, computing=computing).losses == pytest.approx(expected, rel=0.05)
