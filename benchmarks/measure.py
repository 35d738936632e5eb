"""Clocks: alternating runs, the spread of what they gave, and the parts of a run."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def alternate(sources: Mapping[str, Callable[[], object]], *, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run, by source; A B C A B C, so that all meet the same load."""
    passed_s: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(runs):
        for name, source in sources.items():
            start = time.perf_counter()
            source()
            passed_s[name].append(time.perf_counter() - start)
    return passed_s


def spread(values: list[float]) -> list[float]:
    """Return smallest, middle and largest, to three digits."""
    return [float(f"{choose(values):.3g}") for choose in (min, median, max)]


class Clock:
    """Adds up the seconds of the parts of a run.

    Args:
        device: whose work is waited for when a part ends.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.parts_s: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is done in the block as a part."""
        start = self.now()
        yield
        self.parts_s[name] = self.parts_s.get(name, 0.0) + self.now() - start

    def watching(
        self, name: str, function: Callable[Arguments, Result]
    ) -> Callable[Arguments, Result]:
        """Return the function, with every call counted as a part."""

        def watched(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
            with self.part(name):
                return function(*args, **options)

        return watched

    def now(self) -> float:
        """Return the time when all work so far is done, s."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
