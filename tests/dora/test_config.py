"""Every option does something, takes no value of another type, and no value without sense."""

import json

import pytest
import torch

from dora.config import RunConfig
from dora.config_text import config_to_json, leaves, with_settings
from dora.data.description import clip_order, find_shard_clips
from dora.data.loader import ClipLoader
from dora.errors import ConfigError
from dora.presets import released
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer
from tests.dora.tiny_run import TINY_SETTINGS
from tests.shard_making import make_shard_set
from wtours.shards import ShardSet, open_shards

PAIRS = ("same", "cross")
NO_EFFECT = {
    "preset": "a label",
    "save.every.length": "when a checkpoint is written is tested in test_run",
    "save.every.unit": "as its length",
    "save.keep": "test_keeping",
    "save.milestone_every": "test_keeping",
    "save.stop_on_collapse": "test_collapse",
    "save.collapse_steps": "test_collapse",
    "log.probe": "test_probe: scores are taken of a copy",
    "log.probe_every": "test_probe",
    "log.pictures_every": "test_pictures",
    "log.wandb": "test_wandb_log",
    "precision": "of a GPU; test_precision",
    "tracker.scope": "of several processes; test_ranks",
    "data.workers": "test_loader: as many as there are, the batches are the same",
    "data.cache": "where tars are kept; test_staging",
    "data.cache_gb": "as data.cache",
    "data.mix": "of one video; test_mixture, test_stream",
    "data.on_bad_frame": "test_bad_frames: of damaged pictures alone",
    "data.decoder": "test_device_jpeg: pixels differ by rounding, and a CPU has one decoder",
    "compute.accumulate": "test_trainer: parts of a batch",
    "compute.checkpoint": "test_trainer: the same numbers, computed twice",
    "compute.compile": "test_trainer",
}
"""Options that are to change no figure, and why."""

VIEW = {"scale": [0.4, 1.0], "px": 32, "flip": 0.5, "jitter": 0.8, "grey": 0.2, "blur": 0.1,
        "solarise": 0.0}  # fmt: skip


def views(*changes: dict[str, object]) -> str:
    return json.dumps([VIEW | change for change in changes])


CHANGES: dict[str, list[str]] = {
    "epochs": ["2"],
    "seed": ["1"],
    "method": ["dino"],
    "clip.frames": ["3"],
    "clip.stride_s": ["2.0"],
    "clip.cross_cuts": ["true"],
    "augment.first_crop": ["plain"],
    "augment.first_scale": ["[0.5, 1.0]"],
    "augment.first_px": ["36"],
    "augment.global_views": [
        views({}, {}),
        views({"scale": [0.6, 1.0]}),
        views({"px": 48}),
        views({"flip": 1.0}),
        views({"jitter": 0.0}),
        views({"grey": 1.0}),
        views({"blur": 1.0}),
        views({"solarise": 1.0}),
    ],
    "augment.local_view.scale": ["[0.1, 0.4]"],
    "augment.local_view.px": ["32"],
    "augment.local_view.flip": ["1.0"],
    "augment.local_view.jitter": ["0.0"],
    "augment.local_view.grey": ["1.0"],
    "augment.local_view.blur": ["1.0"],
    "augment.local_view.solarise": ["1.0"],
    "augment.local_crops": ["3"],
    "augment.local_box": ["clip"],
    "augment.photometric": ["clip"],
    "model.width": ["36"],
    "model.depth": ["3"],
    "model.heads": ["4"],
    "model.last_heads": ["12"],
    "model.patch_px": ["8"],
    "model.image_px": ["48"],
    "model.drop_path": ["0.5"],
    "head.outputs": ["40"],
    "head.layers": ["2"],
    "head.hidden": ["24"],
    "head.bottleneck": ["12"],
    "head.batch_norm": ["true"],
    "head.norm_last_layer": ["true"],
    "tracker.objects": ["3"],
    "tracker.heads_drawn": ["clip"],
    "tracker.attention_scale": ["width"],
    "tracker.sinkhorn": ["false"],
    "tracker.epsilon": ["0.5"],
    "tracker.iterations": ["1"],
    "tracker.tokens": ["raw"],
    "tracker.plan_mass": ["one"],
    "tracker.mask": ["binary", "blocks"],
    "tracker.threshold": ["clip"],
    "tracker.upsampling": ["bilinear"],
    "loss.skip_first_crop": ["false"],
    "loss.reduction": ["sum"],
    "loss.carry_frame_sum": ["false"],
    "loss.student_temperature": ["0.2"],
    "loss.centre_momentum": ["0.5"],
    "optim.name": ["lars"],
    "optim.lr": ["0.001"],
    "optim.lr_scaling": ["linear"],
    "optim.min_lr": ["0.0001"],
    "optim.warmup.length": ["0.5"],
    "optim.warmup.unit": ["epochs"],
    "optim.weight_decay": ["[0.1, 0.4]"],
    "optim.clip_norm": ["0.01"],
    "optim.freeze_last_layer.length": ["0.75"],
    "optim.freeze_last_layer.unit": ["epochs"],
    "optim.teacher_momentum": ["[0.9, 1.0]"],
    "optim.teacher_temperature": ["[0.07, 0.07]"],
    "optim.temperature_warmup.length": ["0.5"],
    "optim.temperature_warmup.unit": ["epochs"],
    "data.clips_per_epoch": ["8"],
    "data.batch_clips": ["2"],
    "data.shuffle": ["blocks"],
    "data.block_tars": ["1"],
    "data.open_tars": ["1"],
    "compute.student_tokens": ["visible"],
}
"""Values other than those of `base`, one or more for each option that is to change a figure."""

CONTEXT = {
    "tracker.threshold": ["tracker.mask=binary", "model.patch_px=4"],
    "compute.student_tokens": ["tracker.mask=binary", "model.patch_px=8"],
    "data.shuffle": ["data.open_tars=1"],
    "data.block_tars": ["data.shuffle=blocks", "data.open_tars=1"],
    "data.open_tars": ["data.shuffle=blocks"],
}
"""What else must be set for an option to matter, in both runs."""


def base(*settings: str) -> RunConfig:
    """Three epochs of one step, in which every option has something to do."""
    return with_settings(
        released(),
        [
            *TINY_SETTINGS,
            "epochs=3",
            "data.clips_per_epoch=4",
            "model.drop_path=0.1",
            "tracker.objects=2",
            "tracker.mask=soft",
            "optim.lr=0.01",
            "optim.lr_scaling=none",
            'optim.warmup={"length": 0.34, "unit": "share"}',
            'optim.freeze_last_layer={"length": 0.34, "unit": "share"}',
            "optim.teacher_momentum=[0.5, 1.0]",
            "optim.teacher_temperature=[0.04, 0.07]",
            'optim.temperature_warmup={"length": 1.0, "unit": "share"}',
            "optim.clip_norm=0.5",
            *settings,
        ],
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[ShardSet]:
    folder = make_shard_set(
        tmp_path_factory.mktemp("shards") / "walk",
        frames=30,
        cut_frames=[13],
        pictures_per_tar=8,
    )
    return open_shards(folder)


def figures_of(config: RunConfig, shards: list[ShardSet]) -> list[float]:
    """Everything that a run computes: the figures of its steps, and its weights in the end."""
    clips = find_shard_clips(shards, config.clip)
    order = clip_order(config, clips)
    schedules = Schedules.build(
        config.optim,
        steps_per_epoch=order.steps_per_epoch,
        epochs=config.epochs,
        batch_clips=config.data.batch_clips,
    )
    trainer = Trainer(config, schedules=schedules, device=torch.device("cpu"), data="")
    loader = ClipLoader(shards, clips, order, config.augment, workers=0, stop_step=schedules.steps)
    found = [value.item() for views in loader for value in trainer.train_step(views).values()]
    for network in (trainer.pair.student, trainer.pair.teacher):
        found += [parameter.double().sum().item() for parameter in network.parameters()]
    return found


def test_every_option_is_tried() -> None:
    names = dict(leaves(json.loads(config_to_json(base()))))
    assert {*CHANGES, *NO_EFFECT, "loss.pairs"} == set(names)


@pytest.fixture(scope="module")
def unchanged(shards: list[ShardSet]) -> list[float]:
    figures = figures_of(base(), shards)
    assert figures == figures_of(base(), shards)
    return figures


# Each is a training run of its own: every sixth option here, all of them by `make test-all`.
TRIED = [
    pytest.param(name, marks=() if number % 6 == 0 else pytest.mark.slow)
    for number, name in enumerate(CHANGES)
    if name != "augment.global_views"
]
TRIED.append(pytest.param("augment.global_views", marks=pytest.mark.slow))


@pytest.mark.parametrize("name", TRIED)
def test_every_option_changes_what_is_computed(
    name: str, shards: list[ShardSet], unchanged: list[float]
) -> None:
    context = CONTEXT.get(name, [])
    plain = figures_of(base(*context), shards) if context else unchanged
    for value in CHANGES[name]:
        assert figures_of(base(*context, f"{name}={value}"), shards) != plain, value


def test_pairs_of_views_change_what_is_computed(shards: list[ShardSet]) -> None:
    two = f"augment.global_views={views({}, {})}"
    same, cross = (figures_of(base(two, f"loss.pairs={pairs}"), shards) for pairs in PAIRS)
    assert same != cross


WITHOUT_SENSE = [
    "epochs=0", "seed=-1", "seed=18446744073709551616", "clip.frames=0", "clip.stride_s=0",
    "clip.stride_s=Infinity", "augment.first_px=0", "augment.first_scale=[0, 1]",
    "augment.local_view.scale=[0.5, 0.4]", "augment.local_view.flip=1.5", "augment.local_crops=0",
    "augment.global_views=[]", "model.width=0", "model.depth=0", "model.heads=0", "model.heads=5",
    "model.last_heads=0", "model.patch_px=0", "model.image_px=30", "model.drop_path=-1",
    "head.outputs=0", "head.layers=0", "tracker.objects=0", "tracker.objects=99",
    "tracker.epsilon=0", "tracker.iterations=0", "loss.student_temperature=0",
    "loss.centre_momentum=2", "optim.lr=NaN", "optim.lr=-1", "optim.clip_norm=-1",
    "optim.warmup.length=2", "optim.teacher_momentum=[0.9, 1.1]",
    "optim.teacher_temperature=[0, 0.04]", "data.clips_per_epoch=3", "data.batch_clips=0",
    "data.workers=-1",
]  # fmt: skip
OF_ANOTHER_TYPE = [
    "tracker.sinkhorn=False", "tracker.sinkhorn=0", "epochs=2.7", "epochs=true", 'clip.frames="4"',
    "clip.stride_s=true", "precision=fp8", "optim.weight_decay=[1]", "data.clips_per_epoch=some",
    "optim.warmup.unit=days", "preset=3", "model.last_heads=1.5",
]  # fmt: skip


@pytest.mark.parametrize("setting", WITHOUT_SENSE + OF_ANOTHER_TYPE)
def test_a_value_without_sense_or_of_another_type_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        base(setting)
    if setting in OF_ANOTHER_TYPE:
        assert setting.partition("=")[0] in caught.value.message


def test_visible_patches_are_not_compiled() -> None:
    """Their number differs from step to step, and a program is made for each."""
    with pytest.raises(ConfigError, match="a program for each number of visible patches"):
        base("compute.compile=true", "compute.student_tokens=visible")
