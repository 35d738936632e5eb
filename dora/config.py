"""Every hyperparameter of a run, in one tree of frozen dataclasses.

Options that name a difference between the printed method and the authors' released code list the
released value first. `presets.py` sets them together; a component takes its own branch only.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from dora.errors import ConfigError


def _require(holds: bool, fault: str, remedy: str) -> None:
    if not holds:
        raise ConfigError(fault, remedy=remedy)


def _require_share(name: str, value: float) -> None:
    _require(0 <= value <= 1, f"{name} is {value}", "set it between 0 and 1")


def _require_at_least(least: float, **options: float) -> None:
    """Refuse an option, its dots written as __, that is smaller, infinite or not a number."""
    for option, value in options.items():
        name = option.replace("__", ".")
        _require(least <= value < math.inf, f"{name} is {value}", f"use {least:g} or more")


def _require_positive(**options: float) -> None:
    """Refuse an option that is 0, negative, infinite or not a number."""
    for option, value in options.items():
        name = option.replace("__", ".")
        _require(0 < value < math.inf, f"{name} is {value}", "use more than 0")


def _require_scale(name: str, scale: tuple[float, float]) -> None:
    _require(
        0 < scale[0] <= scale[1] <= 1,
        f"{name} is {scale}",
        "give the smallest and largest share of the area, such as (0.4, 1.0)",
    )


def _require_mix(
    mix: tuple[tuple[str, float], ...], *, clips_per_epoch: int | Literal["all"]
) -> None:
    names = [name for name, _ in mix]
    for name, weight in mix:
        _require(bool(name), f"data.mix gives {weight:g} to no name", "write NAME=WEIGHT")
        _require(
            0 < weight < math.inf,
            f"data.mix gives {name} the weight {weight:g}",
            "use more than 0, or leave the name out and thus its clips",
        )
        _require(names.count(name) == 1, f"data.mix names {name} twice", "add its weights up")
    _require(
        not mix or clips_per_epoch != "all",
        "data.mix weighs sources, but an epoch of `all` starts takes each once whatever its weight",
        "give data.clips_per_epoch a number, or leave data.mix out",
    )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch at the start of training: a number of epochs, or a share of the whole run."""

    length: float
    """Epochs, or a share in [0, 1]."""
    unit: Literal["epochs", "share"] = "epochs"

    def __post_init__(self) -> None:
        _require(
            0 <= self.length < math.inf, f"a span of {self.length} {self.unit}", "use 0 or more"
        )
        _require(
            self.unit == "epochs" or self.length <= 1,
            f"a span is {self.length} of the run",
            "a share lies between 0 and 1",
        )

    def steps(self, *, steps_per_epoch: int, total_steps: int) -> int:
        """Return the span in optimiser steps."""
        whole = steps_per_epoch if self.unit == "epochs" else total_steps
        return round(self.length * whole)


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """Which frames of a video make one clip."""

    frames: int = 8
    """Frames per clip (T)."""
    stride_s: float = 1.0
    """Time between neighbouring frames, in seconds of video, whatever the frame rate."""

    def __post_init__(self) -> None:
        _require(
            self.frames >= 1,
            f"clip.frames is {self.frames}, but objects are discovered in a clip's first frame",
            "set clip.frames to 1 for images, or to 8 as in the paper",
        )
        _require(
            0 < self.stride_s < math.inf,
            f"clip.stride_s is {self.stride_s}, but time runs forward",
            "set clip.stride_s to 1.0 as in the paper",
        )


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """One kind of view: its box, its size, and what happens to its colours.

    In this order: crop and resize, flip, colour jitter, grey, blur, solarise, normalise.
    """

    scale: tuple[float, float]
    """Share of the parent's area that the box covers, smallest and largest."""
    px: int
    """Side of the square view in pixels."""
    flip: float = 0.0
    """Probability of a horizontal flip."""
    jitter: float = 0.8
    """Probability of colour jitter: brightness 0.4, contrast 0.4, saturation 0.2, hue 0.1."""
    grey: float = 0.2
    """Probability of dropping the colours."""
    blur: float = 0.5
    """Probability of a Gaussian blur of 0.1 to 2.0 pixels (standard deviation)."""
    solarise: float = 0.0
    """Probability of inverting what is brighter than 128 of 255."""

    def __post_init__(self) -> None:
        _require_scale("a view's scale", self.scale)
        _require(self.px >= 1, f"a view's side is {self.px} px", "use a multiple of the patch side")
        for name in ("flip", "jitter", "grey", "blur", "solarise"):
            _require_share(f"a view's {name}", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """From the frames of a clip to its global and local views (multi-crop)."""

    first_crop: Literal["resized", "plain"] = "resized"
    """First crop of all frames: random and resized, or random only (row 19)."""
    first_scale: tuple[float, float] = (0.2, 1.0)
    """Share of the frame's area that a resized first crop covers."""
    first_px: int = 300
    """Side of the first crop."""
    global_views: tuple[ViewConfig, ...] = (
        ViewConfig(scale=(0.4, 1.0), px=224, flip=0.5, blur=0.1),
    )
    """A kind for each global view; all frames of a clip share box and flip (rows 1, 21)."""
    local_view: ViewConfig = ViewConfig(scale=(0.05, 0.4), px=112)
    """The kind of all local crops (rows 18, 20)."""
    local_crops: int = 6
    """Local crops per frame (m)."""
    local_box: Literal["frame", "clip"] = "frame"
    """Whether crop j has a box of its own in every frame, or one for the clip (row 23)."""
    photometric: Literal["frame", "clip"] = "frame"
    """Whether colours, grey and blur are drawn anew for every frame, or once a clip (row 22)."""

    def __post_init__(self) -> None:
        _require_scale("augment.first_scale", self.first_scale)
        _require_at_least(1, augment__first_px=self.first_px)
        _require(
            len(self.global_views) in (1, 2),
            f"augment.global_views holds {len(self.global_views)} views",
            "give one (released code) or two (paper)",
        )
        sides = {view.px for view in self.global_views}
        _require(
            len(sides) == 1, f"global views have sides {sorted(sides)}", "give them the same side"
        )
        _require(
            self.local_crops >= 1,
            f"augment.local_crops is {self.local_crops}",
            "use at least 1; the released commands use 6",
        )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The ViT of student and teacher."""

    width: int = 384
    """Embedding width (D); 384 is ViT-S."""
    depth: int = 12
    heads: int = 6
    """Attention heads of every block (H)."""
    last_heads: int | None = None
    """Heads of the last block alone, for k above h (paper, B.2); None: as the others."""
    patch_px: int = 16
    image_px: int = 224
    """Side for which the position embedding is native."""
    drop_path: float = 0.1
    """Stochastic depth of the student, linear over the blocks."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "last_heads", "patch_px", "image_px"):
            size = getattr(self, name)
            _require_at_least(1, **{f"model__{name}": 1 if size is None else size})
        _require_share("model.drop_path", self.drop_path)
        for heads in (self.heads, self.last_heads or self.heads):
            _require(
                self.width % heads == 0,
                f"model.width {self.width} cannot be split over {heads} heads",
                "choose a number of heads that divides the width",
            )
        _require(
            self.image_px % self.patch_px == 0,
            f"model.image_px {self.image_px} is not a multiple of patches of {self.patch_px} px",
            "choose a multiple",
        )


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Projection head: an MLP, an L2 norm, and a weight-normalised linear layer."""

    outputs: int = 65536
    """Width of the output (P)."""
    layers: int = 3
    hidden: int = 2048
    bottleneck: int = 256
    batch_norm: bool = False
    norm_last_layer: bool = False
    """Keep the last layer's magnitudes fixed at 1 (trainable in the released commands)."""

    def __post_init__(self) -> None:
        for name in ("outputs", "layers", "hidden", "bottleneck"):
            _require_at_least(1, **{f"head__{name}": getattr(self, name)})


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Objects discovered in the first frame and followed through the clip."""

    objects: int = 3
    """Object prototypes (K), each from one attention head."""
    heads_drawn: Literal["batch", "clip"] = "batch"
    """Draw heads once for the clips of a process, or for each clip (row 15)."""
    attention_scale: Literal["head", "width"] = "head"
    """Scale of the attention in Eq. 1: by the head's width, or by the embedding's (row 8)."""
    sinkhorn: bool = True
    """Refine the prototypes by optimal transport (Eqs. 4-5), or track as they are (Eq. 3)."""
    epsilon: float = 0.05
    """Entropic regulariser."""
    iterations: int = 30
    tokens: Literal["normalised", "raw"] = "normalised"
    """Z in Eqs. 4-5: after the final LayerNorm, with or without an L2 norm (row 10)."""
    plan_mass: Literal["patches", "one"] = "patches"
    """Total mass of the plan: the number of patches, or 1 (row 12)."""
    mask: Literal["binary", "soft", "blocks"] = "binary"
    """Above the threshold, or the attention itself (row 5); or random blocks (Table 2c)."""
    threshold: Literal["batch", "clip"] = "batch"
    """Scope of the mean that binary masks are compared with (row 6)."""
    scope: Literal["process", "global"] = "process"
    """What `batch` means in `heads_drawn` and `threshold`: clips of a process, or of the step."""
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    """From patches to pixels (row 7)."""

    def __post_init__(self) -> None:
        _require(
            self.objects >= 1,
            f"tracker.objects is {self.objects}",
            "use at least 1; the paper uses 3",
        )
        _require_positive(tracker__epsilon=self.epsilon)
        _require(
            self.iterations >= 1,
            f"tracker.iterations is {self.iterations}",
            "use 30, as the released code",
        )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Distillation from teacher to student (Eqs. 8-10)."""

    pairs: Literal["same", "cross"] = "same"
    """Teacher on u and masked student on v: the same view, or two different ones (row 2)."""
    skip_first_crop: bool = True
    """Leave local crop 0 out, as the released code does (row 3)."""
    reduction: Literal["mean", "sum"] = "mean"
    """Means, each times a half, or the printed sums over pairs, objects and crops (row 4)."""
    carry_frame_sum: bool = True
    """Carry the frame sum of object j into object j + 1, as the released code does (row 4)."""
    student_temperature: float = 0.1
    centre_momentum: float = 0.9

    def __post_init__(self) -> None:
        _require_positive(loss__student_temperature=self.student_temperature)
        _require_share("loss.centre_momentum", self.centre_momentum)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser and the schedules of its figures by step."""

    name: Literal["adamw", "lars"] = "adamw"
    """Released code: AdamW; paper: LARS (row 24)."""
    lr: float = 5e-4
    lr_scaling: Literal["linear", "none"] = "linear"
    """Linear: times clips of a step / 256 (row 26)."""
    min_lr: float = 1e-5
    """Learning rate at the end of the cosine (row 25)."""
    warmup: Span = Span(length=10)
    """Linear warm-up of the learning rate from 0."""
    weight_decay: tuple[float, float] = (0.04, 0.4)
    """First and last value of the cosine; not for biases and one-dimensional parameters."""
    clip_norm: float = 3.0
    """Largest norm of each parameter's own gradient; 0: no clipping."""
    freeze_last_layer: Span = Span(length=1)
    """How long the head's last layer gets no gradient."""
    teacher_momentum: tuple[float, float] = (0.996, 1.0)
    """First and last value of the cosine."""
    teacher_temperature: tuple[float, float] = (0.04, 0.04)
    """First value, and the value after `temperature_warmup` (row 28)."""
    temperature_warmup: Span = Span(length=30)

    def __post_init__(self) -> None:
        _require_at_least(
            0, optim__lr=self.lr, optim__min_lr=self.min_lr, optim__clip_norm=self.clip_norm
        )
        for decay, momentum, temperature in zip(
            self.weight_decay, self.teacher_momentum, self.teacher_temperature, strict=True
        ):
            _require_at_least(0, optim__weight_decay=decay)
            _require_share("optim.teacher_momentum", momentum)
            _require_positive(optim__teacher_temperature=temperature)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How many clips, and how they are read."""

    clips_per_epoch: int | Literal["all"] = 200_000
    """Clips that make an epoch, or all starts once (the authors' rule)."""
    batch_clips: int = 128
    """Clips of one optimiser step, over all processes (row 27)."""
    workers: int = 4
    """Processes that read and crop frames, for each training process."""
    shuffle: Literal["auto", "global", "blocks"] = "auto"
    """Clips of all tars mixed, or of a few tars at a time, each of which is then fetched about once
    a pass; auto: blocks if any tar is remote, settled when a run begins."""
    block_tars: int = 8
    """Consecutive tars that blocks keep together."""
    open_tars: int = 64
    """Tars whose clips blocks mix; shared by the sources of a mix."""
    mix: tuple[tuple[str, float], ...] = ()
    """Names of shard sets or videos, or patterns of them, and weights: shares of the clips.

    Without names, all clips alike; with them, clips that no name matches are left out.
    """
    on_bad_frame: Literal["error", "skip"] = "error"
    """A damaged picture ends the run, or the nearest good one of its clip takes its place."""
    decoder: Literal["turbo", "gpu"] = "turbo"
    """JPEGs are decoded by the processes that read, or on the GPU by nvJPEG."""
    cache: str | None = None
    """Folder for tars of shard sets at addresses; None: in the user's cache folder."""
    cache_gb: float = 50.0
    """Largest size of all tars in it, in units of 10^9 bytes."""

    def __post_init__(self) -> None:
        _require_at_least(1, data__batch_clips=self.batch_clips)
        _require_at_least(0, data__workers=self.workers)
        _require_at_least(1, data__block_tars=self.block_tars, data__open_tars=self.open_tars)
        _require_mix(self.mix, clips_per_epoch=self.clips_per_epoch)
        _require_positive(data__cache_gb=self.cache_gb)
        _require(
            self.clips_per_epoch == "all" or self.clips_per_epoch >= self.batch_clips,
            f"an epoch of {self.clips_per_epoch} clips holds no batch of {self.batch_clips}",
            "raise data.clips_per_epoch or lower data.batch_clips",
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run."""

    method: Literal["dora", "dino"] = "dora"
    """DoRA, or plain DINO on the same frames, for comparison."""
    preset: str = "dora"
    """Name of the preset that the run started from; a label."""
    epochs: int = 100
    seed: int = 0
    precision: Literal["fp16", "bf16", "float32"] = "fp16"
    """Autocast on a GPU; a CPU always computes in float32."""
    save_every: Span = Span(length=1)
    """Time between two checkpoints."""
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        _require_at_least(1, epochs=self.epochs)
        _require(0 <= self.seed < 2**64, f"seed is {self.seed}", "use a number from 0 to 2^64 - 1")
        heads = self.model.last_heads or self.model.heads
        _require(
            self.tracker.objects <= heads,
            f"tracker.objects is {self.tracker.objects}, but the last block has {heads} heads",
            "lower tracker.objects or raise model.last_heads",
        )
        _require(
            self.loss.pairs == "same" or len(self.augment.global_views) == 2,
            "loss.pairs is 'cross', but there is one global view",
            "give augment.global_views two views, or set loss.pairs to 'same'",
        )
        _require(
            not self.loss.skip_first_crop or self.augment.local_crops >= 2,
            "loss.skip_first_crop leaves no local crop",
            "set augment.local_crops to 2 or more",
        )
        for px in (self.augment.global_views[0].px, self.augment.local_view.px):
            _require(
                px % self.model.patch_px == 0,
                f"views of {px} px do not divide into patches of {self.model.patch_px} px",
                f"use a multiple of {self.model.patch_px}",
            )
