"""Sets in a bucket, over S3's own interface."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shard_making import make_shard_set
from wtours.shards import ShardCache, ShardError, open_shards
from wtours.shards.remote import Patience

NEEDED = "the extra `s3` and the development group are not installed"
s3fs = pytest.importorskip("s3fs", reason=NEEDED)
pytest.importorskip("moto.server", reason=NEEDED)

from tests.wtours.s3_server import BROKEN, Door, s3_server  # noqa: E402 (skipped without them)

PATIENCE = Patience(tries=3, first_wait_s=0.01)


@pytest.fixture(scope="module")
def served() -> Iterator[Door]:
    s3fs.S3FileSystem.clear_instance_cache()
    with s3_server() as door:
        yield door
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def door(served: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """An empty bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": served.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem(use_listings_cache=False).mkdir("bucket")
    yield served
    served.forget()


@pytest.fixture
def walk(door: Door, tmp_path: Path) -> Path:
    """A set of 4 tars, here and at s3://bucket/walks/venice."""
    folder = make_shard_set(tmp_path / "venice", frames=20, pictures_per_tar=5, side=16)
    s3fs.S3FileSystem(use_listings_cache=False).put(
        str(folder), "bucket/walks/venice", recursive=True
    )
    door.asked.clear()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ShardCache]:
    made = ShardCache(tmp_path / "cache", patience=PATIENCE)
    yield made
    made.close()


@pytest.mark.parametrize("place", ["walks", "walks/", "walks/venice", "walks/v*", "w*"])
def test_bucket_gives_what_the_folder_holds(walk: Path, cache: ShardCache, place: str) -> None:
    (far,), (near,) = open_shards(f"s3://bucket/{place}", cache=cache), open_shards(walk)
    assert far.address == "s3://bucket/walks/venice"
    assert [far.read_jpeg(row) for row in range(20)] == [near.read_jpeg(row) for row in range(20)]


@pytest.mark.parametrize("refusal", [BROKEN, (503, "SlowDown")])
def test_fetch_that_fails_and_then_works_is_no_fault(
    door: Door, walk: Path, cache: ShardCache, refusal: tuple[int, str]
) -> None:
    left = [2]

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        if not path.endswith("000001.tar") or not left[0]:
            return None
        left[0] -= 1
        return refusal

    door.refuse = refuse
    (far,), (near,) = open_shards("s3://bucket/walks", cache=cache), open_shards(walk)
    assert far.read_jpeg(7) == near.read_jpeg(7)
    assert left == [0]


def test_missing_bucket_missing_keys_and_refusals_are_told(
    door: Door, walk: Path, cache: ShardCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ShardError, match=r"s3://buket/walks cannot be read .*check the address"):
        open_shards("s3://buket/walks", cache=cache)
    with pytest.raises(ShardError, match=r"s3://bucket/nothing .*check the address"):
        open_shards("s3://bucket/nothing", cache=cache)
    door.refuse = lambda method, path: (403, "AccessDenied")
    with pytest.raises(ShardError, match=r"walks/dataset\.json cannot be read .*whose keys"):
        open_shards("s3://bucket/walks", cache=cache)
    door.refuse = lambda method, path: None
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(ShardError, match="aws configure"):
        open_shards("s3://bucket/walks", cache=cache)
    s3fs.S3FileSystem.clear_instance_cache()
