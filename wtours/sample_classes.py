"""A small class folder, one class a photograph, for trying k-NN without a data set."""

from pathlib import Path

import numpy as np
import skimage
from PIL import Image

PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "galaxies": "hubble_deep_field.jpg",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tissue": "ihc.png",
}
"""Class -> file in scikit-image's wheel."""
TILES = 5
"""A photograph is cut into this many tiles in each direction, which do not overlap."""


def write_sample_classes(folder: Path) -> Path:
    """Write `train/` and `val/` with a folder for each photograph; return the folder.

    A photograph is made grey (so that colour alone does not tell the classes apart) and cut into
    tiles of equal size; every third one, counted along the diagonals, is for validation. No two
    tiles share a pixel.
    """
    for name, file in PHOTOGRAPHS.items():
        photograph = _read(file)
        for number, tile in enumerate(_tiles(photograph)):
            row, column = divmod(number, TILES)
            split = "val" if (row + column) % 3 == 0 else "train"
            path = folder / split / name / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tile).save(path)
    return folder


def _read(file: str) -> np.ndarray:
    path = Path(skimage.__file__).parent / "data" / file
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def _tiles(photograph: np.ndarray) -> list[np.ndarray]:
    height, width = (side // TILES for side in photograph.shape)
    return [
        photograph[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(TILES)
        for column in range(TILES)
    ]
