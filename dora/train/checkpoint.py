"""Everything a run needs to go on, in one file that is there whole or not at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dora.config import RunConfig
from dora.config_text import config_from_json, config_to_json
from dora.errors import DoraError
from dora.model.safe_load import read_file
from dora.whole_file import whole_file

FORMAT = "dora-checkpoint"
VERSION = 2
"""1 had no options for what is saved and logged."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a run before one of its steps.

    Random numbers need no place here: those of a step come from (seed, step, rank), and the order
    of clips from (seed, position).
    """

    config: RunConfig
    step: int
    """Steps done; the next one to do."""
    data: str
    """Digest of the shards' clip starts: the same number means the same clips."""
    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    optimizer: dict[str, Any]
    centre: Tensor
    """(P,) moving mean of the teacher's outputs."""
    scaler: dict[str, Any]
    """State of the loss scaling; empty without it."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; its file, or one before it, is always whole.

    Raises:
        DoraError: the disk is full or the folder cannot be written.
    """
    stored = vars(checkpoint) | {
        "format": FORMAT,
        "version": VERSION,
        "config": config_to_json(checkpoint.config),
        "torch": str(torch.__version__),
    }
    remedy = "make room or give another --out; the checkpoint before is untouched"
    with whole_file(path, remedy=remedy) as partial, partial.open("wb") as stream:
        try:
            torch.save(stored, stream)
        except RuntimeError as fault:
            if isinstance(fault.__context__, OSError):  # torch hides a full disk behind its own
                raise fault.__context__ from None
            raise


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; code in the file is never run.

    Raises:
        DoraError: it is no checkpoint of this format and version.
    """
    other = "give another --out to begin a new run, or remove the file"
    stored = read_file(path)
    if stored.get("format") != FORMAT:
        raise DoraError(f"{path} is no checkpoint of `dora train`", remedy=other)
    if stored.get("version") != VERSION:
        raise DoraError(
            f"{path} has checkpoint version {stored.get('version')}; this release reads {VERSION}",
            remedy="use the release of wtours that wrote it",
        )
    config = config_from_json(stored["config"], source=str(path))
    names = (name for name in Checkpoint.__dataclass_fields__ if name != "config")
    try:
        return Checkpoint(config=config, **{name: stored[name] for name in names})
    except KeyError as fault:
        raise DoraError(f"{path} lacks {fault}", remedy=other) from None
