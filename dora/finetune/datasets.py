"""Data sets of classification in the layouts that they are published in, checked before use."""

from dataclasses import dataclass
from pathlib import Path

from dora.errors import DoraError
from dora.eval.image_folder import ClassFolders, LabelledImages
from dora.finetune.annotation_layouts import read_cars, read_flowers, read_inaturalist
from dora.finetune.cifar_batches import CIFAR10, CIFAR100, find_batches, read_batches
from dora.finetune.layout import Found
from dora.finetune.pictures import LabelledPictures
from dora.finetune.recipe import DatasetName


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a data set has when it is whole."""

    title: str
    column: str
    """In the tables of results."""
    classes: int
    train: int
    """Training pictures of the protocol."""
    test: int


@dataclass(frozen=True, kw_only=True)
class ClassificationData:
    """A data set, its classes numbered from 0."""

    published: Published
    folder: Path
    layout: str
    """For people: which of the layouts was found."""
    classes: int
    train: LabelledPictures
    test: LabelledPictures

    def shortfall(self) -> str | None:
        """Return a sentence on what makes it another data set than the published one, if any."""
        whole = self.published
        pairs = (
            ("classes", self.classes, whole.classes),
            ("training pictures", len(self.train), whole.train),
            ("test pictures", len(self.test), whole.test),
        )
        lacking = [
            f"{found:,} {what}, not {expected:,}"
            for what, found, expected in pairs
            if found != expected
        ]
        if not lacking:
            return None
        return (
            f"{self.folder} is not the whole {whole.title} ({'; '.join(lacking)}): "
            "numbers are not comparable"
        )


def published(name: DatasetName) -> Published:
    """Return what is known of a data set."""
    match name:
        case "cifar10":
            return Published(
                title="CIFAR-10", column="CIFAR-10", classes=10, train=50_000, test=10_000
            )
        case "cifar100":
            return Published(
                title="CIFAR-100", column="CIFAR-100", classes=100, train=50_000, test=10_000
            )
        case "flowers102":
            return Published(
                title="Flowers-102", column="Flowers-102", classes=102, train=2_040, test=6_149
            )
        case "cars":
            return Published(
                title="Stanford Cars", column="Cars", classes=196, train=8_144, test=8_041
            )
        case "inat18":
            return Published(
                title="iNaturalist 2018",
                column="iNat-18",
                classes=8_142,
                train=437_513,
                test=24_426,
            )
        case "inat19":
            return Published(
                title="iNaturalist 2019",
                column="iNat-19",
                classes=1_010,
                train=265_213,
                test=3_030,
            )
        case "imagenet":
            return Published(
                title="ImageNet-1k",
                column="ImageNet fine-tuned",
                classes=1_000,
                train=1_281_167,
                test=50_000,
            )


def open_dataset(name: DatasetName, folder: Path) -> ClassificationData:
    """List the pictures of a data set; those in files are not read.

    CIFAR is found as the python batches or as class folders, Flowers-102, Stanford Cars and
    iNaturalist by their annotations, ImageNet as class folders (`train/`, `val/`).

    Raises:
        DoraError: a part is missing, counts contradict each other, or a class of the test pictures
            is in no training picture.
    """
    if not folder.is_dir():
        raise DoraError(f"{folder} is not a folder", remedy="check the path of --data")
    found = _find(name, folder)
    for what, labels in (("training", found.train_labels), ("test", found.test_labels)):
        if not labels:
            raise DoraError(f"{folder} has no {what} pictures", remedy="copy the data set again")
    train, test, classes = _number(found, folder)
    return ClassificationData(
        published=published(name),
        folder=folder,
        layout=found.layout,
        classes=classes,
        train=LabelledPictures(sources=found.train, labels=train),
        test=LabelledPictures(sources=found.test, labels=test),
    )


def _find(name: DatasetName, folder: Path) -> Found:
    match name:
        case "cifar10" | "cifar100":
            batches = CIFAR10 if name == "cifar10" else CIFAR100
            place = find_batches(folder, batches)
            if place is not None:
                return read_batches(place, batches)
            if (folder / "train").is_dir() or (folder / "val").is_dir():
                return _class_folders(folder)
            raise DoraError(
                f"{folder} has neither {batches.folder}/{batches.train[0]} nor train/ and val/",
                remedy=f"unpack {batches.archive} there",
            )
        case "flowers102":
            return read_flowers(folder)
        case "cars":
            return read_cars(folder)
        case "inat18":
            return read_inaturalist(folder, year=2018)
        case "inat19":
            return read_inaturalist(folder, year=2019)
        case "imagenet":
            return _class_folders(folder)


def _class_folders(folder: Path) -> Found:
    folders = ClassFolders.open(folder)

    def named(part: LabelledImages) -> list[str]:
        return [folders.classes[label] for label in part.labels]

    return Found(
        layout="class folders",
        train=folders.train.paths,
        train_labels=named(folders.train),
        test=folders.val.paths,
        test_labels=named(folders.val),
    )


def _number(found: Found, folder: Path) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return labels from 0 in the order of the names or numbers, and how many there are.

    Raises:
        DoraError: a class of the test pictures is in no training picture.
    """
    trained = sorted(set(found.train_labels), key=_in_order)
    unseen = sorted(set(found.test_labels) - set(trained), key=_in_order)
    if unseen:
        raise DoraError(
            f"{folder} has test pictures of the class {unseen[0]!r}, "
            "which no training picture shows"
            + (f" (and of {len(unseen) - 1} more)" if len(unseen) > 1 else ""),
            remedy="copy the annotations again: training and test belong together",
        )
    numbers = {label: number for number, label in enumerate(trained)}
    train = tuple(numbers[label] for label in found.train_labels)
    return train, tuple(numbers[label] for label in found.test_labels), len(trained)


def _in_order(label: int | str) -> tuple[int, str]:
    return (label, "") if isinstance(label, int) else (0, label)
