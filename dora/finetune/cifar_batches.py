"""CIFAR-10 and CIFAR-100 as published for Python: pickles of pixels and labels.

A pickle can hold code. These hold a dictionary, text and one NumPy array; nothing else is built.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dora.errors import DoraError
from dora.finetune.layout import Found

SIDE_PX = 32
_PIXELS = 3 * SIDE_PX**2


@dataclass(frozen=True, kw_only=True)
class Batches:
    """Names in a published archive."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    labels: str
    """Key of the labels."""


CIFAR10 = Batches(
    archive="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    labels="labels",
)
CIFAR100 = Batches(
    archive="cifar-100-python.tar.gz",
    folder="cifar-100-python",
    train=("train",),
    test="test",
    labels="fine_labels",
)


def find_batches(folder: Path, batches: Batches) -> Path | None:
    """Return where the batches are: the folder itself, or one of the published name in it."""
    for place in (folder / batches.folder, folder):
        if any((place / name).is_file() for name in (*batches.train, batches.test)):
            return place
    return None


def read_batches(place: Path, batches: Batches) -> Found:
    """Return all pictures, which stay in memory (180 MB).

    Raises:
        DoraError: a batch is missing, damaged, or has another number of labels than pictures.
    """
    missing = [name for name in (*batches.train, batches.test) if not (place / name).is_file()]
    if missing:
        raise DoraError(
            f"{place} lacks {', '.join(missing)}", remedy=f"unpack {batches.archive} again"
        )
    train = [_read_batch(place / name, batches) for name in batches.train]
    test, test_labels = _read_batch(place / batches.test, batches)
    return Found(
        layout=f"python batches ({batches.folder})",
        train=list(np.concatenate([pixels for pixels, _ in train])),
        train_labels=[label for _, labels in train for label in labels],
        test=list(test),
        test_labels=test_labels,
    )


def _read_batch(path: Path, batches: Batches) -> tuple[NDArray[np.uint8], list[int]]:
    """Return pixels (N, 32, 32, 3) and labels."""
    content = _unpickle(path, archive=batches.archive)
    again = f"unpack {batches.archive} again"
    if not isinstance(content, dict) or not {"data", batches.labels} <= set(content):
        raise DoraError(f"{path} has no data and {batches.labels}", remedy=again)
    pixels, labels = np.asarray(content["data"]), content[batches.labels]
    if pixels.ndim != 2 or pixels.shape[1] != _PIXELS or pixels.dtype != np.uint8:
        raise DoraError(
            f"{path} has data of {pixels.dtype} and shape {pixels.shape}, "
            f"not 8-bit rows of {_PIXELS}",
            remedy=again,
        )
    if len(labels) != len(pixels):
        raise DoraError(f"{path} has {len(labels)} labels for {len(pixels)} pictures", remedy=again)
    planes = pixels.reshape(-1, 3, SIDE_PX, SIDE_PX)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), [int(label) for label in labels]


def _unpickle(path: Path, *, archive: str) -> object:
    try:
        return _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as fault:  # bytes that are no pickle fail in whatever way they happen to
        raise DoraError(
            f"{path} is no whole batch of pictures ({fault})", remedy=f"unpack {archive} again"
        ) from fault


class _PlainUnpickler(pickle.Unpickler):
    """Builds arrays, and refuses all else that could run code."""

    def find_class(self, module: str, name: str, /) -> Any:
        allowed = {
            "_reconstruct": cast(Callable[..., Any], np.empty(0).__reduce__()[0]),
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray"):
            if name in allowed:
                return allowed[name]
        elif (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)  # bytes of an array, from Python 3
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which could run code")
