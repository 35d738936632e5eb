"""Processes of one run: started by torchrun, or one process alone."""

import atexit
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.distributed.elastic.multiprocessing.errors import get_error_handler
from torch.nn.parallel import DistributedDataParallel

from dora.errors import DoraError

_LATER_S = 2.0
"""By so much the end of a process comes after that of the one it has lost; torchrun counts whole
seconds when it looks for the first."""
_WAIT = timedelta(hours=1)
"""For so long a process waits for the others. What one does alone counts: it fetches tars, writes
a checkpoint, draws pictures, scores a probe, and NCCL's own ten minutes may be too few for that."""


class LostOthersError(DoraError):
    """Another process of the run has ended, with an error of its own."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a process stands among those of its run."""

    rank: int
    world_size: int
    local_rank: int
    """Its number on its own machine, which chooses its GPU."""


def place_from_torchrun() -> Place:
    """Return the place that torchrun's environment tells, or that of a process alone.

    Raises:
        DoraError: the environment is incomplete or no number.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    given = {name: os.environ[name] for name in names if name in os.environ}
    if not given:
        return Place(rank=0, world_size=1, local_rank=0)
    try:
        rank, world_size, local_rank = (int(given[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise DoraError(
            f"the environment has {given or 'nothing'} where torchrun sets {', '.join(names)}",
            remedy="start several processes by torchrun, or unset these variables",
        ) from error
    return Place(rank=rank, world_size=world_size, local_rank=local_rank)


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        DoraError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DoraError(f"no device is called {name!r}", remedy="use auto, cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise DoraError(
            f"--device {name} was asked for, but nothing here computes on {device.type}",
            remedy="use auto, cpu or cuda",
        )
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DoraError(
                "--device cuda was asked for, but torch sees no GPU",
                remedy="use --device cpu, or see `wtours doctor`",
            )
        local_rank = place_from_torchrun().local_rank
        if ":" not in name:
            device = torch.device("cuda", local_rank)
        elif device.index != local_rank:
            _require_no_process_beside(name)
        _require_gpu(device.index, asked=name)
        torch.cuda.set_device(device)
    return device


def _require_no_process_beside(name: str) -> None:
    """Refuse to let the processes of a machine share a GPU, which NCCL does not do.

    Where a process sees one GPU it cannot know: a launcher may have shown each its own, and all of
    these are called cuda:0. If they share it after all, NCCL refuses.
    """
    count = os.environ.get("LOCAL_WORLD_SIZE", "1")
    if count != "1" and torch.cuda.device_count() > 1:
        raise DoraError(
            f"--device {name} is one GPU, and this machine has {count} processes of the run",
            remedy="use --device cuda: each process takes the GPU of its number",
        )


def _require_gpu(index: int, *, asked: str) -> None:
    count = torch.cuda.device_count()
    if index < count:
        return
    numbers = "cuda:0 alone" if count == 1 else f"cuda:0 to cuda:{count - 1}"
    if ":" in asked:
        raise DoraError(f"there is no {asked}: torch sees {numbers}", remedy="name one of these")
    raise DoraError(
        f"process {index} of this machine has no GPU of its own: torch sees {numbers}",
        remedy=f"start as many processes as there are GPUs (torchrun --nproc-per-node {count})"
        + (", or use --device cuda:0 where each is shown one of its own" if count == 1 else ""),
    )


@contextmanager
def process_group(device: torch.device) -> Iterator[Place]:
    """Join the processes of the run for the time of the block: NCCL on GPUs, gloo on CPUs.

    A process that torchrun did not start stays alone, and every function here is then the identity.
    After an error it leaves the others when it ends, and not here: what it says comes before what
    they say of having lost it.

    That is tried with gloo, where the others learn of it at once. With NCCL it is expected and not
    tried: where the others notice nothing, they wait until what started them ends them, or `_WAIT`
    has passed.

    Raises:
        DoraError: the environment is incomplete, or the others cannot be joined.
    """
    place = place_from_torchrun()
    if "WORLD_SIZE" not in os.environ:
        yield place
        return
    on_gpu = device.type == "cuda"
    try:
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo", timeout=_WAIT, device_id=device if on_gpu else None
        )
    except (ValueError, RuntimeError) as fault:
        raise DoraError(
            f"process {place.rank} cannot join the others ({_first_line(fault)})",
            remedy="start several processes by torchrun, or unset RANK, WORLD_SIZE and LOCAL_RANK",
        ) from fault
    try:
        yield place
    except BaseException as fault:
        if not isinstance(fault, LostOthersError):
            get_error_handler().record_exception(fault)  # torchrun repeats it in its last lines
        atexit.register(_leave_at_once if on_gpu else distributed.destroy_process_group)
        raise
    distributed.destroy_process_group()


def _leave_at_once() -> None:
    """Leave NCCL's group after an error, whatever it still has to do.

    To destroy it waits for all kernels and for the other processes of the machine, which wait for
    this one: torchrun would never see it end. An abort should not wait, but may, in some releases
    of NCCL (NVIDIA/nccl#1013); this is untried. Before torch 2.8 no group has a public way to
    abort; the end of the process does it then.
    """
    abort = getattr(distributed.group.WORLD, "abort", None)
    if abort is not None:
        abort()


def rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if _joined() else 0


def world_size() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if _joined() else 1


def barrier() -> None:
    """Wait until all processes are here."""
    if _joined():
        with others_answer():
            distributed.barrier()


def mean_over_ranks(values: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes; its own values where there is one."""
    if world_size() == 1:
        return values
    total = values.detach().clone()
    with others_answer():
        distributed.all_reduce(total)
    return total / world_size()


def with_shared_gradients(network: nn.Module) -> nn.Module:
    """Return a network whose backward passes leave each gradient's mean over all processes.

    Exact for losses that are means over clips, because every process holds equally many. Parts of
    the reduction run while the rest of the gradients are computed. All processes must have
    gradients for the same parameters, the same in every step. A process alone gets its network
    back.

    Buffers are not sent round: batch norm's are of all processes' rows and so the same in each
    (`SharedBatchNorm1d`), and there are no others.

    Raises:
        DoraError: another process is gone.
    """
    if world_size() == 1:
        return network
    with others_answer(), warnings.catch_warnings():
        # From torch 2.13 on it has a new name, which earlier ones do not know.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        return DistributedDataParallel(
            network, static_graph=True, gradient_as_bucket_view=True, broadcast_buffers=False
        )


@contextmanager
def reduction(network: nn.Module, *, now: bool) -> Iterator[None]:
    """Reduce gradients in the backward pass of the block, or leave them to a later one.

    Args:
        network: of `with_shared_gradients`; its forward pass belongs into the block, too.
        now: False adds up this process's own gradients.

    Raises:
        DoraError: another process is gone.
    """
    if not isinstance(network, DistributedDataParallel):
        yield
        return
    with others_answer_amid_work(), nullcontext() if now else network.no_sync():
        yield


@contextmanager
def others_answer_amid_work() -> Iterator[None]:
    """Do as `others_answer` in a block that computes, too, whose other faults are left as they are.

    Raises:
        DoraError: in place of the library's error.
    """
    try:
        yield
    except RuntimeError as fault:
        if not _is_of_communication(fault):
            raise
        raise _lost_others(fault) from fault


@contextmanager
def others_answer() -> Iterator[None]:
    """Say in a sentence that another process is gone, which ends this one too.

    Raises:
        DoraError: in place of the library's error.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as fault:
        raise _lost_others(fault) from fault


def _lost_others(fault: Exception) -> LostOthersError:
    """Return what to say of it, a little later than who failed."""
    time.sleep(_LATER_S)
    return LostOthersError(
        f"process {rank()} has lost the others of its run ({_first_line(fault)})",
        remedy="see what ended first; give the same command again to go on",
    )


def _is_of_communication(fault: RuntimeError) -> bool:
    """Whether a fault amid other work is that of a reduction; gloo has no type of its own."""
    words = ("gloo", "nccl", "connection")
    return isinstance(fault, distributed.DistError) or any(
        word in str(fault).lower() for word in words
    )


def _first_line(fault: Exception) -> str:
    return str(fault).strip().partition("\n")[0]


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()
