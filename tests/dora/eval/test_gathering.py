"""Two processes share out sequences and pictures, and come to the numbers of one."""

import dataclasses
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing

from dora.errors import DoraError
from dora.eval import gathering, sharing
from dora.eval.davis import evaluate_davis
from dora.eval.discovery import evaluate_discovery
from dora.eval.gathering import interleave, join_shares, own_share
from dora.eval.sharing import share_chunk, share_first, sum_over_ranks
from dora.eval.video_masks import VideoMaskConfig
from dora.train import distributed as train_distributed
from dora.train.distributed import process_group
from tests.dora.eval import dense_data
from tests.dora.eval.dense_networks import ON_CPU, pixel_network


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_shares_come_together_in_the_order_of_the_items(count: int, processes: int) -> None:
    items = list(range(count))
    assert interleave([items[rank::processes] for rank in range(processes)]) == items


def test_one_process_has_all() -> None:
    assert join_shares(own_share([3, 1, 2])) == [3, 1, 2]


def measure(folder: Path) -> dict[str, Any]:
    followed = evaluate_davis(
        pixel_network(), folder, config=VideoMaskConfig(image_px=64), computing=ON_CPU
    )
    discovered = evaluate_discovery(
        pixel_network(),
        folder,
        image_px=64,
        computing=ON_CPU,
        pictures=folder / "pictures",
    )
    results = [dataclasses.asdict(result) for result in (followed, discovered)]
    return dict(zip(("davis", "discovery"), results, strict=True))


@contextmanager
def joined(index: int, port: int) -> Iterator[None]:
    """Make this process one of two."""
    environment = {
        "RANK": index, "LOCAL_RANK": index, "WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, str(value))
        with process_group(torch.device("cpu")):
            yield


def work(index: int, port: int, folder: Path) -> None:
    """What one of the processes does."""
    with joined(index, port):
        text = json.dumps(measure(folder))
    (folder / f"{index}.json").write_text(text)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def share_and_go(index: int, port: int) -> None:
    """Take what the first process has; the other ends without a word, the first says so."""
    with pytest.raises(DoraError, match="has lost the others"), joined(index, port):  # noqa: PT012
        shared = share_first({"k-NN": 1.5} if index == 0 else None)
        if index == 1:
            os._exit(7 if shared == {"k-NN": 1.5} else 1)
        while True:
            sum_over_ranks(torch.ones(1))
    os._exit(7)


COLLECTIVES = {
    "sum_over_ranks": lambda: sum_over_ranks(torch.ones(1)),
    "share_chunk": lambda: share_chunk(None, (1,), owner=1, device=torch.device("cpu")),
    "share_first": lambda: (share_first(1), share_first(2)),
    "join_shares": lambda: join_shares([1]),
}


@pytest.mark.parametrize("name", COLLECTIVES)
def test_process_that_is_gone_is_told_in_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(train_distributed, "_LATER_S", 0.0)
    for module in (sharing, gathering):
        monkeypatch.setattr(module, "world_size", lambda: 2)
    for called in ("all_reduce", "broadcast", "broadcast_object_list", "all_gather_object"):
        monkeypatch.setattr(torch.distributed, called, lost)
    with pytest.raises(DoraError, match="has lost the others of its run") as caught:
        COLLECTIVES[name]()
    assert "see what ended first" in caught.value.remedy


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_first_process_shares_and_then_says_that_the_other_is_gone() -> None:
    port, spawn = free_port(), multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=share_and_go, args=(index, port)) for index in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [7, 7]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_come_to_the_numbers_of_one(tmp_path: Path) -> None:
    size = (128, 64)
    videos = {
        name: dense_data.moving_squares(frames=frames, size=size, step_px=5, side_px=24)
        for name, frames in (("a", 4), ("b", 6), ("c", 3))
    }
    dense_data.davis(tmp_path, videos)
    squares = {str(side): [(8, 8, 8 + side, 8 + side)] for side in (8, 16, 24, 40, 48)}
    dense_data.voc(tmp_path, squares, size=(64, 64))
    port = free_port()
    other = multiprocessing.get_context("spawn").Process(target=work, args=(1, port, tmp_path))
    other.start()
    work(0, port, tmp_path)
    other.join()
    assert other.exitcode == 0
    alone = json.loads(json.dumps(measure(tmp_path)))
    for index in range(2):
        assert json.loads((tmp_path / f"{index}.json").read_text()) == alone
