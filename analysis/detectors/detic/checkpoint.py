"""A checkpoint's file to named tensors, read without ever running code from it.

A checkpoint is a pickle, and a pickle can hold code. PyTorch's restricted unpickler builds tensors
and plain containers only; NumPy arrays are allowed beside them, since converted weights may be
such. Everything else is refused.
"""

import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from wtours import WtoursError

REMEDY = (
    "use a Detic checkpoint with CenterNet2 and Swin-B or ResNet-50, such as "
    "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size.pth"
)
"""For whoever gave weights of another model."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of a checkpoint, on the CPU; arrays become tensors.

    Raises:
        WtoursError: missing, damaged, holding what could run code, or no checkpoint.
    """
    content = _read_pickle(path)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict):
        raise WtoursError(f"{path} holds no named weights", remedy=REMEDY)
    state = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            value = torch.from_numpy(value)
        if not isinstance(value, Tensor) or not isinstance(key, str):
            raise WtoursError(
                f"{path} holds {key!r}, which is {type(value).__name__} and no weight",
                remedy=REMEDY,
            )
        state[key] = value
    return state


def _read_pickle(path: Path) -> object:
    if not path.is_file():
        raise WtoursError(f"{path} is not a file", remedy="check the path of the weights")
    _check_sums(path)
    try:
        with torch.serialization.safe_globals(_allowed_globals()):
            content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except PermissionError as error:
        raise WtoursError(
            f"{path} cannot be read ({error.strerror})", remedy="check its permissions"
        ) from error
    except Exception as error:  # bytes that are no checkpoint fail in whatever way they happen to
        refused = re.search(r"GLOBAL (\w[\w.]*)", str(error))
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise WtoursError(
                f"{path} was not loaded: beside tensors it holds {refused[1]}, "
                "which could run code from the file",
                remedy="use weights from a source you trust, saved as a plain state dict",
            ) from error
        raise WtoursError(
            f"{path} is truncated or no checkpoint", remedy="copy or download it again"
        ) from error


def _check_sums(path: Path) -> None:
    """Compare the parts of a file with their check sums, which torch writes and never reads."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            altered = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        altered = "its table of contents"
    if altered is not None:
        raise WtoursError(
            f"{path} was altered or is damaged (in {altered})", remedy="copy or download it again"
        )


def _allowed_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What makes NumPy arrays; its module was renamed in version 2."""
    make_array = cast(Callable[..., Any], np.zeros(1).__reduce__()[0])
    make_scalar = cast(Callable[..., Any], np.float64(0).__reduce__()[0])
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        np.ndarray,
        np.dtype,
        *dtypes,
    ]
    for module in ("numpy._core.multiarray", "numpy.core.multiarray"):
        allowed += [
            (make_array, f"{module}._reconstruct"),
            (make_scalar, f"{module}.scalar"),
        ]
    return allowed
