"""A small class folder, one class a photograph, for trying k-NN without a data set."""

import shutil
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
    tiles share a pixel. The folder appears when it is whole; one that is there is left as it is.
    """
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, file in PHOTOGRAPHS.items():
        photograph = read_photograph(file)
        for number, tile in enumerate(_tiles(photograph)):
            row, column = divmod(number, TILES)
            split = "val" if (row + column) % 3 == 0 else "train"
            path = partial / split / name / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tile).save(path)
    partial.rename(folder)
    return folder


def read_photograph(file: str) -> np.ndarray:
    """Return one of scikit-image's packaged photographs in grey, (height, width) uint8."""
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
