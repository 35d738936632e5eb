"""A run that takes a second: for tests of everything around training."""

from dataclasses import replace

from dora.config import (
    AugmentConfig,
    ClipConfig,
    DataConfig,
    HeadConfig,
    LogConfig,
    ModelConfig,
    RunConfig,
    ViewConfig,
)
from dora.presets import smoke

TINY_SETTINGS = (
    "clip.frames=2",
    "augment.first_px=40",
    'augment.global_views=[{"scale": [0.4, 1.0], "px": 32, "flip": 0.5, "blur": 0.1}]',
    "augment.local_view.px=16",
    "augment.local_crops=2",
    "model.width=24",
    "model.depth=2",
    "model.heads=3",
    "model.image_px=32",
    "head.outputs=48",
    "head.hidden=32",
    "head.bottleneck=16",
    "data.clips_per_epoch=8",
    "data.batch_clips=4",
    "data.workers=0",
    "epochs=4",
    "log.pictures_every=0",
)
"""The same run as `tiny_run`, as a user types it on top of `--preset smoke`."""


def tiny_run(*, epochs: int = 4, workers: int = 0) -> RunConfig:
    """Return a run of two steps an epoch on a ViT of two blocks."""
    return replace(
        smoke(),
        epochs=epochs,
        clip=ClipConfig(frames=2),
        augment=AugmentConfig(
            first_px=40,
            global_views=(ViewConfig(scale=(0.4, 1.0), px=32, flip=0.5, blur=0.1),),
            local_view=ViewConfig(scale=(0.05, 0.4), px=16),
            local_crops=2,
        ),
        model=ModelConfig(width=24, depth=2, heads=3, image_px=32, drop_path=0.05),
        head=HeadConfig(outputs=48, hidden=32, bottleneck=16, norm_last_layer=True),
        data=DataConfig(clips_per_epoch=8, batch_clips=4, workers=workers),
        log=LogConfig(pictures_every=0),
    )
