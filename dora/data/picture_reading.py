"""Reads single pictures of a folder: JPEG by libjpeg-turbo, all other kinds by Pillow.

As where pictures are classified, they are taken as stored: no turning by EXIF, the first picture of
a moving one, and what is transparent loses its transparency.
"""

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dora.data.clip_draws import ClipDraws
from dora.data.crops import Cutter, resize_first, shrink_of, shrunk_box
from dora.data.jpeg import DamagedJpegError, picture_size
from dora.data.picture_folder import is_picture_name
from dora.data.places import ClipPlace
from dora.data.reading import ClipReader, DrawnClip, Replaced
from dora.errors import DoraError

_JPEG = b"\xff\xd8\xff"
_TURBO_COLOURS = frozenset({"Gray", "YCbCr", "RGB"})
"""Colours of JPEGs that libjpeg-turbo turns into RGB; CMYK and YCCK it does not."""


class UnreadablePictureError(ValueError):
    """A file that cannot be read, or holds no whole picture."""


class PictureReader(ClipReader):
    """Reads clips of one picture: a pure function of its place and the run's seed.

    With `skip`, the next good picture of its own folder, in the order of names and from the last
    to the first, stands in the place of one that cannot be read.
    """

    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> DrawnClip:
        """Return one picture as a clip.

        Args:
            place: where it is.
            memory: not used: its crop is copied there when it is handed over.

        Raises:
            DoraError: it cannot be read, or is too small for the first crop.
        """
        wanted = place.frames[0].path
        try:
            return self._drawn(wanted, place)
        except UnreadablePictureError as fault:
            reason = f"{wanted} {fault}"
        if self.on_bad_frame == "error":
            raise DoraError(
                reason,
                remedy="copy it again, remove it, or go on without such files "
                "(--set data.on_bad_frame=skip)",
            )
        replaced = Replaced(set_number=place.set_number, row=place.rows[0], reason=reason)
        for other in _others(wanted):
            try:
                return self._drawn(other, place, replaced=(replaced,))
            except UnreadablePictureError:
                continue  # it is told of when it is wanted itself
        raise DoraError(
            f"no picture of {Path(wanted).parent} can be read; {reason}",
            remedy="copy the folder again, or remove it",
        )

    def _drawn(
        self, path: str, place: ClipPlace, *, replaced: tuple[Replaced, ...] = ()
    ) -> DrawnClip:
        content = _read_file(path)
        size, turbo = _look_at(content)
        try:
            draws = self._draw(place, size)
        except DoraError as fault:
            raise DoraError(
                f"{path}: {fault.message}",
                remedy="set augment.first_crop to resized, or lower augment.first_px",
            ) from fault
        first = _cut(content, size, draws, px=self.augment.first_px, turbo=turbo)
        return DrawnClip(position=place.position, first=first, draws=draws, replaced=replaced)


def _cut(
    content: bytes, size: tuple[int, int], draws: ClipDraws, *, px: int, turbo: bool
) -> Tensor:
    """Return the first crop, (1, 3, px, px) uint8."""
    box = draws.first_box
    if not turbo:
        shrink = shrink_of(box, px=px)
        return resize_first(_decode(content, shrink=shrink)[shrunk_box(box, shrink)], px=px)
    try:
        return Cutter(size, box, px=px).cut(content)
    except DamagedJpegError as fault:
        raise UnreadablePictureError(f"cannot be decoded ({fault})") from fault


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise UnreadablePictureError(f"cannot be read ({fault.strerror or fault})") from fault


def _look_at(content: bytes) -> tuple[tuple[int, int], bool]:
    """Return height and width, and whether libjpeg-turbo is to decode; names do not count."""
    if content.startswith(_JPEG):
        try:
            colours = simplejpeg.decode_jpeg_header(content)[2]
            if colours in _TURBO_COLOURS:
                return picture_size(content), True
        except (ValueError, KeyError) as fault:
            raise UnreadablePictureError(f"cannot be decoded ({str(fault).strip()})") from fault
    with _opened(content) as picture:
        return (picture.height, picture.width), False


def _opened(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # a large picture
            return Image.open(io.BytesIO(content))
    except Exception as fault:  # bytes that are no picture fail in whatever way they happen to
        raise UnreadablePictureError("is no picture that can be decoded") from fault


def _decode(content: bytes, *, shrink: int) -> NDArray[np.uint8]:
    """Return a picture, (H, W, 3) uint8, each of its pixels the mean of shrink x shrink."""
    with _opened(content) as picture:
        try:
            pixels = _in_colours(picture).reduce(shrink)
        except Exception as fault:  # likewise
            raise UnreadablePictureError(f"cannot be decoded ({fault})") from fault
    return np.array(pixels)


def _in_colours(picture: Image.Image) -> Image.Image:
    """Return 8 bits of red, green and blue; Pillow would cut 16 bits off at 255."""
    if picture.mode.startswith("I"):
        levels = np.asarray(picture).astype(np.float64)
        return Image.fromarray(np.rint(levels / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


def _others(path: str) -> Iterator[str]:
    """Yield the other pictures of a file's folder: those after it, then those before it."""
    folder, name = os.path.split(path)
    try:
        names = sorted(each.name for each in Path(folder).iterdir() if is_picture_name(each.name))
    except OSError:
        return  # the folder is gone, and with it the others
    after = [other for other in names if other > name]
    before = [other for other in names if other < name]
    yield from (f"{folder}/{other}" for other in (*after, *before))
