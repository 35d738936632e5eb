"""Pictures as an H.264 video; the only file of `dora` that encodes."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from dora.errors import DoraError
from dora.whole_file import whole_file

_SMOOTH_HZ = 10
"""Players seek badly in videos of fewer pictures a second; slow ones repeat each."""
_BT709 = 1


def render_video(pictures: Iterable[Image.Image], path: Path, *, rate_hz: Fraction) -> Path:
    """Write pictures of one size as H.264 in MP4; the file appears only when whole.

    An odd width or height loses its last pixel, since H.264 stores colour by twos.

    Args:
        pictures: at least one.
        path: the file, ending in `.mp4`.
        rate_hz: pictures shown per second.

    Raises:
        DoraError: the file cannot be written, or PyAV has no H.264 encoder.
    """
    with whole_file(path) as partial:
        _encode(pictures, partial, rate_hz=rate_hz)
    return path


def _encode(pictures: Iterable[Image.Image], path: Path, *, rate_hz: Fraction) -> None:
    import av  # here, so that a GPU node that trains needs no video library

    if "libx264" not in av.codecs_available:
        raise DoraError(
            "this PyAV has no H.264 encoder (libx264)",
            remedy="install PyAV from its wheel: pip install --force-reinstall av",
        )
    repeats = max(1, ceil(_SMOOTH_HZ / rate_hz))
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate_hz * repeats)
                stream.width, stream.height = (side // 2 * 2 for side in picture.size)
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "18", "preset": "medium"}
                context = stream.codec_context
                context.colorspace = context.color_primaries = context.color_trc = _BT709
            pixels = np.asarray(picture)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            for _ in range(repeats):
                same = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
                container.mux(stream.encode(same))
        assert stream is not None, "a video of no pictures"
        container.mux(stream.encode())
