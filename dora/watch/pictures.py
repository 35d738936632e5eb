"""Pictures of fixed clips as the teacher sees them: the objects it follows, and its attention."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dora.config import ClipConfig, RunConfig
from dora.data.description import find_shard_clips
from dora.eval.loading import random_backbone
from dora.train.distributed import place_from_torchrun, rank
from dora.train.looks import Seen
from dora.visualise.attention import attention_maps, attention_sheet
from dora.visualise.network import Network
from dora.visualise.shown_clip import ClipChoice, ShownClip, clip_of
from dora.visualise.tracks import track_objects, tracks_sheet
from wtours.shards import ShardSet

MOST_VIDEOS = 2
MOST_FRAMES = 4
"""Of a clip that is shown."""


class Pictures:
    """Draws the first clip of the first videos that have one, at the side of training.

    They are always the same, and read once, by the process that draws: no full cache or lost
    network can end a run in the middle for their sake.

    Args:
        sets: the shards that are trained on.
        config: of the run.
        device: where to compute, in float32.

    Raises:
        DoraError: no video has a clip, or a picture cannot be decoded.
        ShardError: a picture was altered, or cannot be fetched.
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
        self._clips = []
        # Pictures come before processes join each other.
        if place_from_torchrun().rank == 0:
            self._clips = [_read(*video, shown) for video in _videos_with_clips(sets, config.clip)]

    def look(self, teacher: Mapping[str, Tensor]) -> Seen:
        """Return a sheet of objects, unless the method has none, and one of attention, a clip.

        Process 0 draws alone; the others have nothing to show.
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


def _videos_with_clips(sets: Sequence[ShardSet], clip: ClipConfig) -> list[tuple[ShardSet, str]]:
    """Return the first videos of different names that are trained on, with their sets.

    Raises:
        DoraError: there is none.
    """
    clips = find_shard_clips(sets, clip)
    found: dict[str, ShardSet] = {}
    for entry in np.unique(clips.videos, return_index=True)[1]:
        name = clips.names[clips.videos[entry]].video
        found.setdefault(name, sets[clips.sets[entry]])
    return [(shard_set, name) for name, shard_set in found.items()][:MOST_VIDEOS]


def _read(shard_set: ShardSet, video: str, shown: ClipConfig) -> ShownClip:
    """Return the first clip of a video with its pictures in memory."""
    clip = clip_of([shard_set], ClipChoice(video=video), shown)
    return replace(clip, pictures=list(clip.pictures))
