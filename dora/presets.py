"""Named runs: the authors' released code, the printed text, ours, for one GPU, and for a CPU.

Each says its command, its cost (`dora/train/cost.py`) and what to expect.
"""

from collections.abc import Callable
from dataclasses import replace

from dora.config import (
    AugmentConfig,
    ClipConfig,
    ComputeConfig,
    DataConfig,
    HeadConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    Span,
    TrackerConfig,
    ViewConfig,
)
from dora.errors import ConfigError


def released() -> RunConfig:
    """Return the authors' code as published, with the README's options for ViT-S.

    One global view, binary masks above the mean of the batch, local crop 0 unused, the frame sum
    carried from object to object, AdamW. 128 clips a step are 8 processes of 16.

    `torchrun --nproc-per-node 8 -m dora train --preset released --shards SHARDS`. Cost: 0.94
    TFLOP a clip, 19 EFLOP, 52 GPU hours at 100 TFLOP/s (computed). The loss is larger than that of
    `dora` by the weights of the carried sum: it begins near 1.089 log 65536 = 12.1.
    """
    return RunConfig(preset="released")


def dora() -> RunConfig:
    """Return our default: what the released code means, without its accidents.

    Every local crop counts, the sum over frames begins anew for each object, heads are drawn and
    thresholds taken for each clip, so that no clip's masks depend on its neighbours. The rest is
    as released. (Sinkhorn runs in the log domain in every preset: no clip can blank a batch.)

    `torchrun --nproc-per-node 8 -m dora train --shards SHARDS`. Cost: as `released`. Expect a loss
    that begins near log 65536 = 11.09 and falls after the first epoch, in which the last layer is
    frozen.
    """
    config = released()
    return replace(
        config,
        preset="dora",
        tracker=replace(config.tracker, heads_drawn="clip", threshold="clip"),
        loss=replace(config.loss, skip_first_crop=False, carry_frame_sum=False),
    )


def paper() -> RunConfig:
    """Return the printed text (sections 4 and 5.1, B.2, B.3), where it says what to do.

    Two global views, soft masks, sums, LARS with a learning rate of 5e-4. What the print leaves
    open follows DINO (96 px local crops with flips, blur 1.0 on view a and 0.1 on b, solarise 0.2
    on b, teacher temperature 0.04 to 0.07, linear scaling of the learning rate, a last layer of
    unit magnitude) or the released code (epsilon 0.05, 30 iterations, nearest upsampling, boxes
    and colours per frame).

    `torchrun --nproc-per-node 8 -m dora train --preset paper --shards SHARDS`. Cost: 1.6 TFLOP a
    clip, 32 EFLOP, 89 GPU hours at 100 TFLOP/s (computed). Expect little: with the usual trust
    coefficient of 0.001, LARS at 5e-4 moves weights by a few per cent in the whole run. The same
    text with an optimiser that can train it is `--preset paper --recipe adamw`. Its loss is a sum:
    it begins near 18 log 65536 = 200.
    """
    view = ViewConfig(scale=(0.4, 1.0), px=224, flip=0.5, blur=1.0)
    return RunConfig(
        preset="paper",
        augment=AugmentConfig(
            first_crop="plain",
            global_views=(view, replace(view, blur=0.1, solarise=0.2)),
            local_view=ViewConfig(scale=(0.05, 0.4), px=96, flip=0.5),
        ),
        head=HeadConfig(norm_last_layer=True),
        tracker=TrackerConfig(
            heads_drawn="clip",
            attention_scale="width",
            tokens="raw",
            plan_mass="one",
            mask="soft",
            threshold="clip",
        ),
        loss=LossConfig(
            pairs="cross", skip_first_crop=False, reduction="sum", carry_frame_sum=False
        ),
        optim=OptimConfig(name="lars", min_lr=1e-6, teacher_temperature=(0.04, 0.07)),
    )


def one_gpu() -> RunConfig:
    """Return a run for one GPU of 24 GB: 16 clips a step, and what makes small batches stable.

    `dora train --preset one-gpu --shards SHARDS`. It is `dora` but for:

    - 16 clips of 8 frames a step instead of 128; the learning rate falls with them.
    - Teacher momentum 0.9995 and centre momentum 0.987, which are 0.996 and 0.9 to the power of
      16 / 128: both then average over as many clips as in the large batch (Busbridge et al.,
      arXiv:2307.13813). DINO's code advises 0.9995 too, for 256 pictures a step instead of 1,024.
    - The last layer's magnitudes stay at 1, as DINO's code advises where training is unstable;
      the teacher's temperature stays at 0.04, where it advises against raising it.
    - bf16, which needs no loss scaling.
    - The student learns from 4 clips at a time, with the gradients of all 16.

    For other batches of B clips set `optim.teacher_momentum` to [0.996^(B/128), 1] and
    `loss.centre_momentum` to 0.9^(B/128): 0.99975 and 0.9934 for 8.

    Cost: 20 EFLOP, 55 hours where the GPU computes 100 TFLOP/s (computed; not yet measured). Expect
    a loss that stays near log 65536 = 11.09 while the last layer is frozen, then falls slowly. The
    memory is not yet measured either: where 16 clips do not fit, take 8.
    """
    config = dora()
    return replace(
        config,
        preset="one-gpu",
        precision="bf16",
        head=replace(config.head, norm_last_layer=True),
        loss=replace(config.loss, centre_momentum=0.987),
        optim=replace(config.optim, teacher_momentum=(0.9995, 1.0)),
        data=replace(config.data, batch_clips=16),
        compute=ComputeConfig(accumulate=4),
    )


def smoke() -> RunConfig:
    """Return a run that two CPU cores finish in about two minutes: `dora train --preset smoke`.

    A small ViT on 96 px views, 8 clips of 2 frames a step, 2,048 outputs; warm-up, freezing and
    temperatures are shares of the run, the learning rate is not scaled. Without the released
    code's accidents (every crop counts, the frame sum is reset, thresholds belong to a clip), so
    that a loss below log 2048 = 7.62 says that something was learned. A learning rate of 5e-5 and
    a temperature of 0.025 keep a few hundred steps from both collapses: at 5e-4 and 0.04 targets
    became uniform on a drive, at 1e-4 and 0.02 constant on the sample walk.
    """
    return RunConfig(
        preset="smoke",
        epochs=10,
        precision="float32",
        clip=ClipConfig(frames=2),
        augment=AugmentConfig(
            first_px=128,
            global_views=(ViewConfig(scale=(0.4, 1.0), px=96, flip=0.5, blur=0.1),),
            local_view=ViewConfig(scale=(0.05, 0.4), px=48),
            local_crops=4,
        ),
        model=ModelConfig(width=192, depth=4, heads=6, image_px=96, drop_path=0.05),
        head=HeadConfig(outputs=2048, hidden=512, bottleneck=128, norm_last_layer=True),
        tracker=TrackerConfig(threshold="clip"),
        loss=LossConfig(skip_first_crop=False, carry_frame_sum=False),
        optim=OptimConfig(
            lr=5e-5,
            lr_scaling="none",
            warmup=Span(length=0.1, unit="share"),
            freeze_last_layer=Span(length=0.05, unit="share"),
            teacher_temperature=(0.025, 0.025),
            temperature_warmup=Span(length=0.3, unit="share"),
            teacher_momentum=(0.99, 1.0),
        ),
        data=DataConfig(clips_per_epoch=240, batch_clips=8, workers=1),
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    "dora": dora,
    "released": released,
    "paper": paper,
    "one-gpu": one_gpu,
    "smoke": smoke,
}


def named_preset(name: str) -> RunConfig:
    """Return the preset of that name.

    Raises:
        ConfigError: there is none; the remedy lists those there are.
    """
    if name not in PRESETS:
        raise ConfigError(
            f"no preset is called {name!r}", remedy=f"use one of {', '.join(PRESETS)}"
        )
    return PRESETS[name]()
