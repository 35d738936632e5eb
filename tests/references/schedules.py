"""Learning rate, decay, momentum, temperature and freezing of one step, from their definitions."""

import math

from dora.config import OptimConfig, Span


def span_steps(span: Span, *, steps_per_epoch: int, steps: int) -> int:
    """A number of epochs, or a share of the run, in whole steps."""
    return round(span.length * (steps_per_epoch if span.unit == "epochs" else steps))


def half_cosine(step: int, *, first: float, last: float, steps: int) -> float:
    """From `first` at step 0 towards `last`, which step `steps` would have."""
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2


def rising(place: int, *, first: float, last: float, length: int) -> float:
    """Linear from `first` at place 0 to `last` at the last of `length` places, then `last`."""
    if place >= length:
        return last
    return first if length == 1 else first + (last - first) * place / (length - 1)


def plain_step(
    optim: OptimConfig, step: int, *, steps_per_epoch: int, epochs: int, batch_clips: int
) -> dict[str, float]:
    """The figures of one step; the names are those of `StepValues`."""
    steps = steps_per_epoch * epochs
    of_run = {"steps_per_epoch": steps_per_epoch, "steps": steps}
    lr = optim.lr * (batch_clips / 256 if optim.lr_scaling == "linear" else 1)
    warmup = span_steps(optim.warmup, **of_run)
    if step < warmup:
        rate = rising(step, first=0.0, last=lr, length=warmup)
    else:
        rate = half_cosine(step - warmup, first=lr, last=optim.min_lr, steps=steps - warmup)
    cold, warm = optim.teacher_temperature
    if optim.temperature_warmup.unit == "epochs":
        place, length = step // steps_per_epoch, int(optim.temperature_warmup.length)
    else:
        place, length = step, span_steps(optim.temperature_warmup, **of_run)
    decay, momentum = optim.weight_decay, optim.teacher_momentum
    return {
        "lr": rate,
        "weight_decay": half_cosine(step, first=decay[0], last=decay[1], steps=steps),
        "teacher_momentum": half_cosine(step, first=momentum[0], last=momentum[1], steps=steps),
        "teacher_temperature": rising(place, first=cold, last=warm, length=length),
        "last_layer_frozen": float(step < span_steps(optim.freeze_last_layer, **of_run)),
    }
