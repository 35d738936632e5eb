"""The loader: the same batches whatever reads them, and errors that arrive as they were."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dora.config import AugmentConfig, ClipConfig, ViewConfig
from dora.data.ahead import slot_count
from dora.data.description import find_shard_clips
from dora.data.hand_over import SHARED_MEMORY
from dora.data.loader import ClipLoader, clip_bytes
from dora.data.places import ClipPlace
from dora.data.reading import ClipReader
from dora.data.stream import ClipOrder
from dora.data.views import Views
from dora.errors import DoraError
from tests.shard_making import make_shard_set
from wtours.shards import ShardError, open_shards

REPOSITORY = Path(__file__).parents[3]
CLIP = ClipConfig(frames=3)
AUGMENT = AugmentConfig(
    first_px=40,
    global_views=(ViewConfig(scale=(0.4, 1.0), px=32, flip=0.5),),
    local_view=ViewConfig(scale=(0.05, 0.4), px=16),
    local_crops=2,
)
STEPS = 9


def open_loader(folder: Path, *, workers: int = 0, **options: int | str) -> ClipLoader:
    """A loader of 8 clips a step: 62 starts, so that step 7 lies across two passes."""
    shards = open_shards(folder)
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=8, clips_per_epoch=24)
    bounds = {"stop_step": STEPS} | options
    return ClipLoader(shards, clips, order, AUGMENT, workers=workers, **bounds)  # type: ignore[arg-type]


def digest(views: Views) -> str:
    """One word for all that is in a batch."""
    tensors = (views.global_views, views.local_crops, views.positions)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in tensors)).hexdigest()


def assert_equal(views: Views, expected: Views) -> None:
    for name in ("positions", "global_views", "local_crops"):
        assert torch.equal(getattr(views, name), getattr(expected, name))


def share(views: Views, rank: int, world: int) -> Views:
    return Views(
        global_views=views.global_views[:, rank::world],
        local_crops=views.local_crops[:, rank::world],
        positions=views.positions[rank::world],
    )


def alter(folder: Path, *, row: int) -> None:
    """Damage a picture of the first tar of a set called walk."""
    place = open_shards(folder)[0].table(["offset", "size"]).to_pylist()[row]
    with (folder / "walk-000000.tar").open("r+b") as tar:
        tar.seek(place["offset"] + place["size"] // 2)
        tar.write(b"altered")


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets, 40 and 26 ticks."""
    folder = tmp_path_factory.mktemp("shards")
    make_shard_set(folder / "a", frames=40)
    make_shard_set(folder / "b", frames=26, seed=1)
    return folder


@pytest.fixture(scope="module")
def unbroken(walks: Path) -> list[Views]:
    """All batches, read in one go by this process."""
    return list(open_loader(walks))


def test_batches_have_the_stated_shapes(unbroken: list[Views]) -> None:
    assert len(unbroken) == STEPS
    for step, views in enumerate(unbroken):
        assert views.global_views.shape == (1, 8, 3, 3, 32, 32)
        assert views.local_crops.shape == (2, 8, 3, 3, 16, 16)
        assert views.positions.tolist() == list(range(8 * step, 8 * step + 8))
    mean = torch.cat([views.global_views.flatten() for views in unbroken]).mean()
    assert abs(mean) < 1
    assert len({digest(views) for views in unbroken}) == STEPS


@pytest.mark.parametrize("world", [1, 2, 4])
def test_stopped_at_any_step_batches_go_on(walks: Path, unbroken: list[Views], world: int) -> None:
    """Every step, every rank, without workers."""
    for step in range(STEPS):
        for rank in range(world):
            options = {"start_step": step, "stop_step": step + 1, "rank": rank, "world": world}
            (views,) = open_loader(walks, **options)
            assert_equal(views, share(unbroken[step], rank, world))


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_and_ranks_change_nothing(
    walks: Path, unbroken: list[Views], workers: int, world: int
) -> None:
    """Over the end of a pass, by other processes, started anew for each rank."""
    rank = workers % world
    options = {"start_step": 6, "rank": rank, "world": world}
    batches = list(open_loader(walks, workers=workers, **options))
    assert len(batches) == STEPS - 6
    for views, expected in zip(batches, unbroken[6:], strict=True):
        assert_equal(views, share(expected, rank, world))


def consumed_slowly(loader: ClipLoader) -> Iterator[list[Any]]:
    """Batches that are looked at when whoever reads has had the time to go on."""
    for batch in loader.handed_over():
        time.sleep(0.1)
        yield batch


def test_slots_come_round_after_the_batches_that_lay_in_them(walks: Path) -> None:
    """84 clips through 21 slots, in batches that are no whole number of messages."""
    shards = open_shards(walks)
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=6, clips_per_epoch=30)
    assert 4 * slot_count(batch_clips=6, workers=1, prefetch=12) == 6 * 14
    read, expected = (
        ClipLoader(shards, clips, order, AUGMENT, workers=workers, stop_step=14)
        for workers in (1, 0)
    )
    batches = consumed_slowly(read)
    for batch, views in zip(batches, expected, strict=True):
        assert_equal(read.way.gather(batch, tell=read.bad_frames.tell), views)


@pytest.mark.parametrize("workers", [0, 2])
def test_clips_on_their_way_to_a_gpu_are_those_that_are_read(tmp_path: Path, workers: int) -> None:
    """First crops in memory that is used again and again; one picture of 40 is replaced."""
    folder = make_shard_set(tmp_path / "walk", frames=40)
    alter(folder, row=3)
    shards = open_shards(folder)
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=6, clips_per_epoch=30)
    loader = ClipLoader(
        shards, clips, order, AUGMENT,
        workers=workers, stop_step=10, device=torch.device("cuda"), on_bad_frame="skip",
    )  # fmt: skip
    places = iter(list(loader._places()))
    reader = ClipReader(AUGMENT, seed=3, on_bad_frame="skip")
    replaced = 0
    for batch in consumed_slowly(loader):
        for clip in batch:
            expected = reader.read(next(places))
            assert clip.position == expected.position
            assert torch.equal(clip.first, expected.first)
            assert np.array_equal(clip.rows, expected.rows)
            assert clip.replaced == expected.replaced
            replaced += len(clip.replaced)
    assert replaced > 0
    assert next(places, None) is None


def test_memory_is_made_for_ways_that_put_pixels_there(walks: Path) -> None:
    """In this process; finished views lie in memory of their own."""
    shards = open_shards(walks)
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=4, clips_per_epoch=8)
    given: list[bool] = []
    for device in ("cpu", "cuda"):
        loader = ClipLoader(
            shards, clips, order, AUGMENT, workers=0, stop_step=1, device=torch.device(device)
        )
        read = loader.way.read

        def spy(place: ClipPlace, *, memory: Tensor | None, read: Any = read) -> Any:
            given.append(memory is not None)
            return read(place, memory=memory)

        loader.way.read = spy  # type: ignore[method-assign]
        list(loader.handed_over())
    assert given == [False] * 4 + [True] * 4


def test_workers_resume_at_every_step(walks: Path, unbroken: list[Views]) -> None:
    for step in range(STEPS):
        loader = open_loader(walks, workers=1 + step % 2, start_step=step, stop_step=step + 1)
        (views,) = loader
        assert_equal(views, unbroken[step])


@pytest.mark.parametrize("workers", [0, 1])
def test_loader_leaves_the_random_state_of_training_alone(walks: Path, workers: int) -> None:
    """A run that is started again opens another loader: its drop path must not notice."""
    before = torch.get_rng_state()
    list(open_loader(walks, workers=workers, stop_step=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_altered_tar_is_named_by_the_same_error(tmp_path: Path, workers: int) -> None:
    """No worker's traceback, whichever process finds the fault."""
    folder = make_shard_set(tmp_path / "walk", frames=20, pictures_per_tar=10)
    alter(folder, row=3)
    with pytest.raises(ShardError) as fault:
        list(open_loader(folder, workers=workers))
    assert type(fault.value) is ShardError
    assert fault.value.message.startswith(f"{folder / 'walk-000000.tar'} was altered")
    assert "Traceback" not in str(fault.value)
    assert "wtours shard" in fault.value.remedy


@pytest.mark.parametrize("workers", [0, 1])
def test_pictures_smaller_than_a_plain_crop_are_refused(tmp_path: Path, workers: int) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=20, side=36))
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=0, batch_clips=4, clips_per_epoch=8)
    augment = AugmentConfig(
        first_crop="plain", first_px=40, local_view=ViewConfig(scale=(0.05, 0.4), px=16)
    )
    with pytest.raises(DoraError, match="48x36 px is smaller than the first crop of 40"):
        list(ClipLoader(shards, clips, order, augment, workers=workers, stop_step=1))


def test_skipped_pictures_are_told_once_and_batches_stay_reproducible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One altered picture of 20, in up to three clips; read again, the batches are the same."""
    folder = make_shard_set(tmp_path / "walk", frames=20, pictures_per_tar=10)
    alter(folder, row=3)
    first = list(open_loader(folder, workers=0, stop_step=4, on_bad_frame="skip"))
    assert capsys.readouterr().err.count("warning: ") == 1
    again = list(open_loader(folder, workers=1, stop_step=4, on_bad_frame="skip"))
    told = capsys.readouterr().err
    assert told.startswith(f"warning: {folder}, row 3: {folder / 'walk-000000.tar'} was altered")
    assert told.count("\n") == 1
    assert [digest(views) for views in again] == [digest(views) for views in first]


def test_killed_worker_is_reported(walks: Path) -> None:
    batches = iter(open_loader(walks, workers=1, stop_step=10_000))
    next(batches)
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(DoraError, match="ended from outside"):
        for _ in batches:
            pass


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_places_is_not_taken_for_the_end_of_a_reader(
    walks: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A network that is lost while a tar is fetched, in the main process."""
    whole = ClipLoader._places

    def lost(loader: ClipLoader) -> Iterator[ClipPlace]:
        yield from islice(whole(loader), 40)
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(ClipLoader, "_places", lost)
    with pytest.raises(ConnectionResetError, match="by peer"):
        list(open_loader(walks, workers=workers))


def test_workers_end_with_the_iteration(walks: Path) -> None:
    """Left in the middle, or read to the end."""
    batches = iter(open_loader(walks, workers=2))
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert multiprocessing.active_children() == []


def test_batch_that_cannot_be_split_is_refused(walks: Path) -> None:
    with pytest.raises(DoraError, match="8 clips cannot be split evenly over 3"):
        open_loader(walks, world=3)


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no /dev/shm")
def test_small_shared_memory_means_fewer_clips_ahead_or_an_error(
    walks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = clip_bytes(AUGMENT, frames=3, finished=True)
    assert one == 3 * 3 * (32 * 32 + 2 * 16 * 16)
    assert clip_bytes(AUGMENT, frames=3, finished=False) == 3 * 3 * 40 * 40

    def room(clips: int) -> None:
        space = SimpleNamespace(f_bavail=2 * clips * one, f_frsize=1)
        monkeypatch.setattr("dora.data.hand_over.os.statvfs", lambda _: space)

    room(0)
    assert open_loader(walks, workers=2).prefetch == 8  # memory of its own, wherever there is any
    monkeypatch.delattr(os, "memfd_create", raising=False)

    room(1000)
    assert open_loader(walks, workers=2).prefetch == 8
    room(11 + 2 * 3)
    assert open_loader(walks, workers=2).prefetch == 3
    room(11 + 1)
    with pytest.raises(DoraError, match="has room for") as fault:
        open_loader(walks, workers=2)
    assert "--shm-size" in fault.value.remedy


PROGRAM = """
import sys
from pathlib import Path
from tests.dora.data.test_loader import digest, open_loader

if __name__ == "__main__":
    folder, workers, start, stop = sys.argv[1:]
    loader = open_loader(
        Path(folder), workers=int(workers), start_step=int(start), stop_step=int(stop)
    )
    print("opened", flush=True)
    try:
        for views in loader:
            print(digest(views), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def start_program(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "7"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_another_process_goes_on_with_the_same_batches(
    tmp_path: Path, walks: Path, unbroken: list[Views]
) -> None:
    program = start_program(tmp_path, str(walks), "0", "4", str(STEPS))
    output, faults = program.communicate(timeout=120)
    assert program.returncode == 0, faults
    assert output.split()[1:] == [digest(views) for views in unbroken[4:]]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")
@pytest.mark.slow  # twice the imports of torch; test_signals tries the same with `dora train`
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_interrupt_ends_all_processes_without_a_word(
    tmp_path: Path, walks: Path, moment: str
) -> None:
    """Ctrl-C reaches the whole group: workers, fork server and all."""
    program = start_program(tmp_path, str(walks), "2", "0", "100000")
    assert program.stdout is not None
    for _ in range(1 if moment == "starting" else 3):
        program.stdout.readline()
    time.sleep(0.2)
    os.killpg(program.pid, signal.SIGINT)
    output, faults = program.communicate(timeout=120)
    assert output.endswith("interrupted\n")
    assert faults == ""
    assert program.returncode == 0
    assert_session_ends(program.pid, within_s=10)


def session_processes(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
    return found


def assert_session_ends(session: int, *, within_s: float) -> None:
    """Workers have groups of their own, and the session of the program."""
    for _ in range(round(within_s * 10)):
        if not session_processes(session):
            return
        time.sleep(0.1)
    raise AssertionError(f"processes of session {session} go on")


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(walks: Path, unbroken: list[Views]) -> None:
    """Through page-locked memory; made there, so that hue and rounding may differ by a level."""
    shards = open_shards(walks)
    clips = find_shard_clips(shards, CLIP)
    order = ClipOrder(starts=len(clips), seed=3, batch_clips=8, clips_per_epoch=24)
    device = torch.device("cuda")
    loader = ClipLoader(shards, clips, order, AUGMENT, workers=2, stop_step=STEPS, device=device)
    for views, expected in zip(loader, unbroken, strict=True):
        assert views.global_views.is_cuda
        assert torch.equal(views.positions, expected.positions)
        for name in ("global_views", "local_crops"):
            levels = (getattr(views, name).cpu() - getattr(expected, name)).abs() * 0.225 * 255
            assert (levels > 1.1).float().mean() < 5e-3
