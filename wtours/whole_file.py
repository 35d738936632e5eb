"""Files that appear under their name only when whole: written beside it, synced, renamed."""

import os
from pathlib import Path


def put_in_place(part: Path, final: Path) -> None:
    """Give a whole file its final name; after a crash either the old or the new file is there."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)
    _sync_folder(final.parent)


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that nobody ever sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    put_in_place(part, path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there, and renaming is durable without
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
