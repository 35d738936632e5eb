"""A checkpoint is whole, or the one before it, or refused by name."""

import errno
import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dora.errors import DoraError
from dora.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.dora.tiny_run import tiny_run


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        config=tiny_run(),
        step=step,
        data="0",
        student={"weight": torch.arange(5000.0)},
        teacher={"weight": torch.zeros(50)},
        optimizer={"state": {}, "param_groups": []},
        centre=torch.zeros(3),
        scaler={},
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    save_checkpoint(path, checkpoint(3))
    save_checkpoint(path, replace(checkpoint(4), scaler={"scale": 2.0}))
    found = load_checkpoint(path)
    assert (found.step, found.config, found.scaler) == (4, tiny_run(), {"scale": 2.0})
    assert torch.equal(found.student["weight"], torch.arange(5000.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pth"]


class FullDisk(io.FileIO):
    """A file on a disk with room for 4,096 bytes."""

    def write(self, data: object) -> int:
        if self.tell() + len(memoryview(data).cast("B")) > 4096:  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]


def test_a_full_disk_is_a_sentence_and_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pth"
    save_checkpoint(path, checkpoint(3))
    opened: Callable[..., object] = Path.open

    def on_a_full_disk(self: Path, mode: str = "r", **options: object) -> object:
        return FullDisk(self, "w") if mode == "wb" else opened(self, mode, **options)

    monkeypatch.setattr(Path, "open", on_a_full_disk)
    with pytest.raises(DoraError, match=r"checkpoint\.pth cannot be written \(No space"):
        save_checkpoint(path, checkpoint(4))
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pth"]
    assert load_checkpoint(path).step == 3


def test_every_altered_byte_is_found_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    save_checkpoint(path, checkpoint(3))
    whole = path.read_bytes()
    places = random.Random(0).sample(range(len(whole)), 150)
    refused = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = load_checkpoint(path)
        except DoraError as fault:
            refused += "checkpoint.pth" in fault.message
        else:  # padding between the parts, a date in the table of contents
            assert torch.equal(found.student["weight"], torch.arange(5000.0))
            assert (found.step, found.config) == (3, tiny_run())
    assert refused > 100
