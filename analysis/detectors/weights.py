"""Fetches Detic's weights from where their authors publish them, and remembers their hash.

The authors publish no hashes. That of the first download is therefore written down beside the
file, and compared with whenever the file is asked for again.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from analysis.whole_file import write_whole
from wtours import WtoursError

ADDRESS = "https://dl.fbaipublicfiles.com/detic/{name}.pth"
"""Where the model zoo of github.com/facebookresearch/Detic (docs/MODEL_ZOO.md) leads to."""
DEFAULT = "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size"
"""The model of Detic's README: Swin-B, 22,047 classes."""

BytesProgress = Callable[[int, int | None], None]
"""Called with bytes done, those of an earlier run included, and bytes in all if known."""


class Bring(Protocol):
    """Brings a file from a web server."""

    def __call__(self, url: str, path: Path, progress: BytesProgress) -> None:
        """Bring the file at `url` to `path`, going on where an earlier attempt stopped.

        The file is there whole, or not at all.

        Raises:
            WtoursError: the server refuses, the connection fails, the disk is full.
        """


def download_detic(
    out: Path,
    *,
    bring: Bring,
    name: str = DEFAULT,
    progress: BytesProgress = lambda done, total: None,
    address: str = ADDRESS,
) -> Path:
    """Return the file of a Detic checkpoint, fetched into a folder unless it is there.

    Args:
        out: the folder; made if it is not there.
        bring: how files are fetched over http.
        name: of the model, as in Detic's model zoo.
        progress: see `BytesProgress`.
        address: where checkpoints are, with `{name}` in it.

    Raises:
        WtoursError: it cannot be fetched, or is not what it was when it was first fetched.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise WtoursError(
            f"{name!r} is no name of a model", remedy=f"give one of Detic's, such as {DEFAULT}"
        )
    path = out / f"{name}.pth"
    if not path.is_file():
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise WtoursError(
                f"{out} cannot be made a folder ({fault.strerror})", remedy="name another one"
            ) from fault
        bring(address.format(name=name), path, progress)
    check_recorded(path)
    return path


def check_recorded(path: Path) -> str:
    """Return the SHA-256 of a file, after comparing it with that of its first use.

    The first time, it is written to `<file>.sha256`, in the form that `sha256sum -c` reads.

    Raises:
        WtoursError: the file has changed since.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    record = path.with_name(f"{path.name}.sha256")
    if not record.is_file():
        write_whole(record, f"{found}  {path.name}\n".encode())
        return found
    recorded = record.read_text(encoding="utf-8").split()
    if recorded != [found, path.name]:
        raise WtoursError(
            f"{path} has SHA-256 {found}, but {record.name} says "
            f"{recorded[0] if recorded else 'nothing'}",
            remedy=f"delete {path} to fetch it again, or {record} if the new file is meant",
        )
    return found
