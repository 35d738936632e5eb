"""Draws, mixing, networks that learn, and crops, one at a time."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data.auto_augment import RandAugment
from torch import Tensor

from dora.errors import DoraError
from dora.eval.loading import random_backbone
from dora.eval.networks import DinoNetwork, Frozen
from dora.eval.timm_networks import TimmNetwork
from dora.finetune.crops import Share, TrainingCrops, Turn, read_groups
from dora.finetune.draws import CROPS, MIXING, drawing
from dora.finetune.mixing import Mixing, soft_cross_entropy
from dora.finetune.network import trainable
from dora.finetune.order import Order
from dora.finetune.pictures import LabelledPictures
from dora.finetune.recipe import Recipe, short_recipe
from tests.dora.eval.tiny_networks import TINY

SMALL = replace(short_recipe(), image_px=32, step_pictures=8, mixed_pictures=4)
COLOURS = {"mean": (0.5, 0.5, 0.5), "deviation": (0.5, 0.5, 0.5)}


def draw_some() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_draws_belong_to_seed_purpose_and_place_and_leave_no_trace() -> None:
    def drawn(seed: int, purpose: int, place: int) -> tuple[float, float, float]:
        with drawing(seed, purpose=purpose, place=place):
            return draw_some()

    with drawing(9, purpose=CROPS, place=0):
        expected = [draw_some() for _ in range(2)]
    with drawing(9, purpose=CROPS, place=0):
        found = [draw_some()]
        first = drawn(0, CROPS, 0)
        found.append(draw_some())
    assert found == expected
    assert drawn(0, CROPS, 0) == first
    others = [drawn(1, CROPS, 0), drawn(0, MIXING, 0), drawn(0, CROPS, 1)]
    assert len({number for draws in (first, *others) for number in draws}) == 12


def pure_targets(labels: Tensor, share: float, *, classes: int, smoothing: float) -> Tensor:
    """Return targets as a plain loop: smoothed one-hot rows, mixed with those in reversed order."""
    rows = []
    for number, label in enumerate(labels.tolist()):
        other = labels[len(labels) - 1 - number].item()
        row = []
        for kind in range(classes):
            own, partners = (
                1 - smoothing + smoothing / classes if kind == named else smoothing / classes
                for named in (label, other)
            )
            row.append(share * own + (1 - share) * partners)
        rows.append(row)
    return torch.tensor(rows)


def test_mixed_pictures_and_targets_agree_with_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 12, 12, generator=generator)
    labels = torch.tensor([0, 3, 2, 1])
    mixing, seen = Mixing(SMALL, classes=5), set()
    for place in range(30):
        mixed, targets = mixing(images.clone(), labels, place=place)
        # Class 0 belongs to picture 0 alone, so that its target tells the share.
        share = (targets[0, 0].item() - 0.02) / 0.9
        torch.testing.assert_close(targets, pure_targets(labels, share, classes=5, smoothing=0.1))
        taken = (mixed == images.flip(0)).all(dim=1) & (mixed != images).any(dim=1)
        if taken.any():
            seen.add("cutmix")
            assert (taken == taken[0]).all()
            rows, columns = taken[0].nonzero().unbind(1)
            box = taken[0][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert box.all()
            assert box.numel() / 144 == pytest.approx(1 - share, abs=1e-5)
            assert torch.equal(
                mixed[~taken[:, None].expand_as(mixed)], images[~taken[:, None].expand_as(mixed)]
            )
        elif not torch.equal(mixed, images):
            seen.add("mixup")
            for number in range(4):
                expected = share * images[number] + (1 - share) * images[3 - number]
                torch.testing.assert_close(mixed[number], expected, atol=1e-5, rtol=1e-4)
        again = mixing(images.clone(), labels, place=place)
        assert torch.equal(again[0], mixed)
        assert torch.equal(again[1], targets)
    assert seen == {"mixup", "cutmix"}


def test_without_mixup_and_cutmix_labels_are_smoothed_alone() -> None:
    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
    mixing = Mixing(replace(SMALL, mixup=0.0, cutmix=0.0, smoothing=0.2), classes=4)
    mixed, targets = mixing(images.clone(), labels, place=0)
    assert torch.equal(mixed, images)
    torch.testing.assert_close(targets, pure_targets(labels, 1.0, classes=4, smoothing=0.2))


def test_soft_cross_entropy_agrees_with_torchs() -> None:
    logits = torch.randn(5, 7, dtype=torch.bfloat16)
    targets = torch.rand(5, 7).softmax(dim=1)
    expected = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)


def dino() -> Frozen:
    return DinoNetwork(random_backbone(TINY, seed=0))


def timm_vit() -> Frozen:
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0, dynamic_img_size=True
    )
    return TimmNetwork(model, name="vit_tiny_patch16_224")


def timm_cnn() -> Frozen:
    return TimmNetwork(timm.create_model("test_convnext", num_classes=0), name="test_convnext")


@pytest.mark.parametrize("build", [dino, timm_vit, timm_cnn])
def test_network_begins_as_the_frozen_one_and_learns_without_changing_it(build) -> None:
    frozen = build()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    network = trainable(frozen, classes=3, recipe=replace(SMALL, drop_path=0.5))
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), network.head(frozen.cls(images)))
    network.train()
    logits = [network(images, places) for places in ([0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7])]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2]) == (build is timm_cnn)
    logits[2].sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    for name, value in frozen.state_dict().items():
        assert torch.equal(value, before[name]), name
    layers = network.layers()
    assert set(layers) == {name for name, _ in network.backbone.named_parameters()}
    assert min(layers.values()) == 0
    assert len(set(layers.values())) > 2


def test_paths_left_out_belong_to_a_turn_whatever_stands_beside_it() -> None:
    network = trainable(dino(), classes=3, recipe=replace(SMALL, drop_path=0.5)).train()
    images = torch.randn(6, 3, 32, 32)
    whole = network(images, range(10, 16))
    parts = [network(images[at : at + 2], range(10 + at, 12 + at)) for at in (0, 2, 4)]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_classifier_begins_small_where_the_recipe_says_so() -> None:
    whole, small = (
        trainable(dino(), classes=50, recipe=replace(SMALL, head_scale=scale)).head
        for scale in (1.0, 1e-3)
    )
    torch.testing.assert_close(small.weight, whole.weight * 1e-3)
    assert whole.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not whole.bias.any()


def test_side_that_does_not_fit_and_foreign_networks_are_refused() -> None:
    with pytest.raises(DoraError, match="33 px do not divide"):
        trainable(dino(), classes=2, recipe=replace(SMALL, image_px=33))

    class Foreign(Frozen):
        cls = DinoNetwork.cls
        blocks = DinoNetwork.blocks
        attend = DinoNetwork.attend

    foreign = Foreign()
    foreign.traits = dino().traits
    foreign.layer = torch.nn.Linear(1, 1)
    with pytest.raises(DoraError, match="cannot be trained further"):
        trainable(foreign, classes=2, recipe=SMALL)


def noise(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, size=(40, 40, 3), dtype=np.uint8) for _ in range(count)]


def test_crop_depends_on_its_turn_alone_and_not_on_what_was_read_before() -> None:
    pictures = noise(5)
    crops = TrainingCrops(SMALL, **COLOURS)
    turns = [Turn(source=picture, place=place) for place, picture in enumerate(pictures)]
    together = crops[turns]
    assert isinstance(together, Tensor)
    assert together.shape == (5, 3, 32, 32)
    for turn, expected in reversed(list(zip(turns, together, strict=True))):
        assert torch.equal(crops.crop(turn), expected)
    other = TrainingCrops(replace(SMALL, seed=1), **COLOURS)
    assert not torch.equal(other.crop(turns[0]), together[0])
    assert not torch.equal(crops.crop(Turn(source=pictures[0], place=99)), together[0])


def test_randaugment_changes_pictures_at_every_level_it_can_draw() -> None:
    (changes,) = (
        part.ops
        for part in TrainingCrops(SMALL, **COLOURS).transform.transforms
        if isinstance(part, RandAugment)
    )
    assert len(changes) == 15
    picture = Image.fromarray(noise(1)[0])
    for change in changes:
        change.prob, change.magnitude_std = 1.0, 0.0
        for level in (0, 5, 9, 10):
            change.magnitude = level
            with drawing(0, purpose=CROPS, place=level):
                changed = change(picture)
            assert (changed.mode, changed.size) == (picture.mode, picture.size)
            if change.name.startswith("Posterize"):
                bits = 4 - int(level / 10 * 4)
                expected = np.asarray(picture) & (256 - 2 ** (8 - bits))
                np.testing.assert_array_equal(np.asarray(changed), expected)


def test_erasing_leaves_noise_and_nothing_else_changes_without_augmentation() -> None:
    flat = np.full((40, 40, 3), 255, dtype=np.uint8)
    plain = replace(SMALL, augment="", erasing=0.0)
    crop = TrainingCrops(plain, **COLOURS).crop(Turn(source=flat, place=0))
    assert torch.equal(crop, torch.ones(3, 32, 32))
    erasing = TrainingCrops(replace(plain, erasing=0.5), **COLOURS)
    shares = [
        (erasing.crop(Turn(source=flat, place=place)) != 1).any(dim=0).float().mean().item()
        for place in range(60)
    ]
    assert 0.3 < sum(share > 0 for share in shares) / 60 < 0.7
    assert max(shares) < 0.4


@pytest.mark.parametrize("world", [1, 2])
def test_groups_of_all_processes_together_are_those_of_one(world: int) -> None:
    order = Order.of(SMALL, pictures=20)
    pictures = LabelledPictures(sources=noise(20), labels=(0,) * 20)
    crops = TrainingCrops(SMALL, **COLOURS)

    def read(rank: int, of: int, first_step: int = 0) -> dict[int, Tensor]:
        share = Share(
            order=order, first_epoch=1, first_step=first_step, epochs=2, rank=rank, world=of
        )
        return {
            group.place: images for group, images in read_groups(crops, share, pictures, workers=0)
        }

    expected = read(0, 1)
    assert list(expected) == [4, 5, 6, 7]
    found = {place: images for rank in range(world) for place, images in read(rank, world).items()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[place], expected[place]) for place in found)
    later = read(0, 1, first_step=1)
    assert list(later) == [6, 7]
    assert torch.equal(later[7], expected[7])


def test_more_processes_than_groups_are_refused() -> None:
    order = Order.of(SMALL, pictures=20)
    with pytest.raises(DoraError, match="2 groups for 3 processes"):
        Share(order=order, first_epoch=0, first_step=0, epochs=1, rank=0, world=3)


def test_corrupt_picture_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG")
    good = tmp_path / "good.png"
    Image.fromarray(noise(1)[0]).save(good)
    recipe = Recipe(image_px=32, step_pictures=2, mixed_pictures=2)
    order = Order.of(recipe, pictures=2)
    share = Share(order=order, first_epoch=0, first_step=0, epochs=1, rank=0, world=1)
    pictures = LabelledPictures(sources=[good, bad], labels=(0, 1))
    crops = TrainingCrops(recipe, **COLOURS)
    with pytest.raises(DoraError, match=r"bad\.png is no whole picture") as caught:
        list(read_groups(crops, share, pictures, workers=0))
    assert "copy it again" in caught.value.remedy
