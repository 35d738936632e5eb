import socket
from pathlib import Path

import pytest
import torch
from torch import multiprocessing, nn

from dora.errors import DoraError
from dora.methods.dino import update_centre
from dora.train.distributed import (
    Place,
    average_gradients,
    barrier,
    mean_over_ranks,
    place_from_torchrun,
    process_group,
    rank,
    world_size,
)

RANKS = 2


def test_one_process_alone_is_its_own_mean() -> None:
    assert (rank(), world_size()) == (0, 1)
    values = torch.randn(3)
    assert mean_over_ranks(values) is values
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    before = layer.weight.grad.clone()
    average_gradients(layer.parameters())
    barrier()
    assert torch.equal(layer.weight.grad, before)
    with process_group(torch.device("cpu")) as place:
        assert place == Place(rank=0, world_size=1, local_rank=0)
        assert world_size() == 1


@pytest.mark.parametrize("environment", [{"RANK": "0"}, {"RANK": "a", "WORLD_SIZE": "2"}])
def test_half_an_environment_of_torchrun_is_a_clear_error(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DoraError, match="where torchrun sets RANK, WORLD_SIZE, LOCAL_RANK"):
        place_from_torchrun()


def layer_with_gradients(seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    layer = nn.Linear(3, 2)
    layer(torch.randn(4, 3)).square().mean().backward()
    return layer


def work_of_a_rank(index: int, port: int, folder: Path) -> None:
    """What one of two processes does; its results are left in a file."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "RANK": index, "LOCAL_RANK": index, "WORLD_SIZE": RANKS,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }.items():  # fmt: skip
            patch.setenv(name, str(value))
        reduce_in_a_group(index, folder)


def reduce_in_a_group(index: int, folder: Path) -> None:
    with process_group(torch.device("cpu")) as place:
        assert place == Place(rank=rank(), world_size=world_size(), local_rank=index)
        layer = layer_with_gradients(seed=index)
        average_gradients(layer.parameters())
        gradients = [parameter.grad for parameter in layer.parameters()]
        centre = update_centre(torch.ones(5), torch.full((2, 5), float(index)), momentum=0.9)
        mean = mean_over_ranks(torch.tensor([float(index), 10.0]))
        barrier()
        results = {"mean": mean, "centre": centre, "gradients": gradients}
        torch.save(results, folder / f"{index}.pt")


@pytest.mark.timeout(120)
def test_two_processes_agree_on_means_and_gradients(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=work_of_a_rank, args=(1, port, tmp_path))
    other.start()
    work_of_a_rank(0, port, tmp_path)
    other.join()
    assert other.exitcode == 0
    first, second = (torch.load(tmp_path / f"{index}.pt") for index in range(RANKS))
    layers = [layer_with_gradients(seed=index) for index in range(RANKS)]
    expected = [
        torch.stack([parameter.grad for parameter in pair]).mean(dim=0)
        for pair in zip(*(layer.parameters() for layer in layers), strict=True)
    ]
    for results in (first, second):
        assert torch.equal(results["mean"], torch.tensor([0.5, 10.0]))
        torch.testing.assert_close(results["centre"], torch.full((5,), 0.95))
        torch.testing.assert_close(results["gradients"], expected)
