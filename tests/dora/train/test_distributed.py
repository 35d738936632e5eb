import atexit
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn

from dora.errors import DoraError
from dora.train.distributed import (
    Place,
    _leave_at_once,
    barrier,
    choose_device,
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


def test_a_device_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("meta", "mps"):
        with pytest.raises(DoraError, match=f"nothing here computes on {name}; use auto"):
            choose_device(name)
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with pytest.raises(DoraError, match="there is no cuda:2: torch sees cuda:0 to cuda:1"):
        choose_device("cuda:2")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    for name, value in (("RANK", "6"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(DoraError, match=r"process 2 of this machine .*--nproc-per-node 2"):
        choose_device("auto")
    assert chosen == [torch.device("cuda", 1)]


def test_processes_of_a_machine_do_not_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is right for a process alone on its machine, and for one that it belongs to."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)

    def choose(name: str, *, local_rank: int, beside: int) -> torch.device:
        for variable, value in (
            ("RANK", local_rank),
            ("WORLD_SIZE", 8),
            ("LOCAL_RANK", local_rank),
            ("LOCAL_WORLD_SIZE", beside),
        ):
            monkeypatch.setenv(variable, str(value))
        return choose_device(name)

    with pytest.raises(DoraError, match=r"cuda:1 is one GPU, and .* has 2 processes.*use .* cuda:"):
        choose("cuda:1", local_rank=0, beside=2)
    assert choose("cuda:1", local_rank=1, beside=2) == torch.device("cuda", 1)
    assert choose("cuda:1", local_rank=0, beside=1) == torch.device("cuda", 1)
    assert choose("cuda", local_rank=3, beside=4) == torch.device("cuda", 3)
    with pytest.raises(DoraError, match="cuda:0 is one GPU"):
        choose("cuda:0", local_rank=3, beside=4)
    assert [device.index for device in chosen] == [1, 1, 3]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # each is shown its own
    assert choose("cuda:0", local_rank=3, beside=4) == torch.device("cuda", 0)
    with pytest.raises(DoraError, match="use --device cuda:0 where each is shown one of its own"):
        choose("auto", local_rank=3, beside=4)


@pytest.mark.parametrize(("kind", "left"), [("cuda", "aborted"), ("cpu", "destroyed")])
def test_after_an_error_no_process_waits_for_the_others(
    kind: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL's group is only destroyed where all processes do so; after an error it is aborted."""
    done: list[str] = []
    at_exit: list[Callable[[], None]] = []

    group = SimpleNamespace(abort=lambda: done.append("aborted"))
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    waits: list[timedelta] = []
    monkeypatch.setattr(
        distributed, "init_process_group", lambda *of, timeout, **more: waits.append(timeout)
    )
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: done.append("destroyed"))
    monkeypatch.setattr(distributed, "group", SimpleNamespace(WORLD=group))
    monkeypatch.setattr(atexit, "register", at_exit.append)
    with pytest.raises(ZeroDivisionError), process_group(torch.device(kind, 0)):
        _ = 1 / 0
    assert done == []  # what it says comes before what the others say of having lost it
    (leave,) = at_exit
    leave()
    assert done == [left]
    done.clear()
    with process_group(torch.device(kind, 0)):
        pass
    assert done == ["destroyed"]
    assert waits == [timedelta(hours=1)] * 2  # what one does alone may take that long


def test_a_group_that_cannot_be_aborted_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before torch 2.8, and where there is none any more: the process ends, without an error."""
    for group in (SimpleNamespace(), None):
        monkeypatch.setattr(distributed, "group", SimpleNamespace(WORLD=group))
        _leave_at_once()
