from collections.abc import Callable
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.whole_file import whole_file


def test_file_appears_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file.txt"
    with whole_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text() == "whole"


def write_in_vain(path: Path, fault: Callable[[], object]) -> None:
    with whole_file(path, remedy="make room") as partial:
        partial.write_text("ha")
        fault()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_fault_leaves_the_older_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt):
        write_in_vain(path, interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "older"


def test_full_disk_is_one_sentence_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(DoraError, match=r"file\.txt cannot be written \(No space") as caught:
        write_in_vain(path, lambda: Path("/dev/full").write_text("too much"))
    assert caught.value.remedy == "make room"
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match="cannot be written"):
        write_in_vain(tmp_path / "file" / "a.txt", interrupt)
