"""A fine-tuning that was stopped goes on, to the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.eval import kept_training
from dora.eval.loading import open_network
from dora.finetune.datasets import open_dataset
from dora.finetune.finetune import state_of
from dora.finetune.training import Stepper
from tests.dora.eval.stopping import StoppedByTestError, stopping
from tests.dora.eval.tiny_networks import tiny_network
from tests.dora.finetune.tiny_datasets import write_cifar10
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE, came_to, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_run_stopped_at_any_step_goes_on_with_equal_bits(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = came_to(tune(colours))
    monkeypatch.setattr(kept_training, "SAVE_EVERY_S", 0.0)
    step = Stepper.step
    for stop in range(4):
        kept = replace(COMPUTING, cache=tmp_path / str(stop))
        with monkeypatch.context() as patch:
            patch.setattr(Stepper, "step", stopping(step, after=stop))
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


def test_damaged_state_is_named(colours: Path, tmp_path: Path) -> None:
    kept = replace(COMPUTING, cache=tmp_path)
    tune(colours, computing=kept)
    (state,) = tmp_path.glob("finetune-*.pth")
    state.write_bytes(state.read_bytes()[:300])
    with pytest.raises(DoraError, match="no whole state of a fine-tuning") as caught:
        tune(colours, computing=kept)
    assert "remove the file" in caught.value.remedy


def test_state_belongs_to_a_batch_where_paths_are_drawn_by_pass(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path))
    kept = replace(COMPUTING, cache=tmp_path / "kept")
    states = {
        (network.asked, state_of(network, data, recipe=TINY_RECIPE, computing=computing))
        for network in (tiny_network(), open_network("timm:test_vit@random"))
        for computing in (replace(kept, batch=batch) for batch in (4, 8))
    }
    assert sorted(asked for asked, _ in states) == [
        "timm:test_vit@random",
        "timm:test_vit@random",
        "untrained 0",
    ]
    assert state_of(tiny_network(), data, recipe=TINY_RECIPE, computing=COMPUTING) is None
