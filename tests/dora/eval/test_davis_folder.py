from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dora.errors import DoraError
from dora.eval.davis_folder import open_davis, read_truth
from dora.eval.label_maps import write_labels
from tests.dora.eval import dense_data

SIZE = (64, 48)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    video = dense_data.moving_squares(frames=4, size=SIZE, step_px=8, side_px=16)
    return dense_data.davis(tmp_path, {"walk": video, "run": video})


def test_sequences_of_the_split_are_found_from_the_folder_or_its_parent(folder: Path) -> None:
    for place in (folder, folder / "DAVIS"):
        walk, run = open_davis(place)
        assert (walk.name, run.name) == ("walk", "run")
        assert [path.name for path in walk.frames] == [f"0000{i}.png" for i in range(4)]
        assert [path.name for path in walk.annotations] == [f"0000{i}.png" for i in range(4)]
    (only,) = open_davis(folder, names=["run"])
    assert only.name == "run"


def test_truth_numbers_objects_and_keeps_void(folder: Path) -> None:
    (walk,) = open_davis(folder, names=["walk"])
    labels = read_truth(walk, size=SIZE).labels[1].copy()
    labels[0] = 255
    write_labels(walk.annotations[1], labels)
    truth = read_truth(walk, size=SIZE)
    assert (truth.objects, truth.single, len(truth.labels)) == (1, False, 4)
    assert np.array_equal(truth.labels[1], labels)


def test_masks_of_255_alone_are_those_of_one_object(folder: Path) -> None:
    """DAVIS 2016's; in 2017 they would leave nothing to follow."""
    (walk,) = open_davis(folder, names=["walk"])
    expected = read_truth(walk, size=SIZE)
    for path, labels in zip(walk.annotations, expected.labels, strict=True):
        Image.fromarray(255 * labels).save(path)
    truth = read_truth(walk, size=SIZE)
    assert (truth.objects, truth.single) == (1, True)
    for found, labels in zip(truth.labels, expected.labels, strict=True):
        assert np.array_equal(found, labels)


def without(part: str) -> Callable[[Path], None]:
    def remove(root: Path) -> None:
        (root / part).rename(root / "elsewhere")

    return remove


def emptied(root: Path) -> None:
    (root / "ImageSets/2017/val.txt").write_text("\n")


def shortened(root: Path) -> None:
    for name in ("00002.png", "00003.png"):
        (root / "JPEGImages/480p/run" / name).unlink()


@pytest.mark.parametrize(
    ("change", "fault", "remedy"),
    [
        (without("JPEGImages/480p"), "no JPEGImages/480p", "unpack DAVIS-2017-trainval-480p.zip"),
        (without("Annotations"), "no Annotations/480p", "unpack"),
        (without("ImageSets"), "val.txt is missing", "--sequence"),
        (emptied, "lists no sequences", "--sequence"),
        (without("JPEGImages/480p/run"), "run is missing", "sequence's name"),
        (without("Annotations/480p/run/00002.png"), "00002.png is missing", "masks of run"),
        (shortened, "holds 2 frames", "unpack"),
    ],
)
def test_what_is_missing_is_named_with_its_place(
    folder: Path, change: Callable[[Path], None], fault: str, remedy: str
) -> None:
    change(folder / "DAVIS")
    with pytest.raises(DoraError, match=fault) as caught:
        open_davis(folder / "DAVIS")
    assert remedy in caught.value.remedy


def test_object_that_the_first_frame_has_not_is_refused(folder: Path) -> None:
    (walk,) = open_davis(folder, names=["walk"])
    labels = np.zeros((48, 64), np.uint8)
    labels[3:9, 3:9] = 1
    labels[20:30, 20:30] = 2
    write_labels(walk.annotations[2], labels)
    with pytest.raises(DoraError, match=r"object 2 of .*00002\.png is not in the first frame"):
        read_truth(walk, size=SIZE)
    write_labels(walk.annotations[0], np.where(labels == 2, 3, labels).astype(np.uint8))
    with pytest.raises(DoraError, match=r"object 2 of .*00000\.png is not in the first frame"):
        read_truth(walk, size=SIZE)
    write_labels(walk.annotations[0], np.zeros((48, 64), np.uint8))
    with pytest.raises(DoraError, match=r"00000\.png marks no object"):
        read_truth(walk, size=SIZE)


def test_mask_of_another_size_is_refused(folder: Path) -> None:
    (walk,) = open_davis(folder, names=["walk"])
    write_labels(walk.annotations[3], np.zeros((24, 32), np.uint8))
    with pytest.raises(DoraError, match=r"00003\.png is 32x24, its picture 64x48"):
        read_truth(walk, size=SIZE)
