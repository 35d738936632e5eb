"""Runs that a step is timed of, from the tiny one of the tests to the released networks."""

import argparse
from collections.abc import Callable
from dataclasses import replace

from dora.config import ClipConfig, RunConfig
from dora.presets import released, smoke
from tests.dora.tiny_run import tiny_run

EPOCHS, STEPS_PER_EPOCH = 100, 10


def sized(size: str, options: argparse.Namespace) -> RunConfig:
    """Return a size with the clips, frames, precision and compiler that were asked for."""
    config = SIZES[size]()
    config = replace(config, preset=size, precision=options.precision)
    config = replace(config, compute=replace(config.compute, compile=options.compile))
    if options.frames is not None:
        config = replace(config, clip=ClipConfig(frames=options.frames))
    if options.clips is None:
        return config
    clips = options.clips
    data = replace(config.data, batch_clips=clips, clips_per_epoch=clips * STEPS_PER_EPOCH)
    return replace(config, data=data)


def _released(frames: int) -> RunConfig:
    config = released()
    return _comparable(
        replace(
            config,
            clip=ClipConfig(frames=frames),
            data=replace(config.data, batch_clips=2, clips_per_epoch=2 * STEPS_PER_EPOCH),
        )
    )


def _comparable(config: RunConfig) -> RunConfig:
    """Return a run without stochastic depth."""
    return replace(config, model=replace(config.model, drop_path=0.0))


PAPER_SIZES = ("released", "vit_small")
"""Those with the networks and views of the paper's runs."""
SIZES: dict[str, Callable[[], RunConfig]] = {
    "released": lambda: _released(2),
    "vit_small": lambda: _released(4),
    "smoke": lambda: _comparable(smoke()),
    "tiny": lambda: _comparable(tiny_run()),
}
