"""A set that was cut short or altered is refused with a sentence that names the file."""

import pickle
from pathlib import Path

import pytest

from tests.shard_making import make_shard_set
from wtours.errors import WtoursError
from wtours.shards import PartialSet, ShardError, open_shards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_shard_set(tmp_path / "walk", frames=20, pictures_per_tar=8)


def test_sets_are_found_inside_a_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("venice", "amsterdam"):
        make_shard_set(tmp_path / name, frames=4)
    assert [s.folder.name for s in open_shards(tmp_path)] == ["amsterdam", "venice"]


def test_a_tar_cut_short_is_refused_when_opened(folder: Path) -> None:
    tar = folder / "walk-000001.tar"
    tar.write_bytes(tar.read_bytes()[:-700])
    with pytest.raises(ShardError, match=r"walk-000001\.tar has \d+ bytes"):
        open_shards(folder)


def test_an_altered_picture_is_refused_when_read_and_found_by_verify(folder: Path) -> None:
    (shards,) = open_shards(folder)
    row = shards.table().to_pylist()[9]
    tar = folder / row["tar"]
    content = bytearray(tar.read_bytes())
    content[row["offset"] + row["size"] // 2] ^= 1
    tar.write_bytes(bytes(content))
    (altered,) = open_shards(folder)
    assert altered.read_jpeg(8)
    with pytest.raises(ShardError, match=f"{row['tar']} was altered"):
        altered.read_jpeg(9)
    assert [fault for fault in altered.verify() if row["tar"] in fault] == altered.verify() != []


def test_an_untouched_set_verifies(folder: Path) -> None:
    (shards,) = open_shards(folder)
    assert shards.verify() == []


@pytest.mark.parametrize("name", ["dataset.json", "index.parquet", "walk-000000.tar"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ShardError, match="no shard set" if name == "dataset.json" else name):
        open_shards(folder)[0].table()


def test_a_damaged_index_is_named(folder: Path) -> None:
    (folder / "index.parquet").write_bytes(b"PAR1 nonsense PAR1")
    (shards,) = open_shards(folder)
    with pytest.raises(ShardError, match=r"index\.parquet cannot be read"):
        shards.table()


def test_a_video_in_two_sets_is_refused(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        make_shard_set(tmp_path / parent / "walk", frames=4)
    with pytest.raises(ShardError, match="video walk is in"):
        open_shards(tmp_path / "one", tmp_path / "two")


def test_a_set_travels_to_another_process_without_its_files(folder: Path) -> None:
    (shards,) = open_shards(folder)
    first = shards.read_jpeg(0)
    assert pickle.loads(pickle.dumps(shards)).read_jpeg(0) == first


def test_a_discarded_set_leaves_nothing(tmp_path: Path) -> None:
    partial = PartialSet(tmp_path / "walk")
    partial.tar(0).write_bytes(b"begun")
    assert not (tmp_path / "walk").exists()
    partial.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_set_is_kept_unless_it_is_to_be_replaced(folder: Path) -> None:
    with pytest.raises(WtoursError, match="exists already"):
        PartialSet(folder)
    PartialSet(folder, replace=True).discard()
    assert open_shards(folder)[0].verify() == []
