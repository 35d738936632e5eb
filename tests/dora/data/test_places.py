"""Clips in numbers become bytes of files; files stay open within a bound."""

import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from dora.config import AugmentConfig, ClipConfig
from dora.data.description import find_shard_clips
from dora.data.places import FramePlace, OpenFiles, read_bytes
from dora.data.placing import clip_rows, place_clips, place_rows
from dora.data.reading import ClipReader
from tests.shard_making import make_shard_set
from wtours.shards import ShardError, ShardSet, open_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShardSet, ...]:
    """Two sets with cuts and gaps, of 5 and 4 tars."""
    folder = tmp_path_factory.mktemp("shards")
    make_shard_set(folder / "a", frames=40, pictures_per_tar=8, cut_frames=[9], side=16)
    make_shard_set(folder / "b", frames=30, pictures_per_tar=8, absent_frames=[12], side=16, seed=1)
    return open_shards(folder)


def test_batch_of_clips_is_placed_as_each_clip_alone(shards: tuple[ShardSet, ...]) -> None:
    clips = find_shard_clips(shards, ClipConfig(frames=3, stride_s=2))
    numbers = np.random.default_rng(0).permutation(len(clips))
    sets, rows = clip_rows(clips, numbers)
    for number, set_number, of_clip in zip(numbers, sets, rows, strict=True):
        expected_set, expected_rows = clips.rows(int(number))
        assert set_number == expected_set
        np.testing.assert_array_equal(of_clip, expected_rows)
    places = place_clips(shards, sets, rows, numbers)
    for place, number, set_number, of_clip in zip(places, numbers, sets, rows, strict=True):
        assert (place.position, place.set_number) == (number, set_number)
        assert place.rows == tuple(of_clip)
        for frame, row in zip(place.frames, place.rows, strict=True):
            assert read_bytes(frame) == shards[set_number].read_jpeg(row)


def test_no_clips_are_no_places(shards: tuple[ShardSet, ...]) -> None:
    clips = find_shard_clips(shards, ClipConfig(frames=3))
    sets, rows = clip_rows(clips, np.empty(0, dtype=np.int64))
    assert place_clips(shards, sets, rows, np.empty(0, dtype=np.int64)) == []


def test_reader_that_workers_get_holds_no_index() -> None:
    assert len(pickle.dumps(ClipReader(AugmentConfig(), seed=1))) < 2_000


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_files_stay_open_up_to_a_bound_and_are_closed(shards: tuple[ShardSet, ...]) -> None:
    frames = place_rows(shards[0], range(40)).frames
    before, files = open_descriptors(), OpenFiles(3)
    for order in (frames, frames[::-1], frames):
        for frame in order:
            assert read_bytes(frame, files) == read_bytes(frame)
            assert len(files) <= 3
    assert open_descriptors() == before + 3
    again = files.descriptor(frames[-1].path)
    assert files.descriptor(frames[-1].path) == again
    assert len(pickle.loads(pickle.dumps(files))) == 0
    files.close()
    assert open_descriptors() == before


def test_removed_file_is_read_while_open_and_closed_at_the_next(tmp_path: Path) -> None:
    """A cache may remove a tar whenever no clip that was given out needs it."""
    paths = [tmp_path / f"{number}.tar" for number in range(3)]
    for path in paths:
        path.write_bytes(b"picture")
    crc32 = zlib.crc32(b"picture")
    first, second, third = (
        FramePlace(path=str(path), offset=0, size=7, crc32=crc32) for path in paths
    )
    files = OpenFiles(3)
    read_bytes(first, files)
    read_bytes(second, files)
    paths[0].unlink()
    assert read_bytes(first, files) == b"picture"
    read_bytes(third, files)
    assert len(files) == 2
    with pytest.raises(ShardError, match=r"0\.tar cannot be read \(No such file"):
        read_bytes(first, files)
    files.close()


def test_altered_and_short_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "walk.tar"
    path.write_bytes(b"picture")
    for offset, crc32 in ((0, 1), (3, zlib.crc32(b"picture"))):
        frame = FramePlace(path=str(path), offset=offset, size=7, crc32=crc32)
        with pytest.raises(ShardError, match=rf"walk\.tar was altered.*byte {offset} has another"):
            read_bytes(frame)
    before = open_descriptors()
    with pytest.raises(ShardError, match=r"cannot be read \(Is a directory\)"):
        read_bytes(FramePlace(path=str(tmp_path), offset=0, size=1, crc32=0))
    assert open_descriptors() == before
