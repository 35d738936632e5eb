"""Fine-tuning from end to end: it learns, it goes on after a stop, and it tells what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dora.cli
from dora.errors import DoraError
from dora.eval import kept_training
from dora.eval.computing import Computing, Meter, Precision
from dora.eval.loading import open_network
from dora.eval.networks import DinoNetwork
from dora.eval.paper_numbers import closest_row
from dora.eval.records import make_record, write_record
from dora.finetune.crops import Group
from dora.finetune.datasets import open_dataset
from dora.finetune.finetune import (
    FinetuneResult,
    _about,
    _notes,
    _notes_on_network,
    evaluate_finetune,
    finetune_table,
)
from dora.finetune.network import trainable
from dora.finetune.order import Order
from dora.finetune.recipe import Recipe, short_recipe
from dora.finetune.schedule import learning_rates
from dora.finetune.scoring import score
from dora.finetune.training import Stepper
from tests.dora.eval.tiny_networks import tiny_network, write_colours
from tests.dora.finetune.tiny_datasets import write_cifar10

TINY_RECIPE = replace(
    short_recipe(),
    epochs=2,
    warmup_epochs=1,
    step_pictures=6,
    mixed_pictures=4,
    lr=0.05,
    image_px=32,
)
COMPUTING = Computing(batch=4, workers=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute as processes of one thread do: sums depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours"))


def tune(
    folder: Path,
    recipe: Recipe = TINY_RECIPE,
    computing: Computing = COMPUTING,
    *,
    readers: int = 0,
) -> FinetuneResult:
    return evaluate_finetune(
        tiny_network(), "cifar10", folder, recipe=recipe, computing=computing, readers=readers
    )


def came_to(result: FinetuneResult) -> tuple[object, ...]:
    return result.scores, result.losses


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


class StoppedByTestError(Exception):
    pass


def test_run_stopped_at_any_step_goes_on_with_equal_bits(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = came_to(tune(colours))
    monkeypatch.setattr(kept_training, "SAVE_EVERY_S", 0.0)
    step = Stepper.step
    for stop in range(4):
        left = [stop]

        def stop_or_step(
            stepper: Stepper, groups: Iterator[Group], *, lr: float, where: str, left: list = left
        ) -> float:
            if left[0] == 0:
                raise StoppedByTestError
            left[0] -= 1
            return step(stepper, groups, lr=lr, where=where)

        kept = replace(COMPUTING, cache=tmp_path / str(stop))
        with monkeypatch.context() as patch:
            patch.setattr(Stepper, "step", stop_or_step)
            with pytest.raises(StoppedByTestError):
                tune(colours, computing=kept)
        assert came_to(tune(colours, computing=kept)) == expected


def test_run_that_is_done_is_not_done_again_and_another_one_is(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(COMPUTING, cache=tmp_path)
    first = tune(colours, computing=kept)

    def refuse(*_: object, **__: object) -> float:
        raise StoppedByTestError

    monkeypatch.setattr(Stepper, "step", refuse)
    assert tune(colours, computing=kept) == first
    for other in (replace(TINY_RECIPE, seed=1), replace(TINY_RECIPE, lr=0.1)):
        with pytest.raises(StoppedByTestError):
            tune(colours, other, kept)


def test_run_that_is_done_can_be_scored_less_often_and_not_more(
    colours: Path, tmp_path: Path
) -> None:
    kept, rare = replace(COMPUTING, cache=tmp_path), replace(TINY_RECIPE, score_every=2)
    often = tune(colours, computing=kept)
    assert [score.epoch for score in often.scores] == [1, 2]
    again = tune(colours, rare, kept)
    assert again.scores == often.scores[1:]
    assert again.best == again.last
    assert tune(colours, computing=kept) == often
    (state,) = tmp_path.glob("finetune-*.pth")
    state.unlink()
    assert came_to(tune(colours, rare, kept)) == came_to(again)
    with pytest.raises(DoraError, match="no score after epoch 1") as caught:
        tune(colours, computing=kept)
    assert "--score-every" in caught.value.remedy


def test_state_belongs_to_a_batch_where_paths_are_drawn_by_pass(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path))
    keys = {
        (network.asked, json.dumps(about, sort_keys=True))
        for network in (tiny_network(), open_network("timm:test_vit@random"))
        for batch in (4, 8)
        for about in [
            _about(network, data, recipe=TINY_RECIPE, computing=replace(COMPUTING, batch=batch))
        ]
    }
    assert sorted(asked for asked, _ in keys) == [
        "timm:test_vit@random",
        "timm:test_vit@random",
        "untrained 0",
    ]


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


def test_damaged_state_is_named(colours: Path, tmp_path: Path) -> None:
    kept = replace(COMPUTING, cache=tmp_path)
    tune(colours, computing=kept)
    (state,) = tmp_path.glob("finetune-*.pth")
    state.write_bytes(state.read_bytes()[:300])
    with pytest.raises(DoraError, match="no whole state of a fine-tuning") as caught:
        tune(colours, computing=kept)
    assert "remove the file" in caught.value.remedy


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


def test_score_counts_what_a_plain_loop_counts(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path))
    frozen = tiny_network().network
    assert isinstance(frozen, DinoNetwork)
    network = trainable(frozen, classes=7, recipe=TINY_RECIPE).train()
    top1, top5 = score(network, data.train, frozen=frozen, recipe=TINY_RECIPE, computing=COMPUTING)
    assert network.training
    right = [0, 0]
    network.eval()
    for source, label in zip(data.train.sources, data.train.labels, strict=True):
        pixels = torch.from_numpy(source).permute(2, 0, 1)[None]
        pixels = (
            torch.nn.functional.interpolate(pixels.float(), size=36, mode="bicubic", antialias=True)
            .round()
            .clamp(0, 255)[..., 2:34, 2:34]
        )
        logits = network(frozen.normalise(pixels))[0]
        order = logits.argsort(descending=True).tolist()
        right[0] += order[0] == label
        right[1] += label in order[:5]
    assert (top1, top5) == (right[0] / 10, right[1] / 10)
    assert 0 < top5 < 1 or top1 != top5


@pytest.mark.slow
def test_command_trains_and_writes_a_record(colours: Path, tmp_path: Path, command) -> None:
    status, out, err = command(
        dora.cli.main,
        *("eval", "finetune", "--weights", "random:smoke", "--dataset", "cifar10"),
        *("--data", colours, "--preset", "short", "--epochs", 1, "--image-px", 32),
        *("--batch", 8, "--workers", 1, "--device", "cpu", "--out", tmp_path / "record.json"),
    )
    assert status == 0, err
    assert "CIFAR-10: " in out
    assert "not the paper's" in err
    stored = json.loads((tmp_path / "record.json").read_text())
    assert stored["benchmark"] == "finetune"
    assert stored["recipe"]["epochs"] == 1
    assert stored["paper"]["numbers"] == {}


def test_command_refuses_what_is_no_data_set(tmp_path: Path, command) -> None:
    words = ("eval", "finetune", "--weights", "random:smoke", "--data", tmp_path)
    status, _, err = command(dora.cli.main, *words, "--dataset", "cars", "--image-px", 32)
    assert status == 2
    assert "cars_train_annos.mat is missing" in err
    status, _, err = command(dora.cli.main, *words, "--dataset", "cifar10", "--epochs", 0)
    assert status == 2
    assert "epochs is 0" in err


SCRIPT = """
import json
import sys
from dataclasses import replace
from pathlib import Path
import torch
from dora.eval import kept_training
from dora.train.distributed import process_group, rank
from tests.dora.finetune.test_finetune import COMPUTING, TINY_RECIPE, tune

if __name__ == "__main__":
    torch.set_num_threads(1)
    kept_training.SAVE_EVERY_S = 0.0
    folder, epochs, readers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with process_group(torch.device("cpu")):
        result = tune(folder / "colours", replace(TINY_RECIPE, epochs=epochs),
                      replace(COMPUTING, cache=folder / "kept"), readers=readers)
        told = {"losses": result.losses, "top1": [score.top1 for score in result.scores]}
        (folder / f"{rank()}.json").write_text(json.dumps(told))
"""


def words(tmp_path: Path, *, epochs: int, readers: int) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return [str(script), str(tmp_path), str(epochs), str(readers)]


@pytest.mark.slow
def test_two_processes_see_the_pictures_of_one(tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "colours")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    outcome = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *words(tmp_path, epochs=3, readers=0)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert outcome.returncode == 0, outcome.stderr
    alone = tune(folder, replace(TINY_RECIPE, epochs=3))
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert found[0] == found[1]
    assert found[0]["losses"] == pytest.approx(alone.losses, rel=1e-4)
    assert found[0]["top1"] == [score.top1 for score in alone.scores]


@pytest.mark.slow
def test_run_killed_without_warning_goes_on_with_equal_bits_whatever_the_workers(
    tmp_path: Path,
) -> None:
    folder = write_colours(tmp_path / "colours")
    command = [sys.executable, *words(tmp_path, epochs=15, readers=2)]
    process = subprocess.Popen(command)
    while not list((tmp_path / "kept").glob("finetune-*.pth")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "0.json").exists()
    subprocess.run(command, check=True)
    expected = tune(folder, replace(TINY_RECIPE, epochs=15))
    found = json.loads((tmp_path / "0.json").read_text())
    assert found["losses"] == list(expected.losses)
    assert found["top1"] == [score.top1 for score in expected.scores]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_gpu_comes_near_to_the_cpu(colours: Path, precision: Precision) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    computing = replace(COMPUTING, device=torch.device("cuda"), precision=precision)
    expected = tune(colours).losses
    assert tune(colours, computing=computing).losses == pytest.approx(expected, rel=0.05)
