"""Shard sets whose record says what a test needs, made of the tiny ones of shard_making."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.shard_making import make_shard_set
from wtours.shards import ShardSet

SOUGHT = {"detector": "content", "threshold": 27.0}


def make_set(
    folder: Path, *, cuts: bool = True, video: Mapping[str, Any] = {}, **given: Any
) -> ShardSet:
    """Make a set of one video in which cuts were sought, or not; `video` changes its record."""
    make_shard_set(folder, **given)
    path = folder / "dataset.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"]["cuts"] = SOUGHT if cuts else None
    record["videos"][0].update(video)
    path.write_text(json.dumps(record), encoding="utf-8")
    return ShardSet(folder)


def set_column(shard_set: ShardSet, name: str, values: list[Any]) -> None:
    """Give a column of a set's index other values."""
    path = shard_set.folder / "index.parquet"
    index = pq.read_table(path)
    place = index.schema.get_field_index(name)
    field = index.schema.field(name)
    pq.write_table(index.set_column(place, field, pa.array(values, type=field.type)), path)
