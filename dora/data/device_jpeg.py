"""Pictures decoded on a GPU by nvJPEG: the option `data.decoder=gpu`.

Workers then hand over JPEGs, checked and drawn for, and decode nothing. nvJPEG is reached through
torchvision, whose decoders are deprecated since 0.29 for those of torchcodec, a video library;
hence this is an option and not the default. Its pixels differ from libjpeg-turbo's by a few levels,
and pictures are always decoded whole.
"""

import sys
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dora.data.reading import DrawnClip, EncodedClip
from dora.data.resampling import bilinear_taps, resample


class DeviceDecoder:
    """Decodes the pictures of clips on a device.

    Args:
        px: side of the first crop.
        device: which decodes.
        decode: decodes a clip by the processor; asked where the device cannot decode a batch, for
            it names the damaged picture, or has its neighbour take its place.
    """

    def __init__(
        self, *, px: int, device: torch.device, decode: Callable[[EncodedClip], DrawnClip]
    ) -> None:
        self._px, self._device, self._decode = px, device, decode
        self._noted: set[str] = set()

    def decode_clips(self, clips: Sequence[EncodedClip]) -> list[DrawnClip]:
        """Return clips with their first crops on the device.

        Args:
            clips: as workers hand them over.

        Raises:
            DoraError: a picture cannot be decoded by the processor either.
        """
        jpegs = [jpeg for clip in clips for jpeg in torch.split(clip.jpegs, list(clip.sizes_bytes))]
        try:
            pictures = decode_pictures(jpegs, self._device)
        except RuntimeError as fault:
            self._note(str(fault).splitlines()[0])
            return [self._decode(clip) for clip in clips]
        frames = [len(clip.place.frames) for clip in clips]
        starts = [sum(frames[:number]) for number in range(len(clips))]
        return [
            DrawnClip(
                position=clip.place.position,
                first=cut_on_device(torch.stack(pictures[start : start + n]), clip, px=self._px),
                draws=clip.draws,
                replaced=clip.replaced,
            )
            for clip, start, n in zip(clips, starts, frames, strict=True)
        ]

    def _note(self, reason: str) -> None:
        """Say once for each reason that the device cannot decode: each batch has damage of its own.

        A GPU that decodes nothing at all gives one reason again and again.
        """
        if reason not in self._noted:
            self._noted.add(reason)
            print(
                f"note: the GPU cannot decode a batch ({reason}); it, and others like it, are "
                "decoded by the processor",
                file=sys.stderr,
            )


def cut_on_device(pictures: Tensor, clip: EncodedClip, *, px: int) -> Tensor:
    """Return the first crops, (T, 3, px, px) uint8, of a clip's (T, 3, H, W) uint8 pictures."""
    count, device = len(pictures), pictures.device
    top, left, height, width = (
        torch.full((count,), int(edge), device=device) for edge in clip.draws.first_box
    )
    return resample(
        pictures,
        torch.arange(count, device=device),
        across=bilinear_taps(left, width, px=px),
        down=bilinear_taps(top, height, px=px),
        rounded_between=False,
    )


def decode_pictures(jpegs: list[Tensor], device: torch.device) -> list[Tensor]:
    """Return pictures, each (3, H, W) uint8 on the device, from (bytes,) uint8 of each.

    Raises:
        RuntimeError: one of them cannot be decoded.
    """
    from torchvision.io import ImageReadMode, decode_jpeg  # of no use to other runs: a second

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        pictures: list[Tensor] = decode_jpeg(jpegs, mode=ImageReadMode.RGB, device=device)
    return pictures
