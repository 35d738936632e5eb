"""The work on the missing portions of all sets, in rounds: in this process, in several, or on Ray.

A round does every missing portion once. A video whose packets turn out to announce other frames
than it has is planned anew, and has its turn in the next round.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from wtours.errors import WtoursError
from wtours.executors import run_here, run_in_processes, usable_cores
from wtours.full_disk import told_of_disk
from wtours.portion_work import do_portion
from wtours.ray_executor import run_on_ray
from wtours.shard_inputs import OnBad
from wtours.shard_outcome import WrittenSet
from wtours.shard_plan import SetPlan, discard_if_empty, plan_from_decoding
from wtours.shard_progress import Pace, Progress
from wtours.video import UnexpectedFramesError

_WORKER_BYTES = 2 * 10**9
"""Memory of a worker at 4K, at the most."""


def default_workers() -> int:
    """Return how many processes the cores and the free memory of this machine allow."""
    try:
        free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return usable_cores()  # a system that does not tell
    return max(1, min(usable_cores(), free_bytes // _WORKER_BYTES))


def do_missing(
    plans: Sequence[SetPlan],
    workers: int,
    ray: str | None,
    progress: Progress | None,
    on_bad: OnBad,
    told: Callable[[str], None],
) -> Iterator[tuple[str, WrittenSet]]:
    """Do what is missing of all plans; yield each one's name and set when it is whole.

    Args:
        plans: of the sets.
        workers: processes that work at once.
        ray: address of a Ray cluster that does the work instead.
        progress: called as the work goes on.
        on_bad: is told of a set that cannot be made.
        told: is given a sentence where unblurred frames that were kept cannot be used.
    """
    waiting = {plan.name: plan for plan in plans}
    try:
        while waiting:
            again: dict[str, SetPlan] = {}
            with closing(_rounds(list(waiting.values()), workers, ray, progress)) as ended:
                for plan, fault in ended:
                    if plan.name not in waiting:
                        continue  # it was given up before
                    if isinstance(fault, UnexpectedFramesError):
                        again[plan.name] = plan
                        continue
                    with told_of_disk(plan.partial.folder.parent, plan.text, plan.kept_in):
                        try:
                            if fault is not None:
                                raise fault
                            if not plan.missing():
                                yield plan.name, _finish(plan, told)
                                del waiting[plan.name]
                        except WtoursError as damage:
                            on_bad(damage)
                            again.pop(plan.name, None)
                            waiting.pop(plan.name).partial.discard()
            for name, plan in again.items():
                with told_of_disk(plan.partial.folder.parent, plan.text, plan.kept_in):
                    waiting[name] = plan_from_decoding(plan)
    finally:
        for plan in waiting.values():
            discard_if_empty(plan)


def _rounds(
    plans: Sequence[SetPlan], workers: int, ray: str | None, progress: Progress | None
) -> Generator[tuple[SetPlan, Exception | None], None, None]:
    """Do every missing portion once; yield its plan as it ends, and what it raised."""
    missing = [(plan, number) for plan in plans for number in plan.missing()]
    threads = max(1, usable_cores() // max(1, min(workers, len(missing))))
    tasks = [plan.task(number, decoder_threads=threads) for plan, number in missing]
    lengths = [(plan, task.length_s) for (plan, _), task in zip(missing, tasks, strict=True)]
    pace = Pace(lengths, progress)
    for plan in plans:
        if not plan.missing():  # all of it was done before, and only the end was missing
            yield plan, None
    if not tasks:
        return
    if ray is not None:
        run = run_on_ray(tasks, do_portion, address=ray, told=pace.on_frame)
    elif workers == 1 or len(tasks) == 1:
        run = run_here(tasks, do_portion, told=pace.on_frame)
    else:
        run = run_in_processes(tasks, do_portion, workers=workers, told=pace.on_frame)
    with closing(run) as ended:
        for number, fault in ended:
            pace.on_end(number)
            yield missing[number][0], fault


def _finish(plan: SetPlan, told: Callable[[str], None]) -> WrittenSet:
    portions = plan.load()
    record, pictures, rows, cuts = plan.finish(portions)
    for damage in filter(None, (portion.damage for portion in portions)):
        told(f"{damage}: its frames were decoded again")
    return WrittenSet(
        place=str(plan.partial.folder),
        record=record,
        pictures=pictures,
        rows=rows,
        cuts=cuts,
        skipped=False,
        from_unblurred=sum(portion.from_unblurred for portion in portions),
    )
