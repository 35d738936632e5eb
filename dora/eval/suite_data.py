"""Which data a suite was given, and what it leaves out for want of data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dora.errors import DoraError
from dora.eval.suite_parts import FINETUNE, SuitePart

_UNPACKED = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "flowers102": "flowers-102",
    "cars": "stanford_cars",
}
"""Names of folders that archives and torchvision make, where they are not the data set's."""


@dataclass(frozen=True, kw_only=True)
class SuiteData:
    """Folders of data, by evaluation, and a sentence on each evaluation that has none."""

    folders: Mapping[str, Path]
    left_out: tuple[str, ...]


def parse_data(words: Sequence[str], parts: Sequence[SuitePart]) -> SuiteData:
    """Return the folder of each evaluation from words such as `knn,linear=FOLDER`.

    `finetune=FOLDER` names a folder of data sets, each in one of its own name, such as `cifar10`,
    or of that which its archive makes.

    Raises:
        DoraError: no such evaluation, one named twice, or a folder that is not there.
    """
    names = {part.name for part in parts}
    named = _folders_by_name(words, shown=_names_to_type(parts), known=names)
    datasets = named.pop(FINETUNE, None)
    found = dict(named)
    for name in sorted(names):
        if datasets is not None and _is_finetuning(name) and name not in found:
            folder = _find_dataset(datasets, _dataset(name))
            if folder is not None:
                found[name] = folder
    if datasets is not None and not any(map(_is_finetuning, found)):
        listed = ", ".join(_dataset(part.name) for part in parts if _is_finetuning(part.name))
        raise DoraError(
            f"{datasets} has no folder of a data set to fine-tune on",
            remedy=f"put each into a folder of its name there: {listed}",
        )
    if not found:
        raise DoraError(
            "no data to evaluate on", remedy=f"give --data, such as --data {parts[0].name}=FOLDER"
        )
    return SuiteData(folders=found, left_out=tuple(_left_out(parts, found, datasets=datasets)))


def _folders_by_name(words: Sequence[str], *, shown: str, known: set[str]) -> dict[str, Path]:
    """Return the folder given for each name.

    Raises:
        DoraError: as `parse_data`.
    """
    accepted = known | ({FINETUNE} if any(map(_is_finetuning, known)) else set())
    found: dict[str, Path] = {}
    for word in words:
        listed, equals, folder = word.partition("=")
        for name in listed.lower().split(","):
            if not equals or name not in accepted:
                raise DoraError(
                    f"--data {word!r} names no evaluation of the suite",
                    remedy=f"write {shown}=FOLDER, or several, as knn,linear=FOLDER",
                )
            if name in found:
                raise DoraError(
                    f"--data names {name} twice: {found[name]} and {folder}",
                    remedy="give one folder for each evaluation",
                )
            if not folder:  # it would be the current one
                raise DoraError(f"--data {word!r} names no folder", remedy=f"write {name}=FOLDER")
            if not Path(folder).is_dir():
                raise DoraError(f"{folder} is no folder", remedy=f"give the data of {name}")
            found[name] = Path(folder)
    return found


def _names_to_type(parts: Sequence[SuitePart]) -> str:
    """Return what may stand before FOLDER, for people: fine-tuning once."""
    names = [FINETUNE if _is_finetuning(part.name) else part.name for part in parts]
    return "=FOLDER, ".join(dict.fromkeys(names))


def _left_out(
    parts: Sequence[SuitePart], found: Mapping[str, Path], *, datasets: Path | None
) -> list[str]:
    """Return why each evaluation without data is left out; fine-tuning is one if it has none."""
    finetunes = any(map(_is_finetuning, found))
    sentences = []
    for name in (part.name for part in parts if part.name not in found):
        if _is_finetuning(name) and datasets is not None:
            sentences.append(f"{name}: {datasets} has no folder {_dataset(name)}")
        else:
            named = FINETUNE if _is_finetuning(name) and not finetunes else name
            sentences.append(f"{named}: no data were given (--data {named}=FOLDER)")
    return list(dict.fromkeys(sentences))


def _is_finetuning(name: str) -> bool:
    return name.startswith(f"{FINETUNE}-")


def _dataset(name: str) -> str:
    return name.removeprefix(f"{FINETUNE}-")


def _find_dataset(folder: Path, dataset: str) -> Path | None:
    """Return where a data set lies in a folder of several; None: it does not."""
    for name in (dataset, _UNPACKED.get(dataset, dataset)):
        if (folder / name).is_dir():
            return folder / name
    return None
