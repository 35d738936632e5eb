from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dora.errors import DoraError
from dora.eval.label_maps import label_palette, read_labels, write_labels


def test_labels_survive_writing_and_reading(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = write_labels(tmp_path / "made" / "labels.png", labels)
    assert np.array_equal(read_labels(path, size=(16, 16)), labels)
    # What the published tool does: numbers, not colours.
    with Image.open(path) as opened:
        assert opened.mode == "P"
        assert np.array_equal(np.array(opened), labels)
        assert opened.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]


def test_palette_is_that_of_pascal_voc() -> None:
    """Colours of classes as the data set's own page shows them."""
    palette = label_palette()
    known = {0: (0, 0, 0), 1: (128, 0, 0), 3: (128, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128)}
    known |= {20: (0, 64, 128), 255: (224, 224, 192)}
    assert {label: tuple(palette[label].tolist()) for label in known} == known
    assert len(np.unique(palette, axis=0)) == 256


def test_grey_and_black_and_white_pictures_hold_labels_too(tmp_path: Path) -> None:
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    Image.fromarray(labels).save(tmp_path / "grey.png")
    assert np.array_equal(read_labels(tmp_path / "grey.png", size=(2, 2)), labels)
    Image.fromarray(labels > 1).save(tmp_path / "bits.png")
    assert read_labels(tmp_path / "bits.png", size=(2, 2)).tolist() == [[0, 0], [255, 255]]


def test_damaged_missing_coloured_and_misfitting_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(DoraError, match=r"a\.png is missing"):
        read_labels(path, size=(30, 20))
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path)
    with pytest.raises(DoraError, match=r"a\.png holds colours"):
        read_labels(path, size=(30, 20))
    write_labels(path, np.zeros((20, 30), np.uint8))
    with pytest.raises(DoraError, match=r"a\.png is 30x20, its picture 20x30"):
        read_labels(path, size=(20, 30))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DoraError, match=r"a\.png is no whole picture"):
        read_labels(path, size=(30, 20))
