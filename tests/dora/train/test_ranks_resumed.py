"""Three processes, of which a sum of gradients has an order: a resumed run takes the same one."""

import io
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor, multiprocessing

from dora.data.views import Views
from dora.train.checkpoint import Checkpoint
from dora.train.distributed import process_group, rank, world_size
from dora.train.trainer import Trainer, run_steps
from tests.dora.train.test_trainer import batch, config_of, trainer_of

RANKS, STEPS, STOP = 3, 4, 2
SETTINGS = ("data.batch_clips=6", "data.clips_per_epoch=6", "optim.clip_norm=0")


def trained(trainer: Trainer, steps: range) -> Trainer:
    def mine(step: int) -> Views:
        whole, own = batch(trainer.config, step), slice(rank(), None, world_size())
        return Views(
            global_views=whole.global_views[:, own],
            local_crops=whole.local_crops[:, own],
            positions=whole.positions[own],
        )

    for _ in run_steps(trainer, (mine(step) for step in steps)):
        pass
    return trainer


def copied(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as a file would give it back."""
    stream = io.BytesIO()
    torch.save(checkpoint, stream)
    stream.seek(0)
    loaded: Checkpoint = torch.load(stream, weights_only=False)
    return loaded


def work(index: int, port: int, folder: Path) -> None:
    """What one of the processes does."""
    environment = {
        "RANK": index, "LOCAL_RANK": index, "WORLD_SIZE": RANKS,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, str(value))
        torch.set_num_threads(1)
        with process_group(torch.device("cpu")):
            config = config_of("dora", *SETTINGS)
            unbroken = trained(trainer_of(config), range(STEPS))
            stopped = copied(trained(trainer_of(config), range(STOP)).checkpoint())
            resumed = trainer_of(config)
            resumed.restore(stopped)
            trained(resumed, range(STOP, STEPS))
            states: list[dict[str, Tensor]] = [one.pair.state_dict() for one in (unbroken, resumed)]
            torch.save(states, folder / f"{index}.pt")


@pytest.mark.slow
def test_resumed_three_processes_have_the_parameters_of_the_unbroken_run(
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work, args=(index, port, tmp_path)) for index in range(RANKS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    unbroken, _ = torch.load(tmp_path / "0.pt")
    for index in range(RANKS):
        for state in torch.load(tmp_path / f"{index}.pt"):
            for name, value in state.items():
                assert torch.equal(value, unbroken[name]), f"process {index}: {name}"
