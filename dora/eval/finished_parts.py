"""Finished parts of an evaluation, kept on the disk: what was stopped goes on after them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from dora.errors import DoraError
from dora.eval.feature_store import hash_files
from dora.whole_file import whole_file

Kept = TypeVar("Kept")


class FinishedParts:
    """Results of parts by name, as JSON; each belongs to a network, its settings and its files."""

    def __init__(self, folder: Path | None, *, root: Path, belongs_to: Mapping[str, Any]) -> None:
        """Keep parts in a folder.

        Args:
            folder: for the parts of all settings; None: nothing is kept or found.
            root: the data set's folder; it may be moved.
            belongs_to: all that a result depends on beside its files, ready for JSON.
        """
        text = json.dumps(belongs_to, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._root = root
        self._folder = None if folder is None else folder / key

    def find(
        self,
        name: str,
        files: Sequence[Path],
        read: Callable[[dict[str, Any]], Kept],
        *,
        outputs: Sequence[Path] = (),
    ) -> Kept | None:
        """Return what was kept of a part; None where it is to be done.

        Args:
            name: of the part.
            files: that it was made from: other sizes or times of change make it another part.
            read: makes it of its JSON.
            outputs: files that it has to have written.

        Raises:
            DoraError: it is damaged, or has not the fields that it should have.
        """
        if self._folder is None or not all(path.is_file() for path in outputs):
            return None
        path = self._folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            same = kept["files"] == hash_files(files, root=self._root)
            return read(dict(kept["result"])) if same else None
        except (ValueError, KeyError, TypeError, cattrs.BaseValidationError) as fault:
            raise DoraError(
                f"{path} is damaged ({type(fault).__name__}: {fault})",
                remedy="remove the file, or use --cache none",
            ) from fault

    def keep(self, name: str, files: Sequence[Path], result: Mapping[str, Any]) -> None:
        """Keep a finished part.

        Raises:
            DoraError: it cannot be written.
        """
        if self._folder is None:
            return
        text = json.dumps({"files": hash_files(files, root=self._root), "result": result}, indent=1)
        remedy = "make room, or use --cache none"
        with whole_file(self._folder / f"{name}.json", remedy=remedy) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
