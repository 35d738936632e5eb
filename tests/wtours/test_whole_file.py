"""Files appear whole or not at all, and durable on the disk before they do."""

import os
from pathlib import Path

import pytest

from wtours.whole_file import put_folder_in_place, put_in_place, write_whole


def test_text_replaces_the_old_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("old", "Zürich"):
        write_whole(path, text)
    assert path.read_bytes() == "Zürich".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_text_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "record.json"
    write_whole(path, "old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"record.json": "old"}


def test_content_and_names_are_synced_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is synced, in order, by the file that it is: the content first, the new name last."""
    (tmp_path / "walk.mp4.part").write_bytes(b"walk")
    (tmp_path / ".set.partial").mkdir()
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    put_in_place(tmp_path / "walk.mp4.part", tmp_path / "walk.mp4")
    put_folder_in_place(tmp_path / ".set.partial", tmp_path / "set")
    inodes = [(tmp_path / name).stat().st_ino for name in ("walk.mp4", "", "set", "")]
    assert synced == inodes
