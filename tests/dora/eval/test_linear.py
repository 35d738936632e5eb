import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dora.errors import DoraError
from dora.eval import kept_training
from dora.eval.computing import Computing, Meter
from dora.eval.linear import LinearResult, evaluate_linear
from dora.eval.linear_heads import HeadBank
from dora.eval.linear_settings import LinearSettings
from dora.eval.linear_training import lr_factor
from dora.eval.paper_numbers import closest_row
from dora.eval.records import make_record, write_record
from tests.dora.eval.stopping import (
    StoppedByTestError,
    kill_and_go_on,
    run_in_two_processes,
    stopping,
)
from tests.dora.eval.tiny_networks import tiny_network, write_colours

TINY_PROBE = LinearSettings(
    epochs=3, step_pictures=5, base_lrs=(0.01, 0.5), blocks=(2,), image_px=32
)
COMPUTING = Computing(batch=2, workers=2)


pytestmark = pytest.mark.usefixtures("one_thread")


def probe(
    folder: Path, settings: LinearSettings = TINY_PROBE, computing: Computing = COMPUTING
) -> LinearResult:
    return evaluate_linear(tiny_network(), folder, settings=settings, computing=computing)


@pytest.mark.parametrize("frozen_crops", [False, True])
def test_separable_classes_are_solved_and_the_record_says_all(
    colours: Path, tmp_path: Path, frozen_crops: bool
) -> None:
    meter = Meter(COMPUTING)
    settings = replace(TINY_PROBE, epochs=6, frozen_crops=frozen_crops)
    result = probe(colours, settings)
    assert result.chosen.best_top1 == 1
    assert result.chosen.top1_by_epoch[result.chosen.best_epoch - 1] == 1
    assert result.measured == {"LP": 100}
    assert result.steps_per_epoch == 3
    assert [head.lr for head in result.heads] == pytest.approx([0.01 * 5 / 256, 0.5 * 5 / 256])
    assert any("without augmentation" in note for note in result.notes) == frozen_crops
    assert any("authors' learning rate of 0.01" in note for note in result.notes)
    assert any("6 epochs, not the paper's 100" in note for note in result.notes)
    assert any("32 px, not the paper's 224" in note for note in result.notes)
    assert any("5 pictures: the paper's text has 1024" in note for note in result.notes)
    assert any("reads [CLS] of 4 blocks" in note for note in result.notes)
    network = tiny_network()
    record = make_record(result, evaluated=network, cost=meter.cost(), beside=closest_row(network))
    write_record(tmp_path / "linear.json", record)
    stored = json.loads((tmp_path / "linear.json").read_text())
    assert stored["settings"]["step_pictures"] == 5
    assert stored["chosen"]["blocks"] == 2
    assert len(stored["heads"][0]["top1_by_epoch"]) == 6


def test_schedule_is_a_cosine_by_epoch() -> None:
    assert [lr_factor(epoch, 4) for epoch in range(4)] == pytest.approx(
        [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]
    )


def test_workers_and_the_cache_change_no_bit(colours: Path, tmp_path: Path) -> None:
    expected = probe(colours).heads
    for workers in (1, 4):
        assert probe(colours, computing=Computing(batch=2, workers=workers)).heads == expected
    kept = replace(COMPUTING, cache=tmp_path)
    assert probe(colours, computing=kept).heads == expected


def test_crops_are_new_in_every_epoch_and_by_every_seed(colours: Path) -> None:
    first, other = (probe(colours, replace(TINY_PROBE, seed=seed)) for seed in (0, 1))
    losses = [head.loss_by_epoch for head in (*first.heads, *other.heads)]
    assert len({loss for curve in losses for loss in curve}) == 3 * 4


def test_row_of_a_grid_is_what_it_is_alone(colours: Path) -> None:
    grid = replace(TINY_PROBE, blocks=(1, 2), patch_means=(False, True), frozen_crops=True)
    together = {
        (head.blocks, head.patch_mean, head.base_lr): head for head in probe(colours, grid).heads
    }
    assert len(together) == 8
    for blocks in (1, 2):
        for mean in (False, True):
            alone = replace(grid, blocks=(blocks,), patch_means=(mean,), base_lrs=(0.5,))
            (head,) = probe(colours, alone).heads
            same = together[blocks, mean, 0.5]
            assert head.loss_by_epoch == pytest.approx(same.loss_by_epoch, rel=1e-4)
            assert head.top1_by_epoch == same.top1_by_epoch


@pytest.mark.parametrize("frozen_crops", [False, True])
def test_probe_stopped_at_any_step_goes_on_with_equal_bits(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen_crops: bool
) -> None:
    settings = replace(TINY_PROBE, epochs=2, frozen_crops=frozen_crops)
    expected = probe(colours, settings).heads
    monkeypatch.setattr(kept_training, "SAVE_EVERY_S", 0.0)
    step = HeadBank.step
    for stop in range(6):
        kept = replace(COMPUTING, cache=tmp_path / str(stop))
        with monkeypatch.context() as patch:
            patch.setattr(HeadBank, "step", stopping(step, after=stop))
            with pytest.raises(StoppedByTestError):
                probe(colours, settings, kept)
        resumed = probe(colours, settings, kept)
        assert resumed.heads == expected


def test_probe_that_is_done_is_not_done_again_and_another_one_is(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(COMPUTING, cache=tmp_path)
    first = probe(colours, computing=kept)
    (state,) = tmp_path.glob("linear-*.pth")
    assert state.stat().st_size < 20_000  # no heads in it

    def refuse(*_: object, **__: object) -> Tensor:
        raise StoppedByTestError

    monkeypatch.setattr(HeadBank, "step", refuse)
    again = probe(colours, computing=kept)
    assert (again.heads, again.training_seconds) == (first.heads, first.training_seconds)
    for other in (
        replace(TINY_PROBE, seed=1),
        replace(TINY_PROBE, epochs=4),
        replace(TINY_PROBE, base_lrs=(0.01,)),
    ):
        with pytest.raises(StoppedByTestError):
            probe(colours, other, kept)
    with pytest.raises(StoppedByTestError):
        evaluate_linear(tiny_network(seed=1), colours, settings=TINY_PROBE, computing=kept)


def test_damaged_state_is_named(colours: Path, tmp_path: Path) -> None:
    kept = replace(COMPUTING, cache=tmp_path)
    probe(colours, computing=kept)
    (state,) = tmp_path.glob("linear-*.pth")
    state.write_bytes(state.read_bytes()[:300])
    with pytest.raises(DoraError, match="no whole state of a linear probe") as caught:
        probe(colours, computing=kept)
    assert "remove the file" in caught.value.remedy


def test_learning_rate_that_diverges_is_told_and_never_chosen(
    colours: Path, tmp_path: Path
) -> None:
    settings = replace(TINY_PROBE, base_lrs=(0.5, 1e41), frozen_crops=True)
    result = probe(colours, settings)
    assert result.chosen.base_lr == 0.5
    assert result.heads[1].last_top1 == 0
    assert result.heads[1].loss_by_epoch[-1] is None
    assert any("1e+41" in note and "diverged" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"step_pictures": 0}, "step_pictures is 0"),
        ({"base_lrs": ()}, "learning rates"),
        ({"base_lrs": (0.1, -1.0)}, "learning rates"),
        ({"base_lrs": (float("nan"),)}, "learning rates"),
        ({"blocks": ()}, "no features"),
        ({"blocks": (1, 3)}, "last 3 blocks .* has 2"),
        ({"blocks": (0, 1)}, "last 0 blocks"),
        ({"image_px": 33}, "33 px do not divide"),
    ],
)
def test_option_out_of_its_range_is_refused(colours: Path, options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        probe(colours, replace(TINY_PROBE, **options))


def test_corrupt_training_picture_is_named(tmp_path: Path) -> None:
    write_colours(tmp_path)
    (tmp_path / "train" / "red" / "2.png").write_bytes(b"\x89PNG")
    with pytest.raises(DoraError, match=r"red/2\.png is no whole picture"):
        probe(tmp_path)


@pytest.mark.slow
def test_heads_agree_with_scikit_learns_logistic_regression() -> None:
    """An independent judge, slow to import, on overlapping classes: the same minimum."""
    models = pytest.importorskip("sklearn.linear_model")
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 8, generator=generator)
    labels = torch.randint(4, (1200,), generator=generator)
    features = centres[labels] + 1.2 * torch.randn(1200, 8, generator=generator)
    bank = HeadBank(slice(0, 8), lrs=(0.5,), classes=4, seed=0, device=torch.device("cpu"))
    for epoch in range(200):
        bank.step(features[:800], labels[:800], lr_factor=lr_factor(epoch, 200))
    judge = models.LogisticRegression(C=1e6).fit(features[:800].numpy(), labels[:800].numpy())
    expected = judge.predict(features[800:].numpy())
    found = bank.logits(features[800:])[0].argmax(dim=1).numpy()
    assert (found == expected).mean() > 0.99


SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from dora.eval import kept_training
from dora.train.distributed import process_group, rank
from tests.dora.eval.test_linear import COMPUTING, TINY_PROBE, probe
from dataclasses import replace
kept_training.SAVE_EVERY_S = 0.0
folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
with process_group(torch.device("cpu")):
    result = probe(folder / "colours", replace(TINY_PROBE, epochs=epochs),
                   replace(COMPUTING, cache=folder / "kept"))
    (folder / f"{rank()}.txt").write_text(str(result.heads))
"""


def words(tmp_path: Path, *, epochs: int) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return [str(script), str(tmp_path), str(epochs)]


@pytest.mark.slow
def test_two_processes_train_the_same_heads_to_the_bit(tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "colours")
    run_in_two_processes(words(tmp_path, epochs=3))
    expected = str(probe(folder).heads)
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == [expected] * 2


@pytest.mark.slow
def test_probe_killed_without_warning_goes_on_with_equal_bits(tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "colours")
    kill_and_go_on(
        words(tmp_path, epochs=60),
        kept=tmp_path / "kept",
        states="linear-*.pth",
        result=tmp_path / "0.txt",
    )
    expected = probe(folder, replace(TINY_PROBE, epochs=60)).heads
    assert (tmp_path / "0.txt").read_text() == str(expected)
