"""What `--data` of the suite may say, and what is left out for want of data."""

from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.eval.suite_data import parse_data
from dora.eval.suite_parts import suite_parts

PARTS = suite_parts(short=True)
NO_DATA = "no data were given (--data {0}=FOLDER)"


def test_data_is_named_by_its_evaluations(tmp_path: Path) -> None:
    given = parse_data([f"KNN,linear={tmp_path}"], PARTS)
    assert given.folders == {"knn": tmp_path, "linear": tmp_path}
    assert given.left_out == tuple(
        f"{name}: {NO_DATA.format(name)}" for name in ("discovery", "davis", "finetune")
    )


def test_data_sets_to_fine_tune_on_are_found_by_the_names_of_their_folders(tmp_path: Path) -> None:
    for name in ("cifar10", "cifar-100-python", "inat19", "other"):
        (tmp_path / name).mkdir()
    given = parse_data([f"finetune={tmp_path}", f"finetune-inat19={tmp_path / 'other'}"], PARTS)
    assert given.folders == {
        "finetune-cifar10": tmp_path / "cifar10",
        "finetune-cifar100": tmp_path / "cifar-100-python",
        "finetune-inat19": tmp_path / "other",
    }
    assert given.left_out[4:] == tuple(
        f"finetune-{name}: {tmp_path} has no folder {name}"
        for name in ("flowers102", "cars", "inat18", "imagenet")
    )


def test_one_data_set_can_be_named_alone(tmp_path: Path) -> None:
    given = parse_data([f"finetune-cars={tmp_path}"], PARTS)
    assert given.folders == {"finetune-cars": tmp_path}
    assert f"finetune-cifar10: {NO_DATA.format('finetune-cifar10')}" in given.left_out


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "no data"),
        (["imagenet=."], "names no evaluation"),
        (["."], "names no evaluation"),
        (["knn=.", "linear,knn=."], "names knn twice"),
        (["knn=nowhere"], "nowhere is no folder"),
        (["knn,=."], "names no evaluation"),
        (["knn="], "--data 'knn=' names no folder"),
        (["finetune="], "--data 'finetune=' names no folder"),
        (["finetune=nowhere"], "nowhere is no folder"),
        (["finetune=."], "no folder of a data set to fine-tune on"),
        (["finetune-cifar=."], "names no evaluation"),
    ],
)
def test_data_that_is_named_otherwise_is_refused(
    words: list[str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DoraError, match=fault) as caught:
        parse_data(words, PARTS)
    assert caught.value.remedy


def test_without_fine_tuning_its_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DoraError, match="names no evaluation"):
        parse_data([f"finetune={tmp_path}"], PARTS[:4])
