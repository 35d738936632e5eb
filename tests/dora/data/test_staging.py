"""Sets at an address give the batches of the folder, while tars come and go."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import torch

from dora.config import AugmentConfig, ClipConfig, DataConfig, ViewConfig
from dora.data.description import find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.staging import StagedPlaces, shard_cache
from dora.data.stream import ClipOrder
from dora.data.views import Views
from tests.shard_making import make_shard_set
from tests.wtours.shards.folder_server import FolderSite, serve_folder
from wtours.shards import NoRoomError, ShardCache, ShardError, ShardSet, open_shards

AUGMENT = AugmentConfig(
    first_px=20,
    global_views=(ViewConfig(scale=(0.4, 1.0), px=16, flip=0.5),),
    local_view=ViewConfig(scale=(0.05, 0.4), px=16),
    local_crops=2,
)
STEPS = 6


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of 8 and 5 tars."""
    folder = tmp_path_factory.mktemp("there") / "walks"
    make_shard_set(folder / "a", frames=40, pictures_per_tar=5, side=24)
    make_shard_set(folder / "b", frames=25, pictures_per_tar=5, side=24, seed=1)
    return folder


@pytest.fixture
def site(walks: Path) -> Iterator[FolderSite]:
    with serve_folder(walks.parent) as served:
        yield served


def tar_bytes(walks: Path, tars: int) -> int:
    """Room for so many tars of any size."""
    return tars * max(path.stat().st_size for path in walks.glob("*/*.tar"))


def open_loader(
    shards: tuple[ShardSet, ...], *, workers: int = 0, rank: int = 0, world: int = 1
) -> ClipLoader:
    clips = find_shard_clips(shards, ClipConfig(frames=3))
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=4, clips_per_epoch=24)
    return ClipLoader(
        shards, clips, order, AUGMENT, workers=workers, rank=rank, world=world, stop_step=STEPS
    )


def digest(views: Views) -> str:
    tensors = (views.global_views, views.local_crops, views.positions)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in tensors)).hexdigest()


@pytest.fixture(scope="module")
def expected(walks: Path) -> list[Views]:
    return list(open_loader(open_shards(walks)))


def cached_bytes(folder: Path) -> int:
    """Of one moment: a tar that goes while another comes would else be counted with it."""
    before: list[tuple[Path, int]] | None = None
    while True:
        try:
            now = [(path, path.stat().st_size) for path in sorted(folder.glob("*/*.tar"))]
        except FileNotFoundError:  # gone between listing and asking
            continue
        if now == before:
            return sum(size_bytes for _, size_bytes in now)
        before = now


@pytest.mark.parametrize(("workers", "tars"), [(0, 2), (0, 100), (2, 3), (2, 100)])
def test_batches_of_an_address_are_those_of_the_folder(
    site: FolderSite,
    walks: Path,
    expected: list[Views],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    workers: int,
    tars: int,
) -> None:
    """Also where the cache holds fewer tars than the clips in flight need."""
    limit_bytes = tar_bytes(walks, tars)
    cache = ShardCache(tmp_path / "cache", limit_bytes=limit_bytes)
    loader = open_loader(open_shards(f"{site.url}/walks", cache=cache), workers=workers)
    found = []
    for views in loader:
        found.append(digest(views))
        assert cached_bytes(tmp_path / "cache") <= limit_bytes
    assert found == [digest(views) for views in expected]
    assert "shards at addresses: " in capsys.readouterr().err
    if tars == 100:
        assert set(site.count(".tar").values()) == {1}
    else:
        assert max(site.count(".tar").values()) > 1
    assert_none_is_in_use(cache)


def assert_none_is_in_use(cache: ShardCache) -> None:
    """A tar as large as the cache makes all others go, once nothing is being fetched any more."""
    room = cache.parts.room
    path = cache.folder / "other" / "other.tar"
    path.parent.mkdir()
    for left in reversed(range(100)):
        try:
            with room.claim(
                path, size_bytes=room.limit_bytes, spare=(), stop=cache.parts.stop
            ) as partial:
                assert partial is not None
                partial.write_bytes(b"")
            break
        except NoRoomError:
            if not left:
                raise
            cache.parts.stop.wait(0.05)
    assert cached_bytes(cache.folder) == 0
    shutil.rmtree(path.parent)
    cache.close()


def test_ranks_share_a_small_cache(
    site: FolderSite, walks: Path, expected: list[Views], tmp_path: Path
) -> None:
    """Two at a time, each within its part of the limit: neither starves the other."""
    found: list[list[torch.Tensor]] = [[], []]

    def read(rank: int) -> None:
        cache = ShardCache(tmp_path / "cache", limit_bytes=tar_bytes(walks, 4))
        loader = open_loader(open_shards(f"{site.url}/walks", cache=cache), rank=rank, world=2)
        found[rank] += [views.global_views for views in loader]
        cache.close()

    ranks = [Thread(target=read, args=(rank,)) for rank in range(2)]
    for thread in ranks:
        thread.start()
    for thread in ranks:
        thread.join()
    for step, views in enumerate(expected):
        for rank in range(2):
            assert torch.equal(found[rank][step], views.global_views[:, rank::2])


def test_left_in_the_middle_nothing_stays_in_use(
    site: FolderSite, walks: Path, tmp_path: Path
) -> None:
    cache = ShardCache(tmp_path / "cache", limit_bytes=tar_bytes(walks, 6))
    batches = iter(open_loader(open_shards(f"{site.url}/walks", cache=cache)))
    next(batches)
    del batches
    assert_none_is_in_use(cache)


def test_clip_whose_tars_exceed_the_limit_is_an_error(
    site: FolderSite, walks: Path, tmp_path: Path
) -> None:
    cache = ShardCache(tmp_path / "cache", limit_bytes=tar_bytes(walks, 1))
    loader = open_loader(open_shards(f"{site.url}/walks", cache=cache))
    with pytest.raises(ShardError, match=r"has no room for \S+\.tar and \S+\.tar.*data\.cache_gb"):
        list(loader)
    cache.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_tar_that_cannot_be_fetched_ends_the_run_with_its_name(
    site: FolderSite, tmp_path: Path, workers: int
) -> None:
    site.always = {"a-000003.tar": "404"}
    cache = ShardCache(tmp_path / "cache")
    loader = open_loader(open_shards(f"{site.url}/walks", cache=cache), workers=workers)
    with pytest.raises(ShardError, match=r"walks/a/a-000003\.tar cannot be read"):
        list(loader)
    cache.close()


def test_tars_come_ahead_of_need_and_each_once(
    site: FolderSite, walks: Path, tmp_path: Path
) -> None:
    """With half of the cache free, all clips that are coming have their tars fetched."""
    cache = ShardCache(tmp_path / "cache", fetches=2)
    shards = open_shards(f"{site.url}/walks", cache=cache)
    loader = open_loader(shards)
    with StagedPlaces(loader._places(), shards, processes=1, told=False) as places:
        next(iter(places))
        for _ in range(200):
            if cache.traffic.tars == 13:
                break
            cache.parts.stop.wait(0.05)
        assert site.count(".tar") == {path.name: 1 for path in sorted(walks.glob("*/*.tar"))}
    cache.close()


def test_first_tars_are_shown_while_they_are_waited_for(
    site: FolderSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ShardCache(tmp_path / "cache")
    next(iter(open_loader(open_shards(f"{site.url}/walks", cache=cache), workers=0)))
    assert "fetching the first tars" in capsys.readouterr().err
    next(iter(open_loader(open_shards(f"{site.url}/walks", cache=cache), workers=0)))
    assert "fetching the first tars" not in capsys.readouterr().err
    cache.close()


def test_cache_of_a_run_is_what_its_options_say(tmp_path: Path) -> None:
    cache = shard_cache(DataConfig(cache=str(tmp_path / "tars"), cache_gb=0.5))
    assert (cache.folder, cache.limit_bytes) == (tmp_path / "tars", 500_000_000)
    assert shard_cache(DataConfig()).folder.name == "shards"
