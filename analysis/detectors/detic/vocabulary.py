"""What the classes of a detector are called, and for zero-shot detection what they mean.

A wrong order of names gives plausible nonsense in every figure. Names are therefore taken from
lists that were checked, and where there is none classes are shown as numbers.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtours import WtoursError

LVIS_CLASSES, LVIS_22K_CLASSES = 1203, 22047
"""Classes of the LVIS checkpoints, and of those with ImageNet-21k as well."""
_LVIS_SHA256 = "ec0290d86a7d76b7f7057c9af07ea20fb7888b3e1a81f5c3200aa07106281b8d"
_LVIS_22K_SHA256 = "7b440a52307c4adcb034cf5b8b4e1fc43a427bca83fa40eec5554ec98fc9a6e0"
"""Of the names in order, joined by line feeds."""
_LVIS_22K_FILE = Path(__file__).with_name("lvis_22k.json")
"""Upstream's list; source and licence are stated in it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """Names of classes in order."""

    names: tuple[str, ...]
    """As listed; different classes may have one name (crane, the bird and the machine)."""
    synsets: tuple[str, ...] | None = None
    """WordNet's word for each, if known: "crane.n.05"."""
    embeddings: NDArray[np.float32] | None = None
    """(C, E) of length one; None: the classifier in the checkpoint knows these classes."""

    def __post_init__(self) -> None:
        for known in (self.synsets, self.embeddings):
            assert known is None or len(known) == len(self.names)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names, those of several classes with their synset or their number."""
        count = Counter(self.names)
        marks = self.synsets or tuple(str(number) for number in range(len(self.names)))
        return tuple(
            f"{name} ({mark})" if count[name] > 1 else name
            for name, mark in zip(self.names, marks, strict=True)
        )

    @property
    def sha256(self) -> str:
        """Of the names in order and of the embeddings."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        if self.embeddings is not None:
            digest.update(self.embeddings.tobytes())
        return digest.hexdigest()


def read_vocabulary(embeddings: Path, names: Path) -> Vocabulary:
    """Read text embeddings and the names that they belong to.

    Args:
        embeddings: `.npy`, (C, 512) float16 or float32 of any length, as upstream publishes them.
        names: see `read_names`.

    Raises:
        WtoursError: a file that cannot be read, different numbers, an embedding that is zero or
            not finite.
    """
    listed, matrix = read_names(names), _read_embeddings(embeddings)
    if len(matrix) != len(listed.names):
        raise WtoursError(
            f"{embeddings} has {len(matrix)} embeddings, but {names} has {len(listed.names)} names",
            remedy="give the list of names that the embeddings were made of, in their order",
        )
    return Vocabulary(names=listed.names, synsets=listed.synsets, embeddings=matrix)


def read_names(path: Path) -> Vocabulary:
    """Read names of classes: text, one a line, or JSON, a list of {id, name, synset}.

    In JSON the ids count from 1 in order, as in upstream's lists; other fields are not read.

    Raises:
        WtoursError: a file that is missing or no such list, an empty name, ids out of order.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WtoursError(
            f"{path} cannot be read as a list of names ({error})",
            remedy="give a text file with one name a line, or a JSON list of {id, name, synset}",
        ) from error
    found = _names_in_json(path, text) if path.suffix == ".json" else _names_in_lines(text)
    for number, name in enumerate(found.names, start=1):
        if not name:
            raise WtoursError(f"{path}: name {number} is empty", remedy="complete the list")
    if not found.names:
        raise WtoursError(f"{path} has no names", remedy="write one name a line")
    return found


def lvis_names() -> Vocabulary:
    """Return the 1,203 classes of LVIS v1 in its order."""
    everything = lvis_22k_names()
    assert everything.synsets is not None
    names, synsets = everything.names[:LVIS_CLASSES], everything.synsets[:LVIS_CLASSES]
    return Vocabulary(names=names, synsets=synsets)


def lvis_22k_names() -> Vocabulary:
    """Return the 22,047 classes of the checkpoints trained on LVIS and ImageNet-21k."""
    content = json.loads(_LVIS_22K_FILE.read_text(encoding="utf-8"))
    names, synsets = zip(*content["classes"], strict=True)
    vocabulary = Vocabulary(names=names, synsets=synsets)
    check_order(vocabulary, str(_LVIS_22K_FILE))
    return vocabulary


def check_order(vocabulary: Vocabulary, source: str) -> None:
    """Refuse a list for the LVIS or the 22,047-class checkpoints in any but upstream's order.

    Raises:
        WtoursError: names and places that differ from upstream's list by their hash.
    """
    names = vocabulary.names
    if _sha256_of(names[:LVIS_CLASSES]) != _LVIS_SHA256:
        raise WtoursError(
            f"the first {LVIS_CLASSES} names of {source} are not those of LVIS v1 in its order",
            remedy="leave the names out: those of the official checkpoints are built in",
        )
    if len(names) == LVIS_22K_CLASSES and _sha256_of(names) != _LVIS_22K_SHA256:
        raise WtoursError(
            f"the names of {source} after the first {LVIS_CLASSES} are not upstream's",
            remedy="leave the names out: those of the official checkpoints are built in",
        )


def names_of_checkpoint(classes: int) -> Vocabulary:
    """Return the names of a checkpoint's own classes; numbers where no checked list is known."""
    if classes == LVIS_22K_CLASSES:
        return lvis_22k_names()
    if classes == LVIS_CLASSES:
        return lvis_names()
    return Vocabulary(names=tuple(f"class {number}" for number in range(classes)))


def _sha256_of(names: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _names_in_lines(text: str) -> Vocabulary:
    return Vocabulary(names=tuple(line.strip() for line in text.strip().splitlines()))


def _names_in_json(path: Path, text: str) -> Vocabulary:
    remedy = 'give a list such as [{"id": 1, "name": "crane", "synset": "crane.n.05"}]'
    try:
        entries: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WtoursError(f"{path} is no JSON ({error})", remedy=remedy) from error
    if not isinstance(entries, list):
        raise WtoursError(f"{path} holds no list", remedy=remedy)
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise WtoursError(f"{path}: entry {number} has no name", remedy=remedy)
        if entry.get("id") != number:
            raise WtoursError(
                f"{path}: entry {number} has id {entry.get('id')}",
                remedy="sort the list by id; ids count from 1 without gaps",
            )
    synsets = [entry.get("synset") for entry in entries]
    return Vocabulary(
        names=tuple(entry["name"].strip() for entry in entries),
        synsets=tuple(synsets) if all(isinstance(synset, str) for synset in synsets) else None,
    )


def _read_embeddings(path: Path) -> NDArray[np.float32]:
    remedy = "give (classes, 512) text embeddings, saved by numpy.save as float16 or float32"
    try:
        with path.open("rb") as file:
            matrix = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise WtoursError(f"{path} is no .npy file ({error})", remedy=remedy) from error
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise WtoursError(f"{path} holds no matrix of numbers", remedy=remedy)
    length = np.linalg.norm(matrix.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~np.isfinite(length) | (length == 0))
    if len(wrong):
        raise WtoursError(f"{path}: embedding {wrong[0]} is zero or not finite", remedy=remedy)
    normalised: NDArray[np.float32] = (matrix / length[:, None]).astype(np.float32)
    return normalised
