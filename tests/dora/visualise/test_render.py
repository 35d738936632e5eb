from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dora.errors import DoraError
from dora.visualise.render import render_video


def gradients(count: int, *, size: tuple[int, int]) -> list[Image.Image]:
    """Return smooth pictures, each lighter than the one before."""
    x, y = np.meshgrid(np.linspace(0, 80, size[0]), np.linspace(0, 80, size[1]))
    return [
        Image.fromarray(np.stack([x, y, 80 - x], axis=-1).astype(np.uint8) + np.uint8(12 * number))
        for number in range(count)
    ]


def decode(path: Path) -> tuple[np.ndarray, Fraction, str]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate is not None
        return np.stack(frames), stream.average_rate, stream.codec_context.name


@pytest.mark.parametrize(
    ("size", "rate_hz", "repeats"),
    [((64, 48), Fraction(2), 5), ((65, 49), Fraction(30000, 1001), 1), ((64, 50), Fraction(8), 2)],
)
def test_video_holds_the_pictures_at_their_rate(
    tmp_path: Path, size: tuple[int, int], rate_hz: Fraction, repeats: int
) -> None:
    pictures = gradients(4, size=size)
    path = render_video(pictures, tmp_path / "made" / "clip.mp4", rate_hz=rate_hz)
    frames, found_hz, codec = decode(path)
    assert codec == "h264"
    assert found_hz == rate_hz * repeats
    even = np.stack([np.asarray(picture)[:48, :64] for picture in pictures])
    assert frames.shape[0] == 4 * repeats
    assert frames.shape[1:] == (size[1] // 2 * 2, size[0] // 2 * 2, 3)
    difference = frames[:, :48, :64].astype(int) - even.repeat(repeats, axis=0)
    assert np.abs(difference).mean() < 3
    assert [entry.name for entry in path.parent.iterdir()] == ["clip.mp4"]


def test_stopped_rendering_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Image.Image]:
        yield from gradients(2, size=(64, 48))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_video(interrupted(), tmp_path / "clip.mp4", rate_hz=Fraction(2))
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match=r"clip\.mp4 cannot be written"):
        render_video(
            gradients(1, size=(64, 48)), tmp_path / "file" / "clip.mp4", rate_hz=Fraction(2)
        )
