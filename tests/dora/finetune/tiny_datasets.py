"""Published layouts of data sets of classification, with a few tiny pictures."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray
from PIL import Image

COLOURS = ((20, 40, 220), (220, 60, 20), (30, 200, 40))


def coloured(label: int, number: int, *, side: int = 32) -> NDArray[np.uint8]:
    """Return a picture of noise around the colour of its class, (side, side, 3)."""
    generator = np.random.default_rng([label, number])
    pixels = generator.normal(COLOURS[label % 3], 20, size=(side, side, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_jpeg(path: Path, label: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coloured(label, number)).save(path)


def write_cifar(
    folder: Path, *, name: str, batches: dict[str, Sequence[int]], key: str, protocol: int = 2
) -> Path:
    """Write batches of labels in CIFAR's form into `folder/name`; return that folder."""
    place = folder / name
    place.mkdir(parents=True)
    for batch, labels in batches.items():
        planes = [
            coloured(label, number).transpose(2, 0, 1).reshape(-1)
            for number, label in enumerate(labels)
        ]
        content = {"data": np.stack(planes), key: list(labels)}
        (place / batch).write_bytes(pickle.dumps(content, protocol=protocol))
    return place


def write_cifar10(folder: Path, *, test: Sequence[int] = (0, 1)) -> Path:
    batches = {f"data_batch_{number}": (0, 1) for number in range(1, 6)}
    return write_cifar(
        folder, name="cifar-10-batches-py", batches={**batches, "test_batch": test}, key="labels"
    )


def write_flowers(
    folder: Path,
    *,
    labels: Sequence[int] = (1, 2, 2, 1, 1, 2),
    parts: tuple[Sequence[int], Sequence[int], Sequence[int]] = ((1, 2), (3,), (4, 5, 6)),
) -> Path:
    for number, label in enumerate(labels, start=1):
        write_jpeg(folder / "jpg" / f"image_{number:05}.jpg", label, number)
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    named = dict(zip(("trnid", "valid", "tstid"), parts, strict=True))
    scipy.io.savemat(
        folder / "setid.mat",
        {name: np.array([ids], dtype=np.uint16) for name, ids in named.items()},
    )
    return folder


def annotations(rows: Sequence[tuple[object, ...]], fields: Sequence[str]) -> dict[str, object]:
    """Return a struct array of MATLAB."""
    made = np.zeros((1, len(rows)), dtype=[(field, object) for field in fields])
    for number, row in enumerate(rows):
        made[0, number] = row
    return {"annotations": made}


def write_cars(
    folder: Path, *, train: Sequence[int] = (1, 2, 2), test: Sequence[int] = (2, 1)
) -> Path:
    (folder / "devkit").mkdir(parents=True)
    for part, labels in (("train", train), ("test", test)):
        rows = []
        for number, label in enumerate(labels, start=1):
            name = f"{number:05}.jpg"
            write_jpeg(folder / f"cars_{part}" / name, label, number)
            rows.append((1, 1, 30, 30, label, name))
        ending = "_withlabels" if part == "test" else ""
        fields = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
        path = folder / "devkit" / f"cars_{part}_annos{ending}.mat"
        scipy.io.savemat(path, annotations(rows, fields))
    return folder


def write_whole_cars(folder: Path, *, rows: Sequence[tuple[int, int]]) -> Path:
    """Write `cars_annos.mat` with (class, whether to test with)."""
    listed = []
    for number, (label, tested) in enumerate(rows, start=1):
        name = f"car_ims/{number:06}.jpg"
        write_jpeg(folder / name, label, number)
        listed.append((name, label, tested))
    fields = ("relative_im_path", "class", "test")
    scipy.io.savemat(folder / "cars_annos.mat", annotations(listed, fields))
    return folder


def write_inaturalist(
    folder: Path,
    *,
    train: Sequence[int] = (7, 3, 3),
    val: Sequence[int] = (3, 7),
    year: int = 2018,
) -> Path:
    for part, labels in (("train", train), ("val", val)):
        images, classes = [], []
        for number, label in enumerate(labels):
            name = f"train_val{year}/Aves/{label}/{part}{number}.jpg"
            write_jpeg(folder / name, label, number)
            images.append({"id": 10 * number, "file_name": name})
            classes.insert(0, {"id": number, "image_id": 10 * number, "category_id": label})
        content = {"images": images, "annotations": classes, "categories": []}
        (folder / f"{part}{year}.json").write_text(json.dumps(content))
    return folder
