"""Batches of pictures: of one size, decoded as Pillow does, told where broken."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.detection_units import decode_jpeg, units_of
from analysis.detections import find_objects
from tests.analysis.brightness import (
    Brightness,
)
from tests.analysis.sets import make_set
from tests.shard_making import jpeg_of
from wtours.shards import ShardError, ShardSet


def test_pictures_of_different_sizes_are_never_in_one_batch(tmp_path: Path) -> None:
    """Short videos share a tar: their pictures may alternate in size."""
    first = make_set(tmp_path / "first", frames=6)
    (unit,) = units_of([first])
    small = np.full((30, 20, 3), 200, dtype=np.uint8)
    unit.sizes[1::2] = (30, 20)
    read = type(first).read_jpeg
    jpeg = {int(unit.rows[number]): jpeg_of(small) for number in (1, 3, 5)}
    try:
        ShardSet.read_jpeg = lambda self, row: jpeg.get(row) or read(self, row)  # type: ignore[method-assign]
        batches = [call() for call in unit.batches(4)]
    finally:
        ShardSet.read_jpeg = read  # type: ignore[method-assign]
    assert [batch.numbers.tolist() for batch in batches] == [[1, 3, 5], [0, 2, 4]]
    assert all(len({image.shape for image in batch.images}) == 1 for batch in batches)


def test_altered_and_mislabelled_pictures_are_told(tmp_path: Path) -> None:
    wrong = make_set(tmp_path / "wrong", frames=3, video={"picture_width": 30})
    with pytest.raises(ShardError, match="picture 0 is 64x48, but 30x48 is recorded"):
        find_objects([wrong], Brightness(), tmp_path / "out")
    torn = make_set(tmp_path / "torn", frames=3)
    (tar,) = torn.folder.glob("*.tar")
    content = bytearray(tar.read_bytes())
    content[900] ^= 1
    tar.write_bytes(content)
    with pytest.raises(ShardError, match="was altered"):
        find_objects([torn], Brightness(), tmp_path / "out")


@pytest.mark.parametrize("size", [(48, 64), (7, 9), (131, 77)])
def test_jpegs_decode_to_the_values_that_pillow_gives(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(stream, "JPEG")
    for jpeg in (jpeg_of(pixels), stream.getvalue()):  # in colours, and grey
        plain = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        assert np.array_equal(decode_jpeg(jpeg), plain)


@pytest.mark.parametrize("harm", ["cut", "no end", "text", "nothing"])
def test_a_picture_that_is_no_whole_jpeg_is_told(
    walk: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """As where a foreign writer's index has the checksum of a broken picture."""
    read = ShardSet.read_jpeg

    def broken(self: ShardSet, row: int) -> bytes:
        jpeg = read(self, row)
        return {
            "cut": jpeg[: len(jpeg) // 2],
            "no end": jpeg[:-1],
            "text": b"no picture",
            "nothing": b"",
        }[harm]

    monkeypatch.setattr(ShardSet, "read_jpeg", broken)
    with pytest.raises(ShardError, match=r"walk/.*\.tar: picture \d+ cannot be decoded"):
        find_objects([walk], Brightness(), tmp_path / "out")
