"""Pictures of fixed clips as the teacher sees them: the objects it follows, and its attention."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dora.config import RunConfig
from dora.eval.loading import random_backbone
from dora.train.distributed import rank
from dora.train.looks import Seen
from dora.visualise.attention import attention_maps, attention_sheet
from dora.visualise.network import Network
from dora.visualise.shown_clip import ClipChoice, clip_of
from dora.visualise.tracks import track_objects, tracks_sheet
from wtours.shards import ShardSet

MOST_VIDEOS = 2
MOST_FRAMES = 4
"""Of a clip that is shown."""


class Pictures:
    """Draws the first clip of the first videos, always the same ones, at the side of training.

    Args:
        sets: the shards that are trained on.
        config: of the run.
        device: where to compute, in float32.

    Raises:
        DoraError: a video has no clip.
    """

    name = "pictures"
    from_start = True

    def __init__(
        self, sets: Sequence[ShardSet], config: RunConfig, *, device: torch.device
    ) -> None:
        self.every_epochs = config.log.pictures_every
        self._network = Network(
            backbone=random_backbone(config.model, seed=0).to(device),
            label="the teacher",
            run=config,
            device=device,
        )
        shown = replace(config.clip, frames=min(config.clip.frames, MOST_FRAMES))
        names = [record.name for each in sets for record in each.videos]
        self._clips = [clip_of(sets, ClipChoice(video=name), shown) for name in names[:MOST_VIDEOS]]

    def look(self, teacher: Mapping[str, Tensor]) -> Seen:
        """Return a sheet of objects, unless the method has none, and one of attention, a clip.

        Process 0 draws alone; the others have nothing to show.

        Raises:
            ShardError: a picture was altered.
        """
        if rank() > 0:
            return Seen()
        self._network.backbone.load_state_dict(teacher)
        label, side_px = self._network.label, self._network.run.model.image_px
        pictures = {}
        for clip in self._clips:
            if self._network.run.method == "dora":
                objects = track_objects(self._network, clip.pictures, side_px=side_px)
                pictures[f"objects_{clip.video}"] = tracks_sheet(clip, objects, label=label)
            maps = attention_maps(self._network, clip.pictures, side_px=side_px)
            pictures[f"attention_{clip.video}"] = attention_sheet(clip, maps, label=label)
        return Seen(pictures=pictures)
