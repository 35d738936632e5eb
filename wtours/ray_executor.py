"""Does the same tasks on a Ray cluster: what they leave is what it would be on one machine.

Every node sees videos and output under the same paths, as on a shared disk, and has this package.
"""

import logging
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

from wtours.errors import WtoursError
from wtours.executors import Task, Work

LOCAL = "local"
"""The address that starts a cluster on this machine."""
_RETRIES = 3
"""New attempts of a task whose node or process was lost."""


def run_on_ray(
    tasks: Sequence[Task],
    work: Work[Task],
    *,
    address: str,
    told: Callable[[int, float], None],
) -> Generator[tuple[int, Exception | None], None, None]:
    """Do tasks on a cluster; yield the number of each as it ends, and what it raised.

    Args:
        tasks: what to do; each can be pickled.
        work: how; a function of a module.
        address: of a cluster, as `ray.init` takes it (`auto`, `ray://host:10001`), or `local`.
        told: called as tasks end; how far they are in between is not known here.

    Raises:
        WtoursError: Ray is not installed, or the cluster cannot be reached.
    """
    ray = _import_ray()
    began = not ray.is_initialized()
    if began:
        _join(ray, address)
    try:
        remote = ray.remote(max_retries=_RETRIES, num_cpus=1)(_do)
        running = {remote.remote(work, task): n for n, task in enumerate(tasks)}
        try:
            while running:
                (ended,), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(ended), _fault(ray, ended)
        finally:
            for left in running:
                ray.cancel(left, force=True)
    finally:
        if began:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as fault:
        raise WtoursError(
            "Ray is not installed", remedy="pip install 'wtours[ray]' on every node"
        ) from fault
    return ray


def _join(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            ray.init(include_dashboard=False, **options)
        else:
            ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError) as fault:
        raise WtoursError(
            f"no Ray cluster answers at {address} ({fault})",
            remedy=f"start one with `ray start --head`, or give --ray {LOCAL}",
        ) from fault


def _do(work: Work[Task], task: Task) -> None:
    """Do a task on whichever node this is."""
    try:
        work(task, lambda done: None)
    except FileNotFoundError as fault:
        raise WtoursError(
            f"{fault.filename} is not there on {socket.gethostname()}",
            remedy="put videos and output on a disk that every node sees under the same path",
        ) from fault


def _fault(ray: Any, ended: Any) -> Exception | None:
    try:
        ray.get(ended)
    except ray.exceptions.RayTaskError as fault:
        cause = fault.cause
        return cause if isinstance(cause, Exception) else fault
    except ray.exceptions.RayError as fault:
        raise WtoursError(
            f"the cluster lost a task {1 + _RETRIES} times ({type(fault).__name__})",
            remedy="run the same command again: it goes on from there",
        ) from fault
    return None
