"""All evaluations that the data at hand allows, for several networks, as one table.

A measurement is kept as the record that its own command would write. The same suite given again
measures what is missing and takes the rest from the records.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dora.errors import DoraError
from dora.eval import davis, discovery, knn, linear
from dora.eval.computing import Computing, Meter
from dora.eval.davis import evaluate_davis
from dora.eval.discovery import evaluate_discovery
from dora.eval.feature_store import hash_files
from dora.eval.knn import evaluate_knn
from dora.eval.linear import evaluate_linear
from dora.eval.linear_settings import PAPER_EPOCHS, LinearSettings
from dora.eval.loading import Evaluated
from dora.eval.paper_numbers import closest_row
from dora.eval.records import Result, make_record, write_record
from dora.eval.sharing import share_first
from dora.train.distributed import rank, world_size

SHORT_EPOCHS = 30
"""Epochs of a short linear probe, on features of centre crops."""


@dataclass(frozen=True, kw_only=True)
class SuitePart:
    """One evaluation as the suite runs it: with the paper's settings, or short ones."""

    name: str
    """As in `dora eval NAME`."""
    columns: tuple[str, ...]
    """The paper's columns that it measures."""
    run: Callable[[Evaluated, Path, Computing], Result]
    way: str = "as published"
    """Tells records of other settings apart."""
    version: int = 1
    """Of what is computed: with another one no record is taken."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One evaluation of one network: its record, or why there is none."""

    label: str
    """Of the network."""
    part: str
    record: Mapping[str, Any] | None
    fault: str | None = None
    reused: bool = False
    """Taken from the record of an earlier run."""


def suite_parts(*, short: bool) -> tuple[SuitePart, ...]:
    """Return all evaluations that the suite knows, in the order of the table.

    Args:
        short: take a short way where the paper's takes long; it is said in the notes.
    """
    run_linear = partial(_run_linear, epochs=SHORT_EPOCHS if short else PAPER_EPOCHS, short=short)
    way = f"{SHORT_EPOCHS} epochs, centre crops" if short else "as published"
    return (
        SuitePart(name="linear", columns=("LP",), run=run_linear, way=way, version=linear.VERSION),
        SuitePart(name="knn", columns=("k-NN",), run=_run_knn, version=knn.VERSION),
        SuitePart(
            name="discovery",
            columns=("Jaccard", "CorLoc"),
            run=_run_discovery,
            version=discovery.VERSION,
        ),
        SuitePart(
            name="davis",
            columns=("DAVIS J", "DAVIS F"),
            run=_run_davis,
            version=davis.VERSION,
        ),
    )


def _run_linear(
    evaluated: Evaluated, folder: Path, computing: Computing, *, epochs: int, short: bool
) -> Result:
    traits = evaluated.network.traits
    settings = LinearSettings(
        epochs=epochs,
        frozen_crops=short,
        blocks=(min(4, traits.depth),),
        image_px=traits.image_px,
    )
    return evaluate_linear(evaluated, folder, settings=settings, computing=computing)


def _run_knn(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_knn(evaluated, folder, computing=computing)


def _run_discovery(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_discovery(evaluated, folder, computing=computing)


def _run_davis(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_davis(evaluated, folder, computing=computing)


def parse_data(words: Sequence[str], parts: Sequence[SuitePart]) -> dict[str, Path]:
    """Return the folder of each evaluation from words such as `knn,linear=FOLDER`.

    Raises:
        DoraError: no such evaluation, one named twice, or a folder that is not there.
    """
    names = [part.name for part in parts]
    found: dict[str, Path] = {}
    for word in words:
        listed, equals, folder = word.partition("=")
        for name in listed.lower().split(","):
            if not equals or name not in names:
                raise DoraError(
                    f"--data {word!r} names no evaluation of the suite",
                    remedy=f"write {'=FOLDER, '.join(names)}=FOLDER, or {','.join(names)}=FOLDER",
                )
            if name in found:
                raise DoraError(
                    f"--data names {name} twice: {found[name]} and {folder}",
                    remedy="give one folder for each evaluation",
                )
            if not Path(folder).is_dir():
                raise DoraError(f"{folder} is no folder", remedy=f"give the data of {name}")
            found[name] = Path(folder)
    if not found:
        raise DoraError(
            "no data to evaluate on", remedy=f"give --data, such as --data {names[0]}=FOLDER"
        )
    return found


def run_suite(
    networks: Sequence[Evaluated],
    data: Mapping[str, Path],
    *,
    parts: Sequence[SuitePart],
    computing: Computing,
    records: Path,
) -> list[Measurement]:
    """Return all measurements, networks one after the other.

    An evaluation that cannot be done does not stop the others, unless several processes share it.

    Args:
        networks: on the CPU; each is moved to the device for its time.
        data: folders by evaluation.
        parts: the evaluations; those without data are left out.
        computing: where and how.
        records: folder of the records, one a measurement.
    """
    found = []
    states = {folder: _hash_folder(folder) for folder in set(data.values())}
    for evaluated, label in zip(networks, distinct_labels(networks), strict=True):
        for part in parts:
            if part.name not in data:
                continue
            folder = data[part.name]
            key = _key(evaluated, part, states[folder], computing)
            path = records / f"{part.name}-{key}.json"
            measured = _measure(evaluated, part, folder, computing=computing, path=path)
            found.append(replace(measured, label=label))
        evaluated.to(torch.device("cpu"))
    return found


def distinct_labels(networks: Sequence[Evaluated]) -> list[str]:
    """Return what to call each network in the table: with its path where two labels are equal.

    Raises:
        DoraError: a network is named twice.
    """
    for words, times in Counter(evaluated.asked for evaluated in networks).items():
        if times > 1:
            raise DoraError(f"--weights {words} is given twice", remedy="give each network once")
    times_of = Counter(evaluated.label for evaluated in networks)
    return [
        evaluated.label
        if times_of[evaluated.label] == 1
        else f"{evaluated.label}: {evaluated.asked}"
        for evaluated in networks
    ]


def _measure(
    evaluated: Evaluated, part: SuitePart, folder: Path, *, computing: Computing, path: Path
) -> Measurement:
    # Processes that found different records would wait for each other.
    known = share_first(_read_record(path) if rank() == 0 else None)
    if known is not None:
        return Measurement(label=evaluated.label, part=part.name, record=known, reused=True)
    meter = Meter(computing)
    try:
        result = part.run(evaluated, folder, computing)
    except DoraError as fault:
        if world_size() > 1:  # the other processes may be waiting for this one
            raise
        return Measurement(label=evaluated.label, part=part.name, record=None, fault=str(fault))
    record = make_record(
        result, evaluated=evaluated, cost=meter.cost(), beside=closest_row(evaluated)
    )
    if rank() == 0:
        write_record(path, record)
    # As it will be read the next time: tuples have become lists.
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return Measurement(label=evaluated.label, part=part.name, record=plain)


def _read_record(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record if {"measured", "paper", "notes", "cost"} <= set(record) else None
    except (ValueError, TypeError) as fault:
        raise DoraError(
            f"{path} is no record of an evaluation ({fault})",
            remedy="remove the file; it will be measured again",
        ) from fault


def _hash_folder(folder: Path) -> str:
    """Return what changes with any file of a data set: names, sizes, times of change."""
    files = sorted(
        Path(parent) / name
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    )
    return hash_files(files, root=folder)


def _key(evaluated: Evaluated, part: SuitePart, data: str, computing: Computing) -> str:
    """Return what tells one measurement from another: network, data, and how it is done."""
    done = [part.name, part.way, str(part.version)]
    words = [evaluated.sha256, *done, data, computing.precision]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
