import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.eval.image_folder import ClassFolders, LabelledImages


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


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        ({"train/a": ["1.png"], "validation/a": ["1.png"]}, "rename .*validation to val"),
        ({"train/a": ["1.png"]}, "pictures to test with into .*val/CLASS"),
        ({"train/a": ["1.png"], "val": ["1.png"]}, "sort the pictures of .*val into a folder"),
        ({"set/train/a": ["1.png"], "set/val/a": ["1.png"]}, "give .*set instead"),
        ({"cat": ["1.png"], "dog": ["1.png"]}, "hold class folders itself"),
        ({"notes": []}, "hold class folders itself"),
        ({".": ["a.png"]}, "lay the pictures out"),
    ],
)
def test_remedy_fits_what_lies_there(
    tmp_path: Path, names: dict[str, list[str]], remedy: str
) -> None:
    touch(tmp_path, names)
    with pytest.raises(DoraError) as caught:
        ClassFolders.open(tmp_path)
    assert re.search(remedy, caught.value.remedy)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DoraError, match="elsewhere is no folder"):
        ClassFolders.open(tmp_path / "elsewhere")


def test_other_data_than_imagenet_is_noted(tmp_path: Path) -> None:
    touch(tmp_path, {"train/a": ["1.png"], "val/a": ["1.png"]})
    (note,) = ClassFolders.open(tmp_path).notes()
    assert "has 1 classes, not 1000" in note


def test_classes_that_are_not_scored_are_told(tmp_path: Path) -> None:
    touch(tmp_path, {"train/a": ["1.png"], "train/b": ["1.png"], "val/b": ["1.png"]})
    counted, unseen = ClassFolders.open(tmp_path).notes()
    assert "has 2 classes, not 1000" in counted
    assert "val has no pictures of 1 of the 2 classes, such as 'a'" in unseen


def test_part_of_imagenet_is_told_from_the_whole() -> None:
    """Counts are those of ILSVRC 2012."""

    def pictures(count: int) -> LabelledImages:
        labels = tuple(number % 1000 for number in range(count))
        return LabelledImages(paths=(Path("a.jpg"),) * count, labels=labels)

    parts = {"train": pictures(1_281_167), "val": pictures(50_000)}
    whole = ClassFolders(folder=Path("in"), classes=tuple(map(str, range(1000))), **parts)
    assert whole.notes() == ()
    (note,) = replace(whole, val=pictures(49_999)).notes()
    assert "in/val has 49,999 pictures, and that of ImageNet-1k 50,000" in note
