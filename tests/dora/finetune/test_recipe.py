"""Recipes, learning rates by step and by parameter, and the order of pictures."""

import math
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from timm.data.distributed_sampler import RepeatAugSampler
from timm.optim import param_groups_layer_decay
from timm.scheduler.cosine_lr import CosineLRScheduler

from dora.errors import DoraError
from dora.eval.loading import random_backbone
from dora.eval.networks import DinoNetwork
from dora.eval.timm_networks import TimmNetwork
from dora.finetune.groups import SHARE, build_optimizer, parameter_groups, set_learning_rate
from dora.finetune.network import trainable
from dora.finetune.order import Order, deal
from dora.finetune.recipe import Recipe, recipe_for, short_recipe, shortened
from dora.finetune.schedule import learning_rates
from tests.dora.eval.tiny_networks import TINY

SMALL = replace(short_recipe(), image_px=32)


def test_recipes_are_those_of_the_published_commands() -> None:
    cifar = recipe_for("cifar10", "paper")
    assert (cifar.epochs, cifar.lr, cifar.step_pictures, cifar.repeats) == (1000, 7.5e-6, 768, 3)
    assert cifar.peak_lr(768) == pytest.approx(1.125e-5)
    assert recipe_for("cars", "paper").lr == 7.5e-5
    inat = recipe_for("inat18", "paper")
    assert (inat.epochs, inat.lr, inat.erasing) == (360, 5e-5, 0.1)
    inat = recipe_for("inat19", "paper")
    assert (inat.epochs, inat.lr, inat.erasing) == (360, 2.5e-5, 0.1)
    imagenet = recipe_for("imagenet", "paper")
    assert (imagenet.epochs, imagenet.peak_lr(1024), imagenet.layer_decay) == (200, 4e-3, 0.75)
    assert (imagenet.repeats, imagenet.test_resize) == (1, "bilinear")
    assert {cifar.test_resize, inat.test_resize} == {"bicubic"}
    assert {recipe_for("cars", "short").preset, cifar.preset} == {"short", "paper"}


def test_epochs_instead_of_the_recipes_shorten_the_warm_up_alike() -> None:
    assert shortened(Recipe(), 100).warmup_epochs == 0.5
    with pytest.raises(DoraError, match="epochs is 0"):
        shortened(Recipe(), 0)


def test_rate_by_epoch_is_timms_one_epoch_late() -> None:
    recipe = replace(Recipe(), epochs=30, warmup_epochs=5, lr=2e-4)
    peak = recipe.peak_lr(1536)
    assert peak == pytest.approx(6e-4)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    judge = CosineLRScheduler(optimizer, t_initial=30, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-6)
    expected = []
    for epoch in range(30):
        expected += [optimizer.param_groups[0]["lr"]] * 4
        judge.step(epoch)
    found = learning_rates(recipe, steps_per_epoch=4, step_pictures=1536)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rate_by_step_rises_in_a_line_and_falls_in_a_half_cosine() -> None:
    recipe = replace(SMALL, epochs=5, warmup_epochs=2, lr=1.0, lr_pictures=None, min_lr=0.1)
    expected = []
    for step in range(15):
        if step < 6:
            expected.append(step / 5)
        else:
            expected.append(0.1 + 0.45 * (1 + math.cos(math.pi * (step - 6) / 9)))
    found = learning_rates(recipe, steps_per_epoch=3, step_pictures=8)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_every_parameter_has_the_rate_of_its_layer_and_its_decay() -> None:
    recipe = replace(SMALL, layer_decay=0.5, weight_decay=0.05)
    network = trainable(DinoNetwork(random_backbone(TINY, seed=0)), classes=3, recipe=recipe)
    optimizer = build_optimizer(network, recipe)
    set_learning_rate(optimizer, 8.0)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(found) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        if "blocks.0" in name:
            lr = 8 * 0.5**2
        elif "blocks.1" in name:
            lr = 8 * 0.5
        elif name.startswith(("head", "backbone.norm")):
            lr = 8.0
        else:
            assert name.startswith(("backbone.cls", "backbone.pos", "backbone.patch"))
            lr = 8 * 0.5**3
        tokens = name in ("backbone.cls_token", "backbone.pos_embed")
        plain = parameter.ndim == 1 or name.endswith("bias") or tokens
        assert found[id(parameter)] == (lr, 0.0 if plain else 0.05), name


def test_tokens_are_decayed_where_ibot_decays_them() -> None:
    network = trainable(DinoNetwork(random_backbone(TINY, seed=0)), classes=3, recipe=SMALL)
    decayed = {
        decays: sum(
            parameter.numel()
            for group in parameter_groups(network, replace(SMALL, decayed_tokens=decays))
            if group["weight_decay"] > 0
            for parameter in group["params"]
        )
        for decays in (False, True)
    }
    tokens = network.backbone.cls_token.numel() + network.backbone.pos_embed.numel()
    assert decayed[True] - decayed[False] == tokens


def tiny_vit() -> torch.nn.Module:
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0)


def test_layer_decay_agrees_with_timms_but_for_the_last_norm() -> None:
    """The norm is numbered with the last block by timm, and with the classifier by BEiT."""
    recipe, judged = replace(SMALL, layer_decay=0.5), tiny_vit()
    ours = trainable(TimmNetwork(tiny_vit(), name="tiny"), classes=2, recipe=recipe)
    shares = {
        id(parameter): group[SHARE]
        for group in parameter_groups(ours, recipe)
        for parameter in group["params"]
    }
    found = {name: shares[id(p)] for name, p in ours.backbone.named_parameters()}
    timms = {
        id(parameter): group["lr_scale"]
        for group in param_groups_layer_decay(judged, layer_decay=0.5)
        for parameter in group["params"]
    }
    expected = {name: timms[id(p)] for name, p in judged.named_parameters()}
    assert found.keys() == expected.keys()
    for name in found:
        if not name.startswith("norm."):
            # Without a classifier, timm's last block stands at the top.
            assert found[name] == pytest.approx(0.5 * expected[name]), name
    assert found["norm.weight"] == 1


@pytest.mark.parametrize(
    ("pictures", "step", "groups"), [(1000, 96, 2), (2040, 768, 8), (300, 32, 4)]
)
def test_turns_of_a_step_are_those_of_repeated_augmentation(
    pictures: int, step: int, groups: int
) -> None:
    """DeiT's sampler, which timm has, on as many processes as a step has groups."""
    recipe = Recipe(step_pictures=step, mixed_pictures=step // groups, seed=3)
    order = Order.of(recipe, pictures=pictures)
    samplers = [
        RepeatAugSampler(range(pictures), num_replicas=groups, rank=rank, shuffle=False)
        for rank in range(groups)
    ]
    shares = [np.array(list(sampler)) for sampler in samplers]
    own = step // groups
    steps = min(len(share) for share in shares) // own
    assert order.steps == steps
    for number, found in enumerate(order.groups_of_epoch(0)):
        for group, share in zip(found, shares, strict=True):
            expected = share[number * own : (number + 1) * own]
            np.testing.assert_array_equal(group.places // 3, expected)
            np.testing.assert_array_equal(group.pictures, order.shown(0)[group.places])


def test_an_epoch_without_repeats_shows_every_picture_once_and_each_one_differs() -> None:
    order = Order.of(replace(SMALL, step_pictures=6, mixed_pictures=4), pictures=18)
    epochs = [
        np.concatenate([g.pictures for step in order.groups_of_epoch(epoch) for g in step])
        for epoch in (0, 1)
    ]
    for shown in epochs:
        np.testing.assert_array_equal(np.sort(shown), np.arange(18))
    assert epochs[0].tolist() != epochs[1].tolist()
    assert [len(group.pictures) for group in order.groups_of_epoch(0)[0]] == [4, 2]


@pytest.mark.parametrize(("turns", "groups"), [(768, 8), (6, 2), (10, 3), (14, 4), (2, 1)])
def test_turns_are_dealt_like_cards_to_even_hands(turns: int, groups: int) -> None:
    hands: list[list[int]] = [[] for _ in range(groups)]
    room = [2 * (turns // 2 // groups + (g < turns // 2 % groups)) for g in range(groups)]
    taker = 0
    for turn in range(turns):
        while len(hands[taker]) == room[taker]:
            taker = (taker + 1) % groups
        hands[taker].append(turn)
        taker = (taker + 1) % groups
    owners = deal(turns, groups)
    assert [np.flatnonzero(owners == g).tolist() for g in range(groups)] == hands
    assert all(len(hand) % 2 == 0 for hand in hands)


def test_places_of_turns_and_groups_are_the_runs_own() -> None:
    order = Order.of(replace(SMALL, step_pictures=6, mixed_pictures=4), pictures=20)
    groups = [g for epoch in range(3) for step in order.groups_of_epoch(epoch) for g in step]
    assert [group.place for group in groups] == list(range(3 * 3 * 2))
    places = np.concatenate([group.places for group in groups])
    assert len(set(places.tolist())) == len(places)
    (rest,) = order.groups_of_epoch(1, first_step=2)
    assert [group.place for group in rest] == [10, 11]


def test_fewer_pictures_than_a_step_make_a_smaller_step() -> None:
    order = Order.of(SMALL, pictures=13)
    assert (order.step_pictures, order.steps, order.groups) == (12, 1, 1)
    with pytest.raises(DoraError, match="1 training picture"):
        Order.of(SMALL, pictures=1)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"mixed_pictures": 3}, "mixed in pairs"),
        ({"mixed_pictures": 0}, "mixed in pairs"),
        ({"lr": 0.0}, "nothing would be learned"),
        ({"lr": math.nan}, "lr is nan"),
        ({"min_lr": -1.0}, "min_lr is -1"),
        ({"smoothing": 1.0}, "smoothing is 1"),
        ({"drop_path": -0.1}, "drop_path is"),
        ({"layer_decay": 0.0}, "layer_decay is 0"),
        ({"layer_decay": 1.5}, "layer_decay is 1.5"),
        ({"warmup_epochs": 21.0}, "warm-up of 21 epochs does not fit into 20"),
        ({"score_every": 0}, "score_every is 0"),
    ],
)
def test_option_out_of_its_range_is_refused(options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        replace(SMALL, **options)
