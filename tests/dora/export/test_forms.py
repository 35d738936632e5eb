"""Every form, read back by what other programs have, gives the features of the backbone."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from dora.config import HeadConfig, ModelConfig, RunConfig
from dora.errors import DoraError
from dora.export import forms
from dora.export.fixed_vit import FixedVit
from dora.export.forms import SUFFIXES, Exported, Form, export_backbone
from dora.model.pair import Pair
from dora.model.vit import build_backbone
from dora.model.weights import frozen_backbone, read_weights
from dora.train.checkpoint import Checkpoint, save_checkpoint
from tests.dora.tiny_run import tiny_run
from tests.references import golden

MODEL = ModelConfig(width=24, depth=2, heads=3, patch_px=8, image_px=32)
HEAD = HeadConfig(outputs=20, hidden=16, bottleneck=8)
RELEASED = golden.FOLDER / "checkpoint_tiny.pth"


def tiny(**changed: object) -> RunConfig:
    return replace(tiny_run(), model=replace(MODEL, **changed), head=HEAD)


def checkpoint(folder: Path, config: RunConfig) -> Path:
    """A checkpoint whose teacher is not its student, and whose norms do something."""
    torch.manual_seed(0)
    pair = Pair(config.model, config.head)
    with torch.no_grad():
        for parameter in pair.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_checkpoint(
        folder / "checkpoint.pth",
        Checkpoint(
            config=config,
            step=6,
            data="0" * 64,
            student=pair.student.state_dict(),
            teacher=pair.teacher.state_dict(),
            optimizer={},
            centre=torch.zeros(HEAD.outputs),
            scaler={},
        ),
    )
    return folder / "checkpoint.pth"


def exported(path: Path, form: Form, **options: object) -> Exported:
    out = path.with_name(f"out{SUFFIXES[form]}")
    return export_backbone(read_weights(path), out, form=form, **options)


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def images(px: int, number: int = 2) -> torch.Tensor:
    return torch.randn(number, 3, px, px, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def features(path: Path, px: int, number: int = 2) -> torch.Tensor:
    return frozen_backbone(read_weights(path))(images(px, number))


def timm_features(path: Path, px: int) -> torch.Tensor:
    network = VisionTransformer(
        img_size=px, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=0,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    network.load_state_dict(safetensors.torch.load_file(path))
    with torch.no_grad():
        found: torch.Tensor = network.eval()(images(px))
    return found


@pytest.mark.parametrize("px", [16, 32, 56])
def test_plain_timm_gives_the_features_at_every_side(tmp_path: Path, px: int) -> None:
    """Other sides than the native one by DINO's rule, which timm does not have."""
    path = checkpoint(tmp_path, tiny())
    found = exported(path, "timm", image_px=px)
    assert (found.model.image_px, found.difference < 1e-5) == (px, True)
    assert_close(timm_features(found.path, px), features(path, px))


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:FutureWarning")
@pytest.mark.parametrize("last_heads", [None, 6])
@pytest.mark.parametrize("px", [32, 56])
def test_torchscript_gives_the_features_and_refuses_other_sizes(
    tmp_path: Path, px: int, last_heads: int | None
) -> None:
    path = checkpoint(tmp_path, tiny(last_heads=last_heads))
    found = exported(path, "torchscript", image_px=px)
    network = torch.jit.load(found.path)
    for number in (1, 2, 5):
        assert_close(network(images(px, number)), features(path, px, number))
    for odd in (images(px + 8), images(px + 1), images(px)[..., :-8], images(px)[0]):
        with pytest.raises(torch.jit.Error):
            network(odd)


@pytest.mark.slow
@pytest.mark.parametrize("last_heads", [None, 6])
def test_torch_export_gives_the_features_and_refuses_other_sizes(
    tmp_path: Path, last_heads: int | None
) -> None:
    path = checkpoint(tmp_path, tiny(last_heads=last_heads))
    found = exported(path, "torch-export", image_px=56)
    network = torch.export.load(found.path).module()
    for number in (1, 2, 5):
        assert_close(network(images(56, number)), features(path, 56, number))
    for odd in (images(64), images(57), images(56)[..., :-8], images(56)[0]):
        with pytest.raises((AssertionError, RuntimeError, ValueError)):
            network(odd)


def test_what_torch_exports_is_the_backbone_at_every_side() -> None:
    backbone = build_backbone(MODEL).eval().requires_grad_(False)
    for px in (8, 32, 40):
        fixed = FixedVit(backbone, image_px=px)
        assert_close(fixed(images(px)), backbone(images(px)))
        with pytest.raises(ValueError, match="another height or width"):
            fixed(images(px + 8))
    with pytest.raises(ValueError, match="shape"):
        FixedVit(backbone, image_px=32)(images(32)[0])


@pytest.mark.parametrize("source", ["ours", "released"])
def test_the_authors_layout_holds_both_networks_bit_for_bit(tmp_path: Path, source: str) -> None:
    path = checkpoint(tmp_path, tiny()) if source == "ours" else RELEASED
    out = tmp_path / "out.pth"
    export_backbone(read_weights(path), out, form="released", epoch=57)
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(out, weights_only=True)
    assert set(content) == {"student", "teacher", "epoch", "args"}
    assert content["epoch"] == 57
    for network, prefix in (("student", "module."), ("teacher", "")):
        before, after = read_weights(path, network=network), read_weights(out, network=network)
        expected = {f"{prefix}backbone.{name}" for name in before.backbone}
        expected |= {f"{prefix}head.{name}" for name in before.head}
        assert set(content[network]) == expected
        for ours, theirs in ((before.backbone, after.backbone), (before.head, after.head)):
            assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
        assert after.model().heads == before.model().heads
    assert torch.equal(features(out, 32), features(path, 32))


def test_the_student_is_exported_where_it_is_asked_for(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, tiny())
    out = tmp_path / "out.safetensors"
    export_backbone(read_weights(path, network="student"), out, form="timm")
    student = read_weights(path, network="student").backbone
    assert all(torch.equal(v, student[k]) for k, v in safetensors.torch.load_file(out).items())


REFUSED: dict[str, tuple[Form, str, dict[str, int], str]] = {
    "ending": ("torchscript", "out.safetensors", {}, r"does not end in \.pt,"),
    "odd side": ("timm", "out.safetensors", {"image_px": 33}, "33 px do not divide"),
    "no side": ("timm", "out.safetensors", {"image_px": 0}, "0 px do not divide"),
    "released resizes": ("released", "out.pth", {"image_px": 64}, "--image-px was given"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    form, file, options, words = REFUSED[name]
    path = checkpoint(tmp_path, tiny())
    with pytest.raises(DoraError, match=words):
        export_backbone(read_weights(path), tmp_path / file, form=form, **options)
    assert not (tmp_path / file).exists()


@pytest.mark.parametrize("form", ["timm", "released"])
def test_a_last_block_of_its_own_is_refused_where_it_cannot_be_told(
    tmp_path: Path, form: Form
) -> None:
    path = checkpoint(tmp_path, tiny(last_heads=6))
    with pytest.raises(DoraError, match="last block has 6 heads") as fault:
        exported(path, form)
    assert "torchscript" in fault.value.remedy


def test_one_network_alone_is_no_released_checkpoint(tmp_path: Path) -> None:
    bare = tmp_path / "bare.pth"
    torch.save(build_backbone(MODEL).state_dict(), bare)
    with pytest.raises(DoraError, match="no student and teacher with their heads"):
        export_backbone(read_weights(bare), tmp_path / "out.pth", form="released", heads=3)
    assert not (tmp_path / "out.pth").exists()


def test_a_file_with_other_features_never_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path, tiny())
    monkeypatch.setattr(forms, "resize_position_embedding", lambda embedding, grid: 1.5 * embedding)
    with pytest.raises(DoraError, match="has other features"):
        exported(path, "timm")
    assert not (tmp_path / "out.safetensors").exists()
