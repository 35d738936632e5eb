"""Networks and class folders that take no time, for tests of evaluations."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dora.config import ModelConfig
from dora.eval.computing import Computing
from dora.eval.loading import Evaluated, evaluated, random_backbone
from dora.eval.networks import DinoNetwork

TINY = ModelConfig(width=64, depth=2, heads=2, patch_px=8, image_px=32)
CPU = torch.device("cpu")
ON_CPU = Computing(batch=5)


def tiny_network(seed: int = 0, model: ModelConfig = TINY) -> Evaluated:
    """Return an untrained network."""
    return evaluated(
        DinoNetwork(random_backbone(model, seed=seed)), f"untrained {seed}", origin="untrained"
    )


def write_noise(folder: Path, *, pictures: int, side: tuple[int, int] = (40, 60)) -> list[Path]:
    """Write pictures of noise; return their paths."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.png" for number in range(pictures)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, size=(*side, 3), dtype=np.uint8)).save(path)
    return paths


def write_colours(folder: Path, *, train: int = 6, val: int = 3) -> Path:
    """Write squares of 32 px in two colours with noise: any network tells them apart."""
    generator = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for name, colour in (("blue", (20, 40, 220)), ("red", (220, 60, 20))):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(generator.normal(colour, 20, size=(32, 32, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(
                    folder / part / name / f"{number}.png"
                )
    return folder
