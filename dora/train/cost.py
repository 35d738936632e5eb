"""What a run computes, in floating point operations: matrix products and attention, by hand.

A product of (a, b) and (b, c) counts 2abc. Norms, activations, softmaxes, Sinkhorn, the optimiser
and the views are left out: a few per cent. The backward pass counts twice the forward one.
"""

from itertools import pairwise

from dora.config import HeadConfig, ModelConfig, RunConfig

GPU_TFLOP_PER_S = 100
"""The rate for which hours are stated; what a GPU sustains is a third to a half of its peak."""


def cost_sentence(config: RunConfig, *, clips: int) -> str:
    """Return what a run costs, for people.

    Args:
        config: the run.
        clips: of all its steps.
    """
    each = clip_flop(config)
    gpu_s = each * clips / (GPU_TFLOP_PER_S * 1e12)
    return (
        f"{_with_unit(each)} a clip, {_with_unit(each * clips)} in all: {_span(gpu_s)} of a GPU "
        f"that computes {GPU_TFLOP_PER_S} TFLOP/s"
    )


def _with_unit(flop: float) -> str:
    """Return a number of operations with three digits: 1.06 TFLOP."""
    units = (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12))
    unit, size = next((found for found in units if flop >= found[1]), ("GFLOP", 1e9))
    return f"{float(f'{flop / size:.3g}'):g} {unit}"


def _span(time_s: float) -> str:
    if time_s >= 3600:
        return f"{time_s / 3600:,.3g} hours"
    return f"{time_s / 60:.3g} minutes" if time_s >= 60 else f"{time_s:.3g} s"


def clip_flop(config: RunConfig) -> float:
    """Return the operations of one clip: teacher forwards, student forwards and backwards."""
    augment, model, head = config.augment, config.model, config.head
    frames, views = config.clip.frames, len(augment.global_views)
    large_px, small_px = augment.global_views[0].px, augment.local_view.px
    large = views * frames * (config.tracker.objects if config.method == "dora" else 1)
    small = augment.local_crops * frames
    teacher = views * frames * (image_flop(model, px=large_px, whole=True) + head_flop(model, head))
    student = large * image_flop(model, px=large_px) + small * image_flop(model, px=small_px)
    student += (large + small) * head_flop(model, head)
    return teacher + 3 * student


def image_flop(model: ModelConfig, *, px: int, whole: bool = False) -> float:
    """Return the operations of one image's forward pass through the backbone.

    Args:
        model: its sizes.
        px: side of the image.
        whole: whether the last block computes all tokens, or that of [CLS] alone.
    """
    patches = (px // model.patch_px) ** 2
    tokens, width = patches + 1, model.width
    embedding = 2 * patches * 3 * model.patch_px**2 * width
    blocks = (model.depth - 1) * _block_flop(tokens, tokens, width)
    return embedding + blocks + _block_flop(tokens if whole else 1, tokens, width)


def _block_flop(rows: int, tokens: int, width: int) -> float:
    """Keys and values of all tokens; queries, attention, projection and MLP of some rows."""
    keys_and_values = 2 * tokens * 2 * width**2
    attention = 4 * rows * tokens * width
    return keys_and_values + attention + 2 * rows * (1 + 1 + 8) * width**2


def head_flop(model: ModelConfig, head: HeadConfig) -> float:
    """Return the operations of one row through the projection head."""
    sizes = [model.width, *[head.hidden] * (head.layers - 1), head.bottleneck, head.outputs]
    return sum(2 * first * second for first, second in pairwise(sizes))
