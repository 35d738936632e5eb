"""Networks by name: those of DINO, those of timm that compute the same, and no others."""

import pytest
import timm
import torch

from dora.config import ModelConfig
from dora.errors import ConfigError
from dora.model.architectures import ARCHITECTURES, with_architecture
from dora.model.vit import build_backbone


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_short_names_are_timms_networks(name: str) -> None:
    model = ModelConfig(image_px=96, drop_path=0.3)
    ours = with_architecture(model, name)
    assert ours == with_architecture(model, f"{name}_patch16_224")
    assert (ours.image_px, ours.patch_px, ours.drop_path) == (96, 16, 0.3)


def test_a_network_of_timm_has_the_features_of_its_backbone() -> None:
    """Equal weights give equal features, so that nothing of it was overlooked."""
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=48, depth=3).eval()
    model = with_architecture(ModelConfig(image_px=48), "vit_tiny_patch16_224")
    backbone = build_backbone(
        ModelConfig(width=model.width, depth=3, heads=model.heads, image_px=48)
    ).eval()
    backbone.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit_nothing", "no network of that name"),
        ("resnet18", "is a ResNet"),
        ("vit_small_patch8_224", "patches of 8 px"),
        ("vit_huge_patch14_224", "patches of 14 px"),
        ("deit3_small_patch16_224", r"ls1\.gamma more"),
        ("vit_base_patch16_clip_224", r"norm_pre\.bias more"),
        ("vit_base_patch16_siglip_224", "more"),
        ("vit_base_patch16_224_miil", r"no blocks\.0\.attn\.qkv\.bias"),
        ("vit_small_patch16_dinov3", "is a Eva"),
    ],
)
def test_networks_of_another_kind_are_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as fault:
        with_architecture(ModelConfig(), name)
    assert name in fault.value.message
    assert "vit_small" in fault.value.remedy
