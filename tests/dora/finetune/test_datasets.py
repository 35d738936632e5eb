"""Data sets in their published layouts, made on the spot, whole and broken."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from dora.errors import DoraError
from dora.eval.pictures import read_picture
from dora.finetune.datasets import ClassificationData, open_dataset
from dora.finetune.pictures import open_source, scored_crop
from dora.finetune.recipe import TestResize
from tests.dora.eval.tiny_networks import write_colours
from tests.dora.finetune.tiny_datasets import (
    annotations,
    coloured,
    write_cars,
    write_cifar,
    write_cifar10,
    write_flowers,
    write_inaturalist,
    write_whole_cars,
)


def assert_colours(data: ClassificationData, *, first: int) -> None:
    """Check that every picture has the colour of its class.

    Args:
        data: classes are numbered in the order of the files' own numbers.
        first: the files' number of the class 0, where they follow each other.
    """
    for part in (data.train, data.test):
        assert len(part.sources) == len(part.labels)
        for source, label in zip(part.sources, part.labels, strict=True):
            mean = np.asarray(open_source(source)).mean(axis=(0, 1))
            expected = coloured(label + first, 0).mean(axis=(0, 1))
            assert np.abs(mean - expected).max() < 10


@pytest.mark.parametrize("inside", [False, True])
def test_cifar10_batches(tmp_path: Path, inside: bool) -> None:
    place = write_cifar10(tmp_path)
    data = open_dataset("cifar10", place if inside else tmp_path)
    assert (data.classes, len(data.train), data.test.labels) == (2, 10, (0, 1))
    assert data.layout == "python batches (cifar-10-batches-py)"
    assert_colours(data, first=0)
    np.testing.assert_array_equal(np.asarray(open_source(data.train.sources[3])), coloured(1, 1))
    shortfall = data.shortfall()
    assert shortfall is not None
    assert "2 classes, not 10; 10 training pictures, not 50,000" in shortfall


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar100_batches_have_fine_labels(tmp_path: Path, protocol: int) -> None:
    write_cifar(
        tmp_path,
        name="cifar-100-python",
        batches={"train": (5, 2, 2), "test": (2, 5)},
        key="fine_labels",
        protocol=protocol,
    )
    data = open_dataset("cifar100", tmp_path)
    assert (data.train.labels, data.test.labels) == ((1, 0, 0), (0, 1))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet"])
def test_class_folders(tmp_path: Path, name: str) -> None:
    write_colours(tmp_path, train=3, val=2)
    data = open_dataset(name, tmp_path)
    assert (data.layout, data.classes) == ("class folders", 2)
    assert (data.train.labels, data.test.labels) == ((0, 0, 0, 1, 1, 1), (0, 0, 1, 1))
    assert_colours(data, first=0)


def test_flowers_are_trained_on_two_of_their_three_parts(tmp_path: Path) -> None:
    data = open_dataset("flowers102", write_flowers(tmp_path))
    assert (data.train.labels, data.test.labels) == ((0, 1, 1), (0, 0, 1))
    assert [path.name for path in data.test.sources] == [
        f"image_0000{number}.jpg" for number in (4, 5, 6)
    ]
    assert_colours(data, first=1)


def test_cars_with_the_devkit(tmp_path: Path) -> None:
    data = open_dataset("cars", write_cars(tmp_path))
    assert (data.train.labels, data.test.labels) == ((0, 1, 1), (1, 0))
    assert_colours(data, first=1)
    inside = tmp_path / "devkit" / "cars_test_annos_withlabels.mat"
    inside.rename(tmp_path / inside.name)
    assert open_dataset("cars", tmp_path).test.labels == (1, 0)


def test_cars_with_one_list(tmp_path: Path) -> None:
    write_whole_cars(tmp_path, rows=[(1, 0), (2, 1), (2, 0), (1, 1), (2, 0)])
    data = open_dataset("cars", tmp_path)
    assert (data.train.labels, data.test.labels) == ((0, 1, 1), (1, 0))
    assert_colours(data, first=1)


@pytest.mark.parametrize(("name", "year"), [("inat18", 2018), ("inat19", 2019)])
def test_inaturalist_has_any_numbers_of_classes(tmp_path: Path, name: str, year: int) -> None:
    data = open_dataset(name, write_inaturalist(tmp_path, year=year))
    assert data.published.title == f"iNaturalist {year}"
    assert (data.train.labels, data.test.labels) == ((1, 0, 0), (0, 1))
    for source in data.train.sources:
        assert source.parent.name in ("3", "7")


def test_single_picture_of_a_part_is_found(tmp_path: Path) -> None:
    data = open_dataset("cars", write_cars(tmp_path, train=(4,), test=(4,)))
    assert (data.train.labels, data.test.labels) == ((0,), (0,))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("cifar10", lambda folder: write_cifar10(folder, test=(0, 2))),
        ("flowers102", lambda folder: write_flowers(folder, labels=(1, 2, 2, 3, 1, 2))),
        ("cars", lambda folder: write_cars(folder, test=(2, 5))),
        ("inat18", lambda folder: write_inaturalist(folder, val=(3, 9))),
    ],
)
def test_label_never_seen_in_training_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], Path]
) -> None:
    write(tmp_path)
    with pytest.raises(DoraError, match=r"class \d, which no training picture shows"):
        open_dataset(name, tmp_path)


def test_class_folder_never_seen_in_training_is_refused(tmp_path: Path) -> None:
    write_colours(tmp_path)
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "green")
    with pytest.raises(DoraError, match=r"class 'green', which .*train has not"):
        open_dataset("imagenet", tmp_path)


@pytest.mark.parametrize(
    ("name", "fault", "remedy"),
    [
        ("cifar10", "neither cifar-10-batches-py/data_batch_1 nor", "cifar-10-python.tar.gz"),
        ("cifar100", "neither cifar-100-python/train nor", "cifar-100-python.tar.gz"),
        ("flowers102", "jpg is missing", "102flowers.tgz"),
        ("cars", "cars_train_annos.mat is missing", "devkit"),
        ("inat18", "train2018.json is missing", "train2018.json"),
        ("inat19", "train2019.json is missing", "train2019.json"),
        ("imagenet", "has no folder train/", "train/CLASS"),
    ],
)
def test_empty_folder_is_told_what_belongs_there(
    tmp_path: Path, name: str, fault: str, remedy: str
) -> None:
    with pytest.raises(DoraError, match=fault) as caught:
        open_dataset(name, tmp_path)
    assert remedy in caught.value.remedy
    with pytest.raises(DoraError, match="is not a folder"):
        open_dataset(name, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "write", "gone", "fault"),
    [
        ("cifar10", write_cifar10, "cifar-10-batches-py/data_batch_3", "lacks data_batch_3"),
        ("cifar10", write_cifar10, "cifar-10-batches-py/test_batch", "lacks test_batch"),
        ("flowers102", write_flowers, "imagelabels.mat", "imagelabels.mat is missing"),
        ("flowers102", write_flowers, "setid.mat", "setid.mat is missing"),
        ("flowers102", write_flowers, "jpg/image_00002.jpg", "6 labels, and .*jpg 5 pictures"),
        ("cars", write_cars, "cars_train/00002.jpg", "names .*00002.jpg, which is not there"),
        (
            "cars",
            write_cars,
            "devkit/cars_test_annos_withlabels.mat",
            "cars_test_annos_withlabels.mat is missing",
        ),
        ("inat18", write_inaturalist, "val2018.json", "val2018.json is missing"),
        (
            "inat18",
            write_inaturalist,
            "train_val2018/Aves/7/train0.jpg",
            "names .*train0.jpg, which is not there",
        ),
    ],
)
def test_missing_part_is_named(
    tmp_path: Path, name: str, write: Callable[[Path], Path], gone: str, fault: str
) -> None:
    write(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(DoraError, match=fault):
        open_dataset(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "write", "damaged", "fault"),
    [
        (
            "cifar10",
            write_cifar10,
            "cifar-10-batches-py/data_batch_2",
            "data_batch_2 is no whole batch",
        ),
        ("flowers102", write_flowers, "setid.mat", "setid.mat is no whole MATLAB file"),
        (
            "cars",
            write_cars,
            "devkit/cars_train_annos.mat",
            "cars_train_annos.mat is no whole MATLAB file",
        ),
        ("inat18", write_inaturalist, "train2018.json", "train2018.json is no whole list"),
    ],
)
def test_damaged_annotations_are_named(
    tmp_path: Path, name: str, write: Callable[[Path], Path], damaged: str, fault: str
) -> None:
    write(tmp_path)
    path = tmp_path / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DoraError, match=fault):
        open_dataset(name, tmp_path)


def test_annotations_of_another_count_are_refused(tmp_path: Path) -> None:
    batch = write_cifar10(tmp_path / "cifar") / "data_batch_4"
    content = pickle.loads(batch.read_bytes())
    batch.write_bytes(pickle.dumps({**content, "labels": [0]}))
    with pytest.raises(DoraError, match="data_batch_4 has 1 labels for 2 pictures"):
        open_dataset("cifar10", tmp_path / "cifar")

    flowers = write_flowers(tmp_path / "flowers", labels=(1, 2, 2, 1, 1))
    with pytest.raises(DoraError, match="names picture 6, and there are 5"):
        open_dataset("flowers102", flowers)

    cars = write_cars(tmp_path / "cars")
    (cars / "cars_test" / "00009.jpg").write_bytes(b"")
    with pytest.raises(DoraError, match=r"has 2 annotations, and .*cars_test 3 pictures"):
        open_dataset("cars", cars)

    path = write_inaturalist(tmp_path / "inat") / "train2018.json"
    listed = json.loads(path.read_text())
    path.write_text(json.dumps({**listed, "annotations": listed["annotations"][1:]}))
    with pytest.raises(DoraError, match="3 pictures and 2 classes of them; picture 20 is in one"):
        open_dataset("inat18", path.parent)


def test_picture_both_to_train_on_and_to_test_with_is_refused(tmp_path: Path) -> None:
    write_flowers(tmp_path, parts=((1, 2), (3,), (3, 5, 6)))
    with pytest.raises(DoraError, match="picture 3 both to train on"):
        open_dataset("flowers102", tmp_path)


def test_cars_annotations_without_labels_are_refused(tmp_path: Path) -> None:
    write_cars(tmp_path)
    path = tmp_path / "devkit" / "cars_test_annos_withlabels.mat"
    scipy.io.savemat(path, annotations([("00001.jpg", 1), ("00002.jpg", 1)], ("fname", "bbox_x1")))
    with pytest.raises(DoraError, match="annotations without 'class'"):
        open_dataset("cars", tmp_path)
    scipy.io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DoraError, match="has no variable 'annotations'"):
        open_dataset("cars", tmp_path)


def test_annotations_that_name_files_elsewhere_are_refused(tmp_path: Path) -> None:
    path = write_inaturalist(tmp_path / "inat") / "train2018.json"
    listed = json.loads(path.read_text())
    listed["images"][1]["file_name"] = str(path.parent / listed["images"][1]["file_name"])
    path.write_text(json.dumps(listed))
    with pytest.raises(DoraError, match=r"names /.*, which is not a name within") as caught:
        open_dataset("inat18", path.parent)
    assert "copy train2018.json again" in caught.value.remedy
    cars = write_cars(tmp_path / "cars")
    here = str(cars / "cars_test" / "00001.jpg")
    scipy.io.savemat(
        cars / "devkit" / "cars_test_annos_withlabels.mat",
        annotations([(here, 1), ("00002.jpg", 1)], ("fname", "class")),
    )
    with pytest.raises(DoraError, match="which is not a name within"):
        open_dataset("cars", cars)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("code of the file has run",))


def test_code_in_a_batch_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = write_cifar10(tmp_path) / "data_batch_1"
    batch.write_bytes(pickle.dumps({"data": Evil(), "labels": [0, 1]}, protocol=2))
    with pytest.raises(DoraError, match="could run code"):
        open_dataset("cifar10", tmp_path)
    assert "has run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"data": np.zeros((2, 3072), np.uint8)},
        {"data": np.zeros((2, 3071), np.uint8), "labels": [0, 1]},
        {"data": np.zeros((2, 3072), np.float32), "labels": [0, 1]},
    ],
)
def test_batch_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    batch = write_cifar10(tmp_path) / "data_batch_1"
    batch.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DoraError, match="data_batch_1 has"):
        open_dataset("cifar10", tmp_path)


def test_digest_tells_pictures_and_labels_apart(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path).parent)
    files = open_dataset("cars", write_cars(tmp_path / "cars"))
    digests = {
        data.train.digest(tmp_path),
        data.test.digest(tmp_path),
        files.train.digest(tmp_path),
        files.test.digest(tmp_path),
    }
    assert len(digests) == 4
    assert data.train.digest(tmp_path / "elsewhere") in digests


def test_scored_crop_is_that_of_the_other_evaluations(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(coloured(1, 0, side=50)).save(path)
    expected = read_picture(path, image_px=112)
    for source in (path, coloured(1, 0, side=50)):
        assert (scored_crop(source, image_px=112, resize="bicubic") == expected).all()


@pytest.mark.parametrize(
    ("resize", "image_px", "shorter_px"),
    [
        ("bicubic", 224, 256),
        ("bicubic", 384, 438),
        ("bicubic", 32, 36),
        ("bilinear", 224, 256),
        ("bilinear", 368, 420),
        ("bilinear", 384, 384),
        ("bilinear", 512, 512),
    ],
)
def test_scored_crop_is_resized_as_published(
    resize: TestResize, image_px: int, shorter_px: int
) -> None:
    """DeiT's int((256 / 224) * side), and BEiT's int(side / crop_pct) in torchvision's default."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8))
    kind = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[resize]
    resized = picture.resize((shorter_px, shorter_px * 50 // 40), kind)
    left, top = ((side - image_px) / 2 for side in resized.size)
    expected = resized.crop(
        (round(left), round(top), round(left) + image_px, round(top) + image_px)
    )
    found = scored_crop(np.asarray(picture), image_px=image_px, resize=resize)
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), np.asarray(expected))
    if resize == "bicubic" or image_px < 384:
        assert shorter_px == int((256 / 224) * image_px) == int(image_px / (224 / 256))
