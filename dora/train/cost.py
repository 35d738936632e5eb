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
    """Return the operations of one clip: teacher forwards, student forwards and backwards.

    A student that reads visible patches alone is counted as if it read all: how many are hidden
    depends on what is found.
    """
    model, head, px = config.model, config.head, config.augment.global_views[0].px
    frames, views = config.clip.frames, len(config.augment.global_views)
    # All rows of the last block are those of first frames, for the tracker; DINO has none.
    whole = views if config.method == "dora" else 0
    teacher = whole * image_flop(model, px=px, whole=True)
    teacher += (views * frames - whole) * image_flop(model, px=px)
    teacher += views * frames * head_flop(model, head)
    return teacher + frames * _student_flop(config)


def _student_flop(config: RunConfig) -> float:
    """Return the operations of what the student sees of one frame, forwards and backwards."""
    augment, model, head = config.augment, config.model, config.head
    views, local = len(augment.global_views), augment.local_crops
    if config.method == "dora":
        large, small = views * config.tracker.objects, local - config.loss.skip_first_crop
    else:
        large, small = (views if views > 1 else 0), local
    flop = 3.0 * (large + small) * head_flop(model, head)
    for images, px in ((large, augment.global_views[0].px), (small, augment.local_view.px)):
        embedding = _embedding_flop(model, px=px)
        blocks = image_flop(model, px=px) - embedding
        flop += images * (2 * embedding + 3 * blocks)  # nobody needs the gradient of a picture
        if config.compute.checkpoint:
            flop += images * (blocks - _last_products_flop(model, px=px))
    return flop


def image_flop(model: ModelConfig, *, px: int, whole: bool = False) -> float:
    """Return the operations of one image's forward pass through the backbone.

    Args:
        model: its sizes.
        px: side of the image.
        whole: whether the last block computes all tokens, or that of [CLS] alone.
    """
    patches = (px // model.patch_px) ** 2
    tokens, width = patches + 1, model.width
    blocks = (model.depth - 1) * _block_flop(tokens, tokens, width)
    last = _block_flop(tokens if whole else 1, tokens, width)
    return _embedding_flop(model, px=px) + blocks + last


def _last_products_flop(model: ModelConfig, *, px: int) -> float:
    """Return the operations of every block's last product, which is not computed again.

    Torch computes a block again as far as a gradient needs a result, and none needs the last.
    """
    tokens = (px // model.patch_px) ** 2 + 1
    return 2.0 * ((model.depth - 1) * tokens + 1) * 4 * model.width**2


def _embedding_flop(model: ModelConfig, *, px: int) -> float:
    return 2 * (px // model.patch_px) ** 2 * 3 * model.patch_px**2 * model.width


def _block_flop(rows: int, tokens: int, width: int) -> float:
    """Keys and values of all tokens; queries, attention, projection and MLP of some rows."""
    keys_and_values = 2 * tokens * 2 * width**2
    attention = 4 * rows * tokens * width
    return keys_and_values + attention + 2 * rows * (1 + 1 + 8) * width**2


def head_flop(model: ModelConfig, head: HeadConfig) -> float:
    """Return the operations of one row through the projection head."""
    sizes = [model.width, *[head.hidden] * (head.layers - 1), head.bottleneck, head.outputs]
    return sum(2 * first * second for first, second in pairwise(sizes))
