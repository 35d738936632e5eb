import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from dora.config import ModelConfig
from dora.data.colours import normalise
from dora.errors import DoraError
from dora.eval.features import (
    extract_features,
    load_evaluated,
    random_backbone,
    read_picture,
    resize_px,
)
from dora.model.weights import export_timm

TINY = ModelConfig(width=64, depth=2, heads=1, patch_px=8, image_px=32)
CPU = torch.device("cpu")


def write_noise(folder: Path, *, pictures: int, side: tuple[int, int] = (40, 60)) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(pictures)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, size=(*side, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.mark.parametrize(
    ("size", "inner", "box"),
    [
        ((500, 400), (320, 256), (48, 16, 272, 240)),
        ((400, 501), (256, 320), (16, 48, 240, 272)),
        ((32, 32), (256, 256), (16, 16, 240, 240)),
    ],
)
def test_picture_is_resized_to_256_and_cut_to_its_central_224(
    tmp_path: Path, size: tuple[int, int], inner: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    width, height = size
    (path,) = write_noise(tmp_path, pictures=1, side=(height, width))
    with Image.open(path) as picture:
        expected = picture.resize(inner, Image.Resampling.BICUBIC).crop(box)
    assert resize_px(224) == 256
    found = read_picture(path, image_px=224).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_grey_and_palette_pictures_have_three_channels(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "1"):
        Image.new(mode, (40, 40)).save(tmp_path / f"{mode}.png")
        assert read_picture(tmp_path / f"{mode}.png", image_px=32).shape == (3, 32, 32)


def test_features_are_unit_cls_tokens_whatever_the_batch_and_the_workers(tmp_path: Path) -> None:
    paths = write_noise(tmp_path, pictures=5)
    backbone = random_backbone(TINY, seed=1)
    images = torch.stack([read_picture(path, image_px=32) for path in paths])
    cls = backbone(normalise(images), want_tokens=True).cls
    progress = Progress(console=Console(file=io.StringIO()))
    for batch, workers in ((1, 3), (2, 1), (5, 2), (8, 1)):
        found = extract_features(
            backbone,
            paths,
            image_px=32,
            batch=batch,
            device=CPU,
            workers=workers,
            progress=progress,
        )
        torch.testing.assert_close(found, cls / cls.norm(dim=1, keepdim=True))
        assert progress.tasks[-1].completed == 5


@pytest.mark.parametrize("kept_bytes", [0, 40, 900])
def test_corrupt_picture_is_named(tmp_path: Path, kept_bytes: int) -> None:
    paths = write_noise(tmp_path, pictures=3)
    paths[1].write_bytes(paths[1].read_bytes()[:kept_bytes])
    with pytest.raises(DoraError, match=r"1\.png is no whole picture") as caught:
        extract_features(random_backbone(TINY, seed=0), paths, image_px=32, device=CPU)
    assert "copy it again" in caught.value.remedy


def test_random_backbone_is_a_function_of_its_seed_and_disturbs_no_other_draw() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (random_backbone(TINY, seed=seed) for seed in (3, 3, 4))
    torch.testing.assert_close(torch.rand(3), expected)
    name = "blocks.0.attn.qkv.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_weights_are_a_path_or_an_untrained_network(tmp_path: Path) -> None:
    backbone, label = load_evaluated("random:smoke")
    assert (backbone.config.width, label) == (192, "untrained (sizes of smoke)")
    untrained = random_backbone(TINY, seed=7)
    path = tmp_path / "tiny.safetensors"
    export_timm(untrained.state_dict(), path, model=TINY)
    read, label = load_evaluated(str(path))
    assert label.startswith("tiny.safetensors")
    assert not read.training
    for name, value in untrained.state_dict().items():
        assert torch.equal(read.state_dict()[name], value)


def test_heads_can_be_named_where_the_file_does_not_tell(tmp_path: Path) -> None:
    model = ModelConfig(width=24, depth=1, heads=3, patch_px=8, image_px=32)
    path = tmp_path / "narrow.pth"
    torch.save(random_backbone(model, seed=0).state_dict(), path)
    with pytest.raises(DoraError, match="width of 24"):
        load_evaluated(str(path))
    backbone, _ = load_evaluated(str(path), heads=3)
    assert backbone.config.heads == 3


@pytest.mark.parametrize("weights", ["random:nothing", "missing.pth"])
def test_unknown_weights_are_refused(weights: str) -> None:
    with pytest.raises(DoraError, match=r"nothing|missing\.pth"):
        load_evaluated(weights)
