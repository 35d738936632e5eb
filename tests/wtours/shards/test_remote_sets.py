"""Sets at addresses are those of the folder in spite of faults; lasting faults are told."""

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shard_making import make_shard_set
from tests.wtours.shards.folder_server import FolderSite, serve_folder
from wtours.shards import ShardCache, ShardError, ShardSet, open_shards
from wtours.shards.remote import Patience

PATIENCE = Patience(tries=3, first_wait_s=0.01, timeout_s=0.5)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of 4 and 2 tars, and what is none."""
    folder = tmp_path_factory.mktemp("there") / "shards"
    make_shard_set(folder / "amsterdam", frames=20, pictures_per_tar=5, side=16)
    make_shard_set(folder / "venice", frames=8, pictures_per_tar=5, side=16, seed=1)
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def site(sets: Path) -> Iterator[FolderSite]:
    with serve_folder(sets.parent) as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ShardCache]:
    made = ShardCache(tmp_path / "cache", patience=PATIENCE)
    yield made
    made.close()


def jpegs(shards: ShardSet) -> list[bytes]:
    return [shards.read_jpeg(row) for row in range(shards.table().num_rows)]


def names(shards: tuple[ShardSet, ...]) -> list[str]:
    return [one.address.rpartition("/")[2] for one in shards]


def test_remote_sets_hold_what_the_folder_holds(
    site: FolderSite, sets: Path, cache: ShardCache
) -> None:
    there = open_shards(f"{site.url}/shards", cache=cache)
    for far, near in zip(there, open_shards(sets), strict=True):
        assert far.address == f"{site.url}/shards/{near.folder.name}"
        assert far.record == near.record
        assert far.table().equals(near.table())
        assert far.cuts().equals(near.cuts())
        assert jpegs(far) == jpegs(near)
        assert far.verify() == []
    assert site.count(".tar") == dict.fromkeys(site.count(".tar"), 1)
    assert cache.traffic.tars == 6
    assert cache.traffic.size_bytes == sum(path.stat().st_size for path in sets.glob("*/*.tar"))
    assert cache.traffic.failures == 0


def test_nothing_but_record_and_index_is_fetched_before_a_picture(
    site: FolderSite, cache: ShardCache
) -> None:
    (shards,) = open_shards(f"{site.url}/shards/venice/", cache=cache)
    shards.table(["tick"])
    assert sorted(set(site.asked)) == ["dataset.json", "index.parquet"]
    shards.read_jpeg(7)
    assert site.count(".tar") == {"venice-000001.tar": 1}


def test_remote_set_travels_to_another_process(site: FolderSite, cache: ShardCache) -> None:
    (shards,) = open_shards(f"{site.url}/shards/venice", cache=cache)
    other = pickle.loads(pickle.dumps(shards))
    assert other.read_jpeg(6) == shards.read_jpeg(6)
    assert site.count(".tar") == {"venice-000001.tar": 1}
    other.origin.cache.close()


def test_folders_patterns_and_addresses_are_mixed(
    site: FolderSite, sets: Path, cache: ShardCache
) -> None:
    address = f"{site.url}/shards"
    assert names(open_shards(f"{address}/v*", sets / "amsterdam", cache=cache)) == [
        "venice",
        "amsterdam",
    ]
    assert names(open_shards(f"{site.url}/sh*/[av]*", cache=cache)) == ["amsterdam", "venice"]
    assert names(open_shards(sets.parent / "sh*" / "a*")) == ["amsterdam"]
    assert names(open_shards(f"{sets.parent}/sh*")) == ["amsterdam", "venice"]
    assert names(open_shards(f"file://{sets}")) == ["amsterdam", "venice"]
    with pytest.raises(ShardError, match=r"video venice is in .*/shards/venice and in http"):
        open_shards(sets, f"{address}/venice", cache=cache)


def test_server_without_listings_serves_a_set_by_its_own_address(
    site: FolderSite, cache: ShardCache
) -> None:
    site.listings = False
    assert names(open_shards(f"{site.url}/shards/venice", cache=cache)) == ["venice"]
    with pytest.raises(ShardError, match="shards cannot be read"):
        open_shards(f"{site.url}/shards", cache=cache)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/nowhere", "nowhere holds no shard set|nowhere cannot be read"),
        ("/shards/notes", "notes holds no shard set"),
        ("/shards/x*", r"x\* matches no shard set"),
    ],
)
def test_address_without_a_set_is_told(
    site: FolderSite, cache: ShardCache, place: str, told: str
) -> None:
    with pytest.raises(ShardError, match=told) as fault:
        open_shards(f"{site.url}{place}", cache=cache)
    assert "check the address" in fault.value.remedy


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nosuch://bucket/shards", "Protocol not known: nosuch.*install what fsspec asks for"),
        ("s3:/bucket/shards", "is an address, and this command reads"),
        ("absent", "absent is no folder of shards.*wtours shard --out absent"),
        ("abs*nt", r"abs\*nt matches no shard set"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShardError, match=told):
        open_shards(path, cache=ShardCache(tmp_path / "cache"))


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut", "wrong", "slow"])
@pytest.mark.parametrize("name", ["venice-000000.tar", "index.parquet"])
def test_fault_that_passes_is_counted_and_no_error(
    site: FolderSite, sets: Path, cache: ShardCache, fault: str, name: str
) -> None:
    site.faults, site.slow_s = {name: [fault, fault]}, 1.0
    (near,) = open_shards(sets / "venice")
    (far,) = open_shards(f"{site.url}/shards/venice", cache=cache)
    assert jpegs(far) == jpegs(near)
    assert cache.traffic.failures == 2
    assert "2 tries failed and were repeated" in str(cache.traffic)
    assert site.count(name) == {name: 3}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("500", r"venice-000001\.tar failed 3 times .*500"),
        ("cut", r"venice-000001\.tar failed 3 times"),
        ("wrong", r"venice-000001\.tar failed 3 times .*with SHA-256 \w+ came, not \w+"),
        ("404", r"venice-000001\.tar cannot be read"),
        ("403", r"venice-000001\.tar cannot be read .*check whose keys are used"),
    ],
)
def test_fault_that_lasts_names_the_tar_and_the_tries(
    site: FolderSite, cache: ShardCache, fault: str, told: str
) -> None:
    site.always = {"venice-000001.tar": fault}
    (shards,) = open_shards(f"{site.url}/shards/venice", cache=cache)
    assert shards.read_jpeg(0)
    with pytest.raises(ShardError, match=told):
        shards.read_jpeg(7)
    assert site.count("1.tar") == {
        "venice-000001.tar": 3 if fault in ("500", "cut", "wrong") else 1
    }
    kept = {path.name for path in shards.folder.iterdir()}
    assert kept == {"dataset.json", "index.parquet", "venice-000000.tar"}
    site.always.clear()
    assert shards.read_jpeg(7), "the next attempt starts afresh"


def test_waits_grow_up_to_a_bound() -> None:
    patience = Patience(first_wait_s=0.5, longest_wait_s=3)
    assert [patience.wait_s(n) for n in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_set_made_again_under_its_address_is_another(
    site: FolderSite, sets: Path, cache: ShardCache, tmp_path: Path
) -> None:
    site.folder = tmp_path / "web"
    shutil.copytree(sets / "venice", site.folder / "venice")
    (first,) = open_shards(f"{site.url}/venice", cache=cache)
    before = jpegs(first)
    shutil.rmtree(site.folder / "venice")
    near = make_shard_set(site.folder / "venice", frames=8, side=16, seed=2)
    (second,) = open_shards(f"{site.url}/venice", cache=cache)
    assert jpegs(second) == jpegs(open_shards(near)[0]) != before
    assert jpegs(first) == before


@pytest.mark.parametrize("name", ["../venice-000000.tar", "a/b.tar", ".hidden.tar", "dataset.json"])
def test_record_cannot_name_files_outside_its_folder(
    site: FolderSite, sets: Path, cache: ShardCache, tmp_path: Path, name: str
) -> None:
    site.folder = tmp_path / "web"
    shutil.copytree(sets / "venice", site.folder / "venice")
    path = site.folder / "venice" / "dataset.json"
    record = json.loads(path.read_text())
    record["tars"][0]["name"] = name
    path.write_text(json.dumps(record))
    with pytest.raises(ShardError, match="venice names a file"):
        open_shards(f"{site.url}/venice", cache=cache)


def test_damaged_record_is_named_by_its_address(
    site: FolderSite, cache: ShardCache, tmp_path: Path
) -> None:
    site.folder = tmp_path / "web"
    (site.folder / "venice").mkdir(parents=True)
    (site.folder / "venice" / "dataset.json").write_text("{")
    with pytest.raises(ShardError, match=rf"{site.url}/venice/dataset\.json is not JSON"):
        open_shards(f"{site.url}/venice", cache=cache)
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_folder_that_cannot_be_made_is_told(site: FolderSite, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match=r"file/cache cannot keep remote shards \(Not a dir"):
        open_shards(f"{site.url}/shards", cache=ShardCache(tmp_path / "file" / "cache"))


def test_sets_on_this_machine_make_no_cache(sets: Path, tmp_path: Path) -> None:
    (shards, _) = open_shards(sets, cache=ShardCache(tmp_path / "cache"))
    assert shards.read_jpeg(0)
    assert shards.address == str(sets / "amsterdam")
    assert not (tmp_path / "cache").exists()
