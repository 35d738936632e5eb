"""True cuts are read as they were noted, and what cannot be meant is said with its line."""

from pathlib import Path

import pytest

from analysis.true_cuts import read_true_cuts
from wtours import WtoursError


def csv_of(folder: Path, text: str) -> Path:
    path = folder / "cuts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_video_has_its_frames_and_one_without_cuts_none(tmp_path: Path) -> None:
    lines = "\ufeffnote,video,frame\nfade,film,180\n,film, 30\n,film,30\n,walk,\n,drive,7\n"
    assert read_true_cuts(csv_of(tmp_path, lines)) == {"film": [30, 180], "walk": [], "drive": [7]}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "has no column video"),
        ("video,time\nfilm,3\n", "has no column frame"),
        ("video,frame\n", "names no video"),
        ("video,frame\nfilm,3\nfilm,soon\n", "line 3: 'soon' is no frame"),
        ("video,frame\nfilm,-3\n", "line 2: '-3' is no frame"),
        ("video,frame\nfilm,0\n", "line 2: '0' is no frame"),
        ("video,frame\nfilm,1.5\n", "line 2: '1.5' is no frame"),
        ("video,frame\n,5\n", "line 2 names no video"),
        ("video,frame\nfilm\n", "line 2 has no frame"),
    ],
)
def test_what_is_no_list_of_cuts_is_named(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(WtoursError, match=told) as raised:
        read_true_cuts(csv_of(tmp_path, lines))
    assert "cuts.csv" in raised.value.message


@pytest.mark.parametrize("content", [None, b"video,frame\n\xff\xfe,3\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "cuts.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WtoursError, match=r"cuts\.csv.*--truth"):
        read_true_cuts(path)
