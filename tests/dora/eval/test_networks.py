from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.eval.loading import open_network, random_backbone
from dora.eval.networks import DinoNetwork, Frozen
from dora.eval.timm_networks import TimmNetwork, open_timm

MODEL = ModelConfig(width=64, depth=3, heads=2, patch_px=16, image_px=48)


def build_vit(**options: object) -> torch.nn.Module:
    torch.manual_seed(2)
    sizes = {"img_size": 48, "patch_size": 16, "embed_dim": 64, "depth": 3, "num_heads": 2}
    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True, **(sizes | options)
    )
    model.pretrained_cfg = model.pretrained_cfg | {"input_size": (3, 48, 48)}
    return model


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def test_both_kinds_of_network_answer_alike_with_the_same_weights(images: Tensor) -> None:
    backbone = random_backbone(MODEL, seed=1)
    model = build_vit()
    model.load_state_dict(backbone.state_dict())
    ours, theirs = DinoNetwork(backbone), TimmNetwork(model, name="vit")
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(ours.cls(images), theirs.cls(images), **close)
    for n_last in (1, 3):
        mine, other = (net.blocks(images, n_last=n_last) for net in (ours, theirs))
        assert mine.cls.shape == (n_last, 2, 64)
        assert mine.patches.shape == (n_last, 2, 9, 64)
        assert mine.grid == other.grid == (3, 3)
        torch.testing.assert_close(mine.cls, other.cls, **close)
        torch.testing.assert_close(mine.patches, other.patches, **close)
        torch.testing.assert_close(mine.cls[-1], ours.cls(images), **close)
    mine, other = ours.attend(images), theirs.attend(images)
    torch.testing.assert_close(mine.query, other.query, **close)
    torch.testing.assert_close(mine.key, other.key, **close)
    torch.testing.assert_close(mine.cls_attention(), other.cls_attention(), **close)
    torch.testing.assert_close(
        mine.cls_attention(), backbone(images, want_tokens=True).cls_attention(), **close
    )


def test_registers_come_before_the_patches_and_are_left_out(images: Tensor) -> None:
    network = TimmNetwork(build_vit(reg_tokens=4), name="vit")
    attention = network.attend(images)
    assert attention.extra == 5
    assert attention.key.shape == (2, 2, 14, 32)
    assert attention.patch_keys().shape == attention.patch_queries().shape == (2, 9, 64)
    assert torch.equal(attention.patch_keys()[0, 4, 32:], attention.key[0, 1, 9])
    rows = attention.cls_attention()
    assert rows.shape == (2, 2, 9)
    assert (rows.sum(dim=-1) < 1).all()
    assert network.blocks(images, n_last=2).patches.shape == (2, 2, 9, 64)


def test_normalised_queries_and_keys_are_those_that_attend(images: Tensor) -> None:
    model = build_vit(qk_norm=True)
    seen: list[Tensor] = []
    model.blocks[-1].attn.k_norm.register_forward_hook(lambda _, __, out: seen.append(out))
    attention = TimmNetwork(model, name="vit").attend(images)
    torch.testing.assert_close(attention.key, seen[0])


@pytest.mark.parametrize("side", [(48, 96), (80, 32)])
def test_pictures_need_not_be_square(side: tuple[int, int]) -> None:
    images = torch.randn(1, 3, *side)
    networks: list[Frozen] = [
        DinoNetwork(random_backbone(MODEL, seed=1)),
        TimmNetwork(build_vit(), name="vit"),
    ]
    for network in networks:
        grid = (side[0] // 16, side[1] // 16)
        assert network.attend(images).grid == grid
        assert network.blocks(images, n_last=1).grid == grid


def test_network_without_tokens_serves_whole_pictures_only() -> None:
    network, label = open_timm("resnet18@random", seed=0)
    assert (label, network.traits.patch_px) == ("resnet18, untrained", None)
    images = torch.zeros(1, 3, 64, 64)
    assert network.cls(images).shape == (1, 512)
    with pytest.raises(DoraError, match="has no patch tokens"):
        network.blocks(images, n_last=1)
    with pytest.raises(DoraError, match=r"has no \[CLS\] attention"):
        network.attend(images)
    with pytest.raises(DoraError, match="which has 1 to read"):
        network.check_blocks(4)


def test_pooled_vit_says_so_and_has_no_cls_attention(images: Tensor) -> None:
    network = TimmNetwork(build_vit(global_pool="avg", class_token=False), name="pooled")
    assert network.traits.feature == "pooled by timm"
    tokens = network.blocks(images, n_last=2)
    torch.testing.assert_close(tokens.cls, tokens.patches.mean(dim=2))
    with pytest.raises(DoraError, match="attention"):
        network.attend(images)


def test_weights_of_a_file_fill_a_timm_network_and_its_classifier_is_left_out(
    tmp_path: Path,
) -> None:
    torch.manual_seed(3)
    trained = timm.create_model("test_vit", num_classes=7)
    path = tmp_path / "trained.pth"
    torch.save({"model": trained.state_dict()}, path)
    opened = open_network(f"timm:test_vit@{path}")
    assert (opened.label, opened.origin) == ("test_vit, weights of trained.pth", "timm")
    assert opened.network.traits.mean == trained.pretrained_cfg["mean"]
    images = torch.randn(1, 3, 160, 160)
    torch.testing.assert_close(
        opened.network.cls(images),
        trained.eval().forward_head(trained.forward_features(images), pre_logits=True),
    )
    torch.save({"model": {"cls_token": torch.zeros(3)}}, path)
    with pytest.raises(DoraError, match="another architecture"):
        open_network(f"timm:test_vit@{path}")


def test_weights_that_cannot_be_fetched_are_named_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **options: object) -> torch.nn.Module:
        if options.get("pretrained"):
            raise OSError("no route to host\nmore")
        return torch.nn.Identity()

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(
        DoraError, match=r"no weights of test_vit at hand \(no route to host\)"
    ) as e:
        open_timm("test_vit", seed=0)
    assert "timm:test_vit@FILE" in e.value.remedy


def test_pictures_are_normalised_as_the_network_was_trained() -> None:
    network = DinoNetwork(random_backbone(MODEL, seed=1))
    white = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(network.normalise(white)[0, :, 0, 0], expected)
    other = network.normalise(white, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.25, 0.125))
    assert other[0, :, 3, 3].tolist() == [1, 2, 4]
