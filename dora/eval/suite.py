"""All evaluations that the data at hand allows, for several networks, as one table.

A measurement is kept as the record that its own command would write. The same suite given again
measures what is missing and takes the rest from the records.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dora.errors import DoraError
from dora.eval.computing import Computing, Meter
from dora.eval.feature_store import hash_files
from dora.eval.loading import Evaluated
from dora.eval.paper_numbers import closest_row
from dora.eval.records import make_record, write_record
from dora.eval.sharing import share_first
from dora.eval.suite_parts import SuitePart
from dora.train.distributed import rank, world_size
from dora.train.forecast import spoken


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One evaluation of one network: its record, or why there is none."""

    label: str
    """Of the network."""
    part: str
    record: Mapping[str, Any] | None
    fault: str | None = None
    left_out: str | None = None
    """Why it was not begun."""
    reused: bool = False
    """Taken from the record of an earlier run."""


def run_suite(
    networks: Sequence[Evaluated],
    data: Mapping[str, Path],
    *,
    parts: Sequence[SuitePart],
    computing: Computing,
    records: Path,
    limit_s: float | None = None,
) -> list[Measurement]:
    """Return all measurements, networks one after the other.

    An evaluation that cannot be done does not stop the others, unless several processes share it.
    One of hours or days is left out where its estimate is above the limit, unless it was begun.

    Args:
        networks: on the CPU; each is moved to the device for its time.
        data: folders by evaluation.
        parts: the evaluations; those without data are left out.
        computing: where and how.
        records: folder of the records, one a measurement.
        limit_s: the most seconds that an evaluation with an estimate may take where it was not
            begun; None: any.
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
            measured = _measure(
                evaluated, part, folder, computing=computing, path=path, limit_s=limit_s
            )
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
    evaluated: Evaluated,
    part: SuitePart,
    folder: Path,
    *,
    computing: Computing,
    path: Path,
    limit_s: float | None,
) -> Measurement:
    # Processes that found different records would wait for each other.
    known = share_first(_read_record(path) if rank() == 0 else None)
    none_yet = Measurement(label=evaluated.label, part=part.name, record=None)
    if known is not None:
        return replace(none_yet, record=known, reused=True)
    try:
        too_long = _too_long(evaluated, part, folder, computing=computing, limit_s=limit_s)
        if too_long is not None:
            return replace(none_yet, left_out=too_long)
        meter = Meter(computing)
        result = part.run(evaluated, folder, computing)
    except DoraError as fault:
        if world_size() > 1:  # the other processes may be waiting for this one
            raise
        return replace(none_yet, fault=str(fault))
    record = make_record(
        result, evaluated=evaluated, cost=meter.cost(), beside=closest_row(evaluated)
    )
    if rank() == 0:
        write_record(path, record)
    # As it will be read the next time: tuples have become lists.
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return replace(none_yet, record=plain)


def _too_long(
    evaluated: Evaluated,
    part: SuitePart,
    folder: Path,
    *,
    computing: Computing,
    limit_s: float | None,
) -> str | None:
    """Return why an evaluation is not begun: it would take longer than it may."""
    if part.estimate is None or limit_s is None:
        return None
    # What another process measures differs: all go by the first one's.
    estimate = share_first(part.estimate(evaluated, folder, computing))
    if estimate is None or estimate.seconds <= limit_s:
        return None
    return (
        f"it would take about {spoken(estimate.seconds)} of {estimate.bound} ({part.way}), "
        f"and may take {spoken(limit_s)}"
    )


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
    if part.batch_that_counts is not None:
        words.append(str(part.batch_that_counts(evaluated, computing)))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
