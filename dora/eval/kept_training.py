"""The state of a training within an evaluation: where it is kept, and when it is saved."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from dora.errors import DoraError
from dora.model.safe_load import read_file
from dora.train.distributed import rank
from dora.whole_file import whole_file

SAVE_EVERY_S = 120.0
"""Time between two savings of the state."""

Restored = TypeVar("Restored")


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """Where the state of a training lies, under the hash of all that it depends on."""

    path: Path
    training: str
    """For people: `linear probe`, `fine-tuning`."""

    @classmethod
    def of(
        cls, about: Mapping[str, object], *, cache: Path, name: str, training: str
    ) -> "StateFile":
        """Return the file of a training.

        Args:
            about: all that the training depends on, ready for JSON.
            cache: folder of all states.
            name: what its file's name begins with.
            training: what to call it.
        """
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
        return cls(path=cache / f"{name}-{key}.pth", training=training)

    def write(self, stored: Mapping[str, Any]) -> None:
        """Write a state; the first process does.

        Raises:
            DoraError: it cannot be written.
        """
        if rank() != 0:
            return
        with whole_file(self.path, remedy="make room, or name another --cache") as partial:
            torch.save(dict(stored), partial)

    def read(self, restore: Callable[[dict[str, Any]], Restored]) -> Restored | None:
        """Return what `restore` makes of the state; None: there is none.

        Raises:
            DoraError: the file is damaged, or `restore` cannot use what is in it.
        """
        if not self.path.is_file():
            return None
        try:
            return restore(read_file(self.path))
        except (DoraError, KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise DoraError(
                f"{self.path} is no whole state of a {self.training} ({fault})",
                remedy=f"remove the file; the {self.training} begins anew",
            ) from fault


class Clock:
    """Time spent over all runs, and when to save."""

    def __init__(self, *, before: float) -> None:
        self._before = before
        self._started = self._saved = time.monotonic()

    def spent(self) -> float:
        """Return the seconds of all runs."""
        return self._before + time.monotonic() - self._started

    def due(self) -> bool:
        """Return whether the state is to be saved, which begins the time anew."""
        if time.monotonic() - self._saved < SAVE_EVERY_S:
            return False
        self._saved = time.monotonic()
        return True
