"""Files of weights, read without ever running code from them.

A checkpoint is a pickle, and a pickle can hold code. PyTorch's restricted unpickler builds tensors
and plain containers only; the released files need two kinds more, `argparse.Namespace` (the
command line) and NumPy scalars (learning rate, weight decay). Everything else is refused.
"""

import argparse
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dora.errors import DoraError


def read_file(path: Path) -> dict[str, Any]:
    """Return what a checkpoint, a state dict or a safetensors file holds, tensors on the CPU.

    Raises:
        DoraError: missing, truncated, no checkpoint, or holding what could run code.
    """
    if not path.is_file():
        raise DoraError(f"{path} is not a file", remedy="check the path of the weights")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if not isinstance(content, dict):
        raise DoraError(
            f"{path} holds a {type(content).__name__} and no named parameters",
            remedy="give a checkpoint or a state dict",
        )
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise DoraError(
            f"{path} is no whole safetensors file ({error})", remedy="copy or download it again"
        ) from error


def _read_pickle(path: Path) -> object:
    _check_sums(path)
    try:
        with torch.serialization.safe_globals(_allowed_globals()):
            content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except PermissionError as error:
        raise DoraError(
            f"{path} cannot be read ({error.strerror})", remedy="check its permissions"
        ) from error
    except Exception as error:  # bytes that are no checkpoint fail in whatever way they happen to
        refused = re.search(r"GLOBAL (\w[\w.]*)", str(error))
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise DoraError(
                f"{path} was not loaded: beside tensors it holds {refused[1]}, "
                "which could run code from the file",
                remedy="use weights from a source you trust, saved as a plain state dict",
            ) from error
        raise DoraError(
            f"{path} is truncated or no checkpoint", remedy="copy or download it again"
        ) from error


def _check_sums(path: Path) -> None:
    """Compare the parts of a file with their check sums, which torch writes and never reads.

    It takes 0.2 s for 500 MB. Files of torch before 1.6 are no archives and have none.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            altered = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        altered = "its table of contents"
    if altered is not None:
        raise DoraError(
            f"{path} was altered or is damaged (in {altered})", remedy="copy or download it again"
        )


def _allowed_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What the released files hold beside tensors; NumPy's module was renamed in version 2."""
    scalar = cast(Callable[..., Any], np.float64(0).__reduce__()[0])
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    return [
        argparse.Namespace,
        (scalar, "numpy._core.multiarray.scalar"),
        (scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        *dtypes,
    ]
