from collections.abc import Mapping
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.eval.image_folder import ClassFolders


def touch(folder: Path, names: Mapping[str, list[str]]) -> Path:
    for parent, files in names.items():
        (folder / parent).mkdir(parents=True, exist_ok=True)
        for name in files:
            (folder / parent / name).parent.mkdir(exist_ok=True)
            (folder / parent / name).touch()
    return folder


def test_classes_are_numbered_by_name_and_other_files_left_out(tmp_path: Path) -> None:
    touch(
        tmp_path,
        {
            "train/cat": ["b.JPG", "a.png", "notes.txt", ".hidden.png"],
            "train/ant": ["more/x.webp", "a.jpeg"],
            "train/.cache": ["a.png"],
            "val/cat": ["c.png"],
        },
    )
    folders = ClassFolders.open(tmp_path)
    assert folders.classes == ("ant", "cat")
    found = [str(path.relative_to(tmp_path / "train")) for path in folders.train.paths]
    assert found == ["ant/a.jpeg", "ant/more/x.webp", "cat/a.png", "cat/b.JPG"]
    assert folders.train.labels == (0, 0, 1, 1)
    assert folders.val.labels == (1,)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ({}, "no folder train/"),
        ({"train/a": ["1.png"]}, "no folder val/"),
        ({"train": ["1.png"], "val/a": ["1.png"]}, "train has no class folders"),
        ({"train/a": ["1.png"], "train/b": ["1.txt"], "val/a": ["1.png"]}, "b holds no pictures"),
        ({"train/a": ["1.png"], "val/a": []}, "a holds no pictures"),
        (
            {"train/a": ["1.png"], "val/a": ["1.png"], "val/b": ["1.png"], "val/c": ["1.png"]},
            "val has the class 'b', which .*train has not .and 1 more",
        ),
    ],
)
def test_another_layout_is_named_with_its_remedy(
    tmp_path: Path, names: dict[str, list[str]], fault: str
) -> None:
    touch(tmp_path, names)
    with pytest.raises(DoraError, match=fault) as caught:
        ClassFolders.open(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.remedy


def test_part_called_test_is_to_be_renamed(tmp_path: Path) -> None:
    touch(tmp_path, {"train/a": ["1.png"], "test/a": ["1.png"]})
    with pytest.raises(DoraError, match="no folder val/") as caught:
        ClassFolders.open(tmp_path)
    assert caught.value.remedy == f"rename {tmp_path / 'test'} to val"
