import pytest
import torch
from torch import nn

from dora.errors import DoraError
from dora.train.distributed import (
    Place,
    barrier,
    mean_over_ranks,
    place_from_torchrun,
    process_group,
    rank,
    reduction,
    with_shared_gradients,
    world_size,
)


def test_one_process_alone_is_its_own_mean() -> None:
    assert (rank(), world_size()) == (0, 1)
    values = torch.randn(3)
    assert mean_over_ranks(values) is values
    layer = nn.Linear(2, 2)
    assert with_shared_gradients(layer) is layer
    for now in (False, True):
        with reduction(layer, now=now):
            layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.full((2, 2), 2.0))
    barrier()
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
