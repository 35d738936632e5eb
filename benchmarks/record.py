"""What a benchmark leaves: a line of JSON a row, and one file of all rows with the machine."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from wtours.whole_file import write_whole

FOLDER = Path(__file__).parent / "records"
"""Of the records that docs/performance.md speaks of."""


def options_of(parser: ArgumentParser, *, runs: int, tokens: Sequence[str] | None) -> Namespace:
    """Add the options that every benchmark has, and read the command line."""
    parser.add_argument("--runs", type=int, default=runs, help="timed runs of each row")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the record")
    return parser.parse_args(tokens)


def write_record(name: str, rows: Sequence[dict[str, Any]], *, folder: Path) -> Path:
    """Print every row, and write them with the machine to `folder/name.json`, whole."""
    ran_on = machine()
    for row in rows:
        print(json.dumps({"benchmark": name} | row | ran_on), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    record = {"benchmark": name, "machine": ran_on, "rows": list(rows)}
    write_whole(path, json.dumps(record, indent=1) + "\n")
    return path
