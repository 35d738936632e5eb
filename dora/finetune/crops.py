"""What a fine-tuning is shown: crops through timm's transforms, made by worker processes.

timm's transforms draw from global generators, which threads would share; so processes read. They
are told picture by picture what to read, know no order and have no state: their number changes
nothing.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from PIL import Image, ImageOps
from timm.data.auto_augment import RandAugment
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import Compose

from dora.data.workers import interrupts_held, start_worker, worker_context
from dora.errors import DoraError
from dora.eval.networks import Colour
from dora.finetune.draws import CROPS, drawing
from dora.finetune.order import Group, Order
from dora.finetune.pictures import LabelledPictures, Source, open_source
from dora.finetune.recipe import Recipe

READ_PICTURES = 16
"""Pictures that a worker hands over at once: 10 MB of shared memory."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A picture and the number of its turn in the run."""

    source: Source
    place: int


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a picture, on its way from a worker; exceptions lose their remedy."""

    message: str
    remedy: str


class TrainingCrops(Dataset[Tensor | Fault]):
    """Random crop, flip, RandAugment and erasing, as DeiT has them from timm's create_transform.

    8 to 100 % of the area, bicubic; erased boxes are filled with normal noise.
    """

    def __init__(self, recipe: Recipe, *, mean: Colour, deviation: Colour) -> None:
        self.seed = recipe.seed
        self.transform = create_transform(
            input_size=recipe.image_px,
            is_training=True,
            color_jitter=0.4 if recipe.augment else 0.0,  # timm drops it beside RandAugment
            auto_augment=recipe.augment or None,
            interpolation="bicubic",
            mean=mean,
            std=deviation,
            re_prob=recipe.erasing,
            re_mode="pixel",
            re_count=1,
        )
        _allow_no_bits(self.transform)

    def __getitem__(self, turns: list[Turn]) -> Tensor | Fault:
        """Return the crops of some turns, (M, 3, S, S) float32, normalised."""
        try:
            return torch.stack([self.crop(turn) for turn in turns])
        except DoraError as fault:
            return Fault(message=fault.message, remedy=fault.remedy)

    def crop(self, turn: Turn) -> Tensor:
        """Return the crop of one turn, (3, S, S) float32, normalised.

        Raises:
            DoraError: the file is no whole picture.
        """
        picture = open_source(turn.source)
        with drawing(self.seed, purpose=CROPS, place=turn.place):
            made: Tensor = self.transform(picture)
        return made


@dataclass(frozen=True, kw_only=True)
class Share:
    """The groups of one process, over the epochs that are ahead."""

    order: Order
    first_epoch: int
    first_step: int
    """Of the first epoch."""
    epochs: int
    rank: int
    world: int

    def __post_init__(self) -> None:
        if self.order.groups < self.world:
            raise DoraError(
                f"a step of {self.order.step_pictures} pictures has {self.order.groups} groups "
                f"for {self.world} processes",
                remedy=f"start at most {self.order.groups} processes, "
                "or let fewer pictures make a group by --mixed-pictures",
            )

    def groups(self) -> Iterator[Group]:
        """Yield the groups of this process, step after step."""
        for epoch in range(self.first_epoch, self.epochs):
            first = self.first_step if epoch == self.first_epoch else 0
            for groups in self.order.groups_of_epoch(epoch, first_step=first):
                yield from groups[self.rank :: self.world]


class _Told(Sampler[list[Turn]]):
    """Tells workers what to read, in the order of the groups."""

    def __init__(self, share: Share, pictures: LabelledPictures) -> None:
        self.share = share
        self.pictures = pictures

    def __iter__(self) -> Iterator[list[Turn]]:
        for group in self.share.groups():
            turns = [
                Turn(source=self.pictures.sources[number], place=place)
                for number, place in zip(
                    group.pictures.tolist(), group.places.tolist(), strict=True
                )
            ]
            for start in range(0, len(turns), READ_PICTURES):
                yield turns[start : start + READ_PICTURES]


def read_groups(
    crops: TrainingCrops, share: Share, pictures: LabelledPictures, *, workers: int
) -> Iterator[tuple[Group, Tensor]]:
    """Yield the groups of a process with their crops, (M, 3, S, S) float32.

    Args:
        crops: how they are made.
        share: which groups.
        pictures: all training pictures.
        workers: processes that read; 0 reads in this one.

    Raises:
        DoraError: a file is no whole picture, or a worker was ended from outside.
    """
    parts = _read(crops, _Told(share, pictures), workers=workers)
    for group in share.groups():
        count = -(-len(group.pictures) // READ_PICTURES)
        yield group, torch.cat([_unfaulty(part) for part in islice(parts, count)])


def _read(
    crops: TrainingCrops, told: Sampler[list[Turn]], *, workers: int
) -> Iterator[Tensor | Fault]:
    try:
        with warnings.catch_warnings():
            # More workers than cores is the user's choice.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader: DataLoader[Tensor | Fault] = DataLoader(
                crops,
                batch_size=None,
                sampler=told,
                num_workers=workers,
                multiprocessing_context=worker_context(__name__) if workers else None,
                worker_init_fn=start_worker,
                collate_fn=_as_it_is,
                generator=torch.Generator(),
            )
            with interrupts_held():
                parts = iter(loader)
                started = list(islice(parts, 1))
        yield from started
        del started  # it would keep it in shared memory
        yield from parts
    except RuntimeError as fault:
        if "DataLoader worker" not in str(fault):
            raise
        raise DoraError(
            "a process that reads pictures was ended from outside",
            remedy="it may have been out of (shared) memory: give fewer --workers, and start again",
        ) from fault


def _allow_no_bits(transform: Compose) -> None:
    """Let RandAugment posterize to 0 bits, which is black, as it did when recipes were published.

    At its highest level, 2 % of its draws of 9 +- 0.5, it asks for that; Pillow 13 refuses.
    """
    for part in transform.transforms:
        if isinstance(part, RandAugment):
            for change in part.ops:
                if change.name.startswith("Posterize"):
                    change.aug_fn = _posterize


def _posterize(
    picture: Image.Image, bits: int, *, fillcolor: object, resample: object
) -> Image.Image:
    """Return a picture with so many bits a channel; the rest of timm's arguments is for others."""
    if bits < 1:
        return Image.new(picture.mode, picture.size)
    return ImageOps.posterize(picture, min(bits, 8))


def _as_it_is(part: Any) -> Any:
    return part


def _unfaulty(part: Tensor | Fault) -> Tensor:
    if isinstance(part, Fault):
        raise DoraError(part.message, remedy=part.remedy)
    return part
