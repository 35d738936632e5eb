"""Shards are a contract: plain webdataset reads what wtours writes, and the index agrees."""

import gc
import io
import json
import re
import tarfile
from pathlib import Path

import pytest
import webdataset
from PIL import Image

from tests.shard_making import make_shard_set
from wtours.shards import ShardError, open_shards
from wtours.shards.schema import CUTS_SCHEMA, INDEX_SCHEMA, SCORES_SCHEMA, VERSION

FORMAT_PAGE = Path(__file__).parents[2] / "wtours" / "shards" / "FORMAT.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_shard_set(tmp_path / "walk", frames=40, cut_frames=(11,), absent_frames=(20, 21))


@pytest.mark.filterwarnings(
    # webdataset leaves the last tar for the garbage collector to close.
    r"ignore:Exception ignored in. <_io.FileIO name=:pytest.PytestUnraisableExceptionWarning"
)
def test_plain_webdataset_reads_the_pictures_of_the_index(folder: Path) -> None:
    (shards,) = open_shards(folder)
    urls = [str(folder / tar.name) for tar in shards.record.tars]
    assert len(urls) > 1
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
    rows = shards.table().to_pylist()
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in rows]
    for number, (sample, row) in enumerate(zip(samples, rows, strict=True)):
        assert sample["jpg"] == shards.read_jpeg(number)
        known = json.loads(sample["json"])
        for name in ("key", "video", "tick", "pts", "time_s", "sharpness"):
            assert known[name] == row[name], name
        assert len(known["boxes"]) == len(row["boxes"])
        assert known["phash"] == f"{row['phash']:016x}"
        picture = Image.open(io.BytesIO(sample["jpg"]))
        assert picture.size == (known["width"], known["height"])
    gc.collect()


def test_a_tar_knows_nothing_of_segments_and_has_fixed_headers(folder: Path) -> None:
    for tar in folder.glob("*.tar"):
        with tarfile.open(tar) as archive:
            for member in archive:
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
                if member.name.endswith(".json"):
                    known = json.load(archive.extractfile(member))  # type: ignore[arg-type]
                    assert not {"segment", "shot", "motion"} & set(known)


def test_keys_match_the_format_and_sort_in_time_order(folder: Path) -> None:
    (shards,) = open_shards(folder)
    keys = shards.table(["key"])["key"].to_pylist()
    assert keys == sorted(keys)
    assert all(re.fullmatch("[a-z0-9_-]+", key) for key in keys)


def test_the_format_page_names_every_column() -> None:
    page = FORMAT_PAGE.read_text(encoding="utf-8")
    for name in (*INDEX_SCHEMA.names, *CUTS_SCHEMA.names, *SCORES_SCHEMA.names):
        assert f"`{name}`" in page, name
    assert f"format version {VERSION}" in page


@pytest.mark.parametrize("stated", [{"version": VERSION + 1}, {"format": "something-else"}])
def test_an_unknown_version_or_format_is_refused(folder: Path, stated: dict[str, object]) -> None:
    record = folder / "dataset.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | stated))
    with pytest.raises(ShardError, match=str(next(iter(stated.values())))):
        open_shards(folder)


def test_the_same_pictures_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = make_shard_set(
        tmp_path / "again" / "walk", frames=40, cut_frames=(11,), absent_frames=(20, 21)
    )
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
