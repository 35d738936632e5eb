"""What is looked at while a run goes on: a score, pictures; the run itself is not touched by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look has found."""

    figures: Mapping[str, float] = field(default_factory=dict)
    """Become part of a line of `looks.jsonl`, and curves."""
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)
    """By a name of letters, digits, _ and -."""


class Look(Protocol):
    """Looks at the teacher every so many epochs: all processes together, or one for all.

    Every process is asked; what process 0 returns counts.
    """

    name: str
    """Tells the kinds of looks apart, in records."""
    every_epochs: int
    from_start: bool
    """Whether the untrained teacher is looked at, too."""

    def look(self, teacher: Mapping[str, Tensor]) -> Seen:
        """Return what is seen.

        Args:
            teacher: parameters of the teacher's backbone; not to be changed.
        """
