"""Everything a run needs to go on, in one file that is there whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dora.config import RunConfig
from dora.config_text import config_from_json, config_to_json
from dora.errors import DoraError
from dora.model.safe_load import read_file

FORMAT = "dora-checkpoint"
VERSION = 1
CHECKPOINT_FILE = "checkpoint.pth"


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
    """Write a checkpoint beside its name, put it on the disk, and rename it.

    Raises:
        DoraError: the disk is full or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    stored = vars(checkpoint) | {
        "format": FORMAT,
        "version": VERSION,
        "config": config_to_json(checkpoint.config),
        "torch": str(torch.__version__),
    }
    try:
        with partial.open("wb") as stream:
            torch.save(stored, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as fault:  # torch reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        raise DoraError(
            f"{path} cannot be written ({fault})",
            remedy="make room or give another --out; the checkpoint before is untouched",
        ) from fault


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
