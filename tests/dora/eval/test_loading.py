from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.eval.loading import evaluated, load_evaluated, open_network, random_backbone
from dora.eval.networks import DinoNetwork
from dora.model.weights import export_timm
from tests.dora.eval.tiny_networks import TINY


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
    model = ModelConfig(width=64, depth=2, heads=1, patch_px=8, image_px=32)
    untrained = random_backbone(model, seed=7)
    path = tmp_path / "tiny.safetensors"
    export_timm(untrained.state_dict(), path, model=model)
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
        open_network(str(path))
    assert open_network(str(path), heads=3).network.traits.heads == 3


@pytest.mark.parametrize("weights", ["random:nothing", "missing.pth", "timm:", "timm:vit_smal"])
def test_unknown_weights_are_refused(weights: str) -> None:
    with pytest.raises(DoraError, match=r"nothing|missing\.pth|timm") as caught:
        open_network(weights)
    assert caught.value.remedy


def test_hash_is_of_the_weights_and_not_of_their_file(tmp_path: Path) -> None:
    state = random_backbone(TINY, seed=7).state_dict()
    torch.save(state, tmp_path / "a.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "b.pth")
    state["norm.bias"][3] += 1e-7
    torch.save(state, tmp_path / "c.pth")
    first, wrapped, other = (
        open_network(str(tmp_path / name), heads=2).sha256 for name in ("a.pth", "b.pth", "c.pth")
    )
    assert first == wrapped
    assert first != other


def test_heads_that_no_parameter_shows_are_part_of_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(random_backbone(TINY, seed=7).state_dict(), path)
    hashes = {open_network(str(path), heads=heads).sha256 for heads in (1, 2, 4, 2)}
    assert len(hashes) == 3


def test_heads_of_the_blocks_below_the_last_are_part_of_the_hash() -> None:
    whole, split = (
        evaluated(DinoNetwork(random_backbone(replace(TINY, **heads), seed=0)), "x").sha256
        for heads in ({"heads": 4}, {"heads": 2, "last_heads": 4})
    )
    assert whole != split


def test_origin_tells_trained_from_untrained(tmp_path: Path) -> None:
    torch.save(random_backbone(TINY, seed=0).state_dict(), tmp_path / "a.pth")
    origins = [
        open_network(words, heads=2).origin
        for words in (str(tmp_path / "a.pth"), "random:smoke", "timm:test_vit@random")
    ]
    assert origins == ["file", "untrained", "untrained"]
