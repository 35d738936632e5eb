"""The class folder of photographs: no pixel is in both parts, and every class in both."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wtours.sample_classes import PHOTOGRAPHS, TILES, read_photograph, write_sample_classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample_classes(tmp_path_factory.mktemp("made") / "classes")


def test_tiles_put_together_again_are_the_photograph(folder: Path) -> None:
    for name, file in PHOTOGRAPHS.items():
        tiles = {
            int(path.stem): np.asarray(Image.open(path)) for path in folder.glob(f"*/{name}/*.png")
        }
        assert sorted(tiles) == list(range(TILES**2)), name
        rows = [np.hstack([tiles[r * TILES + c] for c in range(TILES)]) for r in range(TILES)]
        whole = np.vstack(rows)
        height, width = whole.shape
        assert np.array_equal(whole, read_photograph(file)[:height, :width]), name


def test_every_class_is_in_both_parts(folder: Path) -> None:
    for split in ("train", "val"):
        found = {path.name: len(list(path.iterdir())) for path in (folder / split).iterdir()}
        assert set(found) == set(PHOTOGRAPHS)
        assert min(found.values()) >= 8


def test_what_an_interrupted_run_left_is_made_anew(tmp_path: Path) -> None:
    left = tmp_path / ".classes.partial" / "train" / "unknown"
    left.mkdir(parents=True)
    made = write_sample_classes(tmp_path / "classes")
    assert [path.name for path in tmp_path.iterdir()] == ["classes"]
    assert {path.name for path in (made / "train").iterdir()} == set(PHOTOGRAPHS)
