"""The ways of clips to the device: what is done by processes that read, and what by this one.

On a CPU readers finish the views, for training would wait for them. To a GPU go first crops and
what was drawn, or the JPEGs themselves, if it is to decode them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from dora.config import AugmentConfig
from dora.data.augment import ClipViews, finish_clip, make_views, stack_views
from dora.data.device_jpeg import DeviceDecoder
from dora.data.places import ClipPlace
from dora.data.reading import (
    ClipReader,
    Decoder,
    EncodedClip,
    Fault,
    PackedClip,
    Replaced,
    one_thread,
)
from dora.data.views import Views
from dora.errors import DoraError
from wtours.shards import ShardError


class Travelling(Protocol):
    """A clip between the process that read it and its batch."""

    @property
    def replaced(self) -> tuple[Replaced, ...]:
        """The damaged pictures in whose place it has others."""


Clip = TypeVar("Clip", bound=Travelling)
Tell = Callable[[Sequence[Replaced]], None]


class Way(ABC, Generic[Clip]):
    """One way of clips to the device; it travels to the processes that read.

    Args:
        reader: reads a clip.
        augment: how views are made.
        device: where batches go.
    """

    uses_memory: ClassVar[bool] = False
    """Whether `read` puts pixels into the memory that it is given."""

    def __init__(self, reader: ClipReader, augment: AugmentConfig, device: torch.device) -> None:
        self.reader, self.augment, self.device = reader, augment, device

    @abstractmethod
    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> Clip:
        """Return a clip as it travels.

        Args:
            place: where it is.
            memory: (bytes,) uint8 through which it will be handed over. Pixels that are at once
                put there, from its first byte on, need no copy.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture cannot be decoded, or does not fit.
        """

    def read_or_fault(self, place: ClipPlace, *, memory: Tensor | None = None) -> Clip | Fault:
        """Return a clip as it travels, or the user's error as a value.

        Raised in a worker, it would reach the user as a text with a traceback.
        """
        try:
            with one_thread():
                return self.read(place, memory=memory)
        except (DoraError, ShardError) as fault:
            return Fault(kind=type(fault), message=fault.message, remedy=fault.remedy)

    @abstractmethod
    def gather(self, clips: Sequence[Clip], *, tell: Tell) -> Views:
        """Return a batch on the device, which shares no memory with the clips.

        Args:
            clips: B clips.
            tell: told of pictures that are found damaged here.

        Raises:
            DoraError: a picture cannot be decoded.
        """


class FinishedViews(Way[ClipViews]):
    """Views are finished by the processes that read: training on a CPU."""

    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> ClipViews:
        """Return the views of a clip, 8 bits, in memory of their own."""
        return finish_clip(self.reader.read(place), self.augment)

    def gather(self, clips: Sequence[ClipViews], *, tell: Tell) -> Views:
        """Return a batch of views."""
        return stack_views(clips)


class FirstCrops(Way[PackedClip]):
    """First crops and what was drawn go to a GPU, where views are made."""

    uses_memory = True

    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> PackedClip:
        """Return the first crops of a clip, and its draws."""
        return self.reader.read(place, memory=memory).packed()

    def gather(self, clips: Sequence[PackedClip], *, tell: Tell) -> Views:
        """Return a batch of views, made on the device."""
        return make_views(clips, self.augment, device=self.device)


class Jpegs(Way[EncodedClip]):
    """JPEGs and what was drawn go to a GPU, which decodes them."""

    def __init__(self, reader: ClipReader, augment: AugmentConfig, device: torch.device) -> None:
        super().__init__(reader, augment, device)
        self.decoder = DeviceDecoder(px=augment.first_px, device=device, decode=reader.decode)

    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> EncodedClip:
        """Return the JPEGs of a clip, good as far as their headers, and its draws."""
        return self.reader.read_encoded(place)

    def gather(self, clips: Sequence[EncodedClip], *, tell: Tell) -> Views:
        """Return a batch of views, decoded and made on the device."""
        drawn = self.decoder.decode_clips(clips)
        for clip in drawn:
            tell(clip.replaced)
        return make_views(drawn, self.augment, device=self.device)


def choose_way(
    reader: ClipReader, augment: AugmentConfig, *, device: torch.device, decoder: Decoder
) -> Way[ClipViews] | Way[PackedClip] | Way[EncodedClip]:
    """Return the way for a device.

    Raises:
        DoraError: pictures are to be decoded by a GPU, and there is none.
    """
    if device.type == "cpu":
        if decoder == "gpu":
            raise DoraError(
                f"data.decoder is 'gpu', but this process computes on the {device.type}",
                remedy="set data.decoder to turbo",
            )
        return FinishedViews(reader, augment, device)
    return (Jpegs if decoder == "gpu" else FirstCrops)(reader, augment, device)
