"""Attention and tracks from weights and shards to files, and the network that both look with."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from dora.config import ClipConfig, HeadConfig, ModelConfig, RunConfig, TrackerConfig
from dora.data.colours import normalise
from dora.errors import DoraError
from dora.eval.loading import random_backbone
from dora.model.pair import Pair
from dora.presets import released, smoke
from dora.tracking.tracker import clip_tokens, discover_and_track
from dora.train.checkpoint import Checkpoint, save_checkpoint
from dora.visualise import network as network_module
from dora.visualise.attention import visualise_attention
from dora.visualise.network import Network
from dora.visualise.shown_clip import ClipChoice
from dora.visualise.tracks import track_objects, visualise_tracks
from tests.shard_making import make_shard_set

CPU = torch.device("cpu")
TINY = RunConfig(
    preset="smoke",
    clip=ClipConfig(frames=2),
    model=ModelConfig(width=24, depth=2, heads=4, patch_px=8, image_px=32),
    head=HeadConfig(outputs=16, hidden=8, bottleneck=8),
    tracker=TrackerConfig(objects=2),
    augment=smoke().augment,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ours with random weights; the teacher's are not the student's."""
    torch.manual_seed(0)
    pair = Pair(TINY.model, TINY.head)
    path = tmp_path_factory.mktemp("run") / "checkpoint.pth"
    stored = Checkpoint(
        config=TINY,
        step=3,
        data="",
        student={name: value + 1 for name, value in pair.student.state_dict().items()},
        teacher=pair.teacher.state_dict(),
        optimizer={},
        centre=torch.zeros(1, 16),
        scaler={},
    )
    save_checkpoint(path, stored)
    return path


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shard_set(tmp_path_factory.mktemp("shards") / "walk", frames=12, cut_frames=[9])


def tiny_network(**tracker: object) -> Network:
    run = replace(TINY, tracker=replace(TINY.tracker, **tracker))
    backbone = random_backbone(TINY.model, seed=3)
    return Network(backbone=backbone, label="tiny", run=run, device=CPU)


def noise(count: int, size: tuple[int, int]) -> list[Image.Image]:
    generator = np.random.default_rng(1)
    width, height = size
    shape = (count, height, width, 3)
    return [Image.fromarray(a) for a in generator.integers(0, 256, shape, dtype=np.uint8)]


def tensor_of(pictures: list[Image.Image]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return normalise(pixels.permute(0, 3, 1, 2))


def test_network_is_the_teacher_with_the_options_of_its_run(checkpoint: Path) -> None:
    network = Network.load(str(checkpoint))
    assert network.run == TINY
    assert "step 3" in network.label
    stored = torch.load(checkpoint, weights_only=True)["teacher"]
    assert torch.equal(network.backbone.cls_token, stored["backbone.cls_token"])


def test_weights_without_a_run_are_seen_as_the_released_code_does(checkpoint: Path) -> None:
    bare = checkpoint.with_name("bare.pth")
    model = replace(TINY.model, width=64, heads=1)
    torch.save(random_backbone(model, seed=0).state_dict(), bare)
    assert Network.load(str(bare)).run == released()
    assert Network.load("random:smoke").run == smoke()


@pytest.mark.parametrize(
    ("size", "side_px", "seen"),
    [
        ((64, 48), None, (88, 64)),
        ((48, 64), 32, (32, 40)),
        ((100, 100), 35, (32, 32)),
        ((300, 20), 16, (240, 16)),
    ],
)
def test_pictures_keep_their_shape_up_to_half_a_patch(
    size: tuple[int, int], side_px: int | None, seen: tuple[int, int]
) -> None:
    (tokens,) = tiny_network().tokens(noise(1, size), side_px=side_px)
    assert (tokens.grid[1] * 8, tokens.grid[0] * 8) == seen


def test_side_below_a_patch_is_refused() -> None:
    with pytest.raises(DoraError, match="holds no patch"):
        next(iter(tiny_network().tokens(noise(1, (40, 40)), side_px=7)))


@pytest.fixture(params=[1, 40, 10_000])
def _patches_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "_PATCHES_AT_A_TIME", request.param)
        yield


@pytest.mark.usefixtures("_patches_at_a_time")
@pytest.mark.parametrize("sinkhorn", [True, False])
def test_masks_are_those_of_the_tracker_however_many_pictures_pass_at_once(sinkhorn: bool) -> None:
    network = tiny_network(sinkhorn=sinkhorn)
    pictures = noise(5, (32, 32))
    found = track_objects(network, pictures, side_px=32, seed=2)
    tokens = network.backbone(tensor_of(pictures), want_tokens=True)
    tracks = discover_and_track(
        clip_tokens(tokens, clips=1, config=network.run.tracker),
        torch.tensor([found.heads]),
        network.run.tracker,
    )
    expected = tracks.masks[:, 0].transpose(0, 1).bool()
    np.testing.assert_array_equal(found.masks, expected.numpy())
    soft = tracks.soft[:, :, 0].unflatten(-1, tokens.grid)
    np.testing.assert_allclose(found.soft, soft.numpy(), rtol=1e-4)
    y, x = np.unravel_index(found.soft[3, 1].argmax(), tokens.grid)
    np.testing.assert_allclose(found.peaks[3, 1], [(x + 0.5) / 4, (y + 0.5) / 4])


def test_larger_pictures_have_prototypes_of_the_same_length() -> None:
    """A picture and the same one four times are equally sharp: logits have the same spread."""
    network = tiny_network()
    with torch.no_grad():
        network.backbone.pos_embed.zero_()
    (tile,) = noise(1, (32, 32))
    four = Image.new("RGB", (64, 64))
    for corner in ((0, 0), (32, 0), (0, 32), (32, 32)):
        four.paste(tile, corner)
    small = track_objects(network, [tile], side_px=32).soft[0]
    large = track_objects(network, [four], side_px=64).soft[0]
    np.testing.assert_allclose(4 * large[:, :4, :4], small, rtol=2e-3)


def test_seed_chooses_the_heads() -> None:
    network = tiny_network()
    pictures = noise(1, (32, 32))
    heads = {track_objects(network, pictures, seed=seed).heads for seed in range(12)}
    assert len(heads) > 3
    assert all(len(set(pair)) == 2 and set(pair) <= {0, 1, 2, 3} for pair in heads)


def test_tracks_become_a_video_and_a_sheet(checkpoint: Path, shards: Path, tmp_path: Path) -> None:
    progress = Progress(console=Console(file=io.StringIO()))
    video, sheet = visualise_tracks(
        str(checkpoint),
        [shards],
        out=tmp_path,
        choice=ClipChoice(start_s=3),
        progress=progress,
    )
    assert (video.name, sheet.name) == ("walk_3.00s_tracks.mp4", "walk_3.00s_tracks.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [video.name, sheet.name]
    assert progress.tasks[0].completed == 2
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.duration * stream.time_base) == ("h264", 1)
    with Image.open(sheet) as picture:
        # Two frames below each other; a frame, two objects and the masks beside each other.
        assert picture.height > 2 * 240
        assert picture.width > 4 * 320


def test_a_stretch_plays_at_its_own_speed(checkpoint: Path, shards: Path, tmp_path: Path) -> None:
    choice = ClipChoice(start_s=4, seconds=30)
    video, _ = visualise_tracks(str(checkpoint), [shards], out=tmp_path, choice=choice)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        # From 4 s to the cut at 9 s.
        assert stream.duration * stream.time_base == 5


@pytest.mark.parametrize("frames", [1, 3])
def test_attention_becomes_a_sheet(
    checkpoint: Path, shards: Path, tmp_path: Path, frames: int
) -> None:
    (sheet,) = visualise_attention(
        str(checkpoint), [shards], out=tmp_path, choice=ClipChoice(frames=frames)
    )
    assert sheet.name == "walk_0.00s_attention.png"
    with Image.open(sheet) as picture:
        width, height = picture.size
    columns, rows, side = (4, 2, 420) if frames == 1 else (6, 3, 240)
    assert columns * side < width < columns * side + 200
    assert rows * side * 3 / 4 < height < rows * side * 3 / 4 + 200


def test_full_disk_leaves_nothing(checkpoint: Path, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match="cannot be written"):
        visualise_tracks(str(checkpoint), [shards], out=tmp_path / "file")
