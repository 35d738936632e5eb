import argparse
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from dora.config import HeadConfig, ModelConfig
from dora.errors import DoraError
from dora.model.head import ProjectionHead
from dora.model.vit import build_backbone
from dora.model.weights import (
    NetworkName,
    export_timm,
    fill,
    infer_model_config,
    load_backbone,
    load_backbone_weights,
    load_released_checkpoint,
    read_weights,
)
from tests.references import golden

RELEASED = golden.FOLDER / "checkpoint_tiny.pth"
BARE = golden.FOLDER / "checkpoint_tiny_backbone.pth"
FEATURES = "checkpoint_tiny_features.npz"
TINY = ModelConfig(width=64, depth=2, heads=1, patch_px=8, image_px=32)


@pytest.mark.parametrize("network", ["teacher", "student"])
@pytest.mark.parametrize("size", ["32x32", "48x48"])
def test_released_checkpoint_gives_its_published_features(network: NetworkName, size: str) -> None:
    expected = golden.tensors(golden.load(FEATURES, network), f"{size}/")
    weights = read_weights(RELEASED, network=network)
    backbone = load_backbone(RELEASED, network=network)
    head = ProjectionHead(48, HeadConfig(outputs=48, hidden=32, bottleneck=16))
    fill(head, weights.head, path=RELEASED)
    tokens = backbone(expected["x_i8"], want_tokens=True)
    all_tokens = torch.cat([tokens.cls[:, None], tokens.patches], dim=1)
    intermediate = backbone.intermediate_cls(expected["x_i8"], 2)
    assert golden.largest_difference(tokens.cls, expected["cls"]) < 5e-5
    assert golden.largest_difference(all_tokens, expected["tokens"]) < 5e-5
    assert golden.largest_difference(tokens.cls_attention(), expected["attn_cls"]) < 5e-5
    assert golden.largest_difference(intermediate, expected["intermediate_cls"]) < 5e-5
    assert golden.largest_difference(head(tokens.cls), expected["head_logits"]) < 5e-5


def test_released_checkpoint_tells_what_it_is() -> None:
    meta, state = golden.load(FEATURES, "meta"), golden.load(FEATURES, "state")
    content = load_released_checkpoint(RELEASED)
    assert list(content["teacher"]) == meta["teacher_keys"].tolist()
    assert list(content["student"]) == meta["student_keys"].tolist()
    assert content["epoch"] == int(meta["epoch"])
    assert golden.largest_difference(content["dino_loss"]["center"], state["center"]) == 0
    groups = content["optimizer"]["param_groups"]
    assert groups[0]["lr"] == state["lr"]
    assert [group["weight_decay"] for group in groups] == state["weight_decay"].tolist()

    weights = read_weights(RELEASED)
    side, patch_px, width, depth, heads = meta["cfg"].tolist()
    assert weights.model() == ModelConfig(
        width=width, depth=depth, heads=heads, patch_px=patch_px, image_px=side
    )
    assert weights.source == "checkpoint_tiny.pth: teacher of a released checkpoint (epoch 57)"


def test_bare_backbone_is_the_checkpoints_teacher() -> None:
    from_bare, source = load_backbone_weights(BARE)
    from_whole, _ = load_backbone_weights(RELEASED)
    assert source == "checkpoint_tiny_backbone.pth: bare state dict"
    assert from_bare.keys() == from_whole.keys()
    assert all(torch.equal(value, from_whole[name]) for name, value in from_bare.items())


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.", "module.backbone."])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_bare_state_dict_is_read_with_any_prefix(tmp_path: Path, prefix: str, suffix: str) -> None:
    state = build_backbone(TINY).state_dict()
    renamed = {prefix + name: value for name, value in state.items()}
    path = tmp_path / f"weights.{suffix}"
    save: Callable[..., None] = torch.save if suffix == "pth" else safetensors.torch.save_file
    save(renamed, path)
    weights = read_weights(path)
    assert weights.model() == TINY
    assert all(torch.equal(weights.backbone[name], value) for name, value in state.items())


def test_our_checkpoint_tells_its_own_sizes(tmp_path: Path) -> None:
    model = ModelConfig(width=48, depth=2, heads=6, last_heads=16, patch_px=8, image_px=32)
    state = {f"backbone.{k}": v for k, v in build_backbone(model).state_dict().items()}
    config = json.dumps({"model": model.__dict__})
    content = {"format": "dora-checkpoint", "version": 1, "config": config, "step": 7}
    torch.save({**content, "student": state, "teacher": state}, tmp_path / "own.pth")
    weights = read_weights(tmp_path / "own.pth")
    assert weights.model() == model
    assert weights.source == "own.pth: teacher of a dora checkpoint (step 7)"
    assert load_backbone(tmp_path / "own.pth").config == model

    other = json.dumps({"model": {**model.__dict__, "rotary": True}})
    torch.save({**content, "config": other, "teacher": state}, tmp_path / "newer.pth")
    with pytest.raises(DoraError, match="records no model that this version knows"):
        read_weights(tmp_path / "newer.pth")
    with pytest.raises(DoraError, match="holds no student"):
        read_weights(tmp_path / "newer.pth", network="student")


class Attack:
    """Unpickled without care, it calls a function of its choice."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.system, exec, os.mkdir, np.load, argparse.FileType])
def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path, call: Callable) -> None:
    mark = tmp_path / "mark"
    argument = {os.system: f"touch {mark}", exec: f"open({str(mark)!r}, 'w')"}.get(call, str(mark))
    state = build_backbone(TINY).state_dict()
    attack = Attack(call, argument)
    path = tmp_path / "weights.pth"
    torch.save({"teacher": state, "student": state, "args": attack}, path)
    with pytest.raises(DoraError, match="could run code from the file") as caught:
        read_weights(path)
    assert call.__name__ in caught.value.message
    legacy = tmp_path / "legacy.pth"
    torch.save({**state, "x": attack}, legacy, _use_new_zipfile_serialization=False)
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(attack))
    for other in (legacy, plain):
        with pytest.raises(DoraError):
            read_weights(other)
    assert not mark.exists()


def test_numpy_scalars_under_their_old_name_are_read(tmp_path: Path) -> None:
    """NumPy 1, with which the released files were written, called the module numpy.core."""
    new, old = tmp_path / "new.pth", tmp_path / "old.pth"
    state = build_backbone(TINY).state_dict()
    torch.save({"teacher": state, "lr": np.float64(0.5)}, new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(b"numpy._core.multi", b"numpy.core.multi"))
    assert b"numpy.core.multiarray" in old.read_bytes()
    assert read_weights(old).model() == TINY


def test_another_architecture_is_named_by_its_first_parameter(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    here = build_backbone(TINY)
    for changed, message in [
        ({"width": 128, "heads": 2}, r"cls_token is \(1, 1, 128\) there and \(1, 1, 64\) here"),
        ({"image_px": 64}, r"pos_embed is \(1, 65, 64\) there and \(1, 17, 64\) here"),
        ({"depth": 1}, r"has no blocks.1.norm1.weight, which is \(64,\) here"),
        ({"depth": 3}, r"it has blocks.2.norm1.weight \(64,\), which does not exist here"),
    ]:
        other = ModelConfig(**{**TINY.__dict__, **changed})
        state = build_backbone(other).state_dict()
        with pytest.raises(DoraError, match=message) as caught:
            fill(here, state, path=path)
        assert str(path) in caught.value.message
        assert "--preset" in caught.value.remedy


def test_no_checkpoint_or_half_of_one_is_a_clear_error(tmp_path: Path) -> None:
    whole = BARE.read_bytes()
    for length in [0, 1, 10, 100, len(whole) // 2, len(whole) - 1]:
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[:length])
        with pytest.raises(DoraError, match="truncated or no checkpoint"):
            read_weights(path)
    for name, content in {
        "noise.pth": np.random.default_rng(0).bytes(5000),
        "text.pth": b"no weights here\n" * 9,
        "picture.pth": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "pickle.pth": pickle.dumps([1, 2]),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DoraError, match=name):
            read_weights(tmp_path / name)
    half = tmp_path / "half.safetensors"
    export_timm(build_backbone(TINY).state_dict(), half, model=TINY)
    half.write_bytes(half.read_bytes()[:-100])
    with pytest.raises(DoraError, match="no whole safetensors file"):
        read_weights(half)
    with pytest.raises(DoraError, match="is not a file"):
        read_weights(tmp_path / "missing.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({"a": 1}, "no named parameters"),
        ({"teacher": {"a": "b"}}, "no named parameters"),
        ({"weight": torch.zeros(3)}, "no parameter cls_token"),
        (nn.Linear(2, 2).state_dict(), "no parameter cls_token"),
    ],
)
def test_other_content_is_a_clear_error(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(DoraError, match=message):
        read_weights(tmp_path / "other.pth")
    with pytest.raises(DoraError):
        load_released_checkpoint(tmp_path / "other.pth")


def test_heads_that_a_file_does_not_tell_are_asked_for() -> None:
    with pytest.raises(DoraError, match="width of 48, from which its attention heads") as caught:
        load_backbone(BARE)
    assert "--heads" in caught.value.remedy
    assert load_backbone(BARE, heads=6).config.heads == 6
    small = {
        name: value.expand(*value.shape[:-1], 384)
        for name, value in build_backbone(
            ModelConfig(width=1, depth=1, heads=1, patch_px=8, image_px=32)
        ).state_dict().items()
        if value.shape[-1] == 1
    }  # fmt: skip
    small["patch_embed.proj.weight"] = torch.zeros(384, 3, 8, 8)
    assert infer_model_config(small).heads == 6


def test_exported_weights_give_equal_features_in_plain_timm(tmp_path: Path) -> None:
    backbone = load_backbone(RELEASED)
    path = tmp_path / "tiny.safetensors"
    export_timm(backbone.state_dict(), path, model=backbone.config)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    plain = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=6, num_classes=0
    )
    timm.models.load_checkpoint(plain, str(path))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = plain.eval().forward_features(images).detach()
    tokens = backbone(images, want_tokens=True)
    ours = torch.cat([tokens.cls[:, None], tokens.patches], dim=1)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
    again = read_weights(path)
    assert all(torch.equal(v, again.backbone[k]) for k, v in backbone.state_dict().items())


def test_split_last_block_cannot_be_exported(tmp_path: Path) -> None:
    model = ModelConfig(width=48, depth=1, heads=6, last_heads=16, patch_px=8, image_px=32)
    with pytest.raises(DoraError, match="last block has 16 heads"):
        export_timm({}, tmp_path / "x.safetensors", model=model)
    assert not any(tmp_path.iterdir())
