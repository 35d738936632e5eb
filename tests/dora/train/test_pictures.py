"""DoRA* on a folder of pictures: trained, stopped, resumed, in several processes that read."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dora.config import ClipConfig, RunConfig
from dora.data.description import clip_order, find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.picture_folder import PictureFolder, open_picture_folder
from dora.data.picture_reading import PictureReader
from dora.data.placing import clip_rows, place_clips
from dora.errors import DoraError
from dora.train.checkpoint import Checkpoint, load_checkpoint
from dora.train.launch import launch
from tests.dora.tiny_run import tiny_run

KINDS = (".jpg", ".png", ".webp")


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    """Nine pictures of three formats and as many sizes in three classes."""
    place = tmp_path / "photos"
    for number in range(9):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        path = place / f"class-{number % 3}" / f"{number}{KINDS[number // 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((40 + 5 * number, 48)).save(path)
    return open_picture_folder(place)


def picture_run() -> RunConfig:
    config = tiny_run(epochs=2)
    return replace(
        config,
        clip=ClipConfig(frames=1),
        data=replace(config.data, clips_per_epoch="all", batch_clips=4),
    )


def trained(folder: PictureFolder, out: Path, config: RunConfig) -> Checkpoint:
    outcome = launch(
        config,
        [folder],
        out=out,
        device=torch.device("cpu"),
        begins=lambda ahead: None,
        report=lambda record, clips_hz: None,
    )
    return load_checkpoint(outcome.checkpoint)


def test_pictures_train_and_a_resumed_run_equals_the_unbroken_one(
    folder: PictureFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of two steps, broken off in the second."""
    unbroken = trained(folder, tmp_path / "unbroken", picture_run())
    assert unbroken.step == 4
    batches = ClipLoader.__iter__

    def breaks(self: ClipLoader) -> Iterator[object]:
        for step, batch in enumerate(batches(self)):
            if self.start_step == 0 and step == 3:
                raise RuntimeError("the lights went out")
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(ClipLoader, "__iter__", breaks)
        with pytest.raises(RuntimeError, match="lights"):
            trained(folder, tmp_path / "broken", picture_run())
    resumed = trained(folder, tmp_path / "broken", picture_run())
    assert resumed.step == 4
    assert all(
        torch.equal(value, resumed.student[name]) for name, value in unbroken.student.items()
    )
    assert not torch.equal(unbroken.centre, torch.zeros_like(unbroken.centre))


def test_a_run_goes_on_with_the_same_pictures_only(folder: PictureFolder, tmp_path: Path) -> None:
    trained(folder, tmp_path / "run", picture_run())
    (folder.folder / "class-0" / "0.jpg").unlink()
    with pytest.raises(DoraError, match="other clips"):
        trained(open_picture_folder(folder.folder), tmp_path / "run", picture_run())


def test_a_reader_in_another_process_reads_the_same(folder: PictureFolder) -> None:
    config = picture_run()
    clips = find_shard_clips([folder], config.clip)
    sets, rows = clip_rows(clips, np.arange(len(clips)))
    reader = PictureReader(config.augment, seed=3)
    sent = pickle.loads(pickle.dumps(reader))
    for place in place_clips([folder], sets, rows, np.arange(len(clips))):
        assert torch.equal(reader.read(place).first, sent.read(place).first)


@pytest.mark.slow
def test_processes_that_read_change_nothing(folder: PictureFolder) -> None:
    """Damaged pictures included, which are told of and passed over."""
    (folder.folder / "class-1" / "1.jpg").write_bytes(b"nothing that could be shown")
    config = picture_run()
    clips = find_shard_clips([folder], config.clip)
    order = clip_order(config, clips)
    found = []
    for workers in (0, 1):
        loader = ClipLoader(
            [folder],
            clips,
            order,
            config.augment,
            workers=workers,
            stop_step=3,
            on_bad_frame="skip",
        )
        found.append(list(loader))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours.global_views, theirs.global_views)
        assert torch.equal(ours.local_crops, theirs.local_crops)
        assert ours.global_views.shape[:3] == (1, 4, 1)
