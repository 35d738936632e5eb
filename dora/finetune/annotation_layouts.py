"""Data sets whose classes stand in annotation files: Flowers-102, Stanford Cars, iNaturalist."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from dora.errors import DoraError
from dora.finetune.layout import Found
from dora.finetune.pictures import require_files


def read_flowers(folder: Path) -> Found:
    """Return Flowers-102: trained on its training and validation parts, 2,040 pictures, as usual.

    Raises:
        DoraError: `jpg/`, `imagelabels.mat` or `setid.mat` is missing or damaged, or they
            contradict each other.
    """
    _require(folder, "jpg", of="Flowers-102", archive="102flowers.tgz")
    labels_path = _require(folder, "imagelabels.mat", of="Flowers-102", archive="imagelabels.mat")
    parts_path = _require(folder, "setid.mat", of="Flowers-102", archive="setid.mat")
    labels = _whole_numbers(_read_mat(labels_path, "labels"))
    parts = {
        name: _whole_numbers(_read_mat(parts_path, name)) for name in ("trnid", "valid", "tstid")
    }
    present = len(list((folder / "jpg").glob("image_*.jpg")))
    if present != len(labels):
        raise DoraError(
            f"{labels_path} has {len(labels)} labels, and {folder / 'jpg'} {present} pictures",
            remedy="unpack 102flowers.tgz and copy imagelabels.mat again",
        )
    numbers = np.concatenate(list(parts.values()))
    if len(numbers) and (numbers.min() < 1 or numbers.max() > len(labels)):
        outside = numbers[(numbers < 1) | (numbers > len(labels))][0]
        raise DoraError(
            f"{parts_path} names picture {outside}, and there are {len(labels)}",
            remedy="copy setid.mat again",
        )
    train = np.concatenate([parts["trnid"], parts["valid"]])
    shared = np.intersect1d(train, parts["tstid"])
    if len(shared):
        raise DoraError(
            f"{parts_path} has picture {shared[0]} both to train on and to test with",
            remedy="copy setid.mat again",
        )
    paths = [
        [folder / "jpg" / f"image_{number:05}.jpg" for number in part]
        for part in (train.tolist(), parts["tstid"].tolist())
    ]
    for listed in paths:
        require_files(listed, named_by=parts_path)
    return Found(
        layout="imagelabels.mat and setid.mat",
        train=paths[0],
        train_labels=labels[train - 1].tolist(),
        test=paths[1],
        test_labels=labels[parts["tstid"] - 1].tolist(),
    )


def read_cars(folder: Path) -> Found:
    """Return Stanford Cars, with the devkit or with `cars_annos.mat`.

    The devkit's annotations lie in `devkit/`, those of the test pictures may also lie beside it;
    the pictures are in `cars_train/` and `cars_test/`. `cars_annos.mat` names those in `car_ims/`.

    Raises:
        DoraError: a file is missing or damaged.
    """
    whole = folder / "cars_annos.mat"
    if whole.is_file():
        rows = _read_rows(whole, ("relative_im_path", "class", "test"))
        paths = _below(folder, [str(name) for name in rows["relative_im_path"]], named_by=whole)
        require_files(paths, named_by=whole)
        tested, classes = rows["test"].astype(bool), _whole_numbers(rows["class"])
        chosen = {part: np.flatnonzero(tested == part).tolist() for part in (False, True)}
        return Found(
            layout="cars_annos.mat",
            train=[paths[row] for row in chosen[False]],
            train_labels=classes[chosen[False]].tolist(),
            test=[paths[row] for row in chosen[True]],
            test_labels=classes[chosen[True]].tolist(),
        )
    train = _require(folder, "devkit/cars_train_annos.mat", of="Stanford Cars", archive="devkit")
    name = "cars_test_annos_withlabels.mat"
    test = folder / name
    if not test.is_file():
        test = _require(folder, f"devkit/{name}", of="Stanford Cars", archive=name)
    (train_paths, train_labels), (test_paths, test_labels) = (
        _read_car_part(annotations, folder / part)
        for annotations, part in ((train, "cars_train"), (test, "cars_test"))
    )
    return Found(
        layout="devkit",
        train=train_paths,
        train_labels=train_labels,
        test=test_paths,
        test_labels=test_labels,
    )


def read_inaturalist(folder: Path, *, year: int) -> Found:
    """Return iNaturalist of a year, 2018 or 2019: `train2018.json` and `val2018.json` name files.

    Raises:
        DoraError: a file is missing or damaged, or a picture has no class.
    """
    names = [f"{part}{year}.json" for part in ("train", "val")]
    (train, train_labels), (test, test_labels) = (
        _read_coco(_require(folder, name, of=f"iNaturalist {year}", archive=name), folder)
        for name in names
    )
    return Found(
        layout=" and ".join(names),
        train=train,
        train_labels=train_labels,
        test=test,
        test_labels=test_labels,
    )


def _read_coco(path: Path, folder: Path) -> tuple[list[Path], list[int]]:
    """Return the pictures of a JSON file in COCO's form, and the number of each one's class."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        classes = {int(row["image_id"]): int(row["category_id"]) for row in content["annotations"]}
        rows = len(content["annotations"])
    except (ValueError, KeyError, TypeError) as fault:
        raise DoraError(
            f"{path} is no whole list of pictures and classes ({type(fault).__name__}: {fault})",
            remedy=f"copy {path.name} again",
        ) from fault
    if files.keys() != classes.keys() or rows != len(classes):
        odd = sorted(files.keys() ^ classes.keys())
        which = f"; picture {odd[0]} is in one of them alone" if odd else ""
        raise DoraError(
            f"{path} has {len(files)} pictures and {rows} classes of them{which}",
            remedy=f"copy {path.name} again: every picture has one class",
        )
    paths = _below(folder, list(files.values()), named_by=path)
    require_files(paths, named_by=path)
    return paths, [classes[number] for number in files]


def _read_car_part(annotations: Path, pictures: Path) -> tuple[list[Path], list[int]]:
    rows = _read_rows(annotations, ("fname", "class"))
    paths = _below(pictures, [str(name) for name in rows["fname"]], named_by=annotations)
    require_files(paths, named_by=annotations)
    present = sum(1 for _ in pictures.glob("*.jpg"))
    if present != len(paths):
        raise DoraError(
            f"{annotations} has {len(paths)} annotations, and {pictures} {present} pictures",
            remedy="copy annotations and pictures again: they belong together",
        )
    labels: list[int] = _whole_numbers(rows["class"]).tolist()
    return paths, labels


def _below(folder: Path, names: Sequence[str], *, named_by: Path) -> list[Path]:
    """Return the files in a folder that annotations name.

    Raises:
        DoraError: a name is that of a file wherever it is, so that the data set cannot be moved.
    """
    absolute = next((name for name in names if Path(name).is_absolute()), None)
    if absolute is not None:
        raise DoraError(
            f"{named_by} names {absolute}, which is not a name within {folder}",
            remedy=f"copy {named_by.name} again, or write its names relative to {folder}",
        )
    return [folder / name for name in names]


def _read_rows(path: Path, fields: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the columns of the struct array `annotations` of a MATLAB file."""
    rows = _read_mat(path, "annotations")
    lacking = [field for field in fields if field not in (rows.dtype.names or ())]
    if lacking:
        raise DoraError(
            f"{path} has annotations without {lacking[0]!r}",
            remedy="copy it again; test pictures need the annotations with labels",
        )
    return {field: rows[field] for field in fields}


def _read_mat(path: Path, name: str) -> NDArray[Any]:
    """Return a variable of a MATLAB file, (N,).

    Raises:
        DoraError: the file is damaged, or there is no such variable.
    """
    try:
        content = scipy.io.loadmat(path, squeeze_me=True, variable_names=[name])
    except Exception as fault:  # bytes that are no MATLAB file fail in whatever way they happen to
        raise DoraError(
            f"{path} is no whole MATLAB file ({fault})", remedy="copy it again"
        ) from fault
    if name not in content:
        raise DoraError(f"{path} has no variable {name!r}", remedy="copy it again")
    return np.atleast_1d(content[name])


def _whole_numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray([int(value) for value in values], dtype=np.int64)


def _require(folder: Path, name: str, *, of: str, archive: str) -> Path:
    """Return a part of a data set.

    Raises:
        DoraError: it is not there.
    """
    path = folder / name
    if not path.exists():
        raise DoraError(
            f"{path} is missing, which is a part of {of}", remedy=f"put {archive} there"
        )
    return path
