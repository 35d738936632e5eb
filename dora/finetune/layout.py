"""What is found in a folder with a data set, before its classes are numbered."""

from collections.abc import Sequence
from dataclasses import dataclass

from dora.finetune.pictures import Source


@dataclass(frozen=True, kw_only=True)
class Found:
    """Pictures and their classes as the files name them, all numbers or all names."""

    layout: str
    """For people."""
    train: Sequence[Source]
    train_labels: Sequence[int | str]
    test: Sequence[Source]
    test_labels: Sequence[int | str]
