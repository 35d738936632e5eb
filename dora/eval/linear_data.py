"""What the heads of a linear probe are shown, step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from dora.eval.computing import Computing
from dora.eval.features import FeatureKind, Features, embed
from dora.eval.image_folder import LabelledImages
from dora.eval.networks import Frozen
from dora.eval.pictures import read_batches
from dora.eval.sharing import share_chunk
from dora.eval.training_crops import Shown, order_of_epoch, read_training_crop
from dora.train.distributed import rank, world_size


@dataclass(frozen=True, kw_only=True)
class ProbeData:
    """Labelled pictures, and those of their features that are computed once."""

    train: LabelledImages
    val: LabelledImages
    train_features: Features | None
    """Of centre crops; None: features of new crops in every epoch."""
    val_features: Features
    classes: int

    def steps(self, step_pictures: int) -> int:
        """Return the steps of an epoch; the last one may have fewer pictures."""
        return -(-len(self.train.paths) // step_pictures)


def steps_of_epoch(
    network: Frozen,
    data: ProbeData,
    *,
    epoch: int,
    first_step: int,
    step_pictures: int,
    seed: int,
    kind: FeatureKind,
    computing: Computing,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features (M, F) and labels (M,) of each step of an epoch, on the device.

    All processes get the same.

    Args:
        network: the frozen one, on the device.
        data: what is shown.
        epoch: from 0.
        first_step: the first one to yield.
        step_pictures: pictures of a step.
        seed: of order and crops.
        kind: the features.
        computing: where and how.
    """
    order = order_of_epoch(seed, epoch=epoch, pictures=len(data.train.paths))
    steps = torch.split(order, step_pictures)[first_step:]
    labels = torch.tensor(data.train.labels)
    if data.train_features is not None:
        for numbers in steps:
            rows = data.train_features.rows(numbers)
            yield rows.to(computing.device), labels[numbers].to(computing.device)
        return
    crops = _crop_features(
        network,
        data.train,
        steps,
        epoch=epoch,
        seed=seed,
        kind=kind,
        computing=computing,
    )
    for numbers, features in zip(steps, crops, strict=True):
        yield features, labels[numbers].to(computing.device)


def _crop_features(
    network: Frozen,
    train: LabelledImages,
    steps: Sequence[Tensor],
    *,
    epoch: int,
    seed: int,
    kind: FeatureKind,
    computing: Computing,
) -> Iterator[Tensor]:
    """Yield features of random crops for each step.

    A step is cut into forward passes; pass p belongs to process p modulo their number, which hands
    its features to the others. So the heads see the same numbers however many processes there are.
    """
    passes = [torch.split(numbers, computing.batch) for numbers in steps]
    own = (
        [
            Shown(path=train.paths[number], place=epoch * len(train.paths) + number)
            for number in part.tolist()
        ]
        for parts in passes
        for turn, part in enumerate(parts)
        if turn % world_size() == rank()
    )
    read = partial(read_training_crop, seed=seed, image_px=kind.image_px)
    pictures = read_batches(own, read, workers=computing.workers)
    width = kind.columns(network.traits.width)
    for parts in passes:
        mine = [
            embed(network, next(pictures), kind=kind, computing=computing)
            if turn % world_size() == rank()
            else None
            for turn in range(len(parts))
        ]
        yield torch.cat(
            [
                share_chunk(
                    made,
                    (len(part), width),
                    owner=turn % world_size(),
                    device=computing.device,
                )
                for turn, (made, part) in enumerate(zip(mine, parts, strict=True))
            ]
        )
