"""Fine-tunings in processes of their own: two at once, and one that is killed."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from dora.finetune import averaging, training
from tests.dora.eval.stopping import kill_and_go_on, run_in_two_processes
from tests.dora.eval.tiny_networks import write_colours
from tests.dora.finetune.tuning import TINY_RECIPE, tune

pytestmark = pytest.mark.usefixtures("one_thread")


SCRIPT = """
import json
import sys
from dataclasses import replace
from pathlib import Path
import torch
from dora.eval import kept_training
from dora.train.distributed import process_group, rank
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE, tune

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
    run_in_two_processes(words(tmp_path, epochs=3, readers=0))
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
    kill_and_go_on(
        words(tmp_path, epochs=15, readers=2),
        kept=tmp_path / "kept",
        states="finetune-*.pth",
        result=tmp_path / "0.json",
    )
    expected = tune(folder, replace(TINY_RECIPE, epochs=15))
    found = json.loads((tmp_path / "0.json").read_text())
    assert found["losses"] == list(expected.losses)
    assert found["top1"] == [score.top1 for score in expected.scores]


BATCH_NORM_SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import pytest
import torch
from dora.eval import kept_training
from dora.eval.loading import open_network
from dora.finetune.finetune import evaluate_finetune
from dora.finetune.training import Stepper
from dora.train.distributed import process_group, rank
from tests.dora.eval.stopping import StoppedByTestError, stopping
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE

def tuned(folder, cache):
    result = evaluate_finetune(
        open_network("timm:test_resnet@random"), "cifar10", folder, readers=0,
        recipe=replace(TINY_RECIPE, drop_path=0.0), computing=replace(COMPUTING, cache=cache))
    return str((result.losses, result.scores))

if __name__ == "__main__":
    torch.set_num_threads(1)
    kept_training.SAVE_EVERY_S = 0.0
    folder = Path(sys.argv[1])
    with process_group(torch.device("cpu")):
        whole = tuned(folder / "colours", folder / "whole")
        step = Stepper.step
        Stepper.step = stopping(step, after=3)
        with pytest.raises(StoppedByTestError):
            tuned(folder / "colours", folder / "parts")
        Stepper.step = step
        parts = tuned(folder / "colours", folder / "parts")
        (folder / f"{rank()}.txt").write_text("\\n".join([whole, parts]))
"""


@pytest.mark.slow
def test_batch_statistics_of_all_processes_outlive_a_stop(tmp_path: Path) -> None:
    write_colours(tmp_path / "colours")
    script = tmp_path / "script.py"
    script.write_text(BATCH_NORM_SCRIPT)
    run_in_two_processes([str(script), str(tmp_path)])
    told = [(tmp_path / f"{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert told[0] == told[1]
    assert told[0][0] == told[0][1]
    states = [
        torch.load(next((tmp_path / name).glob("finetune-*.pth")))["network"]
        for name in ("whole", "parts")
    ]
    assert any("running_var" in key for key in states[0])
    for key, value in states[0].items():
        assert torch.equal(states[1][key], value), key


def test_every_step_averages_statistics_after_its_update(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    monkeypatch.setattr(
        training, "average_statistics", lambda network: weights.append(network.head.weight.clone())
    )
    result = tune(colours)
    assert len(weights) == result.steps_per_epoch * TINY_RECIPE.epochs == 4
    # The first of them has the rate 0.
    assert not any(torch.equal(one, other) for one, other in pairwise(weights[1:]))


def test_statistics_become_those_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a count of batches; what no batch norm has gathered stays."""
    network, other = (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2))
    network.register_buffer("table", torch.ones(3))
    for one, number in ((network, 1.0), (other, 4.0)):
        for _ in range(int(number)):
            one(number * torch.tensor([[0.0, 1.0], [2.0, -1.0]]))
    own, gathered = ([*one[1].buffers()] for one in (network, other))
    expected = [(a.double() + b.double()) / 2 for a, b in zip(own, gathered, strict=True)]
    others = torch.cat([values.double().flatten() for values in gathered])
    monkeypatch.setattr(averaging, "world_size", lambda: 2)
    monkeypatch.setattr(averaging, "mean_over_ranks", lambda flat: (flat + others) / 2)
    averaging.average_statistics(network)
    for found, value in zip(network[1].buffers(), expected, strict=True):
        assert torch.equal(found, value.round().to(found) if found.dim() == 0 else value.to(found))
    assert torch.equal(network.table, torch.ones(3))
