"""Where a detector computes: a GPU for each process of torchrun, or its share of the cores."""

import os

from wtours import WtoursError


def choose_device(device: str | None) -> str:
    """Return a device of torch that computes here.

    Args:
        device: "cpu", "cuda", "cuda:1", ...; None: a GPU where there is one, else the CPU. Under
            torchrun each process takes the GPU of its LOCAL_RANK.

    Raises:
        WtoursError: there is no such device here.
    """
    import torch

    if device is None:
        device = f"cuda:{_local_rank()}" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()  # what cannot compute shows here
    except (RuntimeError, AssertionError) as error:
        raise WtoursError(
            f"there is no device {device!r} here ({str(error).splitlines()[0]})",
            remedy='say "cpu", or "cuda:0" where there is a GPU',
        ) from error
    return device


def cores_of_process() -> int:
    """Return how many cores are this process's: under torchrun those of the machine are shared."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (usable or 1) // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def _local_rank() -> int:
    """Return the number that torchrun gives each process of a machine."""
    import torch

    return int(os.environ.get("LOCAL_RANK", "0")) % max(1, torch.cuda.device_count())
